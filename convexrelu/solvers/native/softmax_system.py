r"""The linear system of an interior-point step with the softmax, whose samples have a free column each.

In the system of :mod:`~convexrelu.solvers.native.saddle_system` with ``E = [C, I ⊗ 1]``, a column of a sample asks for
``Σ_k ζ_k = e`` over its outputs and leaves ``Θ⁻¹ζ − A du − C dc = a`` undetermined but for a constant. The part of
``ζ`` that adds up to zero is ``S (a + A du + C dc)`` with::

    S = diag(θ) − θθᵀ/σ_1 = L D Lᵀ,   σ_k = Σ_{l≥k} θ_l,
    D_k = θ_k σ_{k+1} / σ_k,   L_kk = 1,   L_lk = −θ_l / σ_{k+1}   for l > k,   k < K

in which nothing is subtracted, so it is accurate in every entry, however uneven ``θ`` is (Grassmann, Taksar and Heyman
1985, for matrices whose rows add up to zero). ``Lᵀf`` is an output minus the mean of those that follow, so ``LᵀA`` is
a map of blocks to ``K − 1`` outputs a sample with the same rows and other masks: what is left is a system of the same
kind with ``ζ̃ = D Lᵀ(…)``. To eliminate the columns of samples last would take ``N n²`` operations and an array of ``N
n`` numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from convexrelu._utils.torch_import import Tensor, torch
from convexrelu.solvers.native.free_columns import FreeColumns
from convexrelu.solvers.native.saddle_system import Equations, OutputMap, SaddleSystem

__all__ = ["Elimination", "SoftmaxSystem"]


@dataclass(frozen=True, eq=False)
class Elimination:
    """``S = L D Lᵀ`` of all samples.

    Attributes
    ----------
    theta : tensor of shape (n, K)
        ``θ``, positive.
    later : tensor of shape (n, K)
        ``σ``.

    Examples
    --------
    >>> import torch
    >>> parts = Elimination.of(torch.tensor([1.0, 1.0, 2.0]), 3)
    >>> parts.curvature()
    tensor([0.7500, 0.6667])
    >>> parts.down(torch.tensor([5.0, 2.0, 5.0]))
    tensor([ 1., -3.])
    >>> parts.up(torch.tensor([3.0, 2.0]))
    tensor([ 3.,  1., -4.])
    """

    theta: Tensor
    later: Tensor

    @classmethod
    def of(cls, theta: Tensor, n_outputs: int) -> Elimination:
        """That of flat curvatures."""
        theta = theta.reshape(-1, n_outputs)
        return cls(theta, theta.flip(1).cumsum(dim=1).flip(1))

    def curvature(self) -> Tensor:
        """``D``, flat."""
        return (self.theta[:, :-1] * (self.later[:, 1:] / self.later[:, :-1])).reshape(-1)

    def down(self, outputs: Tensor) -> Tensor:
        """``Lᵀf`` for tensors whose last axis has the outputs, flat."""
        f = outputs.reshape(*outputs.shape[:-1], *self.theta.shape)
        sums = (self.theta * f).flip(-1).cumsum(dim=-1).flip(-1)
        means = sums[..., 1:] / self.later[:, 1:]
        return (f[..., :-1] - means).flatten(-2)

    def up(self, fewer: Tensor) -> Tensor:
        """``L ζ̃``, flat."""
        first = fewer.reshape(len(self.theta), -1)
        taken = (first / self.later[:, 1:]).cumsum(dim=1)
        rest = -self.theta[:, 1:] * taken
        rest[:, :-1] += first[:, 1:]
        return torch.cat([first[:, :1], rest], dim=1).reshape(-1)

    def means(self, outputs: Tensor) -> Tensor:
        """Means over the outputs of a sample, weighted by ``θ``."""
        return (self.theta * outputs.reshape(self.theta.shape)).sum(dim=1) / self.later[:, 0]

    def spread(self, sums: Tensor) -> Tensor:
        """Shares of a sum, one a sample, in proportion to ``θ``: flat."""
        return (self.theta * (sums / self.later[:, 0])[:, None]).reshape(-1)


class SoftmaxSystem:
    """The system, factored.

    Parameters
    ----------
    kind : subclass of SaddleSystem
        For the system of ``K − 1`` outputs a sample.
    outputs, blocks, theta
        As for :class:`~convexrelu.solvers.native.saddle_system.SaddleSystem`; all outputs of a sample have the same
        row, and at least two.
    free : FreeColumns
        With columns of samples.

    Raises
    ------
    torch.linalg.LinAlgError
        If a matrix is not positive definite up to rounding.
    """

    def __init__(
        self,
        kind: type[SaddleSystem],
        outputs: OutputMap,
        free: FreeColumns,
        blocks: Tensor,
        theta: Tensor,
    ) -> None:
        k = free.of_a_sample
        self._equations = Equations(outputs, free, blocks, theta)
        self._parts = parts = Elimination.of(theta, k)
        rows = outputs.rows.reshape(-1, k, outputs.rows.shape[1])[:, 1:].flatten(0, 1)
        fewer = OutputMap(rows, parts.down(outputs.masks))
        intercepts = parts.down(free.intercepts.T).T
        self._inner = kind(fewer, intercepts, blocks, parts.curvature())

    def solve(self, a: Tensor, b: Tensor, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``ζ``, ``du`` and ``dc``, of shapes (N,), (B, d̃) and (m + n,)."""
        return self._equations.solved(self._once, (a, b, e))

    def _once(self, a: Tensor, b: Tensor, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs, free, parts = self._equations.outputs, self._equations.free, self._parts
        m = free.intercepts.shape[1]
        given = parts.spread(e[m:])  # adds up to what the columns of samples ask for
        fewer, du, dc = self._inner.once(
            parts.down(a), b - outputs.pull(given), e[:m] - free.intercepts.T @ given
        )
        constants = parts.means(a + outputs.push(du) + free.intercepts @ dc)
        own = e[m:] / parts.later[:, 0] - constants
        return given + parts.up(fewer), du, torch.cat([dc, own])
