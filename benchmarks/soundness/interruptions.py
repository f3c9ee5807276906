"""Ctrl-C at random moments of many small fits, and whatever is then not as it was, nor whole.

After an interruption an estimator has either its old state, all of it, or a new one: a network whose certificate
agrees with an evaluation of its objective written down here, attributes that agree with each other, and a message that
is true. Functions return such a result, or raise. Signal handlers and numbers of threads are as before.

Moments are drawn in processor time, so a busy machine changes little. Every third interruption is followed by another
one at once. Needs the timers of POSIX.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from benchmarks.soundness.interruption_cases import MAKERS, Case, quietly
from benchmarks.soundness.judge import Finding

__all__ = ["attack", "interrupted"]

# A second interruption follows the first one after at most this, in processor time.
SOON = 2e-3


def attack(
    seed: int, seconds: float, tally: Counter[tuple[str, str]] | None = None
) -> Iterator[Finding | None]:
    """Interrupt random fits for some seconds of processor time.

    Parameters
    ----------
    seed : int
    seconds : float
        At least one fit is interrupted, and the last one may take a little longer.
    tally : Counter, optional
        Counts pairs of a case and its outcome.

    Yields
    ------
    Finding or None
        For each interruption what is wrong, or nothing.
    """
    if not hasattr(signal, "setitimer"):
        return
    rng, end = np.random.default_rng(seed), time.process_time() + seconds
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    durations: dict[int, float] = {}
    try:
        while not durations or time.process_time() < end:
            chosen = int(rng.integers(len(MAKERS)))
            if chosen not in durations:
                durations[chosen] = _seconds_of(MAKERS[chosen](rng).call)
            case, moment = MAKERS[chosen](rng), rng.uniform(0.0, durations[chosen])
            twice = rng.random() < 1 / 3
            complaints, outcome = interrupted(case, _interruption_after(moment, twice))
            if tally is not None:
                tally[case.name, outcome] += 1
            yield _finding(seed, case, moment, twice, complaints) if complaints else None
    finally:
        signal.signal(signal.SIGINT, before)


def _finding(seed: int, case: Case, moment: float, twice: bool, complaints: list[str]) -> Finding:
    how = f"{case.name}, {'twice ' if twice else ''}after {moment:.4f} s of processor time"
    code = "from benchmarks.soundness.interruptions import attack\n"
    code += f"print([found for found in attack({seed}, 60.0) if found])\n"
    return Finding("interruption", seed, "; ".join([how, *complaints]), code=code)


# Interruptions


def _seconds_of(call: Callable[[], Any]) -> float:
    """Processor time of a call."""
    began = time.process_time()
    with quietly():
        call()
    return time.process_time() - began


def interrupted(
    case: Case, interruption: contextlib.AbstractContextManager[None]
) -> tuple[list[str], str]:
    """Complaints, and the outcome, of a call within a context that interrupts it."""
    surroundings, value, raised = _surroundings(), None, None
    n_threads = threading.active_count()
    with quietly() as printed:
        try:
            with interruption:
                value = case.call()
        except KeyboardInterrupt as caught:
            raised = caught
        except TypeError as error:  # which NumPy makes of an interruption amid a comparison of rows
            if "Cannot compare structured arrays" not in str(error):
                raise
            raised = KeyboardInterrupt("interrupted")
        # Tracebacks keep what a generator has to restore.
        raised = None if raised is None else raised.with_traceback(None)
        complaints = _changes(surroundings, _surroundings())
        if threads := _new_threads(n_threads):
            complaints.append(f"threads are left: {threads}")
        more, outcome = case.judge(value, raised, printed.getvalue())
    return complaints + more, outcome


@contextlib.contextmanager
def _interruption_after(moment: float, twice: bool) -> Iterator[None]:
    """Ctrl-C after some processor time; what comes after the block has ended is dropped."""
    left = 2 if twice else 1

    def interrupt(*_: object) -> None:
        nonlocal left
        left -= 1
        if left > 0:
            signal.setitimer(signal.ITIMER_PROF, SOON / 2)
        if left >= 0:
            signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, max(moment, 1e-5))
    try:
        yield
    finally:
        left = 0
        signal.setitimer(signal.ITIMER_PROF, 0.0)


def _surroundings() -> dict[str, object]:
    """What a training changes in its process for a while."""
    import torch

    return {
        "the handler of SIGINT": signal.getsignal(signal.SIGINT),
        "torch's threads": torch.get_num_threads(),
        "NumPy's handling of errors": tuple(np.geterr().items()),
        **{f"the threads of {each['filepath']}": each["num_threads"] for each in threadpool_info()},
    }


def _changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """What is not as before; libraries that have been loaded in the meantime do not count."""
    return [
        f"{name} was {old} and is {after[name]}"
        for name, old in before.items()
        if name in after and after[name] != old
    ]


def _new_threads(before: int) -> int:
    """Number of threads that are still there after a second, which those that are ending may take."""
    end = time.perf_counter() + 1.0
    while threading.active_count() > before and time.perf_counter() < end:
        time.sleep(0.01)
    return max(0, threading.active_count() - before)
