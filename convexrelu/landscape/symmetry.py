"""Symmetries of a loss landscape: the same network with its units in another order."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from convexrelu._utils.typing import Array
from convexrelu.landscape.loss_landscape import LossLandscape

__all__ = ["aligned"]


def aligned(landscape: LossLandscape, reference: Array, point: Array) -> Array:
    """The point whose units are ordered as close as possible to those of a reference.

    For odd activations, the signs of units are chosen as well. The loss is the same.

    Examples
    --------
    >>> from convexrelu.landscape import LossLandscape, aligned
    >>> landscape = LossLandscape([[0.0], [1.0]], [0.0, 1.0], width=2, hidden_bias=False)
    >>> aligned(landscape, [1.0, 2.0, 3.0, 4.0, 0.0], [2.1, 1.1, 4.1, 3.1, 0.0])
    array([1.1, 2.1, 3.1, 4.1, 0. ])
    """
    there = _units(landscape, reference)
    hidden, outer, intercept = landscape.parts(point)
    products = there @ _units(landscape, point).T
    signs = np.ones_like(products)
    if landscape.activation.odd:
        signs = np.where(products < 0, -1.0, 1.0)
    # The nearest order has the largest sum of inner products, since lengths do not change.
    rows, order = linear_sum_assignment(signs * products, maximize=True)
    sign = signs[rows, order]
    return landscape.point(hidden[order] * sign[:, None], outer[:, order] * sign, intercept)


def _units(landscape: LossLandscape, point: Array) -> Array:
    hidden, outer, _ = landscape.parts(point)
    return np.hstack([hidden, outer.T])
