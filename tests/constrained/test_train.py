"""Training in a class, against one program on all patterns."""

import cvxpy as cp
import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.constrained import NeuronClass, train_in_class
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
@pytest.mark.parametrize("seed", range(6, 106))
def test_the_objective_is_the_optimum_over_all_patterns_of_a_hundred_problems(seed):
    check(seed)
