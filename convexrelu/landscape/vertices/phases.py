"""The two phases of vertex descent: to a vertex, and from vertex to vertex."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.landscape.vertices.point import Point, nearest_kink
from convexrelu.landscape.vertices.surface import Kinks
from convexrelu.landscape.vertices.vertex import (
    DESCENDING,
    Edges,
    edges_of,
    is_strict_minimum,
    slopes_along,
)

__all__ = ["DEGENERATE", "FLAT", "LIMIT", "MINIMUM", "SILENT", "to_a_minimum", "to_a_vertex"]

MINIMUM = "local minimum"
FLAT = "no edge descends, but one is level, or another kink is near, up to rounding"
DEGENERATE = "more kinks are active at once than are independent"
LEVEL = "the loss is level in a direction without kinks"
SILENT = "a neuron is inactive on all samples"
LIMIT = "limit of vertices"


def to_a_vertex(
    point: Point, random: np.random.RandomState, visit: Callable[[Point], bool]
) -> tuple[Point, str | None]:
    """Phase 1: descend along the gradient off the normals of active kinks, until there are ``N``.

    Returns the point, and why there is no vertex, if so. `visit` is called with every point and returns whether to go
    on.
    """
    while True:
        if _is_silent(point):
            return point, SILENT
        if point.n_active() > len(point.kinks.samples):
            return point, DEGENERATE
        if len(point.kinks.samples) == point.n_variables:
            return point, None
        direction, level = _projected(point, random)
        stop = nearest_kink(point, point.spread(direction), point.slopes)
        if stop is None and level:
            direction = -direction
            stop = nearest_kink(point, point.spread(direction), point.slopes)
        if stop is None:
            return point, LEVEL
        W = point.W + stop.length * point.spread(direction)
        following = _at(point, W, point.kinks.adding(stop.sample, stop.neuron))
        if following.loss > point.loss + point.rounding:
            return point, DEGENERATE
        point = following
        if not visit(point):
            return point, LIMIT


def to_a_minimum(point: Point, visit: Callable[[Point], bool]) -> tuple[Point, str]:
    """Phase 2: follow the steepest descending edge to the nearest kink, until none descends.

    Returns the last vertex and why it is the last. A step that would raise the loss is not made: at a degenerate vertex
    an edge can cross a kink at once.
    """
    while True:
        normals = point.normals()
        try:
            inverse = np.linalg.inv(normals).astype(np.float64, copy=False)
        except np.linalg.LinAlgError:
            return point, DEGENERATE
        exact = _at(point, point.with_moving(inverse @ point.levels()), point.kinks)
        if not abs(exact.loss - point.loss) <= point.rounding:  # the normals are nearly dependent
            return point, DEGENERATE
        point = exact
        if point.n_active() > point.n_variables:
            return point, DEGENERATE
        edges = edges_of(point, inverse)
        following = _along_steepest(point, edges)
        if following is None:
            return point, MINIMUM if is_strict_minimum(point, normals, edges) else FLAT
        if following.loss > point.loss + point.rounding:
            return point, DEGENERATE
        point = following
        if not visit(point):
            return point, LIMIT


def _along_steepest(point: Point, edges: Edges) -> Point | None:
    edge = int(edges.derivatives.argmin())
    if edges.derivatives[edge] >= -DESCENDING * point.surface.steepness:
        return None
    place, slopes = slopes_along(point, edge)
    direction = point.spread(edges.directions[edge])
    stop = nearest_kink(point, direction, slopes)
    if stop is None:  # only rounding can make a loss fall forever
        return None
    kinks = point.kinks.replacing(place, stop.sample, stop.neuron)
    return _at(point, point.W + stop.length * direction, kinks)


def _projected(point: Point, random: np.random.RandomState) -> tuple[Array, bool]:
    """A unit direction that keeps active kinks active, and whether the loss is level along it."""
    q, _ = np.linalg.qr(point.normals().T)
    gradient = point.gradient()
    descent = -(gradient - q @ (q.T @ gradient))
    descent -= q @ (q.T @ descent)  # twice is enough (Kahan)
    length = np.linalg.norm(descent)
    if length > DESCENDING * point.surface.steepness:
        return descent / length, False
    level = random.standard_normal(len(gradient))
    for _ in range(2):
        level -= q @ (q.T @ level)
    return level / np.linalg.norm(level), True


def _is_silent(point: Point) -> bool:
    return point.surface.slope == 0 and bool((point.slopes[:, point.moving] == 0).all(axis=0).any())


def _at(point: Point, W: Array, kinks: Kinks) -> Point:
    return Point.at(point.surface, W, point.moving, kinks)
