"""Warnings name the line of the user, from wherever in the package they come."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLUFeatures,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    SolverWarning,
    TrainingProblem,
    train,
)
from convexrelu.results.status import Status
from convexrelu.solvers.native.solver import NativeSolver

rng = np.random.default_rng(0)
X = rng.standard_normal((16, 2))
Y = np.abs(X[:, 0]) + X[:, 1]
LABELS = (Y > 1).astype(int)


class Failing(NativeSolver):
    """Says that it did not reach its tolerance."""

    def relu(self, *args, **kwargs):
        solution = super().relu(*args, **kwargs)
        return solution.__class__(**{**vars(solution), "status": Status.USER_LIMIT})


def caught(fit):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        fit()
    return record


def options():
    return {"solver": Failing(), "max_iter": 1, "tol": 1e-9, "random_state": 0}


FITS = {
    "train": lambda: train(TrainingProblem(X, Y, 1e-4), **options()),
    "regressor": lambda: ConvexReLURegressor(1e-4, **options()).fit(X, Y),
    "classifier": lambda: ConvexReLUClassifier(1e-4, **options()).fit(X, LABELS),
    "positive": lambda: ConvexReLURegressor(1e-9, positive=True, max_iter=1, tol=1e-9).fit(X, Y),
    "regressor cv": lambda: ConvexReLURegressorCV(alphas=[1e-3], cv=2, **options()).fit(X, Y),
    "classifier cv": lambda: ConvexReLUClassifierCV(alphas=[1e-3], cv=2, **options()).fit(
        X, LABELS
    ),
    "features": lambda: ConvexReLUFeatures(ConvexReLURegressor(1e-4, **options())).fit(X, Y),
    "pipeline": lambda: make_pipeline(StandardScaler(), ConvexReLURegressor(1e-4, **options())).fit(
        X, Y
    ),
    "grid": lambda: GridSearchCV(
        ConvexReLURegressor(**options()), {"alpha": [1e-4, 1e-3]}, cv=2
    ).fit(X, Y),
    "column": lambda: ConvexReLURegressor(0.1).fit(X, Y[:, None]),
    "column of labels": lambda: ConvexReLUClassifier(0.1).fit(X, LABELS[:, None]),
    "frame of labels": lambda: ConvexReLUClassifier(0.1).fit(X, pd.DataFrame({"y": LABELS})),
    "useless penalty": lambda: ConvexReLURegressor(1e9, random_state=0).fit(X, Y),
}


@pytest.mark.parametrize("name", FITS)
def test_warnings_name_the_line_of_the_user(name):
    record = caught(FITS[name])
    assert record
    assert {warning.filename for warning in record} == {__file__}


def test_a_solver_that_fails_is_named_at_the_call_of_fit():
    categories = {warning.category for warning in caught(FITS["regressor"])}
    assert SolverWarning in categories
