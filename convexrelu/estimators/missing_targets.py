"""Targets of several outputs, some of which are missing: NaN in ``y``, which no loss is of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import float_array
from convexrelu._utils.typing import Array
from convexrelu.estimators.data import inputs_and_targets
from convexrelu.losses import LOSSES, Loss, WeightedOutputs

__all__ = ["inputs_and_observed", "numbers_or_nan", "observed_targets"]


def inputs_and_observed(estimator: Any, X: ArrayLike, y: ArrayLike) -> tuple[Any, Array]:
    """Inputs, and targets of shape (n,) or (n, K) that may have NaN; every output needs a target."""
    if np.ma.is_masked(y) or y is None or np.isscalar(y):
        return inputs_and_targets(estimator, X, y)  # says what is wrong
    given = numbers_or_nan(y)
    missing = np.isnan(given)
    inputs, targets = inputs_and_targets(estimator, X, np.where(missing, 0.0, given))
    missing = missing.reshape(targets.shape)
    none = missing.all(axis=0)
    if none.any():
        where = f" in column {int(np.argmax(none))}" if targets.ndim == 2 else ""
        raise ValueError(f"y has no target{where}: all are missing")
    return inputs, np.where(missing, np.nan, targets)


def numbers_or_nan(y: Any) -> Array:
    """Targets as floats, with NaN for missing ones: also for those of pandas, which no float is."""
    if hasattr(y, "isna") and (missing := y.isna()).to_numpy().any():
        y = y.astype(object).where(~missing, np.nan)
    return float_array("y", y)


def observed_targets(
    loss: str | Loss, y: Array, sample_weight: Array | None
) -> tuple[str | Loss, Array, Array | None]:
    """Loss, targets and weights of the samples that have a target; the loss is weighted if some have not all.

    Samples without any target keep their row, without weight.

    Examples
    --------
    >>> observed_targets("squared_error", np.array([1.0, np.nan]), None)
    ('squared_error', array([1., 0.]), array([1., 0.]))
    >>> loss, targets, weights = observed_targets("squared_error", np.array([[1.0, np.nan], [2.0, 3.0]]), None)
    >>> loss, targets
    (WeightedOutputs(loss=SquaredError()), array([[1., 0., 1., 0.],
           [2., 3., 1., 1.]]))
    """
    observed = ~np.isnan(y)
    if observed.all():
        return loss, y, sample_weight
    seen = observed.reshape(len(y), -1)
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    weights = np.where(seen.any(axis=1), weights, 0.0)
    if (seen.all(axis=1) | ~seen.any(axis=1)).all():
        return loss, np.where(observed, y, 0.0), weights
    weighted = WeightedOutputs(LOSSES[loss]() if isinstance(loss, str) else loss)  # type: ignore[arg-type]
    return weighted, weighted.observed(y), weights
