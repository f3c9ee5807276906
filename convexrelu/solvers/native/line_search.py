"""Lengths of Newton steps on a convex function with kinks, by the sign and size of its slope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["Trial", "search_line"]

_SUFFICIENT = 1e-4  # part of the predicted decrease in Armijo's rule, a convention
# Part of the first slope that may be left. By full steps and halves that only lower the value, programs of 600 to 1000
# blocks at alpha = 0.0001 take 1.6 times as many Newton steps: many kinks are crossed by small steps.
_FLAT = 0.3
# Trials after which any length that satisfies Armijo's rule will do.
_ENOUGH = 6
# Where secants may cut an interval, and how much longer than the last step the first trial is.
_LEAST_CUT, _LARGEST_CUT, _LONGER = 0.1, 0.8, 4.0


class Trial(Protocol):
    """A point on the line."""

    @property
    def value(self) -> float:
        """The function's value."""
        ...


Point = TypeVar("Point", bound=Trial)


def search_line(
    evaluate: Callable[[float], tuple[Point, float]],
    value: float,
    slope: float,
    *,
    last: float,
    rounding: float,
    most: int,
) -> tuple[Point | None, float, int]:
    """A step that lowers a convex function and leaves little of its slope.

    ``φ(s) ≤ φ(0) + 10⁻⁴ s φ'(0)`` (Armijo) holds at the result, up to rounding, and usually ``|φ'(s)| ≤ 0.3 |φ'(0)|``,
    or ``s = 1`` and ``φ'(1) < 0``: nothing beyond the full step is tried. Trials begin near the last step's length, and
    continue with secants of the slope in the interval where its sign changes.

    Parameters
    ----------
    evaluate : callable
        Point and slope at a length in (0, 1].
    value, slope : float
        At length 0; the slope is negative.
    last : float
        Length of the step before; 1 if there is none.
    rounding : float
        Of values, at least 0.
    most : int
        Number of trials after which to give up.

    Returns
    -------
    point
        The best point that was tried among those of Armijo's rule, None if there is none.
    length : float
        Its length; 1 if there is none.
    n_trials : int

    Examples
    --------
    >>> from collections import namedtuple
    >>> Value = namedtuple("Value", "value")
    >>> parabola = lambda s: (Value((s - 0.25) ** 2), 2 * (s - 0.25))
    >>> search_line(parabola, 0.0625, -0.5, last=1.0, rounding=0.0, most=30)[1:]
    (0.25, 2)
    """
    best: Point | None = None
    reached, length = 1.0, min(1.0, _LONGER * last)
    lower, lower_slope, upper, upper_slope = 0.0, slope, 0.0, 0.0
    for n_trials in range(1, most + 1):
        point, now = evaluate(length)
        change = point.value - value
        lowers = change <= _SUFFICIENT * length * slope + rounding
        if lowers and (best is None or point.value < best.value):
            best, reached = point, length
        flat = lowers and (abs(now) <= _FLAT * abs(slope) or (now < 0 and length >= 1))
        if best is not None and (flat or n_trials >= _ENOUGH or abs(change) <= rounding):
            return best, reached, n_trials
        if lowers and now < 0:
            lower, lower_slope = length, now
        else:
            upper, upper_slope = length, now
        cut = _cut(lower_slope, upper_slope)
        length = lower + (upper - lower) * cut if upper > 0 else min(1.0, _LONGER * length)
    return best, reached, most


def _cut(lower: float, upper: float) -> float:
    """Where between two slopes their secant is zero, not too near either end; half where it is not between."""
    part = lower / (lower - upper) if lower < 0 < upper else 0.5
    return min(max(part, _LEAST_CUT), _LARGEST_CUT)
