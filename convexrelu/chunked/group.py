"""Processes that train together: what they exchange, and how the failure of one ends all of them.

Every process runs the same program on its own rows, and all of them meet in :meth:`Group.gather`. A process that fails
meets the others there once more, with its error, so that none waits for it in vain.
"""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from convexrelu._utils.typing import Array

__all__ = ["Alone", "Group", "GroupError"]


class GroupError(RuntimeError):
    """Training of a group has ended because one of its processes failed; the message names it and the cause."""


class Group(ABC):
    """Processes that exchange messages. They are numbered by their ranks.

    Attributes
    ----------
    rank, size : int
        Number of this process, and number of processes.
    """

    rank: int
    size: int

    @abstractmethod
    def exchange(self, message: bytes) -> list[bytes]:
        """The messages of all processes, in the order of their ranks.

        Raises
        ------
        GroupError
            If a process has failed or cannot be reached; on all processes.
        """

    @abstractmethod
    def fail(self, cause: str) -> None:
        """Tell the others, at their next exchange, that this process ends."""

    def has_lost(self) -> bool:
        """Whether another process is known to have ended: then the next exchange will fail."""
        return False

    def gather(self, vector: Array) -> list[Array]:
        """The vectors of all processes; their lengths may differ."""
        messages = self.exchange(np.ascontiguousarray(vector, dtype=np.float64).tobytes())
        return [np.frombuffer(message, dtype=np.float64) for message in messages]

    def gather_objects(self, value: Any) -> list[Any]:
        """Values of any kind, pickled."""
        return [pickle.loads(message) for message in self.exchange(pickle.dumps(value))]

    def of_first(self, value: Any) -> Any:
        """The value that process 0 has."""
        return self.gather_objects(value if self.rank == 0 else None)[0]

    def agree(self, shown: dict[str, str]) -> None:
        """Compare what must be the same on all processes, as text.

        Raises
        ------
        ValueError
            If it is not, on all processes.
        """
        found = self.gather_objects(shown)
        for rank, other in enumerate(found):
            for name, value in found[0].items():
                if other[name] != value:
                    raise ValueError(
                        f"{name}: process {rank} has {other[name]}, process 0 has {value}"
                    )

    def close(self) -> None:
        """Leave the others, when all is done."""
        return None

    @contextmanager
    def failing_together(self) -> Iterator[None]:
        """Let an error of the block end the other processes, too."""
        try:
            yield
        except GroupError:  # which all of them have
            raise
        except BaseException as error:
            self.fail(f"{type(error).__name__}: {error}")
            raise


class Alone(Group):
    """A single process.

    Examples
    --------
    >>> Alone().gather_objects("a")
    ['a']
    """

    rank = 0
    size = 1

    def exchange(self, message: bytes) -> list[bytes]:
        """Its own message."""
        return [message]

    def fail(self, cause: str) -> None:
        """Nothing: there is no other process."""
