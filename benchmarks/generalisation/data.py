"""Data sets and their ten splits into a training and a test part.

The regression sets are those of the UCI repository in the folder ``CONVEXRELU_UCI``, with the splits given there, and
without it two that scikit-learn has. The classification sets are scikit-learn's. Splits that are made here
are those of ten shuffled folds.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold

from benchmarks.common import SMALL_UCI, uci

CLASSIFICATION = ("breast_cancer", "digits", "iris", "wine_cultivars")
WITHOUT_UCI = ("diabetes", "friedman1")
MORE_UCI = ("challenger", "elevators", "pol", "kin40k")
N_SPLITS = 10


class Split(NamedTuple):
    """Training and test part."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def names() -> tuple[str, ...]:
    """All data sets at hand."""
    regression = (*SMALL_UCI, *MORE_UCI) if "CONVEXRELU_UCI" in os.environ else WITHOUT_UCI
    return (*regression, *CLASSIFICATION)


def task(name: str) -> str:
    return "classification" if name in CLASSIFICATION else "regression"


def split(name: str, number: int, largest: int) -> Split:
    """Split `number`: all of the test part, and a random `largest` of the training part."""
    X, y, is_test = _loaded(name)
    train = np.flatnonzero(~is_test[:, number])
    train = np.random.default_rng(number).permutation(train)[:largest]
    test = is_test[:, number]
    return Split(X[train], y[train], X[test], y[test])


@lru_cache(maxsize=1)
def _loaded(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if name not in CLASSIFICATION + WITHOUT_UCI:
        return uci(name)
    X, y = _of_scikit_learn(name)
    folds = StratifiedKFold if name in CLASSIFICATION else KFold
    is_test = np.zeros((len(y), N_SPLITS), dtype=bool)
    for k, (_, test) in enumerate(folds(N_SPLITS, shuffle=True, random_state=0).split(X, y)):
        is_test[test, k] = True
    return X, y, is_test


def _of_scikit_learn(name: str) -> tuple[np.ndarray, np.ndarray]:
    if name == "friedman1":
        return datasets.make_friedman1(1000, noise=1.0, random_state=0)
    # UCI's regression set of that name is another one.
    loader = "wine" if name == "wine_cultivars" else name
    return getattr(datasets, f"load_{loader}")(return_X_y=True)
