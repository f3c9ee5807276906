"""Samples of one sign of the dual point, and their kinks in boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.array_functions import as_floats, functions_for
from convexrelu._utils.typing import Array
from convexrelu.oracles.bounds.boxes import Boxes

__all__ = ["Crossings", "Kinks"]


class Kinks(NamedTuple):
    """The samples with one sign of ``v``: the convex function ``Σ |v_i| relu(x̃_iᵀu)``."""

    rows: Array  # (m, r)
    sizes: Array  # (m,), |v_i|
    weighted: Array  # (m, r), |v_i| x̃_i

    @classmethod
    def of(cls, rows: Array, v: Array) -> Kinks:
        """The samples with ``v_i > 0``."""
        rows, sizes = rows[v > 0], v[v > 0]
        return cls(rows, sizes, rows * sizes[:, None])

    def crossings(self, boxes: Boxes) -> Crossings:
        """Where the kinks are on the boxes."""
        xp = functions_for(self.rows)
        middle, half = boxes.centres @ self.rows.T, boxes.halves @ xp.abs(self.rows).T
        low, high = middle - half, middle + half
        return Crossings(low, high, (low < 0) & (high > 0))


class Crossings(NamedTuple):
    """Intervals of ``t_i = x̃_iᵀu`` on boxes, one row per box."""

    low: Array  # (k, m)
    high: Array  # (k, m)
    crosses: NDArray[np.bool_]  # (k, m): whether the kink is inside

    @property
    def active(self) -> Array:
        """One where ``t_i ≥ 0`` on the whole box, zero elsewhere."""
        return as_floats(~self.crosses & (self.low >= 0))

    @property
    def widths(self) -> Array:
        """Lengths of the intervals with a kink, infinite for the others."""
        return functions_for(self.low).where(self.crosses, self.high - self.low, np.inf)

    @property
    def slopes(self) -> Array:
        """Slopes of the chords over the intervals with a kink, zero for the others."""
        return functions_for(self.low).where(self.crosses, self.high, 0.0) / self.widths

    def select(self, index: NDArray[np.intp]) -> Crossings:
        """Those of some boxes."""
        return Crossings(self.low[index], self.high[index], self.crosses[index])
