"""Gradient, Hessian and critical points in spline coordinates, against finite differences and least squares."""

import numpy as np
import pytest

from convexrelu import TwoLayerNetwork
from convexrelu.univariate import cell_report


def network_of(theta, sides):
    """From ``(μ, β, c)`` and the sides that neurons face, with scales that should not matter."""
    m = len(sides)
    mu, beta, c = theta[:m], theta[m:-1], theta[-1]
    w = sides * np.linspace(0.5, 2.0, m)
    return TwoLayerNetwork(w[:, None], -w * beta, (mu / w)[None, :], [c])


def loss(theta, sides, x, y):
    """Neuron by neuron."""
    m = len(sides)
    f = np.full(len(x), theta[-1])
    for mu, beta, side in zip(theta[:m], theta[m:-1], sides, strict=True):
        f += mu * (x - beta) * (side * (x - beta) > 0)
    return 0.5 * np.sum((f - y) ** 2)


def random_case(n=14, m=5, seed=0):
    """Knots in the middle between samples, at least 0.1 away from them."""
    rng = np.random.default_rng(seed)
    x = rng.permutation(np.cumsum(rng.uniform(0.2, 1.0, n)))
    ordered = np.sort(x)
    gaps = rng.choice(n - 1, m, replace=False)
    beta = (ordered[gaps] + ordered[gaps + 1]) / 2
    theta = np.concatenate([rng.standard_normal(m), beta, rng.standard_normal(1)])
    return x, rng.standard_normal(n), theta, rng.choice([-1.0, 1.0], m)


def span_of_cell(report, x):
    """``1_A``, ``x 1_A`` of all neurons, and 1."""
    return np.column_stack([report.active, x[:, None] * report.active, np.ones(len(x))])


def critical_targets(theta, sides, x, seed=0):
    """Targets whose residuals are orthogonal to all that the network could be in its cell."""
    network = network_of(theta, sides)
    span = span_of_cell(cell_report(network, x[:, None], 0 * x), x)
    noise = np.random.default_rng(seed).standard_normal(len(x))
    return network.predict(x[:, None]) - (noise - span @ np.linalg.lstsq(span, noise)[0])


class TestDerivatives:
    @pytest.mark.parametrize("seed", range(5))
    def test_against_finite_differences(self, seed):
        """Second differences of a polynomial of degree four at most; the steps do not leave the cell."""
        x, y, theta, sides = random_case(seed=seed)
        report = cell_report(network_of(theta, sides), x[:, None], y)
        np.testing.assert_allclose(report.parameters, theta, rtol=1e-14)
        assert not report.on_knot.any()

        def value(step):
            return loss(theta + step, sides, x, y)

        h = 1e-3
        steps = h * np.eye(len(theta))
        gradient = [(value(s) - value(-s)) / (2 * h) for s in steps]
        hessian = [
            [
                (value(s + t) - value(s - t) - value(t - s) + value(-s - t)) / (4 * h**2)
                for t in steps
            ]
            for s in steps
        ]
        scale = np.abs(report.hessian).max()
        np.testing.assert_allclose(report.gradient, gradient, rtol=0, atol=1e-5 * scale)
        np.testing.assert_allclose(report.hessian, hessian, rtol=0, atol=1e-5 * scale)

    def test_extra_entries_are_no_part_of_the_gauss_newton_matrix(self):
        x, y, theta, sides = random_case()
        m = len(sides)
        report = cell_report(network_of(theta, sides), x[:, None], y)
        distances = (x[:, None] - theta[m:-1]) * report.active
        J = np.column_stack([distances, -theta[:m] * report.active, np.ones(len(x))])
        extra = report.hessian - J.T @ J
        expected = np.zeros_like(extra)
        for j in range(m):
            sum_of_active = report.residuals[report.active[:, j]].sum()
            expected[j, m + j] = expected[m + j, j] = -sum_of_active
        np.testing.assert_allclose(extra, expected, rtol=0, atol=1e-10)
        assert np.abs(expected).max() > 0.1

    def test_without_neurons(self):
        y = np.array([1.0, 2.0, 6.0])
        network = TwoLayerNetwork.constant(1, 3.0)
        report = cell_report(network, [[0.0], [1.0], [2.0]], y)
        assert report.is_critical and report.rank_bound == 1
        np.testing.assert_array_equal(report.hessian, [[3.0]])
        assert not cell_report(network, [[0.0], [1.0], [2.0]], y + 1).is_critical


class TestCriticalPoints:
    @pytest.mark.parametrize("seed", range(5))
    def test_constructed_one(self, seed):
        x, _, theta, sides = random_case(seed=seed)
        y = critical_targets(theta, sides, x)
        report = cell_report(network_of(theta, sides), x[:, None], y)
        assert report.is_critical
        assert np.linalg.norm(report.residuals) > 0.1
        eigenvalues = np.linalg.eigvalsh(report.hessian)
        assert eigenvalues.min() > -1e-12 * eigenvalues.max()

    def test_least_squares_within_the_cell(self):
        """Lines on the active sets, fitted to noisy data: the knots stay in their gaps."""
        rng = np.random.default_rng(0)
        x = np.concatenate([np.linspace(k, k + 0.5, 20) for k in range(4)])
        sides = np.array([1.0, -1.0, 1.0])
        theta = np.array([2.0, 1.0, -3.0, 0.75, 1.75, 2.75, 0.3])
        y = network_of(theta, sides).predict(x[:, None]) + 0.02 * rng.standard_normal(len(x))
        span = span_of_cell(cell_report(network_of(theta, sides), x[:, None], y), x)
        fitted = np.linalg.lstsq(span, y)[0]
        mu = fitted[3:6]
        found = np.concatenate([mu, -fitted[:3] / mu, fitted[6:]])
        report = cell_report(network_of(found, sides), x[:, None], y)
        assert (report.active == cell_report(network_of(theta, sides), x[:, None], y).active).all()
        assert report.is_critical
        assert not cell_report(network_of(theta, sides), x[:, None], y).is_critical

    @pytest.mark.parametrize("k", range(11))
    def test_perturbed_one(self, k):
        x, _, theta, sides = random_case()
        y = critical_targets(theta, sides, x)
        moved = theta + 1e-5 * np.eye(11)[k]
        assert not cell_report(network_of(moved, sides), x[:, None], y).is_critical
        assert cell_report(network_of(moved, sides), x[:, None], y, rtol=1e-2).is_critical

    @pytest.mark.parametrize(
        ("of_x", "of_y"), [(1e-6, 1.0), (1e6, 1e-9), (1.0, 1e9), (1e-30, 1e30)]
    )
    def test_units_do_not_matter(self, of_x, of_y):
        x, _, theta, sides = random_case()
        y = critical_targets(theta, sides, x)
        units = np.concatenate([np.full(5, of_y / of_x), np.full(5, of_x), [of_y]])
        for shift, is_critical in [(0.0, True), (1e-5, False)]:
            network = network_of((theta + shift) * units, sides)
            report = cell_report(network, of_x * x[:, None], of_y * y)
            assert report.is_critical == is_critical

    def test_interpolant_is_critical(self):
        """Its residuals are rounding, and point anywhere."""
        x, _, theta, sides = random_case()
        network = network_of(theta, sides)
        y = network.predict(x[:, None]) * (1 + 1e-16)
        y[::2] = np.nextafter(y[::2], np.inf)
        assert cell_report(network, x[:, None], y, rtol=0.0).is_critical
        assert not cell_report(network, x[:, None], y + 1e-9 * x).is_critical

    def test_neuron_without_outer_weight(self):
        """With ``μ = 0`` the sum of residuals may be what it likes, but not their product with ``x − β``."""
        X = np.array([[-1.0], [1.0], [2.0]])
        network = TwoLayerNetwork([[1.0]], [0.0], [[0.0]], [0.0])
        assert cell_report(network, X, [1.0, -2.0, 1.0]).is_critical
        assert not cell_report(network, X, [1.0, 1.0, -2.0]).is_critical

    def test_trained_by_descent(self):
        """Gradient descent in the weights of the network ends where the report says critical."""
        rng = np.random.default_rng(1)
        x = np.concatenate([rng.uniform(-1.0, -0.2, 20), rng.uniform(0.2, 1.0, 20)])
        y = np.maximum(x, 0) + 0.1 * rng.standard_normal(40)
        w, b, a, c = 1.0, 0.0, 0.5, 0.0
        for _ in range(20_000):
            on = w * x + b > 0
            r = a * (w * x + b) * on + c - y
            dw, db, da, dc = a * r[on] @ x[on], a * r[on].sum(), r[on] @ (w * x + b)[on], r.sum()
            w, b, a, c = w - 0.02 * dw, b - 0.02 * db, a - 0.02 * da, c - 0.02 * dc
        report = cell_report(TwoLayerNetwork([[w]], [b], [[a]], [c]), x[:, None], y)
        assert report.is_critical
        assert np.linalg.matrix_rank(report.hessian) == report.rank_bound == 3


class TestRank:
    @pytest.mark.parametrize(("n", "m"), [(14, 3), (14, 12), (6, 5)])
    @pytest.mark.parametrize("seed", range(3))
    def test_at_critical_points(self, n, m, seed):
        x, _, theta, sides = random_case(n, m, seed)
        y = critical_targets(theta, sides, x)
        report = cell_report(network_of(theta, sides), x[:, None], y)
        assert report.is_critical
        assert (
            np.linalg.matrix_rank(report.hessian, hermitian=True, rtol=1e-10) <= report.rank_bound
        )
        assert report.rank_bound == min(n, 2 * m + 1)

    def test_reached_with_neurons_that_share_their_sets(self):
        """Four neurons, two active sets of many samples: rank five, of nine."""
        x = np.arange(12.0)
        sides = np.ones(4)
        theta = np.array([1.0, -2.0, 0.5, 1.5, 3.2, 3.7, 6.4, 6.8, 0.1])
        y = critical_targets(theta, sides, x)
        report = cell_report(network_of(theta, sides), x[:, None], y)
        assert report.is_critical and report.rank_bound == 5
        assert np.linalg.matrix_rank(report.hessian, hermitian=True, rtol=1e-10) == 5

    def test_empty_sets_do_not_count(self):
        report = cell_report(
            TwoLayerNetwork([[1.0], [1.0]], [-9.0, 9.0], [[1.0, 1.0]], [0.0]),
            np.arange(5.0)[:, None],
            np.zeros(5),
        )
        assert report.rank_bound == 3


class TestBorder:
    def test_samples_on_knots_are_reported(self):
        X = np.array([[0.05], [0.1], [0.7], [0.1]])
        network = TwoLayerNetwork([[3.0], [-7.0]], [-0.3, 4.9], [[1.0, 1.0]], [0.0])
        assert 3.0 * 0.1 - 0.3 > 0  # rounding
        report = cell_report(network, X, np.zeros(4))
        np.testing.assert_array_equal(report.on_knot.T, [[0, 1, 0, 1], [0, 0, 1, 0]])
        np.testing.assert_array_equal(report.active.T, [[0, 0, 1, 0], [1, 1, 0, 1]])

    @pytest.mark.parametrize("side", [1.0, -1.0])
    def test_critical_on_one_side_only(self, side):
        """Residuals of the cell without the sample on the knot are critical; the sample pulls."""
        X = side * np.array([[-1.0], [0.0], [1.0], [2.0], [3.0], [-2.0]])
        network = TwoLayerNetwork([[side]], [0.0], [[1.0]], [0.0])
        pull = np.array([-1.0, 2.0, 1.0, -2.0, 1.0, -1.0])
        rest = np.array([-1.0, 0.0, 1.0, -2.0, 1.0, 1.0])
        on_border = cell_report(network, X, network.predict(X) + pull)
        np.testing.assert_allclose(on_border.gradient, 0, atol=1e-14)
        assert on_border.on_knot.sum() == 1 and not on_border.is_critical
        assert cell_report(network, X, network.predict(X) + rest).is_critical

    def test_samples_on_one_knot_count_together(self):
        """Both are passed at once; their residuals cancel."""
        X = np.array([[-1.0], [0.0], [0.0], [1.0], [2.0], [3.0]])
        network = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0])
        r = np.array([0.0, 2.0, -2.0, 1.0, -2.0, 1.0])
        assert cell_report(network, X, network.predict(X) - r).is_critical

    def test_without_outer_weight_there_is_no_border(self):
        X = np.array([[-1.0], [0.0], [1.0], [2.0]])
        network = TwoLayerNetwork([[1.0]], [0.0], [[0.0]], [0.0])
        assert cell_report(network, X, [-1.0, 2.0, -2.0, 1.0]).is_critical


class TestBadInput:
    relu = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0])

    @pytest.mark.parametrize(
        ("network", "message"),
        [
            (TwoLayerNetwork.constant(2), "2 features and 1 outputs, expected one of each"),
            (TwoLayerNetwork.constant(1, [0.0, 0.0]), "1 features and 2 outputs"),
            (TwoLayerNetwork.constant(1, negative_slope=0.1), "negative_slope=0.1 and no skip"),
            (
                TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0], skip_weights=[[1.0]]),
                "negative_slope=0 and a skip",
            ),
            (
                TwoLayerNetwork([[1.0], [0.0]], [0.0, 1.0], [[1.0, 1.0]], [0.0]),
                "network has no knot at neuron 1",
            ),
        ],
    )
    def test_networks(self, network, message):
        with pytest.raises(ValueError, match=message):
            cell_report(network, [[0.0]], [0.0])

    @pytest.mark.parametrize(
        ("X", "y", "message"),
        [
            ([0.0], [0.0], r"X has shape \(1,\), expected \(n, 1\)"),
            ([[0.0, 1.0]], [0.0], r"X has shape \(1, 2\)"),
            (np.zeros((0, 1)), [], r"X has shape \(0, 1\)"),
            ([[0.0]], [[0.0]], r"y has shape \(1, 1\), expected \(1,\)"),
            ([[np.inf]], [0.0], "X contains NaN or infinity"),
        ],
    )
    def test_data(self, X, y, message):
        with pytest.raises(ValueError, match=message):
            cell_report(self.relu, X, y)

    @pytest.mark.parametrize("rtol", [-1.0, np.nan])
    def test_tolerance(self, rtol):
        with pytest.raises(ValueError, match=r"rtol=.* is not a non-negative number"):
            cell_report(self.relu, [[0.0]], [0.0], rtol=rtol)
