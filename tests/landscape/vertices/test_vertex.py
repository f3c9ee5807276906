"""Edges of vertices against the loss itself, and the exactness of steps."""

import itertools

import numpy as np
import pytest

from convexrelu import TwoLayerNetwork
from convexrelu.landscape.vertices.phases import to_a_minimum, to_a_vertex
from convexrelu.landscape.vertices.point import Point, nearest_kink
from convexrelu.landscape.vertices.surface import OF_RESIDUAL, Kinks, L1Surface
from convexrelu.landscape.vertices.vertex import edges_of, slopes_along


def surface_and_weights(slope=0.0, n=30, d=2, m=3, seed=0, repeats=1):
    random = np.random.RandomState(seed)
    X, y = (
        np.repeat(random.standard_normal((n, d)), repeats, axis=0),
        random.standard_normal(n * repeats),
    )
    outer = random.choice([-1.0, 1.0], m) * random.uniform(0.5, 2, m)
    W = random.standard_normal((m, d + 1))
    network = TwoLayerNetwork(W[:, :-1], W[:, -1], outer[None], [0.1], negative_slope=slope)
    return L1Surface.of(network, X, y), W, random


def vertices(slope, seed, n_vertices=12, repeats=1):
    """Nondegenerate vertices at the beginning of phase 2, of the first seed that has some."""
    for each in itertools.count(100 * seed):
        surface, W, random = surface_and_weights(slope, seed=each, repeats=repeats)
        start = Point.at(surface, W, np.ones(len(W), dtype=bool), Kinks.none())
        point, reason = to_a_vertex(start, random, lambda _: True)
        if reason is None:  # not where a neuron became zero on the way
            break
    visited = []

    def visit(each):
        visited.append(each)
        return len(visited) < n_vertices

    to_a_minimum(point, visit)
    return [each for each in [point, *visited] if each.n_active() == each.n_variables]


def loss_at(surface, W):
    """Neuron by neuron, without the code under test."""
    outputs = -surface.targets
    for a, w in zip(surface.outer, W, strict=True):
        z = surface.design @ w
        outputs = outputs + a * np.where(z > 0, z, surface.slope * z)
    return np.abs(outputs).mean()


@pytest.mark.parametrize("slope", [0.0, 0.2, -1.0])
@pytest.mark.parametrize(("seed", "repeats"), [(0, 1), (1, 1), (2, 1), (3, 2)])
def test_derivatives_along_edges_are_differences_up_to_the_nearest_kink(slope, seed, repeats):
    """The loss is linear on an edge, so a difference over any part of it is the derivative."""
    for point in vertices(slope, seed, repeats=repeats)[::4]:
        normals = point.normals()
        inverse = np.linalg.inv(normals)
        edges = edges_of(point, inverse)
        for k, (direction, derivative) in enumerate(
            zip(edges.directions, edges.derivatives, strict=True)
        ):
            _, slopes = slopes_along(point, k)
            stop = nearest_kink(point, point.spread(direction), slopes)
            step = 0.5 * min(1.0, 1.0 if stop is None else stop.length)
            moved = loss_at(point.surface, point.with_moving(point.W.ravel() + step * direction))
            difference = (moved - loss_at(point.surface, point.W)) / step
            np.testing.assert_allclose(difference, derivative, rtol=0, atol=1e-12 / step + 1e-9)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_steps_end_exactly_at_kinks(slope):
    for point in vertices(slope, seed=1):
        hidden = point.kinks.neurons != OF_RESIDUAL
        samples, neurons = point.kinks
        scale = np.abs(point.surface.targets).max() + np.abs(point.z).max()
        np.testing.assert_allclose(point.r[samples[~hidden]], 0, atol=1e-11 * scale)
        np.testing.assert_allclose(point.z[samples[hidden], neurons[hidden]], 0, atol=1e-11 * scale)
        assert len(samples) == point.n_variables == point.n_active()


def test_a_ray_is_followed_to_the_first_sign_change():
    surface, W, random = surface_and_weights(seed=3)
    point = Point.at(surface, W, np.ones(len(W), dtype=bool), Kinks.none())
    direction = random.standard_normal(W.shape)
    stop = nearest_kink(point, direction, point.slopes)
    signs = [(np.sign(point.z), np.sign(point.r))]
    for part in (0.999, 1.001):
        z = surface.hidden(W + part * stop.length * direction)
        signs.append((np.sign(z), np.sign(surface.residuals(z))))
    changes = [(z != signs[0][0]).sum() + (r != signs[0][1]).sum() for z, r in signs]
    assert changes == [0, 0, 1]
