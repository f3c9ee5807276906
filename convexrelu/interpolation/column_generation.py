"""Interpolation at the smallest norm by generating patterns, as cutting planes do for training."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array, Masks
from convexrelu.certificates.certificate import Certificate
from convexrelu.column_generation import ColumnGeneration
from convexrelu.interpolation.norm_certificate import (
    MET,
    dual_feasible,
    miss,
    norm_certificate,
    with_margin,
)
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle
from convexrelu.oracles.for_problem import relaxation_for
from convexrelu.oracles.selection import OraclePair
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.results.status import Status

__all__ = ["InterpolationByPatterns", "InterpolationProgram"]


# Penalty on the errors on targets while the patterns do not suffice to interpolate, in units of the program; no
# measurement is recorded.
_PRICE = 1e4
_MIN_CUTS = 12  # as in the cutting-plane loop of training
# Columns below this fraction of the largest are rounding errors of the solver.
_NO_BLOCK = 1e-7
# Where the targets are missed without them, outputs of those left out are together below this part of `MET`.
_NO_OUTPUT = 0.1


@dataclass(eq=False)
class InterpolationByPatterns(ColumnGeneration[TwoLayerNetwork, Blocks]):
    """Column generation for the interpolation program.

    While the patterns cannot meet the targets, missing them is allowed at a price, and there is no certificate.

    Parameters
    ----------
    problem : TrainingProblem
    oracles : OraclePair
    first : Blocks
        Columns of the first program.
    size : float
        Approximate size of the norm.
    tol, max_iter, time_limit, started, progress
        As for :class:`~convexrelu.column_generation.ColumnGeneration`, by keyword.
    """

    problem: TrainingProblem
    oracles: OraclePair
    first: Blocks
    size: float

    # The norm may stand still for many rounds before it falls again; `max_iter` ends the loop.
    _PATIENCE: ClassVar[float] = math.inf

    _blocks: Blocks = field(init=False)
    _program: InterpolationProgram = field(init=False)
    _meets: bool = field(init=False)  # whether the program meets the targets
    # The first network that meets the targets, with its dual point, until it is priced.
    _uncertified: tuple[TwoLayerNetwork, Array] | None = field(default=None, init=False)

    def _begin(self) -> Status | None:
        self._blocks = Blocks.none(self.problem.n_samples)
        return self._add(self.first)

    def _solve(self, columns: Blocks) -> tuple[Status, bool]:
        """Solve with the targets as constraints, or at a price where they cannot be met."""
        self._blocks = self._blocks.join(columns)
        for price_, meets in ((None, True), (_PRICE, False)):
            self._program = InterpolationProgram(self.problem, self._blocks, price_, self.size)
            self._meets = meets
            # Without an interpolating network, solvers may end with huge blocks that miss the targets.
            if self._program.solve(self._deadline()) and not (meets and self._program.misses()):
                return Status.CONVERGED, True
            if self._program.is_late:
                return Status.TIME_LIMIT, False
        return Status.FAILED, False

    def _price(self) -> tuple[Certificate | None, Blocks]:
        """Heuristic pricing, or exact pricing where that finds no more cuts."""
        network = with_margin(self.problem, self._program.network())
        v = dual_feasible(self.problem, self._program.dual())
        if self._certified is None and self._meets and miss(self.problem, network) <= MET:
            self._uncertified = network, v
        heuristic, exact, _ = self.oracles
        certificate, cuts = self._ask(heuristic, network, v)
        if exact is not heuristic and (len(cuts) == 0 or certificate.relative_gap <= self.tol):
            certificate, cuts = self._ask(exact, network, v)
        if not self._meets or miss(self.problem, network) > MET:
            return None, cuts
        self._best, certificate = _better(self._certified, (network, certificate))
        return certificate, cuts

    def _ask(
        self, oracle: Oracle, network: TwoLayerNetwork, v: Array
    ) -> tuple[Certificate, Blocks]:
        """Certificate of a network, and the strongest witnesses that are not blocks yet."""
        certificate, report = norm_certificate(
            self.problem, network, oracle, v, self.tol, self._deadline()
        )
        found = Blocks(report.masks, report.signs, report.directions)
        known = set(self._blocks.keys())
        fresh = [
            i for i, key in enumerate(found.keys()) if key not in known and report.values[i] > 0
        ]
        return certificate, found.select(fresh[: max(_MIN_CUTS, len(self._blocks))])

    def _rescue(self) -> None:
        """Bound the norm by the relaxation, where the first pricing of a network that interpolates was cut short."""
        if self._certified is None and self._uncertified is not None:
            network, v = self._uncertified
            relaxation = relaxation_for(self.problem)
            certificate, _ = norm_certificate(
                self.problem, network, relaxation, v, self.tol, math.inf
            )
            self._best = network
            self._record(certificate, 0)

    def _conclude(self, status: Status) -> Status:
        if self._certified is None:
            raise ValueError(
                f"y: no network was found that meets it ({status.value}); is there one for these X?"
            )
        return status

    @property
    def _n_columns(self) -> int:
        return len(self._blocks)


def _better(
    best: tuple[TwoLayerNetwork, Certificate] | None, found: tuple[TwoLayerNetwork, Certificate]
) -> tuple[TwoLayerNetwork, Certificate]:
    """The smaller norm with the better of the two bounds, of those that it does not refute."""
    if best is None:
        return found
    network, certificate = min((best, found), key=lambda pair: pair[1].objective)
    reached = certificate.objective

    def rank(bound: Certificate) -> tuple[bool, bool, float]:
        stands = bound.is_proof or bound.lower_bound <= reached
        return stands, bound.is_proof, bound.lower_bound

    return network, replace(max(best[1], found[1], key=rank), objective=reached)


class InterpolationProgram:
    """``min Σ‖u_b‖ (+ price · Σ|missed|)`` over blocks in their cones, in units in which everything is about one.

    Parameters
    ----------
    problem : TrainingProblem
    blocks : Blocks
    price : float or None
        None where all targets must be met.
    size : float
        Approximate size of the norm.
    """

    def __init__(
        self, problem: TrainingProblem, blocks: Blocks, price: float | None, size: float
    ) -> None:
        from convexrelu._utils.cvxpy_import import cp

        self.problem, self.blocks, self.size = problem, blocks, size
        self.is_late = False  # whether the last call of `solve` came to no end for lack of time
        self.units = problem.units()
        design = problem.design * (size / self.units.tau)
        self._u = cp.Variable((design.shape[1], len(blocks)))
        self._c = cp.Variable() if problem.fit_intercept else cp.Constant(0.0)
        seen = design @ self._u
        outputs = cp.multiply(blocks.masks.T.astype(float), seen) @ blocks.signs + self._c
        cones = cp.multiply(2.0 * blocks.masks.T - 1.0, seen) >= 0
        objective = cp.sum(cp.norm(self._u, 2, axis=0))
        if price is not None:
            missed = cp.Variable(problem.n_samples)
            outputs += missed
            objective += price * cp.norm1(missed)
        if problem.loss.is_hinge:
            self._link = cp.multiply(problem.y, outputs) >= 1
        else:
            self._link = outputs == (problem.y - self.units.center) / self.units.tau
        self._program = cp.Problem(cp.Minimize(objective), [self._link, cones])

    def solve(self, deadline: float = math.inf) -> bool:
        """Whether a solution was found, accurate or not; solvers are not begun where they would end too late."""
        from convexrelu.programs.base import call_solver, seconds_for_solver, solver_options

        options, left = solver_options("CLARABEL", 1e-10), math.inf
        if math.isfinite(deadline):
            entries = self.blocks.masks.size * self.problem.design.shape[1]
            seconds = seconds_for_solver(self._program, "CLARABEL", entries, deadline)
            self.is_late = seconds is None
            if seconds is None:
                return False
            left = options["time_limit"] = seconds
        began = time.perf_counter()
        status = call_solver(self._program, "CLARABEL", **options)
        # There is a limit of iterations, too.
        self.is_late = status is Status.USER_LIMIT and time.perf_counter() - began >= left
        return status in (Status.CONVERGED, Status.INACCURATE) and self._u.value is not None

    def misses(self) -> bool:
        """Whether the blocks miss the targets by more than counts as interpolation."""
        return not float(np.max(self._link.violation())) <= MET

    def network(self) -> TwoLayerNetwork:
        """Neurons of the nonzero blocks."""
        values = np.asarray(self._u.value).T * self.size
        sizes = norms(values)
        network = self._merged(values, sizes > _NO_BLOCK * sizes.max())
        if miss(self.problem, network) <= MET:
            return network
        order = np.argsort(sizes)
        outputs = np.cumsum(sizes[order]) * (self.problem.lengths.max() / self.units.tau)
        seen = sizes[order][outputs > _NO_OUTPUT * MET]
        return self._merged(values, sizes >= seen[0]) if len(seen) else network

    def _merged(self, values: Array, kept: Masks) -> TwoLayerNetwork:
        intercept = self.units.center + self.units.tau * np.asarray(self._c.value)
        network = self.problem.network(values[kept], self.blocks.signs[kept], intercept)
        return self.problem.merged(network)

    def dual(self) -> Array:
        """``v`` up to a positive factor."""
        value = np.asarray(self._link.dual_value, dtype=np.float64)
        return value * self.problem.y if self.problem.loss.is_hinge else -value
