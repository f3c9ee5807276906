"""A primal–dual interior-point method for ReLU programs, its blocks eliminated one by one.

The program of :class:`TensorProgram`, with the slacks of its cones::

    min ½‖Au − t‖² + alpha Σ_j τ_j   subject to   s_j = N_j u_j ≥ 0,   q_j = (τ_j, u_j) ∈ Q

where ``N_j`` holds the rows of ``(2D_j − I) X̃`` at one length and ``Q`` is the second-order cone. Its optimality
conditions, on the central path of parameter ``μ``::

    A_jᵀr − N_jᵀλ_j − w_j = 0,   r = Au − t,   s∘λ = μ,   q_j∘z_j = μe,   z_j = (alpha, w_j)

are solved by Mehrotra's predictor–corrector steps from an infeasible start. ``W_j z_j = W_j⁻¹q_j`` is the
Nesterov–Todd scaling of each cone (Vandenberghe 2010, "The CVXOPT linear and quadratic cone program solvers").
Eliminating all but ``du`` leaves::

    (diag_j(H_j) + AᵀA) du = g,   H_j = N_jᵀ diag(λ_j/s_j) N_j + E_j

with ``E_j`` the Schur complement of ``τ_j`` in ``W_j⁻²``. With ``H_j = L_jL_jᵀ`` and ``B = AL⁻ᵀ`` the solution is
``L⁻ᵀ(I + BᵀB)⁻¹L⁻¹g``, through ``I + BBᵀ`` where that is smaller. Iterative refinement, with ``ζ = A du`` as an
unknown of its own, restores the digits that elimination loses in late iterations.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from convexrelu._utils.torch_import import Tensor, torch
from convexrelu.results.status import Status
from convexrelu.solvers.native.cholesky import cholesky_factor, divided, inverse_factors
from convexrelu.solvers.native.cone_points import (
    ConePoint,
    Scaling,
    Slacks,
    arrow,
    arrow_divide,
    starting_point,
)
from convexrelu.solvers.native.refinement import refined
from convexrelu.solvers.native.tensor_program import Iterate, TensorProgram

__all__ = ["interior_point"]

_MAX_ITER = 100  # a limit: twenty to thirty iterations are usual
_TO_BOUNDARY = 0.99  # fraction of the longest step to take, a convention
_FEASIBLE = 1e-9  # largest violation of a slack
_CHUNK = 2**22  # entries of B at a time


def interior_point(
    program: TensorProgram, *, gap: float = 1e-8, deadline: float = math.inf
) -> Iterate:
    """Solve a ReLU program by predictor–corrector steps.

    It takes twenty to thirty iterations, whatever the number of kinks: use it where an iteration is cheap, or the
    others are slow. At a very small `alpha`, where the data are nearly fitted, it may end with gaps of 1e-6 and above.
    It does not use a starting point.

    Parameters
    ----------
    program : TensorProgram
        With cones, whose interiors should not be empty.
    gap : float
        Relative duality gap to stop at.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.

    Returns
    -------
    Iterate
        The best feasible point, whose status is ``INACCURATE`` or ``USER_LIMIT`` if its gap is above `gap`.

    Notes
    -----
    An iteration costs ``B n d̃²`` operations for the ``H_j`` and, with ``m = nK``, ``B m d̃ min(m, B d̃)`` for the
    coupling. Memory ``8 min(m, B d̃)²`` bytes, ``64 B n`` for slacks and multipliers, ``8 n d̃²``, and 32 MB of
    scratch.
    """
    slacks = Slacks(program.rows, program.patterns())
    point = starting_point(slacks, program.alpha)
    best = Iterate(program.no_blocks(), program.target, math.inf, Status.INACCURATE)
    for _ in range(_MAX_ITER):
        now = _iterate(program, slacks, point)
        best = now if now.gap < best.gap else best
        if best.gap <= gap:
            return replace(_settled(program, slacks, point, now, gap), status=Status.CONVERGED)
        if time.perf_counter() > deadline:
            return replace(best, status=Status.USER_LIMIT)
        try:
            point = _advance(program, slacks, point)
        except torch.linalg.LinAlgError:  # double precision is exhausted
            break
        if not point.q.isfinite().all():
            break
    return best


class _NormalEquations:
    """``diag(H_j) + AᵀA``, factored."""

    def __init__(self, program: TensorProgram, blocks: Tensor) -> None:
        self.program, self.blocks = program, blocks
        dim = blocks.shape[1]
        self.inverse = inverse_factors(blocks)
        self.by_sample = len(program.target) <= dim * len(blocks)
        inner = self._by_sample() if self.by_sample else self._by_block()
        inner.diagonal().add_(1)
        self.factor = cholesky_factor(inner)

    def _by_sample(self) -> Tensor:
        """``BBᵀ``, some blocks at a time."""
        size, dim = len(self.program.target), self.blocks.shape[1]
        inner = self.blocks.new_zeros(size, size)
        for part in self._everything().split(max(1, _CHUNK // (size * dim))):
            rows = self._rows_of_b(part)
            if self.program.outer is not None:
                outer = self.program.outer[part].repeat_interleave(dim, dim=0)
                rows = (rows[:, :, None] * outer[:, None, :]).flatten(1)
            inner.addmm_(rows.T, rows)
        return self.program.centred(self.program.centred(inner).T)

    def _by_block(self) -> Tensor:
        """``BᵀB``; ``B`` is smaller than a matrix of all pairs of samples and outputs."""
        rows = self.program.centred(self._rows_of_b(self._everything()).T)
        inner = rows.T @ rows
        if self.program.outer is not None:
            alike, (k, dim) = self.program.outer @ self.program.outer.T, self.blocks.shape[:2]
            inner.view(k, dim, k, dim).mul_(alike[:, None, :, None])
        return inner

    def _rows_of_b(self, index: Tensor) -> Tensor:
        """Rows of ``Bᵀ`` without output directions, not centred: (k d̃, n) for ``k`` blocks."""
        n, dim = self.program.rows.shape
        rows = (self.inverse[index].reshape(-1, dim) @ self.program.rows.T).reshape(-1, dim, n)
        return rows.mul_(self.program.slopes[index][:, None, :]).reshape(-1, n)

    def _everything(self) -> Tensor:
        return torch.arange(len(self.blocks), device=self.blocks.device)

    def solve(self, g: Tensor) -> Tensor:
        """The solution, by iterative refinement of ``ζ − A du = 0, Aᵀζ + H du = g``.

        Without ``ζ``, of its own accuracy, what elimination loses would not come back: blocks that tend to zero have
        ``H_j`` of 1e-10 and less.
        """
        program = self.program

        def rests(zeta: Tensor, du: Tensor) -> tuple[Tensor, Tensor]:
            own = (self.blocks @ du[:, :, None])[:, :, 0]
            return program.push(du) - zeta, g - program.pull(zeta) - own

        return refined(self._solve, rests, (torch.zeros_like(program.target), g))[1]

    def _solve(self, a: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """``ζ`` and ``du`` with ``ζ − A du = a`` and ``Aᵀζ + H du = g``."""
        program = self.program
        if self.by_sample:
            wanted = a + program.push(divided(g, self.inverse))
            zeta = torch.cholesky_solve(wanted[:, None], self.factor)[:, 0]
            return zeta, divided(g - program.pull(zeta), self.inverse)
        scaled = (self.inverse @ (g - program.pull(a))[:, :, None]).reshape(-1, 1)
        scaled = torch.cholesky_solve(scaled, self.factor).reshape(*g.shape, 1)
        du = (self.inverse.mT @ scaled)[:, :, 0]
        return program.push(du) + a, du


def _iterate(program: TensorProgram, slacks: Slacks, point: ConePoint) -> Iterate:
    """The point as it would be returned: an infinite gap if it is not feasible."""
    u = point.q[:, 1:]
    if slacks.sides.numel() and float(slacks.of(u).min()) < -_FEASIBLE:
        return Iterate(u, program.target, math.inf, Status.INACCURATE)
    v = program.target - program.push(u)
    bound = (program.pull(v) + slacks.adjoint(point.multipliers)).norm(dim=1).max()
    gap = program.gap(u, torch.arange(len(u), device=u.device), v, v, float(bound))
    return Iterate(u, v, gap, Status.INACCURATE, accuracy=_FEASIBLE)


def _settled(
    program: TensorProgram, slacks: Slacks, point: ConePoint, end: Iterate, gap: float
) -> Iterate:
    """The end with zeros where its blocks tend to zero, if the gap allows it.

    On the central path, either a block's length or its slack in the dual tends to zero: the one that is smaller,
    each in its own unit.
    """
    lengths = end.blocks.norm(dim=1)
    prices = (program.pull(end.v) + slacks.adjoint(point.multipliers)).norm(dim=1)
    zero = lengths / lengths.max() < 1 - prices / prices.max()
    blocks = end.blocks.masked_fill(zero[:, None], 0.0)
    residual = program.target - program.push(blocks)
    index = torch.arange(len(blocks), device=blocks.device)
    reached = program.gap(blocks, index, residual, end.v, float(prices.max()))
    return Iterate(blocks, end.v, reached, end.status) if reached <= gap else end


def _advance(program: TensorProgram, slacks: Slacks, point: ConePoint) -> ConePoint:
    """One predictor–corrector step."""
    scaling = Scaling.of(point.q, point.z)
    direction = _newton(program, slacks, point, scaling)
    slack_product, cone_product = (
        point.s * point.multipliers,
        arrow(scaling.scaled, scaling.scaled),
    )
    affine = direction(-slack_product, -cone_product)
    length = min(1.0, 1 / point.rate(affine))
    centre = (point.moved(affine, length).mu() / point.mu()) ** 3 * point.mu()
    cone_target = -cone_product - arrow(scaling.inverse(affine.q), scaling.apply(affine.z))
    cone_target[:, 0] += centre
    step = direction(centre - slack_product - affine.s * affine.multipliers, cone_target)
    return point.moved(step, min(1.0, _TO_BOUNDARY / point.rate(step)))


def _newton(
    program: TensorProgram, slacks: Slacks, point: ConePoint, scaling: Scaling
) -> Callable[[Tensor, Tensor], ConePoint]:
    """The Newton direction as a function of the targets of ``s∘λ`` and of the scaled cone product."""
    u, weights = point.q[:, 1:], point.multipliers / point.s
    cone, axis = scaling.without_tau()
    system = _NormalEquations(program, slacks.gram(weights) + cone)
    infeasible = slacks.of(u) - point.s
    gradient = program.pull(program.push(u) - program.target)
    stationary = gradient - slacks.adjoint(point.multipliers) - point.z[:, 1:]

    def direction(slack_target: Tensor, cone_target: Tensor) -> ConePoint:
        c = scaling.inverse(arrow_divide(scaling.scaled, cone_target))
        fixed = slack_target / point.s - weights * infeasible
        reduced = c[:, 1:] - axis * c[:, :1]
        du = system.solve(slacks.adjoint(fixed) + reduced - stationary)
        ds = slacks.of(du) + infeasible
        dw = reduced - (cone @ du[:, :, None])[:, :, 0]
        norm = (2 * scaling.point[:, :1].square() - 1) / scaling.eta.square()
        dtau = c[:, :1] / norm - (axis * du).sum(dim=1, keepdim=True)
        return ConePoint(
            ds,
            (slack_target - point.multipliers * ds) / point.s,
            torch.cat([dtau, du], 1),
            torch.cat([torch.zeros_like(dtau), dw], 1),
        )

    return direction
