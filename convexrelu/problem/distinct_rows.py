"""Rows that are equal: they are joined before training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array

__all__ = ["distinct_rows"]

_LEADING = 4  # columns that usually tell all rows apart


def distinct_rows(table: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First index of every distinct row, in lexicographic order, and the place of each row among them.

    Where the first columns differ in all rows they give the order: sorting whole rows is fifty times slower.
    """
    leading = table[:, :_LEADING].T[::-1]
    order = np.lexsort(leading)
    if (np.diff(leading[:, order]) != 0).any(axis=0).all():
        inverse = np.empty_like(order)
        inverse[order] = np.arange(len(order))
        return order, inverse
    _, first, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return first, inverse.ravel()
