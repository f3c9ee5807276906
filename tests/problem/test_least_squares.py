"""Steps towards the best linear function."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from convexrelu import TrainingProblem
from convexrelu.problem.least_squares import least_squares_skip


def data(n_outputs=1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 4)) * [1.0, 100.0, 0.01, 3.0] + [0.0, 5.0, 0.0, -2.0]
    y = X @ rng.standard_normal((4, n_outputs)) + rng.standard_normal((40, n_outputs))
    return X, y[:, 0] if n_outputs == 1 else y, rng.uniform(0.5, 2.0, 40)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("convert", [np.asarray, csr_array])
def test_the_end_is_that_of_a_direct_solver(n_outputs, fit_intercept, convert):
    X, y, weights = data(n_outputs)
    problem = TrainingProblem(
        convert(X), y, 0.1, fit_intercept=fit_intercept, sample_weight=weights
    )
    columns = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
    root = np.sqrt(weights)[:, None]
    wanted = np.linalg.lstsq(root * columns, root * y.reshape(40, -1), rcond=None)[0][:4].T
    assert_allclose(least_squares_skip(problem), wanted, rtol=1e-6)


@pytest.mark.parametrize("n_steps", [1, 2, 3])
def test_every_number_of_steps_is_better_than_fewer(monkeypatch, n_steps):
    X, y, _ = data()
    problem = TrainingProblem(X, y, 0.1)

    def loss(steps):
        monkeypatch.setattr("convexrelu.problem.least_squares._STEPS", steps)
        return float(np.var(y - X @ least_squares_skip(problem)[0]))

    assert loss(n_steps) < (np.var(y) if n_steps == 1 else loss(n_steps - 1))


def test_without_time_there_is_none(monkeypatch):
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)
    X, y, _ = data()
    assert least_squares_skip(TrainingProblem(X, y, 0.1), -math.inf) is None


@pytest.mark.parametrize("targets", [np.zeros(40), np.full(40, 2.0)])
def test_for_constant_targets_there_is_none(targets):
    assert least_squares_skip(TrainingProblem(data()[0], targets, 0.1)) is None


def test_inputs_that_overflow_have_none():
    X, y, _ = data()
    found = least_squares_skip(TrainingProblem(1e150 * X, y, 0.1))
    assert found is None or np.isfinite(found).all()


@pytest.mark.parametrize("constant", [0.1, 7.0, 1e6])
@pytest.mark.parametrize("alone", [True, False])
def test_columns_that_are_constant_up_to_rounding_have_no_weight(constant, alone):
    """Their centred squares are rounding, which must not be divided by its own size."""
    rng = np.random.default_rng(0)
    flat = np.full((37, 1), constant)
    X = flat if alone else np.hstack([flat, rng.standard_normal((37, 2))])
    y = rng.standard_normal(37)
    problem = TrainingProblem(X, y, 0.1)
    found = least_squares_skip(problem)
    if alone:
        assert found is None
    else:
        assert found[0, 0] == 0.0
        assert_allclose(found[0, 1:], least_squares_skip(TrainingProblem(X[:, 1:], y, 0.1))[0])
