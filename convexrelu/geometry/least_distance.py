"""The shortest vector that satisfies linear inequalities and, optionally, equations."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.patterns.cone_support import cone_support

__all__ = ["least_distance", "least_distance_with_equations"]

# Longer vectors count as none: rounding errors hide whether inequalities that need them can be met at all.
_LONGEST = 1e10
# Relative error allowed in equations and inequalities.
_MISSED = 1e-10
_RANK_TOL = 1e-12  # singular values below this fraction of the largest are zero


def least_distance(rows: Array, least: Array) -> Array | None:
    r"""Solve ``min ‖t‖  s.t.  rows t ≥ least``, by one projection on a cone (Lawson & Hanson 1974, chapter 23).

    With ``C`` the cone of all ``μᵀ(rows, least)``, ``μ ≥ 0``, let ``p`` be the residual of projecting the
    last unit vector ``e`` on ``C``. Then ``(rows, least) p ≤ 0`` and ``pᵀe = ‖p‖²``, so that ``t = −p_{1..k}/‖p‖²`` is
    the shortest vector that satisfies the inequalities; its length is ``√(1/‖p‖² − 1)``. They are infeasible
    if and only if ``e`` is in ``C``, that is, ``p = 0`` (Farkas).

    Parameters
    ----------
    rows : array of shape (m, k)
        In units in which ``‖t‖`` is about one: the errors of ``t`` are a few roundings times ``1 + ‖t‖²``.
    least : array of shape (m,)

    Returns
    -------
    array of shape (k,) or None
        None if there is no such vector, or none shorter than 1e10.

    Examples
    --------
    >>> import numpy as np
    >>> least_distance(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, -1.0]))
    array([2., 0.])
    >>> least_distance(np.array([[1.0], [-1.0]]), np.array([1.0, 1.0])) is None
    True
    """
    joint = np.column_stack([rows, least])
    lengths = norms(joint)
    joint = joint[lengths > 0] / lengths[lengths > 0, None]
    last = np.append(np.zeros(rows.shape[1]), 1.0)
    length, rest, _ = cone_support(last, -joint)
    if length * _LONGEST <= 1.0:
        return None
    return -rest[:-1] / length**2 + 0.0


def least_distance_with_equations(
    equations: Array, equal: Array, rows: Array, least: Array
) -> Array | None:
    """Solve ``min ‖u‖  s.t.  equations u = equal,  rows u ≥ least``.

    With ``u₀`` the shortest solution of the equations and ``N`` an orthonormal basis of their null space,
    ``u = u₀ + Nt`` and ``‖u‖² = ‖u₀‖² + ‖t‖²``: :func:`least_distance` solves the rest.

    Parameters
    ----------
    equations : array of shape (p, k)
    equal : array of shape (p,)
    rows : array of shape (m, k)
    least : array of shape (m,)

    Returns
    -------
    array of shape (k,) or None
        Each equation and inequality is violated by at most 1e-9 of the length of its row times ``‖u‖``. None if there
        is no solution.

    Examples
    --------
    >>> import numpy as np
    >>> u = least_distance_with_equations(np.array([[1.0, 0.0]]), np.array([1.0]),
    ...                                   np.array([[-1.0, 2.0]]), np.array([0.0]))
    >>> u.round(9)
    array([1. , 0.5])
    """
    # With fewer equations than unknowns, the short form of the SVD lacks a part of the null space.
    is_wide = equations.shape[0] < equations.shape[1]
    left, singular, right = np.linalg.svd(equations, full_matrices=is_wide)
    rank = int((singular > _RANK_TOL * singular.max(initial=0.0)).sum())
    shortest = right[:rank].T @ ((left[:, :rank].T @ equal) / singular[:rank])
    scale = float(norms(shortest)) or 1.0
    missed = np.abs(equations @ shortest - equal)
    if (missed > _MISSED * scale * norms(equations)).any():
        return None
    free = right[rank:].T
    wanted = (least - rows @ shortest) / scale - _MISSED * norms(rows)
    step = least_distance(rows @ free, wanted)
    return None if step is None else shortest + scale * (free @ step)
