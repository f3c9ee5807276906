"""Wide inputs in as many coordinates as there are samples: smaller programs, and no dense copies of sparse ones.

Neurons of an optimal network lie in the span of the samples: ``w = Xᵀc``; components orthogonal to all samples only
add to the penalty. With ``G = XXᵀ`` and a diagonal ``H`` of about the size of rounding errors, ``LLᵀ = G + H``
(Cholesky)::

    {Xw : ‖w‖ ≤ 1}  ⊂  {Lz : ‖z‖ ≤ 1},      as  XXᵀ ≼ LLᵀ

so that the problem with ``L`` for inputs is a relaxation of the one with ``X``, and lower bounds for it hold for both.
The way back, ``w = XᵀL⁻ᵀz``, has ``‖w‖ ≤ ‖z‖`` and ``Xw = Lz − HL⁻ᵀz``, which is ``Lz`` but for a multiple of the
root of the rounding errors in directions that hardly any sample has. The objective of a network is that on ``X``.

The relaxation is hardly weaker: its ellipsoid is that of ``[X, √H]``, and ``|φ(a + b) − φ(a)| ≤ |b|``, so that::

    M(v)²  ≤  max_{‖z‖ ≤ 1} |vᵀ φ(Lz)|²  ≤  M(v)² + vᵀHv

What ``L`` loses is the rank: it is ``n``, also where that of ``X`` is lower. Dense inputs of rank up to `LOW_RANK`, and
below ``n``, stay as they are: exact oracles and closed forms need that rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.sparse import csr_array, issparse, sparray

from convexrelu._utils.typing import Array

__all__ = ["LOW_RANK", "SampleCoordinates", "has_low_rank"]


_EPS = float(np.finfo(np.float64).eps)
_UNDERFLOW = 1e-250  # squares below this have inaccurate products with rounding errors
# Up to this rank the oracles of "auto" may prove, see `convexrelu.oracles.selection`.
LOW_RANK = 8
# Rows that are looked at first.
_MANY = 1000
# Squared length, where the longest row is one, that counts as none: rounding errors of a Gram matrix stay below it.
_NO_LENGTH = 1e-13


@dataclass(frozen=True, eq=False)
class SampleCoordinates:
    """Linear maps between weights for the features and weights for the coordinates of samples.

    Attributes
    ----------
    X : array or csr_array of shape (n, d)
        Inputs.
    rows : array of shape (n, n)
        ``L``, lower triangular: the samples in their coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> coordinates = SampleCoordinates.of(csr_array([[3.0, 0.0, 4.0], [0.0, 2.0, 0.0]]))
    >>> coordinates.rows.round(6) + 0.0
    array([[5., 0.],
           [0., 2.]])
    >>> weights = np.array([[0.6, 1.0, 0.8]])
    >>> coordinates.of_weights(weights).round(6)
    array([[1., 1.]])
    >>> coordinates.weights_of(coordinates.of_weights(weights)).round(6)
    array([[0.6, 1. , 0.8]])
    """

    X: Array | sparray
    rows: Array

    @classmethod
    def of(cls, X: Array | sparray) -> SampleCoordinates:
        """The coordinates of the rows of `X`.

        Errors of ``G`` and of its Cholesky factor are at most ``(n + k + 2) eps ‖x_i‖ ‖x_j‖`` in entry ``(i, j)``, with
        ``k`` the most entries of a row (Higham 2002, "Accuracy and Stability of Numerical Algorithms", sections 3.5
        and 10.1), and ``n`` times that on the diagonal is above any such matrix. It is taken twice.
        """
        n, k = X.shape
        if issparse(X):
            X = csr_array(X)
            k = int(np.diff(X.indptr).max(initial=0))
            gram = (X @ X.T).toarray()
        else:
            gram = X @ X.T
        squares = gram.diagonal()
        # Rows of zeros may have any coordinates that are small; those whose squares underflow need some.
        squares = np.maximum(squares, max(squares.min(initial=1.0, where=squares > 0), _UNDERFLOW))
        gram[np.diag_indices(n)] += 2 * n * (n + k + 2) * _EPS * squares
        rows = cholesky(gram, lower=True, overwrite_a=True)
        rows.flags.writeable = False
        return cls(X, rows)

    def of_weights(self, weights: Array) -> Array:
        """``z = L⁻¹Xw`` of rows ``w``, (m, d) to (m, n): ``Lz = Xw``, and ``‖z‖ ≤ ‖w‖``."""
        return solve_triangular(self.rows, self.X @ weights.T, lower=True).T

    def weights_of(self, coordinates: Array) -> Array:
        """``w = XᵀL⁻ᵀz`` of rows ``z``, (m, n) to (m, d)."""
        combined = solve_triangular(self.rows, coordinates.T, lower=True, trans="T")
        return (self.X.T @ combined).T


def has_low_rank(X: Array) -> bool:
    """Whether the rank of dense rows is at most `LOW_RANK` and below their number, up to rounding.

    By a Cholesky factor with pivots, which ends with the rank: ``O(n d)``.

    Examples
    --------
    >>> import numpy as np
    >>> has_low_rank(np.ones((4, 9))), has_low_rank(np.eye(4, 9))
    (True, False)
    """
    if len(X) > _MANY and not has_low_rank(X[:: len(X) // _MANY + 1]):
        return False  # a few rows usually show it
    rows = X / (np.abs(X).max(initial=0.0) or 1.0)
    left = np.square(rows).sum(axis=1)
    none = _NO_LENGTH * left.max(initial=0.0)
    columns = np.zeros((len(rows), LOW_RANK))
    for rank in range(min(LOW_RANK, len(rows) - 1)):
        pivot = int(left.argmax())
        if left[pivot] <= none:
            return True
        rest = rows @ rows[pivot] - columns @ columns[pivot]
        columns[:, rank] = rest / np.sqrt(left[pivot])
        left = left - np.square(columns[:, rank])
    return bool(left.max(initial=0.0) <= none)
