"""Which penalty to choose by the scores of cross-validation, and when smaller ones cannot win."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.typing import Array

__all__ = ["choose_penalty", "is_past_its_best"]

# Penalties in a row that must be worse before smaller ones are dropped.
_PATIENCE = 4


def is_past_its_best(scores: Array, losses: Array) -> bool:
    """Whether penalties below those that were tried cannot be expected to win.

    That is, each of the last four penalties has a mean score that is no better than one before them, and a loss on the
    samples left out that is above the smallest, by more than the standard error of the difference. The loss is asked
    because scores such as the accuracy can stay as they are for many penalties, and then rise.

    Parameters
    ----------
    scores, losses : array of shape (k, n_folds)
        One row a penalty that was tried; penalties descend.

    Returns
    -------
    bool
        False if there are fewer than two folds, or a number that decides is not finite.

    Examples
    --------
    >>> losses = np.array([[3, 3], [1, 1], [2, 2], [2, 2], [3, 3], [3, 3]])
    >>> is_past_its_best(-losses, losses), is_past_its_best(-losses[:5], losses[:5])
    (True, False)
    """
    n_folds = scores.shape[1]
    if len(scores) <= _PATIENCE or n_folds < 2:
        return False
    means = scores.mean(axis=1)
    no_better = means[-_PATIENCE:] <= means[:-_PATIENCE].max()
    excess = losses[-_PATIENCE:] - losses[losses.mean(axis=1).argmin()]
    errors = excess.std(axis=1, ddof=1) / np.sqrt(n_folds)
    return bool(no_better.all() and (excess.mean(axis=1) > errors).all())


def choose_penalty(scores: ArrayLike, *, one_standard_error: bool = False) -> int:
    """Row of the best penalty: largest mean score, or the first within a standard error of it.

    Parameters
    ----------
    scores : array of shape (k, n_folds)
        One row a penalty, the larger the better; penalties descend. Rows with a NaN, such as those of penalties that
        were not tried, lose.
    one_standard_error : bool
        Take the largest penalty whose mean is at least the best mean minus its standard error,
        ``std/√n_folds`` over the folds (Breiman, Friedman, Olshen & Stone 1984, section 3.4.3).

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If no mean is finite.

    Examples
    --------
    >>> scores = [[0.1, 0.3], [0.7, 0.7], [0.6, 1.0]]
    >>> choose_penalty(scores), choose_penalty(scores, one_standard_error=True)
    (2, 1)
    """
    scores = np.asarray(scores, dtype=np.float64)
    means = np.where(np.isfinite(scores).all(axis=1), scores.mean(axis=1), -np.inf)
    best = int(means.argmax())
    if not np.isfinite(means[best]):
        raise ValueError("scoring is not finite for any alpha on all folds")
    if one_standard_error and scores.shape[1] > 1:
        error = scores[best].std(ddof=1) / np.sqrt(scores.shape[1])
        best = int((means >= means[best] - error).argmax())
    return best
