"""Lists of regions: as many as are counted, disjoint, with the network's affine pieces."""

import numpy as np
import pytest

from convexrelu import TwoLayerNetwork
from convexrelu.regions import count_regions, count_regions_in_box, list_regions
from tests.regions.brute_force import cells, network, random_neurons


def check(net, regions):
    for region in regions:
        assert (region.A @ region.point < region.b).all()
        inputs = net.hidden_weights @ region.point + net.hidden_bias
        assert (region.signs * inputs >= 0).all()
        # Half way to the nearest boundary, in any direction, the piece is the network.
        gaps = (region.b - region.A @ region.point) / np.linalg.norm(region.A, axis=1)
        step = 0.5 * min(gaps.min(initial=1.0), 1.0)
        around = region.point + step * np.vstack([np.eye(net.n_features), -np.eye(net.n_features)])
        pieces = around @ region.slope.T + region.intercept
        scale = np.abs(region.point).max() + 1.0
        np.testing.assert_allclose(net.forward(around), pieces, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("seed", range(6))
def test_random_networks(seed):
    rng = np.random.default_rng(seed)
    weights, bias = random_neurons(rng, most_features=3)
    m, d = weights.shape
    skip = rng.standard_normal((2, d)) if seed % 2 else None
    net = TwoLayerNetwork(
        weights,
        bias,
        rng.standard_normal((2, m)),
        [0.5, 1.0],
        skip_weights=skip,
        negative_slope=-0.5,
    )
    everywhere = list_regions(net)
    assert len(everywhere) == count_regions(net)
    lower = rng.standard_normal(d) - 1.5
    upper = lower + rng.uniform(0.5, 4, d)
    inside = list_regions(net, lower, upper)
    assert len(inside) == count_regions_in_box(net, lower, upper)
    for regions in (everywhere, inside):
        assert len({region.signs.tobytes() for region in regions}) == len(regions)
        check(net, regions)
    assert {r.signs.tobytes() for r in inside} <= {r.signs.tobytes() for r in everywhere}


def test_signs_are_those_of_linear_programs():
    rng = np.random.default_rng(2)
    weights, bias = rng.standard_normal((5, 2)), rng.standard_normal(5)
    listed = {tuple(region.signs) for region in list_regions(network(weights, bias))}
    assert listed == set(cells(weights, bias))


def test_inequalities_are_those_that_are_needed():
    """A triangle inside three lines, and a fourth line far away."""
    net = network(
        np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0], [1.0, 1.0]]), np.array([0.0, 0.0, 1.0, 9.0])
    )
    (triangle,) = [r for r in list_regions(net) if (r.signs == 1).all()]
    assert triangle.A.tolist() == [[-1.0, 0.0], [0.0, -1.0], [1.0, 1.0]]
    assert triangle.b.tolist() == [0.0, 0.0, 1.0]


def test_regions_of_the_function():
    net = network(
        np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), np.zeros(3), np.array([[1.0, -1.0, 2.0]])
    )
    regions = list_regions(net, of="function")
    assert [region.slope.tolist() for region in regions] == [[[1.0, 2.0]], [[1.0, 0.0]]]
    check(net, regions)


def test_neurons_without_weights_have_the_sign_of_their_bias():
    net = network(np.array([[0.0], [0.0], [0.0], [1.0]]), np.array([2.0, -1.0, 0.0, 0.0]))
    assert [region.signs.tolist() for region in list_regions(net)] == [
        [1, -1, 0, 1],
        [1, -1, 0, -1],
    ]


def test_wrong_arguments_are_named():
    net = network(np.random.default_rng(0).standard_normal((9, 3)), np.ones(9))
    with pytest.raises(ValueError, match="network has more than max_regions=50 linear regions"):
        list_regions(net, max_regions=50)
    with pytest.raises(ValueError, match="max_regions=0"):
        list_regions(net, max_regions=0)
    with pytest.raises(ValueError, match="lower and upper are given together"):
        list_regions(net, [0.0, 0.0, 0.0])
