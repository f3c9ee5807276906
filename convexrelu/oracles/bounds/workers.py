"""Who explores the boxes of a long proof: workers of joblib, the processes of a group, or this process alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import joblib

from convexrelu._utils.user_warnings import warn_user

__all__ = ["Workers", "workers_for", "workers_of_group"]

Part = TypeVar("Part")
Outcome = TypeVar("Outcome")


class Workers(ABC):
    """Several workers, each of which takes a part.

    Attributes
    ----------
    n_workers : int
        Largest number of parts.
    """

    n_workers: int

    @abstractmethod
    def __call__(
        self, function: Callable[[Part], Outcome], parts: Sequence[Part]
    ) -> list[Outcome] | None:
        """The outcomes of all parts, in order; None where some are missing, and there are no workers any more."""


class _OfJoblib(Workers):
    """Workers of the active backend of joblib."""

    def __init__(self, pool: joblib.Parallel, n_workers: int) -> None:
        self.n_workers = n_workers
        self._pool = pool

    def __call__(
        self, function: Callable[[Part], Outcome], parts: Sequence[Part]
    ) -> list[Outcome] | None:
        try:
            return list(self._pool(joblib.delayed(function)(part) for part in parts))
        except Exception as error:  # backends tell of the death of a worker in many ways
            warn_user(
                "the proof goes on in this process alone, because a worker of joblib failed: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
            )
            return None


_group: ContextVar[Workers | None] = ContextVar("group", default=None)


@contextmanager
def workers_of_group(workers: Workers) -> Iterator[None]:
    """Let these workers explore the boxes of all proofs of the block."""
    token = _group.set(workers)
    try:
        yield
    finally:
        _group.reset(token)


@contextmanager
def workers_for(n_jobs: int | None) -> Iterator[Workers | None]:
    """Those of a group if there is one, or `n_jobs` of joblib; None if this process is alone.

    Parameters
    ----------
    n_jobs : int, optional
        As joblib understands it: by default one, unless :func:`joblib.parallel_config` says otherwise.

    Examples
    --------
    >>> with workers_for(None) as workers:
    ...     print(workers)
    None
    >>> with joblib.parallel_config("threading", n_jobs=2), workers_for(None) as workers:
    ...     print(workers.n_workers, workers(abs, [-1, 2]))
    2 [1, 2]
    """
    n_workers = joblib.effective_n_jobs(n_jobs)
    if (group := _group.get()) is not None:
        yield group
    elif n_workers > 1:
        with joblib.Parallel(n_jobs=n_jobs) as pool:
            yield _OfJoblib(pool, n_workers)
    else:
        yield None
