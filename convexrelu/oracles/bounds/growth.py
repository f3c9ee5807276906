"""Branch and bound until the goal is reached, by one process or many."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from convexrelu.oracles.bounds.proof_progress import ProofWatch
from convexrelu.oracles.bounds.tree import Goal, Tree
from convexrelu.oracles.bounds.workers import Workers, workers_for

__all__ = ["grow_all"]

_TRIAL = 0.05  # part of the work after which it is predicted whether the rest suffices
# It is predicted again after these parts, as most first predictions are too low. Proofs end there only where one
# exceeds the rest of the work by this factor, by which it may be wrong.
_TRIALS_AGAIN, _ERROR = (0.2, 0.5), 3.0
# Workers take seconds to start. So they help in proofs that have taken this number of turns, each of some tenths of a
# second, and that have so many seconds left.
_TURNS_ALONE, _SECONDS_TO_HELP = 25, 10.0


def grow_all(
    trees: list[Tree], goal: Goal, max_work: float, deadline: float, n_jobs: int | None = None
) -> None:
    """Grow the tree with the largest bound until the goal is reached or refuted, or work or time is spent.

    Where random dives predict that the work does not suffice, this ends after a twentieth of it, or after a fifth or
    half. Long proofs are shared with workers, see :func:`~convexrelu.oracles.bounds.workers.workers_for`.
    """
    growth = _Growth(trees, goal, max_work, deadline, ProofWatch(trees, deadline))
    if math.isfinite(max_work):
        growth.alone(_TRIAL * max_work)
        if growth.is_over or not growth.is_promising():
            return
    growth.alone(math.inf, _TURNS_ALONE)
    if not growth.is_over and deadline - time.perf_counter() > _SECONDS_TO_HELP:
        with workers_for(n_jobs) as workers:
            if workers is not None:
                growth.together(workers)
    for share in _TRIALS_AGAIN if math.isfinite(max_work) else ():
        growth.alone(growth.left - (1 - share) * max_work)
        if growth.is_over or not growth.is_promising(_ERROR):
            return
    growth.alone(math.inf)


@dataclass
class _Growth:
    trees: list[Tree]
    goal: Goal
    left: float  # work
    deadline: float
    watch: ProofWatch

    @property
    def is_over(self) -> bool:
        spent = self.left <= 0 or time.perf_counter() >= self.deadline
        return spent or self.goal.refuted or self._next.is_done

    def is_promising(self, excess: float = 1.0) -> bool:
        """Whether dives predict work of at most `excess` times what is left."""
        work_of_one = sum(t.work for t in self.trees) / sum(t.n_boxes for t in self.trees)
        most = excess * self.left / work_of_one
        for tree in self.trees:
            most -= tree.predicted_boxes(self.deadline, most)
            if most < 0:
                return False
        return True

    @property
    def _next(self) -> Tree:
        return max(self.trees, key=lambda tree: tree.bound)

    def alone(self, budget: float, n_turns: float = math.inf) -> None:
        """Explore boxes in this process."""
        while budget > 0 and n_turns > 0 and not self.is_over:
            work = self._next.grow(min(budget, self.left))
            self.left -= work
            self.watch.look(self.goal.target)
            budget -= work
            n_turns -= 1

    def together(self, workers: Workers) -> None:
        """Explore boxes by workers, while there are any."""
        while not self.is_over:
            work = self._next.grow_by(workers, self.left, self.deadline)
            if work is None:
                break
            self.left -= work
            self.watch.look(self.goal.target)
