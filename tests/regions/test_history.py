"""Distances to boundaries and regions in balls, over a sequence of networks."""

import numpy as np
import pytest
import torch
from torch import nn

from convexrelu.regions import (
    ball_region_bound,
    boundary_distances,
    count_regions_in_ball,
    pieces_on_segment,
    region_history,
)
from tests.regions.brute_force import network


def test_distances_in_one_layer():
    rng = np.random.default_rng(0)
    weights, bias, X = (
        rng.standard_normal((5, 3)),
        rng.standard_normal(5),
        rng.standard_normal((8, 3)),
    )
    expected = np.abs(X @ weights.T + bias) / np.linalg.norm(weights, axis=1)
    np.testing.assert_allclose(boundary_distances(network(weights, bias), X), expected.min(axis=1))
    dead = network(np.zeros((2, 3)), np.ones(2))
    assert boundary_distances(dead, X).tolist() == [np.inf] * 8


def test_distances_in_a_deep_network():
    """Within the distance no neuron changes its sign; just beyond it, in one direction, one does."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)
    ).double()
    X = np.random.default_rng(1).standard_normal((4, 2))
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    for x, distance in zip(X, boundary_distances(module, X), strict=True):
        inside = [pieces_on_segment(module, x, x + 0.999 * distance * u).n_pieces for u in circle]
        assert inside == [1] * 40
        # A direction within 4.5 degrees of the nearest point leaves the region by then.
        beyond = [pieces_on_segment(module, x, x + 1.01 * distance * u).n_pieces for u in circle]
        assert max(beyond) == 2


def test_history_has_the_counts_of_each_network():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((5, 2))
    run = [network(rng.standard_normal((6, 2)), scale * np.ones(6)) for scale in (0.1, 1.0, 9.0)]
    history = region_history(iter(run), X, 0.7, steps=[0, 5, 50])
    expected = [[count_regions_in_ball(net, x, 0.7) for x in X] for net in run]
    assert history.counts.tolist() == expected
    bounds = [[ball_region_bound(net, x, 0.7) for x in X] for net in run]
    assert history.bounds.tolist() == bounds
    assert (history.counts <= history.bounds).all()
    np.testing.assert_array_equal(history.distances, [boundary_distances(net, X) for net in run])
    # One region in the ball is the same as a boundary beyond it.
    assert ((history.counts == 1) == (history.distances >= 0.7)).all()
    lines = str(history).splitlines()
    assert lines[0] == "Balls of radius 0.7 around 5 samples" and len(lines) == 5
    assert [line.split()[0] for line in lines[2:]] == ["0", "5", "50"]


def test_deep_networks_have_distances_only():
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    history = region_history([module], [[0.0, 1.0]], 0.1)
    assert history.counts is None and history.bounds is None
    assert "regions" not in str(history)
    shallow = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert region_history([shallow], [[0.0, 1.0]], 0.1).counts.shape == (1, 1)


def test_wrong_arguments_are_named():
    net = network(np.ones((1, 2)), np.ones(1))
    with pytest.raises(ValueError, match="networks is empty"):
        region_history([], [[0.0, 0.0]], 1.0)
    with pytest.raises(ValueError, match="radius=0"):
        region_history([net], [[0.0, 0.0]], 0)
    with pytest.raises(ValueError, match=r"X has shape \(1, 1\), expected \(n, 2\)"):
        region_history([net], [[0.0]], 1.0)
    with pytest.raises(ValueError, match="steps has shape"):
        region_history([net], [[0.0, 0.0]], 1.0, steps=[1, 2])
    with pytest.raises(ValueError, match="X has shape"):
        boundary_distances(net, [0.0, 0.0])
