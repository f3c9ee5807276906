"""Training in a class, against one program on all patterns."""

import time

import cvxpy as cp
import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.constrained import NeuronClass, train_in_class
from convexrelu.constrained.descent import descend_in_class, polish_in_class
from tests import reference

LOSSES = {
    "squared_error": lambda f, y: 0.5 * cp.square(f - y),
    "absolute_error": lambda f, y: cp.abs(f - y),
    "logistic": lambda f, y: cp.logistic(-cp.multiply(y, f)),
}
CLASSES = ((1, False), (-1, False), (0, True), (1, True), (-1, True))


def instance(seed):
    """A small problem, a class, and its optimum."""
    rng = np.random.default_rng(seed)
    loss = list(LOSSES)[seed % 3] if seed % 4 == 3 else "squared_error"
    limit, positive = CLASSES[seed % 5]
    d = 1 + seed % 2
    limits = limit * np.array([1, rng.choice([-1, 0])])[:d]
    X = rng.standard_normal((int(rng.integers(5, 8)), d))
    if seed % 7 == 6:
        X[1] = X[0]
    y = rng.standard_normal(len(X))
    y = np.sign(y) if loss == "logistic" else y
    shared = {"hidden_bias": seed % 6 != 5, "slope": 0.3 if seed % 8 == 4 else 0.0}
    intercept, weights = seed % 9 != 8, rng.uniform(0.5, 2.0, len(X)) if seed % 3 else None
    alpha = float(10 ** rng.uniform(-3, -1))
    optimum = reference.constrained_optimum(
        X,
        y,
        alpha,
        loss=LOSSES[loss],
        limits=limits,
        signs=(1,) if positive else (1, -1),
        intercept=intercept,
        weights=weights,
        **shared,
    )
    problem = TrainingProblem(
        X,
        y,
        alpha,
        loss=loss,
        activation="leaky_relu" if shared["slope"] else "relu",
        negative_slope=0.3,
        hidden_bias=shared["hidden_bias"],
        fit_intercept=intercept,
        sample_weight=weights,
    )
    return problem, limits, positive, optimum


def check(seed):
    problem, limits, positive, optimum = instance(seed)
    result = train_in_class(
        problem, limits, positive=positive, tol=1e-6, effort="prove", random_state=0
    )
    certificate = result.certificate
    assert NeuronClass(limits, positive).contains(result.network)
    assert certificate.objective == pytest.approx(problem.objective(result.network), rel=1e-12)
    # The reference is solved to about 1e-9.
    assert certificate.lower_bound <= optimum + 1e-8 * max(optimum, 1e-3)
    assert certificate.objective >= optimum - 1e-8 * max(optimum, 1e-3)
    assert certificate.objective <= optimum * (1 + 1e-6) + 1e-9
    assert certificate.is_proof
    assert certificate.scope == NeuronClass(limits, positive).scope


@pytest.mark.parametrize("seed", range(6))
def test_the_objective_is_the_optimum_over_all_patterns(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 36))
def test_the_objective_is_the_optimum_over_all_patterns_of_many_problems(seed):
    check(seed)


X, Y = reference.teacher(40, 3, 3, 0.2, 0)


@pytest.fixture(scope="module")
def trained():
    return train_in_class(TrainingProblem(X, Y, 0.03), [1, 0, -1], random_state=0)


def test_the_class_costs_something_and_the_certificate_says_so(trained):
    free = train(TrainingProblem(X, Y, 0.03), random_state=0)
    assert trained.certificate.objective > free.certificate.objective
    assert trained.certificate.relative_gap <= 1e-3
    # The bound over all networks is one over the class, but not the other way round.
    assert trained.certificate.lower_bound > free.certificate.objective
    text = str(trained.certificate)
    assert "networks whose neurons meet the monotonic constraints only" in text
    assert "global" not in text


def test_a_start_outside_of_the_class(trained):
    free = train(TrainingProblem(X, Y, 0.03), random_state=0).network
    result = train_in_class(TrainingProblem(X, Y, 0.03), [1, 0, -1], start=free, random_state=0)
    assert NeuronClass([1, 0, -1]).contains(result.network)
    assert result.certificate.objective == pytest.approx(trained.certificate.objective, rel=1e-3)


@pytest.mark.parametrize("effort", ["predict", "certify"])
def test_more_features_than_samples(effort):
    """Signs are those of features, not of coordinates of the samples."""
    wide = np.random.default_rng(0).standard_normal((8, 20))
    problem = TrainingProblem(wide, Y[:8], 0.1)
    limits = np.resize([1, -1, 0], 20)
    result = train_in_class(problem, limits, effort=effort, random_state=0)
    assert NeuronClass(limits).contains(result.network)
    assert result.certificate.objective < problem.objective(problem.zero_network())


def test_time_that_is_up_leaves_a_network_of_the_class():
    result = train_in_class(TrainingProblem(X, Y, 0.03), [1, 0, -1], time_limit=0, random_state=0)
    assert NeuronClass([1, 0, -1]).contains(result.network)
    assert result.certificate.scope == "monotone"
    assert result.certificate.is_proof


def test_the_closed_form_of_a_start_is_of_the_class():
    rounds = []
    train_in_class(
        TrainingProblem(X, Y, 0.03), [1, 0, -1], random_state=0, progress=rounds.append, max_iter=1
    )
    assert rounds[0].is_proof
    assert NeuronClass([1, 0, -1]).contains(rounds[0].network)
    assert isinstance(rounds[0].network, TwoLayerNetwork)


@pytest.mark.parametrize(("limits", "positive"), [(None, True), ([1, 0, 0, 0, -1], False)])
@pytest.mark.parametrize("start", [None, "descent"])
def test_hardly_any_samples(limits, positive, start):
    """Programs are those of the rows as they are given, not of fewer coordinates."""
    rng = np.random.default_rng(0)
    problem = TrainingProblem(rng.standard_normal((2, 5)), [1.0, -1.0], 0.02)
    result = train_in_class(problem, limits, positive=positive, start=start, random_state=0)
    assert result.status.name == "CONVERGED"
    assert NeuronClass(limits, positive).contains(result.network)


def test_bounds_of_many_weights_are_converted_in_time():
    """SciPy converts them one by one before it looks at a deadline: with little time there are few neurons."""
    X = np.random.default_rng(0).standard_normal((4, 20_000))
    problem = TrainingProblem(X, [1.0, -1.0, 0.5, 0.0], 1e-3).in_features()
    neuron_class = NeuronClass(np.ones(20_000))
    deadline = time.perf_counter() + 1.0
    network = descend_in_class(problem, neuron_class, np.random.RandomState(0), deadline)
    assert network.width <= 2  # of eight
    kept = polish_in_class(problem, neuron_class, network, time.perf_counter())
    assert np.array_equal(kept.hidden_weights, neuron_class.projected(network).hidden_weights)
