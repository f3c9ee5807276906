"""Number of threads that linear algebra uses during training.

Training makes very many small products, and waking a thread pool takes longer than such a product: NumPy, SciPy
and torch each have their own pool, and on a busy machine a pool waits for its slowest thread every time. Training
therefore limits BLAS to one thread, and torch to one unless its arrays are large. Both settings are restored later.

NumPy's and SciPy's BLAS have one setting for the whole process: while a training runs, all other threads of the
process have one BLAS thread, too. torch's setting belongs to the thread that trains.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache, lru_cache, partial
from typing import Any, TypeVar

from joblib import cpu_count
from threadpoolctl import ThreadpoolController

from convexrelu._utils.interruptions import interruptions_held
from convexrelu._utils.workers import dismiss, handed_over

__all__ = ["free_cores", "in_threads", "one_blas_thread", "torch_threads"]

# Entries per thread of the arrays that one torch step works on. Two threads save a third of the time on an idle
# machine, but take up to three times as long where one of its two cores is busy; see the second table of
# ``python -m benchmarks.end_to_end.bench_threads``. Only steps that last much longer than a time slice of the
# scheduler are worth the risk.
_ENTRIES = 2**24
_PATIENCE = 0.05  # seconds after which a thread that waits looks for an interruption, which need not wake it


Part = TypeVar("Part")
Outcome = TypeVar("Outcome")
Library = Any  # threadpoolctl's controller of one library
Settings = list[tuple[Library, int]]


class _Trainings:
    """The trainings that are running, and the BLAS settings before they began.

    Most libraries have one setting per process: the first training changes it, and the last one restores it. With
    OpenMP every thread has its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: dict[object, int] = {}  # thread identifiers of the trainings
        self._shared: Settings = []
        self._own: dict[int, Settings] = {}

    def add(self, training: object) -> None:
        with self._lock:
            thread = threading.get_ident()
            if thread not in self._threads.values():
                libraries = _libraries("blas", len(sys.modules))
                own = [library for library in libraries if _is_of_the_thread(library)]
                self._own[thread] = _limited(own)
                if not self._threads:
                    self._shared = _limited([each for each in libraries if each not in own])
            self._threads[training] = thread

    def remove(self, training: object) -> None:
        with self._lock:
            thread = self._threads.pop(training, None)
            if thread is None:
                return
            if thread not in self._threads.values():
                _restore(self._own.pop(thread, []))
            if self._threads:
                return
            _restore(self._shared)
        dismiss()

    def keep_own(self) -> None:
        """In a copy of the process, forget the trainings of threads that it does not have, and who held the lock."""
        self._lock = threading.Lock()
        own = threading.get_ident()
        self._threads = {each: thread for each, thread in self._threads.items() if thread == own}
        self._own = {thread: before for thread, before in self._own.items() if thread == own}
        if not self._threads:
            _restore(self._shared)
            self._shared = []

    def n_threads(self) -> int:
        """Number of threads of the process that are training."""
        with self._lock:
            return len(set(self._threads.values()))


@lru_cache(maxsize=2)
def _libraries(kind: str, n_modules: int) -> list[Library]:
    """The "blas" or "openmp" libraries of the process.

    Modules load them, so the search, of a millisecond, waits for new ones.
    """
    return ThreadpoolController().select(user_api=kind).lib_controllers


def _is_of_the_thread(library: Library) -> bool:
    return getattr(library, "threading_layer", "") == "openmp"


def _limited(libraries: list[Library]) -> Settings:
    """Set these libraries to one thread; returns the settings of those that had more."""
    before = [(library, library.num_threads) for library in libraries]
    settings = [(library, n_threads) for library, n_threads in before if (n_threads or 1) > 1]
    for library, _ in settings:
        _set(library, 1)
    return settings


def _restore(settings: Settings) -> None:
    for library, n_threads in settings:
        if library.num_threads == 1:  # keep a setting made in the meantime
            _set(library, n_threads)


def _set(library: Library, n_threads: int) -> None:
    # Since 3.7, threadpoolctl lets only one thread of the process set the threads of OpenBLAS, until it is released:
    # any of our threads may be the last one, which has to restore them.
    release = getattr(library, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
    library.set_num_threads(n_threads)
    if release is not None:
        release(force=True)


_trainings = _Trainings()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_trainings.keep_own)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit NumPy's and SciPy's BLAS to one thread until the last such block of the process has ended.

    Examples
    --------
    >>> from threadpoolctl import ThreadpoolController
    >>> blas = ThreadpoolController().select(user_api="blas")
    >>> with one_blas_thread():
    ...     print(all(library["num_threads"] == 1 for library in blas.info()))
    True
    """
    training = object()
    try:
        with interruptions_held():
            _trainings.add(training)
        yield
    finally:
        try:
            with interruptions_held():
                _trainings.remove(training)
        finally:  # of an interruption just before that
            _trainings.remove(training)


@contextmanager
def torch_threads(n_entries: int) -> Iterator[None]:
    """Let torch use as many threads, in this thread of the process, as arrays of this size are worth.

    The number never exceeds what torch already uses, nor the cores available to each training of the process.

    Parameters
    ----------
    n_entries : int
        Entries of the arrays that one step works on.

    Examples
    --------
    >>> import torch
    >>> before = torch.get_num_threads()
    >>> with torch_threads(n_entries=1000):
    ...     print(torch.get_num_threads())
    1
    >>> torch.get_num_threads() == before
    True
    """
    from convexrelu._utils.torch_import import torch

    torch.get_num_threads()  # makes torch initialise this thread's setting before it is changed
    pools = _openmp_pools()
    before = [pool.num_threads for pool in pools]
    outside = getattr(_allowed, "threads", None)
    wanted = max(1, min(n_entries // _ENTRIES, _cores() // max(1, _trainings.n_threads())))

    def restore() -> None:
        _allowed.threads = outside
        for pool, n_threads in zip(pools, before, strict=True):
            pool.set_num_threads(n_threads)

    try:
        _allowed.threads = _threads_of_this()
        for pool, n_threads in zip(pools, before, strict=True):
            pool.set_num_threads(min(wanted, n_threads))
        yield
    finally:
        try:
            with interruptions_held():
                restore()
        finally:  # of an interruption just before that
            restore()


def in_threads(function: Callable[[Part], Outcome], parts: Sequence[Part]) -> list[Outcome]:
    """The outcomes for all parts, in order, computed on the cores that this training may use.

    Each core takes the next part when it has done one, so a busy core delays no more than its last part. Linear algebra
    within a part has one thread. As `parts` does not depend on the number of cores, neither do the outcomes.

    Parameters
    ----------
    function : callable
        Must spend its time in NumPy or torch, which let other threads run.
    parts : sequence
        Its arguments.

    Examples
    --------
    >>> in_threads(abs, [-1, 2, -3])
    [1, 2, 3]
    """
    n_threads = min(len(parts), free_cores()) if len(parts) > 1 else 1
    if n_threads <= 1:
        return [function(part) for part in parts]

    outcomes: dict[int, Outcome] = {}
    errors: list[BaseException] = []
    left = iter(list(enumerate(parts)))  # the next one is taken in one step of Python

    def work() -> None:
        try:
            _limit_this_thread()
            for k, part in left:
                outcomes[k] = function(part)
        except BaseException as error:
            errors.append(error)
            list(left)  # no one takes what is left

    working: list[threading.Event] = []

    def end() -> None:
        list(left)
        for ended in working:
            ended.wait()

    # Only the wait can be interrupted: threads have begun before, and have ended afterwards.
    try:
        with interruptions_held():
            # With NumPy's treatment of errors in this thread.
            while len(working) < n_threads and (
                ended := handed_over(partial(copy_context().run, work))
            ):
                working.append(ended)
        for ended in working:
            while not ended.wait(_PATIENCE):
                pass
    finally:
        try:
            with interruptions_held():
                end()
        finally:  # of an interruption just before that
            end()
    if errors:
        raise errors[0]
    if not working:
        return [function(part) for part in parts]
    return [outcomes[k] for k in range(len(parts))]


def _limit_this_thread() -> None:
    """One thread for linear algebra in a thread that only does parts, for as long as it lives."""
    _allowed.threads = 1
    _limited([each for each in _libraries("blas", len(sys.modules)) if _is_of_the_thread(each)])
    torch = _torch()
    if torch is not None:
        torch.get_num_threads()  # makes torch initialise this thread's setting before it is changed
        _limited(_openmp_pools())


def free_cores() -> int:
    """Cores for each training of the process, within the limits that OpenMP and torch have been given."""
    return max(1, min(_threads_of_this(), _cores() // max(1, _trainings.n_threads())))


def _cores() -> int:
    """Cores of this process, asked for once a second: to read the system's files takes as long as to wake a thread."""
    return _counted(cpu_count, int(time.perf_counter()))


@lru_cache(maxsize=1)
def _counted(count: Callable[[], int], second: int) -> int:
    return count()


def _threads_of_this() -> int:
    """Number of threads that torch may use in this thread, outside of :func:`torch_threads`.

    Where torch has not been imported, which takes a second, what OpenMP has been given: torch would take it over.
    """
    allowed: int | None = getattr(_allowed, "threads", None)
    if allowed is not None:
        return allowed
    torch = _torch()
    if torch is not None:
        return int(torch.get_num_threads())
    pools = _libraries("openmp", len(sys.modules))
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    limit = int(given) if given.isdecimal() and int(given) else cpu_count()
    return min([limit, *(pool.num_threads for pool in pools)])


def _torch() -> Any:
    """The module torch, None if it has not been imported, or another thread has not yet imported enough of it."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "get_num_threads") else None


# Within `torch_threads`: the number of threads that torch might use before it.
_allowed = threading.local()


@cache
def _openmp_pools() -> list[Any]:
    """The OpenMP libraries of the process, including torch's. A setting applies to the thread that makes it."""
    return ThreadpoolController().select(user_api="openmp").lib_controllers
