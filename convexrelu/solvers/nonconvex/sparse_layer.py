"""The smoothed hidden layer on sparse rows, whose products take as long as they have entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.solvers.nonconvex.hidden_layer import HiddenLayer

__all__ = ["SparseLayer", "scaled_rows"]


class SparseLayer(HiddenLayer):
    """A layer whose rows are CSR arrays of shape (n, d̃); compiled code has products of dense rows only."""

    in_numpy = True

    def _multiply(self, rows: Any, hidden: Array) -> None:
        hidden[...] = rows @ self._inner.T

    def _weighted(self, rows: Any, pull: Array) -> Any:
        return scaled_rows(rows, pull[:, 0])


def scaled_rows(rows: Any, factors: Array) -> Any:
    """Rows of a CSR array times a number each.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> scaled_rows(csr_array([[0.0, 2.0], [3.0, 0.0]]), np.array([10.0, 1.0])).toarray()
    array([[ 0., 20.],
           [ 3.,  0.]])
    """
    data = rows.data * np.repeat(factors, np.diff(rows.indptr))
    return type(rows)((data, rows.indices, rows.indptr), shape=rows.shape)
