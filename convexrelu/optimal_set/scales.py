"""The polytope of scales ``{c = start + moves z : c ≥ 0}``, in coordinates ``z``, one per degree of freedom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from convexrelu._utils.typing import Array
from convexrelu.optimal_set.columns import null_space

__all__ = ["ScalePolytope"]


# Fractions of Σ start: scales below the first are zero, points closer than the second are the same.
_ZERO = 1e-10
SAME_POINT = 1e-7
# Rows of `moves` below this fraction of the largest do not move.
_NOISE = 1e-9
# Constraints are dependent where a singular value is below this fraction of the largest one.
_SINGULAR = 1e-9
_CHUNK = 4096  # choices of zero scales solved at a time, to limit memory
_TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True, eq=False)
class ScalePolytope:
    """``{start + moves z : z ∈ R^q} ∩ {c ≥ 0}``, which is bounded.

    Attributes
    ----------
    start : array of shape (m,)
        A point of the polytope: nonnegative scales.
    moves : array of shape (m, q)
        Linearly independent columns.

    Examples
    --------
    >>> import numpy as np
    >>> segment = ScalePolytope(np.array([1.0, 1.0]), np.array([[1.0], [-1.0]]))  # c_1 + c_2 = 2
    >>> segment.scales(segment.lowest(np.array([1.0])))
    array([0., 2.])
    >>> len(segment.vertices(10))
    2
    """

    start: Array
    moves: Array

    @property
    def unit(self) -> float:
        """Size of the scales, ``Σ start``; 1 where they are zero."""
        return float(self.start.sum()) or 1.0

    @property
    def moving(self) -> NDArray[np.intp]:
        """The scales that some move changes."""
        sizes = np.linalg.norm(self.moves, axis=1)
        return np.flatnonzero(sizes > _NOISE * sizes.max(initial=0.0))

    def scales(self, z: Array) -> Array:
        """``c`` at the coordinates `z`, with rounding errors set to zero."""
        scales = self.start + self.moves @ z
        return np.where(scales > _ZERO * self.unit, scales, 0.0)

    def lowest(self, costs: Array) -> Array:
        """Coordinates of a point with the smallest ``costsᵀ z``; `costs` has shape (q,)."""
        size = np.abs(costs).max(initial=0.0)
        if size == 0:
            return np.zeros_like(costs)
        kept = self.moving
        return self.unit * _solved(costs / size, -self.moves[kept], self.start[kept] / self.unit)

    def least_maximum(self, rows: Array, offsets: Array) -> Array:
        """Coordinates of a point with the smallest ``max_i |rows_iᵀ z + offsets_i|``."""
        kept = self.moving
        size = max(np.abs(rows).max(), np.abs(offsets).max() / self.unit)
        if size == 0:
            return np.zeros(rows.shape[1])
        rows, offsets = rows / size, offsets / (size * self.unit)
        below = np.vstack([np.zeros((len(kept), 1)), np.full((2 * len(rows), 1), -1.0)])
        left = np.hstack([np.vstack([-self.moves[kept], rows, -rows]), below])
        right = np.concatenate([self.start[kept] / self.unit, -offsets, offsets])
        costs = np.append(np.zeros(rows.shape[1]), 1.0)
        return self.unit * _solved(costs, left, right)[:-1]

    def interior(self) -> tuple[Array, Array]:
        """Relative interior of the polytope: coordinates of a point, (q,), and orthonormal directions, (q, q').

        Scales that are zero throughout the polytope reduce the directions. Interior-point methods need this.
        """
        kept = self.moving
        point = np.mean([self.lowest(-self.moves[j]) for j in kept], axis=0)
        room = (self.start + self.moves @ point)[kept] > SAME_POINT * self.unit
        if room.all():
            return point, np.eye(len(point))
        return point, null_space(self.moves[kept[~room]])

    def vertices(self, max_choices: int) -> Array:
        """Coordinates of all vertices, (k, q): every choice of ``q`` scales to be zero is tried.

        Raises
        ------
        ValueError
            If there are more than `max_choices` choices.
        """
        kept, q = self.moving, self.moves.shape[1]
        if q == 0:
            return np.zeros((1, 0))
        n_choices = comb(len(kept), q)
        if n_choices > max_choices:
            raise ValueError(
                f"max_choices={max_choices:,} is below the {n_choices:,} ways of choosing {q} zeros among "
                f"{len(kept)} scales; use extreme() or prediction_range(), which do not list vertices"
            )
        rows, limits = self.moves[kept], self.start[kept] / self.unit
        sizes = np.linalg.norm(rows, axis=1)
        rows, limits = rows / sizes[:, None], limits / sizes
        found = np.vstack([np.zeros((0, q)), *_basic_points(rows, limits)])
        distinct: list[Array] = []
        for z in found:
            if all(np.abs(self.moves @ (z - other)).max() > SAME_POINT for other in distinct):
                distinct.append(z)
        return self.unit * np.array(distinct).reshape(-1, q)


def _basic_points(rows: Array, limits: Array) -> Iterator[Array]:
    """The ``z`` with ``rows z + limits ≥ 0`` at which as many independent entries are zero as ``z`` has."""
    q = rows.shape[1]
    choices = combinations(range(len(rows)), q)
    while chunk := list(islice(choices, _CHUNK)):
        zeros = np.array(chunk, dtype=np.intp)
        singular = np.linalg.svd(rows[zeros], compute_uv=False)
        zeros = zeros[singular[:, -1] > _SINGULAR * singular[:, 0]]
        points = np.linalg.solve(rows[zeros], -limits[zeros][:, :, None])[:, :, 0]
        yield np.asarray(points, dtype=np.float64)[(points @ rows.T + limits >= -_ZERO).all(axis=1)]


def _solved(costs: Array, left: Array, right: Array) -> Array:
    """``argmin costsᵀ z`` over ``left z ≤ right``."""
    result = linprog(
        costs, A_ub=left, b_ub=right, bounds=(None, None), method="highs", options=_TIGHT
    )
    if result.x is None:
        raise RuntimeError(f"a linear program over the optimal set failed: {result.message}")
    return np.asarray(result.x)
