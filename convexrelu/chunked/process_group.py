"""Groups of processes of :mod:`torch.distributed`, over gloo."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import numpy as np

from convexrelu._utils.torch_import import torch
from convexrelu._utils.typing import Array
from convexrelu.chunked.group import Alone, Group, GroupError

__all__ = ["ProcessGroup", "group_of_torch"]

dist = torch.distributed

_GOOD, _FAILED = 0, 1
_HEADER = 2  # numbers: whether the process has failed, and the length of its message
# Seconds for which those that are left wait for each other's sign of life, to name the one that is missing.
_SECONDS_TO_ANSWER = 3.0


class ProcessGroup(Group):
    """Processes that are connected by gloo, and by a store that knows which of them are alive.

    Every exchange begins with a header of fixed length, by which a process that has failed can tell the others. One
    that has been killed closes its connections, which ends the exchange of the others at once.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup
        With gloo as its backend.
    store : torch.distributed.Store
        Shared by the processes, and used by no one else under keys that begin with `prefix`.
    prefix : str
        New for each training.
    """

    def __init__(
        self, group: Any, store: torch.distributed.Store, prefix: str = "convexrelu"
    ) -> None:
        self.rank, self.size = group.rank(), group.size()
        self._group = group
        self._store = dist.PrefixStore(prefix, store)

    @classmethod
    def connected(
        cls,
        rank: int,
        size: int,
        announce: Callable[[tuple[str, int] | None], tuple[str, int]],
        *,
        host: str = "localhost",
        timeout: float = 1800.0,
        to_meet: float = 60.0,
    ) -> ProcessGroup:
        """A group of its own, without the default group of torch.

        Process 0 listens at a port that the system chooses.

        Parameters
        ----------
        rank, size : int
            Number of this process, and number of processes.
        announce : callable
            Takes the address of process 0, or None on the others, and returns it on all of them.
        host : str
            Name by which the others reach process 0.
        timeout : float
            Seconds for which one process may compute while others wait.
        to_meet : float
            Seconds until all processes must have connected.

        Raises
        ------
        GroupError
            If not all of them have.
        """
        until = timedelta(seconds=to_meet)
        where = None
        try:
            if rank == 0:
                store = dist.TCPStore("0.0.0.0", 0, size, True, until, wait_for_workers=False)
                where = announce((host, store.port))
            else:
                where = announce(None)
                store = dist.TCPStore(*where, size, False, until)
            group = dist.ProcessGroupGloo(store, rank, size, until)
            group._set_default_timeout(timedelta(seconds=timeout))
        except RuntimeError as error:
            raise GroupError(
                f"process {rank} of {size} did not meet the others at {where} within {to_meet:g} s: {error}"
            ) from error
        return cls(group, store)

    def exchange(self, message: bytes) -> list[bytes]:
        """The messages of all processes."""
        sizes = self._header(_GOOD, len(message))
        payload = np.zeros(max(1, int(sizes.max())), dtype=np.uint8)
        payload[: len(message)] = np.frombuffer(message, dtype=np.uint8)
        rows = self._all(payload)
        return [row[:size].tobytes() for row, size in zip(rows, sizes.tolist(), strict=True)]

    def fail(self, cause: str) -> None:
        """Meet the others once more, with the cause."""
        with suppress(GroupError, RuntimeError):
            self._store.set(f"cause {self.rank}", cause)
            self._header(_FAILED, 0)

    def _header(self, code: int, length: int) -> Array:
        """Lengths of the messages."""
        headers = np.array(self._all(np.array([code, length], dtype=np.int64)))
        failed = np.flatnonzero(headers[:, 0] == _FAILED)
        if len(failed):
            causes = [f"process {rank}: {self._cause(rank)}" for rank in failed.tolist()]
            raise GroupError("training ended because of " + "; ".join(causes))
        return headers[:, 1]

    def _cause(self, rank: int) -> str:
        return self._store.get(f"cause {rank}").decode()

    def _all(self, array: np.ndarray) -> list[np.ndarray]:
        """The arrays of all processes, which have one shape."""
        own = torch.from_numpy(array)
        found = [torch.empty_like(own) for _ in range(self.size)]
        try:
            self._group.allgather([found], [own]).wait()
        except RuntimeError as error:
            raise GroupError(f"{self._missing()} ended or cannot be reached: {error}") from error
        return [each.numpy() for each in found]

    def _missing(self) -> str:
        """The processes that give no sign of life."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        silent = others
        try:
            self._store.set(f"alive {self.rank}", "yes")
            silent = _waited_for(
                lambda: [r for r in others if not self._store.check([f"alive {r}"])]
            )
        except RuntimeError:  # which ends with process 0
            silent = [0]
        if not silent:
            return "a connection"
        return "process " + ", ".join(map(str, silent))


def _waited_for(rest: Callable[[], list[int]]) -> list[int]:
    """What is left after a while, or nothing as soon as nothing is left."""
    end = time.monotonic() + _SECONDS_TO_ANSWER
    while (left := rest()) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def group_of_torch(*, timeout: float, to_meet: float) -> Group:
    """The processes of :mod:`torch.distributed`, see :func:`convexrelu.distributed.process_group`."""
    if not dist.is_available():
        return Alone()
    if not dist.is_initialized():
        if "WORLD_SIZE" not in os.environ or "RANK" not in os.environ:
            return Alone()
        dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    if size == 1:
        return Alone()
    meeting = dist.new_group(backend="gloo")  # the default group may be on devices

    def announce(address: tuple[str, int] | None) -> tuple[str, int]:
        known: list[Any] = [address]
        dist.broadcast_object_list(known, src=0, group=meeting)
        return known[0]

    host = os.environ.get("MASTER_ADDR") or socket.gethostname()
    return ProcessGroup.connected(rank, size, announce, host=host, timeout=timeout, to_meet=to_meet)
