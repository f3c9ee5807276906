"""Networks as splines and back, against plain NumPy, linear programs and all choices of sides."""

from itertools import product

import numpy as np
import pytest
from scipy.interpolate import BSpline, CubicSpline, PPoly, make_interp_spline
from scipy.optimize import linprog

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.univariate import from_spline, knots, to_spline
from tests import reference

SLOPES = 0.0, 0.1, -1.0, 1.0, -0.4


def random_network(m, n_outputs=1, seed=0, **options):
    rng = np.random.default_rng(seed)
    shapes = (m, 1), m, (n_outputs, m), n_outputs
    return TwoLayerNetwork(*(rng.standard_normal(shape) for shape in shapes), **options)


def points(breakpoints, seed=0):
    """Within the range of the knots, at them, and far outside."""
    rng = np.random.default_rng(seed)
    low, high = breakpoints[0], breakpoints[-1]
    near, far = rng.uniform(low, high, 300), rng.standard_cauchy(300) * 100 * (high - low)
    return np.concatenate([breakpoints, near, far, [0.0]])


def sizes_of_terms(network, x):
    """Sum of the absolute values of what an output is the sum of: the unit of its rounding errors, (n, K)."""
    w, b = network.hidden_weights[:, 0], network.hidden_bias
    seen = np.abs(np.outer(x, w)) + np.abs(b)
    skip = 0.0 if network.skip_weights is None else np.abs(np.outer(x, network.skip_weights[:, 0]))
    return seen @ np.abs(network.output_weights).T + np.abs(network.output_bias) + skip


def assert_same_function(spline, network, x, others=()):
    """Errors of a spline are those at `x` and at the breakpoint from which it is extrapolated to `x`."""
    starts = spline.x[np.searchsorted(spline.x[:-1], x, side="right").clip(1) - 1]
    sizes = sum(sizes_of_terms(net, at) for net in (network, *others) for at in (x, starts))
    errors = np.abs(spline(x).reshape(len(x), -1) - network.forward(x[:, None]))
    assert (errors <= 1e-15 * sizes).all()


def assert_same_outputs(network, other, x):
    sizes = sizes_of_terms(network, x)
    errors = np.abs(network.forward(x[:, None]) - other.forward(x[:, None]))
    assert (errors <= 1e-14 * sizes).all()


def linear_spline(positions, slopes, value=0.0):
    """From knots and slopes of pieces, one more; `value` at the first breakpoint."""
    positions, slopes = np.asarray(positions, dtype=float), np.asarray(slopes, dtype=float)
    x = np.concatenate([[positions[0] - 1], positions, [positions[-1] + 1]])
    rises = slopes * np.diff(x).reshape(-1, *[1] * (slopes.ndim - 1))
    values = value + np.concatenate([0 * slopes[:1], np.cumsum(rises, axis=0)[:-1]])
    return PPoly(np.stack([slopes, values]), x)


def random_spline(k, seed, n_outputs=None):
    rng = np.random.default_rng(seed)
    positions = np.sort(rng.standard_normal(k)) * 3
    shape = (k + 1,) if n_outputs is None else (k + 1, n_outputs)
    return linear_spline(positions, rng.standard_normal(shape), rng.standard_normal())


def smallest_cost(spline, extra=()):
    """By a linear program over neurons of both sides at knots and extra places."""
    slopes, jumps = spline.c[0], np.diff(spline.c[0])
    jumps = np.append(jumps, np.zeros(len(extra)))
    k = len(jumps)
    same_jump = np.hstack([np.eye(k), np.eye(k)])
    on_the_right = np.append(np.ones(k), np.zeros(k))
    A = np.vstack([same_jump, on_the_right])
    answer = linprog(
        np.ones(4 * k), A_eq=np.hstack([A, -A]), b_eq=np.append(jumps, slopes[-1]), bounds=(0, None)
    )
    assert answer.status == 0
    return answer.fun


def fewest_neurons(jumps, left, cost):
    """At the smallest cost, by trying every choice of sides: one neuron a knot, if that is possible."""
    for sides in product([0, 1], repeat=len(jumps)):
        if abs(np.dot(sides, jumps) + left) < 1e-12 * cost:
            return len(jumps)
    return len(jumps) + 1


class TestKnots:
    def test_positions_and_jumps(self):
        net = TwoLayerNetwork([[2.0], [-4.0], [0.5]], [2.0, 8.0, 0.0], [[3.0, 0.5, -1.0]], [7.0])
        found = knots(net)
        np.testing.assert_array_equal(found.positions, [-1, 0, 2])
        np.testing.assert_array_equal(found.jumps, [6, -0.5, 2])

    @pytest.mark.parametrize("slope", SLOPES)
    @pytest.mark.parametrize("n_outputs", [1, 3])
    def test_jumps_are_differences_of_slopes(self, slope, n_outputs):
        net = random_network(9, n_outputs, negative_slope=slope)
        positions = np.sort(-net.hidden_bias / net.hidden_weights[:, 0])
        h = np.diff(positions).min() / 3
        left, at, right = (net.forward((positions + t)[:, None]) for t in (-h, 0, h))
        found = knots(net)
        if slope == 1.0:
            assert found.positions.shape == (0,)
            assert found.jumps.shape == ((0,) if n_outputs == 1 else (0, 3))
            return
        np.testing.assert_allclose(found.positions, positions, rtol=1e-15)
        jumps = (left + right - 2 * at) / h
        expected = jumps[:, 0] if n_outputs == 1 else jumps
        np.testing.assert_allclose(found.jumps, expected, rtol=0, atol=1e-10)

    def test_neurons_with_one_knot_are_one(self):
        """However their weights are scaled: −b/w then differs by rounding."""
        scales = np.random.default_rng(0).uniform(0.01, 100, 50) * np.tile([1, -1], 25)
        net = TwoLayerNetwork(scales[:, None], -0.1 * scales, [np.ones(50) / np.abs(scales)], [0.0])
        assert len(np.unique(-net.hidden_bias / scales)) > 1
        found = knots(net)
        np.testing.assert_allclose(found.positions, [0.1], rtol=1e-15)
        np.testing.assert_allclose(found.jumps, [50], rtol=1e-14)

    def test_knots_a_little_apart_are_two(self):
        net = TwoLayerNetwork([[1.0], [1.0]], [-1.0, -1.0 - 1e-14], [[1.0, 1.0]], [0.0])
        assert len(knots(net).positions) == 2

    def test_dead_neurons_and_cancelled_jumps_are_none(self):
        net = TwoLayerNetwork(
            [[0.0], [1.0], [-3.0], [1.0], [1.0]],
            [5.0, -1.0, 3.0, 0.0, -9.0],
            [[1.0, 0.3, -0.1, 2.0, 0.0]],
            [0.0],
        )
        found = knots(net)
        np.testing.assert_array_equal(found.positions, [0.0])
        np.testing.assert_array_equal(found.jumps, [2.0])

    def test_a_knot_of_one_output_is_one_of_all(self):
        net = TwoLayerNetwork([[1.0], [-1.0]], [0.0, 0.0], [[1.0, -1.0], [1.0, 1.0]], [0.0, 0.0])
        np.testing.assert_array_equal(knots(net).jumps, [[0.0, 2.0]])

    @pytest.mark.parametrize("function", [knots, to_spline])
    def test_bad_networks(self, function):
        with pytest.raises(ValueError, match="network takes 2 features, expected 1"):
            function(TwoLayerNetwork.constant(2))
        far = TwoLayerNetwork([[1e-300]], [-1e300], [[1.0]], [0.0])
        with pytest.raises(ValueError, match="network has a knot −b/w at inf"):
            function(far)


class TestToSpline:
    @pytest.mark.parametrize("slope", SLOPES)
    @pytest.mark.parametrize("n_outputs", [1, 3])
    @pytest.mark.parametrize("skip", [False, True])
    @pytest.mark.parametrize("m", [0, 1, 30])
    def test_is_the_network(self, slope, n_outputs, skip, m):
        skip_weights = np.arange(1.0, n_outputs + 1)[:, None] if skip else None
        net = random_network(m, n_outputs, negative_slope=slope, skip_weights=skip_weights)
        spline = to_spline(net)
        assert spline.c.shape[:2] == (2, len(knots(net).positions) + 1)
        x = points(spline.x)
        assert spline(x).shape == net.predict(x[:, None]).shape
        assert_same_function(spline, net, x)

    def test_breakpoints_are_the_knots_and_one_beyond_either_end(self):
        net = random_network(12)
        spline = to_spline(net)
        np.testing.assert_array_equal(spline.x[1:-1], knots(net).positions)
        np.testing.assert_allclose(np.diff(spline.c[0]), knots(net).jumps, rtol=0, atol=1e-14)

    def test_dead_neurons_and_shared_knots(self):
        net = TwoLayerNetwork(
            [[0.0], [0.0], [1.0], [-2.0], [3.0]],
            [5.0, -5.0, -1.0, 2.0, 1.0],
            [[1.0, 1.0, 0.3, -0.7, 2.0]],
            [0.25],
            negative_slope=0.1,
        )
        spline = to_spline(net)
        assert len(spline.x) == 4
        assert_same_function(spline, net, points(spline.x))

    def test_outermost_slopes_of_zero_are_zero(self):
        rng = np.random.default_rng(0)
        w, b, a = rng.uniform(0.1, 1, 40), rng.standard_normal(40), rng.standard_normal((1, 40))
        assert to_spline(TwoLayerNetwork(w[:, None], b, a, [0.0])).c[0, 0] == 0
        assert to_spline(TwoLayerNetwork(-w[:, None], b, a, [0.0])).c[0, -1] == 0

    @pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e150])
    def test_units_do_not_matter(self, scale):
        net = random_network(7)
        scaled = TwoLayerNetwork(
            net.hidden_weights / scale, net.hidden_bias, net.output_weights, net.output_bias
        )
        spline = to_spline(scaled)
        x = points(to_spline(net).x) * scale
        assert_same_function(spline, scaled, x)

    def test_knots_far_from_zero(self):
        net = TwoLayerNetwork([[1.0], [1.0]], [-1e8, -1e8 - 1.0], [[1.0, -2.0]], [0.0])
        np.testing.assert_array_equal(
            to_spline(net)(1e8 + np.array([-2.0, 0.5, 3.0])), [0, 0.5, -1.0]
        )

    def test_close_knots_and_one_far_away(self):
        """The last breakpoint is beyond the far knot, whose rounding is larger than the distance of the others."""
        beta = np.array([0.0, 1e-9, 2e-9, 3e-9, 1e10])
        net = TwoLayerNetwork(np.ones((5, 1)), -beta, [[1.0, -2.0, 3.0, -1.0, 1.0]], [0.0])
        spline = to_spline(net)
        assert (np.diff(spline.x) > 0).all()
        assert_same_function(spline, net, np.append(spline.x, [-1.0, 5e9, 1e11]))


class TestFromSpline:
    @pytest.mark.parametrize("k", [1, 2, 3, 7, 40])
    @pytest.mark.parametrize("seed", range(5))
    def test_smallest_penalty(self, k, seed):
        spline = random_spline(k, seed)
        net = from_spline(spline)
        slopes = spline.c[0]
        closed_form = max(np.abs(np.diff(slopes)).sum(), abs(slopes[0] + slopes[-1]))
        assert net.penalty(free_bias=True) == pytest.approx(closed_form, rel=1e-13)
        extra = np.random.default_rng(seed).standard_normal(5)
        assert smallest_cost(spline, extra) == pytest.approx(closed_form, rel=1e-7)
        assert net.width <= k + 1
        np.testing.assert_allclose(
            np.abs(net.hidden_weights[:, 0]), np.abs(net.output_weights[0]), rtol=1e-14
        )
        x = points(spline.x)
        assert_same_function(spline, net, x)

    def test_both_cases_of_the_penalty_occur(self):
        steep = [abs(s.c[0, 0] + s.c[0, -1]) > np.abs(np.diff(s.c[0])).sum() for s in
                 (random_spline(1, seed) for seed in range(5))]  # fmt: skip
        assert 0 < sum(steep) < 5

    @pytest.mark.parametrize("seed", range(30))
    def test_fewest_neurons(self, seed):
        """Small integers, of which some sums vanish and some do not."""
        rng = np.random.default_rng(seed)
        jumps = rng.integers(1, 6, 4) * rng.choice([-1.0, 1.0], 4)
        left = float(rng.integers(-6, 7))
        spline = linear_spline([-3, -1, 0, 2], left + np.append(0, np.cumsum(jumps)))
        net = from_spline(spline)
        cost = max(np.abs(jumps).sum(), abs(2 * left + jumps.sum()))
        assert net.penalty(free_bias=True) == pytest.approx(cost, rel=1e-13)
        assert net.width == fewest_neurons(jumps, left, cost)

    @pytest.mark.parametrize("m", [1, 2, 10, 32])
    def test_width_of_one_neuron_a_knot(self, m):
        """All choices of sides have the smallest penalty, and the fewest neurons."""
        net = random_network(m, seed=m)
        again = from_spline(to_spline(net))
        assert again.width == m
        assert again.penalty(free_bias=True) == pytest.approx(
            net.balance(free_bias=True).penalty(free_bias=True), rel=1e-13
        )

    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_many_neurons_that_face_one_side(self, side):
        net = random_network(200)
        net = TwoLayerNetwork(
            side * np.abs(net.hidden_weights),
            net.hidden_bias,
            net.output_weights,
            net.output_bias,
        )
        again = from_spline(to_spline(net))
        assert again.width == 200
        np.testing.assert_array_equal(np.sign(again.hidden_weights), side)

    @pytest.mark.parametrize("m", [3, 31, 100])
    @pytest.mark.parametrize("seed", range(3))
    def test_never_costs_more(self, m, seed):
        """Networks with several neurons at a knot, of both sides."""
        rng = np.random.default_rng(seed)
        w = rng.standard_normal((m, 1))
        b = -w[:, 0] * rng.integers(-9, 10, m)
        net = TwoLayerNetwork(w, b, rng.standard_normal((1, m)), [1.0])
        spline = to_spline(net)
        again = from_spline(spline)
        x = points(spline.x)
        assert_same_function(spline, net, x)
        assert_same_outputs(net, again, x)
        before = net.merge(free_bias=True).penalty(free_bias=True)
        assert again.penalty(free_bias=True) <= before * (1 + 1e-13)
        assert again.width <= len(knots(net).positions) + 1

    @pytest.mark.parametrize("slope", [2.5, -1.0])
    def test_a_line_costs_twice_its_slope(self, slope):
        net = from_spline(PPoly([[slope], [3.0]], [1.0, 2.0]))
        assert (net.width, net.penalty(free_bias=True)) == (2, pytest.approx(2 * abs(slope)))
        x = np.array([-5.0, 0.0, 1.0, 9.0])
        np.testing.assert_allclose(net.predict(x[:, None]), 3 + slope * (x - 1), rtol=1e-14)

    def test_a_constant_takes_no_neuron(self):
        for spline in (PPoly([[0.0], [3.0]], [0.0, 1.0]), PPoly([[3.0, 3.0]], [0.0, 1.0, 2.0])):
            net = from_spline(spline)
            assert net.width == 0
            np.testing.assert_array_equal(net.predict([[-7.0], [7.0]]), [3, 3])

    def test_breakpoints_without_a_jump_cost_nothing(self):
        x = np.linspace(-1, 1, 21)
        spline = PPoly.from_spline(make_interp_spline(x, np.abs(x), k=1))
        net = from_spline(spline)
        assert net.penalty(free_bias=True) == pytest.approx(2.0)
        assert_same_function(spline, net, points(x))

    @pytest.mark.parametrize("n_outputs", [1, 2])
    @pytest.mark.parametrize("k", [1, 5, 20])
    def test_spline_to_spline(self, k, n_outputs):
        spline = random_spline(k, 3, n_outputs)
        again = to_spline(from_spline(spline))
        np.testing.assert_allclose(again.x[1:-1], spline.x[1:-1], rtol=1e-15)
        slopes = again.c[0].reshape(k + 1, n_outputs)
        np.testing.assert_allclose(slopes, spline.c[0], rtol=0, atol=1e-14)

    @pytest.mark.parametrize("k", [1, 4, 30])
    @pytest.mark.parametrize("seed", range(3))
    def test_several_outputs(self, k, seed):
        spline = random_spline(k, seed, 3)
        net = from_spline(spline)
        x = points(spline.x)
        assert_same_function(spline, net, x)
        assert net.width <= k + 1
        slopes = spline.c[0]
        total = np.linalg.norm(np.diff(slopes, axis=0), axis=1).sum()
        l, r = slopes[0], slopes[-1]
        least = max(total, np.linalg.norm(l + r))
        most = total + 2 * min(np.linalg.norm(l), np.linalg.norm(r))
        assert least * (1 - 1e-13) <= net.penalty(free_bias=True) <= most * (1 + 1e-13)
        inner, outer = np.abs(net.hidden_weights[:, 0]), np.linalg.norm(net.output_weights, axis=0)
        np.testing.assert_allclose(inner, outer, rtol=1e-14)

    @pytest.mark.parametrize("seed", range(6))
    def test_several_outputs_turn_at_the_cheapest_knot(self, seed):
        spline = random_spline(6, seed, 2)
        slopes, norm = spline.c[0], np.linalg.norm
        jumps, l, r = np.diff(slopes, axis=0), slopes[0], slopes[-1]
        total = norm(jumps, axis=1).sum()
        rest = -l if norm(l) <= norm(r) else r
        costs = [total - norm(jump) + norm(jump - rest) + norm(rest) for jump in jumps]
        assert from_spline(spline).penalty(free_bias=True) == pytest.approx(min(costs), rel=1e-13)

    def test_several_outputs_one_sided(self):
        """Where no output has a slope on the left, all neurons face right at no extra cost."""
        jumps = np.array([[1.0, 2.0], [-3.0, 0.5], [0.5, -1.0]])
        spline = linear_spline([0, 1, 2], np.vstack([np.zeros(2), np.cumsum(jumps, axis=0)]))
        net = from_spline(spline)
        assert net.width == 3
        assert net.penalty(free_bias=True) == pytest.approx(np.linalg.norm(jumps, axis=1).sum())

    @pytest.mark.parametrize("slope", SLOPES)
    @pytest.mark.parametrize("n_outputs", [1, 2])
    def test_round_trip_of_other_networks(self, slope, n_outputs):
        """Leaky units and skip connections become ReLU units."""
        skip = np.full((n_outputs, 1), 0.7)
        net = random_network(15, n_outputs, negative_slope=slope, skip_weights=skip)
        spline = to_spline(net)
        again = from_spline(spline)
        assert again.negative_slope == 0 and again.skip_weights is None
        assert_same_outputs(net, again, points(spline.x))

    @pytest.mark.parametrize("seed", range(40))
    def test_round_trip(self, seed):
        """Relative to the largest output among most of the knots, even where some knot is far away."""
        net = random_network(1 + seed, seed=seed)
        again = from_spline(to_spline(net))
        x = np.linspace(-4, 4, 401)[:, None]
        scale = np.abs(net.predict(x)).max()
        np.testing.assert_allclose(again.predict(x), net.predict(x), rtol=0, atol=1e-14 * scale)
        assert_same_outputs(net, again, points(to_spline(net).x))

    def test_trained_network(self):
        """The spline of an optimum costs as much as the network, within the gap that is proved."""
        X, y = reference.teacher(15, 1, 3, 0.1, 0)
        problem = TrainingProblem(X, y, 1e-2, hidden_bias="free")
        result = train(problem, tol=1e-5, random_state=0)
        again = problem.objective(from_spline(to_spline(result.network)))
        assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-5
        assert again <= problem.objective(result.network) * (1 + 1e-12)
        assert again >= result.certificate.lower_bound

    @pytest.mark.parametrize(
        ("slopes", "breakpoints"),
        [([0, 5, 1], [-1, 0, 0, 1]), ([0, 9, 1, 1], [0, 0, 0, 1, 1]), ([0, 1], [0, 0, 0])],
    )
    def test_pieces_of_no_length(self, slopes, breakpoints):
        """SciPy extrapolates such pieces at the ends, and passes over others: all are relu(x)."""
        x, slopes = np.array(breakpoints, dtype=float), np.array(slopes, dtype=float)
        spline = PPoly(np.stack([slopes, np.maximum(x[:-1], 0)]), x)
        net = from_spline(spline)
        at = np.array([-3.0, -0.5, 0.5, 3.0])
        np.testing.assert_array_equal(spline(at), np.maximum(at, 0))
        np.testing.assert_array_equal(net.predict(at[:, None]), np.maximum(at, 0))
        assert net.width == 1

    def test_discontinuous(self):
        with pytest.raises(
            ValueError, match=r"discontinuous: its value changes by 0.25 at 3, expected"
        ):
            from_spline(PPoly([[1.0, 0.0], [0.0, 2.75]], [0.0, 3.0, 4.0]))
        with pytest.raises(ValueError, match="discontinuous"):
            from_spline(PPoly([[1.0, 3.0]], [0.0, 1.0, 2.0]))
        with pytest.raises(ValueError, match="value changes by 2 at 1"):
            from_spline(PPoly([[1.0, 2.0, 3.0]], [0.0, 1.0, 1.0, 2.0]))
        with pytest.raises(ValueError, match="value changes by 1e-06 at 1"):
            from_spline(PPoly([[0.0, 0.0], [1.0, 1.0 + 1e-6]], [0.0, 1.0, 2.0]))

    def test_curved(self):
        curved = CubicSpline([0.0, 1.0, 2.0], [0.0, 1.0, 4.0])
        with pytest.raises(
            ValueError, match=r"curved: its piece on \[0, 1\] has the coefficient .* of degree"
        ):
            from_spline(curved)

    def test_higher_order_with_leading_zeros(self):
        c = np.zeros((4, 2))
        c[2:] = [[1.0, -1.0], [0.0, 1.0]]
        net = from_spline(PPoly(c, [-1.0, 0.0, 1.0]))
        np.testing.assert_allclose(net.predict([[-4.0], [0.5], [3.0]]), [-3, 0.5, -2], atol=1e-14)

    @pytest.mark.parametrize(
        ("spline", "message"),
        [
            (BSpline([0, 0, 1, 1], [0.0, 1.0], 1), "spline is a BSpline, expected a scipy"),
            (PPoly([[0.0], [np.nan]], [0.0, 1.0]), "spline contains NaN or infinity"),
            (PPoly([[1.0], [0.0]], [1.0, 0.0]), "spline has decreasing breakpoints"),
            (PPoly([[1j], [0.0]], [0.0, 1.0]), "spline has complex128 values of shape"),
            (PPoly(np.zeros((2, 1, 2, 2)), [0.0, 1.0]), r"values of shape \(2, 2\), expected"),
        ],
    )
    def test_bad_splines(self, spline, message):
        with pytest.raises(ValueError, match=message):
            from_spline(spline)
