"""The Chebyshev centre of a cell of a hyperplane arrangement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array

__all__ = ["cell_centre", "decides"]


_EPS = float(np.finfo(np.float64).eps)
_UNDERFLOW = 1e-300  # far above the underflow errors of products


def cell_centre(design: Array, mask: NDArray[np.bool_]) -> Array | None:
    """The Chebyshev centre of a cell: its unit vector farthest from its hyperplanes.

    With ``r_i = ± x̃_i/‖x̃_i‖``, the signs those of the cell::

        max_{‖u‖ ≤ 1} min_i r_iᵀu  =  min { ‖Σ_i λ_i r_i‖ : λ ≥ 0, Σ_i λ_i = 1 }

    so that ``u`` points to the point of the convex hull of the ``r_i`` that is nearest to the origin: a support
    vector machine with a hard margin, here by non-negative least squares (Lawson & Hanson 1974, chapter 23).

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``; zero rows are ignored.
    mask : boolean array of shape (n,)
        The cell ``{u : x̃_iᵀu > 0 where mask, < 0 elsewhere}``.

    Returns
    -------
    array of shape (d̃,), or None
        None if no point was found whose pattern on `design` is `mask` beyond rounding, as for an empty cell.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.patterns.cell_centre import cell_centre
    >>> cell_centre(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([True, False])).round(4)
    array([ 0.7071, -0.7071])
    """
    lengths = norms(design)
    alive = lengths > 0
    signs = np.where(mask, 1.0, -1.0)[alive]
    rows = design[alive] * (signs / lengths[alive])[:, None]
    if not len(rows):
        return None
    try:
        hull, _ = nnls(
            np.vstack([rows.T, np.ones(len(rows))]), np.append(np.zeros(rows.shape[1]), 1)
        )
    except RuntimeError:  # too many iterations
        return None
    centre = hull @ rows
    length = float(np.linalg.norm(centre))
    if length == 0:
        return None
    centre /= length
    return centre if decides(rows, np.ones(len(rows), dtype=bool), centre[None])[0] else None


def decides(design: Array, masks: NDArray[np.bool_], gates: Array) -> NDArray[np.bool_]:
    """Whether gates have their patterns despite rounding: no nonzero row is too close to its hyperplane.

    Parameters
    ----------
    design : array of shape (n, d̃)
    masks : boolean array of shape (n,) or (P, n)
        Zero rows must be True in a pattern, as ``0 ≥ 0``.
    gates : array of shape (P, d̃)

    Returns
    -------
    boolean array of shape (P,)
    """
    lengths = norms(design)
    products = gates @ design.T
    rounding = 4 * (design.shape[1] + 2) * _EPS * np.outer(norms(gates), lengths) + _UNDERFLOW
    clear = np.where(masks, products > rounding, products < -rounding)
    return (clear | ((lengths == 0) & masks)).all(axis=1)
