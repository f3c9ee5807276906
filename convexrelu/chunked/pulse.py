"""Signs of life: every process of a group renews a number in a store, and sees which others have stopped."""

from __future__ import annotations

import threading
import time
from typing import Any

__all__ = ["Pulse"]

_PERIOD = 0.5  # seconds between two signs
_SILENCE = 4.0  # seconds without one that tell a dead process from one on a busy machine


class Pulse(threading.Thread):
    """The thread that gives the signs, and counts those of the others, while its process computes or waits.

    Parameters
    ----------
    store : torch.distributed.Store
        Of process 0, and used by no other thread.
    rank, size : int
        Number of this process, and number of processes.
    """

    def __init__(self, store: Any, rank: int, size: int) -> None:
        super().__init__(name=f"pulse of process {rank}")
        self._store: Any = store
        self._rank, self._size = rank, size
        self._keys = [f"pulse {each}" for each in range(size)]
        self._ends = threading.Event()
        self._store.set(self._keys[rank], "0")
        self._last = [b""] * size
        self._seen = [time.monotonic()] * size  # when signs of processes changed
        self._reached = time.monotonic()  # when the store answered
        self.start()

    def run(self) -> None:
        """Give signs until :meth:`end`, or until the store or the main thread has ended."""
        count = 0
        while threading.main_thread().is_alive() and not self._ends.wait(_PERIOD):
            count += 1
            try:
                self._store.set(self._keys[self._rank], str(count))
                signs = self._store.multi_get(self._keys)
            except RuntimeError:  # process 0 has ended
                break
            self._note(signs)
        self._store = None

    def end(self) -> None:
        """Give no more signs."""
        self._ends.set()

    def has_lost(self) -> bool:
        """Whether a process is known to have died."""
        return bool(self._silent()) or not self.is_alive()

    def missing(self) -> list[int]:
        """The processes that have died, as soon as one is known; none if all of them still give signs."""
        end = time.monotonic() + _SILENCE + 2 * _PERIOD
        while not (found := self._silent()) and time.monotonic() < end and self.is_alive():
            time.sleep(0.05)
        if found and self._rank == 0:
            time.sleep(
                2 * _PERIOD
            )  # the others still have to find out, from the store that ends with this process
        return found or ([] if self.is_alive() else [0])

    def _note(self, signs: list[bytes]) -> None:
        self._reached = time.monotonic()
        for rank, (last, now) in enumerate(zip(self._last, signs, strict=True)):
            if last != now:
                self._seen[rank] = self._reached
        self._last = signs

    def _silent(self) -> list[int]:
        """Processes without a sign for too long, as far as the store has told."""
        if time.monotonic() - self._reached > _SILENCE:
            return [0]
        return [r for r, seen in enumerate(self._seen) if self._reached - seen > _SILENCE]
