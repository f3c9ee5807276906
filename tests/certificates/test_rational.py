"""Certificates in rational arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, certify, train
from convexrelu.certificates.rational import rational_lower_bound, rational_objective, verified
from convexrelu.oracles import CellOracle
from tests import reference

X, Y = reference.teacher(7, 2, 3, 0.2, 1)
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0])
ALPHA = 0.05


@pytest.fixture
def network(options):
    return train(TrainingProblem(X, Y, ALPHA, **options), tol=1e-4, random_state=0).network


def objective_by_hand(problem, network):
    """Sample by sample, weight by weight."""
    total = Fraction(0)
    for x, y, s in zip(problem.X.tolist(), problem.y, problem.weights, strict=True):
        f = Fraction(network.output_bias[0])
        for w, b, a in zip(
            network.hidden_weights, network.hidden_bias, network.output_weights[0], strict=True
        ):
            inner = sum(Fraction(p) * Fraction(q) for p, q in zip(w, x, strict=True)) + Fraction(b)
            f += Fraction(a) * max(inner, Fraction(0))
        total += Fraction(s) * (f - Fraction(y)) ** 2 / 2
    weights = (network.hidden_weights, network.hidden_bias, network.output_weights)
    squares = sum(Fraction(w) ** 2 for part in weights for w in part.ravel())
    return total + Fraction(problem.alpha) * squares / 2


def test_objective_is_the_next_float(options, network):
    problem = TrainingProblem(X, Y, ALPHA, **options)
    exact, found = objective_by_hand(problem, network), rational_objective(problem, network)
    assert math.nextafter(found, 0.0) < exact <= found
    assert found == pytest.approx(problem.objective(network), rel=1e-14)


def test_lower_bound_is_just_below_that_of_floats(options, network):
    problem = TrainingProblem(X, Y, ALPHA, **options)
    optimum = reference.train_exactly(X, Y, ALPHA, **options)
    float64 = certify(network, X, Y, alpha=ALPHA, **options)
    exact = certify(network, X, Y, alpha=ALPHA, arithmetic="rational", **options)
    assert (exact.arithmetic, float64.arithmetic) == ("rational", "float64")
    assert exact.is_proof and exact.scope == "global"
    assert exact.objective == rational_objective(problem, network)
    assert float64.lower_bound * (1 - 1e-5) <= exact.lower_bound <= optimum
    assert exact.lower_bound == exact.proved_lower_bound <= exact.objective
    assert exact.relative_gap < 2e-4
    assert "proved by branch and bound, verified in rational arithmetic)" in str(exact)
    assert "rational" not in str(float64)


def test_an_estimate_becomes_a_proof():
    network = train(TrainingProblem(X, Y, ALPHA), tol=1e-4, random_state=0).network
    options = {"alpha": ALPHA, "oracle": "search", "random_state": 0}
    assert not certify(network, X, Y, **options).is_proof
    exact = certify(network, X, Y, arithmetic="rational", **options)
    assert exact.is_proof and exact.n_starts == 0 and exact.relative_gap < 2e-4


def test_what_is_improved_is_verified():
    network = TwoLayerNetwork([[1.0, -1.0]], [0.5], [[1.0]], [0.0])
    exact = certify(
        network, X, Y, alpha=ALPHA, improve=True, tol=1e-6, random_state=0, arithmetic="rational"
    )
    assert exact.arithmetic == "rational"
    optimum = reference.train_exactly(X, Y, ALPHA)
    assert optimum * (1 - 1e-4) <= exact.lower_bound <= optimum
    assert exact.objective == rational_objective(TrainingProblem(X, Y, ALPHA), network)


def test_repeated_samples_are_not_joined_in_floats():
    inputs, targets = np.repeat(X, 3, axis=0), np.repeat(Y, 3)
    network = train(TrainingProblem(X, Y, ALPHA), tol=1e-4, random_state=0).network
    exact = certify(network, inputs, targets, alpha=ALPHA, arithmetic="rational")
    problem = TrainingProblem(inputs, targets, ALPHA)
    assert exact.arithmetic == "rational" and exact.relative_gap < 2e-4
    assert exact.objective == rational_objective(problem, network)


@pytest.mark.parametrize("targets", [np.zeros(7), np.full(7, 0.1), 1e-120 * Y])
def test_nothing_to_fit(targets):
    zero = TrainingProblem(X, targets, ALPHA).zero_network()
    exact = certify(zero, X, targets, alpha=ALPHA, arithmetic="rational")
    assert exact.arithmetic == "rational"
    assert exact.gap <= 1e-30


def test_an_objective_that_no_float_holds():
    problem = TrainingProblem(X, Y, ALPHA)
    huge = TwoLayerNetwork([[1e200, 0.0]], [0.0], [[1.0]], [0.0])
    assert rational_objective(problem, huge) == math.inf


def test_a_level_that_is_too_low_proves_nothing():
    problem = TrainingProblem(X, Y, ALPHA)
    v = problem.dual_point(np.zeros(7))
    exact = CellOracle(problem.design)(v).bound
    assert rational_lower_bound(problem, v, exact * (1 - 1e-12)) is None
    assert rational_lower_bound(problem, v, exact * (1 + 1e-6)) > 0
    assert rational_lower_bound(problem, v, 2 * exact, max_work=1) is None
    assert rational_lower_bound(problem, v, math.inf) is None
    assert rational_lower_bound(problem, v * math.nan, exact) is None


def test_what_cannot_be_shown_stays_as_it_is():
    problem = TrainingProblem(X, Y, ALPHA)
    zero = problem.zero_network()
    v = problem.dual_point(np.zeros(7))
    before = certify(zero, X, Y, alpha=ALPHA)
    assert verified(problem, zero, before, v, 0.5 * CellOracle(problem.design)(v).bound) is before


@pytest.mark.parametrize("arithmetic", ["interval", "Rational", None, 64])
def test_unknown_arithmetic(arithmetic):
    zero = TrainingProblem(X, Y, ALPHA).zero_network()
    with pytest.raises(ValueError, match=r"^arithmetic=.*'float64', 'rational'"):
        certify(zero, X, Y, alpha=ALPHA, arithmetic=arithmetic)


@pytest.mark.parametrize("deadline", [-math.inf, 0.0])
def test_without_time_certificates_stay_as_they_are(deadline):
    problem = TrainingProblem(np.array([[-1.0], [1.0]]), np.array([0.0, 1.0]), alpha=0.1)
    v = problem.dual_point(np.zeros(2))
    assert rational_lower_bound(problem, v, 0.354, deadline=deadline) is None
    result = train(problem, random_state=0)
    parts = problem, result.network, result.certificate, v, 0.354
    assert verified(*parts, deadline=deadline) is result.certificate
    assert verified(*parts).arithmetic == "rational"
