"""By which solver, and how accurately, the rounds of training solve their programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.solvers.base import ProgramSolver

__all__ = ["MANY_BLOCKS", "Masters"]

# From so many blocks of descent on, Newton steps on their program lower the objective more than as much time of
# descent that moves them: at alpha = 0.0001, by 15 s the gap is 0.19 and not 0.57 (diabetes).
MANY_BLOCKS = 200
# Warm-up ends below the first relative progress of a round, or the second with so many samples: programs take longer.
_WARM_UP_PROGRESS, _SMALL_PROGRESS, _MANY_SAMPLES = 0.01, 0.003, 250
# Gap of a program as part of that of training, where it has new blocks: less is lost by the next ones. It saves a third
# of the time of a round.
_ROUGH = 0.02


@dataclass(eq=False)
class Masters:
    """Solves the programs of the rounds.

    Parameters
    ----------
    problem : TrainingProblem
    solver : ProgramSolver
        One with an attribute ``rough_gap`` is asked for no more accuracy than the present gap is worth.
    warm_up_solver : ProgramSolver, optional
        Solves the programs after descent as long as that lowers the objective; see :class:`CuttingPlane`.

    Attributes
    ----------
    warming_up : bool
        Whether the next program is for `warm_up_solver`.
    is_rough : bool
        Whether the last program may have been solved too roughly to say that there are no cuts.
    """

    problem: TrainingProblem
    solver: ProgramSolver
    warm_up_solver: ProgramSolver | None
    warming_up: bool = field(default=False, init=False)
    is_rough: bool = field(default=False, init=False)

    def begin(self, n_blocks: int) -> None:
        """After descent, which ends with so many blocks."""
        skips = self.takes_roughness and n_blocks >= MANY_BLOCKS
        self.warming_up = self.warm_up_solver is not None and not skips

    def solve(
        self, blocks: Blocks, start: Array, time_limit: float, *, gap: float, n_new: int
    ) -> ProgramSolution:
        """Solve the program of some blocks, `n_new` of them new, where the gap of training is `gap`."""
        warms_up = self.warming_up and self.warm_up_solver is not None
        self.is_rough = not warms_up and self.takes_roughness and n_new > 0
        solver: Any = self.warm_up_solver if warms_up else self.solver
        with _as_rough_as(solver, _ROUGH * gap) if self.is_rough else nullcontext():
            found: ProgramSolution = solver.relu(
                self.problem, blocks, start=start, time_limit=time_limit
            )
        return found

    def progressed(self, before: float, now: float) -> None:
        """Go on with the warm-up only if a round has lowered the objective by enough."""
        many = self.problem.n_samples >= _MANY_SAMPLES
        wanted = before * (1 - (_SMALL_PROGRESS if many else _WARM_UP_PROGRESS))
        self.warming_up = self.warming_up and now < wanted

    @property
    def takes_roughness(self) -> bool:
        """Whether programs may be solved roughly: those of least squares, by a solver that can be asked."""
        return self.problem.is_least_squares and hasattr(self.solver, "rough_gap")


@contextmanager
def _as_rough_as(solver: Any, gap: float) -> Iterator[None]:
    """Ask the solver for no smaller gap, and leave it as it was: it may be the user's."""
    before, solver.rough_gap = solver.rough_gap, gap
    try:
        yield
    finally:
        solver.rough_gap = before
