"""Lengths of steps of descent by Wolfe's conditions, on smooth functions that need not be convex."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from convexrelu._utils.typing import Array

__all__ = ["Step", "search_wolfe"]

# Part of the predicted decrease that is asked, and part of the slope that may be left: those of L-BFGS-B.
_SUFFICIENT, _FLAT = 1e-3, 0.9
_MOST_TRIALS = 20
_NARROW = 0.1  # width of the interval, relative to its upper end, at which a decrease is enough
_LONGER = 4.0  # by which trials grow while the slope is steep
_LEAST_CUT, _LARGEST_CUT = 0.1, 0.9


class Step(NamedTuple):
    """A point on the line, with its value and gradient, and its distance in units of the direction."""

    point: Array
    value: float
    gradient: Array
    length: float


def search_wolfe(
    value_and_gradient: Callable[[Array], tuple[float, Array]],
    z: Array,
    value: float,
    direction: Array,
    slope: float,
    first: float,
    rounding: float = 0.0,
) -> Step | None:
    """A step that lowers a function enough and leaves less of its slope.

    With ``φ(s)`` the value at ``z + s · direction``, the conditions are (Nocedal and Wright 2006, (3.7))::

        φ(s) ≤ φ(0) + 10⁻³ s φ'(0),    |φ'(s)| ≤ 0.9 |φ'(0)|

    An interval with such a length gets smaller by minima of cubics through the values and slopes at its ends (the
    same, (3.59)). When it is narrow, its lower end will do, where the first condition holds. So it will where rounding
    hides what a shorter step would change.

    Parameters
    ----------
    value_and_gradient : callable
        Value and gradient, of shape (p,), at a point. Values that are no numbers count as infinite.
    z : array of shape (p,)
    value : float
        At `z`.
    direction : array of shape (p,)
    slope : float
        Of ``φ`` at 0.
    first : float
        Length of the first trial, positive.
    rounding : float
        Of values, at least 0.

    Returns
    -------
    Step or None
        It lowers the value. None if no trial does so by enough, or if the slope is not negative and finite.

    Examples
    --------
    >>> import numpy as np
    >>> def parabola(z):
    ...     return float(z @ z), 2 * z
    >>> search_wolfe(parabola, np.array([1.0]), 1.0, np.array([-4.0]), -8.0, 1.0).length
    0.25
    """
    if not -math.inf < slope < 0:
        return None
    best: Step | None = None
    lower, upper = (0.0, value, slope), (math.inf, math.inf, math.nan)
    length = first
    for _ in range(_MOST_TRIALS):
        point = z + length * direction
        now, gradient = value_and_gradient(point)
        now_slope = float(gradient @ direction)
        lowers = now < value and now <= min(lower[1], value + _SUFFICIENT * length * slope)
        if lowers and abs(now_slope) <= -_FLAT * slope:
            return Step(point, now, gradient, length)
        if lowers and now_slope < 0:
            lower, best = (length, now, now_slope), Step(point, now, gradient, length)
        else:
            upper = (length, now, now_slope)
        if math.isinf(upper[0]):
            length *= _LONGER
        else:
            is_hidden = now == value or -length * slope <= rounding
            if is_hidden or (best is not None and upper[0] - lower[0] <= _NARROW * upper[0]):
                break
            length = _between(lower, upper)
    return best


def _between(lower: tuple[float, float, float], upper: tuple[float, float, float]) -> float:
    """Where a cubic with the values and slopes at two lengths is least, not too near either; else their middle."""
    (a, value_a, slope_a), (b, value_b, slope_b) = lower, upper
    width = b - a
    part = 0.5
    mixed = 3 * (value_a - value_b) / width + slope_a + slope_b
    square = mixed * mixed - slope_a * slope_b
    if math.isfinite(square) and square > 0:
        root = math.sqrt(square)
        divisor = slope_b - slope_a + 2 * root
        if divisor > 0:
            part = 1 - (slope_b + root - mixed) / divisor
    return a + width * min(max(part, _LEAST_CUT), _LARGEST_CUT)
