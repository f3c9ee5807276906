"""Weighted quantiles: the best constants for piecewise-linear losses with one kink."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.typing import Array

__all__ = ["weighted_quantile"]

_TIE = 1e-12  # fraction of the weight that counts as rounding


def weighted_quantile(values: Array, weights: Array, level: float) -> float:
    """The value below which the fraction `level` of the weight lies.

    If there is an interval of such numbers (up to rounding of the weights), its midpoint: the median then changes
    sign with the values.

    Parameters
    ----------
    values : array of shape (n,)
    weights : array of shape (n,)
        Non-negative, not all zero.
    level : float
        In ``[0, 1]``.

    Examples
    --------
    >>> import numpy as np
    >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.ones(3), 0.5)
    2.0
    >>> weighted_quantile(np.array([3.0, 1.0]), np.ones(2), 0.5)
    2.0
    """
    values, weights = values[weights > 0], weights[weights > 0]
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    below /= below[-1]
    first, last = np.searchsorted(below, [level - _TIE, level + _TIE]).clip(max=len(order) - 1)
    left, right = values[order[[first, last]]]
    return float(left + (right - left) / 2)
