"""Scores of regressors: the part of squares, or of a deviance, that is explained; the mean over outputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.typing import Array
from convexrelu.estimators.missing_targets import numbers_or_nan

__all__ = ["mean_score", "score_of_means", "score_of_numbers"]


def mean_score(
    score: Callable[..., float], y: ArrayLike, predicted: Array, sample_weight: ArrayLike | None
) -> float:
    """Mean over outputs of the score of the samples that have a target there: NaN is a missing one.

    Examples
    --------
    >>> y = np.array([[1.0, 0.0], [3.0, 1.0], [np.nan, 2.0]])
    >>> mean_score(score_of_numbers, y, np.array([[1.0, 0.0], [3.0, 1.0], [7.0, 2.0]]), None)
    1.0
    """
    known, n = numbers_or_nan(y), len(predicted)
    if known.shape != predicted.shape and known.shape != (*predicted.shape, 1):
        raise ValueError(f"y has shape {known.shape}, expected {predicted.shape}")
    weights = np.ones(n) if sample_weight is None else finite_array("sample_weight", sample_weight)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape}, expected ({n},)")
    scores = []
    for k, (targets, found) in enumerate(
        zip(known.reshape(n, -1).T, predicted.reshape(n, -1).T, strict=True)
    ):
        seen = ~np.isnan(targets)
        if not seen.any():
            raise ValueError(f"y has no target in column {k}, which has no score: all are missing")
        scores.append(score(targets[seen], found[seen], weights[seen]))
    return float(np.mean(scores))


def score_of_means(y: ArrayLike, predicted: ArrayLike, sample_weight: ArrayLike | None) -> float:
    """D², the part of the Poisson deviance that is explained; the mean over outputs.

    Examples
    --------
    >>> score_of_means([1.0, 3.0], [1.0, 3.0], None), score_of_means([1.0, 3.0], [2.0, 2.0], None)
    (1.0, 0.0)
    >>> score_of_means([0.0, 0.0], [0.1, 0.1], None)
    0.0
    """
    columns = zip(
        np.atleast_2d(np.transpose(y)), np.atleast_2d(np.transpose(predicted)), strict=True
    )
    return float(np.mean([_explained(*column, sample_weight) for column in columns]))


def _explained(y: Array, means: Array, weights: ArrayLike | None) -> float:
    """D² of one output; of equal counts, as R² has it, one if all is explained, and else zero."""
    from sklearn.metrics import mean_poisson_deviance  # takes a tenth of a second to import

    info = np.finfo(np.float64)
    left = mean_poisson_deviance(y, np.maximum(means, info.tiny), sample_weight=weights)
    if (y == y[0]).all():
        return float(left <= 8 * info.eps * y[0])  # its terms cancel
    shares = None if weights is None else np.asarray(weights, dtype=np.float64)
    constant = np.full(len(y), max(np.average(y, weights=shares), info.tiny))
    return float(1 - left / mean_poisson_deviance(y, constant, sample_weight=weights))


def score_of_numbers(y: ArrayLike, predicted: ArrayLike, sample_weight: ArrayLike | None) -> float:
    """R², the mean over outputs."""
    from sklearn.metrics import r2_score  # takes a tenth of a second to import

    return float(r2_score(y, predicted, sample_weight=sample_weight))
