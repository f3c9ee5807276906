"""Local maxima that searches have found: near them are those of the next dual point."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.oracles.base import moments, strongest_first

__all__ = ["KnownMaxima"]

# A maximum that is lower than this part of the level at a new dual point stays below the level there, mostly: of 500
# that rose above it (diabetes, alpha = 0.001, a dual point that moved by a tenth), a fiftieth had been lower.
_NEAR = 0.95
_MOST = 4096  # that are kept


class KnownMaxima:
    """Directions with signs, from all searches of one design.

    From round to round, most local maxima of ``|vᵀ relu(X̃u)|`` move little, and there are thousands that are nearly as
    large as the largest. Evaluating all of them takes as long as an ascent step, and finds more of those that matter
    than thousands of new starts.

    Parameters
    ----------
    dimension : int
        ``d̃``.
    """

    def __init__(self, dimension: int) -> None:
        self._directions, self._signs = np.zeros((0, dimension)), np.zeros(0)

    def __len__(self) -> int:
        return len(self._signs)

    def take(self, design: Array, v: Array, level: float, most: int) -> tuple[Array, Array]:
        """Take out the strongest at a dual point, those that may be above the level.

        Parameters
        ----------
        design : array of shape (n, d̃)
        v : array of shape (n,)
        level : float
        most : int
            As many at most.

        Returns
        -------
        directions, signs : arrays of shape (k, d̃) and (k,)
        """
        values = self._signs * moments(design, v, self._directions)
        order = strongest_first(values)
        n_near = int(np.count_nonzero(values >= _NEAR * level)) if level > 0 else len(order)
        taken, rest = np.split(order, [min(n_near, most)])
        found = self._directions[taken], self._signs[taken]
        self._directions, self._signs = self._directions[rest], self._signs[rest]
        return found

    def take_last(self, most: int) -> tuple[Array, Array]:
        """Take out those of the last search, as many at most, and forget the rest; nothing is evaluated."""
        found = self._directions[:most], self._signs[:most]
        self._directions, self._signs = self._directions[:0], self._signs[:0]
        return found

    def add(self, directions: Array, signs: Array) -> None:
        """Keep these, before those that are there already."""
        self._directions = np.concatenate([directions, self._directions])[:_MOST]
        self._signs = np.concatenate([signs, self._signs])[:_MOST]
