"""Constraints on outputs at all points of a polytope."""

from dataclasses import replace

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, TwoLayerNetwork
from convexrelu.output_constraints import (
    OutputConstraints,
    output_bounds,
    train_on_polytope,
    train_with_output_constraints,
)
from convexrelu.output_constraints import polytope as module
from convexrelu.reach import Polytope

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-1, 1, (15, 2))
PROBLEM = TrainingProblem(X, X[:, 0] * X[:, 1], 1e-3)
TRIANGLE = Polytope([[1.0, 1.0]], [1.0], lower=-1.0, upper=1.0)


@pytest.fixture(scope="module")
def result():
    return train_on_polytope(PROBLEM, [[1.0]], 0.1, domain=TRIANGLE, random_state=0)


def test_nothing_is_violated_where_it_says_proved(result):
    assert result.bounds.is_safe
    points = np.random.default_rng(1).uniform(-1, 1, (200_000, 2))
    points = np.vstack([points[TRIANGLE.contains(points)], result.bounds.argmax])
    assert result.network.predict(points).max() <= 0.1


def test_the_bound_is_for_the_whole_polytope(result):
    """It is above that of constraints at the samples, and below the objective of a network that is safe by scaling."""
    certificate = result.certificate
    assert certificate.is_proof
    assert certificate.relative_gap <= 1e-3
    at_samples = train_with_output_constraints(
        PROBLEM, OutputConstraints(X[TRIANGLE.contains(X)], [[1.0]], 0.1), random_state=0
    )
    assert certificate.objective >= at_samples.certificate.lower_bound
    free = TwoLayerNetwork([[1.0, 0.5]], [0.2], [[0.3]], [0.0])
    largest = output_bounds(free, [[1.0]], domain=TRIANGLE).bound[0]
    safe = free.with_output_bias(0.1 - largest - 1e-9)
    assert certificate.lower_bound <= PROBLEM.objective(safe)


@pytest.mark.parametrize(
    ("is_proof", "bound", "trained", "expected"),
    [
        (True, 0.9995, Status.MAX_ITER, Status.CONVERGED),
        (False, 0.9995, Status.CONVERGED, Status.CONVERGED),
        (False, 0.9995, Status.TIME_LIMIT, Status.STALLED),
        (True, 0.99, Status.CONVERGED, Status.STALLED),
        (True, 0.9995, Status.INTERRUPTED, Status.INTERRUPTED),
    ],
)
def test_the_status_is_that_of_the_safe_network(result, is_proof, bound, trained, expected):
    """Of an estimate, that of the last training says whether it is confirmed."""
    certificate = replace(result.certificate, objective=1.0, lower_bound=bound, is_proof=is_proof)
    own = replace(result, certificate=certificate, status=Status.CONVERGED)
    assert module._status(own, trained, 1e-3) is expected
    unsafe = replace(own, bounds=replace(own.bounds, bound=np.array([0.1])))
    assert module._status(unsafe, trained, 1e-3) is not Status.CONVERGED


def test_no_time_still_gives_a_network(result):
    brief = train_on_polytope(
        PROBLEM, [[1.0]], 0.1, domain=TRIANGLE, random_state=0, time_limit=0.0
    )
    certificate = brief.certificate
    assert certificate.lower_bound <= result.certificate.objective <= certificate.objective * 1.001


@pytest.mark.parametrize("limit", [0.0, 0.05, 0.3])
def test_with_little_time_no_network_is_worse_than_a_safe_constant(limit):
    """Bounds that were not finished would shift a network of many features far down."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((10, 300))
    problem = TrainingProblem(inputs, np.abs(inputs[:, 0]), 1e-4)
    box = Polytope(lower=np.full(300, -1.0), upper=np.full(300, 1.0))
    result = train_on_polytope(problem, [[1.0]], 0.5, domain=box, time_limit=limit, random_state=0)
    constant = TwoLayerNetwork.constant(300).with_output_bias([0.5])
    assert result.bounds.is_safe
    assert result.certificate.objective == pytest.approx(problem.objective(result.network))
    assert result.certificate.objective <= problem.objective(constant) * (1 + 1e-9)
    assert result.certificate.lower_bound <= result.certificate.objective
    assert result.network.predict(rng.uniform(-1, 1, (1000, 300))).max() <= 0.5


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_targets_cost_nothing_but_their_excess(value):
    problem = TrainingProblem(np.linspace(-1, 1, 5)[:, None], np.full(5, value), alpha=0.1)
    box = Polytope(lower=[-1.0], upper=[1.0])
    result = train_on_polytope(problem, [[1.0]], 0.75, domain=box, random_state=0)
    assert result.bounds.is_safe and result.certificate.relative_gap < 1e-3
    excess = max(value - 0.75, 0.0)
    assert result.certificate.objective == pytest.approx(excess**2 / 2, rel=1e-3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"domain": Polytope(lower=[0.0, 0.0])}, "unbounded"),
        ({"domain": Polytope(lower=[0.0], upper=[1.0])}, "domain has 1 dimensions, but X has 2"),
        ({"A": [[1.0], [-1.0]]}, "A has rows that no shift"),
        ({"domain": None}, "domain is a NoneType"),
        (
            {"constraints": [OutputConstraints([[0.0, 0.0]], [[1.0]], equal=True)]},
            "constraints has equations",
        ),
        ({"constraints": OutputConstraints([[0.0]], [[1.0]])}, "constraints has points with 1"),
        ({"constraints": OutputConstraints([[0.0, 0.0]], [[1.0, 1.0]])}, "constraints has A with"),
        ({"constraints": 3}, "constraints is"),
        ({"A": [[0.0]]}, "A has a row of zeros"),
        ({"b": [1.0, 2.0]}, r"b has shape \(2,\), expected a number or \(1,\)"),
        ({"max_rounds": 0}, "max_rounds=0"),
        ({"max_iter": "many"}, "max_iter='many'"),
    ],
)
def test_bad_arguments_are_named(options, message):
    given = {"A": [[1.0]], "domain": TRIANGLE} | options
    with pytest.raises(ValueError, match=message):
        train_on_polytope(PROBLEM, **given)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"domain": Polytope(lower=[0.0], upper=[1.0])}, "domain has 1 dimensions"),
        ({"b": np.nan}, "b contains NaN"),
        ({"b": [1.0, 2.0]}, "b has shape"),
        ({"tol": "small"}, "tol='small'"),
        ({"time_limit": -1.0}, "time_limit=-1.0"),
    ],
)
def test_bad_arguments_of_bounds_are_named(options, message):
    network = TwoLayerNetwork([[1.0, 0.0]], [0.0], [[1.0]], [0.0])
    with pytest.raises(ValueError, match=message):
        output_bounds(network, [[1.0]], **{"domain": TRIANGLE} | options)


def trained_on_a_flat_polytope(**options):
    """Its box has its middle outside, where a constraint would cost much."""
    negative = np.full((4, 3), -0.5)
    X = np.column_stack([np.ones(8), np.vstack([negative, [[1.0, 1, 1]], np.eye(3)])])
    problem = TrainingProblem(X, np.repeat([1.0, 0.0], 4), 1e-2)
    domain = Polytope([[0.0, 1, 1, 1]], [-2.0], lower=[1.0, -1, -1, -1], upper=np.ones(4))
    return train_on_polytope(problem, [[1.0]], 0.0, domain=domain, random_state=0, **options)


@pytest.fixture(scope="module")
def bounds_in_time():
    return trained_on_a_flat_polytope()


@pytest.mark.parametrize("n_late", [1, 2])
def test_bounds_that_come_late_lead_to_no_false_bound_and_no_false_status(
    monkeypatch, bounds_in_time, n_late
):
    reference = bounds_in_time
    assert reference.bounds.is_safe
    in_time, n_calls = module.output_bounds, 0

    def late(*given, time_limit=None, **options):
        nonlocal n_calls
        n_calls += 1
        limit = 0.0 if n_calls <= n_late else time_limit
        return in_time(*given, time_limit=limit, **options)

    monkeypatch.setattr(module, "output_bounds", late)
    result = trained_on_a_flat_polytope(time_limit=60.0)
    assert result.certificate.lower_bound <= reference.certificate.objective * (1 + 1e-6)
    assert result.certificate.proved_lower_bound <= reference.certificate.objective * (1 + 1e-6)
    closed = result.certificate.relative_gap <= 1e-3 and result.bounds.is_safe
    assert closed or result.status is not Status.CONVERGED
