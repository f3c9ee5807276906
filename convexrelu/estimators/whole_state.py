"""A fit changes its estimator at once, when it has ended, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from sklearn.base import BaseEstimator

__all__ = ["changed_at_once"]

Estimator = TypeVar("Estimator", bound=BaseEstimator)


@contextmanager
def changed_at_once(estimator: Estimator) -> Iterator[Estimator]:
    """A copy to fit, whose attributes become those of the estimator when the block has ended.

    After an error or an interruption the estimator is as it was before. As there is one assignment only, it is never
    half old and half new.

    Parameters
    ----------
    estimator : estimator

    Yields
    ------
    estimator
        A shallow copy.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> model = Ridge()
    >>> with changed_at_once(model) as draft:
    ...     draft.n_features_in_ = 3
    ...     print(hasattr(model, "n_features_in_"))
    False
    >>> model.n_features_in_
    3
    """
    draft = object.__new__(type(estimator))
    vars(draft).update(vars(estimator))
    yield draft
    estimator.__dict__ = vars(draft)
