"""What sees the rounds of a fit, and the penalties of a cross-validation: callbacks, bars, and lines of text."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from convexrelu._utils.arguments import shown
from convexrelu._utils.logs import is_told, tell
from convexrelu._utils.typing import Array
from convexrelu.callbacks.bars import FitBar, PenaltyBar, console_for_bars
from convexrelu.oracles.bounds.proof_progress import ProofProgress
from convexrelu.results.progress import ProgressPrinter
from convexrelu.results.result import Progress, Result, Round, asks_to_stop, show_proof_of
from convexrelu.results.status import Status

__all__ = ["Callbacks", "check_callbacks", "penalties_shown", "trained_under_watch", "watched"]

# Callables that take a Round, or objects with `for_fit`, which makes one.
Callbacks = Sequence[Any] | None

# Called with the number of a penalty, all penalties, their scores so far, and seconds.
ShowPenalty = Callable[[int, Array, Array, float], None]


def check_callbacks(callbacks: Callbacks) -> None:
    """Raise an error for what is no callback."""
    for i, callback in enumerate(callbacks or ()):
        is_class = isinstance(callback, type)  # whose instance was meant
        if is_class or not (callable(callback) or hasattr(callback, "for_fit")):
            raise ValueError(
                f"callbacks[{i}]={shown(callback)} is not a callable that takes a Round, or an object with for_fit"
            )


@contextmanager
def watched(estimator: Any) -> Iterator[Progress | None]:
    """What training is to call with every round of a fit; None if nobody watches."""
    callbacks = [
        callback.for_fit(estimator) if hasattr(callback, "for_fit") else callback
        for callback in estimator.callbacks or ()
    ]
    with _rounds_shown(estimator.verbose, estimator.tol) as show:
        calls = [*([] if show is None else [show]), *callbacks]
        yield _Together(calls) if calls else None


def trained_under_watch(
    estimator: Any, train: Callable[[Progress], Result], *others: Progress
) -> Result:
    """Train, watched by the callbacks of an estimator, and by others, unless a callback ends training.

    Training itself turns an interruption into a result. A second one, or one at its very end, may come in between:
    then the result is the last network that callbacks could see.
    """
    last = _LastNetwork()
    try:
        with watched(estimator) as progress:
            calls: list[Progress] = [last, *([] if progress is None else [progress])]
            return train(_Together(calls, others) if len(calls) + len(others) > 1 else last)
    except KeyboardInterrupt:
        if last.result is None:
            raise
        return last.result


class _LastNetwork:
    """Keeps the last network of a training, with its certificate and history, as an interrupted result."""

    def __init__(self) -> None:
        self.result: Result | None = None
        self._history: list[Round] = []

    def __call__(self, entry: Round) -> None:
        self._history.append(replace(entry, network=None, certificate=None))
        if entry.network is None or entry.certificate is None:
            return
        n_programs = sum(bool(one.solver_status) for one in self._history)
        self.result = Result(
            entry.network, entry.certificate, Status.INTERRUPTED, [*self._history], n_programs
        )


class _Together:
    """One callable that calls all, and wants to stop if any does; others are called while nobody does."""

    def __init__(self, calls: list[Progress], others: Sequence[Progress] = ()) -> None:
        self._calls, self._others = calls, others

    def __call__(self, entry: Round) -> bool:
        answers = [one(entry) for one in self._calls]  # all are called
        if any(map(asks_to_stop, answers)):
            return True
        answers = [one(entry) for one in self._others]
        return any(map(asks_to_stop, answers))

    def proof(self, entry: ProofProgress) -> None:
        """Show how far a long proof is, to those that take it."""
        for one in self._calls:
            show = show_proof_of(one)
            if show is not None:
                show(entry)


@contextmanager
def _rounds_shown(verbose: int, tol: float) -> Iterator[Progress | None]:
    """A bar, or lines; None if neither is wanted."""
    console = console_for_bars() if verbose == 1 else None
    level = logging.INFO if verbose else logging.DEBUG
    if console is not None:
        with FitBar(console, tol) as bar:
            yield bar
    else:
        yield ProgressPrinter(level) if is_told(level) else None


@contextmanager
def penalties_shown(verbose: int, n_alphas: int, n_folds: int) -> Iterator[ShowPenalty]:
    """What a cross-validation is to call after every penalty."""
    console = console_for_bars() if verbose == 1 else None
    if console is None:
        yield _lines(verbose)
        return
    with PenaltyBar(console, n_alphas, n_folds) as bar:

        def show(k: int, alphas: Array, scores: Array, seconds: float) -> None:
            means = scores[: k + 1].mean(axis=1)
            if np.isnan(means).all():
                bar.penalty(k, float(alphas[k]), float("nan"))
            else:
                best = int(np.nanargmax(means))
                bar.penalty(k, float(alphas[best]), float(means[best]))

        yield show


def _lines(verbose: int) -> ShowPenalty:
    """A line a penalty, and a line a fold from 2 on."""
    level = logging.INFO if verbose else logging.DEBUG
    of_folds = logging.INFO if verbose > 1 else logging.DEBUG

    def show(k: int, alphas: Array, scores: Array, seconds: float) -> None:
        name = f"penalty {k + 1} of {len(alphas)}"
        for fold, score in enumerate(scores[k]):
            tell(f"{name}, fold {fold + 1} of {scores.shape[1]}: score {score:.6g}", of_folds)
        tell(
            f"{name}: alpha {alphas[k]:.3g}, mean score {scores[k].mean():.6g}, {seconds:.1f} s",
            level,
        )

    return show
