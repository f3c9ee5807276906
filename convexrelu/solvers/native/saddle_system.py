"""The linear system of an interior-point step, with a loss of any curvature.

``A`` maps blocks to outputs, ``E`` intercepts; ``H = diag_j(H_j)`` and ``Θ`` are positive. The Newton step of a
program whose loss has the curvature ``Θ`` at the present point solves::

    Θ⁻¹ζ − A du − E dc = a        one equation an output; ζ is the change of the loss's gradient
    Aᵀζ + H du         = b
    Eᵀζ                = e

Losses with kinks let ``Θ`` range from zero to infinity, and which unknowns are eliminated first decides what is lost.

* :class:`OutputSystem` eliminates ``du``. What remains, ``Θ⁻¹ + A H⁻¹ Aᵀ``, becomes ``I + BBᵀ`` with ``√Θ`` on either
  side, ``B = √Θ A L⁻ᵀ`` and ``H_j = L_jL_jᵀ``: nothing is lost, at the price of a matrix of all pairs of outputs.
* :class:`BlockSystem` eliminates ``ζ_o`` where ``Θ_o`` is small, which leaves a matrix of the size of ``du``, and then
  ``du``, which leaves the few outputs on kinks.

Iterative refinement on all three equations restores digits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from convexrelu._utils.torch_import import Tensor, torch
from convexrelu.solvers.native.cholesky import cholesky_factor, divided, inverse_factors
from convexrelu.solvers.native.free_columns import FreeColumns
from convexrelu.solvers.native.refinement import refined

__all__ = ["BlockSystem", "Equations", "OutputMap", "OutputSystem", "SaddleSystem"]

_TIGHT = 1e2  # times the median: a larger Θ is on or near a kink
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


@dataclass(frozen=True, eq=False)
class Equations:
    """The system itself, to refine solutions of it.

    Attributes
    ----------
    outputs : OutputMap
        ``A``.
    free : FreeColumns
        ``E``.
    blocks : tensor of shape (B, d̃, d̃)
        ``H_j``.
    theta : tensor of shape (N,)
        ``Θ``.
    """

    outputs: OutputMap
    free: FreeColumns
    blocks: Tensor
    theta: Tensor

    def solved(
        self, once: Callable[..., tuple[Tensor, ...]], right: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``ζ``, ``du`` and ``dc`` for a right-hand side, refined from what `once` finds."""
        a, b, e = right

        def rests(zeta: Tensor, du: Tensor, dc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return (
                a - zeta / self.theta + self.outputs.push(du) + self.free.push(dc),
                b - self.outputs.pull(zeta) - (self.blocks @ du[:, :, None])[:, :, 0],
                e - self.free.pull(zeta),
            )

        zeta, du, dc = refined(once, rests, right)
        return zeta, du, dc


class SaddleSystem(ABC):
    """The system, factored.

    Parameters
    ----------
    outputs : OutputMap
        ``A``.
    free : tensor of shape (N, m)
        ``E``, possibly without columns.
    blocks : tensor of shape (B, d̃, d̃)
        ``H_j``, positive definite.
    theta : tensor of shape (N,)
        ``Θ``, positive.

    Raises
    ------
    torch.linalg.LinAlgError
        If a matrix is not positive definite up to rounding.
    """

    def __init__(self, outputs: OutputMap, free: Tensor, blocks: Tensor, theta: Tensor) -> None:
        self._outputs, self._free, self._blocks, self._theta = outputs, free, blocks, theta
        self._root = theta.sqrt()
        self._inverse = inverse_factors(blocks)
        self._factorise()
        self._free_factor = cholesky_factor(self._free_gram())

    @abstractmethod
    def _factorise(self) -> None:
        """Compute all that does not depend on right-hand sides."""

    @abstractmethod
    def _free_gram(self) -> Tensor:
        """``Eᵀζ``, of shape (m, m), where ``a = E``, ``b = 0`` and ``dc = 0``."""

    @abstractmethod
    def _fixed(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """``ζ`` and ``du`` where ``dc = 0``."""

    def solve(self, a: Tensor, b: Tensor, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``ζ``, ``du`` and ``dc``, of shapes (N,), (B, d̃) and (m,)."""
        free = FreeColumns(self._free)
        equations = Equations(self._outputs, free, self._blocks, self._theta)
        return equations.solved(self.once, (a, b, e))

    def once(self, a: Tensor, b: Tensor, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The solution as elimination finds it, without refinement."""
        zeta, du = self._fixed(a, b)
        missing = e - self._free.T @ zeta
        dc = torch.cholesky_solve(missing[:, None], self._free_factor)[:, 0]
        if len(dc):
            zeta, du = self._fixed(a + self._free @ dc, b)
        return zeta, du, dc


class OutputSystem(SaddleSystem):
    """``du`` first: ``B N² d̃ + N³/3`` operations and ``8 N²`` bytes."""

    def _factorise(self) -> None:
        rows, masks = self._root[:, None] * self._outputs.rows, self._outputs.masks
        n, dim = rows.shape
        inner = torch.eye(n, dtype=rows.dtype, device=rows.device)
        n_at_once = max(1, _CHUNK // (n * dim))
        parts = zip(self._inverse.split(n_at_once), masks.split(n_at_once), strict=True)
        for inverse, mask in parts:
            part = (inverse.reshape(-1, dim) @ rows.T).reshape(-1, dim, n)
            part = part.mul_(mask[:, None, :]).reshape(-1, n)
            inner.addmm_(part.T, part)
        self._factor = cholesky_factor(inner)

    def _free_gram(self) -> Tensor:
        scaled = self._root[:, None] * self._free
        return scaled.T @ torch.cholesky_solve(scaled, self._factor)

    def _fixed(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        wanted = self._root * (a + self._outputs.push(divided(b, self._inverse)))
        zeta = self._root * torch.cholesky_solve(wanted[:, None], self._factor)[:, 0]
        return zeta, divided(b - self._outputs.pull(zeta), self._inverse)


class BlockSystem(SaddleSystem):
    """Outputs of small ``Θ`` first: up to ``(N + 2 B d̃) (B d̃)²`` operations, and ``16 N B d̃`` bytes."""

    def _factorise(self) -> None:
        (n, dim), size = self._outputs.rows.shape, self._blocks.shape[:2].numel()
        n_tight = min(size, int((self._theta > _TIGHT * self._theta.median()).sum()))
        order = self._theta.argsort(descending=True)
        self._tight, self._loose = order[:n_tight], order[n_tight:]
        # Sorted once, since products with either part are many.
        rows, masks = self._outputs.rows[order], self._outputs.masks[:, order]
        part = (self._inverse.reshape(-1, dim) @ rows.T).reshape(-1, dim, n)
        columns = part.mul_(masks[:, None, :]).reshape(-1, n)  # L⁻¹Aᵀ
        self._tight_columns, self._loose_columns = columns[:, :n_tight], columns[:, n_tight:]
        loose = self._root[self._loose] * self._loose_columns
        inner = loose @ loose.T
        inner.diagonal().add_(1)
        self._factor = cholesky_factor(inner)  # of L⁻¹(H + AᵀΘA)L⁻ᵀ over loose outputs
        tight = self._root[self._tight] * self._tight_columns
        part = torch.linalg.solve_triangular(self._factor, tight, upper=False)
        inner = part.T @ part
        inner.diagonal().add_(1)
        self._tight_factor = cholesky_factor(inner)

    def _free_gram(self) -> Tensor:
        size = len(self._loose_columns)
        zeta, scaled = self._scaled(self._free, self._free.new_zeros(size, self._free.shape[1]))
        # Eᵀζ = ζᵀΘ⁻¹ζ + duᵀH du, a sum of squares, where the left-hand side cancels.
        by_root = zeta / self._root[:, None]
        return by_root.T @ by_root + scaled.T @ scaled

    def _fixed(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        scaled_b = (self._inverse @ b[:, :, None]).reshape(-1, 1)
        zeta, scaled = self._scaled(a[:, None], scaled_b)
        du = self._inverse.mT @ scaled.reshape(*b.shape, 1)
        return zeta[:, 0], du[:, :, 0]

    def _scaled(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """``ζ`` and ``Lᵀdu`` for columns ``a`` and ``L⁻¹b``."""
        tight, loose = self._tight, self._loose
        tight_columns, loose_columns = self._tight_columns, self._loose_columns
        theta = self._theta[:, None]
        rest = b - loose_columns @ (theta[loose] * a[loose])
        first = torch.cholesky_solve(rest, self._factor)
        root = self._root[tight, None]
        wanted = root * (a[tight] + tight_columns.T @ first)
        zeta = torch.empty_like(a)
        zeta[tight] = root * torch.cholesky_solve(wanted, self._tight_factor)
        rest = rest - tight_columns @ zeta[tight]
        du = torch.cholesky_solve(rest, self._factor)
        zeta[loose] = theta[loose] * (a[loose] + loose_columns.T @ du)
        return zeta, du
