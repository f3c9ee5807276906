r"""Maxima over a network's inputs and outputs, as linear programs with undecided rectifiers.

Variables are ``v = (x, r, e)``: inputs, rectifiers, and what a question adds. Where ``z`` is between ``l < 0 < u``,

.. math::  r \ge 0, \qquad r \ge z, \qquad r \le \frac{u (z - l)}{u - l},

contain the graph of the rectifier. A rectifier that is decided has ``z ≥ 0, r = z`` or ``z ≤ 0, r = 0``. So the
program of a node of the tree contains all points of the network with these decisions, and its bound holds for them.

Cuts (:mod:`convexrelu.reach.envelopes`) are added where a solution violates them.

Rectifiers that the question only pushes down need no decision: ``r ≥ 0, r ≥ z`` alone attain ``max(z, 0)``. Those
are, for one output of a two-layer network to be maximised, all with negative outer weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.envelopes import envelope_cuts
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.rectifiers import EPS, Rectifiers
from convexrelu.reach.safe_program import Answer, Bounds, LinearProgram, safe_bound, writing_fits

__all__ = ["Domain", "Extra", "NetworkProgram"]

_VIOLATED = 1e-6  # part of a rectifier's largest argument by which a cut is to be violated
_EXACT = 1e-9  # a rectifier is exact at a point if it is to this fraction of its largest argument


@dataclass(frozen=True, eq=False)
class Domain:
    """A network over a polytope of its inputs.

    Attributes
    ----------
    network, polytope : Rectifiers, Polytope
        Both as they were given.
    lower, upper : arrays of shape (d,)
        A box around all inputs that matter.
    low, high : arrays of shape (m,)
        Bounds on the arguments of the rectifiers at these inputs.
    """

    network: Rectifiers
    polytope: Polytope
    lower: Array
    upper: Array
    low: Array
    high: Array

    @cached_property
    def rounding(self) -> Array:
        """What the arrays of the network, composed in float64, may change in each output."""
        net = self.network
        terms = net.n_features + net.n_units + 4
        return 4 * terms * EPS * net.sizes(self.lower, self.upper)

    @property
    def undecided(self) -> NDArray:
        """Rectifiers whose argument may have both signs."""
        return (self.low < 0) & (self.high > 0)


@dataclass(frozen=True)
class Extra:
    """Variables that a question adds, with their bounds, and its constraints ``G (x, r, e) ≤ g``."""

    lower: Sequence[float]
    upper: Sequence[float]
    G: Array
    g: Array


class NetworkProgram:
    """``max objective · (x, r, e) + constant`` over the inputs of a domain and the network's rectifiers at them.

    Parameters
    ----------
    domain : Domain
        Network and polytope.
    objective : array of shape (d + m + number of extra variables,)
        Coefficients.
    constant : float
        Added to the objective.
    extra : Extra, optional
        Further variables and constraints.
    candidate : callable, optional
        From an input to the objective there, −∞ where it violates the constraints, and the input, which it may move a
        little.
    error : float
        What the arrays of the network may be wrong by, added to all bounds.
    """

    def __init__(
        self,
        domain: Domain,
        objective: Array,
        constant: float = 0.0,
        *,
        extra: Extra | None = None,
        candidate: Callable[[Array], tuple[float, Array]] | None = None,
        error: float = 0.0,
    ) -> None:
        self.domain, self.objective, self.constant = domain, objective, constant
        self.error = error
        net = domain.network
        self.d, self.m = net.n_features, net.n_units
        size = self.d + self.m
        self.extra = extra or Extra([], [], np.zeros((0, size)), np.zeros(0))
        self.candidate = candidate or (lambda x: (-np.inf, x))
        self.cuts = np.zeros((0, len(objective))), np.zeros(0)
        self._find_sides()

    def _find_sides(self) -> None:
        """Which rectifiers need their upper and lower sides, and how much each of them matters."""
        net = self.domain.network
        units = slice(self.d, self.d + self.m)
        direct, rows = self.objective[units], self.extra.G[:, units]
        feeds = net.Q.any(axis=0)
        self.needs_upper = feeds | (direct > 0) | (rows < 0).any(axis=0)
        self.needs_lower = feeds | (direct < 0) | (rows > 0).any(axis=0)
        weight = np.abs(direct) + np.abs(rows).sum(axis=0)
        for layer in reversed(list(net.layers())):
            weight = weight + np.abs(net.Q[layer]).T @ weight[layer]
        self.weight = weight
        self.decides = self.domain.undecided & self.needs_upper

    @cached_property
    def linear(self) -> LinearProgram:
        """Rows: polytope, extra, cuts, ``r`` minus chord, and ``r − z``.

        With ``r ≥ 0`` the row ``r − z ≤ 0`` makes ``z ≥ 0``, and with ``r = 0`` the row ``r − z ≥ 0`` makes ``z ≤ 0``.
        """
        A, more = self.domain.polytope.A, len(self.extra.lower)
        polytope = np.column_stack([A, np.zeros((len(A), self.m + more))])
        z, r = self._arguments, np.eye(self.m, self.d + self.m + more, self.d)
        chords = r - self._slopes[:, None] * z
        rows = [polytope, self.extra.G, self.cuts[0], chords[self.decides], (r - z)[self._has_row]]
        return LinearProgram(np.vstack(rows))

    def is_written_before(self, deadline: float) -> bool:
        """Whether the linear program is there, or can be in time."""
        n_rows = len(self.domain.polytope.A) + len(self.extra.G) + 2 * self.m
        return "linear" in vars(self) or writing_fits(n_rows * len(self.objective), deadline)

    @property
    def _has_row(self) -> NDArray:
        return self.needs_upper | self.needs_lower

    @cached_property
    def _arguments(self) -> Array:
        """``z − p`` as rows of all variables."""
        net = self.domain.network
        return np.column_stack([net.P, net.Q, np.zeros((self.m, len(self.extra.lower)))])

    @cached_property
    def _slopes(self) -> Array:
        """``u / (u − l)``."""
        low, high = self.domain.low, self.domain.high
        return np.where(self.decides, high / np.where(high > low, high - low, 1.0), 1.0)

    @cached_property
    def _chord_ends(self) -> Array:
        """Right sides of ``r − s (z − p) ≤ s (p − l)``, widened by the rounding errors of these rows."""
        domain, net = self.domain, self.domain.network
        reach = np.maximum(np.abs(domain.lower), np.abs(domain.upper))
        sizes = np.abs(net.P) @ reach + np.abs(net.Q) @ np.maximum(domain.high, 0.0)
        sizes += np.abs(net.p) + np.abs(domain.low) + np.abs(domain.high)
        return self._slopes * (net.p - domain.low) + 8 * (self.d + self.m) * EPS * sizes

    def solve(self, signs: NDArray, basis: Any = None, deadline: float = math.inf) -> Answer:
        """The program of a node: 1 for active rectifiers, −1 for inactive ones, 0 for undecided ones.

        Without the time for the program the bound is that of intervals.
        """
        bounds = self.bounds(signs)
        if time.perf_counter() > deadline or not self.is_written_before(deadline):
            answer = Answer(None, _without_rows(self.objective, bounds))
        else:
            answer = self.linear.maximise(self.objective, bounds, basis, deadline=deadline)
        return answer._replace(bound=answer.bound + self.constant + self.error)

    def bounds(self, signs: NDArray) -> Bounds:
        """Bounds of the rows and variables of a node."""
        domain, p = self.domain, self.domain.network.p
        on = (signs > 0) | (domain.low >= 0)
        off = ~on & ((signs < 0) | (domain.high <= 0))
        right = [domain.polytope.b, self.extra.g, self.cuts[1], self._chord_ends[self.decides]]
        above = np.where(on & self.needs_upper, p, np.inf)[self._has_row]
        below = np.where((signs < 0) | (self.needs_lower & ~off), p, -np.inf)[self._has_row]
        n_right = sum(len(part) for part in right)
        least = np.where(off, 0.0, np.maximum(domain.low, 0.0))
        most = np.where(off, 0.0, np.maximum(domain.high, 0.0))
        return Bounds(
            np.append(np.full(n_right, -np.inf), below),
            np.concatenate([*right, above]),
            np.concatenate([domain.lower, least, self.extra.lower]),
            np.concatenate([domain.upper, most, self.extra.upper]),
        )

    def cut(self, point: Array) -> bool:
        """Add the cuts that a point violates, and drop those that it does not touch; false if there are none."""
        units, (G, g) = np.flatnonzero(self.decides), self.cuts
        bounds = self.bounds(np.zeros(self.m, dtype=np.int8))
        net = self.domain.network
        slopes, ends = envelope_cuts(
            self._arguments[units], net.p[units], bounds.lower, bounds.upper, point
        )
        most = self.domain.high[units]
        violated = point[self.d + units] - slopes @ point - ends > _VIOLATED * most
        if not violated.any():
            return False
        new = np.eye(self.m, len(point), self.d)[units] - slopes
        touched = g - G @ point <= _VIOLATED * (1.0 + np.abs(g))
        self.cuts = np.vstack([G[touched], new[violated]]), np.append(g[touched], ends[violated])
        del self.linear
        return True

    def branch(self, point: Array, signs: NDArray, promise: Array) -> int:
        """The undecided rectifier that promises most among those that the point violates."""
        net = self.domain.network
        x, r = point[: self.d], point[self.d : self.d + self.m]
        violation = np.abs(r - np.maximum(net.P @ x + net.Q @ r + net.p, 0.0))
        open_ = self.decides & (signs == 0)
        size = np.maximum(self.domain.high, -self.domain.low)
        violated = open_ & (violation > _EXACT * size)
        candidates = violated if violated.any() else open_
        return int(np.where(candidates, promise, -1.0).argmax())

    @cached_property
    def widths(self) -> Array:
        """Largest distances ``−l u / (u − l)`` of the chords, times how much each rectifier matters."""
        return self.weight * self._slopes * -self.domain.low


def _without_rows(objective: Array, bounds: Bounds) -> float:
    """The bound of a program without its rows, which need not be put together for it."""
    none = np.zeros(0)
    free = bounds._replace(row_lower=none, row_upper=none)
    return safe_bound(objective, np.zeros((0, len(objective))), free, none)
