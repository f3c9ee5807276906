"""How many boxes branch and bound has still to examine, from random dives."""

from __future__ import annotations

import math
import time

import numpy as np

from convexrelu.oracles.bounds.boxes import NARROWEST, Boxes
from convexrelu.oracles.bounds.corner_bound import CornerBound

__all__ = ["WORK_IN_A_SECOND", "predicted_boxes", "work_of_dives"]

WORK_IN_A_SECOND = 3e8  # on boxes that are bounded together by NumPy, each by one pass
_DIVES = 64  # on real data of rank 6 to 9, predictions are then within a factor of three
_DEPTH = 30  # boxes of a dive, about
_PASSES = 3  # that clip boxes of dives again and again: with 20,000 samples of ten features these take seconds


def predicted_boxes(
    bound: CornerBound,
    boxes: Boxes,
    target: float,
    seed: int = 0,
    deadline: float = math.inf,
    most: float = math.inf,
) -> float:
    """Estimate of the number of boxes below these ones, and of them, by the method of Knuth.

    A dive begins at a random one of the boxes, and goes on to a random half of each box that stays open. Where it meets
    a box after ``k`` choices, it stands for ``2^k`` times the number of boxes at the beginning. The mean over dives is
    unbiased, but most dives are below it.

    Parameters
    ----------
    bound : CornerBound
    boxes : Boxes
        Open ones.
    target : float
        As for :meth:`CornerBound.examine`.
    seed : int
        Of the dives.
    deadline : float
        Value of :func:`time.perf_counter`; where the next boxes of the dives would take longer, the answer is infinite:
        so many cannot be examined.
    most : float
        A number above which it is infinite, too: where hardly any box closes, dives take a second to count millions.

    References
    ----------
    Knuth 1975, "Estimating the efficiency of backtrack programs", Mathematics of Computation 29.
    """
    if not len(boxes.faces):
        return 0.0
    rng = np.random.default_rng(seed)
    weight, total = len(boxes.faces) / _DIVES, 0.0
    boxes = boxes.select(rng.integers(len(boxes.faces), size=_DIVES))
    while len(boxes.faces):
        seconds = _PASSES * len(boxes.faces) * bound.work_of_one / WORK_IN_A_SECOND
        if time.perf_counter() + seconds > deadline or total > most:
            return math.inf
        total += weight * len(boxes.faces)
        weight *= 2
        found = bound.examine(boxes, target)
        across = found.errors.argmax(axis=1)
        sides = (found.boxes.upper - found.boxes.lower)[np.arange(len(across)), across]
        left = np.flatnonzero(~found.closed & (sides > 2 * NARROWEST))
        halves = found.boxes.select(left).halved(across[left])
        boxes = halves.select(np.arange(len(left)) + len(left) * rng.integers(2, size=len(left)))
    return total


def work_of_dives(bound: CornerBound) -> float:
    """About the number of additions of :func:`predicted_boxes`."""
    return _DIVES * _DEPTH * bound.work_of_one
