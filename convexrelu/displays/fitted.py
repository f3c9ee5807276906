"""The network's estimator inside fitted pipelines and meta-estimators, and the data as it sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

__all__ = ["innermost", "with_its_data"]

# Where scikit-learn's meta-estimators keep the estimator that predicts, once they are fitted.
_INSIDE = ("best_estimator_", "regressor_", "estimator_")


def innermost(estimator: Any, attribute: str) -> Any:
    """The fitted estimator with an attribute, inside pipelines, searches, and other estimators of one estimator.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    ValueError
        If it is fitted, but has no such estimator inside, or several.
    """
    while not hasattr(estimator, attribute):
        inner = _inside(estimator)
        if inner is None:
            break
        estimator = inner
    _check_has(estimator, attribute)
    return estimator


def with_its_data(
    estimator: Any, attribute: str, X: ArrayLike, y: ArrayLike
) -> tuple[Any, ArrayLike, ArrayLike]:
    """The same, and inputs and targets as it sees them: scaled, selected, or transformed."""
    while not hasattr(estimator, attribute):
        inner = _inside(estimator)
        if inner is None:
            break
        if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        elif hasattr(estimator, "support_") and hasattr(estimator, "transform"):  # selects features
            X = estimator.transform(X)
        elif isinstance(estimator, TransformedTargetRegressor):
            y = _transformed(estimator.transformer_, np.asarray(y, dtype=np.float64))
        estimator = inner
    _check_has(estimator, attribute)
    return estimator, X, y


def _check_has(estimator: Any, attribute: str) -> None:
    """Raise an error if an estimator is not fitted, and another if it is and has no such attribute."""
    if hasattr(estimator, attribute):
        return
    check_is_fitted(estimator)
    raise ValueError(
        f"{type(estimator).__name__} has no {attribute}; give an estimator of convexrelu, or a pipeline, a search or "
        "another estimator with one of them inside"
    )


def _inside(estimator: Any) -> Any:
    """What is one level inside, or None."""
    if isinstance(estimator, Pipeline):
        return estimator.steps[-1][1]
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    calibrated = getattr(estimator, "calibrated_classifiers_", [])
    if len(calibrated) == 1:  # not one for each fold
        return calibrated[0].estimator
    return next((getattr(estimator, name) for name in _INSIDE if hasattr(estimator, name)), None)


def _transformed(transformer: Any, y: np.ndarray) -> np.ndarray:
    """Targets of the inner regressor: transformers take them as a column."""
    if y.ndim > 1:
        return transformer.transform(y)
    return transformer.transform(y[:, None]).reshape(len(y))
