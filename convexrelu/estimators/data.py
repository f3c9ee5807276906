"""Checks of the arrays that estimators are given; messages name the argument."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import assert_all_finite
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    validate_data,
)

from convexrelu._utils.arguments import (
    as_float,
    check_kind,
    float_array,
    has_masked_entries,
    is_number,
    plain,
    shown,
    without_numpy,
)
from convexrelu._utils.typing import Array
from convexrelu._utils.user_warnings import warn_user
from convexrelu.estimators.frame_columns import check_columns, check_table
from convexrelu.estimators.non_finite import locating

__all__ = [
    "check_length",
    "check_parameters",
    "checked_inputs",
    "checked_labels",
    "checked_numbers",
    "checked_weights",
    "inputs_and_labels",
    "inputs_and_targets",
    "naming",
]

# As scikit-learn says it, and its checks of estimators expect.
_A_COLUMN = (
    "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,), for "
    "example using ravel()."
)

_LEAVE_OUT = "missing_targets='ignore' leaves them out"


def check_parameters(estimator: BaseEstimator) -> None:
    """The checks of scikit-learn, and before those of numbers that these fail on: beyond float64, fractions, times."""
    for name, value in estimator.get_params(deep=False).items():
        if not isinstance(value, numbers.Real) or isinstance(value, bool):
            continue
        if not isinstance(value, int | float | np.integer | np.floating) or not is_number(value):
            raise ValueError(f"{name}={shown(value)} is not an integer or a floating number")
        if math.isinf(as_float(value)) and value not in (math.inf, -math.inf):
            raise ValueError(f"{name} is too large for float64")
    validate_parameter_constraints(
        estimator._parameter_constraints,
        plain(estimator.get_params(deep=False)),
        caller_name=type(estimator).__name__,
    )


def checked_inputs(
    estimator: BaseEstimator, X: ArrayLike, *, reset: bool, accept_sparse: bool = True
) -> Any:
    """Dense or CSR inputs as floats; `reset` keeps their number and names of features.

    In a fit with a time limit single precision stays: the copy may take longer than all the rest.
    """
    limited = reset and getattr(estimator, "time_limit", None) is not None
    dtype: Any = (np.float64, np.float32) if limited else np.float64
    with naming("X"), locating("X", X):
        check_table(X)
        check_columns(X)
        check_kind("X", X)
        formats = "csr" if accept_sparse else False
        return validate_data(estimator, X, accept_sparse=formats, dtype=dtype, reset=reset)


def inputs_and_targets(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike, *, accept_sparse: bool = True
) -> tuple[Any, Array]:
    """Inputs, and targets that are numbers, of shape (n,) or (n, K)."""
    _check_given(estimator, y)
    inputs = checked_inputs(estimator, X, reset=True, accept_sparse=accept_sparse)
    return inputs, checked_numbers(estimator, y, inputs)


def checked_numbers(estimator: BaseEstimator, y: ArrayLike, inputs: Any) -> Array:
    """Targets that are numbers, of shape (n,) or (n, K), one row for each row of the inputs."""
    if np.isscalar(y) and not isinstance(y, memoryview):
        raise ValueError(f"y={shown(y)} is a scalar, expected an array of shape (n,) or (n, K)")
    _check_given(estimator, y)
    advice = _LEAVE_OUT if hasattr(estimator, "missing_targets") else ""
    with naming("y"), locating("y", y, advice):
        check_kind("y", y)
        targets = _check_y(y, multi_output=True, y_numeric=True, estimator=estimator)
        check_length(targets, inputs)
        targets = float_array("y", targets)
        assert_all_finite(targets, input_name="y")
    if targets.ndim == 2 and targets.shape[1] == 1:
        warn_user(_A_COLUMN, DataConversionWarning)
        targets = targets.ravel()
    return targets


def check_length(y: Any, inputs: Any) -> None:
    """Raise an error unless there is one target or label, or row of them, for each row of the inputs."""
    if y.shape[0] != inputs.shape[0]:
        raise ValueError(
            f"y has {y.shape[0]} entries, expected {inputs.shape[0]}, one for each row of X"
        )


def _flat(y: Any) -> Any:
    """Labels without the second dimension of an array or frame of one column, of which this warns."""
    is_frame = hasattr(y, "iloc")
    if not (isinstance(y, np.ndarray) or is_frame) or y.ndim != 2 or y.shape[1] != 1:
        return y
    warn_user(_A_COLUMN, DataConversionWarning)
    return y.iloc[:, 0] if is_frame else y[:, 0]


def inputs_and_labels(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike, *, accept_sparse: bool = True
) -> tuple[Any, NDArray]:
    """Inputs, and labels of classes, of shape (n,)."""
    _check_given(estimator, y)
    inputs = checked_inputs(estimator, X, reset=True, accept_sparse=accept_sparse)
    return inputs, checked_labels(estimator, y, inputs)


def checked_labels(estimator: BaseEstimator, y: ArrayLike, inputs: Any) -> NDArray:
    """Labels of classes, of shape (n,), one for each row of the inputs."""
    _check_given(estimator, y)
    with naming("y"), locating("y", y):
        if has_masked_entries(y):
            raise ValueError("y has masked entries, which are not supported; fill or drop them")
        flat = _flat(y)
        _check_labels(flat)
        labels = _check_y(_of_one_type(flat), estimator=estimator)
        check_length(labels, inputs)
        if labels.dtype.kind in "mM":  # which are names like others
            if np.isnat(labels).any():
                raise ValueError("y contains NaT")
        elif labels.dtype.kind in "Vc":
            check_kind("y", labels)
        check_classification_targets(labels)
    return labels


def _check_labels(y: ArrayLike) -> None:
    """Raise an error for objects that are no labels: missing ones, and those of several kinds, which have no order."""
    labels = np.asarray(y, dtype=object if isinstance(y, list | tuple) else None)
    if labels.ndim == 2 and labels.shape[1] == 1:  # a frame with one column
        labels = labels[:, 0]
    if labels.dtype != object or labels.ndim != 1:  # of the rest scikit-learn complains
        return
    missing = [label is None or is_pandas_na(label) or is_scalar_nan(label) for label in labels]
    if any(missing):
        raise ValueError(
            f"y has {sum(missing)} missing labels (None, NA or NaN) among {len(labels)}, the first in row "
            f"{missing.index(True)}; fill or drop them"
        )
    if any(isinstance(label, str) for label in labels):
        others = {type(label).__name__ for label in labels if not isinstance(label, str)}
        if others:
            raise ValueError(
                f"y has labels of several kinds, str and {', '.join(sorted(others))}, which have no order; make all of "
                "them strings"
            )


def checked_weights(sample_weight: ArrayLike | None, X: Array) -> Array | None:
    """Weights as floats, one for each row of `X`; none is negative, also not of rows that are left out later."""
    if sample_weight is None:
        return None
    with naming("sample_weight"), locating("sample_weight", sample_weight):
        check_kind("sample_weight", sample_weight)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
    negative = np.flatnonzero(weights < 0)
    if len(negative):
        raise ValueError(
            "sample_weight must be non-negative with at least one positive entry; "
            f"{len(negative)} are negative, the first in row {negative[0]}: {weights[negative[0]]:g}"
        )
    return weights


def _check_given(estimator: BaseEstimator, y: Any) -> None:
    if y is None:
        name = type(estimator).__name__
        raise ValueError(f"{name} requires y to be passed, but the target y is None")


def _of_one_type(y: ArrayLike) -> ArrayLike:
    """Integers and truth values in an array that is made for them.

    Columns of pandas have them as objects, or in types of its own that allow gaps, which scikit-learn makes floats.
    """
    if isinstance(y, list | tuple):
        return y
    labels = np.asarray(y)
    if labels.ndim != 1 or labels.dtype != object:
        return labels if labels.ndim == 1 and labels.dtype.kind in "biu" else y
    kinds = {type(label) for label in labels}
    if len(kinds) == 1 and issubclass(kinds.pop(), bool | int | np.bool_ | np.integer):
        return np.array(labels.tolist())
    return y


@contextmanager
def naming(*arguments: str) -> Iterator[None]:
    """Name the argument in complaints of NumPy and scikit-learn that do not."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # of longer floats, refused below
            yield
    except (TypeError, ValueError, OverflowError) as error:
        message = without_numpy(str(error))
        if any(re.search(rf"(?<!\w){name}(?!\w)", message) for name in arguments):
            if message == str(error):
                raise
            raise type(error)(message) from error
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{' or '.join(arguments)} is not what was expected: {message}") from error
