"""Numbers of regions: known ones, linear programs, degenerate networks, balls and boxes."""

from math import comb

import numpy as np
import pytest
from torch import nn

from convexrelu import ConvexReLURegressor, GatedNetwork, TwoLayerNetwork
from convexrelu.networks import ThresholdNetwork
from convexrelu.regions import (
    ball_region_bound,
    count_regions,
    count_regions_in_ball,
    count_regions_in_box,
    sample_regions_in_ball,
    sample_regions_in_box,
)
from tests.regions.brute_force import cells, distance, network, random_neurons


def gaussian(d, m, seed=0):
    rng = np.random.default_rng(seed)
    return network(rng.standard_normal((m, d)), rng.standard_normal(m))


@pytest.mark.parametrize(("d", "m", "expected"), [(2, 100, 5051), (1, 40, 41), (3, 12, 299)])
def test_general_position(d, m, expected):
    assert expected == sum(comb(m, j) for j in range(d + 1))
    assert count_regions(gaussian(d, m)) == count_regions(gaussian(d, m), tol=0) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("d", "m", "expected"), [(6, 20, 60460), (3, 60, 36051)])
def test_general_position_of_many(d, m, expected):
    assert count_regions(gaussian(d, m)) == expected


def test_fewer_neurons_than_features():
    assert count_regions(gaussian(30, 20)) == 2**20
    assert count_regions_in_ball(gaussian(12, 6), np.zeros(12), 1e3) == 2**6


def check_against_linear_programs(rng, **sizes):
    weights, bias = random_neurons(rng, **sizes)
    net, d = network(weights, bias), weights.shape[1]
    assert count_regions(net) == len(cells(weights, bias))
    lower = np.floor(2 * rng.standard_normal(d)) / 2 - 1
    upper = lower + rng.integers(1, 6, d) / 2
    inside = count_regions_in_box(net, lower, upper)
    assert inside == len(cells(weights, bias, lower, upper))
    assert sample_regions_in_box(net, lower, upper, 300, random_state=0) <= inside


def test_random_networks_against_linear_programs():
    """Two hundred larger ones are in ``benchmarks.regions.bench_regions``."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        check_against_linear_programs(rng, most_features=3, most_neurons=5)


DEGENERATE = {
    "no neurons": (np.zeros((0, 2)), [], 1),
    "dead": ([[0, 0], [0, 0]], [1, -1], 1),
    "repeated": ([[1, 2], [1, 2], [2, 4]], [3, 3, 6], 2),
    "repeated up to rounding": ([[0.1, 0.7], [0.3 * 0.1, 0.3 * 0.7]], [0.2, 0.3 * 0.2], 2),
    "opposite": ([[1, 2], [-1, -2]], [3, -3], 2),
    "parallel": ([[1, 2], [1, 2], [-3, -6]], [0, 1, 2], 4),
    "parallel up to rounding": ([[0.1, 0.7], [0.3 * 0.1, 0.3 * 0.7]], [0.2, 5.0], 3),
    "concurrent": ([[1, 0], [0, 1], [1, 1]], [0, 0, 0], 6),
    "concurrent up to rounding": ([[1, 0], [0, 1], [0.1, 0.7]], [-0.3, -0.6, -(0.03 + 0.42)], 6),
    "prism": ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], [0, 0, -1], 7),
    # Planes x = ±1, y = ±1, z = ±1 and the diagonals x ± y = 0: (3² + 8) · 3.
    "cube": (
        [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 1, 0], [1, -1, 0]],
        [1, -1, 1, -1, 1, -1, 0, 0],
        48,
    ),
}


@pytest.mark.parametrize(("weights", "bias", "expected"), DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_networks(weights, bias, expected):
    weights, bias = np.array(weights, dtype=float), np.array(bias, dtype=float)
    d = weights.shape[1]
    assert count_regions(network(weights, bias)) == expected
    assert count_regions_in_ball(network(weights, bias), np.zeros(d), 1e6) == expected
    assert count_regions_in_box(network(weights, bias), [-1e6] * d, [1e6] * d) == expected


def test_braid_arrangement_has_as_many_regions_as_permutations():
    d = 5
    weights = [np.eye(d)[i] - np.eye(d)[j] for i in range(d) for j in range(i)]
    assert count_regions(network(np.array(weights), np.zeros(10))) == 120
    # Rounded multiples of these: the same with the tolerance.
    factors = np.linspace(0.1, 0.9, 10)[:, None]
    assert count_regions(network(factors * weights, np.zeros(10)), tol=0) == 120


def test_lattices_are_counted_exactly_and_in_any_units():
    rng = np.random.default_rng(3)
    weights = rng.integers(-2, 3, (16, 3)).astype(float)
    bias = rng.integers(-2, 3, 16).astype(float)
    expected = count_regions(network(weights, bias), tol=0)
    assert count_regions(network(weights, bias)) == expected
    sizes = np.logspace(-140, 140, 16)
    for scaled in [
        network(weights * 1e-150, bias),
        network(weights * 1e-9, bias * 1e9),
        network(weights * [1e-100, 1.0, 1e100], bias),
        network(weights * sizes[:, None], bias * sizes),
        network(weights * 0.1, bias * 0.1),
        network(weights / 3, bias / 3),
    ]:
        assert count_regions(scaled) == expected


def test_without_a_tolerance_rounding_makes_regions():
    weights, bias = np.array([[0.1, 0.7], [0.3 * 0.1, 0.3 * 0.7]]), np.array([0.2, 0.3 * 0.2])
    assert weights[0, 0] * weights[1, 1] != weights[0, 1] * weights[1, 0]
    assert count_regions(network(weights, bias), tol=0) == 4
    close = network(np.ones((2, 1)), np.array([1.0, 1.0 + 2.0**-50]))
    assert (count_regions(close), count_regions(close, tol=0)) == (2, 3)


def test_boundaries_of_the_function():
    weights, bias = np.array([[1.0, 0.0], [-2.0, 0.0], [0.0, 1.0]]), np.array([1.0, -2.0, 0.0])
    for outer, expected in [
        ([[2.0, -1.0, 1.0]], 2),  # the jumps of the first two cancel
        ([[2.0, 1.0, 1.0]], 4),
        ([[2.0, -1.0, 0.0]], 1),
        ([[2.0, -1.0, 0.0], [1.0, 0.0, 0.0]], 2),  # not in the second output
    ]:
        net = network(weights, bias, np.array(outer))
        assert (count_regions(net), count_regions(net, of="function")) == (4, expected)
    identity = TwoLayerNetwork(weights, bias, [[1.0, 1.0, 1.0]], [0.0], negative_slope=1.0)
    assert count_regions(identity) == 1


def test_what_is_taken():
    gates = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])
    assert count_regions(ThresholdNetwork(gates, np.ones(2), 0.0, True)) == 4
    assert count_regions(GatedNetwork(gates, gates, 0.0, False)) == 4
    module = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1))
    assert count_regions(module) == 16
    X = np.linspace(-1, 1, 20)[:, None]
    model = ConvexReLURegressor(alpha=1e-3, random_state=0).fit(X, np.abs(X[:, 0]))
    assert count_regions(model) == count_regions(model.network_) >= 2


def test_balls():
    """Nondecreasing in the radius, from one region to all; between samples and the bound."""
    rng = np.random.default_rng(5)
    for _ in range(10):
        weights, bias = random_neurons(rng)
        net, center = network(weights, bias), rng.standard_normal(weights.shape[1])
        alive = weights.any(axis=1)
        near = np.abs(weights @ center + bias)[alive] / np.linalg.norm(weights[alive], axis=1)
        assert count_regions_in_ball(net, center, 0.999 * near.min(initial=1.0)) == 1
        assert count_regions_in_ball(net, center, 1e9) == count_regions(net)
        counts = [count_regions_in_ball(net, center, radius) for radius in (0.1, 0.5, 1.0, 2.0)]
        assert counts == sorted(counts)
        sampled = sample_regions_in_ball(net, center, 1.0, 500, random_state=0)
        assert sampled <= counts[2] <= ball_region_bound(net, center, 1.0)


def test_a_large_ball_far_from_the_origin_has_all_regions():
    net = gaussian(3, 10)
    for radius in (1e6, 1e30, 1e300):
        assert count_regions_in_ball(net, [1e5, 0.0, 0.0], radius) == count_regions(net) == 176
    assert count_regions_in_box(net, [-1e150] * 3, [1e150] * 3) == 176


def test_a_ball_by_hand():
    """Three lines that meet outside the ball cut it into four pieces; the bound is seven."""
    triangle = network(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([-0.9, -0.9, 0.9]))
    assert count_regions_in_ball(triangle, [0.0, 0.0], 1.0) == 4
    assert ball_region_bound(triangle, [0.0, 0.0], 1.0) == 7
    assert sample_regions_in_ball(triangle, [0.0, 0.0], 1.0, 2000, random_state=0) == 4


def test_a_ball_that_only_touches():
    line = network(np.array([[3.0, 4.0]]), np.array([-5.0]))  # at distance 1
    assert count_regions_in_ball(line, [0.0, 0.0], 1.0) == 1
    assert count_regions_in_ball(line, [0.0, 0.0], np.nextafter(1.0, 2.0)) == 2


@pytest.mark.slow
def test_three_features_and_eight_planes_through_a_ball():
    """The bound is 93, and the exact number that of cells at a distance below the radius."""
    rng = np.random.default_rng(90)
    weights = rng.standard_normal((8, 3))
    weights /= np.linalg.norm(weights, axis=1)[:, None]
    bias = rng.uniform(-0.8, 0.8, 8)
    net, center = network(weights, bias), np.zeros(3)
    exact = count_regions_in_ball(net, center, 1.0)
    assert exact == sum(distance(signs, weights, bias) < 1 for signs in cells(weights, bias)) == 39
    assert ball_region_bound(net, center, 1.0) == 93
    assert sample_regions_in_ball(net, center, 1.0, 1000, random_state=0) <= exact


def test_wrong_arguments_are_named():
    net = gaussian(2, 3)
    for radius in (0.0, -1.0, np.inf, np.nan, "1", None):
        with pytest.raises(ValueError, match="radius="):
            count_regions_in_ball(net, [0.0, 0.0], radius)
    with pytest.raises(ValueError, match="center has shape"):
        count_regions_in_ball(net, [0.0], 1.0)
    with pytest.raises(ValueError, match="center contains NaN"):
        ball_region_bound(net, [0.0, np.nan], 1.0)
    with pytest.raises(ValueError, match=r"lower=1 is not below upper=1 in coordinate 1"):
        count_regions_in_box(net, [0.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="upper contains NaN or infinity"):
        count_regions_in_box(net, [0.0, 0.0], [1.0, np.inf])
    with pytest.raises(ValueError, match="lower has shape"):
        sample_regions_in_box(net, [0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="n_samples=0"):
        sample_regions_in_ball(net, [0.0, 0.0], 1.0, 0)
    with pytest.raises(ValueError, match="tol=-1"):
        count_regions(net, tol=-1)
    with pytest.raises(ValueError, match="of='kinks' is not known"):
        count_regions(net, of="kinks")
    with pytest.raises(ValueError, match="network is a str"):
        count_regions("network")
    with pytest.raises(ValueError, match="of='function' is for networks of ReLU units"):
        count_regions(GatedNetwork(np.eye(2), np.eye(2), 0.0, False), of="function")
    with pytest.raises(ValueError, match="contains NaN"):
        module = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
        nn.init.constant_(module[0].weight, float("nan"))
        count_regions(module)
