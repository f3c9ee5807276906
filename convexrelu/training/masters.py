"""By which solver, and how accurately, the rounds of training solve their programs."""

from __future__ import annotations

from dataclasses import dataclass, field

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
        skips = self._takes_roughness and n_blocks >= MANY_BLOCKS
        self.warming_up = self.warm_up_solver is not None and not skips

    def solve(
        self, blocks: Blocks, start: Array, time_limit: float, *, gap: float, n_new: int
    ) -> ProgramSolution:
        """Solve the program of some blocks, `n_new` of them new, where the gap of training is `gap`."""
        warm = self.warm_up_solver if self.warming_up else None
        self.is_rough = False
        if warm is None and self._takes_roughness:
            self.is_rough = n_new > 0
            self.solver.rough_gap = _ROUGH * gap if self.is_rough else 0.0  # type: ignore[attr-defined]
        solver = self.solver if warm is None else warm
        return solver.relu(self.problem, blocks, start=start, time_limit=time_limit)

    def progressed(self, before: float, now: float) -> None:
        """Go on with the warm-up only if a round has lowered the objective by enough."""
        many = self.problem.n_samples >= _MANY_SAMPLES
        wanted = before * (1 - (_SMALL_PROGRESS if many else _WARM_UP_PROGRESS))
        self.warming_up = self.warming_up and now < wanted

    @property
    def _takes_roughness(self) -> bool:
        problem = self.problem
        newton = problem.loss.is_least_squares and problem.n_outputs == 1
        return newton and hasattr(self.solver, "rough_gap")
