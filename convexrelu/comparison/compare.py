"""Nested cross-validation of an estimator and of the usual other methods."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline

from convexrelu._utils.typing import Array
from convexrelu.comparison.result import Comparison
from convexrelu.comparison.rivals import rivals_for
from convexrelu.displays.fitted import innermost
from convexrelu.estimators.splits import checked_splits

__all__ = ["compare"]


def compare(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    *,
    rivals: dict[str, BaseEstimator] | None = None,
    cv: Any = 5,
    inner_cv: Any = 3,
    scoring: str | None = None,
    n_jobs: int | None = None,
    random_state: int = 0,
) -> Comparison:
    """Measure an estimator beside a multilayer perceptron, an SVM, boosted trees and a linear model.

    All are fitted on the same outer folds and scored on the rest. Rivals choose their parameters from a
    short grid by inner cross-validation. The estimator is fitted as it is: give one that chooses `alpha` itself, such
    as :class:`~convexrelu.ConvexReLURegressorCV`.

    Parameters
    ----------
    estimator : estimator
        A regressor or classifier, or a pipeline. The first steps of a pipeline prepare the data for the rivals, too;
        otherwise data are standardised for these.
    X : array-like or data frame of shape (n, d)
        Inputs, as the estimator takes them.
    y : array-like of shape (n,)
        Targets or labels.
    rivals : dict of str to estimator, optional
        Others to compare with, instead of :func:`~convexrelu.comparison.rivals_for`.
    cv, inner_cv : int or splitter
        Outer and inner folds. Numbers of outer folds are shuffled.
    scoring : str, optional
        Name of a scorer; ``"r2"`` or ``"accuracy"`` by default.
    n_jobs : int, optional
        Outer folds at a time.
    random_state : int
        Seed of the outer folds and of rivals.

    Returns
    -------
    Comparison
        Print it for a table; ``plot()`` draws it.

    Raises
    ------
    ValueError
        For bad input.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from convexrelu import ConvexReLURegressor
    >>> from convexrelu.comparison import compare
    >>> X = np.linspace(-1, 1, 30)[:, None]
    >>> comparison = compare(ConvexReLURegressor(alpha=1e-3), X, np.abs(X[:, 0]), rivals={"linear": Ridge()}, cv=3)
    >>> [row["method"] for row in comparison.rows()]
    ['ConvexReLURegressor', 'linear']
    >>> print(comparison)
                                        r2   seconds  largest gap
    ConvexReLURegressor  ...  (proved)
    linear               ...
    """
    labelled = is_classifier(estimator)
    scoring = scoring or ("accuracy" if labelled else "r2")
    if rivals is None:
        rivals = rivals_for(
            "classification" if labelled else "regression",
            preparation=_preparation(estimator),
            cv=inner_cv,
            scoring=scoring,
            random_state=random_state,
        )
    own = _name_of(estimator)
    if own in rivals:
        raise ValueError(f"rivals has the name {own!r}, which is that of the estimator")
    methods = {own: estimator, **rivals}
    splits = checked_splits(cv, X, y, classifier=labelled, seed=random_state)
    measured = [_measure(clone(one), X, y, splits, scoring, n_jobs) for one in methods.values()]
    scores, seconds, gaps, proved = map(np.array, zip(*measured, strict=True))
    return Comparison(list(methods), scores, seconds, gaps, proved, scoring)


def _measure(
    method: BaseEstimator, X: Any, y: Any, splits: list[Any], scoring: str, n_jobs: int | None
) -> tuple[Array, Array, list[float], list[bool]]:
    """Scores, seconds, gaps, and whether these are proved, one for each fold."""
    with warnings.catch_warnings():
        # A score says how good a network is, wherever its training has ended.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = cross_validate(
            method,
            X,
            y,
            cv=splits,
            scoring=scoring,
            n_jobs=n_jobs,
            return_estimator=True,
            error_score="raise",
        )
    certificates = [_certificate(fitted) for fitted in found["estimator"]]
    gaps = [np.nan if one is None else one.relative_gap for one in certificates]
    proved = [one is not None and one.is_proof for one in certificates]
    return found["test_score"], found["fit_time"], gaps, proved


def _certificate(fitted: Any) -> Any:
    try:
        return innermost(fitted, "certificate_").certificate_
    except ValueError:  # it has none
        return None


def _preparation(estimator: BaseEstimator) -> BaseEstimator | None:
    """The first steps of a pipeline."""
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        return estimator[:-1]
    return None


def _name_of(estimator: BaseEstimator) -> str:
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    return type(last).__name__
