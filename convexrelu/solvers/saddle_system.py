"""The linear system of an interior-point step, seen from the outputs.

``A`` maps blocks to outputs, ``E`` intercepts; ``H = diag_j(H_j)`` and ``Θ`` are positive. The Newton step of a
programme whose loss has the curvature ``Θ`` at the present point solves::

    Θ⁻¹ζ − A du − E dc = a        one equation an output; ζ is the change of the loss's gradient
    Aᵀζ + H du         = b
    Eᵀζ                = e

Losses with kinks let ``Θ`` range from zero to infinity. Eliminating ``du`` leaves ``Θ⁻¹ + A H⁻¹ Aᵀ``, which
``√Θ`` on either side turns into ``I + BBᵀ`` with ``B = √Θ A L⁻ᵀ`` and ``H_j = L_jL_jᵀ``: its smallest eigenvalue is
at least one, and ``ζ`` is had without differences of large numbers. Two steps of iterative refinement on all three
equations give back what the factors have lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["OutputMap", "SaddleSystem"]

_SHIFT = 1e-15  # added to every H_j, of its trace, for its Cholesky factor to exist
_REFINEMENTS = 2
_CHUNK = 2**22  # entries of B at a time


@dataclass(frozen=True, eq=False)
class OutputMap:
    """``A``: blocks ``u_j`` to outputs ``Σ_j m_jo r_oᵀu_j``, without an array of all pairs of blocks and outputs.

    Attributes
    ----------
    rows : tensor of shape (N, d̃)
        ``r_o``, one an output.
    masks : tensor of shape (B, N)
        ``m_jo``.

    Examples
    --------
    >>> import torch
    >>> A = OutputMap(torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, -1.0]]))
    >>> A.push(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([ 4., -4.])
    >>> A.pull(torch.tensor([1.0, 2.0]))
    tensor([[ 1.,  0.],
            [ 1., -2.]])
    """

    rows: Tensor
    masks: Tensor

    def push(self, blocks: Tensor) -> Tensor:
        """``A u``, of shape (N,), for blocks of shape (B, d̃)."""
        return ((blocks.T @ self.masks) * self.rows.T).sum(dim=0)

    def pull(self, v: Tensor) -> Tensor:
        """``Aᵀv``, of shape (B, d̃)."""
        return ((self.rows.T * v) @ self.masks.T).T


class SaddleSystem:
    """The system, factored.

    Parameters
    ----------
    outputs : OutputMap
        ``A``.
    free : tensor of shape (N, m)
        ``E``, perhaps without columns.
    blocks : tensor of shape (B, d̃, d̃)
        ``H_j``, positive definite.
    theta : tensor of shape (N,)
        ``Θ``, positive.

    Raises
    ------
    torch.linalg.LinAlgError
        If a matrix is not positive definite to rounding.

    Notes
    -----
    ``B N² d̃ + N³/3`` operations and ``8 N²`` bytes.
    """

    def __init__(self, outputs: OutputMap, free: Tensor, blocks: Tensor, theta: Tensor) -> None:
        self._outputs, self._free, self._blocks, self._theta = outputs, free, blocks, theta
        self._root = theta.sqrt()
        dim = blocks.shape[1]
        identity = torch.eye(dim, dtype=blocks.dtype, device=blocks.device)
        shift = _SHIFT * blocks.diagonal(dim1=1, dim2=2).sum(dim=1)
        lower = torch.linalg.cholesky(blocks + shift[:, None, None] * identity)
        self._inverse = torch.linalg.solve_triangular(lower, identity, upper=False)
        self._factor = torch.linalg.cholesky(self._inner())
        self._responses = torch.cholesky_solve(self._root[:, None] * free, self._factor)
        gram = (self._root[:, None] * free).T @ self._responses
        self._free_factor = torch.linalg.cholesky(gram)

    def _inner(self) -> Tensor:
        """``I + BBᵀ``, some blocks at a time."""
        rows, masks = self._root[:, None] * self._outputs.rows, self._outputs.masks
        n, dim = rows.shape
        inner = torch.eye(n, dtype=rows.dtype, device=rows.device)
        n_at_once = max(1, _CHUNK // (n * dim))
        for inverse, mask in zip(
            self._inverse.split(n_at_once), masks.split(n_at_once), strict=True
        ):
            part = (inverse.reshape(-1, dim) @ rows.T).reshape(-1, dim, n)
            part = part.mul_(mask[:, None, :]).reshape(-1, n)
            inner.addmm_(part.T, part)
        return inner

    def solve(self, a: Tensor, b: Tensor, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``ζ``, ``du`` and ``dc``, of shapes (N,), (B, d̃) and (m,)."""
        zeta, du, dc = self._solve(a, b, e)
        for _ in range(_REFINEMENTS):
            rest = (
                a - zeta / self._theta + self._outputs.push(du) + self._free @ dc,
                b - self._outputs.pull(zeta) - (self._blocks @ du[:, :, None])[:, :, 0],
                e - self._free.T @ zeta,
            )
            more = self._solve(*rest)
            zeta, du, dc = zeta + more[0], du + more[1], dc + more[2]
        return zeta, du, dc

    def _solve(self, a: Tensor, b: Tensor, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        wanted = self._root * (a + self._outputs.push(self._divide(b)))
        scaled = torch.cholesky_solve(wanted[:, None], self._factor)[:, 0]
        missing = e - self._free.T @ (self._root * scaled)
        dc = torch.cholesky_solve(missing[:, None], self._free_factor)[:, 0]
        zeta = self._root * (scaled + self._responses @ dc)
        return zeta, self._divide(b - self._outputs.pull(zeta)), dc

    def _divide(self, b: Tensor) -> Tensor:
        """``H⁻¹b``."""
        return (self._inverse.mT @ (self._inverse @ b[:, :, None]))[:, :, 0]
