"""The cheap bound is one: never above what pricing proves, and not far below."""

import math

import numpy as np
import pytest
from scipy.sparse import csr_array

from convexrelu import TrainingProblem
from convexrelu.constrained.neuron_class import NeuronClass
from convexrelu.constrained.train import largest_penalty_in_class
from convexrelu.oracles.for_problem import oracles_for
from convexrelu.problem import at_least_largest_penalty, largest_penalty, unread
from convexrelu.problem.largest_penalty import at_least_or_rough
from convexrelu.problem.unread import Unread
from convexrelu.problem.unread_problem import UnreadProblem
from convexrelu.training import path
from tests.reference import teacher


@pytest.mark.parametrize("hidden_bias", [True, False, "free"])
@pytest.mark.parametrize(
    "options", [{}, {"activation": "absolute_value"}, {"loss": "absolute_error"}]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_bound_is_below_the_exact_value_and_near_it(hidden_bias, options, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((20, 1 + seed % 2))
    problem = TrainingProblem(X, rng.standard_normal(20), 1.0, hidden_bias=hidden_bias, **options)
    report = oracles_for(problem, "auto", 0).exact(problem.dual_point(problem.no_outputs()))
    assert report.is_proof
    assert 0.5 * report.bound <= at_least_largest_penalty(problem) <= report.bound


@pytest.mark.parametrize("of_x", [1e-100, 1.0, 1e100])
@pytest.mark.parametrize("of_y", [1e-100, 1.0, 1e100])
def test_the_bound_scales_with_the_data(of_x, of_y):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((9, 2)), rng.standard_normal((9, 2))
    expected = at_least_largest_penalty(TrainingProblem(X, y, 1.0, hidden_bias=False))
    scaled = TrainingProblem(of_x * X, of_y * y, 1.0, hidden_bias=False)
    assert at_least_largest_penalty(scaled) == pytest.approx(of_x * of_y * expected, rel=1e-9)


def test_sparse_inputs_are_the_dense_ones():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 30)) * (rng.random((8, 30)) < 0.3)
    y = rng.standard_normal(8)
    dense, sparse = (TrainingProblem(inputs, y, 1.0) for inputs in (X, csr_array(X)))
    assert at_least_largest_penalty(sparse) == pytest.approx(at_least_largest_penalty(dense))


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_without_time_the_largest_penalty_is_of_the_right_size(n_outputs):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 4)), 1e6 * rng.standard_normal((30, n_outputs))
    problem = TrainingProblem(X, y[:, 0] if n_outputs == 1 else y, 1.0)
    known = path.largest_penalty(problem, np.random.RandomState(0), "cpu")
    short = path.largest_penalty(problem, np.random.RandomState(0), "cpu", deadline=0.0)
    assert 0.5 * known <= short <= known * (1 + 1e-9)
    if n_outputs == 1:
        positive = NeuronClass(None, positive=True)
        of_class = largest_penalty_in_class(problem, positive, np.random.RandomState(0))
        short = largest_penalty_in_class(problem, positive, np.random.RandomState(0), deadline=0.0)
        assert of_class <= short * 2 <= 4 * known


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("options", [{}, {"hidden_bias": False}, {"hidden_bias": "free"}])
def test_without_time_two_passes_find_less_than_the_largest_penalty(monkeypatch, single, options):
    monkeypatch.setattr(largest_penalty, "_PASS", 1e12)
    X, y = teacher(200, 4, 3, 0.1, 0)
    X = X.astype(np.float32) if single else X
    inputs = Unread(X)
    late, plain = UnreadProblem(inputs, y, 1.0, **options), TrainingProblem(X, y, 1.0, **options)
    found = at_least_or_rough(late, 0.0)
    assert not inputs.is_read
    least = at_least_largest_penalty(plain)
    exact = oracles_for(plain, "search", 0).heuristic(plain.dual_point(plain.no_outputs())).bound
    rounding = 1e-4 if single else 1e-9
    assert 0.1 * least <= found <= max(least, exact) * (1 + rounding)
    assert at_least_or_rough(late, math.inf) == least


def test_passes_look_at_some_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(largest_penalty, "_PASS", 1e12)
    X, y = teacher(200, 4, 3, 0.1, 0)
    problem = UnreadProblem(Unread(X), y, 1.0)
    whole = at_least_or_rough(problem, 0.0)
    monkeypatch.setattr(unread, "_PART", 12)
    longest, original = [], Unread.__getitem__

    def kept(inputs, part):
        rows = original(inputs, part)
        longest.append(rows.size)
        return rows

    monkeypatch.setattr(Unread, "__getitem__", kept)
    assert at_least_or_rough(problem, 0.0) == pytest.approx(whole, rel=1e-12)
    assert max(longest) <= 12


def test_entries_too_large_for_products_in_single_precision(monkeypatch):
    monkeypatch.setattr(largest_penalty, "_PASS", 1e12)
    X, y = teacher(200, 4, 3, 0.1, 0)
    X = (X * 1e37).astype(np.float32)
    problem = UnreadProblem(Unread(X), 1e3 * y, 1.0)
    found = at_least_or_rough(problem, 0.0)
    assert found == pytest.approx(at_least_largest_penalty(problem), rel=0.9)
