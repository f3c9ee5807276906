"""Dual points on chunks, and the bounds that follow from them."""

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.chunked import Alone, ChunkedProblem
from convexrelu.chunked.dual import _dual, closed_form_bound, dual_point, lower_bound
from convexrelu.chunked.objective import objective_above, outputs_of, with_best_intercept
from convexrelu.chunked.pricing import Search
from convexrelu.chunked.rows import Rows
from convexrelu.oracles.base import moments
from convexrelu.problem.dual import lower_bound as lower_bound_of_one
from tests.chunked.together import together

RANDOM = np.random.RandomState(1)
N = 700
X = RANDOM.standard_normal((N, 3))
WEIGHTS = np.where(RANDOM.uniform(size=N) < 0.1, 0.0, RANDOM.uniform(0, 3, N))
LINEAR = X @ [1.0, -0.5, 0.3] + 0.5 * np.abs(X[:, 0])
TARGETS = {
    "squared_error": LINEAR + 5.0,
    "huber": LINEAR,
    "logistic": np.where(LINEAR > 0.2, 1.0, -1.0),
    "squared_hinge": np.where(LINEAR > 0.2, 1.0, -1.0),
    "poisson": np.floor(np.exp(0.5 * LINEAR)),
    "multinomial": np.digitize(LINEAR, [-0.5, 0.8]).astype(float),
}


def problem_with(loss, **options):
    return TrainingProblem(X, TARGETS[loss], 0.05, loss=loss, sample_weight=WEIGHTS, **options)


def network_for(problem):
    k = problem.n_outputs
    inner, outer = RANDOM.standard_normal((4, 3)), 0.3 * RANDOM.standard_normal((k, 4))
    return TwoLayerNetwork(
        inner, RANDOM.standard_normal(4), outer, np.zeros(k), negative_slope=problem.slope
    )


def prepared(problem, group=None, start=0, stop=N):
    whole = ChunkedProblem.of(problem)
    part = ChunkedProblem(
        X[start:stop],
        whole.y[start:stop],
        problem.alpha,
        loss=whole.loss,
        sample_weight=whole.sample_weight[start:stop],
        **whole.options,
    )
    return Rows(part, group or Alone())


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "absolute_value"])
@pytest.mark.parametrize("loss", TARGETS)
def test_bounds_are_those_of_the_whole_problem(loss, activation, intercept):
    problem = problem_with(loss, activation=activation, fit_intercept=intercept)
    rows = prepared(problem)
    network = network_for(problem)
    hidden = outputs_of(rows, network)
    network = with_best_intercept(rows, network, hidden)
    objective = objective_above(rows, network, hidden)
    assert objective == pytest.approx(problem.objective(network), rel=1e-12)

    v = dual_point(rows, network, hidden)
    whole = np.concatenate(v)
    if intercept:  # exactly, whatever the order
        columns = whole.reshape(N, -1).T
        assert [math.fsum(column) for column in columns] == [0.0] * len(columns)
    directions = RANDOM.standard_normal((200, 4))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    values = np.linalg.norm(
        moments(problem.design, whole.reshape(N, -1), directions, problem.slope), axis=1
    )
    bound = closed_form_bound(rows, v)
    assert bound >= values.max()
    lower = lower_bound(rows, v, bound)
    assert lower == pytest.approx(lower_bound_of_one(problem, whole, bound), rel=1e-9, abs=1e-12)
    assert lower <= objective
    search = Search(rows, np.random.RandomState(0))
    assert search.largest(v, directions) == pytest.approx(values.max(), rel=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "logistic", "multinomial"])
def test_the_best_intercept_is_that_of_the_whole_problem(loss):
    problem = problem_with(loss)
    rows = prepared(problem)
    network = network_for(problem)
    hidden = outputs_of(rows, network)
    found = with_best_intercept(rows, network, hidden)
    best = problem.best_intercept(network.predict(X))
    assert problem.objective(found) <= problem.objective(network.with_output_bias(best)) * (
        1 + 1e-9
    )


def test_shards_have_the_same_dual_point():
    problem = problem_with("multinomial")
    network = network_for(problem)

    def part(group):
        start, stop = [(0, 100), (100, 400), (400, N)][group.rank]
        rows = prepared(problem, group, start, stop)
        hidden = outputs_of(rows, network)
        v = dual_point(rows, with_best_intercept(rows, network, hidden), hidden)
        return np.concatenate([np.zeros((0, 3)), *v])

    rows = prepared(problem)
    hidden = outputs_of(rows, network)
    alone = np.concatenate(dual_point(rows, with_best_intercept(rows, network, hidden), hidden))
    assert np.array_equal(np.concatenate(together(3, part)), alone)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("scale", [1e-170, 1e-100, 1e100])
def test_squares_neither_underflow_nor_overflow_in_bounds(scale, n_outputs):
    y = LINEAR if n_outputs == 1 else np.column_stack([LINEAR, LINEAR**2])
    rows = Rows(ChunkedProblem(scale * X, y, 0.05 * scale, hidden_bias=False), Alone())
    network = TwoLayerNetwork.constant(3, np.zeros(n_outputs))
    hidden = outputs_of(rows, network)
    v = dual_point(rows, with_best_intercept(rows, network, hidden), hidden)
    whole = np.concatenate(v).reshape(N, -1)
    values = [
        np.linalg.norm(whole.T @ np.maximum(X @ u, 0)) for u in np.vstack([np.eye(3), -np.eye(3)])
    ]
    assert closed_form_bound(rows, v) >= scale * max(values)


def test_no_bound_follows_from_an_overflow():
    rows = prepared(problem_with("squared_error"))
    v = [np.full(len(rows.chunk(k).problem.y), 1e308) for k in rows.own]
    bound = closed_form_bound(rows, v)
    assert bound == math.inf
    assert lower_bound(rows, v, bound) == lower_bound(rows, v, math.nan) == 0.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_chunks_share_the_constant_that_is_taken_off_targets(sign):
    """The two chunks have sums that are opposite and as small as roundings, and targets that are far apart."""
    half, far, small = 256, 2.0**27, 2.0**-45
    y = np.repeat([0.0, far], half)
    rows = Rows(ChunkedProblem(np.arange(2.0 * half)[:, None], y, 0.1), Alone())
    v = np.tile([1.0, -1.0], half) / (2 * half)
    v[0] += sign * small
    v[-1] -= sign * small
    exact = sum(
        Fraction(a) * Fraction(b) - Fraction(a) ** 2 * half for a, b in zip(v, y, strict=True)
    )
    found = _dual(rows, [v[:half], v[half:]], 1.0)
    assert Fraction(found) <= exact
    assert found == pytest.approx(float(exact), abs=1e-5)  # several roundings of the targets


@pytest.mark.parametrize("weight", [5e-324, 1e-300])
def test_chunks_of_almost_no_weight(weight):
    weights = np.where(np.arange(N) < 256, weight, 1.0)
    rows = Rows(ChunkedProblem(X, LINEAR, 0.05, sample_weight=weights), Alone())
    network = TwoLayerNetwork.constant(3, [0.0])
    hidden = outputs_of(rows, network)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        v = dual_point(rows, with_best_intercept(rows, network, hidden), hidden)
        lower = lower_bound(rows, v, closed_form_bound(rows, v))
    problem = TrainingProblem(X[256:], LINEAR[256:], 0.05)
    assert 0 < lower <= problem.objective(problem.zero_network())


@pytest.mark.parametrize("loss", ["squared_error", "multinomial"])
def test_without_time_the_bound_is_the_simplest_one(loss, monkeypatch):
    monkeypatch.setattr(
        "convexrelu.chunked.dual.product_fits", lambda work, deadline: deadline == math.inf
    )
    problem = problem_with(loss)
    rows = prepared(problem)
    network = network_for(problem)
    v = dual_point(rows, network, outputs_of(rows, network))
    simple = closed_form_bound(rows, v, end=0.0)
    sizes = np.linalg.norm(np.concatenate(v).reshape(N, -1), axis=1)
    assert simple == pytest.approx(float(sizes @ problem.lengths), rel=1e-9)
    assert simple >= closed_form_bound(rows, v)
