import cvxpy as cp
import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.geometry import RectifiedEllipsoid
from convexrelu.oracles import SweepOracle, spike_free_margin

RNG = np.random.default_rng(0)
PLANE = RNG.standard_normal((9, 2))
SPACE = RNG.standard_normal((9, 3))
DEGENERATE = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [-2.0, -4.0], [0.5, -1.0]])
CIRCLE = np.linspace(0, 2 * np.pi, 100_001)
CIRCLE = np.column_stack([np.cos(CIRCLE), np.sin(CIRCLE)])
STEP = 2 * np.pi / 100_000


def lipschitz(design, v):
    return np.abs(v) @ np.linalg.norm(design, axis=1)


def assert_consistent(design, v, farthest):
    """The point is that of the direction, the value that of the point, and bounds are in order."""
    u = farthest.direction
    assert np.linalg.norm(u) == pytest.approx(1.0, rel=1e-9) or not u.any()
    assert farthest.point == pytest.approx(farthest.sign * np.maximum(design @ u, 0), abs=1e-12)
    assert farthest.value == pytest.approx(v @ farthest.point, abs=1e-12)
    outputs = design @ u
    decided = np.abs(outputs) > 1e-12  # on a kink, rounding decides
    assert np.array_equal(farthest.pattern[decided], outputs[decided] >= 0)
    assert 0 <= farthest.value <= farthest.bound


@pytest.mark.parametrize("X", [PLANE, DEGENERATE, PLANE[:1]])
@pytest.mark.parametrize("seed", range(5))
def test_support_is_the_maximum_over_the_circle(X, seed):
    v = np.random.default_rng(seed).standard_normal(len(X))
    values = np.maximum(CIRCLE @ X.T, 0) @ v
    farthest = RectifiedEllipsoid(X).support(v)
    assert_consistent(X, v, farthest)
    assert farthest.is_proof and farthest.sign == 1
    slack = lipschitz(X, v) * STEP
    assert max(values.max(), 0) - 1e-12 <= farthest.value <= max(values.max(), 0) + slack
    assert farthest.bound == pytest.approx(farthest.value, abs=1e-9)


@pytest.mark.parametrize("hidden_bias", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_support_in_three_dimensions(hidden_bias, seed):
    X = PLANE if hidden_bias else SPACE
    design = np.column_stack([X, np.ones(len(X))]) if hidden_bias else X
    rng = np.random.default_rng(seed)
    v, u = rng.standard_normal(len(X)), rng.standard_normal((200_000, 3))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    ellipsoid = RectifiedEllipsoid(X, hidden_bias=hidden_bias)
    farthest = ellipsoid.support(v)
    assert_consistent(design, v, farthest)
    sampled = (np.maximum(u @ design.T, 0) @ v).max()
    assert farthest.is_proof and ellipsoid.rank == 3
    assert sampled <= farthest.value <= sampled + 0.02 * lipschitz(design, v)


def test_support_is_of_one_sign():
    """The negative side of this direction is the longer one, and does not count."""
    v = np.array([1.0, -5.0])
    ellipsoid = RectifiedEllipsoid(np.eye(2))
    assert ellipsoid.support(v).value == pytest.approx(1.0, rel=1e-9)
    assert ellipsoid.support(-v).value == pytest.approx(5.0, rel=1e-9)
    both = ellipsoid.symmetric_support(v)
    assert (both.value, both.sign) == (pytest.approx(5.0, rel=1e-9), -1.0)
    assert both.point == pytest.approx([0, -1], abs=1e-9)


@pytest.mark.parametrize(
    "X", [PLANE, np.zeros((3, 2)), np.random.default_rng(1).normal(size=(60, 9))]
)
def test_zero_is_the_farthest_point_where_nothing_is_positive(X):
    v = -np.arange(float(len(X)))
    farthest = RectifiedEllipsoid(X).support(v)
    assert (farthest.value, farthest.is_proof) == (0.0, True)
    assert not farthest.direction.any() and not farthest.point.any()
    assert farthest.bound <= 1e-9 * max(lipschitz(X, v), 1)


@pytest.mark.parametrize("X", [PLANE, SPACE, RNG.standard_normal((10, 6)), DEGENERATE])
@pytest.mark.parametrize("seed", range(3))
def test_symmetric_support_is_that_of_the_larger_side(X, seed):
    v = np.random.default_rng(seed).standard_normal(len(X))
    ellipsoid = RectifiedEllipsoid(X)
    both = ellipsoid.symmetric_support(v)
    sides = {1.0: ellipsoid.support(v), -1.0: ellipsoid.support(-v)}
    assert_consistent(X, v, both)
    assert both.is_proof
    assert both.value == pytest.approx(max(side.value for side in sides.values()), rel=1e-9)
    assert both.value == pytest.approx(sides[both.sign].value, rel=1e-9)


def test_many_cells_are_proved_on_the_larger_side_only():
    rng = np.random.default_rng(20)
    X = rng.standard_normal((150, 3))
    v = np.append(rng.uniform(1, 2, size=75), -rng.uniform(0.5, 2, size=75))
    ellipsoid = RectifiedEllipsoid(X)
    larger, smaller = ellipsoid.support(v), ellipsoid.support(-v)
    assert_consistent(X, v, larger)
    assert_consistent(X, -v, smaller)
    assert larger.is_proof and larger.value > smaller.value > 0
    assert larger.value == pytest.approx(SweepOracle(X)(v).bound, rel=1e-9)
    assert not smaller.is_proof and smaller.bound > 1.001 * smaller.value


def test_spike_free_data_are_proved_at_any_rank():
    """Orthogonal rows: ``relu`` keeps the ellipsoid, and the support is ``‖(Kv)₊‖``."""
    rng = np.random.default_rng(21)
    lengths, v = rng.uniform(0.5, 2, size=20), rng.standard_normal(20)
    X = lengths[:, None] * np.linalg.qr(rng.standard_normal((30, 20)))[0].T
    ellipsoid = RectifiedEllipsoid(X)
    positive, negative = (np.linalg.norm(np.maximum(s * lengths * v, 0)) for s in (1, -1))
    for side, expected in ((v, positive), (-v, negative)):
        farthest = ellipsoid.support(side)
        assert_consistent(X, side, farthest)
        assert farthest.is_proof and farthest.value == pytest.approx(expected, rel=1e-9)
    both = ellipsoid.symmetric_support(v)
    assert_consistent(X, v, both)
    assert both.is_proof and both.value == pytest.approx(max(positive, negative), rel=1e-9)


def test_searched_support_is_an_estimate_between_bounds():
    rng = np.random.default_rng(22)
    X, v = rng.standard_normal((40, 14)), rng.standard_normal(40)
    farthest = RectifiedEllipsoid(X).support(v)
    u = rng.standard_normal((100_000, 14))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    assert_consistent(X, v, farthest)
    assert not farthest.is_proof
    assert (np.maximum(u @ X.T, 0) @ v).max() < farthest.value < farthest.bound


def test_extreme_points_maximise():
    rng = np.random.default_rng(23)
    rows = rng.standard_normal((20, len(PLANE)))
    points = np.array([p.point for p in RectifiedEllipsoid(PLANE).extreme_points(rows)])
    values = rows @ points.T
    assert values.diagonal() == pytest.approx(values.max(axis=1), abs=1e-12)
    assert len(np.unique(points.round(9), axis=0)) > 10


@pytest.mark.parametrize("X", [PLANE, SPACE])
def test_polar(X):
    v = np.random.default_rng(5).standard_normal(len(X))
    ellipsoid = RectifiedEllipsoid(X)
    radius = ellipsoid.polar_radius(v)
    assert radius.is_proof and radius.lower <= radius.upper
    assert radius.lower == pytest.approx(1 / SweepOracle(X)(v).values[0], rel=1e-9)
    assert ellipsoid.polar_contains(radius.lower * (1 - 1e-9) * v) is True
    assert ellipsoid.polar_contains(radius.upper * (1 + 1e-9) * v) is False
    assert ellipsoid.polar_contains(radius.upper * v) in (None, True)


def test_polar_of_high_rank_knows_what_it_does_not_know():
    rng = np.random.default_rng(24)
    X, v = rng.standard_normal((40, 14)), rng.standard_normal(40)
    ellipsoid = RectifiedEllipsoid(X)
    radius = ellipsoid.polar_radius(v)
    assert not radius.is_proof and 0 < radius.lower < radius.upper
    assert ellipsoid.polar_contains(0.999 * radius.lower * v) is True
    assert ellipsoid.polar_contains(1.001 * radius.upper * v) is False
    assert ellipsoid.polar_contains(0.5 * (radius.lower + radius.upper) * v) is None


def test_polar_is_unbounded_where_no_sample_is_seen():
    radius = RectifiedEllipsoid(np.zeros((2, 1))).polar_radius(np.array([1.0, -1.0]))
    assert (radius.lower, radius.upper, radius.is_proof) == (np.inf, np.inf, True)


def test_polar_is_the_dual_feasible_set():
    """The dual optimum of training touches the boundary of alpha times the polar."""
    y = np.random.default_rng(3).standard_normal(len(PLANE))
    problem = TrainingProblem(PLANE, y, 0.02, hidden_bias=False, fit_intercept=False)
    result = train(problem, tol=1e-9, random_state=0)
    v = problem.dual_point(result.network.predict(PLANE))
    radius = RectifiedEllipsoid(PLANE).polar_radius(v)
    assert result.network.width > 0
    assert problem.alpha * radius.upper == pytest.approx(1.0, rel=1e-5)
    alpha_max = 1 / RectifiedEllipsoid(PLANE).polar_radius(y / len(y)).lower
    for factor, width in ((1.001, 0), (0.999, 1)):
        assert train(problem.with_alpha(factor * alpha_max), tol=1e-9).network.width == width


@pytest.mark.parametrize("seed", range(8))
def test_gauge_is_the_quadratic_program(seed):
    rng = np.random.default_rng(seed)
    X, z = rng.standard_normal((5, 6)), np.maximum(rng.standard_normal(5), 0)
    u = cp.Variable(6)
    constraints = [X[z > 0] @ u == z[z > 0], X[z == 0] @ u <= 0]
    length = cp.Problem(cp.Minimize(cp.norm(u)), constraints).solve("CLARABEL")
    gauge, found = RectifiedEllipsoid(X).gauge(z)
    assert gauge == pytest.approx(length, rel=1e-6)
    assert np.linalg.norm(found) == pytest.approx(gauge, rel=1e-12)
    assert np.maximum(X @ found, 0) == pytest.approx(z, abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_gauge_of_an_image_and_support_are_dual(seed):
    rng = np.random.default_rng(seed)
    u = rng.standard_normal(2)
    z = np.maximum(PLANE @ u, 0)
    ellipsoid = RectifiedEllipsoid(PLANE)
    gauge, _ = ellipsoid.gauge(z)
    assert gauge <= np.linalg.norm(u) * (1 + 1e-8)
    v = rng.standard_normal(len(PLANE))
    assert v @ z <= gauge * ellipsoid.support(v).value + 1e-8


def test_gauge_is_infinite_where_no_neuron_does_it():
    X = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    ellipsoid = RectifiedEllipsoid(X)
    assert ellipsoid.gauge(np.array([1.0, 2.0, 0.0])) == (np.inf, None)
    assert ellipsoid.gauge(np.array([1.0, 1.0, 1.0])) == (np.inf, None)
    assert ellipsoid.gauge(np.array([2.0, 2.0, 0.0]))[0] == pytest.approx(2.0, rel=1e-9)
    gauge, u = ellipsoid.gauge(np.zeros(3))
    assert gauge == 0 and not u.any()


@pytest.mark.parametrize(
    ("X", "hidden_bias"), [(PLANE, False), (SPACE, False), (PLANE, True), (SPACE[:, :1], True)]
)
def test_boundary(X, hidden_bias):
    ellipsoid = RectifiedEllipsoid(X, hidden_bias=hidden_bias)
    points, directions = ellipsoid.boundary(1000)
    assert points.shape == (1000, len(X))
    assert np.linalg.norm(directions, axis=1) == pytest.approx(np.ones(1000), rel=1e-12)
    assert np.array_equal(points, np.maximum(directions @ ellipsoid.design.T, 0))
    # Evenly spread: as many on any side.
    assert np.abs(directions.mean(axis=0)).max() < 0.01
    second_moments = directions.T @ directions / 1000
    assert second_moments == pytest.approx(np.eye(ellipsoid.rank) / ellipsoid.rank, abs=0.01)


def test_boundary_of_wide_data_stays_in_the_row_space():
    rng = np.random.default_rng(25)
    X = rng.standard_normal((2, 5))
    _, directions = RectifiedEllipsoid(X).boundary(7)
    outside = directions - directions @ np.linalg.pinv(X) @ X
    assert np.abs(outside).max() < 1e-12


@pytest.mark.parametrize("X", [PLANE[:, :1], RNG.standard_normal((6, 4))])
def test_boundary_at_other_ranks(X):
    with pytest.raises(ValueError, match="X has rank"):
        RectifiedEllipsoid(X).boundary(10)


@pytest.mark.parametrize("X", [np.eye(3), np.array([[1.0, 0.0], [-0.6, 0.8]])])
def test_spike_free(X):
    expected, found = spike_free_margin(X), RectifiedEllipsoid(X).spike_free()
    assert found.is_spike_free == expected.is_spike_free
    assert found.largest == expected.largest


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: RectifiedEllipsoid(np.zeros(3)), "X"),
        (lambda: RectifiedEllipsoid(3.0), "X"),
        (lambda: RectifiedEllipsoid([[1.0], [np.nan]]), "X"),
        (lambda: RectifiedEllipsoid(PLANE, hidden_bias="free"), "hidden_bias"),
        (lambda: RectifiedEllipsoid(PLANE).support(np.zeros(3)), "v"),
        (lambda: RectifiedEllipsoid(PLANE).support("abc"), "v"),
        (lambda: RectifiedEllipsoid(PLANE).symmetric_support(np.zeros((9, 1))), "v"),
        (lambda: RectifiedEllipsoid(PLANE).extreme_points(np.zeros(9)), "directions"),
        (lambda: RectifiedEllipsoid(PLANE).polar_radius(np.full(9, np.inf)), "v"),
        (lambda: RectifiedEllipsoid(PLANE).gauge(np.zeros(3)), "z"),
        (lambda: RectifiedEllipsoid(PLANE).gauge(np.full(9, -1.0)), "z"),
        (lambda: RectifiedEllipsoid(PLANE).boundary(0), "n_points"),
        (lambda: RectifiedEllipsoid(PLANE).boundary(1.5), "n_points"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        call()
