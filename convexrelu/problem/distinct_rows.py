"""Rows that are equal: they are joined before training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array

__all__ = ["distinct_rows", "places_of_sparse_rows"]

# Columns that are compared at first, and at most: the first ones usually tell all rows apart, and each costs a sort.
_FIRST, _MOST = 1, 32


def distinct_rows(inputs: Array, targets: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First index of every distinct row, in lexicographic order, and the place of each row among them.

    A row is an input followed by its target. Rows are sorted by some columns at a time; the next ones are looked at
    only where rows are equal until then, and sort only where these differ. Sorting whole rows at once takes forty times
    as long on images, whose first pixels are all black, and fifty times as long where the first column differs.

    Parameters
    ----------
    inputs : array of shape (n, d) or (n,)
    targets : array of shape (n,) or (n, K)

    Returns
    -------
    first : array of shape (m,)
        For each of the distinct rows the smallest of its indices.
    place : array of shape (n,)
        For each row its place in `first`.

    Examples
    --------
    >>> import numpy as np
    >>> distinct_rows(np.array([[2.0], [1.0], [2.0]]), np.array([0.0, 0.0, 0.0]))
    (array([1, 0]), array([1, 0, 1]))
    """
    order = np.arange(len(targets))
    begins = order == 0  # where groups of equal rows begin in that order
    for part in _parts(inputs, targets):
        alone = begins & np.append(begins[1:], True)
        open_places = np.flatnonzero(~alone)
        if not len(open_places):
            break
        rows, starts = order[open_places], begins[open_places]
        group = np.cumsum(starts) - 1
        values = part[rows]
        differing = (values != values[np.flatnonzero(starts)[group]]).any(axis=0)
        if not differing.any():
            continue
        values = values[:, differing]
        sorting = np.lexsort((*values.T[::-1], group))
        order[open_places] = rows[sorting]
        values = values[sorting]
        starts[1:] |= (values[1:] != values[:-1]).any(axis=1)
        begins[open_places] = starts
    place = np.empty_like(order)
    place[order] = np.cumsum(begins) - 1
    return order[begins], place


def _parts(*arrays: Array) -> Iterator[Array]:
    """Columns of these arrays side by side, some at a time: more and more, as fewer rows are equal until then."""
    width = _FIRST
    for array in arrays:
        table = array.reshape(len(array), -1)
        start = 0
        while start < table.shape[1]:
            yield table[:, start : start + width]
            start += width
            width = min(2 * width, _MOST)


def places_of_sparse_rows(X: Any) -> NDArray[np.int64]:
    """A number for each row of a canonical CSR array, equal for equal rows, whatever rows are beside them.

    That is the place of its projection on a random vector; rows whose projections are equal are compared with each
    other.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> places = places_of_sparse_rows(csr_array([[0.0, 2.0], [1.0, 0.0], [0.0, 2.0]]))
    >>> bool(places[0] == places[2]), bool(places[0] == places[1])
    (True, False)
    """
    projections = X @ np.random.default_rng(0).standard_normal(X.shape[1])
    _, group, counts = np.unique(projections, return_inverse=True, return_counts=True)
    shared = np.flatnonzero(counts[group] > 1)
    starts, stops = X.indptr[shared], X.indptr[shared + 1]
    rows = [
        (int(k), tuple(X.indices[a:b].tolist()), tuple(X.data[a:b].tolist()))
        for k, a, b in zip(group[shared], starts, stops, strict=True)
    ]
    order = {row: k for k, row in enumerate(sorted(set(rows)))}
    among_equals = np.zeros(len(group), dtype=np.int64)
    among_equals[shared] = [order[row] for row in rows]
    return group * max(len(order), 1) + among_equals
