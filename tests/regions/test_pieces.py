"""Pieces of deep networks on segments and planes: against the network itself and against two-layer counts."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from convexrelu import TwoLayerNetwork
from convexrelu.regions import (
    count_regions_in_box,
    pieces_on_plane,
    pieces_on_segment,
    region_bound,
    widths_of,
)
from tests.regions.brute_force import network

SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def deep(*widths, activation=nn.ReLU, seed=0):
    torch.manual_seed(seed)
    parts = []
    for before, after in pairwise(widths):
        parts += [nn.Linear(before, after), activation()]
    return nn.Sequential(*parts[:-1]).double()


def outputs(module, points):
    with torch.no_grad():
        return module(torch.tensor(points)).numpy()


def test_a_module_that_is_used_three_times():
    """The tent ``2 min(t, 1 − t)``, composed with itself: eight pieces."""
    tent = network(np.ones((2, 1)), np.array([0.0, -0.5]), np.array([[2.0, -4.0]])).to_torch()
    pieces = pieces_on_segment(nn.Sequential(tent, tent, tent), [0.0], [1.0], of="function")
    assert pieces.breakpoints.tolist() == [k / 8 for k in range(9)]
    assert pieces.slopes[:, 0].tolist() == [8.0, -8.0] * 4
    assert widths_of(nn.Sequential(tent, tent, tent)) == [1, 2, 2, 2]
    assert region_bound([1, 2, 2, 2]) >= 8


@pytest.mark.parametrize("activation", [nn.ReLU, lambda: nn.LeakyReLU(-0.3)])
def test_segment_of_a_deep_network(activation):
    module = deep(3, 8, 8, 2, activation=activation)
    start, end = np.array([-9.0, 4.0, 7.0]), np.array([8.0, -5.0, -3.0])
    pieces = pieces_on_segment(module, start, end)
    t = np.linspace(0, 1, 400)
    piece = np.clip(np.searchsorted(pieces.breakpoints, t) - 1, 0, pieces.n_pieces - 1)
    expected = outputs(module, start + t[:, None] * (end - start))
    found = pieces.slopes[piece] * t[:, None] + pieces.intercepts[piece]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (np.diff(pieces.breakpoints) > 0).all() and pieces.n_pieces > 5
    # Activations change at every breakpoint and nowhere else.
    middles = (pieces.breakpoints[1:] + pieces.breakpoints[:-1]) / 2
    inside = pieces.breakpoints[:-1, None] + np.outer(np.diff(pieces.breakpoints), [0.1, 0.5, 0.9])
    patterns = patterns_of(module, start + inside.reshape(-1, 1) * (end - start))
    patterns = patterns.reshape(len(middles), 3, -1)
    assert (patterns == patterns[:, :1]).all()
    assert (patterns[1:, 0] != patterns[:-1, 0]).any(axis=1).all()


def patterns_of(module, points):
    found, values = [], torch.tensor(points)
    with torch.no_grad():
        for part in module[:-1]:
            values = part(values)
            if isinstance(part, nn.Linear):
                found.append((values > 0).numpy())
    return np.hstack(found)


def area(polygon):
    x, y = polygon.T
    return 0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1))


def test_plane_of_a_deep_network():
    module = deep(4, 6, 6, 2)
    rng = np.random.default_rng(0)
    origin, axes = rng.standard_normal(4), 5 * rng.standard_normal((2, 4))
    pieces = pieces_on_plane(module, SQUARE, origin=origin, axes=axes)
    areas = np.array([area(polygon) for polygon in pieces.polygons])
    assert (areas > 0).all() and areas.sum() == pytest.approx(4.0)
    middles = np.array([polygon.mean(axis=0) for polygon in pieces.polygons])
    found = (pieces.slopes @ middles[:, :, None])[:, :, 0] + pieces.intercepts
    np.testing.assert_allclose(found, outputs(module, origin + middles @ axes), atol=1e-12)
    patterns = patterns_of(module, origin + middles @ axes)
    assert len(np.unique(patterns, axis=0)) == pieces.n_pieces
    samples = rng.uniform(-1, 1, (2000, 2))
    sampled = np.unique(patterns_of(module, origin + samples @ axes), axis=0)
    assert len(sampled) <= pieces.n_pieces <= region_bound([2, 6, 6])


@pytest.mark.parametrize("seed", range(3))
def test_two_layers_have_the_counted_regions(seed):
    rng = np.random.default_rng(seed)
    integers = rng.integers(-2, 3, (7, 2)).astype(float), rng.integers(-2, 3, 7).astype(float)
    for weights, bias in [(rng.standard_normal((9, 2)), rng.standard_normal(9)), integers]:
        net = network(weights, bias)
        expected = count_regions_in_box(net, [-1.0, -1.0], [1.0, 1.0])
        assert pieces_on_plane(net, SQUARE).n_pieces == expected
        assert pieces_on_plane(net, SQUARE[::-1]).n_pieces == expected


def test_skip_connection_and_pieces_of_the_function():
    net = TwoLayerNetwork([[1.0], [-1.0]], [0.0, 0.0], [[1.0, -1.0]], [0.5], skip_weights=[[2.0]])
    both = pieces_on_segment(net, [-1.0], [1.0])
    assert both.slopes[:, 0].tolist() == [6.0, 6.0] and both.intercepts[:, 0].tolist() == [
        -2.5,
        -2.5,
    ]
    assert pieces_on_segment(net, [-1.0], [1.0], of="function").n_pieces == 1


def test_a_kink_at_an_end_makes_no_piece_and_extreme_scales_are_exact():
    net = network(np.array([[1e-200], [1e200]]), np.array([-1e-200, -2e200]))
    assert pieces_on_segment(net, [1.0], [3.0]).breakpoints.tolist() == [0.0, 0.5, 1.0]
    third = network(np.array([[3.0]]), np.array([-1.0]))
    assert pieces_on_segment(third, [0.0], [1.0]).breakpoints[1] == float(Fraction(1, 3))


def test_wrong_arguments_are_named():
    module = deep(3, 4, 2)
    for call, message in [
        (lambda: pieces_on_segment(module, [0, 0], [1, 1, 1]), "start has shape"),
        (lambda: pieces_on_segment(module, [0, 0, 0], [0, 0, 0]), "start and end are the same"),
        (lambda: pieces_on_plane(module, SQUARE), "origin and axes of a plane are needed"),
        (lambda: pieces_on_plane(deep(2, 3, 1), SQUARE[[0, 2, 1, 3]]), "polygon is not convex"),
        (lambda: pieces_on_plane(deep(2, 3, 1), SQUARE[:2]), "polygon is not convex"),
        (
            lambda: pieces_on_plane(module, SQUARE, origin=np.ones(3), axes=np.ones((2, 3))),
            "axes are parallel",
        ),
        (lambda: widths_of(nn.Sequential(nn.Linear(2, 3))), "network has no hidden layer"),
        (lambda: widths_of(nn.Sequential(nn.Linear(2, 3), nn.Tanh())), "network has a Tanh"),
        (lambda: widths_of(nn.Sequential(nn.ReLU(), nn.Linear(2, 3))), "follows no Linear"),
        (lambda: widths_of(nn.Sequential()), "network has no Linear"),
        (
            lambda: widths_of(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(4, 1))),
            "a Linear of 4 inputs after one of 3 outputs",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
