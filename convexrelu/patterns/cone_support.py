"""The maximum of a linear function over one cell: projection on a polyhedral cone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array

__all__ = ["PatternCones", "cone_support"]


class PatternCones:
    """The cones ``{u : (2D − I) X̃u ≥ 0}`` of all patterns on one data matrix.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.

    Attributes
    ----------
    rows : array of shape (m,)
        Nonzero rows, which bound the cones.
    norms : array of shape (m,)
        Their lengths.
    """

    def __init__(self, design: Array) -> None:
        lengths = norms(design)
        self.rows = np.flatnonzero(lengths)
        self.norms = lengths[self.rows]
        self._normals = design[self.rows] / self.norms[:, None]

    def fits(self, deadline: float) -> bool:
        """Whether one projection ends before the deadline, if some tenths of the multipliers that can be are positive.

        Those of independent normals can be: no more than there are features. SciPy begins with all products of normals.
        """
        m, dimension = self._normals.shape
        most = min(m, dimension)
        return product_fits(m**2 * dimension + most**2 * (2 * m + most**2 / 100), deadline)

    def support(self, linear: Array, mask: NDArray[np.bool_]) -> tuple[float, Array, Array]:
        """:func:`cone_support` over the cone of `mask`; one multiplier for each of `rows`."""
        towards = 2.0 * mask[self.rows, None] - 1.0
        return cone_support(linear, towards * self._normals)


def cone_support(linear: Array, rows: Array) -> tuple[float, Array, Array]:
    """Maximise ``linearᵀ u`` over ``‖u‖ ≤ 1`` in the cone ``{u : rows u ≥ 0}``.

    The maximum is the norm of the projection ``p = linear + rowsᵀ μ`` of `linear` on the cone,
    with ``μ ≥ 0`` from a non-negative least-squares problem (Moreau). For every ``μ ≥ 0``, the
    best one or not, ``‖linear + rowsᵀ μ‖`` is an upper bound.

    Parameters
    ----------
    linear : array of shape (d̃,)
    rows : array of shape (n, d̃)
        Normals of the cone, without zero rows; preferably of unit length.

    Returns
    -------
    bound : float
        The maximum; an upper bound on it even where the projection is inexact.
    projection : array of shape (d̃,)
        ``p``; ``p / ‖p‖`` attains the maximum.
    multipliers : array of shape (n,)
        ``μ``.

    Examples
    --------
    >>> import numpy as np
    >>> bound, projection, _ = cone_support(np.array([1.0, -1.0]), np.eye(2))  # on the quadrant
    >>> bound, projection
    (1.0, array([1., 0.]))
    """
    if len(rows) == 0:  # the whole space; nnls must not be called without columns
        return float(norms(linear)), linear, np.zeros(0)
    try:
        multipliers, _ = nnls(rows.T, -linear)
    except RuntimeError:  # too many iterations: no multipliers is a valid choice as well
        multipliers = np.zeros(len(rows))
    projection = linear + multipliers @ rows
    return float(norms(projection)), projection, multipliers
