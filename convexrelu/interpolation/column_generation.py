"""Interpolation at the smallest norm by generating patterns, as cutting planes do for training."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.interpolation.norm_certificate import (
    MET,
    Found,
    dual_feasible,
    miss,
    norm_certificate,
    with_margin,
)
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import OracleReport
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


@dataclass(eq=False)
class InterpolationByPatterns:
    """Column generation for the interpolation program.

    While the patterns cannot meet the targets, missing them is allowed at a price.
    """

    problem: TrainingProblem
    oracles: OraclePair
    tol: float
    max_iter: int
    deadline: float
    size: float

    def run(self, blocks: Blocks) -> Found:
        """Add patterns until the gap is closed or none are left to add.

        Raises
        ------
        ValueError
            If the targets cannot be met, and no more pattern helps.
        """
        best: tuple[TwoLayerNetwork, Certificate] | None = None
        for n_iter in range(1, self.max_iter + 1):
            program, meets = self._solved(blocks)
            if program is None:
                return self._ended(best, n_iter, Status.FAILED)
            network = with_margin(self.problem, program.network())
            v = dual_feasible(self.problem, program.dual())
            certificate, cuts = self._price(network, v, blocks)
            if meets and miss(self.problem, network) <= MET:
                best = _better(best, (network, certificate))
                if best[1].relative_gap <= self.tol:
                    return *best, n_iter, Status.CONVERGED
            if len(cuts) == 0:
                return self._ended(best, n_iter, Status.STALLED)
            if time.perf_counter() > self.deadline:
                return self._ended(best, n_iter, Status.TIME_LIMIT)
            blocks = blocks.join(cuts)
        return self._ended(best, self.max_iter, Status.MAX_ITER)

    def _solved(self, blocks: Blocks) -> tuple[InterpolationProgram | None, bool]:
        """The program over the blocks, and whether it meets the targets."""
        for price_, meets in ((None, True), (_PRICE, False)):
            program = InterpolationProgram(self.problem, blocks, price_, self.size)
            if program.solve():
                return program, meets
        return None, False

    def _ended(
        self, best: tuple[TwoLayerNetwork, Certificate] | None, n_iter: int, status: Status
    ) -> Found:
        if best is None:
            raise ValueError(
                f"y: no network was found that meets it ({status.value}); is there one for these X?"
            )
        return *best, n_iter, status

    def _price(
        self, network: TwoLayerNetwork, v: Array, blocks: Blocks
    ) -> tuple[Certificate, Blocks]:
        """Heuristic pricing, or exact pricing where that finds no more cuts."""
        heuristic, exact, _ = self.oracles
        certificate, report = norm_certificate(
            self.problem, network, heuristic, v, self.tol, self.deadline
        )
        cuts = self._cuts(report, blocks)
        if exact is not heuristic and (len(cuts) == 0 or certificate.relative_gap <= self.tol):
            certificate, report = norm_certificate(
                self.problem, network, exact, v, self.tol, self.deadline
            )
            cuts = self._cuts(report, blocks)
        return certificate, cuts

    def _cuts(self, report: OracleReport, blocks: Blocks) -> Blocks:
        """The strongest witnesses that are not blocks yet."""
        found = Blocks(report.masks, report.signs, report.directions)
        known = set(blocks.keys())
        fresh = [
            i for i, key in enumerate(found.keys()) if key not in known and report.values[i] > 0
        ]
        return found.select(fresh[: max(_MIN_CUTS, len(blocks))])


def _better(
    best: tuple[TwoLayerNetwork, Certificate] | None, found: tuple[TwoLayerNetwork, Certificate]
) -> tuple[TwoLayerNetwork, Certificate]:
    """The smaller norm with the better of the two bounds."""
    if best is None:
        return found
    network, certificate = min((best, found), key=lambda pair: pair[1].objective)
    bound = max(best[1], found[1], key=lambda bound: (bound.is_proof, bound.lower_bound))
    return network, replace(bound, objective=certificate.objective)


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

    def solve(self) -> bool:
        """Whether a solution was found, accurate or not."""
        from convexrelu.programs.base import call_solver, solver_options

        status = call_solver(self._program, "CLARABEL", **solver_options("CLARABEL", 1e-10))
        return status in (Status.CONVERGED, Status.INACCURATE) and self._u.value is not None

    def network(self) -> TwoLayerNetwork:
        """Neurons of the nonzero blocks."""
        values = np.asarray(self._u.value).T * self.size
        sizes = np.linalg.norm(values, axis=1)
        kept = sizes > _NO_BLOCK * sizes.max()
        intercept = self.units.center + self.units.tau * np.asarray(self._c.value)
        network = self.problem.network(values[kept], self.blocks.signs[kept], intercept)
        return self.problem.merged(network)

    def dual(self) -> Array:
        """``v`` up to a positive factor."""
        value = np.asarray(self._link.dual_value, dtype=np.float64)
        return value * self.problem.y if self.problem.loss.is_hinge else -value
