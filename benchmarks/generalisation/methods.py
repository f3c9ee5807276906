"""The methods, all with scikit-learn's interface and with their own choice of parameters.

``METHODS[name](task, settings)`` is an estimator that cross-validates when it is fitted, on the same folds as all
others. Inputs, and targets of regression, are standardised with what is known of the training part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import loguniform
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from benchmarks.generalisation.adam import AdamClassifier, AdamRegressor
from benchmarks.generalisation.ntk import NTKClassifier, NTKRegressor
from convexrelu import ConvexReLUClassifierCV, ConvexReLURegressorCV


class Settings(NamedTuple):
    """How much work the choice of parameters is."""

    folds: int = 3
    # Of weight decay, for the library and for Adam.
    alphas: Sequence[float] = tuple(np.geomspace(1e-1, 3e-5, 8))
    rates: Sequence[float] = (0.003, 0.02)  # of Adam
    steps: int = 1000  # of Adam
    time_limit: float = 10.0  # seconds of the library for the choice and the last fit
    n_iter: int = 12  # of a randomised search
    rounds: int = 150  # of boosting


QUICK = Settings(2, (1e-1, 1e-2), (0.02,), 50, 1.0, 2, 10)


def convex(task: str, settings: Settings) -> BaseEstimator:
    kind = ConvexReLURegressorCV if task == "regression" else ConvexReLUClassifierCV
    return kind(
        alphas=settings.alphas,
        cv=_folds(task, settings),
        tol=1e-2,
        time_limit=settings.time_limit,
        random_state=0,
    )


def adam(task: str, settings: Settings) -> BaseEstimator:
    model = AdamRegressor if task == "regression" else AdamClassifier
    grid = {"alpha": settings.alphas, "rate": settings.rates}
    return _grid_search(task, settings, model(steps=settings.steps), grid)


def mlp(task: str, settings: Settings) -> BaseEstimator:
    model = MLPRegressor if task == "regression" else MLPClassifier
    return RandomizedSearchCV(
        model(max_iter=500, random_state=0),
        {
            "alpha": loguniform(1e-4, 10),
            "learning_rate_init": loguniform(1e-3, 1e-2),  # only "adam" has it
            "solver": ["adam", "lbfgs"],
        },
        n_iter=settings.n_iter,
        scoring=_scoring(task),
        cv=_folds(task, settings),
        random_state=0,
    )


def svm(task: str, settings: Settings) -> BaseEstimator:
    grid: dict[str, Sequence[float]] = {"C": (0.3, 1, 3, 10, 30, 100, 300)}
    grid["gamma"] = (0.003, 0.01, 0.03, 0.1, 0.3)
    if task == "classification":
        return _grid_search(task, settings, SVC(), grid)
    return _grid_search(task, settings, SVR(), grid | {"epsilon": (0.03, 0.1)})


def ntk(task: str, settings: Settings) -> BaseEstimator:
    model = NTKRegressor if task == "regression" else NTKClassifier
    return _grid_search(task, settings, model(), {"alpha": np.geomspace(1e-5, 1e3, 17)})


def boosting(task: str, settings: Settings) -> BaseEstimator:
    model = (
        HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    )
    grid = {"learning_rate": (0.05, 0.2), "max_leaf_nodes": (4, 16), "min_samples_leaf": (5, 20)}
    start = model(max_iter=settings.rounds, early_stopping=False, random_state=0)
    return _grid_search(task, settings, start, grid)


def linear(task: str, settings: Settings) -> BaseEstimator:
    folds = _folds(task, settings)
    if task == "regression":
        return RidgeCV(np.geomspace(1e-3, 1e3, 13), cv=folds, scoring=_scoring(task))
    return LogisticRegressionCV(Cs=np.geomspace(1e-3, 1e3, 13), cv=folds, max_iter=1000)


METHODS: dict[str, Callable[[str, Settings], BaseEstimator]] = {
    "convexrelu": convex,
    "Adam": adam,
    "MLP": mlp,
    "SVM": svm,
    "NTK": ntk,
    "boosting": boosting,
    "linear": linear,
}


def pipeline(method: str, task: str, settings: Settings) -> BaseEstimator:
    """The method behind a scaler of inputs, and of the targets of regression."""
    model = make_pipeline(StandardScaler(), METHODS[method](task, settings))
    if task == "classification":
        return model
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def chosen(model: BaseEstimator) -> str:
    """The parameters that a fitted pipeline has found best."""
    model = getattr(model, "regressor_", model)[-1]
    if isinstance(model, LogisticRegressionCV):
        return f"C={np.median(model.C_):.3g}"
    parameters = getattr(model, "best_params_", None) or {"alpha": model.alpha_}
    return " ".join(f"{name}={_shown(value)}" for name, value in parameters.items())


def _grid_search(
    task: str, settings: Settings, model: BaseEstimator, grid: dict[str, Any]
) -> GridSearchCV:
    return GridSearchCV(model, grid, scoring=_scoring(task), cv=_folds(task, settings))


def _folds(task: str, settings: Settings) -> KFold | StratifiedKFold:
    kind = KFold if task == "regression" else StratifiedKFold
    return kind(settings.folds, shuffle=True, random_state=0)


def _scoring(task: str) -> str:
    return "neg_mean_squared_error" if task == "regression" else "accuracy"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
