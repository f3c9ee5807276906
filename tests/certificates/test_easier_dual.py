"""Ascent over dual points and affine rules: bounds hold, and are better than at the dual point of training."""

import time

import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.certificates.easier_dual import _Ascent, easier_dual_point
from convexrelu.oracles import AffineOracle, CellOracle
from convexrelu.problem.dual import lower_bound
from tests import reference

LOSSES = ["squared_error", "logistic", "hinge", "huber", "absolute_error"]


def data(n, d, seed, loss="squared_error"):
    X, y = reference.teacher(n, d, 3, 0.1, seed)
    return X, (np.where(y > np.median(y), 1.0, -1.0) if loss in ("logistic", "hinge") else y)


def near(problem, seed, noise):
    """A dual point of outputs near those of a good network."""
    network = train(problem, oracle="quick", tol=1e-2, random_state=0, max_iter=2).network
    outputs, rng = network.predict(problem.X), np.random.default_rng(seed)
    return problem.dual_point(outputs + noise * rng.standard_normal(outputs.shape))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("intercept", [True, False])
def test_is_never_above_the_optimum(loss, intercept):
    X, y = data(12, 2, 0, loss)
    problem = TrainingProblem(X, y, 0.05, loss=loss, fit_intercept=intercept).condensed()
    best = train(problem, tol=1e-3, random_state=0)
    assert best.certificate.is_proof
    for n_steps in (30, 60):
        eased, report = easier_dual_point(problem, best.dual, n_steps=n_steps)
        exact = CellOracle(problem.design)(eased).values.max(initial=0.0)
        assert report.is_proof and report.bound >= exact
        if intercept:
            assert eased.sum() == 0.0
        assert lower_bound(problem, eased, report.bound) <= best.certificate.objective


@pytest.mark.parametrize(
    ("loss", "intercept"), [("squared_error", True), ("logistic", False), ("huber", True)]
)
def test_proves_more_than_at_the_given_point(loss, intercept):
    X, y = data(30, 9, 0, loss)
    problem = TrainingProblem(X, y, 0.03, loss=loss, fit_intercept=intercept).condensed()
    v = near(problem, 0, 0.0)
    fixed = lower_bound(problem, v, AffineOracle(problem.design)(v).bound)
    eased, report = easier_dual_point(problem, v, n_steps=400)
    assert lower_bound(problem, eased, report.bound) > fixed


@pytest.mark.parametrize(
    ("loss", "scale"), [("squared_error", 1.0), ("logistic", 1.0), ("squared_error", 20.0)]
)
def test_gradient_is_that_of_the_value(loss, scale, monkeypatch):
    # With sharp maxima, smooth ones are the maxima themselves. With a large penalty, bounds do not matter.
    monkeypatch.setattr("convexrelu.oracles.bounds.affine_rules._SHARPNESS", 400.0)
    monkeypatch.setattr("convexrelu.certificates.easier_dual._SHARPNESS", 4000.0)
    X, y = data(12, 3, 0, loss)
    problem = TrainingProblem(X, y, 0.02 * scale, loss=loss).condensed()
    ascent = _Ascent(problem, near(problem, 0, 0.1), 30)

    def value(logs):
        ascent._logs[:] = logs
        v = ascent._balanced(ascent._first * np.exp(logs))
        bounds, gradients = ascent._bounds(v)
        return v, bounds, gradients, *ascent._value(v, bounds)

    logs = np.random.default_rng(1).uniform(-0.3, 0.3, len(ascent._first))
    v, bounds, gradients, factor, _ = value(logs)
    logs = ascent._logs.copy()  # balanced
    gradient = ascent._gradient(v, factor, bounds, gradients)
    for k in range(len(logs)):
        change = 1e-5 * (np.arange(len(logs)) == k)
        differences = value(logs + change)[-1] - value(logs - change)[-1]
        assert gradient[k] == pytest.approx(differences / 2e-5, rel=1e-3, abs=1e-6)


def test_stops_where_it_should(clock):
    X, y = data(40, 9, 0)
    problem = TrainingProblem(X, y, 0.03).condensed()
    v = near(problem, 0, 0.0)
    eased, report = easier_dual_point(problem, v, n_steps=300)
    best = lower_bound(problem, eased, report.bound)
    eased, report = easier_dual_point(problem, v, wanted=0.9 * best)
    assert 0.9 * best * (1 - 1e-9) <= lower_bound(problem, eased, report.bound) < best
    assert easier_dual_point(problem, v, max_work=1e5) is None
    assert easier_dual_point(problem, 0 * v) is None
    assert easier_dual_point(problem, v, deadline=time.perf_counter() - 1) is None
    clock.step = 1.0
    assert easier_dual_point(problem, v, deadline=clock.now + 20) is not None
    assert clock.now < 200


def test_gives_up_where_there_is_no_hope(monkeypatch):
    steps = []
    kept = _Ascent._value
    monkeypatch.setattr(_Ascent, "_value", lambda self, *a: steps.append(1) or kept(self, *a))
    X, y = data(30, 9, 0)
    problem = TrainingProblem(X, y, 0.003).condensed()
    v = near(problem, 0, 0.0)
    objective = problem.rough_dual(v)
    easier_dual_point(problem, v, wanted=objective * (1 - 1e-6), objective=objective)
    assert len(steps) == 101
    steps.clear()
    easier_dual_point(problem, v, worth=objective, n_steps=200)  # no bound is as large as that
    assert len(steps) == 101
    easier_dual_point(problem, v, worth=0.0, n_steps=200)
    assert len(steps) == 101 + 200


def test_a_change_of_signs_is_refused(monkeypatch):
    # Rules bound one side of the kinks of samples with a negative sign only.
    X, y = data(20, 3, 0)
    problem = TrainingProblem(X, y, 0.03).condensed()
    v = near(problem, 0, 0.0)
    monkeypatch.setattr(TrainingProblem, "feasible", lambda self, point: -point)
    assert easier_dual_point(problem, v, n_steps=30) is None


@pytest.mark.parametrize("scale", [1e-120, 1e120])
def test_extreme_sizes(scale):
    X, y = data(20, 3, 0)
    problem = TrainingProblem(scale * X, y, 0.03 * scale, fit_intercept=False).condensed()
    v = problem.dual_point(np.zeros(20))
    found = easier_dual_point(problem, v, n_steps=40)
    if found is not None:
        eased, report = found
        exact = CellOracle(problem.design)(eased).values.max(initial=0.0)
        assert report.bound >= exact


def test_a_point_that_promises_nothing_is_no_start():
    # The dual objective falls along it, so that its best multiple is zero, where there is no direction to go.
    X, y = data(20, 3, 0)
    problem = TrainingProblem(X, y, 0.03).condensed()
    v = -problem.dual_point(np.zeros(20))
    eased, report = easier_dual_point(problem, v, n_steps=30)
    exact = CellOracle(problem.design)(eased).values.max(initial=0.0)
    assert report.bound >= exact
    assert lower_bound(problem, eased, report.bound) <= 0.0
