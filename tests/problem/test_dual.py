"""Lower bounds of dual points, and the level that a bound asks for."""

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu.oracles import CellOracle
from convexrelu.problem.dual import level_for, lower_bound
from tests import reference

X, Y = reference.teacher(7, 2, 3, 0.2, 1)
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0])
ALPHA = 0.05


def test_lower_bound_is_the_best_on_the_ray(options):
    rng = np.random.default_rng(0)
    problem = TrainingProblem(X, Y, ALPHA, **options).condensed()
    for bound in (0.5 * ALPHA, 2 * ALPHA, 100 * ALPHA, 0.0):
        v = problem.dual_point(rng.standard_normal(problem.n_samples))
        # A parabola in t: its vertex, or the end of the interval.
        vertex = (v @ problem.y) / np.sum(v**2 / problem.weights)
        t = np.clip(vertex, 0.0, ALPHA / bound if bound else np.inf)
        expected = reference.dual_value(t * v, problem.y, problem.weights)
        found = lower_bound(problem, v, bound)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert found <= expected


def test_the_start_of_the_ray_counts():
    problem = TrainingProblem(X, Y, ALPHA, fit_intercept=False)
    v = -problem.dual_point(np.zeros(7))  # downhill from the first step
    assert lower_bound(problem, v, 1.0) == 0.0


def test_a_dual_point_off_balance_is_paid_for():
    problem = TrainingProblem(X, Y, ALPHA).condensed()
    v = problem.dual_point(np.zeros(7))
    bound = CellOracle(problem.design)(v + 1e-3).bound
    assert lower_bound(problem, v + 1e-3, bound) <= reference.train_exactly(X, Y, ALPHA)


@pytest.mark.parametrize("bound", [np.nan, np.inf])
def test_a_bound_that_is_not_finite_proves_next_to_nothing(bound):
    problem = TrainingProblem(X, Y, ALPHA)
    v = problem.dual_point(np.zeros_like(Y))
    assert lower_bound(problem, v, bound) == 0.0


def test_products_that_overflow_prove_next_to_nothing():
    problem = TrainingProblem(1e153 * X, 1e153 * Y, ALPHA)
    v = problem.dual_point(np.zeros_like(Y))
    assert lower_bound(problem, v, 1e-300) == 0.0


@pytest.mark.parametrize("share", [1e-6, 0.1, 0.9, 0.999999])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_level_gives_the_bound_that_is_wanted(options, share, unit):
    problem = TrainingProblem(unit * X, Y / unit, ALPHA, **options).condensed()
    rng = np.random.default_rng(0)
    for outputs in (np.zeros(problem.n_samples), rng.standard_normal(problem.n_samples) / unit):
        v = problem.dual_point(outputs)
        best = lower_bound(problem, v, 1e-9 * problem.alpha)  # no constraint is in the way
        level = level_for(problem, v, share * best)
        assert lower_bound(problem, v, level) == pytest.approx(share * best, rel=1e-6)
        # It is the largest such level.
        assert lower_bound(problem, v, 1.01 * level) < share * best
        assert lower_bound(problem, v, 0.99 * level) >= share * best


def test_no_level_gives_more_than_the_best_on_the_ray(options):
    problem = TrainingProblem(X, Y, ALPHA, **options).condensed()
    v = problem.dual_point(np.zeros(problem.n_samples))
    best = lower_bound(problem, v, 1e-9 * ALPHA)
    for wanted in (1.001 * best, 10 * best, np.inf):
        assert level_for(problem, v, wanted) == 0.0
    assert level_for(problem, np.zeros_like(v), 1e-3) == 0.0


@pytest.mark.parametrize("wanted", [0.0, -1.0])
def test_every_level_gives_a_bound_of_zero(wanted):
    problem = TrainingProblem(X, Y, ALPHA)
    v = problem.dual_point(np.zeros(problem.n_samples))
    assert level_for(problem, v, wanted) == np.inf


def test_only_the_bound_itself_is_computed_with_its_rounding(monkeypatch):
    X, y = reference.teacher(20, 2, 2, 0.1, 0)
    problem = TrainingProblem(X, y, 0.01).condensed()
    v = problem.dual_point(problem.no_outputs())
    proofs, original = [], TrainingProblem.dual
    monkeypatch.setattr(
        TrainingProblem, "dual", lambda self, v: proofs.append(1) or original(self, v)
    )
    bound = lower_bound(problem, v, CellOracle(problem.design)(v).bound)
    assert 0 < bound < problem.objective(problem.zero_network())
    assert len(proofs) <= 2  # one of them to see where the domain ends
