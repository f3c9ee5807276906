"""How many boxes are bounded at a time."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ON_CPU", "Pace", "pace_of"]


class Pace(NamedTuple):
    """How much branch and bound does at a time.

    Attributes
    ----------
    start : int
        Boxes with the largest bounds with which a turn begins.
    turn : float
        Work of a turn, about the number of additions: some tenths of a second, so that deadlines are kept.
    boxes : int
        Boxes that are bounded together.
    entries : int
        Largest size of a table of boxes × samples × corners; that of a single box may be larger.
    """

    start: int
    turn: float
    boxes: int
    entries: int


ON_CPU = Pace(start=16, turn=4e7, boxes=256, entries=2**16)  # tables fit in a cache
# An accelerator is fast where each of its operations has millions of entries. With several arrays of each kind at a
# time, these take about four GB.
_MOST_BOXES, _MOST_ENTRIES, _MOST_IN_TABLE = 2**14, 2**25, 2**24
_TURN = 4e9


def pace_of(device: str, n_samples: int, n_corners: int) -> Pace:
    """The pace for arrays on a device.

    Examples
    --------
    >>> pace_of("cpu", 1000, 512).boxes, pace_of("cuda", 1000, 512).boxes, pace_of("cuda", 10**6, 512).boxes
    (256, 16384, 33)
    """
    if device.partition(":")[0] == "cpu":
        return ON_CPU
    boxes = max(1, min(_MOST_BOXES, _MOST_ENTRIES // (n_samples + n_corners)))
    return Pace(start=boxes // 4 + 1, turn=_TURN, boxes=boxes, entries=_MOST_IN_TABLE)
