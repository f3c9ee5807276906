"""Pinball losses at several levels: each column is that of its level."""

import cvxpy as cp
import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.losses import Quantile, Quantiles

LEVELS = (0.1, 0.5, 0.8)
LOSS = Quantiles(LEVELS)
RANDOM = np.random.default_rng(0)
Y, F = RANDOM.standard_normal((2, 20, 3))
WEIGHTS = RANDOM.uniform(0.5, 1.5, 20)


@pytest.mark.parametrize("method", ["terms", "gradient"])
def test_columns_are_those_of_single_quantiles(method):
    columns = [getattr(Quantile(q), method)(F[:, k], Y[:, k]) for k, q in enumerate(LEVELS)]
    together = np.column_stack(columns)
    np.testing.assert_array_equal(getattr(LOSS, method)(F, Y), together)
    # Solvers have flat arrays.
    np.testing.assert_array_equal(getattr(LOSS, method)(F.ravel(), Y.ravel()), together.ravel())


def test_sums_are_those_of_single_quantiles():
    single = [Quantile(q) for q in LEVELS]
    total = sum(one.value(F[:, k], Y[:, k]) for k, one in enumerate(single))
    np.testing.assert_allclose(LOSS.value(F, Y), total)
    intercepts = [one.best_intercept(F[:, k], Y[:, k], WEIGHTS) for k, one in enumerate(single)]
    np.testing.assert_array_equal(LOSS.best_intercept(F, Y, WEIGHTS), intercepts)
    expression = LOSS.expression(cp.Constant(F), Y, WEIGHTS)
    assert float(expression.value) == pytest.approx(WEIGHTS @ total)


def test_conjugate_meets_fenchel():
    z = LOSS.gradient(F, Y)
    np.testing.assert_allclose(LOSS.value(F, Y) + LOSS.conjugate(z, Y), (z * F).sum(axis=1))
    assert np.isinf(LOSS.conjugate(z + 1.1, Y)).all()


def test_dual_points_are_balanced_and_in_the_domain():
    weights = WEIGHTS / WEIGHTS.sum()
    v = LOSS.dual_point(RANDOM.standard_normal((20, 3)), Y, weights, balanced=True)
    assert (v.sum(axis=0) == 0).all()
    assert np.isfinite(LOSS.conjugate(-v / weights[:, None], Y)).all()


def test_training_certifies_all_levels_at_once():
    X = np.linspace(-1, 1, 8)[:, None]
    y = np.tile(np.abs(X), (1, 2))
    problem = TrainingProblem(X, y, 0.01, loss=Quantiles((0.3, 0.6)))
    certificate = train(problem, random_state=0, effort="predict").certificate
    assert (
        certificate.lower_bound <= certificate.objective < problem.objective(problem.zero_network())
    )


@pytest.mark.parametrize("levels", [(0.5,), 0.5, (0.0, 0.5), ("a", "b"), (0.1, np.nan)])
def test_bad_levels_are_named(levels):
    with pytest.raises(ValueError, match="levels="):
        Quantiles(levels)


def test_targets_need_a_column_for_each_level():
    with pytest.raises(ValueError, match="a column for each level"):
        TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.1, loss=LOSS)
