"""Cholesky factors of matrices that are positive definite except for rounding, and of many small ones."""

from __future__ import annotations

from convexrelu._utils.torch_import import Tensor, torch

__all__ = ["cholesky_factor", "divided", "inverse_factors"]

_SHIFT = 1e-15  # part of its trace that is added to every small matrix, so that its factor exists
_PARTS = (1e-14, 1e-13, 1e-12, 1e-11, 1e-10)  # of each diagonal entry, that a shift adds to it


def cholesky_factor(matrix: Tensor) -> Tensor:
    """A lower triangular ``L`` with ``LLᵀ = M``, or ``LLᵀ = M + S`` with a small diagonal ``S`` where that is needed.

    In double precision, the factor of a positive definite ``M`` need not exist: rounding is of the size of
    ``n ε √(M_ii M_jj)``, which can exceed the least eigenvalue. Interior-point methods come there in their last steps,
    where diagonal entries differ by twenty orders of magnitude; whether they end well would depend on the order in
    which a processor adds. A shift by a part of each entry changes all rows alike, however different their sizes are.
    Where ``M`` itself was computed by differences of large numbers, a part of the largest entry is added to all.

    Parameters
    ----------
    matrix : tensor of shape (n, n)
        Symmetric, of which the lower half is read; unchanged.

    Returns
    -------
    tensor of shape (n, n)
        Without a shift if that is possible.

    Raises
    ------
    torch.linalg.LinAlgError
        If none of the shifts is sufficient.

    Examples
    --------
    >>> import torch
    >>> cholesky_factor(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if not failed:
        return factor
    diagonal = matrix.diagonal()
    noise = len(matrix) * torch.finfo(matrix.dtype).eps * diagonal.max().expand_as(diagonal)
    for shift in (*(part * diagonal for part in _PARTS), noise):
        factor, failed = torch.linalg.cholesky_ex(matrix + torch.diag(shift))
        if not failed:
            return factor
    return torch.linalg.cholesky(matrix)


def inverse_factors(blocks: Tensor) -> Tensor:
    """``L_j⁻¹`` with ``L_jL_jᵀ = H_j``, for blocks ``H_j`` of shape (B, d̃, d̃).

    Raises
    ------
    torch.linalg.LinAlgError
        If a block is not positive definite up to rounding.

    Examples
    --------
    >>> import torch
    >>> inverse_factors(torch.tensor([[[4.0]], [[16.0]]])).flatten()
    tensor([0.5000, 0.2500])
    """
    identity = torch.eye(blocks.shape[1], dtype=blocks.dtype, device=blocks.device)
    shift = _SHIFT * blocks.diagonal(dim1=1, dim2=2).sum(dim=1)
    lower = torch.linalg.cholesky(blocks + shift[:, None, None] * identity)
    return torch.linalg.solve_triangular(lower, identity, upper=False)


def divided(b: Tensor, inverse: Tensor) -> Tensor:
    """``H_j⁻¹b_j``, of shape (B, d̃), by the :func:`inverse_factors`.

    Examples
    --------
    >>> import torch
    >>> divided(torch.tensor([[4.0], [8.0]]), inverse_factors(torch.tensor([[[4.0]], [[16.0]]])))
    tensor([[1.0000],
            [0.5000]])
    """
    return (inverse.mT @ (inverse @ b[:, :, None]))[:, :, 0]
