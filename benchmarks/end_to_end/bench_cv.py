"""Cross-validation along paths: against a grid search over the same penalties and folds, and on small tables.

A grid takes ten minutes, and its scores hardly depend on its seed. So the choices of paths with several seeds are held
against the choice of the grid that is recorded, which is read from ``results/cv_regression.csv``.
"""

from __future__ import annotations

import argparse
import math
import warnings
from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.common import median_seconds, recorded, report, teacher
from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
)

# n, d, penalties, folds
CASES = [(300, 10, 20, 5)]
TASKS = {
    "regression": (ConvexReLURegressor, ConvexReLURegressorCV, "neg_mean_squared_error"),
    "classification": (ConvexReLUClassifier, ConvexReLUClassifierCV, "neg_log_loss"),
}
# Classification with defaults, standardised.
TABLES = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
}


def main() -> None:
    """Ratio of times, and how far apart mean scores are, in standard errors; medians of runs of paths, one of grids."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smallest sizes, nothing written")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--tables", nargs="*", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--seeds", type=int, default=5, help="of regression along paths")
    parser.add_argument("--runs", type=int, default=3, help="of cross-validation along paths")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # grids may hit max_iter
    cases, runs = ([(40, 1, 3, 3)], 1) if asked.quick else (CASES, asked.runs)
    tables = ["iris"] if asked.quick else asked.tables
    if tables:
        rows = [_table_row(name, runs, asked.quick) for name in tables]
        report("cv_tables", rows, write=not asked.quick)
    for task in asked.tasks:
        report(f"cv_{task}", [_row(task, case, runs) for case in cases], write=not asked.quick)
    seeds = range(1 if asked.quick else asked.seeds)
    if seeds:
        report("cv_seeds", [_seed_row(cases[0], seed) for seed in seeds], write=not asked.quick)


def _table_row(name: str, runs: int, quick: bool) -> dict[str, Any]:
    """Time of a classifier with defaults, and its accuracy on a quarter of the samples."""
    X, y = TABLES[name](return_X_y=True)
    within, without, y_within, y_without = train_test_split(X, y, random_state=0)
    scaler = StandardScaler().fit(within)
    options: dict[str, Any] = {"n_alphas": 3, "cv": 2, "max_iter": 1} if quick else {}
    model = ConvexReLUClassifierCV(random_state=0, **options)
    seconds, model = median_seconds(partial(model.fit, scaler.transform(within), y_within), runs)
    tried = int((model.cv_widths_ >= 0).all(axis=1).sum())
    return {
        "data": name,
        "n, d": f"{within.shape[0]}, {within.shape[1]}",
        "runs": runs,
        "seconds": seconds,
        "penalties tried": f"{tried} of {len(model.alphas_)}",
        "alpha": model.alpha_,
        "score of folds": model.best_score_,
        "accuracy": model.score(scaler.transform(without), y_without),
        "status": model.status_.name,
        "gap": model.certificate_.relative_gap,
    }


def _row(task: str, case: tuple[int, int, int, int], runs: int) -> dict[str, Any]:
    n, d, n_alphas, n_folds = case
    X, y, common = _posed(task, case)
    model = TASKS[task][1](n_alphas=n_alphas, random_state=0, **common)
    path, model = median_seconds(partial(model.fit, X, y), runs)
    grid = GridSearchCV(TASKS[task][0](random_state=0), {"alpha": model.alphas_}, **common)
    search, grid = median_seconds(partial(grid.fit, X, y), 1)
    scores = model.cv_scores_.mean(axis=1)
    errors = model.cv_scores_.std(axis=1, ddof=1) / np.sqrt(n_folds)
    apart = np.nanmax(np.abs(scores - grid.cv_results_["mean_test_score"]) / errors)
    return {
        "task": task,
        "n, d": f"{n}, {d}",
        "penalties": n_alphas,
        "folds": n_folds,
        "runs": runs,
        "grid, seconds": search,
        "path, seconds": path,
        "grid / path": f"{search / path:.1f}",
        "alpha, grid": grid.best_params_["alpha"],
        "alpha, path": model.alpha_,
        "scores apart, standard errors": f"{apart:.2f}",
    }


def _seed_row(case: tuple[int, int, int, int], seed: int) -> dict[str, Any]:
    """The choice of paths with one seed, and how many penalties it is from the recorded one of the grid."""
    n, d, n_alphas, n_folds = case
    X, y, common = _posed("regression", case)
    model = ConvexReLURegressorCV(n_alphas=n_alphas, random_state=seed, **common)
    seconds, model = median_seconds(partial(model.fit, X, y), 1)
    grid = _choice_of_the_grid(case)
    nearest = np.abs(np.log(model.alphas_ / grid)).argmin()  # tables have six digits
    steps = int(np.flatnonzero(model.alphas_ == model.alpha_)[0] - nearest)
    return {
        "n, d": f"{n}, {d}",
        "penalties": n_alphas,
        "folds": n_folds,
        "seed": seed,
        "seconds": seconds,
        "alpha, grid": grid,
        "alpha, path": model.alpha_,
        "penalties apart": "" if np.isnan(grid) else steps,
        "status": model.status_.name,
        "gap": f"{model.certificate_.relative_gap:.1e}",
    }


def _posed(
    task: str, case: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Samples, targets, and what a grid and paths are told alike."""
    n, d, _, n_folds = case
    X, y, _ = teacher(n, d, 10, 0.1, 0)
    y = y > np.median(y) if task == "classification" else y
    return X, y, {"cv": n_folds, "scoring": TASKS[task][2]}


def _choice_of_the_grid(case: tuple[int, int, int, int]) -> float:
    """Its penalty in the results; nan where none is recorded for these samples, penalties and folds."""
    n, d, n_alphas, n_folds = case
    asked = {"n, d": f"{n}, {d}", "penalties": str(n_alphas), "folds": str(n_folds)}
    rows = [row for row in recorded("cv_regression") if asked.items() <= row.items()]
    return float(rows[0]["alpha, grid"]) if rows else math.nan


if __name__ == "__main__":
    main()
