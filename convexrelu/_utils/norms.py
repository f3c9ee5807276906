"""Euclidean norms without overflow or underflow, safe to use in proofs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from convexrelu._utils.typing import Array

__all__ = ["lengths_of_rows", "lipschitz_constant", "norms", "sizes", "unit_rows"]

# Between these, a sum of squares has neither overflowed nor lost entries that count to underflow.
_SMALL, _LARGE = 1e-250, 1e300


def norms(vectors: Array) -> Any:
    """Norms along the last axis; no square overflows or underflows.

    ``numpy.linalg.norm`` is zero below 1e-162: a row of that length would not count, however large its factor.

    Examples
    --------
    >>> import numpy as np
    >>> norms(np.array([[3e-200, 4e-200], [3e200, 4e200], [0.0, 0.0]]))
    array([5.e-200, 5.e+200, 0.e+000])
    """
    # Sums do not depend on the order in memory, and squares are those of float64; einsum reports no overflow.
    rows = np.ascontiguousarray(vectors, dtype=np.float64)
    squares = np.einsum("...i,...i->...", rows, rows)
    lengths = np.asarray(np.sqrt(squares))
    least = np.minimum.reduce(squares, axis=None, initial=1.0)
    largest = np.maximum.reduce(squares, axis=None, initial=1.0)
    if not (least > _SMALL and largest < _LARGE):
        unsafe = ~((squares > _SMALL) & (squares < _LARGE))
        lengths[unsafe] = _scaled_norms(vectors[unsafe])
    return lengths[()]  # a number for one vector


def lengths_of_rows(X: Any) -> Array:
    """Norms of the rows of an array or a sparse matrix; no square overflows or underflows.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> lengths_of_rows(csr_array([[3e-200, 4e-200], [0.0, 2.0], [0.0, 0.0]]))
    array([5.e-200, 2.e+000, 0.e+000])
    """
    if not issparse(X):
        return np.asarray(norms(X))
    rows = csr_array(X)
    lengths = np.sqrt(_sums_of_squares(rows))
    unsafe = ~((lengths > _SMALL**0.5) & (lengths < _LARGE**0.5)) & (np.diff(rows.indptr) > 0)
    if unsafe.any():
        own = rows[unsafe]
        largest = np.asarray(abs(own).max(axis=1).toarray()).ravel()
        scale = np.where((largest > 0) & (largest < np.inf), largest, 1.0)
        own.data /= np.repeat(scale, np.diff(own.indptr))
        lengths[unsafe] = scale * np.sqrt(_sums_of_squares(own))
    return lengths


def _sums_of_squares(rows: csr_array) -> Array:
    """Of the entries of each row."""
    with np.errstate(over="ignore", under="ignore"):
        squares = csr_array((np.square(rows.data), rows.indices, rows.indptr), shape=rows.shape)
    return np.asarray(squares @ np.ones(rows.shape[1]))


def _scaled_norms(vectors: Array) -> Any:
    """The same, by vectors whose largest entry is one: several times slower."""
    largest = np.abs(vectors).max(axis=-1, initial=0.0)
    scale = np.where((largest > 0) & (largest < np.inf), largest, 1.0)
    return scale * np.linalg.norm(vectors / scale[..., None], axis=-1)


def unit_rows(rows: Array) -> Array:
    """Rows scaled to length one; zero rows stay zero.

    Examples
    --------
    >>> import numpy as np
    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    lengths = norms(rows)[:, None]
    return rows / np.where(lengths > 0, lengths, 1.0)


def sizes(v: Array) -> Array:
    """``|v_i|``, or the norms ``‖V_i‖`` of the rows; of shape (n,)."""
    return np.abs(v) if v.ndim == 1 else np.asarray(norms(v))


def lipschitz_constant(design: Array, v: Array) -> float:
    """``Σ_i ‖v_i‖ ‖x̃_i‖``: Lipschitz constant of ``u → vᵀ φ(X̃u)``, and the scale of its rounding errors."""
    return float(sizes(v) @ norms(design))
