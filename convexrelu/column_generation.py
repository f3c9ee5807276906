"""Column generation: the loop of training, of threshold networks, and of interpolation.

    price and certify ─► small gap, or a limit? stop
       ▲                      │ columns
       └─────── solve ◄───────┘

Used by :mod:`convexrelu.training.cutting_plane`, :mod:`convexrelu.threshold.column_generation` and
:mod:`convexrelu.interpolation.column_generation`.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sized
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from convexrelu._utils.interruptions import interruptions_held
from convexrelu.certificates.certificate import Certificate
from convexrelu.results.result import Progress, Result, Round, asks_to_stop, check_progress
from convexrelu.results.status import Status

__all__ = ["ColumnGeneration"]

_SETTLED = 0.01  # relative progress of a round below which the objective has settled


class _Wide(Protocol):
    """Solution with a number of neurons."""

    @property
    def width(self) -> int: ...


Solution = TypeVar("Solution", bound=_Wide)
Columns = TypeVar("Columns", bound=Sized)


@dataclass(eq=False, kw_only=True)
class ColumnGeneration(ABC, Generic[Solution, Columns]):
    """The loop, with its clock, its history and its status.

    A subclass implements pricing (:meth:`_price`) and solving (:meth:`_solve`). It keeps the best solution so far in
    ``_best``. An object runs once.

    Parameters
    ----------
    tol : float
        Relative gap to stop at.
    max_iter : int or None
        Largest number of finite programs.
    time_limit : float, optional
        Seconds; the loop ends with the best solution so far.
    started : float, optional
        Value of :func:`time.perf_counter` from which time counts; that at the call of `run` by default.
    progress : callable, optional
        Called with every :class:`~convexrelu.results.Round`; the loop ends when it returns True.
    settles : bool
        Whether to end when a round lowers the objective by less than a hundredth, without pricing its solution.
    """

    tol: float = 1e-3
    max_iter: int | None = 30
    time_limit: float | None = None
    started: float | None = None
    progress: Progress | None = None
    settles: bool = False

    _PATIENCE: ClassVar[float] = 3  # rounds in a row without progress after which the loop gives up
    _TIME_FOR_ROUNDS: ClassVar[float] = 1.0  # fraction of the time after which rounds end

    _best: Solution = field(init=False)
    # The last solution that was certified, with its certificate: what an interruption returns.
    _certified: tuple[Solution, Certificate] | None = field(default=None, init=False)
    _history: list[Round] = field(default_factory=list, init=False)
    _n_iter: int = field(default=0, init=False)
    _idle: int = field(default=0, init=False)  # rounds in a row without progress
    _asked_to_stop: bool = field(default=False, init=False)  # by `progress`
    _solver_status: Status | None = field(default=None, init=False)  # of the last program
    # Whether the columns are those of a solved program. Otherwise a program is solved even without new ones.
    _is_solved: bool = field(default=True, init=False)
    _clock_started: float = field(default=0.0, init=False)

    def run(self) -> Result:
        """Run the loop.

        Raises
        ------
        KeyboardInterrupt
            If interrupted before the first certificate; later on, the result has
            ``Status.INTERRUPTED``.
        """
        check_progress(self.progress)
        self._clock_started = time.perf_counter() if self.started is None else self.started
        try:
            status = self._conclude(self._loop())
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt):  # of someone impatient
                self._rescue()
            if self._certified is None:
                raise
            status = Status.INTERRUPTED
        assert self._certified is not None
        best, certificate = self._certified
        status = status.beside(certificate.relative_gap, self.tol, is_proof=certificate.is_proof)
        return self._result(best, certificate, status)

    # To implement

    @property
    @abstractmethod
    def _n_columns(self) -> int:
        """Number of columns in the program."""

    @abstractmethod
    def _price(self) -> tuple[Certificate | None, Columns]:
        """Certify the best solution, and find columns that improve it.

        None is for solutions that are not feasible yet.
        """

    @abstractmethod
    def _solve(self, columns: Columns) -> tuple[Status, bool]:
        """Solve with `columns` added and keep the better solution: the solver's status, and whether it found any."""

    # To override where needed

    def _result(self, best: Solution, certificate: Certificate, status: Status) -> Result:
        """Outcome of the loop, with the last certified solution; for others than networks, overridden."""
        solver_status = self._solver_status or Status.CONVERGED
        network = cast(Any, best)
        return Result(network, certificate, status, self._history, self._n_iter, solver_status)

    def _begin(self) -> Status | None:
        """Prepare the first pricing. A status ends the loop at once."""
        return None

    def _is_closed(self) -> bool:
        """Whether the gap is within the tolerance."""
        return self._certificate is not None and self._certificate.relative_gap <= self.tol

    def _certify_unpriced(self) -> Certificate:
        """Certify the best solution by bounds that are known, without pricing it; only where the loop `settles`."""
        raise NotImplementedError

    def _conclude(self, status: Status) -> Status:
        """Last steps after the loop, which may change its status."""
        return status

    def _rescue(self) -> None:
        """After an interruption: certify a solution that has no certificate yet, where that takes no time."""

    def _is_to_stop(self) -> bool:
        """Whether `progress` wants the loop to end."""
        return self._asked_to_stop

    def _shown(self, entry: Round) -> Round:
        """The round as `progress` sees it."""
        return entry

    # The loop

    def _loop(self) -> Status:
        status = self._begin()
        if status is None and self._is_to_stop():
            status = Status.STOPPED
        while status is None:
            before = self._certificate
            certificate, columns = self._price()
            if certificate is not None:
                self._record(certificate, len(columns))
                moves = before is None or _progress(before, certificate)
                self._idle = 0 if moves else self._idle + 1
            status = self._reason_to_stop(len(columns)) or self._add(columns)
        return status

    def _reason_to_stop(self, n_new: int) -> Status | None:
        if self._is_solved and self._is_closed():
            return Status.CONVERGED
        if self._is_to_stop():
            return Status.STOPPED
        if self.max_iter is not None and self._n_iter >= self.max_iter:
            return Status.MAX_ITER
        if self._seconds_left() <= 0:
            return Status.TIME_LIMIT
        if (self._is_solved and n_new == 0) or self._idle >= self._PATIENCE:
            return Status.STALLED
        return None

    def _add(self, columns: Columns) -> Status | None:
        """Solve with more columns. A status ends the loop: there was no solution, or it has settled."""
        self._solver_status, found = self._solve(columns)
        self._n_iter += 1
        if found:
            return self._settled() if self.settles else None
        if self._seconds_left() <= 0:
            return Status.TIME_LIMIT
        # A solver may take numbers that overflow outside of it for a solution.
        failed = self._solver_status is Status.CONVERGED
        return Status.FAILED if failed else self._solver_status

    def _settled(self) -> Status | None:
        """Enter the solution of a program in the history if it ends the loop; otherwise it is priced."""
        before, now = self._certificate, self._certify_unpriced()
        if before is None or not self._has_settled(before.objective, now.objective):
            return None
        self._record(now, 0)
        return Status.SETTLED

    def _has_settled(self, before: float, now: float) -> bool:
        """Whether these objectives, before and after a round, end a loop that `settles`."""
        return self.settles and now >= before * (1 - _SETTLED)

    def _record(self, certificate: Certificate, n_cuts: int) -> None:
        """Enter a certificate of the best solution in the history."""
        entry = Round(
            seconds=time.perf_counter() - self._clock_started,
            objective=certificate.objective,
            lower_bound=certificate.lower_bound,
            relative_gap=certificate.relative_gap,
            is_proof=certificate.is_proof,
            width=self._best.width,
            n_blocks=self._n_columns,
            n_cuts=n_cuts,
            violation=certificate.violation,
            solver_status=self._solver_status.name if self._solver_status else "",
        )
        with interruptions_held():  # both or neither
            self._history.append(entry)
            self._certified = (self._best, certificate)
        if self.progress is not None:
            self._asked_to_stop |= asks_to_stop(self.progress(self._shown(entry)))

    @property
    def _certificate(self) -> Certificate | None:
        """The last certificate."""
        return None if self._certified is None else self._certified[1]

    def _deadline(self, share: float | None = None) -> float:
        """Time at which that share of the time limit is over; by default, that of the rounds."""
        if self.time_limit is None:
            return math.inf
        share = self._TIME_FOR_ROUNDS if share is None else share
        return self._clock_started + self.time_limit * share

    def _seconds_left(self) -> float:
        return self._deadline() - time.perf_counter()


def _progress(before: Certificate, now: Certificate) -> bool:
    """Whether a round lowered the objective or the gap."""
    lower = now.objective < before.objective * (1 - 1e-12)
    return lower or now.relative_gap < 0.99 * before.relative_gap
