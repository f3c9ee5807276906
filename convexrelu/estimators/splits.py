"""Folds of a cross-validation, and complaints about them that name ``cv``: scikit-learn's speak of ``n_splits``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Integral
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, check_cv
from sklearn.utils.validation import _num_samples

from convexrelu._utils.arguments import shown
from convexrelu._utils.user_warnings import warn_user

__all__ = ["checked_splits"]

Split = tuple[NDArray[Any], NDArray[Any]]  # rows to train on, and rows to score on

_DEFAULT = 5  # folds of cv=None
_RARE = "The least populated class in y"  # how scikit-learn's warning begins


def checked_splits(
    cv: Any,
    X: Any,
    y: Any,
    *,
    classifier: bool,
    params: Mapping[str, Any] = MappingProxyType({}),
    seed: int | None = None,
) -> list[Split]:
    """The splits of all rows, or a ValueError that says why there are none.

    Parameters
    ----------
    cv : int, splitter, iterable or None
        A number of folds, which are stratified for classifiers; None means five.
    X, y : array-like
        Inputs and targets or labels, with n rows.
    classifier : bool
        Whether `y` has labels.
    params : mapping of str to array
        For the splitter, such as ``groups``.
    seed : int, optional
        Shuffles the samples before they are put into a number of folds.

    Raises
    ------
    ValueError
        If there are more folds than samples, or than samples of any class, or if a split has no samples or others than
        there are.

    Warns
    -----
    UserWarning
        If a class has fewer samples than there are folds.

    Examples
    --------
    >>> checked_splits(9, np.eye(4), np.arange(4.0), classifier=False)
    Traceback (most recent call last):
    ValueError: cv=9 makes more folds than there are samples: n_samples=4
    """
    n, n_targets = _num_samples(X), _num_samples(y)
    if n_targets != n:
        raise ValueError(f"y has {n_targets} entries, expected {n}, one for each row of X")
    is_number = cv is None or isinstance(cv, Integral)
    if is_number:
        _check_number(cv, n)
    splitter = check_cv(cv, y, classifier=classifier)
    if is_number and isinstance(splitter, StratifiedKFold):
        _check_classes(cv, y)
    if is_number and seed is not None:
        splitter = type(splitter)(splitter.get_n_splits(), shuffle=True, random_state=seed)
    try:
        with warnings.catch_warnings():
            if is_number:  # then it is said above
                warnings.filterwarnings("ignore", _RARE, UserWarning)
            splits = list(splitter.split(X, y, **params))
    except (TypeError, ValueError) as error:
        missing = "groups" in str(error) and "groups" not in params
        advice = "; give them to fit, after sklearn.set_config(enable_metadata_routing=True)"
        raise ValueError(
            f"{_named(cv)} does not split these samples: {str(error).rstrip('.')}{advice if missing else ''}"
        ) from error
    _check_rows(splits, n)
    return splits


def _check_number(cv: int | None, n_samples: int) -> None:
    """Raise an error for less than two folds, and for more than there are samples."""
    if cv is not None and cv < 2:
        raise ValueError(f"cv={shown(cv)} is not a number of at least two folds")
    if _n_folds(cv) > n_samples:
        raise ValueError(
            f"{_named(cv)} makes more folds than there are samples: n_samples={n_samples}"
        )


def _check_classes(cv: int | None, labels: Any) -> None:
    """Raise an error for more folds than any class has samples; warn of classes that have fewer."""
    n_folds = _n_folds(cv)
    classes, counts = np.unique(np.asarray(labels), return_counts=True)
    if counts.max() < n_folds:
        raise ValueError(
            f"{_named(cv)} makes more folds than any class has samples, at most {counts.max()}"
        )
    if counts.min() < n_folds:
        warn_user(
            f"{_named(cv)} makes more folds than class {shown(classes[counts.argmin()])} has samples, {counts.min()}: "
            "not all folds have one to score on",
            UserWarning,
        )


def _check_rows(splits: list[Split], n_samples: int) -> None:
    """Raise an error unless there are splits, and each has rows to train and to score on."""
    if not splits:
        raise ValueError("cv has no splits")
    rows = np.arange(n_samples)
    for k, split in enumerate(splits):
        try:
            sizes = [rows[part].size for part in split]
        except (IndexError, TypeError) as error:
            raise ValueError(
                f"split {k} of cv has no numbers of the {n_samples} rows of X: {error}"
            ) from error
        if not all(sizes):
            raise ValueError(f"split {k} of cv has no samples to train or to score on")


def _n_folds(cv: int | None) -> int:
    return _DEFAULT if cv is None else int(cv)


def _named(cv: Any) -> str:
    """The argument for a message; a list of splits may be long."""
    if cv is None:
        return f"cv=None, {_DEFAULT} folds,"
    return f"cv={shown(cv)}" if isinstance(cv, Integral) or hasattr(cv, "split") else "cv"
