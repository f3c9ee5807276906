r"""A bound on ``h(u) = vᵀ relu(X̃u)`` for any rank, by slopes that are affine functions of signs.

With ``g_i = |v_i| x̃_i``, ``i`` where ``v_i > 0`` and ``j`` where ``v_j < 0``. For any ``u``, let ``σ_i = ±1`` be the
sign of ``x̃_iᵀu``, and let ``m_j`` be any numbers in ``[0, 1]``. Then ``relu(t) = ½(1 + σ) t`` and ``relu(t) ≥ m t``
give::

    h(u) ≤ uᵀ (½ Σ (1 + σ_i) g_i − Σ m_j g_j).

The best ``m`` depends on ``σ``. Let it be affine, ``m_j = γ_j + Σ_i Γ_ji σ_i``, which is in ``[0, 1]`` for all signs if
``|γ_j − ½| + Σ_i |Γ_ji| ≤ ½``. So ``h(u) ≤ uᵀ(d_0 + Σ σ_i d_i)`` with::

    d_0 = ½ Σ g_i − Σ γ_j g_j,        d_i = ½ g_i − Σ_j Γ_ji g_j,

and for all positive ``λ_0, λ_i``, by the inequality of Cauchy and Schwarz with ``|σ_i| = 1``::

    h(u) ≤ |uᵀd_0| + Σ |uᵀd_i| ≤ √(Σ λ) √(uᵀEu),        E = Σ d_i d_iᵀ/λ_i.

So ``√(Σλ · λ_max(E))`` bounds ``h`` on the unit ball for all such ``γ, Γ, λ``. Where ``λ_max(E) = 1``, its square is a
convex function of them; steps of gradient descent (Adam) make it small.

**Rounding.** ``Γ`` is scaled so that its sums are in bounds after rounding, too; ``λ`` may be any numbers. What is left
are errors of the ``d_i``, each a sum of at most ``n`` products. As ``γ_j + Σ_i |Γ_ji| ≤ 1``, the lengths of all terms
of all ``d_i`` add up to at most ``L = Σ|v_i|‖x̃_i‖``, so that the errors add at most ``(n + 4) ε L`` to the bound;
those of ``E`` and of its eigenvalue are below ``4 (n + r) ε`` times its trace.

References
----------
Affine rules are those of adjustable robust
optimization: Ben-Tal, Goryashko, Guslitzer & Nemirovski 2004.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from convexrelu._utils.norms import lipschitz_constant
from convexrelu._utils.typing import Array
from convexrelu.oracles.bounds.adam import Adam

__all__ = [
    "MOST_STEPS",
    "AffineRules",
    "Gradients",
    "affine_bound",
    "n_steps_for",
    "padded",
    "work_of_step",
]

_EPS = float(np.finfo(np.float64).eps)
MOST_STEPS = 300
_FEWEST_STEPS = 30  # with fewer, bounds are hardly better than those in closed form
_WORK_IN_A_SECOND = 1e9
# Largest number of entries of the slopes, of which there are some eight arrays: 3 GB. With 100,000 samples there were
# 20 GB in each.
_MOST_PAIRS = 5e7
_OVERHEAD = 1e5  # work of a step, however few pairs there are
_SHARPNESS = 50.0  # of the smooth maximum of the eigenvalues


def affine_bound(
    rows: Array, v: Array, level: float = 0.0, deadline: float = math.inf, n_steps: int = MOST_STEPS
) -> float:
    """Bound ``h(u) = vᵀ relu(X̃u)`` over the unit ball, for one sign; see the module.

    Parameters
    ----------
    rows : array of shape (n, r)
        The rows ``x̃_i``.
    v : array of shape (n,)
        Dual point.
    level : float
        A bound of this size is as good as any smaller one.
    deadline : float
        Value of :func:`time.perf_counter` at which to end with the best bound so far; infinite if there is none.
    n_steps : int
        Of gradient descent.

    Examples
    --------
    >>> rows, v = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]), np.array([3.0, 4.0, -1.0])
    >>> 5.0 <= affine_bound(rows, v) <= 5.001
    True
    """
    if not (v > 0).any():
        return 0.0  # at u = 0
    if time.perf_counter() + work_of_step(rows, v) / _WORK_IN_A_SECOND > deadline:
        return math.inf
    best = math.inf
    with np.errstate(all="ignore"):
        size = lipschitz_constant(rows, v)
        g = (v / size)[:, None] * rows
        if not np.isfinite(g).all():  # of entries that differ by hundreds of orders: no bound
            return math.inf
        for bound in AffineRules(g[v > 0], -g[v < 0]).descend(n_steps):
            best = min(best, padded(bound, size, rows.shape))
            if best <= level or time.perf_counter() >= deadline:
                break
    return best


def padded(bound: float, size: float, shape: tuple[int, ...]) -> float:
    """The bound of rules for rows that were divided by their `size`, ``Σ|v_i|‖x̃_i‖``, with room for rounding."""
    rounding = 8 * (sum(shape) + 8) * _EPS
    return size * (bound * (1 + rounding) + rounding)


def work_of_step(rows: Array, v: Array) -> float:
    """About the number of additions of one step, in the unit of branch and bound: some 10⁹ take a second.

    Products of pairs, and the matrix ``E`` with its eigenvalues, which count where samples of one sign are few.
    """
    (n, width), rank = rows.shape, min(rows.shape)
    n_pairs = float((v > 0).sum()) * float((v < 0).sum())
    return n_pairs * (8.0 + width) + rank**2 * (0.25 * rank + 0.1 * n) + _OVERHEAD


def n_steps_for(work: float, rows: Array, v: Array, most: int = MOST_STEPS) -> int:
    """Number of steps for this work; zero where too few would fit, or their arrays would not fit into memory.

    Examples
    --------
    >>> rows, v = np.ones((1000, 12)), np.tile([1.0, -1.0], 500)
    >>> [n_steps_for(work, rows, v) for work in (1e10, 1e9, 1e8)]
    [300, 195, 0]
    """
    if float((v > 0).sum()) * float((v < 0).sum()) > _MOST_PAIRS:
        return 0
    steps = int(min(work / work_of_step(rows, v), most))
    return steps if steps >= _FEWEST_STEPS else 0


class Gradients(NamedTuple):
    """Of the logarithm of the square of a bound, with a smooth maximum of the eigenvalues."""

    parts: tuple[Array, Array, Array]
    log_up: Array  # with respect to the logarithm of the length of each row
    log_down: Array


class AffineRules:
    """``γ, Γ`` and ``log λ``, for rows ``g_i`` and ``g_j``, which may be replaced by multiples of them.

    Attributes
    ----------
    up, down : arrays of shape (n, r)
        The rows.
    parts : list of arrays
        ``γ, Γ`` and ``log λ``. Any numbers give a bound.
    lengths : tuple of float
        Relative lengths of steps on them.
    """

    def __init__(self, up: Array, down: Array) -> None:
        self.up, self.down = up, down
        centres, slopes = np.full(len(down), 0.5), down @ up.T
        slopes *= 0.4 / np.maximum(np.abs(slopes).sum(axis=1, keepdims=True), 1e-300)
        sizes = np.linalg.norm(self._directions(centres, slopes), axis=0)
        self.parts = [centres, slopes, np.log(np.maximum(sizes, 1e-9))]
        # Sums of slopes are bounded: the more there are, the shorter are the steps of one.
        self.lengths = 0.2, 4.0 / max(len(up), 1), 1.0
        self._rounding = 4 * (len(up) + 4) * _EPS

    def descend(self, n_steps: int) -> Iterator[float]:
        """Bounds before each step, in which rounding errors of the directions are not included."""
        adam = Adam(self.parts, self.lengths, n_steps)
        for _ in range(n_steps):
            bound, gradients = self.bound()
            yield bound
            if not all(np.isfinite(of_part).all() for of_part in gradients.parts):
                return
            adam.step(gradients.parts)

    def _directions(self, centres: Array, slopes: Array) -> Array:
        """The columns ``d_0, d_i``, of shape (r, 1 + number of ups)."""
        first = 0.5 * self.up.sum(axis=0) - centres @ self.down
        return np.column_stack([first, 0.5 * self.up.T - self.down.T @ slopes])

    def bound(self) -> tuple[float, Gradients]:
        """The bound, and its gradients."""
        centres, slopes, logs = self.parts
        np.clip(centres, 0.0, 1.0, out=centres)
        room = (0.5 - np.abs(centres - 0.5)) * (1 - self._rounding)
        sums = np.abs(slopes).sum(axis=1)
        shares = np.minimum(1.0, room / np.maximum(sums, 1e-300))
        scaled_slopes = slopes * shares[:, None]
        columns = self._directions(centres, scaled_slopes)
        scales = np.exp(logs)
        scaled = columns / np.sqrt(scales)
        eigenvalues, vectors = np.linalg.eigh(scaled @ scaled.T)
        largest, total = eigenvalues[-1], scales.sum()
        largest += 4 * sum(columns.shape) * _EPS * eigenvalues.sum()
        # d log(smooth maximum) = Σ w_k/E_k dE_k
        weights = np.maximum(eigenvalues / largest, 0.0) ** (_SHARPNESS - 1)
        weights /= largest * (weights * np.maximum(eigenvalues, 0.0)).sum() / largest
        moved = (vectors * weights) @ (vectors.T @ columns) / scales
        of_columns = 2 * moved
        of_logs = scales / total - (columns * moved).sum(axis=0)
        of_slopes = -self.down @ of_columns[:, 1:]
        of_first = -self.down @ of_columns[:, 0]
        log_up = 0.5 * (self.up * (of_columns[:, :1].T + of_columns[:, 1:].T)).sum(axis=1)
        log_down = centres * of_first + (scaled_slopes * of_slopes).sum(axis=1)
        # Through the scaling of each row of slopes to its room.
        tight = shares < 1
        along = np.where(tight, (of_slopes * slopes).sum(axis=1) / np.maximum(sums, 1e-300), 0.0)
        of_centres = of_first - np.sign(centres - 0.5) * along
        of_slopes *= shares[:, None]
        of_slopes -= np.sign(slopes) * (shares * along)[:, None]
        gradients = Gradients((of_centres, of_slopes, of_logs), log_up, log_down)
        return math.sqrt(largest * total), gradients
