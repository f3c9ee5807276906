"""Linear functions where training on sparse rows starts."""

import math

import numpy as np
import pytest
from scipy.sparse import random_array

from convexrelu import TrainingProblem, train
from convexrelu.chunked.linear_start import linear_start
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.chunked.train import train_in_chunks


def problem_of(n_outputs=1, seed=0, **options):
    rng = np.random.default_rng(seed)
    X = random_array((400, 30), density=0.1, format="csr", rng=rng)
    outputs = X @ rng.standard_normal((30, n_outputs))
    y = outputs + 0.01 * rng.standard_normal(outputs.shape)
    if options.get("loss") == "multinomial":
        y = y.argmax(axis=1).astype(float)
    elif options.get("loss") == "logistic":
        y = np.sign(y[:, 0])
    elif n_outputs == 1:
        y = y[:, 0]
    return TrainingProblem(X, y, 1e-4, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_outputs": 3},
        {"hidden_bias": False},
        {"hidden_bias": False, "fit_intercept": False},
        {"activation": "leaky_relu", "negative_slope": 0.2},
        {"loss": "logistic"},
        {"loss": "multinomial", "n_outputs": 4},
    ],
    ids=str,
)
def test_it_is_linear_and_better_than_a_constant(options):
    problem = problem_of(**options)
    network = linear_start(ChunkedProblem.of(problem), problem)
    assert network.width == 2 * problem.n_outputs
    assert problem.objective(network) < problem.objective(problem.zero_network())
    points = np.random.default_rng(1).standard_normal((20, 30))
    outputs = network.forward(points)
    middle = network.forward((points[:10] + points[10:]) / 2)
    np.testing.assert_allclose(middle, (outputs[:10] + outputs[10:]) / 2, atol=1e-9)


def test_even_activations_have_no_linear_functions():
    problem = problem_of(activation="absolute_value")
    assert linear_start(ChunkedProblem.of(problem), problem).width == 0


def test_without_time_it_is_the_constant(monkeypatch):
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)
    problem = problem_of()
    network = linear_start(ChunkedProblem.of(problem), problem, -math.inf)
    assert network.width == 0
    assert problem.objective(network) == problem.objective(problem.zero_network())


def test_at_a_large_penalty_it_is_the_constant():
    problem = problem_of().with_alpha(1e3)
    assert linear_start(ChunkedProblem.of(problem), problem).width == 0


def test_training_with_a_time_limit_is_no_worse():
    problem = problem_of()
    chunked = ChunkedProblem.of(problem)
    result = train_in_chunks(chunked, time_limit=60.0, max_iter=2, random_state=0)
    exact = train(problem, random_state=0, effort="predict").certificate
    start = linear_start(chunked, problem)
    assert result.certificate.objective <= problem.objective(start)
    assert result.certificate.proved_lower_bound <= exact.objective


def test_a_search_that_does_not_fit_is_not_made(monkeypatch):
    monkeypatch.setattr("convexrelu.chunked.pricing._SEARCHED", 1e30)
    problem = problem_of()
    result = train_in_chunks(
        ChunkedProblem.of(problem), time_limit=60.0, max_iter=2, random_state=0
    )
    assert result.certificate.is_proof
    exact = train(problem, random_state=0, effort="predict").certificate
    assert result.certificate.lower_bound <= exact.objective
