"""Checks of kernel inputs: two sets of rows to compare, and weights of gates."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.typing import Array

__all__ = ["augmented_pair", "checked_weights"]


def augmented_pair(X: ArrayLike, Z: ArrayLike | None, hidden_bias: bool) -> tuple[Array, Array]:
    """Rows ``x̃`` and ``z̃``, with a last 1 if there is a hidden bias; without `Z` the same array twice.

    Raises
    ------
    ValueError
        For anything but a matrix of finite numbers, or if the two differ in their features.

    Examples
    --------
    >>> augmented_pair([[2.0, 3.0]], None, True)[1]
    array([[2., 3., 1.]])
    """
    rows = _augmented("X", X, hidden_bias)
    if Z is None:
        return rows, rows
    others = _augmented("Z", Z, hidden_bias)
    if others.shape[1] != rows.shape[1]:
        d = rows.shape[1] - int(hidden_bias)
        raise ValueError(f"Z has shape {np.shape(Z)}, expected (m, {d}), the features of X")
    return rows, others


def checked_weights(weights: ArrayLike, size: int) -> Array:
    """Weights of shape (`size`,), nonnegative and not all zero, or a ValueError."""
    array = finite_array("weights", weights, size)
    if (array < 0).any() or not array.any():
        raise ValueError("weights must be non-negative, with at least one positive entry")
    return array


def _augmented(name: str, rows: ArrayLike, hidden_bias: bool) -> Array:
    array = finite_array(name, rows, "n", "d")
    return np.column_stack([array, np.ones(len(array))]) if hidden_bias else array
