"""Saturation of hidden units."""

from __future__ import annotations

import numbers

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number, check_type, finite_array
from convexrelu._utils.torch_import import torch
from convexrelu._utils.typing import Array
from convexrelu.landscape.loss_landscape import LossLandscape

__all__ = ["range_saturation", "saturation"]


def saturation(landscape: LossLandscape, points: ArrayLike, *, tol: float = 0.01) -> Array:
    """Share of the samples on which a hidden unit has almost no slope.

    These have ``|φ'(z)| ≤ tol · max |φ'|``: tails of a sigmoid, and the inactive side of a ReLU. A leaky ReLU is
    saturated only if its slope is below `tol`.

    Parameters
    ----------
    landscape : LossLandscape
        With ``m`` hidden units.
    points : array of shape (..., p)
        Points of the landscape.
    tol : float
        Slope that counts as none, as a share of the largest.

    Returns
    -------
    array of shape (..., m)

    Examples
    --------
    >>> from convexrelu.landscape import LossLandscape, saturation
    >>> line = LossLandscape([[-1.0], [0.0], [1.0], [2.0]], [0.0] * 4, width=2)
    >>> saturation(line, line.point([[1.0, -0.5], [-1.0, 3.0]], [1.0, 1.0]))
    array([0.5, 0. ])
    """
    check_number("tol", tol, numbers.Real, 0)
    slopes = np.abs(slopes_of_units(landscape, finite_array("points", points)))
    largest = {"sigmoid": 0.25}.get(landscape.activation.name, 1.0)
    if landscape.negative_slope is not None:
        largest = max(1.0, abs(landscape.negative_slope))
    return landscape.weights @ (slopes <= tol * largest)


def range_saturation(landscape: LossLandscape, points: ArrayLike) -> Array:
    """Mean of ``|g|``, the output of a unit scaled to [−1, 1], for activations with a finite range.

    1 means that all outputs are at the ends of the range, 0.5 that they are spread evenly. It is the limit, for many
    bins, of the measure of Rakitianskaia & Engelbrecht 2015, "Measuring saturation in neural networks".

    Parameters
    ----------
    landscape : LossLandscape
        With tanh or sigmoid units.
    points : array of shape (..., p)
        Points of the landscape.

    Returns
    -------
    array of shape (..., m)

    Examples
    --------
    >>> from convexrelu.landscape import LossLandscape, range_saturation
    >>> line = LossLandscape([[-1.0], [1.0]], [0.0, 1.0], width=2, activation="tanh", hidden_bias=False)
    >>> range_saturation(line, line.point([[100.0], [0.01]], [1.0, 1.0])).round(2)
    array([1.  , 0.01])
    """
    if landscape.activation.range is None:
        raise ValueError(
            f"activation={landscape.activation.name!r} has no finite range; use saturation"
        )
    low, high = landscape.activation.range
    hidden = landscape.activation.value(torch.from_numpy(landscape.hidden_inputs(points))).numpy()
    return landscape.weights @ np.abs((2 * hidden - low - high) / (high - low))


def slopes_of_units(landscape: LossLandscape, points: ArrayLike) -> Array:
    """``φ'`` of every unit on every sample, of shape (..., n, m)."""
    check_type("landscape", landscape, LossLandscape)
    return landscape.activation.derivative(
        torch.from_numpy(landscape.hidden_inputs(points))
    ).numpy()
