"""Cholesky factors of matrices that are positive definite except for rounding."""

from __future__ import annotations

from convexrelu._utils.torch_import import Tensor, torch

__all__ = ["cholesky_factor"]

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
