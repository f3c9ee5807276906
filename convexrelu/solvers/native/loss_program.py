"""The program of the interior-point method for any loss: its units, iterates and solutions.

The method and its formulas are in :mod:`~convexrelu.solvers.native.loss_interior_point`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from convexrelu._utils.torch_import import Tensor, torch
from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.results.status import Status
from convexrelu.solvers.native.cone_points import ConePoint, Slacks, starting_point
from convexrelu.solvers.native.free_columns import FreeColumns
from convexrelu.solvers.native.saddle_system import OutputMap
from convexrelu.solvers.native.separable import separable

__all__ = ["LossEnd", "LossProgram", "LossState"]


_LARGE = 1e150  # its square does not overflow
_TINY = float(np.finfo(np.float64).tiny)
_FEASIBLE = 1e-9  # largest violation of a slack
_SATURATED = 30.0  # output beyond which a logistic gradient is at its end, up to rounding


@dataclass(frozen=True, eq=False)
class LossState:
    """An iterate: slacks and cones, intercepts, and the gradient ``z`` with the multipliers of its ends."""

    point: ConePoint
    c: Tensor
    z: Tensor
    p: Tensor
    q: Tensor

    def moved(self, step: LossState, length: float) -> LossState:
        """The iterate `length` along a step."""
        names = ("c", "z", "p", "q")
        moved = (getattr(self, name) + length * getattr(step, name) for name in names)
        return LossState(self.point.moved(step.point, length), *moved)

    def is_finite(self) -> bool:
        """Whether all entries are finite."""
        return bool(self.point.q.isfinite().all() and self.z.isfinite().all())


class LossEnd(NamedTuple):
    """A feasible iterate, with its objective and gap in the program's units."""

    blocks: Tensor
    v: Tensor
    gap: float
    bound: float


class LossProgram:
    """The program in its units, ``X̃/ρ`` and, for homogeneous losses, ``(y − c₀)/τ``.

    Arrays of outputs are flat, of shape (N,): all outputs of the first sample come first.
    """

    def __init__(self, problem: TrainingProblem, blocks: Blocks, cones: bool, device: str) -> None:
        self.problem, self.blocks, self.device = problem, blocks, device
        self.units = problem.units()
        self.alpha = problem.alpha / self.units.alpha
        self.y = self.units.targets(problem.loss, problem.y)
        n, k = problem.n_samples, problem.n_outputs
        rows = self.tensor(problem.design / self.units.rho)
        inside = torch.tensor(blocks.masks, device=device)
        sides = np.where(blocks.masks, 1.0, problem.slope)[:, :, None]
        outer = blocks.signs.reshape(len(blocks), 1, k)
        self.outputs = OutputMap(
            rows.repeat_interleave(k, dim=0), self.tensor((sides * outer).reshape(-1, n * k))
        )
        self.slacks = Slacks(rows, inside) if cones else Slacks(rows[:0], inside[:, :0])
        self.loss, self.targets = separable(problem.loss, self.y, k)
        self.weights = self.tensor(np.repeat(problem.weights, k))
        self.free = FreeColumns.of(
            self.weights,
            k,
            intercept=problem.fit_intercept,
            of_samples=self.loss is not problem.loss,
        )
        low, high = self.loss.domain(self.targets)
        self.low, self.high = self.tensor(low), self.tensor(high)
        held = not self.loss.steep
        self.has_low, self.has_high = self.low.isfinite() & held, self.high.isfinite() & held
        bounded = bool((self.low.isfinite() & self.high.isfinite()).all())
        self.moves_outputs = self.loss.steep and bounded
        # For the softmax: with 240 samples that halves the number of steps, with 600 it is a fifth; for counts it is
        # not less.
        self.moves_logarithms = self.loss is not problem.loss

    @property
    def n_equations(self) -> int:
        """Outputs of the linear systems: the softmax has one less a sample, which follows from the others."""
        n = len(self.weights)
        return n - n // self.free.of_a_sample if self.free.of_a_sample else n

    def tensor(self, array: Array) -> Tensor:
        """A copy on the device."""
        return torch.tensor(array, dtype=torch.float64, device=self.device)

    # Losses, evaluated by numpy

    def shaped(self, array: Tensor) -> Array:
        """Outputs of shape (n,) or (n, K)."""
        return array.cpu().numpy().reshape(self.problem.no_outputs().shape)

    def conjugate_gradient(self, z: Tensor) -> Tensor:
        """``ℓ*'(z)``."""
        return self._finite(self.loss.conjugate_gradient, z)

    def conjugate_curvature(self, z: Tensor) -> Tensor:
        """``ℓ*''(z)``."""
        return self._finite(self.loss.conjugate_curvature, z)

    def _finite(self, function: Callable[[Array, Array], Array], z: Tensor) -> Tensor:
        """Its values; large ones, not infinite, at points that rounding has put on the boundary of the domain."""
        with np.errstate(divide="ignore"):
            values = function(z.cpu().numpy(), self.targets)
        return self.tensor(np.clip(values, -_LARGE, _LARGE))

    # Iterates

    def start(self) -> LossState:
        """Blocks of zero, and the gradient in the middle of its domain, or that of the best constant."""
        zeros, f = torch.zeros_like(self.weights), self._constant()
        if self.loss.steep:
            z = self.tensor(self.loss.gradient(f, self.targets))
        else:
            low = torch.where(self.low.isfinite(), self.low, self.high.clamp(max=1) - 2)
            high = torch.where(self.high.isfinite(), self.high, low + 2)
            z = (low + high) / 2
        # Lengths of blocks, slacks and multipliers are of the size of what is to be fitted.
        size = max(1.0, float(self.weights @ (self.tensor(f) - self.conjugate_gradient(z)).abs()))
        point = starting_point(self.slacks, self.alpha)
        s = torch.full_like(point.s, size * max(len(self.slacks.normals), 1) ** -0.5)
        point = replace(point, s=s, q=size * point.q, multipliers=0.1 * self.alpha * size / s)
        p, q = (torch.where(held, size, zeros) for held in (self.has_high, self.has_low))
        return LossState(point, self.free.of_constant(self.tensor(f)), z, p, q)

    def _constant(self) -> Array:
        """The best constant outputs, flat."""
        outputs = self.problem.no_outputs()
        if self.problem.fit_intercept:
            outputs = outputs + self.problem.loss.best_intercept(
                outputs, self.y, self.problem.weights
            )
        if self.loss is not self.problem.loss:  # a distribution
            outputs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
        return outputs.ravel()

    def products(self, state: LossState) -> tuple[Tensor, Tensor]:
        """``p∘(high − z)`` and ``q∘(z − low)``."""
        above = torch.where(self.has_high, state.p * (self.high - state.z), 0.0)
        return above, torch.where(self.has_low, state.q * (state.z - self.low), 0.0)

    def mu(self, state: LossState) -> float:
        """Mean complementarity over slacks, cones and ends of domains."""
        point, (above, below) = state.point, self.products(state)
        total = (point.s * point.multipliers).sum() + (point.q * point.z).sum()
        total = total + (self.weights * (above + below)).sum()
        count = point.s.numel() + len(point.q) + int(self.has_high.sum() + self.has_low.sum())
        return float(total) / count

    def longest(self, state: LossState, step: LossState) -> float:
        """Length at which a step leaves a cone or a domain."""
        rates = [
            state.point.rate(step.point),
            _rate(state.p[self.has_high], step.p[self.has_high]),
            _rate(state.q[self.has_low], step.q[self.has_low]),
        ]
        if not (self.moves_outputs or self.moves_logarithms):
            rates += [_rate(self.high - state.z, -step.z), _rate(state.z - self.low, step.z)]
        return 1 / max(rates)

    def moved(self, state: LossState, step: LossState, length: float) -> LossState:
        """The iterate `length` along a step; gradients without multipliers move by the outputs that belong to them."""
        moved = state.moved(step, length)
        if self.moves_logarithms:
            depth = state.z - self.low
            smaller = self.low + depth * (length * step.z / depth).exp()
            return replace(moved, z=torch.where(step.z < 0, smaller, moved.z))
        if not self.moves_outputs:
            return moved
        change = self.conjugate_curvature(state.z) * step.z
        f = (self.conjugate_gradient(state.z) + length * change).clamp(-_SATURATED, _SATURATED)
        return replace(moved, z=self.tensor(self.loss.gradient(f.cpu().numpy(), self.targets)))

    # Solutions

    def end_at(self, state: LossState) -> LossEnd:
        """The iterate as it would be returned: an infinite gap if it is not feasible."""
        problem, u = self.problem, state.point.q[:, 1:]
        feasible = not self.slacks.sides.numel() or float(self.slacks.of(u).min()) >= -_FEASIBLE
        v = problem.loss.dual_point(
            self.shaped(-self.weights * state.z), self.y, problem.weights, problem.fit_intercept
        )
        pulled = self.outputs.pull(self.tensor(v.ravel()))
        lengths = (pulled + self.slacks.adjoint(state.point.multipliers)).norm(dim=1)
        bound = float(lengths.max())
        v = v * min(1.0, self.alpha / bound if bound > 0 else 1.0)
        gap = self._gap(u, v) if feasible and bound < math.inf else math.inf
        return LossEnd(u, self.tensor(v.ravel()), gap, bound)

    def _gap(self, u: Tensor, v: Array) -> float:
        """Relative duality gap of blocks and of a feasible dual point."""
        weights = self.problem.weights
        z = (-v.T / weights).T
        primal = self._primal(u)[0]
        gap = primal + float(weights @ self.problem.loss.conjugate(z, self.y))
        if not math.isfinite(gap):
            return math.inf
        return max(gap, 0.0) / primal if primal > 0 else 0.0

    def _primal(self, u: Tensor) -> tuple[float, Any, Array]:
        """Objective, intercept and outputs of blocks."""
        problem = self.problem
        outputs = self.shaped(self.outputs.push(u))
        c = np.zeros(problem.n_outputs) if problem.n_outputs > 1 else 0.0
        if problem.fit_intercept:
            c = problem.loss.best_intercept(outputs, self.y, problem.weights)
        fit = float(problem.weights @ problem.loss.value(outputs + c, self.y))
        return fit + self.alpha * float(u.norm(dim=1).sum()), c, outputs + c

    def settled(self, end: LossEnd, state: LossState, gap: float) -> LossEnd:
        """The end with zeros where its blocks tend to zero, if the gap allows it.

        On the central path, either a block's length or its slack in the dual tends to zero: the one that is
        smaller, as a fraction of the largest length that the objective allows and of `alpha`.
        """
        part = end.blocks.norm(dim=1) * self.alpha / max(self._primal(end.blocks)[0], _TINY)
        pulled = self.outputs.pull(end.v) * max(1.0, end.bound / self.alpha)
        prices = (pulled + self.slacks.adjoint(state.point.multipliers)).norm(dim=1)
        zero = part < 1 - prices / max(end.bound, self.alpha)
        blocks = end.blocks.masked_fill(zero[:, None], 0.0)
        reached = self._gap(blocks, self.shaped(end.v))
        return end._replace(blocks=blocks, gap=reached) if reached <= gap else end

    def to_solution(self, end: LossEnd, status: Status, seconds: float) -> ProgramSolution:
        """Blocks, outputs and dual point in the units of the problem."""
        units = self.units
        primal, c, outputs = self._primal(end.blocks)
        return ProgramSolution(
            blocks=end.blocks.cpu().numpy() * (units.tau / units.rho),
            intercept=units.center + units.tau * c,
            outputs=units.center + units.tau * outputs,
            objective=primal * units.value,
            status=status,
            accuracy=_FEASIBLE,
            seconds=seconds,
            dual=self.problem.feasible(self.shaped(end.v) * (units.value / units.tau)),
        )


def _rate(room: Tensor, step: Tensor) -> float:
    """Inverse of the length at which a step uses up the room, which may be infinite."""
    return float((-step / room).max()) if len(room) else 0.0
