"""A set of activation patterns with gates that produce them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array, Masks

__all__ = ["ActivationPatterns", "first_of_each", "masks_of_gates", "row_keys"]

# Products that are there at a time: with 200,000 rows all at once take ten times as long.
_AT_ONCE = 2**18


@dataclass(frozen=True, eq=False)
class ActivationPatterns:
    """Distinct activation patterns ``D_i = diag(1{X̃ g_i ≥ 0})``.

    Attributes
    ----------
    masks : boolean array of shape (P, n)
        The diagonals.
    gates : array of shape (P, d̃)
        A gate ``g_i`` for each pattern.
    resolution : float
        For an enumeration: cells narrower than this angle may be missing; ``inf`` if completeness is not
        claimed.
    """

    masks: Masks
    gates: Array
    resolution: float = np.inf

    @classmethod
    def of_gates(cls, design: Array, gates: Array) -> ActivationPatterns:
        """Patterns of the given gates on the rows of `design`, each pattern once, in the order of the gates.

        Parameters
        ----------
        design : array of shape (n, d̃)
            The rows ``x̃_i``.
        gates : array of shape (P, d̃)
            Gates; only their directions matter.
        """
        masks = masks_of_gates(design, gates)
        keep = first_of_each(masks)
        return cls(masks[keep], gates[keep])

    def __len__(self) -> int:
        return len(self.masks)


def masks_of_gates(design: Array, gates: Array) -> Masks:
    """``X̃ g_i ≥ 0`` for each of the gates, of shape (P, n)."""
    masks = np.empty((len(gates), len(design)), dtype=bool)
    step = max(1, _AT_ONCE // max(1, len(gates)))
    for first in range(0, len(design), step):
        rows = slice(first, first + step)
        np.greater_equal(gates @ design[rows].T, 0, out=masks[:, rows])
    return masks


def row_keys(masks: Masks) -> NDArray[np.void]:
    """One opaque item per row, equal for equal rows; sorting them is several times faster than comparing rows."""
    packed = np.ascontiguousarray(np.packbits(masks, axis=1))
    if packed.shape[1] == 0:  # numpy has no items of zero bytes
        packed = np.zeros((len(packed), 1), dtype=np.uint8)
    return packed.view(np.dtype((np.void, packed.shape[1]))).ravel()


def first_of_each(masks: Masks) -> NDArray[np.intp]:
    """Indices of the first occurrence of every distinct row, in their order."""
    _, first = np.unique(row_keys(masks), return_index=True)
    return np.sort(first)
