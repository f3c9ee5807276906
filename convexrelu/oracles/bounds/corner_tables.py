"""Values at the corners of boxes, and what follows from them: see :mod:`convexrelu.oracles.bounds.corner_bound`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.array_functions import functions_for, on_host, positions
from convexrelu._utils.typing import Array
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.kinks import Crossings, Kinks

__all__ = ["CornerTables", "lengths"]

_IMPROVEMENTS = 5  # of p
_SECTIONS = 5  # of a line search
# Of slopes as functions of t over the width of its interval, around the mean corner.
_STEEPNESS = 10
_MOST = 2**26  # entries of the table of one box; more kinks come one part after another
_SPREAD = 1.5  # of the μ_i around one half, compared with the slopes of chords


class CornerTables:
    """``P(s) − pᵀs`` at the corners ``s`` of boxes, one row per box.

    Attributes
    ----------
    excess : array of shape (k,)
        ``φ(p)`` for the best ``p`` found.
    slopes, units : arrays of shape (k, samples with v_i < 0) and (k, r)
        The ``m_i`` and ``û`` of that ``p``.
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
        entries: int,
    ) -> None:
        self._xp = xp = functions_for(boxes.lower)
        k, rank = boxes.lower.shape
        like = {"dtype": xp.float64, "device": boxes.lower.device}
        self._convex, self._concave, self._boxes = convex, concave, boxes
        self._up, self._down, self._decided, self._target = up, down, decided, target
        self._centres, self._halves = boxes.centres, boxes.halves
        self._widths = down.widths
        # The face's own coordinate is last.
        if rank - 1 <= n_free:
            errors = xp.zeros_like(errors)
        errors[xp.arange(k, device=errors.device), boxes.faces] = -np.inf
        order: NDArray[np.intp] = xp.argsort(-errors, axis=1, stable=True)
        self._free, self._rest = order[:, :n_free], order[:, n_free : rank - 1]
        bits = np.arange(2**n_free)[:, None] >> np.arange(n_free) & 1
        self._signs = xp.asarray(np.where(bits, 1.0, -1.0), device=errors.device)
        self._free_halves = _along(self._halves, self._free)
        self._rest_halves = _along(self._halves, self._rest)
        self._from, self._to = xp.full((k, rank), -1.0, **like), xp.ones((k, rank), **like)
        self._table = xp.zeros((k, 2**n_free), **like)
        self._rest_slopes = xp.zeros(self._rest.shape, **like)
        self._best, self._where = xp.zeros(1, **like), xp.zeros((1, rank), **like)
        self._tabulate(entries)

    def improve(self, slopes: Array, units: Array) -> None:
        """Start from the ``p`` of these slopes and unit vectors, and move it for a few steps."""
        self.slopes, self.units = slopes, units
        xp, p = self._xp, slopes @ self._concave.weighted + self._target * units
        left = xp.arange(len(p), device=p.device)
        current = self._minus(p, left)
        self.excess = xp.amax(current, axis=1)
        going = positions(self.excess > 0)
        for step in range(_IMPROVEMENTS):
            left, p, current = left[going], p[going], current[going]
            if not len(left):
                return
            u, mean = self._mean_corner(p, current, step, left)
            t, can_close = self._judge(u, mean, left)
            hopeful = positions(can_close)
            if step == 0:  # later ones have been clipped by this p
                hopeless = positions(~can_close)
                self._clip(p[hopeless], current[hopeless], left[hopeless])
            left, p, current = left[hopeful], p[hopeful], current[hopeful]
            u, t = u[hopeful], t[hopeful]
            steep = _STEEPNESS * t / self._widths[left]
            slopes = xp.clip(0.5 + steep, 0.0, 1.0) * self._down.crosses[left]
            units = u / lengths(u)[:, None]
            other = slopes @ self._concave.weighted + self._target * units
            table = self._minus(other, left)
            steps, self.excess[left] = _line_search(current, table, self.excess[left])
            self._clip(other, table, left)
            self.slopes[left] += steps * (slopes - self.slopes[left])
            self.units[left] += steps * (units - self.units[left])
            p = p + steps * (other - p)
            if self._rest.shape[1]:
                current = self._minus(p, left)
                self.excess[left] = xp.amax(current, axis=1)
            else:
                current = current + steps * (table - current)
            going = positions(self.excess[left] > 0)
            self._clip(p[going], current[going], left[going])

    @property
    def found(self) -> tuple[Array, Array]:
        """The largest value of ``h(u)/‖u‖`` that was met, or zero, and where: of shapes () and (r,), on the device."""
        return self._best[0], self._where[0]

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Whether nothing is left of a box after clipping."""
        return self._xp.any(self._from > self._to, axis=1)

    @property
    def gained(self) -> Array:
        """Logarithms by which clipping lowers the volume."""
        shares = self._xp.clip(0.5 * (self._to - self._from), 1e-15, None)
        return -self._xp.log(shares).sum(axis=1)

    def clipped(self) -> tuple[Array, Array]:
        """Lower and upper ends of the boxes after clipping, rounded outwards."""
        xp, boxes = self._xp, self._boxes
        infinite = xp.full_like(self._centres, np.inf)
        lower = xp.nextafter(self._centres + self._halves * self._from, -infinite)
        upper = xp.nextafter(self._centres + self._halves * self._to, infinite)
        lower = xp.where(self._from > -1, xp.maximum(lower, boxes.lower), boxes.lower)
        upper = xp.where(self._to < 1, xp.minimum(upper, boxes.upper), boxes.upper)
        return lower, upper

    def _tabulate(self, entries: int) -> None:
        """``P`` without its decided part at all corners, for boxes with about equally many kinks at a time."""
        xp, crosses = self._xp, self._up.crosses
        counts: NDArray[np.intp] = xp.sum(crosses, axis=1)
        kinks = xp.argsort(xp.asarray(~crosses, dtype=xp.int8), axis=1, stable=True)
        by_count = xp.argsort(counts)
        ascending = on_host(counts[by_count])
        start = 0
        while start < len(counts):
            of_one = max(1, int(ascending[start])) * self._table.shape[1]
            part = by_count[start : start + max(1, entries // of_one)]
            start += len(part)
            some = kinks[part, : int(ascending[start - 1])]
            there = xp.arange(some.shape[1], device=some.device) < counts[part][:, None]
            v, most = xp.where(there, self._convex.sizes[some], 0.0), _MOST // self._table.shape[1]
            for first in range(0, some.shape[1], most):
                columns = slice(first, first + most)
                self._tabulate_some(part, some[:, columns], v[:, columns])

    def _tabulate_some(self, part: NDArray[np.intp], kinks: NDArray[np.intp], v: Array) -> None:
        """Add some kinks of some boxes, with their weights ``v``, to the tables."""
        xp, rows = self._xp, self._convex.rows[kinks]  # (boxes, kinks, r)
        steps = _across(rows, self._free[part]) * self._free_halves[part][:, None]
        base = rows @ self._centres[part][:, :, None] - steps.sum(axis=2)[:, :, None]
        t = xp.empty((*kinks.shape, self._table.shape[1]), dtype=base.dtype, device=base.device)
        t[..., :1] = base
        for axis in range(steps.shape[2]):  # by doubling: few roundings
            n = 2**axis
            xp.add(t[..., :n], 2 * steps[..., axis : axis + 1], out=t[..., n : 2 * n])
        if self._rest.shape[1]:
            chords = _along(self._up.slopes[part], kinks)
            mu = xp.clip(0.5 + _SPREAD * (chords - 0.5), 0.0, 1.0)
            across = _across(rows, self._rest[part])
            b = xp.abs(across) @ self._rest_halves[part][:, :, None]
            self._rest_slopes[part] += ((v * mu)[:, None] @ across)[:, 0]
            lift = mu[:, :, None] * b
            t = xp.maximum(xp.clip(t + b, 0.0, None) - lift, xp.clip(t - b, 0.0, None) + lift)
        else:
            xp.clip(t, 0.0, None, out=t)
        self._table[part] += (v[:, None] @ t)[:, 0]

    def _minus(self, p: Array, left: NDArray[np.intp]) -> Array:
        """``P(s) − pᵀs``, with its maximum along the coordinates that are not enumerated."""
        linear = self._decided[left] - p
        base = (linear * self._centres[left]).sum(axis=1)
        if self._rest.shape[1]:
            rest = self._xp.abs(_along(linear, self._rest[left]) + self._rest_slopes[left])
            base += (rest * self._rest_halves[left]).sum(axis=1)
        steps = _along(linear, self._free[left]) * self._free_halves[left]
        return self._table[left] + (base[:, None] + steps @ self._signs.T)

    def _mean_corner(
        self, p: Array, current: Array, step: int, left: NDArray[np.intp]
    ) -> tuple[Array, Array]:
        """Mean of the corners with large values, which lies in the box, and the mean of ``P`` over them."""
        xp, highest = self._xp, self._xp.amax(current, axis=1)
        spread = highest - xp.amin(current, axis=1)
        threshold = highest - spread / (1 + 0.5 * step)
        weights = xp.clip(current - threshold[:, None], 0.0, None)
        with np.errstate(invalid="ignore"):  # all corners alike
            weights /= weights.sum(axis=1)[:, None]
        mean = (weights * current).sum(axis=1)
        u, rows = self._centres[left], xp.arange(len(left), device=left.device)[:, None]
        free = (weights @ self._signs) * self._free_halves[left]
        u[rows, self._free[left]] += free
        if self._rest.shape[1]:
            slopes = _along(self._decided[left] - p, self._rest[left]) + self._rest_slopes[left]
            halves = self._rest_halves[left]
            with np.errstate(divide="ignore", invalid="ignore"):  # all corners alike
                moved = xp.clip(2 * slopes * halves / spread[:, None], -1, 1) * halves
            u[rows, self._rest[left]] += moved
            mean += (slopes * moved - xp.abs(slopes) * halves).sum(axis=1)
        return u, mean + (p * u).sum(axis=1)

    def _judge(
        self, u: Array, mean: Array, left: NDArray[np.intp]
    ) -> tuple[Array, NDArray[np.bool_]]:
        """``t`` of the concave kinks at points of the boxes, and whether some ``p`` may close each box.

        The points are also tried as witnesses.
        """
        xp, t, sizes = self._xp, u @ self._concave.rows.T, lengths(u)
        below = (xp.clip(t, 0.0, None) * self._down.crosses[left]) @ self._concave.sizes
        above = xp.clip(u @ self._convex.rows.T, 0.0, None) * self._up.crosses[left]
        values = above @ self._convex.sizes - below + (self._decided[left] * u).sum(axis=1)
        values /= sizes
        best = xp.argmax(xp.nan_to_num(values, nan=-np.inf), axis=0, keepdims=True)
        better = values[best] > self._best
        self._best = xp.where(better, values[best], self._best)
        self._where = xp.where(better, u[best] / sizes[best], self._where)
        return t, mean <= below + self._target * sizes  # NaN: all corners are alike

    def _clip(self, p: Array, values: Array, left: NDArray[np.intp]) -> None:
        """Narrow the ranges ``θ`` by the largest values on both sides of each coordinate."""
        xp, order = self._xp, self._free[left]
        shape, largest = (2, *order.shape), values
        low, high = both = xp.empty(shape, dtype=values.dtype, device=values.device)
        for axis in reversed(range(order.shape[1])):
            sides = largest.reshape(len(order), 2, 2**axis)
            both[:, :, axis] = xp.amax(sides, axis=2).T
            largest = xp.maximum(sides[:, 0], sides[:, 1])
        if self._rest.shape[1]:
            slopes = _along(self._decided[left] - p, self._rest[left]) + self._rest_slopes[left]
            across, largest = 2 * slopes * self._rest_halves[left], xp.amax(values, axis=1)[:, None]
            low = xp.hstack([low, largest - xp.clip(across, 0.0, None)])
            high = xp.hstack([high, largest + xp.clip(across, None, 0.0)])
            order = xp.hstack([order, self._rest[left]])
        with np.errstate(divide="ignore", invalid="ignore"):
            where = (low + high) / (low - high)
        rows = left[:, None]
        start = xp.where((low < 0) & (high > 0), where, -1.0)
        end = xp.where((high < 0) & (low > 0), where, 1.0)
        self._from[rows, order] = xp.maximum(self._from[rows, order], start)
        self._to[rows, order] = xp.minimum(self._to[rows, order], end)


def lengths(u: Array) -> Array:
    """Norms of rows whose squares neither overflow nor underflow: points on faces of the cube."""
    xp = functions_for(u)
    return xp.sqrt(xp.einsum("ij,ij->i", u, u))


def _along(values: Array, index: NDArray[np.intp]) -> Array:
    """Entries of each row."""
    return values[functions_for(values).arange(len(values), device=values.device)[:, None], index]


def _across(rows: Array, index: NDArray[np.intp]) -> Array:
    """Entries of all rows of each box, at positions that depend on the box."""
    xp, (k, m, _) = functions_for(rows), rows.shape
    boxes, kinks = (xp.arange(length, device=rows.device) for length in (k, m))
    return rows[boxes[:, None, None], kinks[:, None], index[:, None]]


def _line_search(current: Array, other: Array, excess: Array) -> tuple[Array, Array]:
    """Steps in ``[0, 1]`` from one table towards another with small maxima: steps (k, 1), and maxima (k,)."""
    xp = functions_for(current)
    best, low, high = xp.zeros_like(excess), xp.zeros_like(excess), xp.ones_like(excess)
    difference = other - current
    for section in range(_SECTIONS):
        trials = (low + 0.5, high)
        if section:
            width = high - low
            trials = low + width / 3, low + 2 * width / 3
        first, second = (xp.amax(current + e[:, None] * difference, axis=1) for e in trials)
        right = second < first
        value = xp.where(right, second, first)
        better = value < excess
        best = xp.where(better, xp.where(right, trials[1], trials[0]), best)
        excess = xp.where(better, value, excess)
        if section:
            high = xp.where(right, high, trials[1])
        low = xp.where(right, trials[0], low)
    return best[:, None], excess
