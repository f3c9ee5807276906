"""How many boxes are bounded at a time."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ON_CPU", "Pace", "pace_of", "pace_within"]


class Pace(NamedTuple):
    """How much branch and bound does at a time.

    Attributes
    ----------
    start : int
        Boxes with the largest bounds with which a turn begins.
    turn : float
        Work of a turn, about the number of additions, so that deadlines are kept: 0.2 s on one core, a second on a
        device.
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
# On an accelerator each operation has to be launched: a batch of boxes takes some 5000, whatever their number.
_MOST_BOXES = 2**16 - 1  # the most that some kernels take for a batch of products
# Largest size of an array of boxes × samples, or of boxes × corners; half of it for other tables.
_MOST_ENTRIES = 2**26
_ARRAYS = 40  # of that size, at most, at a time
_TURN = 2e10
_START = 16  # a turn begins with this part of a batch: with more boxes, more of them stay open


def pace_of(device: str, n_samples: int, n_corners: int) -> Pace:
    """The pace for arrays on a device.

    Examples
    --------
    >>> pace_of("cpu:0", 1000, 512) == pace_of("cpu", 1000, 512) == ON_CPU
    True
    """
    if device.partition(":")[0] == "cpu":
        return ON_CPU
    from convexrelu._utils.torch_import import free_memory  # torch takes seconds to import

    return pace_within(free_memory(device), n_samples, n_corners)


def pace_within(n_bytes: float, n_samples: int, n_corners: int) -> Pace:
    """The pace for an accelerator that has so many bytes left.

    Examples
    --------
    >>> [pace_within(n_bytes, 1000, 512).boxes for n_bytes in (1e9, 1e10, 1e11)]
    [2066, 20667, 44384]
    """
    entries = int(min(_MOST_ENTRIES, n_bytes / (8 * _ARRAYS)))
    boxes = max(1, min(_MOST_BOXES, entries // (n_samples + n_corners)))
    return Pace(start=boxes // _START + 1, turn=_TURN, boxes=boxes, entries=max(1, entries // 2))
