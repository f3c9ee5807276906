"""How far a long proof by branch and bound is: what is shown of it, and to whom."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from convexrelu._utils.logs import is_told, tell

__all__ = ["ProofProgress", "ProofWatch", "ShowProof", "proofs_shown"]

_EVERY = 5.0  # seconds between two messages
# Dives take at most this share of the time so far, and of the time left; or so many seconds.
_SHARE_OF_DIVES, _BRIEF_DIVES = 0.05, 0.3


@dataclass(frozen=True)
class ProofProgress:
    """A look at a proof by branch and bound on its way.

    Attributes
    ----------
    seconds : float
        Since the proof began.
    closed : float
        Share of the surface of the cube, over both signs of the outer weight, on which the bound holds already, from 0
        to 1.
    n_boxes : int
        Number of boxes examined.
    n_left : float
        Estimate by random dives of the number of boxes that are left, mostly within a factor of three; NaN if it is not
        known.
    bound, target : float
        The bound on ``M(v)`` so far, and the one that ends the proof.

    Examples
    --------
    >>> print(ProofProgress(10.0, 0.25, 2000, 6000.0, 0.3, 0.1))
    proof: 25.0 % of all directions closed with 2,000 boxes in 10 s; left: about 6,000 boxes, 30 s
    """

    seconds: float
    closed: float
    n_boxes: int
    n_left: float
    bound: float
    target: float

    @property
    def seconds_left(self) -> float:
        """Estimate of the time that is left, at the same boxes a second."""
        return self.n_left * self.seconds / max(self.n_boxes, 1)

    def __str__(self) -> str:
        """One line for people."""
        line = (
            f"proof: {100 * self.closed:.1f} % of all directions closed with {self.n_boxes:,} boxes "
            f"in {self.seconds:.0f} s"
        )
        if math.isnan(self.n_left):
            return line
        return f"{line}; left: about {_two_digits(self.n_left)} boxes, {_two_digits(self.seconds_left)} s"


ShowProof = Callable[[ProofProgress], Any]
_SHOW: ContextVar[ShowProof | None] = ContextVar("show_proof", default=None)


@contextmanager
def proofs_shown(show: ShowProof | None) -> Iterator[None]:
    """Call `show` every few seconds of each proof in this context; None leaves it as it is.

    Without it, messages go to the logger ``"convexrelu"`` at the level DEBUG.
    """
    if show is None:
        yield
        return
    token = _SHOW.set(show)
    try:
        yield
    finally:
        _SHOW.reset(token)


class Growing(Protocol):
    """What a proof is made of: the boxes of one sign."""

    n_boxes: int

    @property
    def bound(self) -> float:
        """Bound on the function so far."""
        ...

    @property
    def open_share(self) -> float:
        """Share of the surface of the cube that is in open boxes."""
        ...

    @property
    def seconds_of_dives(self) -> float:
        """Roughly the time that a prediction takes."""
        ...

    def predicted_boxes(self) -> float:
        """Estimate of the number of boxes that are left."""
        ...


class ProofWatch:
    """Shows how far some trees are, every few seconds.

    Parameters
    ----------
    trees : sequence of Tree
        Those of all signs.
    deadline : float
        At which the proof ends; dives do not take much of the time before it.
    """

    def __init__(self, trees: Sequence[Growing], deadline: float) -> None:
        self._trees = trees
        self._deadline = deadline
        self._show = _SHOW.get() or (_log if is_told(logging.DEBUG) else None)
        if self._show is not None:
            self._began = self._dived = time.perf_counter()
            self._next = self._began + _EVERY
        self._predicted = math.nan  # of all boxes, also of those that have been examined

    def look(self, target: float) -> None:
        """Show the trees as they are, if it is time for it and somebody looks."""
        if self._show is None:
            return
        now = time.perf_counter()
        if now < self._next:
            return
        n_boxes = sum(tree.n_boxes for tree in self._trees)
        self._predict(now, n_boxes)
        left = self._predicted - n_boxes
        self._show(
            ProofProgress(
                now - self._began,
                1.0 - sum(tree.open_share for tree in self._trees) / len(self._trees),
                n_boxes,
                left if left > 0 else math.nan,
                max(tree.bound for tree in self._trees),
                target,
            )
        )
        self._next = time.perf_counter() + _EVERY

    def _predict(self, now: float, n_boxes: int) -> None:
        """Dive again, if that takes little of the time since the last dives."""
        cost = sum(tree.seconds_of_dives for tree in self._trees)
        allowed = _SHARE_OF_DIVES * min(now - self._dived, self._deadline - now)
        if cost > max(allowed, min(_BRIEF_DIVES, _SHARE_OF_DIVES * (self._deadline - now))):
            return
        self._predicted = n_boxes + sum(tree.predicted_boxes() for tree in self._trees)
        self._dived = time.perf_counter()


def _log(entry: ProofProgress) -> None:
    tell(str(entry), logging.DEBUG)


def _two_digits(value: float) -> str:
    """A number from one up without more digits than it deserves."""
    digits = 1 - math.floor(math.log10(max(value, 1.0)))
    return f"{max(1.0, round(value, min(digits, 0))):,.0f}"
