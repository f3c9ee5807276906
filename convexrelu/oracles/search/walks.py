"""Walks from local maximum to local maximum of ``h(u) = σ vᵀ relu(X̃u)`` on the unit sphere, along edges of its cells.

Most maxima are at vertices, where concave kinks meet, and the narrow ones among them are rarely reached from random
starts. But they share kinks with others: leaving one kink ``k`` of a maximum ``u`` while staying on all others leads
along the great circle

    u(θ) = u cos θ + w sin θ,      x̃_iᵀw = 0 for the kinks i ≠ k of u,      wᵀu = 0,      ‖w‖ = 1,

where ``x̃_iᵀu(θ) = r_i sin(θ − θ_i)``: each sample becomes active at ``θ_i`` and inactive half a turn later. Sorting
these angles gives ``h`` on all arcs between them, ``A cos θ + B sin θ`` with the sums ``A, B`` over active samples, and
so all local maxima on the circle. They are where the next ascents start. It is a local search on the graph of maxima,
in which vertices are neighbours if they are on one circle.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from convexrelu._utils.norms import unit_rows
from convexrelu._utils.typing import Array, Masks
from convexrelu.oracles.base import strongest_first
from convexrelu.oracles.search.starts import apart

__all__ = ["MOST_DIMENSIONS", "Circles", "Walks", "circles_of", "maxima_on"]

# Above this dimension, circles take longer than what they find is worth: with 21, twenty seconds of training left a gap
# of 8.4 % instead of 5.9 % (500 samples of a teacher, alpha = 0.0001).
MOST_DIMENSIONS = 16
_ON_KINK = 1e-8  # distance from a hyperplane, for a unit vector, that is rounding
_INDEPENDENT = 1e-8  # part of the largest diagonal entry of a triangular factor that is no rounding
_AWAY = 0.02  # angle from the maximum below which an end is the maximum itself
# Maxima of so much of the level are left in walks, and ends of that much are worth steps that raise them by a few per
# cent.
_WORTH_LEAVING, _WORTH_STEPS = 0.98, 0.95
_LEFT_TOGETHER, _ENDS_TOGETHER = 32, 64  # maxima of one call, and ends
_SAME = 0.9995  # cosine of directions of one maximum, with their signs as an entry: of 0.999 without them
_ENTRIES = 2**18  # of an array of circles by angles, which stays in the cache
_REMEMBERED = 2048  # maxima that walks have left


class Circles(NamedTuple):
    """Great circles through maxima: ``u``, ``w`` of shape (c, d̃), and the maximum of each, (c,)."""

    u: Array
    w: Array
    maximum: NDArray[np.intp]


def circles_of(normals: Array, directions: Array) -> Circles:
    """For each kink of each direction, the circle that leaves it and stays on the others.

    Parameters
    ----------
    normals : array of shape (n, d̃)
        Unit rows, or zero.
    directions : array of shape (k, d̃)
        Unit vectors.
    """
    on_kink = np.abs(directions @ normals.T) <= _ON_KINK
    tangents = [np.zeros((0, normals.shape[1]))]
    for kinks in on_kink:
        tangents.append(_dual_basis(normals[kinks]))
    counts = [len(t) for t in tangents[1:]]
    maximum = np.repeat(np.arange(len(directions)), counts)
    u, w = directions[maximum], np.concatenate(tangents)
    w = w - np.einsum("ij,ij->i", u, w)[:, None] * u
    return Circles(u, unit_rows(w), maximum)


def _dual_basis(rows: Array) -> Array:
    """Vectors in the span of the rows, each orthogonal to all of some independent rows but one, (r, d̃)."""
    if len(rows) == 0:
        return rows
    _, factor, order = qr(rows.T, mode="economic", pivoting=True)
    sizes = np.abs(np.diag(factor))
    rank = int(np.count_nonzero(sizes > _INDEPENDENT * sizes[0]))
    return np.linalg.pinv(rows[order[:rank]]).T


def maxima_on(
    circles: Circles, design: Array, heights: Array
) -> tuple[NDArray[np.intp], Array, Array]:
    """Local maxima of ``Σ_i heights_i relu(x̃_iᵀu)`` on circles, but for those where they begin.

    Parameters
    ----------
    circles : Circles
    design : array of shape (n, d̃)
    heights : array of shape (c, n)
        ``σ v`` of each circle.

    Returns
    -------
    circle, angles, values : arrays of shape (m,)
    """
    a, b = circles.u @ design.T, circles.w @ design.T
    rises = np.arctan2(-a, b)  # θ_i
    a, b = heights * a, heights * b
    falls = np.where(rises <= 0, rises + np.pi, rises - np.pi)
    angles, order = _sorted(np.concatenate([rises, falls], axis=1))
    active = rises > 0  # at −π
    a = _sums(a, active, order)
    b = _sums(b, active, order)
    # Derivatives on both sides of the kink at the start of an arc.
    after = b * np.cos(angles) - a * np.sin(angles)
    before = np.roll(b, 1, axis=1) * np.cos(angles) - np.roll(a, 1, axis=1) * np.sin(angles)
    at_kink = (before > 0) & (after <= 0)
    crest = np.arctan2(b, a)  # of the whole circle, with the sums of this arc
    widths = np.diff(angles, axis=1, append=angles[:, :1] + 2 * np.pi)
    inside = (crest - angles) % (2 * np.pi) < widths
    values = np.where(inside, np.hypot(a, b), a * np.cos(angles) + b * np.sin(angles))
    angles = np.where(inside, crest, angles)
    circle, place = np.nonzero((inside | at_kink) & (np.abs(angles) > _AWAY))
    return circle, angles[circle, place], values[circle, place]


def _sorted(angles: Array) -> tuple[Array, NDArray[np.intp]]:
    order = np.argsort(angles, axis=1)
    return np.take_along_axis(angles, order, axis=1), order


def _sums(terms: Array, active: Masks, order: NDArray[np.intp]) -> Array:
    """Sums over active samples after each of the sorted angles."""
    changes = np.take_along_axis(np.concatenate([terms, -terms], axis=1), order, axis=1)
    return (terms * active).sum(axis=1, keepdims=True) + np.cumsum(changes, axis=1)


class Walks:
    """Starts of ascents beyond the maxima of a search.

    Parameters
    ----------
    design : array of shape (n, d̃)
    """

    def __init__(self, design: Array) -> None:
        self.design = design
        # Maxima that walks have left, see `_signed`.
        self._left = np.zeros((0, design.shape[1] + 1))

    @cached_property
    def _normals(self) -> Array:
        return unit_rows(self.design)

    def forget(self) -> None:
        """Leave all maxima again, as is worth it at another dual point."""
        self._left = self._left[:0]

    def starts(
        self, v: Array, directions: Array, signs: Array, values: Array, level: float
    ) -> tuple[Array, Array]:
        """Where to go on from the strongest maxima that no walk has left: directions and signs.

        Parameters
        ----------
        v : array of shape (n,)
        directions, signs, values : arrays of shape (k, d̃), (k,) and (k,)
            Maxima.
        level : float
            Lower ones do not matter; if zero, lower ones than the largest.
        """
        level = level or float(values.max(initial=0.0))
        if level <= 0:
            return directions[:0], signs[:0]
        order = strongest_first(values)
        order = order[values[order] >= _WORTH_LEAVING * level]
        maxima = _signed(directions, signs)
        new = order[~_is_near(maxima[order], self._left)][: 4 * _LEFT_TOGETHER]
        new = new[apart(maxima[new], _SAME)][:_LEFT_TOGETHER]
        self._left = np.concatenate([maxima[new], self._left])[:_REMEMBERED]
        ends, sides, heights = self._ends(v, directions[new], signs[new], level)
        fresh = np.flatnonzero(~_is_near(_signed(ends, sides), maxima))
        fresh = fresh[strongest_first(heights[fresh])][: 8 * _ENDS_TOGETHER]
        fresh = fresh[apart(_signed(ends, sides)[fresh], _SAME)][:_ENDS_TOGETHER]
        return ends[fresh], sides[fresh]

    def _ends(
        self, v: Array, directions: Array, signs: Array, level: float
    ) -> tuple[Array, Array, Array]:
        """Maxima on the circles from some directions that are worth going on, their signs and values."""
        circles = circles_of(self._normals, directions)
        sides = signs[circles.maximum]
        found = []
        step = max(1, _ENTRIES // (2 * len(v)))
        for begin in range(0, len(sides), step):
            some = slice(begin, begin + step)
            part = Circles(circles.u[some], circles.w[some], circles.maximum[some])
            heights = sides[some, None] * v
            circle, angles, values = maxima_on(part, self.design, heights)
            high = values >= _WORTH_STEPS * level
            circle, angles, values = circle[high], angles[high, None], values[high]
            ends = part.u[circle] * np.cos(angles) + part.w[circle] * np.sin(angles)
            found.append((ends, sides[begin + circle], values))
        if not found:
            return directions[:0], signs[:0], signs[:0]
        ends, sides, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return ends, sides, values


def _signed(directions: Array, signs: Array) -> Array:
    """Unit vectors that are near each other if the directions are, and have one sign."""
    return np.column_stack([directions, signs]) * 0.5**0.5


def _is_near(directions: Array, others: Array) -> Masks:
    return np.asarray((directions @ others.T > _SAME).any(axis=1))
