"""Bounds on boxes in integers, for proof files: the arithmetic of :mod:`convexrelu.certificates.proof_tree`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Self

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.oracles.bounds.boxes import Boxes

__all__ = ["CORNER_BITS", "ExactBoxes", "Open"]

CORNER_BITS = 30  # corners are multiples of 2^-30
_UNIT = 2**15 - 1  # length of the unit vectors
_CLOSE = 1e-12  # far above the errors of ``x̃ᵀu`` for rows whose largest entry is at most one, and ``|u_j| ≤ 1``


class Open(NamedTuple):
    """A box, with the samples whose kinks are inside, and the linear function ``gᵀu`` of the others."""

    lower: Sequence[int]
    upper: Sequence[int]
    up: Any  # indices of samples with ``v_i > 0``
    down: Any
    g: Any

    @property
    def free(self) -> list[int]:
        """The coordinates with a side."""
        return [j for j, (a, b) in enumerate(zip(self.lower, self.upper, strict=True)) if a < b]


class ExactBoxes:
    """Functions ``h(u) = vᵀ relu(X̃u)`` and ``bound ‖u‖`` of ``u = Aw``, all in integers.

    Parameters
    ----------
    rows, v : arrays of shapes (n, d̃) and (n,)
        Fractions.
    bound : Fraction
    basis : array of shape (d̃, d̃)
        Integers, ``A`` times a power of two.
    """

    def __init__(self, rows: Any, v: Any, bound: Fraction, basis: Any) -> None:
        weighted = rows * abs(v)[:, None]
        scale = math.lcm(bound.denominator, *(value.denominator for value in weighted.flat))
        self.rank = rows.shape[1]
        self.basis = basis
        self.bound = int(bound * scale)
        self.rows = np.vectorize(int, otypes=[object])(weighted * scale) @ basis
        self.signs = np.array([(x > 0) - (x < 0) for x in v])
        sizes = np.maximum(abs(self.rows).max(axis=1), 1)
        self._shapes = (self.rows / sizes[:, None]).astype(np.float64)

    def with_sign(self, sign: int) -> Self:
        """The same for ``sign · v``."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, signs=sign * self.signs)
        return other

    def in_floats(self) -> tuple[Array, Array, float]:
        """Rows times ``|v|``, signs of ``v``, and the bound, in floats of moderate size."""
        length = max(1, abs(self.basis).max())
        size = max(1, abs(self.rows).max(), self.bound * length)
        rows = (self.rows / size).astype(np.float64)
        lengths = np.sqrt((self.basis.astype(np.float64) ** 2).sum(axis=0)).mean()
        return rows, self.signs.astype(np.float64), self.bound / size * float(lengths)

    def open_boxes(self, lower: Any, upper: Any, boxes: Boxes) -> list[Open]:
        """The boxes, with what is undecided on them."""
        middles, halves = boxes.centres @ self._shapes.T, boxes.halves @ np.abs(self._shapes).T
        distances = halves - np.abs(middles)
        crosses = distances > 0
        for k, i in zip(*np.nonzero(np.abs(distances) < _CLOSE), strict=True):
            crosses[k, i] = self._crosses(lower[k], upper[k], self.rows[i])
        active = ~crosses & (middles > 0)
        return [self._open(*box) for box in zip(lower, upper, crosses, active, strict=True)]

    def _crosses(self, lower: Any, upper: Any, row: Any) -> bool:
        value = sum(c * (a + b) for c, a, b in zip(row, lower, upper, strict=True))
        reach = sum(abs(c) * (b - a) for c, a, b in zip(row, lower, upper, strict=True))
        return abs(value) < reach

    def _open(self, lower: Any, upper: Any, crosses: Any, active: Any) -> Open:
        decided = self.rows[active] * self.signs[active, None]
        return Open(
            lower,
            upper,
            np.flatnonzero(crosses & (self.signs > 0)),
            np.flatnonzero(crosses & (self.signs < 0)),
            decided.sum(axis=0) if active.any() else np.zeros(self.rank, dtype=object),
        )

    def convex_table(self, box: Open) -> Any:
        """``P`` without its linear part, at all corners."""
        if not len(box.up):
            return 0
        return np.maximum(_corners(self.rows[box.up], box), 0).sum(axis=0)

    def rounded(self, box: Open, slopes: Array, unit: Array, size: int) -> tuple[Any, Any]:
        """Slopes and unit vector as integers, with slopes of `size` bytes; the vector in the coordinates of ``u``."""
        one = 256**size - 1
        slopes = np.nan_to_num(slopes[box.down])
        levels = np.rint(one * np.clip(slopes, 0.0, 1.0)).astype(np.int64)
        unit = self.basis.astype(np.float64) @ np.nan_to_num(unit)
        length = float(np.linalg.norm(unit)) or 1.0
        vector = np.rint(_UNIT * unit / length).astype(np.int64)
        if vector @ vector > _UNIT**2:
            vector = np.trunc((_UNIT - 0.5) * unit / length).astype(np.int64)
        return levels, vector

    def table(self, box: Open, convex: Any, multipliers: tuple[Any, Any], size: int) -> list[int]:
        """``P(s) − pᵀs`` at all corners, times the integers that stand for one."""
        one = 256**size - 1
        slopes, unit = (part.astype(object) for part in multipliers)
        p = one * (self.bound * (unit @ self.basis) - _UNIT * box.g)
        if len(slopes):
            p = p + _UNIT * (slopes @ self.rows[box.down])
        return (one * _UNIT * convex - _corners(p[None], box)[0]).tolist()

    def packed(self, multipliers: tuple[Any, Any], size: int) -> bytes:
        """The bytes of slopes and unit vector."""
        slopes, unit = multipliers
        return slopes.astype(f"<u{size}").tobytes() + unit.astype("<i2").tobytes()


def _corners(rows: Any, box: Open) -> Any:
    """The products of rows with all corners of a box, the ends of the first side alternating fastest."""
    values = (rows @ np.array(box.lower, dtype=object))[:, None]
    for j in box.free:
        step = rows[:, j] * (box.upper[j] - box.lower[j])
        values = np.concatenate([values, values + step[:, None]], axis=1)
    return values
