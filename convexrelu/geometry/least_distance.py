"""The shortest vector that fulfils linear inequalities, and perhaps equations."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.patterns.cone_support import cone_support

__all__ = ["least_distance", "least_distance_with_equations"]


# Vectors longer than this count as none: the data do not tell them from a contradiction.
_LONGEST = 1e10
# Relative error by which equations and inequalities may be missed.
_MISSED = 1e-10
_RANK_TOL = 1e-12


def least_distance(rows: Array, least: Array) -> Array | None:
    r"""Solve ``min ‖t‖  s.t.  rows t ≥ least``, by one projection on a cone (Lawson & Hanson 1974, chapter 23).

    With ``C`` the cone of all ``μᵀ(rows, least)``, ``μ ≥ 0``, let ``p`` be what the projection on ``C`` leaves of the
    last unit vector ``e``. Then ``(rows, least) p ≤ 0`` and ``pᵀe = ‖p‖²``, so that ``t = −p_{1..k}/‖p‖²`` fulfils the
    inequalities, as the shortest one; its length is ``√(1/‖p‖² − 1)``. They contradict each other if and only if ``e``
    is in ``C``, which is ``p = 0`` (Farkas).

    Parameters
    ----------
    rows : array of shape (m, k)
        In units in which ``‖t‖`` is about one: the errors of ``t`` are some roundings times ``1 + ‖t‖²``.
    least : array of shape (m,)

    Returns
    -------
    array of shape (k,) or None
        None where there is no such vector, or none shorter than 1e10.

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

    With ``u₀`` the shortest solution of the equations and ``N`` an orthonormal basis of directions that do not change
    them, ``u = u₀ + Nt`` and ``‖u‖² = ‖u₀‖² + ‖t‖²``: what is left is :func:`least_distance`.

    Parameters
    ----------
    equations : array of shape (p, k)
    equal : array of shape (p,)
    rows : array of shape (m, k)
    least : array of shape (m,)

    Returns
    -------
    array of shape (k,) or None
        It misses each equation and inequality by no more than 1e-9 of the length of its row times ``‖u‖``. None where
        there is none.

    Examples
    --------
    >>> import numpy as np
    >>> u = least_distance_with_equations(np.array([[1.0, 0.0]]), np.array([1.0]),
    ...                                   np.array([[-1.0, 2.0]]), np.array([0.0]))
    >>> u.round(9)
    array([1. , 0.5])
    """
    left, singular, right = np.linalg.svd(equations)
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
