"""Linear pieces of ``vᵀ relu(X̃u)`` along circles on the sphere, and where they are largest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import strongest_first
from convexrelu.oracles.exact.sums import running_sums, sum_in_blocks

__all__ = ["HEIGHT", "QUARTERS", "Arcs", "Kinked", "Lines", "Pieces"]

Indices = NDArray[np.intp]

# Height of the sweep above its circle. The side of a line that a point is on can be mistaken within 23 eps:
# 8 for coordinates in the frame of a circle, 15 for the angle of a crossing.
HEIGHT = 64 * float(np.finfo(np.float64).eps)
QUARTERS = 0.5 * np.pi * np.arange(4)


@dataclass(frozen=True, eq=False)
class Kinked:
    """``h(u) = Σ_l kinks_l relu(normals_lᵀ u) + linearᵀ u``."""

    normals: Array
    kinks: Array
    linear: Array

    def __call__(self, points: Array) -> Array:
        """Values at points (k, 3)."""
        bent = sum_in_blocks(np.maximum(points @ self.normals.T, 0.0) * self.kinks)
        return bent + points @ self.linear

    @property
    def odd(self) -> Array:
        """The vector ``s`` of ``h(u) − h(−u) = sᵀu``."""
        return sum_in_blocks(self.normals.T * self.kinks) + 2 * self.linear


@dataclass(frozen=True, eq=False)
class Lines:
    """The distinct lines through the origin that the rows span, with their unit vectors.

    Rows that are equal up to rounding stay apart, which is safe, only more work.
    """

    normals: Array
    rows: Indices
    norms: Array
    line_of: Indices
    opposite: NDArray[np.bool_]

    @classmethod
    def of(cls, coordinates: Array) -> Lines:
        """The lines of rows in three coordinates."""
        lengths = norms(coordinates)
        rows = np.flatnonzero(lengths)
        units = coordinates[rows] / lengths[rows, None]
        leading = np.argmax(units != 0, axis=1)
        opposite = units[np.arange(len(units)), leading] < 0
        units = np.where(opposite[:, None], -units, units) + 0.0  # no negative zeros
        normals, line_of = np.unique(units, axis=0, return_inverse=True)
        return cls(normals, rows, lengths[rows], line_of.reshape(-1), opposite)

    def function(self, v: Array, unit: float) -> Kinked:
        """``u → vᵀ relu(X̃u)/unit`` in terms of the lines."""
        weights = v[self.rows] * self.norms / unit
        kinks = np.bincount(self.line_of, weights, len(self.normals)).astype(np.float64)
        odd = np.where(self.opposite, weights, 0.0) * self.normals[self.line_of].T
        return Kinked(self.normals, kinks, -sum_in_blocks(odd))

    @property
    def multiplicity(self) -> int:
        """Largest number of rows on one line."""
        return int(np.bincount(self.line_of).max(initial=0))


@dataclass(frozen=True, eq=False)
class Arcs:
    """Arcs of some circles, in the order of their angle; the last one ends where the first begins.

    Vectors are written in the frame of their circle: two axes in its plane, and its own normal.

    Attributes
    ----------
    frames : array of shape (B, 3, 3)
        Axes of each circle, as rows.
    kinked : array of shape (B,)
        Line to which a circle belongs; -1 for none.
    line : array of shape (B, E)
        Line that is crossed where an arc begins.
    crossed : array of shape (3, B, E)
        Its normal, turned to the side of the arc; zero where nothing is crossed.
    cosine, sine : arrays of shape (B, E)
        Where the arc begins.
    active : boolean array of shape (B, m)
        Lines whose positive side the angle zero lies on.
    """

    frames: Array
    kinked: Indices
    line: Indices
    crossed: Array
    cosine: Array
    sine: Array
    active: NDArray[np.bool_]

    @classmethod
    def of(cls, normals: Array, axes: Array, kinked: Indices, height: float) -> Arcs:
        """Arcs along the circles around `axes`, at the given height above them."""
        frames = _frames(axes)
        local = np.moveaxis(frames @ normals.T, 1, 0)  # (3, B, m)
        size, direction = np.hypot(local[0], local[1]), np.arctan2(local[1], local[0])
        rise = height * local[2]
        crosses = np.abs(rise) < size
        half_width = np.arccos(-rise / np.where(crosses, size, 1.0))
        enter = (direction - half_width) % (2 * np.pi)
        leave = (direction + half_width) % (2 * np.pi)
        # Stops at every quarter turn keep arcs short enough to have one maximum at most.
        quarters = np.broadcast_to(QUARTERS, (len(axes), len(QUARTERS)))
        angles = np.hstack([enter, leave, quarters])
        turned = np.where(crosses, local, 0.0)
        nothing = np.zeros((3, *quarters.shape))
        crossed = np.concatenate([turned, -turned, nothing], axis=2)
        order = np.argsort(angles, axis=1)
        angles = np.take_along_axis(angles, order, axis=1)
        crossed = np.take_along_axis(crossed, order[None], axis=2)
        line = np.concatenate([np.tile(np.arange(len(normals)), 2), np.full(len(QUARTERS), -1)])
        active = np.where(crosses, leave < enter, rise > 0)
        return cls(frames, kinked, line[order], crossed, np.cos(angles), np.sin(angles), active)


@dataclass(frozen=True, eq=False)
class Pieces:
    """The linear pieces ``g`` of a function along arcs.

    Attributes
    ----------
    g : array of shape (3, B, E)
        The piece above each arc, in the frame of its circle.
    kink : array of shape (B, 1)
        By how much the slope of the function across a circle changes on it.
    odd : array of shape (3, B, 1)
        ``g − odd`` is the piece on the far side of the sphere.
    slope, end_slope : arrays of shape (B, E)
        Derivative along the circle where the arc begins and where it ends.
    value : array of shape (B, E)
        The function where the arc begins.
    square : array of shape (B, E)
        Square of the maximum of the piece along the whole circle.
    """

    arcs: Arcs
    g: Array
    kink: Array
    odd: Array
    slope: Array
    end_slope: Array
    value: Array
    square: Array

    @classmethod
    def of(cls, arcs: Arcs, function: Kinked) -> Pieces:
        """The pieces of `function` above `arcs`."""
        kinks = np.append(function.kinks, 0.0)  # index -1: no line, no kink
        active = arcs.active * function.kinks
        start = np.stack([sum_in_blocks(active * axis) for axis in function.normals.T], axis=1)
        start += function.linear
        steps = arcs.crossed * kinks[arcs.line]
        steps[:, :, 0] += np.einsum("bij,bj->ib", arcs.frames, start)
        g = running_sums(steps)
        odd = (arcs.frames @ function.odd).T[:, :, None]
        cosine, sine = arcs.cosine, arcs.sine
        slope = g[1] * cosine - g[0] * sine
        end_slope = g[1] * np.roll(cosine, -1, axis=1) - g[0] * np.roll(sine, -1, axis=1)
        value = g[0] * cosine + g[1] * sine
        square = np.square(g[0]) + np.square(g[1])
        return cls(arcs, g, kinks[arcs.kinked][:, None], odd, slope, end_slope, value, square)

    @property
    def _tops(self) -> NDArray[np.bool_]:
        """Arcs with a maximum or minimum of the piece on them."""
        return self.slope * self.end_slope <= 0

    def best_on_circles(self) -> tuple[Array, Array]:
        """The point of all circles where the function is largest, and its absolute value there."""
        at_start = np.argmax(np.abs(self.value))
        on_top = np.argmax(np.where(self._tops, self.square, 0.0))
        if math.sqrt(self.square.flat[on_top]) * self._tops.flat[on_top] > abs(
            self.value.flat[at_start]
        ):
            return self._tops_at(np.array([on_top]))
        return self._starts_at(np.array([at_start]))

    def local_maxima_on_circles(self, floor: float) -> tuple[Array, Array]:
        """Points on circles above `floor` from where the function falls to all sides, with their values.

        Up to degenerate positions: these are for witnesses, where missing one is no matter.
        """
        above = self.g[2]
        high = self._tops & (self.square > floor**2)
        sign = np.sign(self.slope)
        tops = high & (sign * above <= 0) & (sign * (above - self.kink) >= 0)

        before = np.roll(self.end_slope, 1, axis=1)
        kinks = np.flatnonzero((np.abs(self.value) > floor) & (before * self.slope < 0))
        sign = np.sign(self.value.flat[kinks])
        # Off the circle, the way leads along the line that is crossed there.
        normal = self.arcs.crossed.reshape(3, -1)[:, kinks]
        forward = normal[1] * self.arcs.cosine.flat[kinks] - normal[0] * self.arcs.sine.flat[kinks]
        rise = forward * above.flat[kinks] - normal[2] * self.slope.flat[kinks]
        rise_below = rise - forward * self.kink[kinks // self.value.shape[1], 0]
        peak = (sign * self.slope.flat[kinks] <= 0) & (sign * rise <= 0) & (sign * rise_below >= 0)
        found = self._tops_at(np.flatnonzero(tops)), self._starts_at(kinks[peak])
        return np.vstack([found[0][0], found[1][0]]), np.append(found[0][1], found[1][1])

    def cell_candidates(self, floor: float, probes: Array) -> tuple[Array, Array]:
        """Points where cells beside the arcs can have a maximum above `floor`, and the values there if they do.

        On the other side of the circle, the cells are those on the far side of the sphere. `probes` are
        some of the lines, to reject most of the points that are in other cells.
        """
        near, near_norms = self._inside(self.g, floor, probes)
        far, far_norms = self._inside(self.g - self.odd, floor, probes)
        norms = np.append(near_norms, far_norms)
        order = strongest_first(norms)
        return np.vstack([near, -far])[order], norms[order]

    def _inside(self, g: Array, floor: float, probes: Array) -> tuple[Array, Array]:
        """Unit vectors ``± g/‖g‖`` that may lie in the cell above their arc, and ``‖g‖``."""
        square = np.square(g[0]) + np.square(g[1]) + np.square(g[2])
        high = np.flatnonzero(square > floor**2)
        size = self.value.shape[1]
        following = high + 1 - size * (high % size == size - 1)
        g = g.reshape(3, -1)[:, high]
        g = np.where(g[2] < 0, -g, g)
        crossed = self.arcs.crossed.reshape(3, -1)
        right = (crossed[:, high] * g).sum(axis=0) >= 0
        right &= (crossed[:, following] * g).sum(axis=0) <= 0
        index = high[right]
        norms = np.sqrt(square.flat[index])
        points = self._globally(g[:, right] / norms, index)
        inside = ~_apart(points, self._starts_at(index)[0], probes)
        return points[inside], norms[inside]

    def _tops_at(self, index: Indices) -> tuple[Array, Array]:
        norms = np.sqrt(self.square.flat[index])
        sign = np.where(self.slope.flat[index] < 0, -1.0, 1.0)
        local = sign * self.g.reshape(3, -1)[:, index] / np.where(norms > 0, norms, 1.0)
        local[2] = 0.0
        return self._globally(local, index), norms

    def _starts_at(self, index: Indices) -> tuple[Array, Array]:
        cosine, sine = self.arcs.cosine.flat[index], self.arcs.sine.flat[index]
        local = np.array([cosine, sine, np.zeros(len(index))])
        return self._globally(local, index), np.abs(self.value.flat[index])

    def _globally(self, local: Array, index: Indices) -> Array:
        """Vectors (3, k) in the frames of the circles of the arcs `index`, as rows in common coordinates."""
        return np.einsum("ik,kij->kj", local, self.arcs.frames[index // self.value.shape[1]])


def _apart(points: Array, others: Array, normals: Array) -> NDArray[np.bool_]:
    """Whether one of the lines is clearly between a point and its other."""
    sides = others @ normals.T
    sides[np.abs(sides) < 8 * HEIGHT] = 0.0
    return np.logical_or.reduce((points @ normals.T) * sides < 0, axis=1)


def _frames(axes: Array) -> Array:
    """Orthonormal frames (B, 3, 3) whose last row is the given unit vector."""
    across = np.eye(3)[np.argmin(np.abs(axes), axis=1)]
    first = np.cross(axes, across)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(axes, first), axes], axis=1)
