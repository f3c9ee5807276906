"""Boxes on the faces of the cube, which cover all directions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.array_functions import functions_for, on_device, on_host
from convexrelu._utils.typing import Array

__all__ = ["NARROWEST", "Boxes"]

# Side below which no box is halved: four digits above the rounding of its corners.
NARROWEST = 2.0**-40


class Boxes(NamedTuple):
    """Boxes on faces of the cube, one per row: arrays of NumPy, or tensors."""

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
        xp, centres = functions_for(self.lower), self.centres
        return xp.maximum(self.upper - centres, centres - self.lower)

    def on(self, device: str) -> Boxes:
        """The boxes on a device, see :func:`~convexrelu._utils.array_functions.on_device`."""
        return Boxes(*(on_device(part, device) for part in self))

    def on_host(self) -> Boxes:
        """The boxes as arrays of NumPy."""
        return Boxes(*map(on_host, self))

    def copied(self) -> Boxes:
        """Boxes that may be written to."""
        xp = functions_for(self.lower)
        return Boxes(*(xp.asarray(part, copy=True) for part in self))

    @property
    def share_of_cube(self) -> float:
        """Share of the surface of the cube that these boxes cover, if they do not overlap."""
        n_boxes, rank = self.lower.shape
        shares = 0.5 * (self.upper - self.lower)
        shares[np.arange(n_boxes), self.faces] = 1 / (2 * rank)
        return float(shares.prod(axis=1).sum())

    def select(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Boxes:
        """The boxes at these positions."""
        return Boxes(self.lower[index], self.upper[index], self.faces[index], self.bounds[index])

    @classmethod
    def join(cls, parts: list[Boxes]) -> Boxes:
        """All boxes of all parts."""
        xp = functions_for(parts[0].lower)
        return cls(*map(xp.concatenate, zip(*parts, strict=True)))

    def halved(self, across: NDArray[np.intp]) -> Boxes:
        """Both halves of every box."""
        xp = functions_for(self.lower)
        rows = xp.arange(len(across), device=self.lower.device)
        lower, upper = (xp.asarray(part, copy=True) for part in (self.lower, self.upper))
        lower[rows, across] = upper[rows, across] = self.centres[rows, across]
        return Boxes.join([self._replace(upper=upper), self._replace(lower=lower)])
