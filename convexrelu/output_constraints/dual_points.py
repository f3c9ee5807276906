r"""Points in the domain of ``F*`` whose columns have given sums, as real numbers.

With an intercept, the dual point ``(V, λ)`` of :class:`~convexrelu.output_constraints.problem.ConstrainedProblem` needs
``1ᵀV = Aᵀλ`` exactly. Sums are computed in fractions. What is left of them is taken from one entry for each output, of
which it is less than one rounding: the point of real numbers is that near to the one of floats.

**Losses that are sums over outputs** have intervals for the entries of ``V``.

**The multinomial loss** couples outputs: rows are ``V_i = s_i (e_{y_i} − p_i)`` with distributions ``p_i``. Their
entries off the label are ``−q_ik ≤ 0``, with sums of at most ``s_i``, and determine the one at the label, as rows sum
to zero. A sample of class ``a`` sends ``q_ib`` to class ``b``, and ``1ᵀV = Aᵀλ`` says how much more every class gives
than it gets. All of that adds up to zero, as rows of ``A`` do.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Protocol

import numpy as np
from scipy.optimize import brentq

from convexrelu._utils.typing import Array
from convexrelu.losses import Multinomial, SeparableLoss
from convexrelu.losses.dual_domain import class_dual_point
from convexrelu.losses.multinomial import intercept_for
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["Distributions", "Domain", "Intervals", "domain_of", "exact_products"]

_EPS = float(np.finfo(np.float64).eps)
# Relative distance of a sum from the largest possible.
_CLEARLY = 1e-9
_CORRECTIONS = 4
# Probabilities below this do not matter for sums; their logarithms are finite.
_NO_PROBABILITY = 1e-30


class Domain(Protocol):
    """The domain of ``F*`` for one loss; arrays have shape (n, K)."""

    def nearest(self, V: Array) -> Array:
        """A point of the domain near ``V``."""

    def part_within(self, sums: Array) -> float:
        """The largest factor up to one with which the sums of columns are clearly possible."""

    def with_sums(self, V: Array, sums: Array) -> Array | None:
        """A point of the domain near ``V`` with these sums of columns, up to rounding; None if there is none."""

    def corrected(self, V: Array, sums: list[Fraction]) -> Array | None:
        """The point with sums that differ by less than a rounding of one entry; None if that leaves the domain."""


def domain_of(problem: TrainingProblem) -> Domain | None:
    """That of the loss of a problem; None for losses that couple outputs, but for the multinomial one."""
    if isinstance(problem.loss, Multinomial):
        return Distributions(problem.y, problem.weights, problem.n_outputs)
    if not isinstance(problem.loss, SeparableLoss):
        return None
    low, high = (np.reshape(end, (-1, problem.n_outputs)) for end in problem.loss.domain(problem.y))
    return Intervals(problem.weights, low, high)


class Intervals:
    """Entries with ``low ≤ −V_ik/s_i ≤ high``.

    Parameters
    ----------
    weights : array of shape (n,)
        ``s``, with sum one.
    low, high : arrays of shape (n, K)

    Examples
    --------
    >>> domain = Intervals(np.array([0.5, 0.5]), -np.ones((2, 1)), np.ones((2, 1)))
    >>> domain.with_sums(np.array([[0.4], [0.0]]), np.array([0.6])).round(9)[:, 0]
    array([0.5, 0.1])
    """

    def __init__(self, weights: Array, low: Array, high: Array) -> None:
        self._weights = weights
        self._lower, self._upper = -weights[:, None] * high, -weights[:, None] * low

    def nearest(self, V: Array) -> Array:
        """Clipped entries."""
        return np.clip(V, self._lower, self._upper)

    def part_within(self, sums: Array) -> float:
        """The largest factor up to one with which sums are clearly within those of the bounds."""
        ends = np.where(sums > 0, self._upper.sum(axis=0), self._lower.sum(axis=0))
        return _largest_part(ends * (1 - 2 * _CLEARLY), sums)

    def with_sums(self, V: Array, sums: Array) -> Array | None:
        """The clipped ``V + s μᵀ``."""
        columns = []
        for v, lower, upper, wanted in zip(V.T, self._lower.T, self._upper.T, sums, strict=True):
            column = _with_sum(v, self._weights, lower, upper, wanted)
            if column is None:
                return None
            columns.append(column)
        return np.column_stack(columns)

    def corrected(self, V: Array, sums: list[Fraction]) -> Array | None:
        """What is left is taken from the entry of each column that is largest and has room."""
        V = V.copy()
        for k, wanted in enumerate(sums):
            column = V[:, k]
            room = np.minimum(column - self._lower[:, k], self._upper[:, k] - column)
            i = int(np.argmax(np.minimum(np.abs(column), room)))
            rest = _exact_sum(column.tolist()) - wanted
            for _ in range(_CORRECTIONS):
                if abs(rest) <= Fraction(_EPS) * abs(Fraction(float(column[i]))):
                    break
                before = Fraction(float(column[i]))
                column[i] -= float(rest)
                rest += Fraction(float(column[i])) - before
            else:
                return None
            if not self._lower[i, k] <= column[i] <= self._upper[i, k]:
                return None
        return V


class Distributions:
    """Rows ``s_i (e_{y_i} − p_i)`` with distributions ``p_i``.

    Parameters
    ----------
    y : array of shape (n,)
        Classes.
    weights : array of shape (n,)
        ``s``, with sum one.
    n_classes : int
        ``K``; those of samples without weight count, too.

    Examples
    --------
    >>> domain = Distributions(np.array([0.0, 1.0]), np.array([0.5, 0.5]), 2)
    >>> domain.with_sums(np.array([[0.2, -0.2], [-0.2, 0.2]]), np.array([0.1, -0.1])).round(3)
    array([[ 0.252, -0.252],
           [-0.152,  0.152]])
    """

    def __init__(self, y: Array, weights: Array, n_classes: int) -> None:
        self._y, self._labels = y, y.astype(np.int64)
        self._weights = weights
        self._masses = np.bincount(self._labels, weights, n_classes)
        self._room = weights * (1 - 2 * (len(self._masses) + 2) * _EPS)

    def nearest(self, V: Array) -> Array:
        """Rows of nearly the same amounts, scaled where these are too large."""
        return class_dual_point(V, self._labels, self._weights, False)

    def part_within(self, sums: Array) -> float:
        """The largest factor up to one with which classes clearly keep a probability."""
        return _largest_part(np.where(sums > 0, self._masses * (1 - 2 * _CLEARLY), -np.inf), sums)

    def with_sums(self, V: Array, sums: Array) -> Array | None:
        """The distributions with an intercept: ``softmax(log p_i + c)``."""
        left = self._masses - sums
        if not (left > _CLEARLY * self._masses).all():
            return None
        p = -self.nearest(V) / self._weights[:, None]
        rows = np.arange(len(p))
        p[rows, self._labels] += 1.0
        logits = np.log(np.maximum(p, _NO_PROBABILITY))
        total = self._weights.sum()
        c = intercept_for(logits, self._weights / total, left / left.sum())
        near = -self._weights[:, None] * Multinomial().gradient(logits + c, self._y)
        return self.nearest(near)

    def corrected(self, V: Array, sums: list[Fraction]) -> Array | None:
        """More is sent from the first class, or to it, until no other class has too much or too little.

        Given sums add up to zero, and so do those of all rows: the first class is then right, too.
        """
        labels = self._labels
        sent = np.maximum(-V, 0.0)
        sent[np.arange(len(V)), labels] = 0.0
        room = self._room - sent.sum(axis=1)
        given = [_exact_sum(sent[labels == k].ravel().tolist()) for k in range(len(sums))]
        excess = [
            out - _exact_sum(column.tolist()) - wanted
            for out, column, wanted in zip(given, sent.T, sums, strict=True)
        ]
        for k, rest in enumerate(excess[1:], 1):
            source, target = (0, k) if rest > 0 else (k, 0)
            members = np.flatnonzero(labels == source)
            if not len(members):
                return None
            i = members[np.argmax(room[members])]
            before, amount = Fraction(float(sent[i, target])), float(abs(rest))
            if amount > 0.5 * room[i]:
                return None
            sent[i, target] += amount
            room[i] -= amount
            after = Fraction(float(sent[i, target]))
            if abs(abs(rest) - (after - before)) > Fraction(_EPS) * after:
                return None
        V = -sent
        V[np.arange(len(V)), labels] = [math.fsum(row) for row in sent.tolist()]
        return V + 0.0  # −0.0 is 0.0


def exact_products(multipliers: Array, A: Array) -> list[Fraction]:
    """``Aᵀλ`` in fractions."""
    sums = []
    for column in A.T:  # few entries are distinct, as rows are those of many points
        used = np.flatnonzero((multipliers != 0) & (column != 0))
        used = used[np.argsort(column[used], kind="stable")]
        factors, first = np.unique(column[used], return_index=True)
        parts = np.split(multipliers[used], first[1:])
        # Without factors there is one empty part.
        terms = zip(map(Fraction, factors.tolist()), parts, strict=False)
        sums.append(sum((a * _exact_sum(part.tolist()) for a, part in terms), Fraction(0)))
    return sums


def _exact_sum(values: list[float]) -> Fraction:
    """The sum without rounding: rounded sums, of what earlier ones left, until nothing is left.

    Examples
    --------
    >>> _exact_sum([1.0, 2.0**-60, 2.0**-120]) == 1 + Fraction(1, 2**60) + Fraction(1, 2**120)
    True
    """
    left, total = list(values), Fraction(0)
    while part := math.fsum(left):
        total += Fraction(part)
        left.append(-part)
    return total


def _largest_part(ends: Array, sums: Array) -> float:
    """The largest factor up to one with which no sum is beyond its end."""
    factors = np.divide(ends, sums, out=np.full(len(sums), np.inf), where=sums != 0)
    return min(1.0, float(np.where(np.isnan(factors), np.inf, factors).min()))


def _with_sum(v: Array, weights: Array, lower: Array, upper: Array, wanted: float) -> Array | None:
    """The clipped ``v + μ·weights`` with a given sum, up to rounding; None if bounds do not admit it."""
    inside = 1 - _CLEARLY
    if not lower.sum() * inside <= wanted <= upper.sum() * inside:
        return None

    def excess(shift: float) -> float:
        return float(np.clip(v + shift * weights, lower, upper).sum()) - wanted

    span = 1.0
    while excess(-span) > 0 or excess(span) < 0:
        span *= 2
        if span > 1e300:
            return None
    accuracy = _EPS * (float(np.abs(v).max(initial=0.0)) or 1.0)  # weights have sum one
    shift = 0.0 if excess(0.0) == 0 else brentq(excess, -span, span, xtol=accuracy, maxiter=2000)
    return np.clip(v + shift * weights, lower, upper)
