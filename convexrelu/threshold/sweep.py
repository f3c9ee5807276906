"""Pricing of threshold units on two features: half-planes, swept around every sample."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport, strongest_first
from convexrelu.patterns.activation import first_of_each

__all__ = ["ThresholdSweepOracle"]


_EPS = float(np.finfo(np.float64).eps)
# Bound on the error of the angle at which a sample switches: differences of coordinates are rounded once, arctan2 and
# the quarter turn a few times.
_ANGLE = 32 * _EPS
_CHUNK_ENTRIES = 2**20  # angles of the turns swept at a time, to limit memory


class ThresholdSweepOracle:
    """``max_{w, b} |Σ_i v_i 1{wᵀx_i + b ≥ 0}|`` over all half-planes, without storing them.

    Every cell of the arrangement has a facet: a half-plane whose edge passes through some sample ``i``, and which
    switches no other sample while it turns a little. So turn the edge around every sample. Sample ``j`` is on while the
    normal is within a right angle of ``x_j − x_i``; after sorting these angles, all values are a cumulative sum; and
    ``i`` itself is on or off.

    Parameters
    ----------
    X : array of shape (n, 2)
        Inputs. Neurons have a bias, so that half-planes with samples on their edges have the patterns of others.
    n_witnesses : int
        Largest number of patterns to return, the best ones.

    Notes
    -----
    ``O(n² log n)`` once, ``O(n²)`` per call; memory ``O(n²)``. Equal samples count as one. Where several others switch
    at angles that rounding cannot distinguish, their order is unknown: the bound then counts all that increase it,
    which makes it loose for samples on common lines, but never wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.threshold import ThresholdSweepOracle
    >>> square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.1]])
    >>> report = ThresholdSweepOracle(square)(np.array([1.0, -1.0, -1.0, 1.0]))
    >>> round(report.bound, 9), report.is_proof  # no half-plane has one diagonal without the other
    (1.0, True)
    """

    def __init__(self, X: Array, *, n_witnesses: int = 200) -> None:
        self.X = X
        self.n_witnesses = n_witnesses
        # Turns -0.0 into 0.0: equal samples must be found equal, for they have no direction from each other.
        self._points, inverse = np.unique(X + 0.0, axis=0, return_inverse=True)
        self._point_of = inverse.ravel()
        m = len(self._points)
        # Row i has the other points.
        others = np.arange(m - 1)[None, :] + (np.arange(m - 1)[None, :] >= np.arange(m)[:, None])
        ahead = self._points[others] - self._points[:, None, :]
        angles = np.arctan2(ahead[..., 1], ahead[..., 0])
        times = np.hstack([angles - np.pi / 2, angles + np.pi / 2]) % (2 * np.pi)
        order = np.argsort(times, axis=1)
        times = np.take_along_axis(times, order, axis=1)
        order, times, start = _from_the_widest_gap(order, times)
        self._times = np.column_stack([start, times])  # each turn starts and ends at the first
        self._others = np.take_along_axis(np.tile(others, 2), order, axis=1)
        self._turns_on = order < m - 1
        self._first = np.cos(angles - start[:, None]) > 0, others
        gaps = np.diff(times, axis=1, append=np.full((m, min(1, times.shape[1])), np.inf))
        # Whether the value after an angle is certain; at the start it is.
        self._told = np.column_stack([np.ones(m, dtype=bool), gaps > 2 * _ANGLE])

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,); after the deadline the bound is the larger sum of one sign."""
        m = len(self._points)
        v_of = np.bincount(self._point_of, weights=v, minlength=m).astype(np.float64)
        step = max(1, _CHUNK_ENTRIES // self._times.shape[1])
        bound, best, angles = 0.0, [np.zeros(0)], [np.zeros(0)]
        for i in range(0, m, step):
            if time.perf_counter() > deadline:
                bound = max(float(v[v > 0].sum()), -float(v[v < 0].sum()))
                break
            chunk = slice(i, min(i + step, m))
            largest, values, where = self._turn(v_of, chunk)
            bound = max(bound, largest)
            best.append(values)
            angles.append(where)
        strongest = strongest_first(np.concatenate(best))[: self.n_witnesses]
        gates = self._gates(strongest, np.concatenate(angles)[strongest])
        masks = np.column_stack([self.X, np.ones(len(self.X))]) @ gates.T >= 0
        kept = first_of_each(masks.T)
        products = v @ masks[:, kept]
        order = strongest_first(np.abs(products))
        kept, products = kept[order], products[order]
        return OracleReport(
            bound=bound + 16 * (len(v) + 1) * _EPS * float(np.abs(v).sum()),
            is_proof=True,
            scope="global",
            method="sweep",
            masks=masks.T[kept],
            signs=np.where(products < 0, -1.0, 1.0),
            directions=gates[kept],
            values=np.abs(products),
            work=self._times.size,
        )

    def _turn(self, v: Array, chunk: slice) -> tuple[float, Array, Array]:
        """Bound over some turns; the best certain value of each, and its angle."""
        on, others = self._first
        jumps = np.where(self._turns_on[chunk], 1.0, -1.0) * v[self._others[chunk]]
        first = (on[chunk] * v[others[chunk]]).sum(axis=1)
        up, down = (
            np.cumsum(np.column_stack([np.zeros(len(first)), np.maximum(side, 0.0)]), axis=1)
            for side in (jumps, -jumps)
        )
        values = first[:, None] + up - down
        own = v[chunk, None]
        told = self._told[chunk]
        # Between two certain values: the sum of all increases, or of all decreases.
        row, column = np.nonzero(told)
        pair = np.flatnonzero(row[1:] == row[:-1])
        before, after = column[pair], column[pair + 1]
        row = row[pair]
        highest = values[row, before] + up[row, after] - up[row, before]
        lowest = values[row, before] - down[row, after] + down[row, before]
        bound = max(
            np.maximum(highest, highest + own[row, 0]).max(initial=0.0),
            -np.minimum(lowest, lowest + own[row, 0]).min(initial=0.0),
            np.maximum(np.abs(values[:, 0]), np.abs(values[:, 0] + own[:, 0])).max(initial=0.0),
        )
        sizes = np.where(told, np.maximum(np.abs(values), np.abs(values + own)), -1.0)
        arc = sizes.argmax(axis=1)
        times = np.column_stack([self._times[chunk], self._times[chunk, :1] + 2 * np.pi])
        rows = np.arange(len(arc))
        return float(bound), sizes[rows, arc], (times[rows, arc] + times[rows, arc + 1]) / 2

    def _gates(self, points: NDArray[np.intp], angles: Array) -> Array:
        """Half-planes whose edges pass close to points, on either side, (2 k, 3)."""
        normals = np.column_stack([np.cos(angles), np.sin(angles)])
        through = np.einsum("ij,ij->i", normals, self._points[points])
        distances = np.abs(normals @ self._points.T - through[:, None])
        distances[np.arange(len(points)), points] = np.inf
        beside = distances.min(axis=1, initial=np.inf) / 2
        beside[~np.isfinite(beside)] = 1.0
        return np.vstack(
            [
                np.column_stack([normals, -through + beside]),
                np.column_stack([normals, -through - beside]),
            ]
        )


def _from_the_widest_gap(
    order: NDArray[np.intp], times: Array
) -> tuple[NDArray[np.intp], Array, Array]:
    """Rotate each turn so that it starts in the middle of its widest gap, whose angle is returned as well."""
    m, n_events = times.shape
    if n_events == 0:
        return order, times, np.zeros(m)
    around = np.column_stack([times, times[:, :1] + 2 * np.pi])
    widest = np.diff(around, axis=1).argmax(axis=1)
    rows = np.arange(m)
    start = (around[rows, widest] + around[rows, widest + 1]) / 2
    index = np.arange(n_events)[None, :] + widest[:, None] + 1
    wrapped = index >= n_events
    index = index % n_events
    times = np.take_along_axis(times, index, axis=1) + 2 * np.pi * wrapped
    return np.take_along_axis(order, index, axis=1), times, start
