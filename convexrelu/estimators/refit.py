"""Training on all data after the choice of a penalty, which ends where the gap will not close.

With many classes the objective settles within a few rounds, and the bound needs hundreds. What is left
is then spent on digits that no prediction shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result, Round
from convexrelu.results.status import Status
from convexrelu.training.train import train

__all__ = ["StallRule", "train_until_stalled"]

# Rounds over which progress is measured, and the drop of the objective in them, as a fraction of tol, below which the
# objective has settled.
_ROUNDS, _DROP = 4, 0.05


class _Stalled(KeyboardInterrupt):
    """Ends a training from its progress, as an interruption does: with the best network so far."""


class StallRule:
    """Progress of a training that ends it when the objective has settled and the gap will not close.

    That is, in the last four rounds the objective fell by less than a twentieth of `tol`, and at the rate of
    these rounds the gap is above `tol` when `max_iter` is reached.

    Parameters
    ----------
    tol, max_iter
        Those of the training.
    progress : callable, optional
        Called with every round, too.
    """

    def __init__(
        self, tol: float, max_iter: int, progress: Callable[[Round], None] | None = None
    ) -> None:
        self.tol = tol
        self.max_iter = max_iter
        self.progress = progress
        self.stalled = False
        self._rounds: list[Round] = []

    def __call__(self, entry: Round) -> None:
        """Take note of a round; raises a KeyboardInterrupt that ends the training."""
        if self.progress is not None:
            self.progress(entry)
        self._rounds.append(entry)
        if self._has_settled() and not self._will_close():
            self.stalled = True
            raise _Stalled

    def _has_settled(self) -> bool:
        if len(self._rounds) <= _ROUNDS + 1:  # the first bound is not from a search
            return False
        before, now = (self._rounds[i].objective for i in (-1 - _ROUNDS, -1))
        return before - now < _DROP * self.tol * abs(before)

    def _will_close(self) -> bool:
        before, now = (self._rounds[i].relative_gap for i in (-1 - _ROUNDS, -1))
        if now <= self.tol or before <= 0:
            return True
        left = self.max_iter - len(self._rounds) + 2
        rate = min(now / before, 1.0)
        return now * rate ** (left / _ROUNDS) <= self.tol


def train_until_stalled(problem: TrainingProblem, **options: Any) -> Result:
    """Like :func:`~convexrelu.train`, and with ``Status.STALLED`` where a :class:`StallRule` ends it.

    The certificate is then that of the last round.
    """
    rule = StallRule(options["tol"], options["max_iter"], options["progress"])
    result = train(problem, **options | {"progress": rule})
    return replace(result, status=Status.STALLED) if rule.stalled else result
