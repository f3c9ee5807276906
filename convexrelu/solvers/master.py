"""Masters: solvers of the finite programmes, by name."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from convexrelu.problem import TrainingProblem
from convexrelu.programs import ProgrammeSolution
from convexrelu.result import Blocks
from convexrelu.solvers.cvxpy_master import CvxpyMaster

__all__ = ["SOLVERS", "Master", "make_master"]

SOLVERS = ("auto", "cvxpy:CLARABEL", "cvxpy:ECOS", "cvxpy:SCS")


class Master(Protocol):
    """Solves finite programmes; the blocks change from call to call."""

    def relu(
        self, problem: TrainingProblem, blocks: Blocks, *, time_limit: float | None = None
    ) -> ProgrammeSolution:
        """Solve the ReLU programme on `blocks`."""
        ...

    def gated(
        self, problem: TrainingProblem, blocks: Blocks, *, time_limit: float | None = None
    ) -> ProgrammeSolution:
        """Solve the gated programme on the patterns of `blocks`."""
        ...


def make_master(name: str, tol: float = 1e-3) -> Master:
    """The master called `name`, as accurate as certificates to `tol` need it.

    Near the optimum the objective is flat and the bound is not: an error of ``ε²`` in the one is
    an error of ``ε`` in the other. A bound good to a tenth of `tol` therefore takes a programme
    solved to its square.

    Raises
    ------
    ValueError
        For an unknown name, or a solver that is not installed.
    """
    if name not in SOLVERS:
        raise ValueError(
            f"solver={name!r} is not known; available: {', '.join(map(repr, SOLVERS))}"
        )
    accuracy = float(np.clip((0.1 * tol) ** 2, 1e-11, 1e-8))
    return CvxpyMaster("CLARABEL" if name == "auto" else name.removeprefix("cvxpy:"), accuracy)
