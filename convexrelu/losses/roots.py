"""Roots of nondecreasing functions."""

from __future__ import annotations

from collections.abc import Callable

from scipy.optimize import brentq

__all__ = ["increasing_root"]


def increasing_root(function: Callable[[float], float], first: float, last: float) -> float:
    """A zero between `first` and `last`, to the last bits; an end, if the sign there is already that of the far side.

    Examples
    --------
    >>> increasing_root(lambda t: max(t, 0.0) - 0.5, -3.0, 3.0)
    0.5
    """
    first, last = float(first), float(last)
    if function(first) >= 0:
        return first
    if function(last) <= 0:
        return last
    tolerance = 1e-18 * max(abs(first), abs(last))
    return float(brentq(function, first, last, xtol=tolerance, maxiter=200, disp=False))
