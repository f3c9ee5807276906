"""Cross-validation on joblib's backends. For Dask's see tests/dask."""

import pickle
import time
from functools import cache

import numpy as np
import pytest
from joblib import parallel_config

from convexrelu import ConvexReLUClassifierCV, ConvexReLURegressorCV
from convexrelu._utils.deadlines import Deadline

RANDOM = np.random.RandomState(0)
X = RANDOM.standard_normal((60, 2))
Y = np.abs(X[:, 0]) + 0.1 * RANDOM.standard_normal(60)
LABELS = np.where(Y > 0.7, "large", "small")
WEIGHTS = RANDOM.uniform(0.5, 2.0, 60)
OPTIONS = {"alphas": [0.3, 0.03], "cv": 3, "tol": 0.05, "effort": "predict", "random_state": 0}


def fitted(**options):
    """Both estimators: scores, choice and predictions."""
    models = [
        ConvexReLURegressorCV(**OPTIONS | options).fit(X, Y),
        ConvexReLUClassifierCV(**OPTIONS | options).fit(X, LABELS, WEIGHTS),
    ]
    return [(m.cv_scores_.tolist(), m.alpha_, m.predict(X).tolist()) for m in models]


@cache
def expected():
    return fitted(n_jobs=1)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_folds_anywhere_have_the_same_scores(backend):
    with parallel_config(backend, n_jobs=2):
        assert fitted() == expected()


def test_deadlines_hold_on_machines_with_other_clocks(monkeypatch):
    sent = pickle.dumps(Deadline(time.perf_counter() + 50.0))
    original = time.perf_counter
    monkeypatch.setattr("time.perf_counter", lambda: original() + 10_000.0)  # booted earlier
    assert pickle.loads(sent) - time.perf_counter() == pytest.approx(50.0, abs=10.0)
    assert pickle.loads(pickle.dumps(Deadline(np.inf))) == np.inf
