"""The reference solver: any conic solver through cvxpy."""

from __future__ import annotations

import time

import numpy as np

from convexrelu._utils.cvxpy_import import cp
from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs import FiniteProgram, GatedProgram, ReLUProgram
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.solvers.support import Support, check_support

__all__ = ["CvxpySolver"]


class CvxpySolver:
    """Write the program in cvxpy and call a general conic solver.

    The last program is kept: if the next one differs only in `alpha`, it is not canonicalised again.

    Parameters
    ----------
    solver : {"CLARABEL", "ECOS", "SCS"}
        A solver for quadratic and second-order cone programs.
    accuracy : float
        Relative gap requested from it.

    Raises
    ------
    ValueError
        If the solver is not installed.
    """

    def __init__(self, solver: str = "CLARABEL", accuracy: float = 1e-9) -> None:
        if solver not in cp.installed_solvers():
            raise ValueError(
                f"solver='cvxpy:{solver}' needs the package {solver.lower()!r}; pip install it"
            )
        self.solver = solver
        self.name = f"cvxpy:{solver}"
        # ECOS is unreliable where exponential cones couple the outputs of a sample.
        losses = "cvxpy_uncoupled" if solver == "ECOS" else "cvxpy"
        self.support = Support(losses, losses)
        self.accuracy = accuracy
        # A path solves the same program for many alphas; its canonical form is kept.
        self._last_relu: ReLUProgram | None = None
        self._last_gated: GatedProgram | None = None

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Solve the ReLU program on `blocks`; a start has no effect, since these solvers do not use one."""
        started = time.perf_counter()
        check_support(self, problem)
        last = self._last_relu
        if last is None or not (
            np.array_equal(last.signs, blocks.signs) and last.is_for(problem, blocks.masks)
        ):
            last = self._last_relu = ReLUProgram(problem, blocks.masks, blocks.signs)
        return self._solve(last, problem.alpha, started, time_limit)

    def gated(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Solve the gated program on the patterns of `blocks`; a start has no effect."""
        started = time.perf_counter()
        check_support(self, problem, gated=True)
        last = self._last_gated
        if last is None or not last.is_for(problem, blocks.masks):
            last = self._last_gated = GatedProgram(problem, blocks.masks)
        return self._solve(last, problem.alpha, started, time_limit)

    def _solve(
        self, program: FiniteProgram, alpha: float, started: float, time_limit: float | None
    ) -> ProgramSolution:
        if time_limit is not None:  # writing the program down counts
            time_limit -= time.perf_counter() - started
        return program.solve(
            self.solver, alpha=alpha, accuracy=self.accuracy, time_limit=time_limit
        )
