"""Neurons that contribute nothing: set aside, and brought back by the oracle.

A neuron with zero weights is degenerate, as the kinks of all samples meet there. So is one that is inactive on all
samples: its weights do not matter, and it never reaches a vertex. Both count as zero here. The oracle looks for the
direction in which such a neuron lowers the loss most; it is an estimate, so that not to find one proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.landscape.vertices.point import Point
from convexrelu.landscape.vertices.surface import OF_RESIDUAL, L1Surface
from convexrelu.landscape.vertices.vertex import DESCENDING
from convexrelu.networks.activation import activate
from convexrelu.oracles import Oracle
from convexrelu.oracles.selection import choose_oracles

# The oracle's directions may be on kinks, to which the neuron must not be bound: they are moved by about this angle.
_MOVED = 1e-3

__all__ = ["Finder", "brought_back", "oracle_of", "strictly_inactive", "without_silent"]

Finder = Callable[[], Oracle]


def oracle_of(surface: L1Surface, random: np.random.RandomState) -> Oracle:
    """Search over all directions of a neuron."""
    return choose_oracles("search", surface.design, random, slope=surface.slope).heuristic


def without_silent(point: Point) -> Point:
    """The same network with neurons set aside that are zero, or inactive on all samples."""
    silent = np.zeros_like(point.moving)
    if point.surface.slope == 0:
        silent = (point.slopes == 0).all(axis=0)
    vanishing = point.surface.vanishing(point.W, point.moving & ~silent)
    moving = point.moving & ~silent & ~vanishing
    W = np.where((vanishing & point.moving & ~silent)[:, None], 0.0, point.W)
    of_residual = point.kinks.neurons == OF_RESIDUAL
    kinks = point.kinks.select(of_residual | moving[point.kinks.neurons])
    return Point.at(point.surface, W, moving, kinks)


def brought_back(point: Point, find: Finder, random: np.random.RandomState) -> Point | None:
    """The network with one neuron more, up to the nearest kink; None if the oracle finds no descent."""
    if point.moving.all():
        return None
    v = -point.signs * point.surface.weights
    report = find()(v)
    for neuron in np.flatnonzero(~point.moving):
        agree = report.signs == np.sign(point.surface.outer[neuron])
        for direction in report.directions[agree]:
            moved = direction + _MOVED * random.standard_normal(direction.shape)
            following = _along(point, int(neuron), moved)
            if following is not None:
                return following
    return None


def _along(point: Point, neuron: int, direction: Array) -> Point | None:
    """The neuron in this direction, up to the nearest kink of a residual."""
    surface = point.surface
    rates = surface.outer[neuron] * activate(surface.design @ direction, surface.slope)
    changes = np.where(point.signs == 0, np.abs(rates), point.signs * rates)
    derivative = surface.weights @ changes
    towards = point.signs * rates < 0
    if derivative >= -DESCENDING * surface.steepness or not towards.any():
        return None
    times = np.full(len(rates), np.inf)
    times[towards] = -point.r[towards] / rates[towards]
    sample = int(times.argmin())
    W, moving = point.W.copy(), point.moving.copy()
    W[neuron], moving[neuron] = times[sample] * direction, True
    kept = (point.kinks.neurons != OF_RESIDUAL) | (rates[point.kinks.samples] == 0)
    kinks = point.kinks.select(kept).adding(sample, OF_RESIDUAL)
    following = Point.at(surface, W, moving, kinks)
    return following if following.loss < point.loss - point.rounding else None


def strictly_inactive(point: Point) -> bool:
    """Whether neurons that were set aside are inactive on all samples by more than rounding, as are those nearby."""
    aside = ~point.moving
    hidden, _ = point.surface.nearly_zero(point.W, point.z, point.r)
    inactive = (point.z < 0) & ~hidden
    return point.surface.slope == 0 and bool(inactive[:, aside].all())
