"""Boxes on the faces of the cube, which cover all directions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array

__all__ = ["NARROWEST", "Boxes"]

NARROWEST = (
    2.0**-40
)  # side below which no box is halved: four digits above the rounding of its corners


class Boxes(NamedTuple):
    """Boxes on faces of the cube, one per row."""

    lower: Array  # (k, r); ±1 at the face's own coordinate, as `upper`
    upper: Array  # (k, r)
    faces: NDArray[np.intp]  # (k,)
    bounds: Array  # (k,), on h(u)/‖u‖

    @classmethod
    def of_cube(cls, rank: int, bound: float) -> Boxes:
        """One box per face."""
        ends = np.vstack([np.eye(rank), -np.eye(rank)])
        lower, upper = np.where(ends == 0, -1.0, ends), np.where(ends == 0, 1.0, ends)
        return cls(lower, upper, np.tile(np.arange(rank), 2), np.full(2 * rank, bound))

    @property
    def centres(self) -> Array:
        """Middles, of shape (k, r)."""
        return 0.5 * (self.lower + self.upper)

    @property
    def halves(self) -> Array:
        """Half sides, of shape (k, r), rounded so that `centres` ± `halves` covers the box."""
        return np.maximum(self.upper - self.centres, self.centres - self.lower)

    def select(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Boxes:
        """The boxes at these positions."""
        return Boxes(self.lower[index], self.upper[index], self.faces[index], self.bounds[index])

    @classmethod
    def join(cls, parts: list[Boxes]) -> Boxes:
        """All boxes of all parts."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def halved(self, across: NDArray[np.intp]) -> Boxes:
        """Both halves of every box."""
        rows = np.arange(len(across))
        lower, upper = self.lower.copy(), self.upper.copy()
        lower[rows, across] = upper[rows, across] = self.centres[rows, across]
        return Boxes.join([self._replace(upper=upper), self._replace(lower=lower)])
