"""Groups of processes of :mod:`torch.distributed`, over gloo."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.interruptions import interruptions_held
from convexrelu._utils.torch_import import torch
from convexrelu.chunked.group import Alone, Group, GroupError
from convexrelu.chunked.pulse import Pulse

__all__ = ["ProcessGroup", "group_of_torch"]

dist = torch.distributed

_GOOD, _FAILED = 0, 1
_TO_ASK = 1.0  # seconds
Address = tuple[str, int]


class ProcessGroup(Group):
    """Processes that are connected by gloo, and know which of them are alive.

    Every exchange begins with a header of fixed length, by which a process that has failed can tell the others. One
    that has been killed closes its connections, which ends the exchange of its neighbours at once; they close theirs,
    and so on. A group that has failed is at its end, and so are its connections.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup
        With gloo as its backend; used by no one else.
    pulse : Pulse
        Of the same processes.
    """

    def __init__(self, group: Any, pulse: Pulse) -> None:
        self.rank, self.size = group.rank(), group.size()
        self._group: Any = group
        self._pulse = pulse

    @classmethod
    def connected(
        cls,
        rank: int,
        size: int,
        announce: Callable[[Address | None], Address],
        *,
        host: str = "localhost",
        timeout: float = 1800.0,
        to_meet: float = 60.0,
    ) -> Self:
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
        where, store = None, None
        try:
            if rank == 0:
                store = dist.TCPStore("0.0.0.0", 0, size, True, until, wait_for_workers=False)
                where = announce((host, store.port))
            else:
                where = announce(None)
                store = dist.TCPStore(*where, size, False, until)
            store.set(f"process {rank}", "has come")
            group = dist.ProcessGroupGloo(store, rank, size, until)
            group._set_default_timeout(timedelta(seconds=timeout))
            return cls(group, Pulse(store, rank, size))
        except RuntimeError as error:
            absent = _who_has_not_come(store, size)
            if rank == 0:
                time.sleep(
                    _TO_ASK
                )  # the others have to find out, too, from the store of this process
            raise GroupError(
                f"process {rank} of {size} did not meet the others at {where} within {to_meet:g} s{absent}: {error}"
            ) from error

    def exchange(self, message: bytes) -> list[bytes]:
        """The messages of all processes."""
        return self._exchange(_GOOD, message)

    def has_lost(self) -> bool:
        """Whether another process has given no sign of life for too long."""
        return self._pulse.has_lost()

    def fail(self, cause: str) -> None:
        """Meet the others once more, with the cause, and leave."""
        with suppress(GroupError):
            self._exchange(_FAILED, cause.encode())

    def close(self) -> None:
        """Close the connections."""
        self._group = None
        self._pulse.end()

    def _exchange(self, code: int, message: bytes) -> list[bytes]:
        """All messages; an error if one of them tells of a failure."""
        if self._group is None:
            raise GroupError("the group of processes has ended")
        with interruptions_held():  # the others would wait between header and message
            try:
                headers = np.array(self._all(np.array([code, len(message)], dtype=np.int64)))
                payload = np.zeros(max(1, int(headers[:, 1].max())), dtype=np.uint8)
                payload[: len(message)] = np.frombuffer(message, dtype=np.uint8)
                rows = self._all(payload)
            except RuntimeError as error:  # a connection has ended
                self._group = None  # which tells those that wait for this process
                cause = f"{_named(self._pulse.missing())} ended or cannot be reached: {error}"
                self.close()
                raise GroupError(cause) from error
            except BaseException:  # such as a lack of memory
                self.close()
                raise
        found = [
            row[:length].tobytes() for row, length in zip(rows, headers[:, 1].tolist(), strict=True)
        ]
        failed = np.flatnonzero(headers[:, 0] == _FAILED).tolist()
        if failed:
            self.close()
            causes = [f"process {rank}: {found[rank].decode()}" for rank in failed]
            raise GroupError("training ended because of " + "; ".join(causes))
        return found

    def _all(self, array: NDArray[Any]) -> list[NDArray[Any]]:
        """The arrays of all processes, which have one shape."""
        own = torch.from_numpy(array)
        found = [torch.empty_like(own) for _ in range(self.size)]
        self._group.allgather([found], [own]).wait()
        return [each.numpy() for each in found]


def _who_has_not_come(store: Any, size: int) -> str:
    """Names of the processes that have not reached the store, if it can tell."""
    try:
        rest = [rank for rank in range(size) if not store.check([f"process {rank}"])]
    except (RuntimeError, AttributeError):  # there is no store
        return ""
    return f"; {_named(rest)} did not come" if rest else ""


def _named(ranks: list[int]) -> str:
    return "process " + ", ".join(map(str, ranks)) if ranks else "a connection"


def group_of_torch(*, timeout: float, to_meet: float) -> Group:
    """The processes of :mod:`torch.distributed`, see :func:`convexrelu.distributed.process_group`."""
    if not dist.is_available():
        return Alone()
    if not dist.is_initialized():
        if "WORLD_SIZE" not in os.environ or "RANK" not in os.environ:
            return Alone()
        _connect_all(to_meet)
    rank, size = dist.get_rank(), dist.get_world_size()
    if size == 1:
        return Alone()
    # The default group may be on devices.
    meeting = dist.new_group(backend="gloo", timeout=timedelta(seconds=to_meet))

    def announce(address: Address | None) -> Address:
        known: list[Any] = [address]
        dist.broadcast_object_list(known, src=0, group=meeting)
        dist.destroy_process_group(meeting)
        return known[0]

    host = os.environ.get("MASTER_ADDR") or socket.gethostname()
    return ProcessGroup.connected(rank, size, announce, host=host, timeout=timeout, to_meet=to_meet)


def _connect_all(to_meet: float) -> None:
    """Make torch's default group."""
    rank, size = os.environ["RANK"], os.environ["WORLD_SIZE"]
    try:
        dist.init_process_group("gloo", timeout=timedelta(seconds=to_meet))
    except RuntimeError as error:
        raise GroupError(
            f"process {rank} of {size} did not meet the others within {to_meet:g} s: {error}"
        ) from error
