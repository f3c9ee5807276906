"""Cross-validation along paths against scikit-learn's grid search over the same penalties and folds."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
from common import median_seconds, quick_asked, report, teacher
from sklearn.model_selection import GridSearchCV

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


def main() -> None:
    """Ratio of times, and how far apart mean scores are, in standard errors; medians of three runs, one of grids."""
    quick = quick_asked(main.__doc__)
    warnings.simplefilter("ignore")  # grids may hit max_iter
    cases = [(60, 3, 3, 3)] if quick else CASES
    rows = [_row(task, case, quick) for task in TASKS for case in cases]
    report("cv", rows, write=not quick)


def _row(task: str, case: tuple[int, int, int, int], quick: bool) -> dict[str, Any]:
    n, d, n_alphas, n_folds = case
    single, cross_validated, scoring = TASKS[task]
    X, y, _ = teacher(n, d, 10, 0.1, 0)
    y = y > np.median(y) if task == "classification" else y
    common: dict[str, Any] = {"cv": n_folds, "scoring": scoring}
    model = cross_validated(n_alphas=n_alphas, random_state=0, **common)
    path, model = median_seconds(partial(model.fit, X, y), 1 if quick else 3)
    grid = GridSearchCV(single(random_state=0), {"alpha": model.alphas_}, **common)
    search, grid = median_seconds(partial(grid.fit, X, y), 1)
    scores = model.cv_scores_.mean(axis=1)
    errors = model.cv_scores_.std(axis=1, ddof=1) / np.sqrt(n_folds)
    apart = np.abs(scores - grid.cv_results_["mean_test_score"]) / errors
    return {
        "task": task,
        "n, d": f"{n}, {d}",
        "penalties": n_alphas,
        "folds": n_folds,
        "grid, seconds": search,
        "path, seconds": path,
        "grid / path": f"{search / path:.1f}",
        "alpha, grid": grid.best_params_["alpha"],
        "alpha, path": model.alpha_,
        "scores apart, standard errors": f"{apart.max():.2f}",
    }


if __name__ == "__main__":
    main()
