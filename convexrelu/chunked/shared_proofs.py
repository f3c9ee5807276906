"""Proofs that the processes of a group share: process 0 leads, and the others explore boxes for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from convexrelu.chunked.group import Group, GroupError
from convexrelu.oracles.bounds.workers import Workers, workers_of_group

__all__ = ["led_by_first"]

Part = TypeVar("Part")
Outcome = TypeVar("Outcome")
Task = tuple[Callable[[Any], Any], Any]


class _Processes(Workers):
    """The processes of a group, as process 0 sees them.

    A process that fails or has ended raises a :class:`~convexrelu.chunked.GroupError` here.
    """

    def __init__(self, group: Group) -> None:
        self.n_workers = group.size
        self._group = group

    def __call__(self, function: Callable[[Part], Outcome], parts: Sequence[Part]) -> list[Outcome]:
        """The outcomes of all parts, each of another process."""
        try:
            tasks = self._group.of_first([(function, part) for part in parts])
            own = _own_outcome(self._group, tasks)
        except GroupError:
            raise
        except BaseException:  # such as an interruption, after which training may go on
            self._group.gather_objects(None)  # where the others are
            raise
        return self._group.gather_objects(own)[: len(parts)]


def led_by_first(group: Group, call: Callable[[], Outcome]) -> Outcome:
    """What `call` returns on process 0, on all processes; they share its proofs."""
    if group.size == 1:
        return call()
    if group.rank == 0:
        with workers_of_group(_Processes(group)):
            result = call()
        group.of_first(None)
        return group.of_first(result)
    while (tasks := group.of_first(None)) is not None:
        group.gather_objects(_own_outcome(group, tasks))
    return group.of_first(None)


def _own_outcome(group: Group, tasks: list[Task]) -> Any:
    if group.rank >= len(tasks):
        return None
    function, part = tasks[group.rank]
    return function(part)
