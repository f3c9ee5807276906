"""The interface of program solvers, and the names of the available ones."""

from __future__ import annotations

from typing import Protocol

from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.solvers.support import unsupported

__all__ = ["METHODS", "SOLVERS", "ProgramSolver"]

METHODS = ("auto", "newton", "interior_point", "fista")  # native
SOLVERS = (*METHODS, "network", "cvxpy:CLARABEL", "cvxpy:ECOS", "cvxpy:SCS")


class ProgramSolver(Protocol):
    """Solves finite programs; the blocks change from call to call.

    A solver may have a ``name``, for messages, and ``support``, a :class:`~convexrelu.solvers.support.Support` that
    declares what it supports. Unsupported problems are refused before it is called. See
    :doc:`/guides/write_a_solver`.
    """

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Solve the ReLU program on `blocks`, optionally starting from given blocks of shape (B, d̃)."""
        ...

    def gated(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Solve the gated program on the patterns of `blocks`; refused by solvers that inherit this."""
        raise unsupported(self, "gated programs")
