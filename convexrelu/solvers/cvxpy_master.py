"""The reference master: any conic solver through cvxpy."""

from __future__ import annotations

import cvxpy as cp

from convexrelu.problem import TrainingProblem
from convexrelu.programs import GatedProgramme, ProgrammeSolution, ReLUProgramme
from convexrelu.result import Blocks

__all__ = ["CvxpyMaster"]


class CvxpyMaster:
    """Writes the programme in cvxpy and calls a general conic solver.

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
                f"solver='cvxpy:{solver}': Missing package {solver.lower()!r}; pip install it"
            )
        self.solver = solver
        self.accuracy = accuracy

    def relu(
        self, problem: TrainingProblem, blocks: Blocks, *, time_limit: float | None = None
    ) -> ProgrammeSolution:
        """Solve the ReLU programme on `blocks`."""
        programme = ReLUProgramme(problem, blocks.masks, blocks.signs)
        return programme.solve(self.solver, accuracy=self.accuracy, time_limit=time_limit)

    def gated(
        self, problem: TrainingProblem, blocks: Blocks, *, time_limit: float | None = None
    ) -> ProgrammeSolution:
        """Solve the gated programme on the patterns of `blocks`."""
        programme = GatedProgramme(problem, blocks.masks)
        return programme.solve(self.solver, accuracy=self.accuracy, time_limit=time_limit)
