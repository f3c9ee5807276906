"""Coverage and width of 90 % intervals on ten sets: quantile bands as they are, and conformalised by MAPIE."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from mapie.regression import ConformalizedQuantileRegressor, SplitConformalRegressor
from sklearn.exceptions import ConvergenceWarning

from benchmarks.common import SMALL_UCI, quick_asked, report
from benchmarks.generalisation.data import names, split, task
from convexrelu import ConvexReLUQuantileRegressor, ConvexReLURegressor

LEVELS = (0.05, 0.5, 0.95)
LARGEST = 300  # samples for training, of which a third is kept to conformalise
ALPHA = 0.01  # for standardised data


def main() -> None:
    """Three splits of each set, with at most 300 samples for training."""
    quick = quick_asked(main.__doc__)
    sets = [
        name for name in names() if task(name) == "regression" and name in (*SMALL_UCI, "diabetes")
    ]
    rows = []
    for name in sets[:1] if quick else sets:
        runs = [list(_intervals(name, number, quick)) for number in range(1 if quick else 3)]
        for same in zip(*runs, strict=True):
            means = np.mean([entry[1:] for entry in same], axis=0)
            rows.append(
                {
                    "data": name,
                    "method": same[0][0],
                    "coverage": f"{means[0]:.3f}",
                    "width": f"{means[1]:.3f}",
                    "crossing": f"{means[2]:.4f}",
                    "CPU (s)": f"{means[3]:.1f}",
                }
            )
    report("intervals", rows + _means(rows), write=not quick)


def _intervals(
    name: str, number: int, quick: bool
) -> Iterator[tuple[str, float, float, float, float]]:
    """Method, coverage, width in deviations of the targets, test samples where bands cross, and CPU seconds."""
    part = split(name, number, 60 if quick else LARGEST)
    centre, spread = part.X.mean(axis=0), part.X.std(axis=0)
    spread[spread == 0] = 1.0
    X, X_test = (part.X - centre) / spread, (part.X_test - centre) / spread
    middle, deviation = part.y.mean(), part.y.std()
    y, y_test = (part.y - middle) / deviation, (part.y_test - middle) / deviation
    kept = len(X) // 3

    def judged(low: np.ndarray, high: np.ndarray) -> tuple[float, float, float]:
        inside = (low <= y_test) & (y_test <= high)
        return float(inside.mean()), float((high - low).mean()), float((high < low).mean())

    started = time.process_time()
    bands = _bands().fit(X, y)
    found = bands.predict(X_test)
    yield "bands", *judged(found[:, 0], found[:, 2]), time.process_time() - started

    started = time.process_time()
    bands = _bands().fit(X[kept:], y[kept:])
    models = [bands.at(level) for level in (0.05, 0.95, 0.5)]
    conformal = ConformalizedQuantileRegressor(models, confidence_level=0.9, prefit=True)
    conformal.conformalize(X[:kept], y[:kept])
    ends = conformal.predict_interval(X_test)[1]
    yield (
        "bands, conformalised",
        *judged(ends[:, 0, 0], ends[:, 1, 0]),
        time.process_time() - started,
    )

    started = time.process_time()
    mean = ConvexReLURegressor(ALPHA, effort="predict", random_state=0).fit(X[kept:], y[kept:])
    split_conformal = SplitConformalRegressor(mean, confidence_level=0.9, prefit=True)
    split_conformal.conformalize(X[:kept], y[:kept])
    ends = split_conformal.predict_interval(X_test)[1]
    yield (
        "mean, conformalised",
        *judged(ends[:, 0, 0], ends[:, 1, 0]),
        time.process_time() - started,
    )


def _bands() -> ConvexReLUQuantileRegressor:
    return ConvexReLUQuantileRegressor(LEVELS, ALPHA, effort="predict", random_state=0)


def _means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for every method, with means over the sets."""
    columns = ("coverage", "width", "crossing", "CPU (s)")
    digits = dict(zip(columns, (3, 3, 4, 1), strict=True))
    summary = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        values = {c: f"{np.mean([float(row[c]) for row in own]):.{digits[c]}f}" for c in columns}
        summary.append({"data": "mean", "method": method, **values})
    return summary


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    main()
