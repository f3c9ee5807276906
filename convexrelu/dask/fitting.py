"""One task for every worker that holds rows: they find each other, train together, and end together."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import distributed
from distributed.comm.addressing import get_address_host
from distributed.worker import thread_state

from convexrelu.chunked.group import Alone, Group, GroupError
from convexrelu.chunked.process_group import ProcessGroup
from convexrelu.dask.partitions import Share, joined
from convexrelu.estimators.base import FixedAlphaEstimator
from convexrelu.estimators.sharded import fit_on_shards

__all__ = ["fit_on_workers"]

_COLUMNS = "X", "y", "sample_weight", "exposure"
Estimator = TypeVar("Estimator", bound=FixedAlphaEstimator)

_TO_MEET = 60.0  # seconds until all tasks must have begun
_PERIOD = 1.0  # seconds between two looks at whether the workers, or the client, are still there
_TO_TELL = 10.0  # seconds in which the tasks tell of an error, before it is raised


class Member(NamedTuple):
    """One of the tasks, and the name under which they meet."""

    rank: int
    size: int
    meeting: str


def fit_on_workers(
    client: distributed.Client, estimator: Estimator, shares: list[Share]
) -> Estimator:
    """Fit an estimator on the rows of the shares, and return it.

    Raises
    ------
    ValueError
        For bad data, or parameters that are not supported.
    GroupError
        If a worker has ended, a task has failed, or the client was closed; it says which and why.
    """
    meeting = f"convexrelu-{uuid.uuid4().hex}"
    tasks = [
        client.submit(
            _fit_task,
            estimator,
            share.parts,
            Member(rank, len(shares), meeting),
            workers=[share.worker],
            allow_other_workers=False,
            pure=False,
            key=f"{meeting}-{rank}",
        )
        for rank, share in enumerate(shares)
    ]
    try:
        _wait(client, tasks, [share.worker for share in shares])
        return client.gather(tasks[0])
    except Exception as error:
        if client.status == "running" or isinstance(error, GroupError):
            raise
        raise _closed(client) from error  # calls of a closed client fail in many ways
    finally:
        if client.status == "running":
            client.cancel(tasks, force=True)
            distributed.Variable(meeting, client=client).delete()


# On the client


def _wait(client: distributed.Client, tasks: list[distributed.Future], workers: list[str]) -> None:
    """Wait for all tasks; the error of one of them, or of its worker, is raised."""
    news = threading.Event()
    for task in tasks:
        task.add_done_callback(lambda _: news.set())
    until = math.inf
    while (states := [task.status for task in tasks]).count("pending") and time.monotonic() < until:
        if client.status != "running":
            raise _closed(client)
        _check_workers(client, workers)
        if until == math.inf and set(states) - {"pending", "finished"}:
            until = time.monotonic() + _TO_TELL  # for the others to end
        news.wait(_PERIOD)
        news.clear()
    if any(task.status != "finished" for task in tasks):
        _check_workers(client, workers)
        _raise_first(client, tasks, workers)


def _check_workers(client: distributed.Client, workers: list[str]) -> None:
    there = client.nthreads()
    gone = [
        f"process {rank}, worker {worker}"
        for rank, worker in enumerate(workers)
        if worker not in there
    ]
    if gone:
        raise GroupError(f"{'; '.join(gone)}, ended during the fit")


def _raise_first(
    client: distributed.Client, tasks: list[distributed.Future], workers: list[str]
) -> None:
    """Raise the error with which the others began: not one that only tells of another."""
    if client.status != "running":
        raise _closed(client)
    errors = [
        (isinstance(error, GroupError), rank, error)
        for rank, task in enumerate(tasks)
        if (error := task.exception() if task.status == "error" else None) is not None
    ]
    if not errors:
        raise GroupError("the fit was cancelled")
    _, rank, error = min(errors, key=lambda each: each[:2])
    where = f"process {rank}, worker {workers[rank]}"
    if isinstance(error, ValueError):
        raise ValueError(f"{where}: {error}") from error
    raise GroupError(f"{where}: {type(error).__name__}: {error}") from error


def _closed(client: distributed.Client) -> GroupError:
    return GroupError(f"the client of the fit was closed, or lost its scheduler: {client!r}")


# On the workers


def _fit_task(
    estimator: Estimator, parts: list[tuple[Any, Any, Any, Any]], member: Member
) -> Estimator | None:
    """The fitted estimator, on process 0."""
    group = _group_of(member)
    try:
        with group.failing_together():  # also if these parts do not fit together
            X, y, weights, exposure = map(joined, zip(*parts, strict=True), _COLUMNS)
            fit_on_shards(estimator, X, _single_column(y), weights, group, exposure)
    finally:
        group.close()
    return estimator if member.rank == 0 else None


def _single_column(y: Any) -> Any:
    """Targets; those of one column without it, of which a warning on the worker would tell nobody."""
    if getattr(y, "ndim", 1) == 2 and y.shape[1] == 1:
        return y.iloc[:, 0] if hasattr(y, "iloc") else y[:, 0]
    return y


def _group_of(member: Member) -> Group:
    """The tasks as a group."""
    worker = distributed.get_worker()
    group = SingleTask() if member.size == 1 else _connected(member, worker)
    group.is_wanted = _watch(worker, thread_state.key)
    return group


def _connected(member: Member, worker: distributed.Worker) -> Tasks:
    """Several tasks; the address of process 0 travels by a variable of the scheduler."""
    variable = distributed.Variable(member.meeting)

    def announce(address: tuple[str, int] | None) -> tuple[str, int]:
        if address is None:
            return tuple(variable.get(timeout=_TO_MEET))
        variable.set(address)
        return address

    host = get_address_host(worker.address)
    try:
        return Tasks.connected(member.rank, member.size, announce, host=host, to_meet=_TO_MEET)
    except TimeoutError as error:
        raise GroupError(
            f"process 0 did not come within {_TO_MEET:g} s: is its worker busy?"
        ) from error


class Watched(Group):
    """A group that ends when the client has gone, or has cancelled its tasks."""

    is_wanted: Callable[[], bool]
    _looked: float = 0.0

    def has_lost(self) -> bool:
        """Whether the client has gone, or another process."""
        return not self.is_wanted() or super().has_lost()

    def exchange(self, message: bytes) -> list[bytes]:
        """The messages of all processes."""
        now = time.monotonic()
        if now - self._looked > _PERIOD:
            self._looked = now
            if not self.is_wanted():
                raise RuntimeError("the client was closed, or has cancelled the fit")
        return super().exchange(message)  # type: ignore[safe-super]  # of the other base


class Tasks(Watched, ProcessGroup):
    """Several tasks."""


class SingleTask(Watched, Alone):
    """One task, which has all rows."""


def _watch(worker: distributed.Worker, key: str) -> Callable[[], bool]:
    """Whether the scheduler still wants the outcome of a task."""

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state in ("executing", "long-running")

    return is_wanted
