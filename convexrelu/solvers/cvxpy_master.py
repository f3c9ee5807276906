"""The reference master: any conic solver through cvxpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu._cvxpy import cp
from convexrelu.problem import TrainingProblem
from convexrelu.programs import FiniteProgramme, GatedProgramme, ReLUProgramme
from convexrelu.result import Blocks, ProgrammeSolution
from convexrelu.solvers.support import Support, check_support

__all__ = ["CvxpyMaster"]


class CvxpyMaster:
    """Writes the programme in cvxpy and calls a general conic solver.

    The last programme is kept: where the next one differs in `alpha` only, it is not canonicalised again.

    Parameters
    ----------
    solver : {"CLARABEL", "ECOS", "SCS"}
        A solver of quadratic and second-order cone programmes.
    accuracy : float
        Relative gap asked of it.

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
        # A path solves the same programme for many alphas; its canonical form is kept.
        self._last_relu: ReLUProgramme | None = None
        self._last_gated: GatedProgramme | None = None

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: NDArray[np.float64] | None = None,
        time_limit: float | None = None,
    ) -> ProgrammeSolution:
        """Solve the ReLU programme on `blocks`; a start has no effect, these solvers take none."""
        check_support(self, problem)
        last = self._last_relu
        if last is None or not (
            np.array_equal(last.signs, blocks.signs) and last.is_for(problem, blocks.masks)
        ):
            last = self._last_relu = ReLUProgramme(problem, blocks.masks, blocks.signs)
        return self._solve(last, problem.alpha, time_limit)

    def gated(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: NDArray[np.float64] | None = None,
        time_limit: float | None = None,
    ) -> ProgrammeSolution:
        """Solve the gated programme on the patterns of `blocks`; a start has no effect."""
        check_support(self, problem, gated=True)
        last = self._last_gated
        if last is None or not last.is_for(problem, blocks.masks):
            last = self._last_gated = GatedProgramme(problem, blocks.masks)
        return self._solve(last, problem.alpha, time_limit)

    def _solve(
        self, programme: FiniteProgramme, alpha: float, time_limit: float | None
    ) -> ProgrammeSolution:
        return programme.solve(
            self.solver, alpha=alpha, accuracy=self.accuracy, time_limit=time_limit
        )
