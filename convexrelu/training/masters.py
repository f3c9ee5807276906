"""By which solver, and how accurately, the rounds of training solve their programs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.results.status import Status
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
# Of the time of the last program: what is left of training where another one would not get far, and what is kept for
# descent with the cuts if it gets no further than its start, as it mostly does where time ends it. In 15 seconds that
# lowers the objective by 0.15 % (concrete, airfoil, alpha = 0.0001).
_ENOUGH, _KEPT = 0.8, 0.3


@dataclass(eq=False)
class Masters:
    """Solves the programs of the rounds.

    Parameters
    ----------
    problem : TrainingProblem
    solver : ProgramSolver
        One with an attribute ``rough_gap`` is asked for no more accuracy than the present gap is worth.
    warm_up_solver : ProgramSolver, optional
        Solves the programs after descent as long as that lowers the objective, see :class:`CuttingPlane`, and takes the
        cuts that come too late for a program of least squares.

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
    _last_seconds: float = field(default=0.0, init=False)  # of a rough program

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
        if warms_up:
            return self._descended(blocks, start, time_limit)
        if self.is_rough:
            return self._in_time(blocks, start, time_limit, _ROUGH * gap)
        return self.solver.relu(self.problem, blocks, start=start, time_limit=time_limit)

    def _in_time(
        self, blocks: Blocks, start: Array, time_limit: float, gap: float
    ) -> ProgramSolution:
        """The rough solution; where there is too little time for it, that of descent if it is better."""
        if self.warm_up_solver is None:
            return self._solved_roughly(blocks, start, time_limit, gap)
        end = time.perf_counter() + time_limit
        found = []
        if time_limit >= _ENOUGH * self._last_seconds:
            limit = time_limit - _KEPT * self._last_seconds
            found = [self._solved_roughly(blocks, start, limit, gap)]
            if found[0].status is not Status.USER_LIMIT:
                return found[0]
        found.append(self._descended(blocks, start, end - time.perf_counter()))
        return min(found, key=lambda each: each.objective if each.usable else math.inf)

    def _solved_roughly(
        self, blocks: Blocks, start: Array, time_limit: float, gap: float
    ) -> ProgramSolution:
        solver: Any = self.solver
        with _as_rough_as(solver, gap):
            found: ProgramSolution = solver.relu(
                self.problem, blocks, start=start, time_limit=time_limit
            )
        if found.status is not Status.USER_LIMIT:
            self._last_seconds = found.seconds
        return found

    def _descended(self, blocks: Blocks, start: Array, time_limit: float) -> ProgramSolution:
        assert self.warm_up_solver is not None
        return self.warm_up_solver.relu(self.problem, blocks, start=start, time_limit=time_limit)

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
