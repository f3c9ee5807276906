"""Penalties far below the useful range: training ends where the network fits the targets, and says so."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from convexrelu import (
    AlphaWarning,
    ConvexReLURegressor,
    Status,
    TrainingProblem,
    TwoLayerNetwork,
    train,
)
from convexrelu.estimators.interpolating import Interpolation
from convexrelu.oracles import SweepOracle
from convexrelu.results import Round
from tests.reference import network_objective

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((25, 2))
RAW = 2e5 + 8e4 * (np.abs(X[:, 0]) + 0.1 * RANDOM.standard_normal(25))


def fitted(**options):
    """A fit of raw targets, and the kinds of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = ConvexReLURegressor(random_state=0, **options).fit(X, RAW)
    return model, {one.category for one in caught}


def test_a_fit_of_raw_targets_ends_and_says_why():
    model, kinds = fitted()
    certificate = model.certificate_
    assert model.status_ is Status.INTERPOLATES
    assert kinds == {AlphaWarning, ConvergenceWarning}
    problem = TrainingProblem(X, RAW, model.alpha)
    constant = problem.objective(problem.zero_network())
    assert certificate.objective <= 1e-4 * constant
    objective = network_objective(model.network_, X, RAW, model.alpha)
    assert certificate.objective == pytest.approx(objective, rel=1e-9)
    lower = train(problem, start=model.network_, max_iter=3, random_state=0).certificate
    assert certificate.lower_bound <= lower.objective
    assert model.score(X, RAW) > 0.999


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"alpha_scale": "relative"}, Status.CONVERGED),
        ({"callbacks": [lambda entry: entry.n_blocks > 0]}, Status.STOPPED),
    ],
)
def test_other_fits_end_as_they_did(options, status):
    assert fitted(**options)[0].status_ is status


def test_a_callback_that_ends_the_same_round_has_ended_training():
    """It was asked for, so that no warning of an open gap follows."""
    seen = []
    fitted(callbacks=[lambda entry: seen.append(entry)])  # which ends with INTERPOLATES
    last = len(seen)
    seen.clear()
    model, kinds = fitted(callbacks=[lambda entry: seen.append(entry) or len(seen) == last])
    assert model.status_ is Status.STOPPED
    assert kinds == {AlphaWarning}


@pytest.mark.parametrize("effort", ["prove", "predict"])
def test_what_is_asked_for_is_not_ended(effort, monkeypatch):
    monkeypatch.setattr(Interpolation, "of", None)
    fitted(effort=effort, max_iter=1)


def test_only_penalties_below_that_part_of_the_largest_one_are_met():
    """``p(alpha) ≥ P₀ alpha / alpha_max``."""
    y = np.abs(X[:, 0]) + 0.2 * X[:, 1]
    problem = TrainingProblem(X, y, 1.0)
    largest = problem.alpha_max(SweepOracle(problem.design))
    constant = problem.objective(problem.zero_network())
    for share in (1e-4, 1e-3, 1e-2, 0.3):
        found = train(problem.with_alpha(share * largest), tol=1e-6, random_state=0).certificate
        assert found.lower_bound >= constant * share * (1 - 1e-4)


def test_rounds_that_lower_the_objective_go_on():
    end = Interpolation(1.0)

    def ends(objective, solver_status="CONVERGED"):
        return end(Round(0.0, objective, 0.0, 1.0, True, 1, 1, 1, 0.0, solver_status))

    assert not ends(0.5) and not ends(0.4)
    assert not ends(0.4, solver_status="")  # of descent
    assert ends(0.39)
    end = Interpolation(1.0)
    assert not ends(2.0) and not ends(1.99)


def test_a_linear_part_alone_is_no_sign_of_a_small_penalty():
    """With a skip connection the objective may be low at penalties that leave no neuron."""
    y = 1e8 * X[:, 0] + np.abs(X[:, 1])
    problem = TrainingProblem(X, y, 1e6, skip=True)
    weights = np.array([[1e8, 0.0]])
    linear = TwoLayerNetwork(
        np.zeros((0, 2)), np.zeros(0), np.zeros((1, 0)), np.zeros(1), skip_weights=weights
    )
    assert problem.objective(linear) < 1e-4 * problem.objective(problem.zero_network())
    assert not Interpolation.is_for(problem)
    assert Interpolation.is_for(TrainingProblem(X, y, 1e6))
    assert not Interpolation.is_for(TrainingProblem(X, np.abs(y), 1e6, loss="poisson"))
