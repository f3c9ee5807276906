"""Arrays that networks are made of, and those that they are applied to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from convexrelu._utils.arguments import as_float, check_kind, float_array, is_number, shown
from convexrelu._utils.typing import Array

__all__ = ["checked_slope", "dense_inputs", "inputs", "weights"]


def weights(name: str, value: ArrayLike, ndim: int) -> Array:
    """A copy in float64 that is read-only, of finite numbers."""
    array = float_array(name, value)
    if array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} dimensions, expected {ndim}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinity; weights must be finite")
    array.flags.writeable = False
    return array


def checked_slope(value: Any) -> float:
    """The slope of an activation on the left."""
    if not is_number(value) or not -1 <= as_float(value) <= 1:
        raise ValueError(f"negative_slope={shown(value)} is not a number between -1 and 1")
    return as_float(value)


def dense_inputs(X: ArrayLike) -> Array:
    """Inputs in float64; not a copy, if they are that already."""
    if type(X) is np.ndarray and X.dtype == np.float64:
        return X
    return float_array("X", X)


def inputs(X: Any) -> Any:
    """A dense array or a sparse matrix of float64."""
    if not issparse(X):
        return dense_inputs(X)
    check_kind("X", X)
    return X.astype(np.float64)
