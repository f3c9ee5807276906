"""The moment of non-convex training that cutting planes start from."""

import time
import warnings

import numpy as np
import pytest
from scipy.optimize import Bounds

from convexrelu import TrainingProblem, train
from convexrelu.solvers.nonconvex import compiled_adam, hidden_layer, minibatches
from convexrelu.solvers.nonconvex import descent as module
from convexrelu.solvers.nonconvex.compiled_adam import CompiledAdam
from convexrelu.solvers.nonconvex.descent import descend, descents
from convexrelu.solvers.nonconvex.hidden_layer import is_compiled
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective
from tests import reference
from tests.honest import assert_same_network

X, Y = reference.teacher(40, 3, 3, 0.1, 0)
WEIGHTS = np.random.default_rng(0).exponential(size=40)


def problem_of(X=X, y=Y, alpha=0.01, **options):
    return TrainingProblem(X, y, alpha, **options)


def run(problem, seed=0, **options):
    return descend(problem, np.random.RandomState(seed), **options)


def objective_of(problem, seed=0):
    """The rounded objective and a point at which no weight is zero."""
    objective = RoundedObjective(problem)
    z = objective.random_point(np.random.RandomState(seed))
    z = z + 0.1 * np.random.default_rng(seed).standard_normal(len(z))
    return objective, z if problem.fit_intercept else np.append(z[:-1], 0.0)


# The rounded objective


@pytest.mark.parametrize("width", [0.3, 0.03, 0.001])
def test_the_gradient_is_that_of_the_value(options, width):
    objective, z = objective_of(problem_of(**options))
    _, gradient = objective(z, width)
    rng, step = np.random.default_rng(1), 1e-3 * width
    for part in (slice(0, -41), slice(-41, -1), slice(-1, None), slice(None)):
        direction = np.zeros_like(z)
        direction[part] = rng.standard_normal(len(z[part]))
        if not options["fit_intercept"]:
            direction[-1] = 0.0
        direction /= np.linalg.norm(direction) or 1.0
        # The second derivative jumps, so the error is of the order of the step.
        ahead, behind = (objective(z + h * direction, width)[0] for h in (step, -step))
        slope = gradient @ direction
        assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_without_an_intercept_it_has_no_gradient():
    objective, z = objective_of(problem_of(fit_intercept=False))
    assert objective(z, 0.1)[1][-1] == 0.0


def test_rounding_kinks_off_only_raises_the_objective_and_vanishes_with_its_width(options):
    problem = problem_of(**options)
    objective, z = objective_of(problem)
    z[:-1] = objective.balanced(z)[:-1]
    network = objective.network(z)
    exact = problem.objective(network) / objective.units.tau**2
    values = [objective(z, width)[0] for width in (1e-2, 1e-4, 1e-6, 1e-8)]
    errors = np.abs(np.array(values) - exact)
    assert errors[-1] < 1e-7 and (np.diff(errors) <= 1e-12).all()


def test_balancing_keeps_the_function_and_lowers_the_penalty():
    objective, z = objective_of(problem_of())
    balanced = objective.balanced(z)
    inner, outer, _ = objective.parts(balanced)
    np.testing.assert_allclose(np.linalg.norm(inner, axis=1), np.abs(outer[:, 0]), rtol=1e-12)
    assert balanced @ balanced < z @ z
    before, after = objective.network(z), objective.network(balanced)
    np.testing.assert_allclose(after.predict(X), before.predict(X), atol=1e-12)


# The network


def test_it_comes_near_the_optimum(options):
    problem = problem_of(X[:, :2], alpha=0.01, **options)
    optimum = train(problem.condensed(), start=None, random_state=0).certificate
    assert optimum.is_proof
    network = run(problem)
    assert optimum.lower_bound <= problem.objective(network) <= 1.3 * optimum.objective
    assert options["hidden_bias"] or not network.hidden_bias.any()
    assert options["fit_intercept"] or not network.output_bias.any()


def test_the_seed_decides():
    problem = problem_of()
    assert_same_network(run(problem), run(problem))
    assert not np.array_equal(run(problem, 1).hidden_weights, run(problem).hidden_weights)


def test_it_is_balanced_and_has_the_best_intercept():
    problem = problem_of()
    network = run(problem)
    inner, outer = network.augmented_weights(), np.abs(network.output_weights[0])
    np.testing.assert_allclose(np.linalg.norm(inner, axis=1), outer, rtol=1e-9)
    residual = problem.y - network.predict(problem.X)
    assert problem.weights @ residual == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("unit_x", "unit_y"), [(1e3, 1.0), (1.0, 1e-4), (1e-5, 1e5)])
def test_units_do_not_matter(unit_x, unit_y):
    """Powers of two, without rounding, and without a bias, whose unit would have to change as well."""
    unit_x, unit_y = 2.0 ** np.round(np.log2([unit_x, unit_y]))
    options = {"hidden_bias": False}
    one = problem_of(**options)
    other = problem_of(unit_x * X, unit_y * Y, 0.01 * unit_x * unit_y, **options)
    here, there = run(one), run(other)
    np.testing.assert_allclose(
        there.predict(other.X), unit_y * here.predict(one.X), rtol=0, atol=1e-6 * unit_y
    )
    assert other.objective(there) == pytest.approx(unit_y**2 * one.objective(here), rel=1e-6)
    assert there.width == here.width


def test_a_shift_of_the_targets_does_not_matter():
    here, there = run(problem_of()), run(problem_of(y=Y + 64.0))
    np.testing.assert_allclose(there.predict(X), here.predict(X) + 64.0, rtol=0, atol=1e-3)


def test_it_goes_on_for_longer_where_programs_of_least_squares_follow():
    """At this penalty, with as many neurons."""
    inputs, targets = reference.teacher(200, 5, 5, 0.1, 0)
    for loss, is_longer in [("squared_error", True), ("huber", False)]:
        problem = problem_of(inputs, targets, loss=loss)
        alone, before = (
            next(descents(problem, np.random.RandomState(0), rounds_follow=follow))
            for follow in (False, True)
        )
        assert (problem.objective(before) < problem.objective(alone)) == is_longer


# Limits


def test_no_time_is_the_first_weights():
    network = run(problem_of(), deadline=0.0)
    assert np.isfinite(network.predict(X)).all()


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.05, 0.3, 3.0])
def test_the_deadline_is_kept(clock, seconds):
    problem = problem_of(*reference.teacher(800, 30, 5, 0.1, 0), alpha=1e-4)
    clock.charge(RoundedObjective, "__call__", 0.01)
    deadline = clock.now + seconds
    network = run(problem, deadline=deadline)
    # The step that is under way is finished, with a search of at most twenty values along a line.
    assert deadline < clock.now < deadline + 0.21
    assert np.isfinite(problem.objective(network))


DEGENERATE = {
    "constant targets": (X, np.full(40, 3.0)),
    "zero targets": (X, np.zeros(40)),
    "one sample": (X[:1], Y[:1]),
    "two equal samples": (X[[0, 0]], Y[:2]),
    "a zero column": (X * [1.0, 0.0, 1.0], Y),
    "zero data": (np.zeros_like(X), Y),
    "a constant column": (np.column_stack([X, np.full(40, 5.0)]), Y),
    "a tiny and a huge column": (X * [1e-8, 1.0, 1e8], Y),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_data(name, options):
    inputs, targets = DEGENERATE[name]
    options = options | {"sample_weight": None}
    problem = problem_of(inputs, targets, **options)
    network = run(problem)
    objective = problem.objective(network)
    assert np.isfinite(objective)
    constant = problem.objective(problem.zero_network())
    assert objective <= 1.001 * constant + 1e-5 * problem.units().tau ** 2
    if "zero" in name and "column" in name:
        # A feature that is always zero deserves no weight.
        assert np.abs(network.hidden_weights[:, 1]).max(initial=0.0) < 1e-8


@pytest.mark.parametrize("free", [True, "free"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson"])
def test_constant_targets_are_not_descended(monkeypatch, loss, free):
    monkeypatch.delattr(module, "minimize")
    network = run(problem_of(y=np.full(40, 3.0), loss=loss, hidden_bias=free))
    assert network.width == 0
    np.testing.assert_allclose(network.predict(X), np.log(3.0) if loss == "poisson" else 3.0)


def test_a_penalty_above_the_largest_useful_one_is_not_descended(monkeypatch):
    monkeypatch.delattr(module, "minimize")
    assert run(problem_of(alpha=1e4)).width == 0


def test_many_samples_are_trained_on_in_batches_and_then_together(monkeypatch):
    inputs, targets = reference.teacher(600, 4, 3, 0.1, 0)
    problem = problem_of(inputs, targets, 0.01)
    by_lbfgs = problem.objective(run(problem))
    monkeypatch.setattr(module, "FEW_SAMPLES", 500)
    first, last = descents(problem, np.random.RandomState(0))
    values = [problem.objective(network) for network in (problem.zero_network(), first, last)]
    assert values[2] <= values[1] < 0.5 * values[0]
    assert values[2] == pytest.approx(by_lbfgs, rel=0.02)
    for network in (first, last):  # the intercept is the best one for all samples
        rest = targets - network.predict(inputs)
        assert problem.weights @ rest == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("seconds", [0.5, 10.0])
def test_batches_end_in_time_with_small_steps(monkeypatch, clock, seconds, compiled):
    monkeypatch.setattr(module, "FEW_SAMPLES", 500)
    monkeypatch.setattr(compiled_adam, "_WORK", 0.0)  # one step a call
    problem = problem_of(*reference.teacher(600, 4, 3, 0.1, 0))
    if compiled and not is_compiled():
        pytest.skip("not compiled")
    if not compiled:
        monkeypatch.setattr(hidden_layer, "_kinks", None)
    clock.charge(CompiledAdam if compiled else minibatches._Adam, "steps", 0.01)
    deadline = clock.now + seconds
    networks = list(descents(problem, np.random.RandomState(0), deadline))
    assert deadline <= clock.now < deadline + 0.02
    assert len(networks) == 1
    # Fifty steps are few, but with step sizes that have fallen to zero they are not wasted.
    assert problem.objective(networks[0]) < problem.objective(problem.zero_network())


@pytest.mark.parametrize("compiled", [False, True])
def test_a_deadline_that_batches_keep_anyway_changes_nothing(monkeypatch, clock, compiled):
    monkeypatch.setattr(module, "FEW_SAMPLES", 500)
    monkeypatch.setattr(minibatches, "_FEWEST_STEPS", 100)
    monkeypatch.setattr(compiled_adam, "_WORK", 0.0)  # one step a call
    if compiled and not is_compiled():
        pytest.skip("not compiled")
    if not compiled:
        monkeypatch.setattr(hidden_layer, "_kinks", None)
    problem = problem_of(*reference.teacher(600, 4, 3, 0.1, 0))
    adam, original = CompiledAdam if compiled else minibatches._Adam, minibatches._adam

    def slow_at_first(*args):
        clock.now += 4.0  # as where a library is imported
        return original(*args)

    monkeypatch.setattr(minibatches, "_adam", slow_at_first)
    clock.charge(adam, "steps", 0.1)  # ten seconds of all

    def weights(deadline):
        return next(descents(problem, np.random.RandomState(0), deadline)).hidden_weights

    ample = weights(clock.now + 20.0)
    scarce = weights(clock.now + 9.0)
    np.testing.assert_array_equal(ample, weights(np.inf))
    assert scarce.shape != ample.shape or (scarce != ample).any()


@pytest.mark.parametrize("n_samples", [300, 600])
def test_an_hour_is_as_good_as_no_limit(monkeypatch, n_samples):
    """From few samples on by L-BFGS, and with more in batches before that."""
    monkeypatch.setattr(module, "FEW_SAMPLES", 500)
    problem = problem_of(*reference.teacher(n_samples, 4, 3, 0.1, 0))
    without, with_limit = (
        run(problem, deadline=deadline) for deadline in (np.inf, time.perf_counter() + 3600.0)
    )
    assert_same_network(with_limit, without)


def test_gradients_are_those_at_the_point_that_is_asked_for(monkeypatch):
    """SciPy gets the gradient that came with the last value, here compared with that at its own point."""
    objective = RoundedObjective(problem_of())
    original, n_asked = module.minimize, 0

    def compared(value_at, z, *, jac, **options):
        def gradient_at(z):
            nonlocal n_asked
            given, n_asked = jac(z).copy(), n_asked + 1
            np.testing.assert_array_equal(given, objective(z, 0.01)[1])
            return given

        return original(value_at, z, jac=gradient_at, **options)

    monkeypatch.setattr(module, "minimize", compared)
    z = objective.random_point(np.random.RandomState(0))
    bounds = Bounds(np.full(len(z), -np.inf), np.full(len(z), np.inf))
    found = module._minimised_within(bounds, objective, z, 0.01, 20, 60, lambda z, value: False)
    assert n_asked > 60 and objective(found, 0.01)[0] < objective(z, 0.01)[0]


def test_bounds_on_weights_are_kept_at_every_point():
    class Bounded(RoundedObjective):
        seen = ()

        def bounds(self, z):
            return Bounds(np.full(len(z), -0.1), np.full(len(z), 0.3))

        def __call__(self, z, width):
            self.seen = (*self.seen, z.copy())
            return super().__call__(z, width)

    objective = Bounded(problem_of())
    z = np.clip(objective.random_point(np.random.RandomState(0)), -0.1, 0.3)
    found = module._minimised(objective, z, 0.01, 30, lambda z, value: False)
    points = np.array([*objective.seen, found])
    assert len(points) > 20 and points.min() >= -0.1 and points.max() <= 0.3


def test_trials_that_overflow_are_no_steps_and_no_warnings():
    objective = RoundedObjective(problem_of())
    z = 1e160 * objective.random_point(np.random.RandomState(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = module._minimised(objective, z, 0.01, 5, lambda z, value: False)
    assert not np.isnan(found).any()


def test_a_part_of_the_samples_may_have_no_weight():
    weights = np.zeros(6000)
    weights[:10] = 1.0
    inputs, targets = reference.teacher(6000, 2, 2, 0.1, 0)
    problem = problem_of(inputs, targets, sample_weight=weights).condensed()
    assert problem.n_samples == 10
    assert np.isfinite(problem.objective(run(problem)))
