"""Least squares, backpropagation and the convex training beside the figures of Ergen & Pilanci (JMLR 2021), Table 1.

    python -m benchmarks.generalisation.published [--quick] [--images N] [--splits N]

How the paper prepared and split its data, and which penalties it took, is not published in the detail that a repetition
needs: its figures stand beside those measured here, and they are not to be equal. Here

* MNIST is its ten thousand test images, the first ``--images`` of the first 8000 to train on and the last 2000 to test
  on, with cross-entropy for the networks and least squares on indicators; penalties are chosen on the last fifth of
  the training images;
* the UCI sets are on the first ``--splits`` of their given splits, with at most 500 training samples and penalties
  chosen as in `run.py`; the error is the mean squared one in units of the variance of the training targets, which is a
  guess at the paper's. "Stock" here is a table of 536 days of the UCI repository, and the paper's set may be another.

Of the eight sets of the table, the other four are not at hand.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from threadpoolctl import threadpool_limits

from benchmarks.common import mnist, report
from benchmarks.generalisation.adam import AdamClassifier
from benchmarks.generalisation.data import Split, split
from benchmarks.generalisation.methods import QUICK, Settings, pipeline
from benchmarks.generalisation.run import LARGEST
from convexrelu import ConvexReLUClassifier

METHODS = ("least squares", "backpropagation", "convex")
# Test errors; of MNIST and CIFAR the accuracy in per cent.
PUBLISHED: dict[str, tuple[float, float, float]] = {
    "MNIST": (86.04, 96.25, 96.94),
    "Boston": (0.3490, 0.1612, 0.1492),
    "Elevators": (0.5793, 0.4021, 0.3757),
    "Stock": (1.0697, 0.8684, 0.6184),
    "CIFAR": (36.39, 41.57, 42.16),
    "Bank": (0.9258, 0.6440, 0.5534),
    "California": (0.8158, 0.8101, 0.6344),
    "News20": (1.0, 0.8304, 0.8043),
}
UCI_NAMES = {"Boston": "housing", "Elevators": "elevators", "Stock": "stock"}
UCI_ALPHAS = (3e-2, 1e-2, 3e-3, 1e-3)
IMAGE_ALPHAS = (3e-3, 1e-3)
IMAGE_SECONDS = 60.0  # limit of each convex training, of which there are three


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smallest sizes, nothing written")
    parser.add_argument("--images", type=int, default=2000, help="to train on, at most 8000")
    parser.add_argument("--splits", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # time limits are meant to be met
    images, n_splits = (100, 1) if asked.quick else (asked.images, asked.splits)
    rows = []
    with threadpool_limits(1):
        if "CONVEXRELU_MNIST" in os.environ:
            rows += _on_images(_mnist(images), 1.0 if asked.quick else IMAGE_SECONDS)
        if "CONVEXRELU_UCI" in os.environ:
            settings = QUICK if asked.quick else Settings(alphas=UCI_ALPHAS)
            for name in UCI_NAMES:
                rows += _on_uci(name, n_splits, settings)
    if not rows:
        raise SystemExit("neither CONVEXRELU_MNIST nor CONVEXRELU_UCI names a folder")
    report("published", rows + _not_at_hand({row["data"] for row in rows}), write=not asked.quick)


def _on_images(parts: Split, seconds: float) -> list[dict[str, Any]]:
    convex = ConvexReLUClassifier(tol=1e-2, oracle="quick", time_limit=seconds, random_state=0)
    models = (
        RidgeClassifier(alpha=1e-6 * len(parts.X)),  # pixels are collinear
        _held_out(AdamClassifier(steps=500), {"rate": Settings().rates}, len(parts.X)),
        _held_out(convex, {}, len(parts.X)),
    )
    measured = [
        _timed(model, parts, lambda fitted: 100 * fitted.score(parts.X_test, parts.y_test))
        for model in models
    ]
    return _rows("MNIST", f"accuracy, %, {len(parts.X)} images", [measured])


def _on_uci(name: str, n_splits: int, settings: Settings) -> list[dict[str, Any]]:
    measured = []
    for number in range(n_splits):
        parts = split(UCI_NAMES[name], number, LARGEST)
        models = (
            LinearRegression(),
            pipeline("Adam", "regression", settings),
            pipeline("convexrelu", "regression", settings),
        )
        error = partial(_squared_error, parts)
        measured.append([_timed(model, parts, error) for model in models])
    return _rows(name, f"squared error, {n_splits} splits", measured)


def _squared_error(parts: Split, model: BaseEstimator) -> float:
    """In units of the variance of the training targets."""
    return mean_squared_error(parts.y_test, model.predict(parts.X_test)) / np.var(parts.y)


def _held_out(model: BaseEstimator, grid: dict[str, Any], n: int) -> GridSearchCV:
    """What of the penalties and the grid is best on the last fifth, then all samples."""
    is_last = np.where(np.arange(n) >= n - n // 5, 0, -1)
    return GridSearchCV(model, grid | {"alpha": IMAGE_ALPHAS}, cv=PredefinedSplit(is_last))


def _timed(
    model: BaseEstimator, parts: Split, score: Callable[[BaseEstimator], float]
) -> tuple[float, float]:
    started = time.perf_counter()
    model.fit(parts.X, parts.y)
    seconds = time.perf_counter() - started
    return score(model), seconds


def _rows(
    data: str, measure: str, measured: list[list[tuple[float, float]]]
) -> list[dict[str, Any]]:
    """One row a method: mean score and seconds of `measured`, with a list for each split."""
    scores, seconds = np.moveaxis(np.array(measured), -1, 0)
    return [
        {
            "data": data,
            "measure": measure,
            "method": method,
            "published": PUBLISHED[data][k],
            "here": f"{scores[:, k].mean():.4g}",
            "range of splits": f"{scores[:, k].min():.4g} to {scores[:, k].max():.4g}",
            "seconds of a split": f"{seconds[:, k].mean():.3g}",
        }
        for k, method in enumerate(METHODS)
    ]


def _not_at_hand(at_hand: set[str]) -> list[dict[str, Any]]:
    return [
        {
            "data": data,
            "measure": "",
            "method": method,
            "published": published,
            "here": "not at hand",
            "range of splits": "",
            "seconds of a split": "",
        }
        for data, figures in PUBLISHED.items()
        if data not in at_hand
        for method, published in zip(METHODS, figures, strict=True)
    ]


def _mnist(n: int) -> Split:
    """The first `n` and the last 2000 images, pixels between 0 and 1."""
    X, y = mnist()
    n = min(n, 8000)
    return Split(X[:n], y[:n], X[8000:], y[8000:])


if __name__ == "__main__":
    main()
