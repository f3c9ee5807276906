"""The usual methods for a table, each with a search for its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from convexrelu._utils.arguments import check_choice

__all__ = ["rivals_for"]

_TASKS = ("regression", "classification")
_PENALTIES = [1e-4, 1e-2, 1.0]
_INVERSE = [0.1, 1.0, 10.0, 100.0]


def rivals_for(
    task: str,
    *,
    preparation: BaseEstimator | None = None,
    cv: Any = 3,
    scoring: Any = None,
    random_state: int = 0,
) -> dict[str, BaseEstimator]:
    """Multilayer perceptron, support vector machine, boosted trees and a linear model.

    Parameters
    ----------
    task : {"regression", "classification"}
    preparation : transformer, optional
        Put before each of them; by default :class:`sklearn.preprocessing.StandardScaler`.
    cv : int or splitter
        Inner folds, on which each chooses its parameters from a short grid.
    scoring : str or callable, optional
        What they are chosen by.
    random_state : int
        Seed of those that have one.

    Returns
    -------
    dict of str to estimator
        Not fitted. Targets of regression are standardised.

    Examples
    --------
    >>> list(rivals_for("regression"))
    ['MLP', 'SVM', 'boosting', 'linear']
    """
    check_choice("task", task, _TASKS)
    first = StandardScaler() if preparation is None else preparation
    found = {}
    for name, (model, grid) in _models(task, random_state).items():
        pipeline = make_pipeline(clone(first), model)
        last = pipeline.steps[-1][0]
        prefix = f"{last}__"
        whole: BaseEstimator = pipeline
        if task == "regression":
            whole = TransformedTargetRegressor(pipeline, transformer=StandardScaler())
            prefix = f"regressor__{prefix}"
        grid = {prefix + parameter: values for parameter, values in grid.items()}
        found[name] = GridSearchCV(whole, grid, cv=cv, scoring=scoring)
    return found


def _models(task: str, seed: int) -> dict[str, tuple[BaseEstimator, dict[str, Any]]]:
    regression = task == "regression"
    perceptron = MLPRegressor if regression else MLPClassifier
    boosting = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    linear = Ridge() if regression else LogisticRegression(max_iter=1000)
    strength = {"alpha": np.array([0.1, 1.0, 10.0, 100.0])} if regression else {"C": _INVERSE}
    return {
        "MLP": (perceptron(max_iter=500, random_state=seed), {"alpha": _PENALTIES}),
        "SVM": (SVR() if regression else SVC(), {"C": _INVERSE}),
        "boosting": (boosting(random_state=seed), {"max_leaf_nodes": [4, 31]}),
        "linear": (linear, strength),
    }
