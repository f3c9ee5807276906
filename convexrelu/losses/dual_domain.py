"""Points in the domain of the dual objective, balanced in exact real arithmetic.

With ``F(f) = Σ_i s_i ℓ(f_i, y_i)``, the dual objective ``−F*(−v)`` is finite where ``−v_i/s_i`` is in the domain of
``ℓ*(·, y_i)`` for every ``i``, and, with an intercept, ``1ᵀv = 0``. A certificate needs both exactly,
without rounding. All of these domains are star-shaped about zero, so this takes two steps.

1. *Near it.* Shift and clip in float64, up to rounding.
2. *Onto it.* Round all entries towards zero to multiples of one power of two that is so coarse, ``2⁻⁵² Σ|v|`` at
   least, that all their sums are floats, too; then subtract the remaining sums from entries that are large enough:
   again towards zero. These steps never leave a star-shaped domain.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.losses.roots import increasing_root

__all__ = [
    "accurate_sum",
    "class_dual_point",
    "flow_to_take",
    "on_grid",
    "separable_dual_point",
    "taken",
]


_EPS = float(np.finfo(np.float64).eps)
_MOST_TERMS = 2**25  # of which the bound of `accurate_sum` is proved


# Losses that are sums over samples and outputs


def separable_dual_point(
    v: Array, weights: Array, low: Array, high: Array, balanced: bool
) -> Array:
    """The point near ``v`` with ``low ≤ −v_i/weights_i ≤ high`` and, if `balanced`, columns that sum to zero.

    Parameters
    ----------
    v : array of shape (n,) or (n, K)
        Finite.
    weights : array of shape (n,)
        Non-negative; entries of ``v`` without weight become zero.
    low, high : arrays shaped like `v`
        Ends of intervals around zero, possibly infinite.
    balanced : bool

    Returns
    -------
    array shaped like `v`
        With ``μ`` the multiplier of the sum, the clipped ``v − μ·weights``: the nearest point in the norm
        ``Σ v_i²/weights_i``, up to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> v, end = np.array([0.5, 0.25, -0.125]), np.ones(3)
    >>> v = separable_dual_point(v, np.full(3, 1 / 3), -end, end, balanced=True)
    >>> v.round(4)
    array([ 0.2917,  0.0417, -0.3333])
    >>> float(v.sum())
    0.0
    """
    if v.ndim == 2:
        columns = zip(v.T, low.T, high.T, strict=True)
        return np.column_stack(
            [separable_dual_point(x, weights, a, b, balanced) for x, a, b in columns]
        )
    result = np.zeros_like(v)
    alive = weights > 0
    weights = weights[alive]
    # One float inwards: the products are rounded, the domain is not.
    lower = np.nextafter(-weights * high[alive], 0.0)
    upper = np.nextafter(-weights * low[alive], 0.0)
    if balanced:
        result[alive] = _without_sum(_shifted(v[alive], weights, lower, upper))
    else:
        result[alive] = np.clip(v[alive], lower, upper)
    return result


def _shifted(v: Array, weights: Array, lower: Array, upper: Array) -> Array:
    """The clipped ``v − μ·weights`` that sums to zero, up to rounding."""

    def clipped(shift: float) -> Array:
        return np.clip(v - shift * weights, lower, upper)

    if len(v) == 0 or math.fsum(clipped(0.0)) == 0:
        return clipped(0.0)
    ratios = v / weights  # beyond all of them, nothing is positive; before, nothing negative
    first, last = float(ratios.min()), float(ratios.max())
    return clipped(increasing_root(lambda shift: -float(clipped(shift).sum()), first, last))


def _without_sum(v: Array) -> Array:
    """``v`` with entries moved towards zero and a sum that is zero."""
    v = on_grid(v)
    excess = float(v.sum())
    return v - math.copysign(1.0, excess) * taken(np.maximum(v * np.sign(excess), 0), abs(excess))


# Cross-entropy over classes


def class_dual_point(v: Array, labels: NDArray[np.int64], weights: Array, balanced: bool) -> Array:
    """The point near ``V`` with rows ``s_i (e_{y_i} − p_i)``, where every ``p_i`` is a distribution.

    Parameters
    ----------
    v : array of shape (n, K)
        Finite.
    labels : integers of shape (n,)
        Classes ``y_i`` in ``0 … K−1``.
    weights : array of shape (n,)
        Non-negative; rows without weight become zero.
    balanced : bool
        Whether columns must sum to zero.

    Returns
    -------
    array of shape (n, K)
        Rows sum to zero, to the float 0.0; if `balanced`, columns as well.

    Notes
    -----
    The entries off the label are ``−q_ik ≤ 0`` and determine the row. A sample of class ``a`` sends the amount
    ``q_ib`` to class ``b``, and columns sum to zero if every class gives as much as it gets. The surplus of some
    classes is routed through ``q`` to those with a deficit: all of ``q`` is one such routing (the result would be
    ``V = 0``), and shortest paths along which amounts are removed find a smaller one.

    Examples
    --------
    >>> import numpy as np
    >>> v = np.array([[0.2, -0.1], [-0.1, 0.15]])
    >>> class_dual_point(v, np.array([0, 1]), np.array([0.5, 0.5]), balanced=True).round(4)
    array([[ 0.1, -0.1],
           [-0.1,  0.1]])
    """
    rows = np.arange(len(v))
    given = np.maximum(-v, 0.0)
    given[rows, labels] = 0.0
    # At most the sample's weight, and slightly less: sums are rounded here.
    room = weights * (1 - 2 * (v.shape[1] + 2) * _EPS)
    totals = given.sum(axis=1)
    given *= np.divide(room, totals, out=np.ones_like(totals), where=totals > room)[:, None]
    given = on_grid(given)
    if balanced:
        _balance(given, labels)
    result = -given
    result[rows, labels] = given.sum(axis=1)
    return result + 0.0  # turns -0.0 into 0.0


def _balance(given: Array, labels: NDArray[np.int64]) -> None:
    """Take amounts away, in place, until every class gives as much as it gets."""
    n_classes = given.shape[1]
    flow = np.zeros((n_classes, n_classes))
    np.add.at(flow, labels, given)
    reduction = flow_to_take(flow)
    for source, target in np.argwhere(reduction > 0):
        members = labels == source
        given[members, target] -= taken(given[members, target], reduction[source, target])


def flow_to_take(flow: Array) -> Array:
    """``R`` with ``0 ≤ R ≤ flow`` whose row sums minus column sums are those of `flow`, by shortest paths.

    Maximum flow by Edmonds and Karp from the classes that give too much to those that get too much. It routes all
    of the surplus, since `flow` itself does. Amounts are multiples of one grid, so that nothing is rounded.
    """
    excess = flow.sum(axis=1) - flow.sum(axis=0)
    rest = flow.copy()  # residual amounts: reduced along a path, increased backwards
    while (excess > 0).any():
        path = _shortest_path(rest, excess)
        steps = list(pairwise(path))
        amount = min(excess[path[0]], -excess[path[-1]], *(rest[step] for step in steps))
        for source, target in steps:
            rest[source, target] -= amount
            rest[target, source] += amount
        excess[path[0]] -= amount
        excess[path[-1]] += amount
    return np.maximum(flow - rest, 0.0)


def _shortest_path(rest: Array, excess: Array) -> list[int]:
    """Classes from one with positive to one with negative excess, along positive entries of `rest`."""
    start = int(excess.argmax())
    before = {start: start}
    queue = [start]
    for node in queue:  # grows on the way: breadth first
        if excess[node] < 0:
            path = [node]
            while path[-1] != start:
                path.append(before[path[-1]])
            return path[::-1]
        reached = [int(k) for k in np.flatnonzero(rest[node] > 0) if int(k) not in before]
        before |= dict.fromkeys(reached, node)
        queue += reached
    raise AssertionError("amounts are conserved, so that excess always finds a way")


# Sums without rounding


def on_grid(v: Array, total: float | None = None) -> Array:
    """Entries rounded towards zero to multiples of a power of two, ``2⁻⁵² Σ|v|`` at least: no sum is rounded.

    The `total` is ``Σ|v|``, for entries that are a part of ``v``.
    """
    total = float(np.abs(v).sum()) if total is None else total
    if total == 0:
        return np.zeros_like(v)
    # Σ|v| ≤ 2^exponent whatever was rounded in `total`, and every sum is at most 2⁵² multiples.
    exponent = math.frexp(total * (1 + 1e-6))[1]
    step = max(exponent - 52, -1074)
    return np.ldexp(np.trunc(np.ldexp(v, -step)), step)


def accurate_sum(terms: Array, total: float) -> float:
    """``Σ_i t_i`` up to ``2⁻⁵² Σ|t_i|``, in any order: as exact as two roundings, in NumPy.

    Each term is a multiple of the grid of :func:`on_grid`, of step ``h`` with ``h < 2⁻⁵¹ (1 + 2·10⁻⁶) Σ|t|``, and a
    rest below ``h``. Sums of the former are exact, and so are the rests. For ``n ≤ 2²⁵`` terms, the sum of the rests is
    off by ``n² 2⁻⁵³ h`` at most, which is ``h/8``, a quarter of the bound; adding both is a rounding, half of it. More
    terms are added up by :func:`math.fsum`, which takes twice as long.

    Parameters
    ----------
    terms : array of shape (n,)
    total : float
        ``Σ|t_i|``, or above it by roundings; at most half of the largest float.

    Examples
    --------
    >>> import numpy as np
    >>> accurate_sum(np.array([1.0, 1e-16, -1.0]), 2.0)
    1e-16
    """
    if len(terms) > _MOST_TERMS:
        return math.fsum(terms)
    near = on_grid(terms, total)
    return float(near.sum()) + float((terms - near).sum())


def taken(amounts: Array, total: float) -> Array:
    """Amounts to take from nonnegative amounts, the largest first, with sum `total`; multiples of one grid."""
    order = np.argsort(-amounts, kind="stable")
    before = np.cumsum(amounts[order]) - amounts[order]
    taken = np.empty_like(amounts)
    taken[order] = np.clip(total - before, 0.0, amounts[order])
    return taken
