"""Cross-validation on joblib's backends. For Dask's see tests/dask."""

import pickle
import time
from functools import cache

import numpy as np
import pytest
import torch
from joblib import Parallel, cpu_count, delayed, parallel_config

from convexrelu import ConvexReLUClassifierCV, ConvexReLURegressor, ConvexReLURegressorCV
from convexrelu._utils.deadlines import Deadline
from convexrelu.oracles import BranchAndBoundOracle
from convexrelu.oracles.bounds import growth
from convexrelu.oracles.bounds.tree import Tree
from tests._utils.settings import two_threads

RANDOM = np.random.RandomState(0)
X = RANDOM.standard_normal((60, 2))
Y = np.abs(X[:, 0]) + 0.1 * RANDOM.standard_normal(60)
LABELS = np.where(Y > 0.7, "large", "small")
WEIGHTS = RANDOM.uniform(0.5, 2.0, 60)
OPTIONS = {"alphas": [0.3, 0.03], "cv": 2, "tol": 0.05, "effort": "predict", "random_state": 0}


def fitted(**options):
    """Both estimators: scores, choice and predictions."""
    models = [
        ConvexReLURegressorCV(**OPTIONS | options).fit(X, Y),
        ConvexReLUClassifierCV(**OPTIONS | options).fit(X, LABELS, WEIGHTS),
    ]
    return [(m.cv_scores_.tolist(), m.alpha_, m.predict(X).tolist()) for m in models]


def proved():
    """A proof that workers share from its beginning, in short turns; its bound."""
    rng = np.random.default_rng(1)
    design, v = rng.standard_normal((40, 5)), rng.standard_normal(40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growth, "_TURNS_ALONE", 0)
        patch.setattr(Tree, "_pace", property(lambda tree: tree._bound.pace._replace(turn=1e5)))
        return BranchAndBoundOracle(design, rtol=1e-6, random_state=0)(v).bound


@cache
def expected():
    return fitted(n_jobs=1)


@cache
def proved_alone():
    with parallel_config("sequential"):
        return proved()


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_folds_anywhere_have_the_same_scores(backend):
    with parallel_config(backend, n_jobs=2):
        assert fitted() == expected()
        assert proved() == pytest.approx(proved_alone(), rel=2e-6)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_fits_side_by_side_leave_the_users_settings(backend, monkeypatch):
    """Here, for the workers of joblib are those of the test before: to start others takes seconds."""

    def fit(seed):
        ConvexReLURegressor(alpha=0.05, random_state=seed).fit(X[:12], Y[:12])
        return torch.get_num_threads()

    with two_threads(monkeypatch), parallel_config(backend=backend):
        inside = Parallel(n_jobs=2)(delayed(fit)(seed) for seed in range(4))
    if backend == "loky":  # joblib's workers share the cores
        assert all(threads <= max(1, cpu_count() // 2) for threads in inside)


def test_deadlines_hold_on_machines_with_other_clocks(monkeypatch):
    sent = pickle.dumps(Deadline(time.perf_counter() + 50.0))
    original = time.perf_counter
    monkeypatch.setattr("time.perf_counter", lambda: original() + 10_000.0)  # booted earlier
    assert pickle.loads(sent) - time.perf_counter() == pytest.approx(50.0, abs=10.0)
    assert pickle.loads(pickle.dumps(Deadline(np.inf))) == np.inf
