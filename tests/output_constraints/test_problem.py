"""Dual points and bounds under constraints on outputs."""

from fractions import Fraction

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.losses import Loss, Multinomial, Quantiles
from convexrelu.oracles import RelaxationOracle
from convexrelu.output_constraints import OutputConstraints, ascending
from convexrelu.output_constraints.dual_points import exact_products
from convexrelu.output_constraints.problem import ConstrainedProblem
from convexrelu.output_constraints.program import solve, with_outer_weights
from convexrelu.results.status import Status

EPS = np.finfo(float).eps


def instance(seed, loss, K, offset=0.0, scale=1.0):
    random = np.random.default_rng(seed)
    X = random.standard_normal((6, 2))
    X[1] = X[0]  # equal samples
    y = offset + scale * random.standard_normal((6, K))
    y = y[:, 0] if K == 1 else np.tile(y[:, :1], (1, K)) if isinstance(loss, Quantiles) else y
    points = np.vstack([X[:2], random.standard_normal((3, 2))])
    base = TrainingProblem(X, y, 0.01 * scale, loss=loss)
    sides = offset + scale * random.standard_normal(2)
    A = random.standard_normal((2, K)) / 3
    constraints = [OutputConstraints(points, A, A.sum(axis=1) * sides)]
    if K > 1:
        constraints.append(ascending(points, K))
    return ConstrainedProblem(base, constraints), random


CASES = [
    (Quantiles((0.2, 0.5, 0.7)), 3, 0.0, 1.0),
    ("squared_error", 2, 1e6, 1.0),
    ("huber", 1, 0.0, 1.0),
    ("quantile", 1, -1e3, 1e6),
]


def test_rows_are_the_distinct_ones_of_samples_and_points_in_their_order():
    X = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, -0.0], [3.0, 1.0]])
    base = TrainingProblem(X, np.arange(8.0).reshape(4, 2), 0.1)
    points = np.array([[5.0, 5.0], [0.0, 2.0], [5.0, 5.0]])
    sets = [ascending(X, 2), OutputConstraints(points, np.eye(2)), ascending(points[:1], 2)]
    problem = ConstrainedProblem(base, sets)
    assert problem.X.tolist() == [[1.0, 0.0], [0.0, 2.0], [3.0, 1.0], [5.0, 5.0]]
    assert problem.samples.tolist() == [0, 1, 0, 2]
    assert problem.rows.tolist() == [0, 1, 0, 2, 3, 3, 1, 1, 3, 3, 3]
    np.testing.assert_array_equal(problem.X[problem.samples], X)


@pytest.mark.parametrize("K", [1, 3])
def test_stacked_points_are_sums_over_samples_and_constraints(K):
    problem, random = instance(0, "squared_error", K)
    v = random.standard_normal(6 * K + len(problem.b))
    V, multipliers = problem.parts(v)
    wanted = np.zeros((len(problem.design), K))
    np.add.at(wanted, problem.samples, np.reshape(V, (-1, K)))
    np.add.at(wanted, problem.rows, -multipliers[:, None] * problem.A)
    found, error = problem.stacked(v)
    np.testing.assert_array_equal(np.reshape(found, (-1, K)), wanted)
    assert error > 0


@pytest.mark.parametrize("loss, K, offset, scale", CASES)
def test_the_dual_point_zero_has_the_bound_that_losses_are_not_negative(loss, K, offset, scale):
    problem, _ = instance(0, loss, K, offset, scale)
    assert problem.lower_bound(problem.no_point(), np.inf) == 0.0


@pytest.mark.parametrize("loss, K, offset, scale", CASES)
@pytest.mark.parametrize("fraction", [0.01, 100.0])
def test_dual_points_are_feasible_in_exact_arithmetic(loss, K, offset, scale, fraction):
    problem, random = instance(0, loss, K, offset, scale)
    base = problem.base
    V = fraction * random.standard_normal(base.no_outputs().shape)
    multipliers = fraction * random.standard_normal(len(problem.b))
    V, multipliers = problem.parts(problem.point(V, multipliers))
    assert (multipliers >= 0).all()
    z = -np.reshape(V, (-1, K)) / base.weights[:, None]
    low, high = (np.reshape(end, (-1, K)) for end in base.loss.domain(base.y))
    assert ((low <= z) & (z <= high)).all()
    for k in range(K):
        column = np.reshape(V, (-1, K))[:, k]
        exact = sum(map(Fraction, column.tolist()))
        pairs = zip(multipliers.tolist(), problem.A[:, k].tolist(), strict=True)
        exact -= sum((Fraction(value) * Fraction(a) for value, a in pairs), Fraction(0))
        # Less than a rounding of one entry, for which the dual objective allows.
        assert abs(exact) <= EPS * np.abs(column).max()


def classes(seed, K):
    """Samples of several classes with unequal weights, and constraints on differences of outputs."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((6, 2))
    points = np.vstack([X[:2], random.standard_normal((3, 2))])
    y = np.append(np.arange(K), random.integers(0, K, 6 - K)).astype(float)
    weights = 10.0 ** random.uniform(-3, 0, 6)
    base = TrainingProblem(X, y, 0.01, loss="multinomial", sample_weight=weights)
    falling = -np.sort(random.standard_normal((1, K)))
    A = falling - falling[:, ::-1]  # with a sum that is exactly zero
    constraints = [OutputConstraints(points, A, -0.1), ascending(points, K)]
    return ConstrainedProblem(base, constraints), random


@pytest.mark.parametrize("fraction", [1e-12, 0.01, 1.0, 100.0])
@pytest.mark.parametrize("K", [2, 3, 5])
def test_dual_points_of_classes_are_feasible_in_exact_arithmetic(K, fraction):
    problem, random = classes(K, K)
    base = problem.base
    V = fraction * base.dual_point(10 * random.standard_normal(base.no_outputs().shape))
    multipliers = fraction * np.maximum(random.standard_normal(len(problem.b)), 0.0)
    V, multipliers = problem.parts(problem.point(V, multipliers))
    assert (multipliers >= 0).all()
    assert multipliers.any()
    labels = base.y.astype(int)
    sums = [Fraction(0)] * K
    for row, label, weight in zip(V, labels, base.weights, strict=True):
        others = [Fraction(float(x)) for k, x in enumerate(row) if k != label]
        assert max(others) <= 0
        assert -sum(others) <= Fraction(float(weight))
        # The entry at the label is minus the sum of the others, rounded once.
        assert abs(Fraction(float(row[label])) + sum(others)) <= -sum(others) * Fraction(EPS)
        for k, x in enumerate(row):
            sums[k] += Fraction(float(x)) if k != label else -sum(others)
    left = []
    for k in range(K):
        pairs = zip(multipliers.tolist(), problem.A[:, k].tolist(), strict=True)
        left.append(sums[k] - sum((Fraction(x) * Fraction(a) for x, a in pairs), Fraction(0)))
    assert sum(left) == 0
    for k in range(1, K):  # less than a rounding of what the class exchanges with the first
        exchanged = np.concatenate([V[labels == 0, k], V[labels == k, 0]])
        assert abs(left[k]) <= EPS * np.abs(exchanged).max()


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_bounds_of_classes_are_below_all_networks_that_meet_the_constraints(seed, K):
    problem, random = classes(seed, K)
    base, relaxation = problem.base, RelaxationOracle(problem.design)
    bounds, objectives = [], []
    for _ in range(10):
        size = random.choice([0.1, 1.0, 10.0])
        V = base.dual_point(size * random.standard_normal(base.no_outputs().shape))
        v = problem.point(V, size * np.abs(random.standard_normal(len(problem.b))) / 50)
        bounds.append(problem.lower_bound(v, relaxation(problem.stacked(v)[0]).bound))
        network = problem.repaired(
            TwoLayerNetwork(
                random.standard_normal((4, 2)),
                random.standard_normal(4),
                0.1 * random.standard_normal((K, 4)),
                base.best_intercept(base.no_outputs()),
            )
        )
        assert problem.violation(network) == 0
        objectives.append(problem.objective(network))
    assert 0 < max(bounds) <= min(objectives)


@pytest.mark.parametrize("loss, K, offset, scale", CASES)
def test_bounds_are_below_all_networks_that_meet_the_constraints(loss, K, offset, scale):
    problem, random = instance(1, loss, K, offset, scale)
    relaxation = RelaxationOracle(problem.design)
    bounds, objectives = [], []
    for _ in range(20):
        size = random.choice([0.01, 1.0, 100.0])
        V = size * problem.base.dual_point(
            scale * random.standard_normal(problem.base.no_outputs().shape)
        )
        v = problem.point(V, size * np.abs(random.standard_normal(len(problem.b))) / 50)
        bounds.append(problem.lower_bound(v, relaxation(problem.stacked(v)[0]).bound))
        network = TwoLayerNetwork(
            random.standard_normal((4, 2)),
            random.standard_normal(4),
            0.1 * scale * random.standard_normal((K, 4)),
            np.atleast_1d(problem.base.best_intercept(problem.base.no_outputs())),
        )
        network = problem.repaired(network)
        if problem.violation(network) == 0:
            objectives.append(problem.objective(network))
    assert max(bounds) > 0
    assert objectives
    assert max(bounds) <= min(objectives)


def test_repair_meets_the_constraints_exactly():
    X = np.linspace(-1, 1, 5)[:, None]
    base = TrainingProblem(X, np.zeros((5, 3)), 0.1)
    problem = ConstrainedProblem(base, [ascending(X, 3)])
    crossing = TwoLayerNetwork([[1.0]], [0.0], [[1.0], [0.0], [-1.0]], [0.0, 0.0, 0.0])
    assert problem.violation(crossing) >= 1
    repaired = problem.repaired(crossing)
    assert problem.violation(repaired) == 0
    assert (np.diff(repaired.predict(X)) >= 0).all()
    # Rows that no shift lowers together are left as they are.
    both = ConstrainedProblem(base, [ascending(X, 3), OutputConstraints(X, [[-1.0, 0, 1.0]])])
    assert both.repaired(crossing) is crossing


@pytest.mark.parametrize(
    "options, message",
    [
        ({"A": [[1.0, 0.0]]}, "A with 2 columns"),
        ({"points": [[1.0, 2.0]]}, "points with 2 features"),
        ({"A": [[0.0]]}, "A has a row of zeros"),
        ({"b": [1.0, 2.0]}, r"b has shape \(2,\)"),
        ({"points": [[np.nan]]}, "points"),
    ],
)
def test_constraints_that_do_not_fit_are_named(options, message):
    base = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.1)
    given = {"points": [[0.5]], "A": [[1.0]]} | options
    with pytest.raises(ValueError, match=message):
        ConstrainedProblem(base, [OutputConstraints(**given)])


@pytest.mark.parametrize("given", [None, 3, [], [3]])
def test_what_is_no_constraint_is_named(given):
    base = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.1)
    with pytest.raises(ValueError, match="constraints is"):
        ConstrainedProblem(base, given)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"activation": "absolute_value"}, "activation='absolute_value'"),
        ({"hidden_bias": "free"}, "hidden_bias='free'"),
        ({"skip": True}, "skip=True"),
    ],
)
def test_problems_that_are_not_supported_are_named(options, message):
    base = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.1, **options)
    with pytest.raises(ValueError, match=message):
        ConstrainedProblem(base, [OutputConstraints([[0.5]], [[1.0]])])


class Other(Loss):
    """A loss that couples outputs."""

    name = "other"
    couples_outputs = True
    checked_targets, n_outputs = Multinomial.checked_targets, Multinomial.n_outputs
    value, gradient, curvature = Multinomial.value, Multinomial.gradient, Multinomial.curvature
    conjugate, conjugate_error = Multinomial.conjugate, Multinomial.conjugate_error
    best_intercept, dual_point = Multinomial.best_intercept, Multinomial.dual_point


def test_losses_that_couple_outputs_are_named():
    constraints = OutputConstraints([[0.5]], [[1.0, -1.0]])
    base = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.1, loss=Other())
    with pytest.raises(ValueError, match=r"loss='other'.*use 'multinomial'"):
        ConstrainedProblem(base, constraints)


def test_a_class_alone_is_constrained_only_where_no_constant_is_free():
    X, y, alone = [[0.0], [1.0]], [0.0, 1.0], OutputConstraints([[0.5]], [[1.0, 0.0]])
    free = TrainingProblem(X, y, 0.1, loss="multinomial")
    with pytest.raises(ValueError, match=r"A has a row with the sum 1; .* differences"):
        ConstrainedProblem(free, alone)
    fixed = TrainingProblem(X, y, 0.1, loss="multinomial", fit_intercept=False)
    assert ConstrainedProblem(fixed, alone).n_outputs == 2


def test_sums_of_multipliers_are_exact():
    """Whatever the entries of ``A`` are, and however many of them are distinct or zero."""
    rng = np.random.default_rng(0)
    base = TrainingProblem(
        [[0.0], [1.0]], [[0.0, 1.0], [1.0, 0.0]], 0.1, loss=Quantiles((0.2, 0.8))
    )
    A = np.vstack([rng.standard_normal((5, 2)), [[1.0, -1.0], [1.0, -1.0], [0.0, 1e-300]]])
    problem = ConstrainedProblem(base, OutputConstraints([[0.0], [3.0]], A))
    multipliers = np.append(10 ** rng.uniform(-30, 3, len(problem.A) - 1), 0.0)
    pairs = [
        list(zip(multipliers.tolist(), column, strict=True)) for column in problem.A.T.tolist()
    ]
    expected = [sum(Fraction(a) * Fraction(b) for a, b in column) for column in pairs]
    assert exact_products(multipliers, problem.A) == expected
    assert exact_products(np.zeros(len(multipliers)), problem.A) == [0, 0]


def test_programs_that_cannot_be_prepared_in_time_are_not_begun():
    base = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 0.1)
    problem = ConstrainedProblem(base, OutputConstraints([[1.0]], [[1.0]], 0.5))
    columns = with_outer_weights(problem, np.array([[1.0, 0.0]]))
    assert solve(problem, columns, 1e-9).status is Status.TIME_LIMIT
    assert solve(problem, columns, 60.0).status is Status.CONVERGED
