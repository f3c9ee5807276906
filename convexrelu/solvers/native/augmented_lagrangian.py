"""Augmented Lagrangian on the dual with semismooth Newton steps: the native solver of both programs.

The proximal point method on the program of :class:`TensorProgram`, from the centre ``ū``::

    u⁺ = argmin ½‖Au − t‖² + alpha Σ‖u_j‖ + (1/2τ) ‖u − ū‖²      (u_j in K_j)

is the augmented Lagrangian method on its dual (Rockafellar 1976). Its subproblem is solved in the dual variable
``v``, one entry a sample and output, where it is smooth and strongly convex, whatever the number of blocks::

    φ(v)  = ½‖v‖² − tᵀv + (1/2τ) Σ_j ‖u_j(v)‖²,      u_j(v) = shrink(projection of ū_j + τA_jᵀv on K_j, τ alpha)
    ∇φ(v) = v − t + Σ_j A_j u_j(v)

``∇φ`` is strongly semismooth, so Newton's method with a line search converges fast (Li, Sun & Toh 2018, for the lasso;
Zhang, Zhang, Sun & Toh 2020, for groups). Blocks that shrink to zero drop out of the Newton system, and a block whose
projection is known to be shorter than ``τ alpha`` need not be projected to the end: most blocks
cost next to nothing.

``v`` is the dual point, made feasible by a factor: ``‖projection of A_jᵀv‖ ≤ ‖projection of (ū_j + τA_jᵀv) − ū_j‖/τ``
bounds its infeasibility, so each outer iteration ends with a duality gap that holds.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from convexrelu._utils.deadlines import little_later, product_fits
from convexrelu._utils.torch_import import Tensor, torch
from convexrelu.patterns.cone_projection import ConeProjector
from convexrelu.results.status import Status
from convexrelu.solvers.native.line_search import search_line
from convexrelu.solvers.native.newton_systems import (
    ActiveBlocks,
    ConeSystem,
    GatedSystem,
    NewtonSystem,
)
from convexrelu.solvers.native.tensor_program import Iterate, TensorProgram

__all__ = ["AugmentedLagrangian"]

# No measurement is recorded for the numbers below.
_FIRST_STEP = 1e3  # τ, but not above 1/alpha
# Factors of τ from one outer iteration to the next: after a few Newton steps, after many, and after too many,
# whether because of kinks or rounding.
_FEW_STEPS, _FAST_GROWTH, _GROWTH, _RETREAT = 2, 10.0, 3.0, 0.1
_LARGEST_STEP = 1e12  # τ: times the machine precision, about 2e-4
_RESUMED = 0.1  # of the last τ, where the next program is almost the same
# Of a subproblem: largest ‖∇φ‖ in units of ‖Δu‖/√τ. From a start that is better than no blocks, while the gap falls and
# is above the last number, subproblems end early, and the one that reaches the gap is continued: half as many Newton
# steps lead to the same objective at gaps of 1e-2. From worse starts, the gap can stay at 1 until τ is too large.
_INEXACTNESS, _EARLY, _NEAR = 1.0, 10.0, 1e-4
_MAX_OUTER = 60
_MAX_NEWTON = 60  # for each subproblem
_MAX_HALVINGS = 30  # trial points of a step; 2⁻³⁰ is about 1e-9
# Trial points for each subproblem, 4 a step: where rounding leaves only tiny steps, one after the other leads nowhere.
_MAX_TRIALS = 4 * _MAX_NEWTON
# Number of consecutive outer iterations without a smaller gap after which the solver gives up.
_PATIENCE = 8


@dataclass(frozen=True, eq=False)
class _Point:
    """``φ`` at one ``v``, with all derived quantities."""

    v: Tensor
    pulled: Tensor  # Aᵀv
    value: float
    gradient: Tensor
    projections: Tensor
    blocks: Tensor  # those of `active`
    active: ActiveBlocks


class AugmentedLagrangian:
    """Solver of one program; it keeps what helps with the next `alpha`.

    Parameters
    ----------
    program : TensorProgram

    Notes
    -----
    One evaluation of ``φ`` is ``2 B n d̃`` operations, and with cones ``k n d̃`` for each sweep over the ``k``
    undecided blocks; a Newton step is described in :mod:`~convexrelu.solvers.native.newton_systems`. Memory,
    besides the program: that of the Newton system, and ``8 B n`` bytes in the first sweep over all blocks.
    """

    def __init__(self, program: TensorProgram) -> None:
        self.program = program
        self._everything = torch.arange(len(program.slopes), device=program.rows.device)
        self._last_tau = 0.0
        self._last_length = 1.0  # of a Newton step
        self._deadline = math.inf  # of the solve in progress
        self._latest_end = math.inf  # of its next step
        self._cones: ConeProjector | None = None
        self._system: NewtonSystem
        if program.cones:
            self._cones = ConeProjector(program.rows, program.patterns())
            self._system = ConeSystem(program, self._cones)
        else:
            self._system = GatedSystem(program)

    def solve(
        self,
        start: Tensor | None = None,
        *,
        v: Tensor | None = None,
        gap: float = 1e-8,
        max_steps: int | None = None,
        deadline: float = math.inf,
    ) -> Iterate:
        """Solve to a relative duality gap.

        Parameters
        ----------
        start : tensor of shape (B, d̃), optional
            Blocks to start from.
        v : tensor of shape (nK,), optional
            Dual point to start from, for a solve of almost the same program as the last; by default the residual
            of the blocks.
        gap : float
        max_steps : int, optional
            Newton steps after which to give up.
        deadline : float
            Value of :func:`time.perf_counter` at which to stop.

        Returns
        -------
        Iterate
            The best iterate, whose status is ``INACCURATE`` or ``USER_LIMIT`` if its gap is above `gap`.
        """
        program = self.program
        centre = program.no_blocks() if start is None else start
        active = centre.any(dim=1).nonzero()[:, 0]
        tau = min(_FIRST_STEP, 1 / program.alpha)
        residual = program.target - program.push(centre[active], active)
        helps = program.primal(centre[active], residual) < 0.5 * float(
            program.target @ program.target
        )
        if v is None:
            v = residual
        else:
            tau = max(tau, _RESUMED * self._last_tau)
        best = first = Iterate(centre, v, math.inf, Status.INACCURATE)
        idle = total = 0
        self._deadline, self._last_length = deadline, 1.0
        self._latest_end = little_later(deadline)
        for _ in range(_MAX_OUTER):
            allowed = _MAX_NEWTON if max_steps is None else min(_MAX_NEWTON, max_steps - total)
            is_early = helps and idle == 0 and best.gap > max(gap, _NEAR)
            loose = _EARLY if is_early else _INEXACTNESS
            try:
                point, n_steps = self._minimise(v, centre, tau, allowed, loose)
            except TimeoutError:
                return self._out_of_time(best, first)
            v, self._last_tau, total = point.v, tau, total + n_steps
            now = self._iterate(point, centre, tau)
            if now.gap <= gap and loose > _INEXACTNESS:
                now = self._finished(now, centre, tau, allowed - n_steps)
            idle = 0 if now.gap < 0.99 * best.gap else idle + 1
            best = now if now.gap < best.gap else best
            if best.gap <= gap:
                return replace(best, status=Status.CONVERGED)
            if self._is_late(point):
                return self._out_of_time(best, first)
            if idle >= _PATIENCE or (max_steps is not None and total >= max_steps):
                break
            centre = now.blocks
            tau = min(_factor(n_steps) * tau, _LARGEST_STEP)
        return best

    def _finished(self, end: Iterate, centre: Tensor, tau: float, allowed: int) -> Iterate:
        """The end of a subproblem that was left early, or where steps are allowed and lower the gap, its solution.

        The objective of an early end exceeds its dual value by ``½‖∇φ‖²``, which no later subproblem takes away.
        """
        try:
            point, _ = self._minimise(end.v, centre, tau, allowed)
        except TimeoutError:
            return end
        now = self._iterate(point, centre, tau)
        return now if now.gap < end.gap else end

    def _minimise(
        self,
        v: Tensor,
        centre: Tensor,
        tau: float,
        allowed: int,
        inexactness: float = _INEXACTNESS,
    ) -> tuple[_Point, int]:
        """Newton's method on ``φ`` until its gradient is small against the step of the outer iteration.

        Also returns the number of steps, the largest if that was not reached. Raises a TimeoutError if time ends before
        the first one.
        """
        point = self._evaluate(v, centre, tau)
        total = 0
        for n_steps in range(allowed):
            if self._is_minimal(point, centre, tau, inexactness if n_steps else _INEXACTNESS):
                return point, n_steps
            if self._is_late(point):
                if n_steps == 0:  # its blocks are worse than those of the centre
                    raise TimeoutError
                return point, n_steps
            self._latest_end = self._deadline
            step = self._system.direction(point.gradient, point.active, tau)
            try:
                following, trials = self._line_search(point, step, centre, tau)
            except TimeoutError:
                return point, n_steps
            if following is None:
                return point, _MAX_NEWTON
            point, total = following, total + trials
            if total >= _MAX_TRIALS:
                break
        return point, _MAX_NEWTON

    def _is_late(self, point: _Point) -> bool:
        """Whether time is up, or the next step would end later."""
        fits = product_fits(self._system.work(point.active), self._latest_end)
        return time.perf_counter() > self._deadline or not fits

    def _is_minimal(self, point: _Point, centre: Tensor, tau: float, inexactness: float) -> bool:
        moved = centre.clone()
        moved[point.active.index] -= point.blocks
        allowed = inexactness * float(moved.norm()) / tau**0.5
        rounding = 1e3 * torch.finfo(centre.dtype).eps
        return float(point.gradient.norm()) <= max(allowed, rounding)

    def _line_search(
        self, point: _Point, step: Tensor, centre: Tensor, tau: float
    ) -> tuple[_Point | None, int]:
        """A point that is lower, None if there is none, and the number of points that were tried."""
        pulled = self.program.pull(step)

        def evaluate(length: float) -> tuple[_Point, float]:
            v = point.v + length * step
            candidate = self._evaluate(v, centre, tau, point.pulled + length * pulled)
            return candidate, float(candidate.gradient @ step)

        found, self._last_length, trials = search_line(
            evaluate,
            point.value,
            float(point.gradient @ step),
            last=self._last_length,
            rounding=4 * torch.finfo(step.dtype).eps * abs(point.value),
            most=_MAX_HALVINGS,
        )
        return found, trials

    def _evaluate(
        self, v: Tensor, centre: Tensor, tau: float, pulled: Tensor | None = None
    ) -> _Point:
        """`pulled` is ``Aᵀv`` where it is known."""
        program = self.program
        level = tau * program.alpha
        pulled = program.pull(v) if pulled is None else pulled
        moved = torch.add(centre, pulled, alpha=tau)
        if self._cones is not None:
            moved = self._cones.project(moved, self._everything, level, self._deadline)
        lengths = torch.linalg.vector_norm(moved, dim=1)
        index = (lengths > level).nonzero()[:, 0]
        shrink = 1 - level / lengths[index]
        active = ActiveBlocks(index, moved[index] / lengths[index, None], shrink)
        blocks = shrink[:, None] * moved[index]
        gradient = v - program.target + program.push(blocks, index)
        value = float(0.5 * v @ v - program.target @ v + 0.5 / tau * blocks.square().sum())
        return _Point(v, pulled, value, gradient, moved, blocks, active)

    def _out_of_time(self, best: Iterate, start: Iterate) -> Iterate:
        """The best iterate, or the start where its objective is lower, as it can be until subproblems are far."""
        if best.gap < math.inf and self._objective(best) <= self._objective(start):
            return replace(best, status=Status.USER_LIMIT)
        points = [start.v] if best.v is start.v else [start.v, best.v]
        ends = [self._unprojected(replace(start, v=v)) for v in points]
        return replace(min(ends, key=lambda end: end.gap), status=Status.USER_LIMIT)

    def _objective(self, end: Iterate) -> float:
        index = end.blocks.any(dim=1).nonzero()[:, 0]
        blocks = end.blocks[index]
        return self.program.primal(blocks, self.program.target - self.program.push(blocks, index))

    def _unprojected(self, start: Iterate) -> Iterate:
        """The start with the gap that a bound without cones gives, which takes no projections."""
        program = self.program
        index = start.blocks.any(dim=1).nonzero()[:, 0]
        blocks = start.blocks[index]
        bound = float(torch.linalg.vector_norm(program.pull(start.v), dim=1).max())
        residual = program.target - program.push(blocks, index)
        return replace(start, gap=program.gap(blocks, index, residual, start.v, bound))

    def _iterate(self, point: _Point, centre: Tensor, tau: float) -> Iterate:
        bound = (
            float(torch.linalg.vector_norm(point.projections - centre, dim=1).max()) / tau
            if len(centre)
            else 0.0
        )
        residual = point.v - point.gradient
        gap = self.program.gap(point.blocks, point.active.index, residual, point.v, bound)
        blocks = torch.zeros_like(centre)
        blocks[point.active.index] = point.blocks
        return Iterate(blocks, point.v, gap, Status.INACCURATE)


def _factor(n_steps: int) -> float:
    if n_steps <= _FEW_STEPS:
        return _FAST_GROWTH
    return _GROWTH if n_steps < _MAX_NEWTON else _RETREAT
