"""Values at the corners of boxes, and what follows from them: see :mod:`convexrelu.oracles.bounds.corner_bound`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.kinks import Crossings, Kinks

__all__ = ["CornerTables"]

_IMPROVEMENTS = 5  # of p
_SECTIONS = 5  # of a line search
_STEEPNESS = (
    10  # of slopes as functions of t over the width of its interval, around the mean corner
)
_SPREAD = 1.5  # of the μ_i around one half, compared with the slopes of chords
_CHUNK = 2**16  # entries of a table of samples × corners, so that it fits in a cache


class CornerTables:
    """``P(s) − pᵀs`` at the corners ``s`` of boxes, one row per box.

    Attributes
    ----------
    excess : array of shape (k,)
        ``φ(p)`` for the best ``p`` found.
    slopes, units : arrays of shape (k, samples with v_i < 0) and (k, r)
        The ``m_i`` and ``û`` of that ``p``.
    value, witness : float and array of shape (r,)
        The largest value of ``h(u)/‖u‖`` that was met, and where.
    """

    def __init__(
        self,
        convex: Kinks,
        concave: Kinks,
        boxes: Boxes,
        up: Crossings,
        down: Crossings,
        decided: Array,
        errors: Array,
        target: float,
        n_free: int,
    ) -> None:
        k, rank = boxes.lower.shape
        self._convex, self._concave, self._boxes = convex, concave, boxes
        self._up, self._down, self._decided, self._target = up, down, decided, target
        self._centres, self._halves = boxes.centres, boxes.halves
        self._widths = down.widths
        # The face's own coordinate is last.
        errors[np.arange(k), boxes.faces] = -np.inf
        if rank - 1 <= n_free:
            errors[errors > -np.inf] = 0.0
        order: NDArray[np.intp] = np.argsort(-errors, axis=1, kind="stable")
        self._free, self._rest = order[:, :n_free], order[:, n_free : rank - 1]
        self._signs = np.where(np.arange(2**n_free)[:, None] >> np.arange(n_free) & 1, 1.0, -1.0)
        self._free_halves = _along(self._halves, self._free)
        self._rest_halves = _along(self._halves, self._rest)
        self._from, self._to = np.full((k, rank), -1.0), np.ones((k, rank))
        self._table = np.zeros((k, 2**n_free))
        self._rest_slopes = np.zeros(self._rest.shape)
        self.value, self.witness = 0.0, np.zeros(rank)
        self._tabulate()

    def improve(self, slopes: Array, units: Array) -> None:
        """Start from the ``p`` of these slopes and unit vectors, and move it for a few steps."""
        self.slopes, self.units = slopes, units
        p = slopes @ self._concave.weighted + self._target * units
        left = np.arange(len(p))
        current = self._minus(p, left)
        self.excess = current.max(axis=1)
        going = self.excess > 0
        for step in range(_IMPROVEMENTS):
            left, p, current = left[going], p[going], current[going]
            if not len(left):
                return
            u, mean = self._mean_corner(p, current, step, left)
            t, hopeful = self._judge(u, mean, left)
            self._clip(p[~hopeful], current[~hopeful], left[~hopeful])
            left, p, current = left[hopeful], p[hopeful], current[hopeful]
            u, t = u[hopeful], t[hopeful]
            steep = _STEEPNESS * t / self._widths[left]
            slopes = np.clip(0.5 + steep, 0.0, 1.0) * self._down.crosses[left]
            units = u / norms(u)[:, None]
            other = slopes @ self._concave.weighted + self._target * units
            table = self._minus(other, left)
            steps, self.excess[left] = _line_search(current, table, self.excess[left])
            self._clip(other, table, left)
            self.slopes[left] += steps * (slopes - self.slopes[left])
            self.units[left] += steps * (units - self.units[left])
            p = p + steps * (other - p)
            if self._rest.shape[1]:
                current = self._minus(p, left)
                self.excess[left] = current.max(axis=1)
            else:
                current = current + steps * (table - current)
            going = self.excess[left] > 0
            self._clip(p[going], current[going], left[going])

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Whether nothing is left of a box after clipping."""
        return np.any(self._from > self._to, axis=1)

    @property
    def gained(self) -> Array:
        """Logarithms by which clipping lowers the volume."""
        shares = np.maximum(0.5 * (self._to - self._from), 1e-15)
        return -np.log(shares).sum(axis=1)

    def clipped(self) -> tuple[Array, Array]:
        """Lower and upper ends of the boxes after clipping, rounded outwards."""
        lower = np.nextafter(self._centres + self._halves * self._from, -np.inf)
        upper = np.nextafter(self._centres + self._halves * self._to, np.inf)
        lower = np.where(self._from > -1, np.maximum(lower, self._boxes.lower), self._boxes.lower)
        upper = np.where(self._to < 1, np.minimum(upper, self._boxes.upper), self._boxes.upper)
        return lower, upper

    def _tabulate(self) -> None:
        """``P`` without its decided part at all corners, for boxes with about equally many kinks at a time."""
        counts: NDArray[np.intp] = np.sum(self._up.crosses, axis=1)
        kinks = np.argsort(~self._up.crosses, axis=1, kind="stable")
        by_count = np.argsort(counts)
        start = 0
        while start < len(counts):
            entries = max(1, int(counts[by_count[start]])) * self._table.shape[1]
            part = by_count[start : start + max(1, _CHUNK // entries)]
            start += len(part)
            some = kinks[part, : counts[part].max()]
            there = np.arange(some.shape[1]) < counts[part][:, None]
            self._tabulate_some(part, some, np.where(there, self._convex.sizes[some], 0.0))

    def _tabulate_some(self, part: NDArray[np.intp], kinks: NDArray[np.intp], v: Array) -> None:
        rows = self._convex.rows[kinks]  # (boxes, kinks, r)
        steps = np.take_along_axis(rows, self._free[part][:, None], axis=2)
        steps *= self._free_halves[part][:, None]
        base = rows @ self._centres[part][:, :, None] - steps.sum(axis=2, keepdims=True)
        t = np.empty((*kinks.shape, self._table.shape[1]))
        t[..., :1] = base
        for axis in range(steps.shape[2]):  # by doubling: few roundings
            n = 2**axis
            np.add(t[..., :n], 2 * steps[..., axis : axis + 1], out=t[..., n : 2 * n])
        if self._rest.shape[1]:
            chords = np.take_along_axis(self._up.slopes[part], kinks, axis=1)
            mu = np.clip(0.5 + _SPREAD * (chords - 0.5), 0.0, 1.0)
            across = np.take_along_axis(rows, self._rest[part][:, None], axis=2)
            b = np.abs(across) @ self._rest_halves[part][:, :, None]
            self._rest_slopes[part] = ((v * mu)[:, None] @ across)[:, 0]
            lift = mu[:, :, None] * b
            t = np.maximum(np.maximum(t + b, 0.0) - lift, np.maximum(t - b, 0.0) + lift)
        else:
            np.maximum(t, 0.0, out=t)
        self._table[part] = (v[:, None] @ t)[:, 0]

    def _minus(self, p: Array, left: NDArray[np.intp]) -> Array:
        """``P(s) − pᵀs``, with its maximum along the coordinates that are not enumerated."""
        linear = self._decided[left] - p
        base = (linear * self._centres[left]).sum(axis=1)
        if self._rest.shape[1]:
            rest = np.abs(_along(linear, self._rest[left]) + self._rest_slopes[left])
            base += (rest * self._rest_halves[left]).sum(axis=1)
        steps = _along(linear, self._free[left]) * self._free_halves[left]
        return self._table[left] + (base[:, None] + steps @ self._signs.T)

    def _mean_corner(
        self, p: Array, current: Array, step: int, left: NDArray[np.intp]
    ) -> tuple[Array, Array]:
        """Mean of the corners with large values, which lies in the box, and the mean of ``P`` over them."""
        highest = current.max(axis=1)
        spread = highest - current.min(axis=1)
        threshold = highest - spread / (1 + 0.5 * step)
        weights = np.maximum(current - threshold[:, None], 0.0)
        with np.errstate(invalid="ignore"):  # all corners alike
            weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * current).sum(axis=1)
        u = self._centres[left].copy()
        free = (weights @ self._signs) * self._free_halves[left]
        np.put_along_axis(u, self._free[left], _along(u, self._free[left]) + free, axis=1)
        if self._rest.shape[1]:
            slopes = _along(self._decided[left] - p, self._rest[left]) + self._rest_slopes[left]
            halves = self._rest_halves[left]
            with np.errstate(divide="ignore", invalid="ignore"):  # all corners alike
                moved = np.clip(2 * slopes * halves / spread[:, None], -1, 1) * halves
            np.put_along_axis(u, self._rest[left], _along(u, self._rest[left]) + moved, axis=1)
            mean += (slopes * moved - np.abs(slopes) * halves).sum(axis=1)
        return u, mean + (p * u).sum(axis=1)

    def _judge(
        self, u: Array, mean: Array, left: NDArray[np.intp]
    ) -> tuple[Array, NDArray[np.bool_]]:
        """``t`` of the concave kinks at points of the boxes, and whether some ``p`` may close each box.

        The points are also tried as witnesses.
        """
        t, sizes = u @ self._concave.rows.T, norms(u)
        below = (np.maximum(t, 0.0) * self._down.crosses[left]) @ self._concave.sizes
        above = np.maximum(u @ self._convex.rows.T, 0.0) * self._up.crosses[left]
        values = above @ self._convex.sizes - below + (self._decided[left] * u).sum(axis=1)
        values /= sizes
        best = int(np.nan_to_num(values, nan=-np.inf).argmax())
        if values[best] > self.value:
            self.value, self.witness = float(values[best]), u[best] / sizes[best]
        return t, mean <= below + self._target * sizes  # NaN: all corners are alike

    def _clip(self, p: Array, values: Array, left: NDArray[np.intp]) -> None:
        """Narrow the ranges ``θ`` by the largest values on both sides of each coordinate."""
        low, high = np.empty((2, *self._free[left].shape))
        largest = values
        for axis in reversed(range(low.shape[1])):
            below, above = np.split(largest, 2, axis=1)
            low[:, axis], high[:, axis] = below.max(axis=1), above.max(axis=1)
            largest = np.maximum(below, above)
        order = self._free[left]
        if self._rest.shape[1]:
            slopes = _along(self._decided[left] - p, self._rest[left]) + self._rest_slopes[left]
            across, largest = 2 * slopes * self._rest_halves[left], values.max(axis=1)[:, None]
            low = np.hstack([low, largest - np.maximum(across, 0.0)])
            high = np.hstack([high, largest + np.minimum(across, 0.0)])
            order = np.hstack([order, self._rest[left]])
        with np.errstate(divide="ignore", invalid="ignore"):
            where = (low + high) / (low - high)
        rows = left[:, None]
        start = np.where((low < 0) & (high > 0), where, -1.0)
        end = np.where((high < 0) & (low > 0), where, 1.0)
        self._from[rows, order] = np.maximum(self._from[rows, order], start)
        self._to[rows, order] = np.minimum(self._to[rows, order], end)


def _along(values: Array, index: NDArray[np.intp]) -> Array:
    return np.take_along_axis(values, index, axis=1)


def _line_search(current: Array, other: Array, excess: Array) -> tuple[Array, Array]:
    """Steps in ``[0, 1]`` from one table towards another with small maxima: steps (k, 1), and maxima (k,)."""
    best, excess = np.zeros((len(excess), 1)), excess.copy()
    low, high = np.zeros(len(excess)), np.ones(len(excess))
    difference = other - current
    for section in range(_SECTIONS):
        trials = (low + 0.5, low + 1.0)
        if section:
            trials = low + (high - low) / 3, low + 2 * (high - low) / 3
        first, second = ((current + e[:, None] * difference).max(axis=1) for e in trials)
        for trial, value in zip(trials, (first, second), strict=True):
            better = (excess > 0) & (value < excess)
            best[better, 0], excess[better] = trial[better], value[better]
        right = second < first
        high = np.where(right | (section == 0), high, trials[1])
        low = np.where(right, trials[0], low)
    return best, excess
