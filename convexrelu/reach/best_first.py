"""Branch and bound that always divides the node with the largest bound."""

from __future__ import annotations

import heapq
import itertools
import math
import time
from abc import ABC, abstractmethod
from typing import Any

__all__ = ["BestFirst"]

_CLOSE = 1e-11  # relative difference of bound and value at which to stop


class BestFirst(ABC):
    """Open nodes with their bounds, and the largest bound of those that are closed.

    Attributes
    ----------
    n_nodes : int
        Nodes that have been divided, or looked at and put back.
    """

    def __init__(self) -> None:
        self.n_nodes = 0
        self._closed = -math.inf
        self._open: list[tuple[float, int, tuple[Any, ...]]] = []
        self._order = itertools.count()

    @abstractmethod
    def _divide(self, above: float, *node: Any) -> None:
        """Add or close the parts of a node, of which no value is above a bound."""

    @abstractmethod
    def _reached(self) -> float:
        """The largest value that is reached, or that matters."""

    def run(self, deadline: float = math.inf, most: float = math.inf) -> None:
        """Go on until bound and value agree, or until a number of nodes, or a time of :func:`time.perf_counter`."""
        while self._open and -self._open[0][0] > self._enough:
            if self.n_nodes >= most or time.perf_counter() > deadline:
                break
            bound, _, node = heapq.heappop(self._open)
            self.n_nodes += 1
            self._divide(-bound, *node)

    @property
    def bound(self) -> float:
        """Proved: nothing is larger, except where it is not larger than the value that is reached."""
        return max(self._closed, -self._open[0][0] if self._open else -math.inf)

    @property
    def _enough(self) -> float:
        value = self._reached()
        return value + (_CLOSE * abs(value) if math.isfinite(value) else 0.0)

    def _add(self, bound: float, *node: Any) -> None:
        """Open a node, unless its bound is small enough."""
        if bound > self._enough:
            heapq.heappush(self._open, (-bound, next(self._order), node))
        else:
            self._close(bound)

    def _close(self, bound: float) -> None:
        self._closed = max(self._closed, bound)
