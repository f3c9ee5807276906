"""Proofs of ``M(v) ≤ level`` in rational arithmetic, for small problems."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from convexrelu.oracles.bounds.boxes import NARROWEST, Boxes
from convexrelu.oracles.bounds.corner_bound import CornerBound, Examined

__all__ = ["fractions", "shows_bound", "to_integers"]

_CHUNK = 512  # boxes, and fewer where these are many entries times corners: between two looks at the clock
_AT_A_TIME = 1e6
_MOST_FOR_A_BOX = 0.01  # of all work; a box has as many corners as there are subsets of columns
_BOX_BITS = 41  # corners are multiples of 2^-41, the limit for halving sides
_BITS = 50  # of slopes and of unit vectors
_TOO_NEAR = 1 - 1e-14  # of the level: where floats find this value, boxes shrink to nothing
_SHRINK = 1 - 2.0**-44  # of unit vectors, so that none is longer than one


def shows_bound(
    design: Any,
    v: Any,
    level: float | Fraction,
    *,
    max_work: float = 4e8,
    deadline: float = math.inf,
) -> bool:
    r"""Whether ``M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)| ≤ level`` can be proved without rounding.

    Boxes that cover the sphere are bounded as by :class:`~convexrelu.oracles.BranchAndBoundOracle`, but only halved,
    not clipped. The slopes, the ``û`` and the side to halve are chosen in floating point; the resulting bound on a box
    is checked in integers, to which all data are scaled: floats are fractions with powers of two as denominators.

    Parameters
    ----------
    design : array of shape (n, d̃)
        Floats, integers or Fractions, used exactly: rows are not rounded to a row space.
    v : array of shape (n,)
        Of the same kind.
    level : float or Fraction
        Bound to prove.
    max_work : float
        Boxes times entries of the design after which to give up; the default takes about a minute, and longer for few
        entries. Nothing is tried where a box has so many corners that it alone would take a hundredth of this: above
        about twelve columns.
    deadline : float
        Value of :func:`time.perf_counter` at which to give up, once what has been begun is done: some boxes.

    Returns
    -------
    bool
        True is a proof. False proves nothing: `level` may be too low or too close to ``M(v)``, or the work too much.

    Notes
    -----
    The number of boxes grows with the dimension as for branch and bound in floats, and each takes longer
    (``python -m benchmarks.pricing.bench_proofs``). It also grows as the level approaches ``M(v)``.

    Examples
    --------
    >>> import numpy as np
    >>> design, v = np.eye(2), np.array([3.0, 4.0])  # M(v) = 5
    >>> shows_bound(design, v, 5 + 1e-12), shows_bound(design, v, 5 - 1e-12)
    (True, False)
    """
    rows, values, top = _integers(fractions(design), fractions(v), Fraction(level))
    if np.abs(values) @ np.abs(rows).sum(axis=1) <= top:
        return True
    if top <= 0:
        return False
    if _work_of_a_box(rows) > _MOST_FOR_A_BOX * max_work:
        return False
    left = max_work / rows.size
    for sign in (1, -1):
        cover = _Cover(rows, sign * values, top)
        if not cover.shows(left, deadline):
            return False
        left -= cover.n_boxes
    return True


def fractions(values: Any) -> Any:
    """Array of numbers as exact Fractions.

    Examples
    --------
    >>> import numpy as np
    >>> fractions(np.array([0.5, 3.0]))
    array([Fraction(1, 2), Fraction(3, 1)], dtype=object)
    """
    return np.vectorize(Fraction, otypes=[object])(values)


def _integers(design: Any, v: Any, level: Fraction) -> tuple[Any, Any, int]:
    """Distinct rows, the sums of ``v`` on them, and the level, all scaled to integers."""
    joined: dict[tuple[Fraction, ...], Fraction] = {}
    for row, value in zip(map(tuple, design), v, strict=True):
        joined[row] = joined.get(row, Fraction(0)) + value
    rows, row_scale = to_integers(np.array(list(joined)))
    values, _ = to_integers(np.array([*joined.values(), level]))
    return rows, values[:-1], values[-1] * row_scale


def to_integers(values: Any) -> tuple[Any, int]:
    """Fractions times their common denominator, and the denominator.

    Examples
    --------
    >>> to_integers(np.array([Fraction(1, 2), Fraction(1, 3)]))
    (array([3, 2], dtype=object), 6)
    """
    scale = math.lcm(*(value.denominator for value in values.flat))
    return np.vectorize(int, otypes=[object])(values * scale), scale


def _work_of_a_box(rows: Any) -> float:
    """Products with all of its corners."""
    return 2.0 ** rows.shape[1] * rows.size


class _Cover:
    """Boxes on which to prove ``vᵀ relu(X̃u) ≤ level ‖u‖``, all in integers."""

    def __init__(self, rows: Any, v: Any, level: int) -> None:
        self.rows, self.v, self.level = rows, v, level
        self.n_boxes = 0
        self._up = v > 0
        # The same in floats of moderate size, for choosing.
        row_size, size = np.abs(rows).max(), np.abs(v).max()
        floats = (rows / row_size).astype(np.float64), (v / size).astype(np.float64)
        self._target = level / (row_size * size)
        self._bound = CornerBound(*floats, n_free=rows.shape[1], clips=False)
        self._down = floats[1] < 0

    def shows(self, max_boxes: float, deadline: float) -> bool:
        """Halve boxes, the last ones first, until all are closed or one cannot be."""
        boxes = Boxes.of_cube(self.rows.shape[1], math.inf)
        n_together = int(np.clip(_AT_A_TIME / _work_of_a_box(self.rows), 1, _CHUNK))
        while len(boxes.faces):
            if time.perf_counter() >= deadline:
                return False
            last = boxes.select(slice(-n_together, None))
            boxes = boxes.select(slice(None, -n_together))
            self.n_boxes += len(last.faces)
            with np.errstate(all="ignore"):
                found = self._bound.examine(last, self._target)
            if found.value > _TOO_NEAR * self._target or self.n_boxes > max_boxes:
                return False
            left = self._left(found)
            last, across = last.select(left), found.errors[left].argmax(axis=1)
            sides = (last.upper - last.lower)[np.arange(len(left)), across]
            if (sides <= 2 * NARROWEST).any():
                return False
            boxes = Boxes.join([boxes, last.halved(across)])
        return True

    def _left(self, found: Examined) -> Any:
        """Indices of the boxes that are not proved to be below the level."""
        left = ~found.closed
        hopeful = np.flatnonzero(found.closed)
        slopes = np.zeros((len(hopeful), len(self.v)))
        slopes[:, self._down] = found.slopes[hopeful]
        left[hopeful] = ~self._below(
            _scaled(found.boxes.lower[hopeful], _BOX_BITS),
            _scaled(found.boxes.upper[hopeful], _BOX_BITS),
            _scaled(slopes, _BITS),
            _scaled(_SHRINK * found.units[hopeful], _BITS),
        )
        return np.flatnonzero(left)

    def _below(self, lower: Any, upper: Any, slopes: Any, units: Any) -> Any:
        """Whether these bounds are valid, and nonpositive, at all corners of each box: the proof.

        With ``q = 2^50`` and integers ``m``: ``q relu(t) ≥ m t`` if ``0 ≤ m ≤ q``, and ``q ‖u‖ ≥ ûᵀu`` if ``‖û‖ ≤ q``.
        Convex functions are largest at corners.
        """
        one = 2**_BITS
        rows, v, up = self.rows, self.v, self._up
        p = (slopes * np.maximum(-v, 0)) @ rows + self.level * units
        valid = ((slopes >= 0) & (slopes <= one)).all(axis=1) & ((units**2).sum(axis=1) <= one**2)
        for upper_ends in product((False, True), repeat=rows.shape[1]):
            corners = np.where(np.array(upper_ends), upper, lower)
            convex = np.maximum(corners @ rows[up].T, 0) @ v[up] if up.any() else 0
            valid &= (one * convex <= (p * corners).sum(axis=1)).astype(bool)
        return valid.astype(bool)


def _scaled(floats: Any, bits: int) -> Any:
    """Integers ``2^bits x``, rounded towards zero."""
    return np.ldexp(floats, bits).astype(np.int64).astype(object)
