"""Training under constraints on outputs, against programs over all patterns and over fine grids of neurons."""

import cvxpy as cp
import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, TwoLayerNetwork
from convexrelu.losses import Quantiles
from convexrelu.output_constraints import (
    OutputConstraints,
    ascending,
    train_with_output_constraints,
)
from convexrelu.patterns import enumerate_patterns

# Both are solved to about 1e-9 of the objective, in units of about one.
AGREE = 1e-6


def over_all_patterns(problem, points, A, b, equal=False, tol=1e-10):
    """The optimum for one output, from a list of all patterns on samples and points."""
    design = np.vstack([problem.X, points])
    design = np.unique(design, axis=0)
    rows = np.column_stack([design, np.ones(len(design))])
    place = [int(np.flatnonzero((design == x).all(axis=1))[0]) for x in problem.X]
    at = [int(np.flatnonzero((design == x).all(axis=1))[0]) for x in points]
    masks = enumerate_patterns(rows).masks
    u = [cp.Variable((rows.shape[1], len(masks))) for _ in range(2)]
    c = cp.Variable()
    outputs = c + sum(
        sign * cp.sum(cp.multiply(masks.T, rows @ part), axis=1)
        for sign, part in zip((1, -1), u, strict=True)
    )
    held = [cp.multiply(2.0 * masks.T - 1, rows @ part) >= 0 for part in u]
    left = A[0, 0] * outputs[at]
    held.append(left == b if equal else left <= b)
    fit = problem.loss.expression(outputs[place], problem.y, problem.weights)
    penalty = problem.alpha * sum(cp.sum(cp.norm(part, 2, axis=0)) for part in u)
    program = cp.Problem(cp.Minimize(fit + penalty), held)
    return program.solve(solver="CLARABEL", tol_gap_rel=tol, tol_gap_abs=tol, tol_feas=tol)


CASES = [
    # loss, A, b, equations, seed
    ("squared_error", 1.0, 0.3, False, 0),
    ("squared_error", -1.0, 0.2, False, 1),
    ("quantile", 1.0, 0.1, False, 2),
    ("squared_error", 1.0, None, True, 3),
    ("absolute_error", 2.0, 0.5, False, 4),
    ("huber", 1.0, None, True, 5),
]


@pytest.mark.parametrize("loss, a, b, equal, seed", CASES)
def test_one_output_is_that_of_all_patterns(loss, a, b, equal, seed):
    random = np.random.default_rng(seed)
    X = random.standard_normal((7, 2))
    problem = TrainingProblem(X, random.standard_normal(7), 0.02, loss=loss)
    points = np.vstack([X[:2], random.standard_normal((2, 2))])
    b = random.standard_normal((4, 1)) if b is None else np.full((4, 1), b)
    constraints = OutputConstraints(points, [[a]], b, equal=equal)
    result = train_with_output_constraints(
        problem, constraints, tol=1e-7, random_state=0, max_iter=40
    )
    optimum = over_all_patterns(problem, points, np.array([[a]]), b[:, 0], equal)
    certificate = result.certificate
    assert certificate.scope == "output_constraints"
    assert certificate.is_proof  # rank three: a sweep
    assert certificate.objective == pytest.approx(optimum, rel=AGREE, abs=1e-8)
    assert certificate.lower_bound <= optimum * (1 + 1e-8) + 1e-9
    assert certificate.relative_gap < AGREE
    assert certificate.objective == pytest.approx(problem.objective(result.network), rel=1e-12)
    assert result.violation <= (1e-6 if equal else 0.0)


@pytest.mark.parametrize("seed", [3, 4])
def test_two_classes_are_those_of_all_patterns(seed):
    """Only the difference of outputs counts, and neurons are those of one output at the penalty ``alpha/√2``."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((7, 2))
    y = np.append([0.0, 1.0], random.integers(0, 2, 5))
    points = np.vstack([X[:2], random.standard_normal((2, 2))])
    problem = TrainingProblem(X, y, 0.02, loss="multinomial")
    one_output = TrainingProblem(X, 1 - 2 * y, 0.02 / np.sqrt(2), loss="logistic")
    optimum = over_all_patterns(one_output, points, np.array([[1.0]]), -0.2, tol=1e-9)
    result = train_with_output_constraints(
        problem, OutputConstraints(points, [[1.0, -1.0]], -0.2), tol=1e-7, random_state=0
    )
    certificate = result.certificate
    assert certificate.is_proof
    assert result.violation == 0
    assert certificate.objective == pytest.approx(optimum, rel=AGREE)
    assert optimum * (1 - AGREE) <= certificate.lower_bound <= optimum * (1 + 1e-8)


@pytest.mark.parametrize("seed, rows, intercept", [(0, 1, True), (1, 3, True), (2, 2, False)])
def test_three_classes_are_those_of_all_neurons(seed, rows, intercept):
    """Without hidden biases and on a line, there are two directions."""
    random = np.random.default_rng(seed)
    X, points = random.standard_normal((9, 1)), random.standard_normal((3, 1))
    y = np.append(np.arange(3.0), random.integers(0, 3, 6))
    A = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [1.0, -0.5, -0.5]])[:rows]
    b = 0.1 * random.random(rows)
    if not intercept:  # no constant is free then
        A = np.array([[1.0, 0.0, 0.0], [-0.3, 0.2, -1.0]])
    problem = TrainingProblem(
        X, y, 0.01, loss="multinomial", hidden_bias=False, fit_intercept=intercept
    )
    a, c = cp.Variable((2, 3)), cp.Variable((1, 3))
    fit, at = (
        np.maximum(part @ [[1.0, -1.0]], 0) @ a + np.ones((len(part), 1)) @ c
        for part in (X, points)
    )
    loss = problem.loss.expression(fit, y, problem.weights)
    penalty = problem.alpha * cp.sum(cp.norm(a, 2, axis=1))
    held = [at @ A.T <= b] if intercept else [at @ A.T <= b, c == 0]
    optimum = cp.Problem(cp.Minimize(loss + penalty), held).solve(
        solver="CLARABEL", canon_backend="SCIPY", tol_gap_rel=1e-9, tol_feas=1e-9
    )
    result = train_with_output_constraints(
        problem, OutputConstraints(points, A, b), tol=1e-7, random_state=0
    )
    certificate = result.certificate
    assert certificate.is_proof
    assert result.violation <= (0.0 if intercept else AGREE)
    assert certificate.objective == pytest.approx(optimum, rel=AGREE)
    assert optimum * (1 - AGREE) <= certificate.lower_bound <= optimum * (1 + 1e-8)


def over_a_grid(problem, points, A, b):
    """An upper bound on the optimum for inputs on a line and several outputs: neurons of a fine grid of the circle.

    Kinks at rows are on the grid.
    """
    rows = np.column_stack([problem.X, np.ones(len(problem.X))])
    there = np.column_stack([points, np.ones(len(points))])
    both = np.vstack([rows, there])
    angles = np.arctan2(both[:, 0], -both[:, 1])  # where a row is on the kink
    angles = np.concatenate([np.linspace(0, 2 * np.pi, 700), angles, angles + np.pi])
    gates = np.column_stack([np.cos(angles), np.sin(angles)])
    K = problem.n_outputs
    a, c = cp.Variable((len(gates), K)), cp.Variable((1, K))
    fit = np.maximum(rows @ gates.T, 0) @ a + c
    at = np.maximum(there @ gates.T, 0) @ a + c
    loss = problem.loss.expression(fit, problem.y, problem.weights)
    penalty = problem.alpha * cp.sum(cp.norm(a, 2, axis=1))
    program = cp.Problem(cp.Minimize(loss + penalty), [at @ A.T <= b])
    return program.solve(solver="CLARABEL")


@pytest.mark.parametrize("seed, K", [(0, 2), (1, 3)])
def test_ascending_quantiles_are_those_of_a_grid(seed, K):
    random = np.random.default_rng(seed)
    X = np.sort(random.uniform(-1, 1, (9, 1)), axis=0)
    y = np.tile(random.standard_normal((9, 1)), (1, K))
    levels = np.linspace(0.4, 0.6, K)  # which cross without the constraint
    problem = TrainingProblem(X, y, 0.01, loss=Quantiles(tuple(levels)))
    constraints = ascending(np.vstack([X, [[2.0]]]), K)
    result = train_with_output_constraints(problem, constraints, tol=1e-4, random_state=0)
    optimum = over_a_grid(problem, constraints.points, constraints.A, 0.0)
    assert result.violation == 0.0
    assert (np.diff(result.network.predict(constraints.points), axis=1) >= 0).all()
    assert result.certificate.lower_bound <= optimum * (1 + 1e-7)
    # The grid is half a degree wide, and kinks are on it: maxima between them are within 1e-4.
    assert result.certificate.objective == pytest.approx(optimum, rel=1e-3)
    assert result.certificate.is_proof
    assert result.certificate.relative_gap <= 1e-4


def test_constant_targets_are_met_exactly():
    problem = TrainingProblem([[0.0], [1.0]], np.full((2, 2), 3.0), 0.1, loss=Quantiles((0.4, 0.6)))
    result = train_with_output_constraints(problem, ascending(problem.X, 2))
    assert result.certificate.objective == 0
    assert result.status.name == "CONVERGED"
    assert result.violation == 0


def test_equations_that_contradict_each_other_are_refused():
    problem = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.1)
    given = OutputConstraints([[0.5], [0.5]], [[1.0]], [[0.0], [1.0]], equal=True)
    with pytest.raises(ValueError, match="constraints: no network was found"):
        train_with_output_constraints(problem, given, random_state=0)


def test_a_callback_ends_training():
    problem = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.01)
    given = OutputConstraints([[1.0]], [[1.0]], 0.5)
    result = train_with_output_constraints(problem, given, progress=lambda _: True)
    assert result.status.name == "STOPPED"
    assert len(result.history) == 1


def test_a_bound_far_from_the_targets_is_certified():
    """The best network is a constant, at which all dual variables are at the ends of their domain."""
    X = np.linspace(-0.2, 0.2, 4)[:, None]
    problem = TrainingProblem(X, [0.6, -0.2, 0.1, -1.1], 0.1, loss="huber")
    result = train_with_output_constraints(problem, OutputConstraints(X, [[1.0]], -5.0))
    constant = TwoLayerNetwork.constant(1, -5.0)
    assert result.certificate.objective == pytest.approx(problem.objective(constant), rel=1e-6)
    assert result.certificate.relative_gap < 1e-6


def test_steep_interpolation_is_accurate():
    """Two points that are close, with values that are not: weights are large, and none may be left out."""
    X = np.array([-6.97, -5.26, -5.8, -22.2, -14.1, -13.7])[:, None]
    y = np.array([0.04, -0.06, 0.12, -0.11, -0.09, -0.06])
    points, values = np.array([[-6.97], [-5.26], [-5.245]]), np.array([[-0.2], [-0.44], [-0.15]])
    problem = TrainingProblem(X, y, 8e-4, loss="absolute_error")
    given = OutputConstraints(points, [[1.0]], values, equal=True)
    result = train_with_output_constraints(problem, given, random_state=0)
    np.testing.assert_allclose(result.network.predict(points), values[:, 0], atol=1e-8)
    assert result.certificate.is_proof
    assert result.certificate.relative_gap <= 1e-3


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("is_two_sided", [False, True])
def test_constraints_hold_to_the_spread_of_targets_far_from_zero(offset, is_two_sided):
    # No shift of the intercept restores them. The best constant is off by half the spread of the targets.
    X = np.linspace(-1, 1, 5)[:, None]
    problem = TrainingProblem(X, offset + np.array([1.0, -1.0, 0.5, -0.5, 0.0]), 0.1)
    given = [
        OutputConstraints([[-0.5], [0.7]], [[1.0]], [[offset + 0.5], [offset - 0.3]], equal=True)
    ]
    if is_two_sided:
        given = [
            OutputConstraints([[-0.5]], [[1.0]], offset - 0.5),
            OutputConstraints([[0.7]], [[-1.0]], -offset - 0.3),
            OutputConstraints([[0.0]], [[1.0]], 1e9),  # which never binds
        ]
    result = train_with_output_constraints(problem, given, random_state=0)
    assert result.violation < 1e-6
    assert result.certificate.is_proof
    assert result.certificate.lower_bound <= result.certificate.objective
    assert result.certificate.relative_gap <= 1e-3


CYCLE = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [-1.0, 0.0, 1.0]])
CLASSES = np.array([0.0, 1.0, 2.0, 0.0])
FOUR = np.array([[0.0], [1.0], [2.0], [-1.0]])


@pytest.mark.parametrize("excess", [1e-8, 1e-7])
def test_classes_whose_order_is_a_cycle_are_refused(excess):
    """Outputs of a hundred million violate it by little of their size, and a common constant hides all differences."""
    problem = TrainingProblem(FOUR, CLASSES, 0.01, loss="multinomial")
    given = OutputConstraints(FOUR, CYCLE, -excess)
    with pytest.raises(ValueError, match="constraints: no network was found that meets them"):
        train_with_output_constraints(problem, given, random_state=0)


def test_large_weights_do_not_make_contradictions_small():
    problem = TrainingProblem(FOUR, CLASSES, 0.01, loss="multinomial", fit_intercept=False)
    given = OutputConstraints(FOUR, [[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]], [-1.0, 1.0 - 1e-7])
    with pytest.raises(ValueError, match="constraints: no network was found that meets them"):
        train_with_output_constraints(problem, given, random_state=0)


@pytest.mark.parametrize("length", [2.0**-70, 2.0**70])
def test_certificates_do_not_depend_on_lengths_of_rows(length):
    problem = TrainingProblem(FOUR, CLASSES, 0.01, loss="multinomial")
    sides = np.array([-1.0, -length])
    given = OutputConstraints(FOUR, CYCLE[:1] * np.array([[1.0], [length]]), sides)
    result = train_with_output_constraints(problem, given, random_state=0)
    assert result.certificate.is_proof
    assert result.certificate.relative_gap <= 1e-3


def test_classes_without_weight_are_named():
    problem = TrainingProblem(FOUR, CLASSES, 0.01, loss="multinomial", sample_weight=[1, 1, 0, 1])
    with pytest.raises(ValueError, match="no sample with weight of class 2"):
        train_with_output_constraints(problem, OutputConstraints(FOUR, CYCLE[:1]))


@pytest.mark.parametrize("n_looks", [630, 655, 700])
def test_a_gap_that_time_left_unconfirmed_is_not_claimed_at_the_end(monkeypatch, n_looks):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((14, 5))
    y = np.abs(X[:, 0]) - 0.5 * X[:, -1] + 0.3 * rng.standard_normal(14)
    looks = iter(range(10**9))
    # A jump after so many looks: somewhere within a search, a program or a confirmation.
    monkeypatch.setattr("time.perf_counter", lambda: 1e6 * (next(looks) > n_looks))
    result = train_with_output_constraints(
        TrainingProblem(X, y, 0.02),
        OutputConstraints(X, [[1.0]], 0.6),
        time_limit=1000.0,
        random_state=0,
    )
    small = result.certificate.relative_gap <= 1e-3
    assert result.status is Status.CONVERGED or not small
