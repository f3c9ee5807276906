r"""How far a sample is from the nearest input with another answer: a distance that is reached, and one that is proved.

With the margin ``q f(x) + e``, positive at the sample ``x₀``, the program is

.. math::  \min_{x, ρ} \; ρ \quad \text{s.t.} \quad \|x - x_0\| \le ρ , \quad q f(x) + e \le 0 .

For the norms 1 and ∞ the first constraint is linear. For the norm 2 it is replaced by the cuts ``uᵀ(x − x₀) ≤ ρ`` with
``‖u‖_2 = 1``; a bound over fewer cuts is smaller, so it is still one. Cuts are added at the inputs found until bound
and distance agree, or rounds are up.
"""

from __future__ import annotations

import math
import numbers
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number, finite_array
from convexrelu._utils.typing import Array
from convexrelu.reach.branch_and_bound import Maximum, maximise
from convexrelu.reach.network_program import Domain, Extra, NetworkProgram
from convexrelu.reach.output_range import TOL, deadline_after
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.rectifiers import Rectifiers, as_rectifiers
from convexrelu.reach.sharpening import domain_of

__all__ = ["AdversarialRadius", "adversarial_radius"]

_ROUNDS = 60  # of cuts for the norm 2
_GROWTH = 4.0  # of the box in which an adversarial input is looked for
_BEHIND = np.concatenate(
    [[0.0], np.logspace(-15, -8, 15)]
)  # inputs on the boundary are behind it, or not, by rounding
_SMALLEST = 2.0**-10  # the first box, as a part of the largest


@dataclass(frozen=True, eq=False)
class AdversarialRadius:
    """Distance of a sample from the nearest input with another answer.

    Attributes
    ----------
    lower : float
        Proved: all inputs that are closer have the sample's answer.
    upper : float
        Distance of `adversarial`; infinite if there is none within the largest radius asked for.
    adversarial : array of shape (d,) or None
        An input with another answer, or on the boundary, as evaluated in float64.
    is_exact : bool
        Whether `lower` and `upper` agree: to a relative 1e-6 for the norm 2, and 1e-9 otherwise.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import adversarial_radius
    >>> radius = adversarial_radius(TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [-0.5]), [0.0])  # (x)₊ > 0.5
    >>> radius.adversarial.round(9), radius.is_exact
    (array([0.5]), True)
    """

    lower: float
    upper: float
    adversarial: Array | None
    is_exact: bool


def adversarial_radius(
    network: Any,
    x: ArrayLike,
    *,
    norm: float = math.inf,
    largest: float = 10.0,
    threshold: float = 0.0,
    time_limit: float | None = None,
) -> AdversarialRadius:
    """Radius in which a sample keeps its class, with a proof.

    The class is the side of `threshold` for one output, and the largest output for several.

    Parameters
    ----------
    network : TwoLayerNetwork, fitted estimator or torch ``Sequential``
        As for :func:`output_range`.
    x : array of shape (d,)
        The sample.
    norm : 1, 2 or inf
        Norm of the distance.
    largest : float
        Distance up to which other answers are searched.
    threshold : float
        Where the answer changes, for networks with one output.
    time_limit : float, optional
        Seconds.

    Returns
    -------
    AdversarialRadius
        Bounds from both sides, and the nearest input with another answer.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import adversarial_radius
    >>> cone = TwoLayerNetwork([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[-1.0, -1.0]], [1.0])  # 1 − (x₁)₊ − (x₂)₊
    >>> radius = adversarial_radius(cone, [0.0, 0.0])
    >>> round(radius.lower, 9), round(radius.upper, 9), radius.is_exact
    (0.5, 0.5, True)
    """
    deadline = deadline_after(time_limit)
    net = as_rectifiers(network)
    sample = finite_array("x", x, net.n_features)
    if norm not in (1, 2, math.inf):
        raise ValueError(f"norm={norm!r} is not known; available: 1, 2, inf")
    check_number("largest", largest, numbers.Real, 0)
    check_number("threshold", threshold, numbers.Real, -math.inf)
    lower, upper, nearest = float(largest), math.inf, None
    for q, e in _margins(net, sample, threshold):
        one = _Nearest(net, sample, q, e, norm, float(largest), deadline).find(upper)
        lower = min(lower, one.lower)
        if one.upper < upper:
            upper, nearest = one.upper, one.adversarial
    lower = float(min(max(lower, 0.0), upper))
    return AdversarialRadius(lower, upper, nearest, _agree(lower, upper, norm))


def _agree(lower: float, upper: float, norm: float) -> bool:
    return bool(upper - lower <= (1e-6 if norm == 2 else 1e-9) * upper) and math.isfinite(upper)


def _margins(net: Rectifiers, x: Array, threshold: float) -> Iterator[tuple[Array, float]]:
    """``(q, e)`` with ``q f(x) + e ≥ 0`` at the sample, one for every other class."""
    outputs = net.forward(x[None, :])[0]
    if len(outputs) == 1:
        sign = 1.0 if outputs[0] >= threshold else -1.0
        yield np.array([sign]), -sign * float(threshold)
        return
    best = int(outputs.argmax())
    for other in range(len(outputs)):
        if other != best:
            yield np.eye(len(outputs))[best] - np.eye(len(outputs))[other], 0.0


class _Nearest:
    """Nearest input of one other class."""

    def __init__(
        self,
        net: Rectifiers,
        x: Array,
        q: Array,
        e: float,
        norm: float,
        largest: float,
        deadline: float,
    ) -> None:
        self.net, self.x, self.q, self.e, self.norm = net, x, q, e, norm
        self.largest, self.deadline = largest, deadline
        self.cuts: list[Array] = []

    def find(self, known: float) -> AdversarialRadius:
        """Look in growing boxes; there is no need to look farther than another class that is known."""
        size = self.largest * _SMALLEST
        proved = 0.0
        while True:
            size = min(size, self.largest, known if known > 0 else self.largest)
            found = self._within(size)
            lower = min(-found.bound, size) if np.isfinite(found.bound) else size
            proved = max(proved, lower)
            inside = found.point is not None and -found.value <= size
            if inside or size >= min(self.largest, known) or time.perf_counter() > self.deadline:
                break
            size *= _GROWTH
        upper = -found.value if found.point is not None else math.inf
        return AdversarialRadius(min(proved, upper), upper, found.point, False)

    def _within(self, size: float) -> Maximum:
        """The nearest one in a box of this size around the sample."""
        domain = domain_of(
            self.net, Polytope(lower=self.x - size, upper=self.x + size), self.deadline
        )
        while True:
            found = maximise(self._program(domain, size), tol=TOL, deadline=self.deadline)
            exact = _agree(max(-found.bound, 0.0), -found.value, self.norm)
            if self.norm != 2 or found.point is None or exact or len(self.cuts) > _ROUNDS:
                return found
            if time.perf_counter() > self.deadline:
                return found
            self._cut(found.point)

    def _cut(self, point: Array) -> None:
        step = point - self.x
        # Shortened, so that rounding does not make it longer than one.
        self.cuts.append(step / np.linalg.norm(step) * (1 - 1e-15))

    def _program(self, domain: Domain, size: float) -> NetworkProgram:
        net, d = self.net, self.net.n_features
        distances, right, n_extra = self._distance()
        row = np.concatenate([self.q @ net.B, self.q @ net.C, np.zeros(n_extra)])
        # The margin may be this much above zero in the relaxation, which contains all inputs where it is not.
        room = float(np.abs(self.q) @ domain.rounding) + 1e-15 * abs(self.e)
        of_inputs, of_extra = distances[:, :d], distances[:, d:]
        of_units = np.zeros((len(distances), net.n_units))
        G = np.vstack([row, np.hstack([of_inputs, of_units, of_extra])])
        g = np.append(-self.e - float(self.q @ net.c) + room, right)
        extra = Extra([0.0] * n_extra, [self._farthest(size)] * n_extra, G, g)
        objective = np.zeros(d + net.n_units + n_extra)
        objective[-1] = -1.0
        error = 8 * d * np.finfo(float).eps * float(size + np.abs(self.x).max())
        return NetworkProgram(
            domain, objective, extra=extra, candidate=self._candidate, error=error
        )

    def _farthest(self, size: float) -> float:
        """Largest distance in a box."""
        return {1: len(self.x), 2: math.sqrt(len(self.x)), math.inf: 1}[self.norm] * size * 1.001

    def _distance(self) -> tuple[Array, Array, int]:
        """Rows over ``(x, e)`` for ``‖x − x₀‖ ≤ e_{-1}``, right sides, and the number of extra variables."""
        d, eye = len(self.x), np.eye(len(self.x))
        if self.norm == 1:  # |x_i − x₀_i| ≤ e_i, Σ e_i ≤ e_{-1}
            last = np.zeros((d, 1))
            above, below = np.hstack([eye, -eye, last]), np.hstack([-eye, -eye, last])
            total = np.concatenate([np.zeros(d), np.ones(d), [-1.0]])
            return np.vstack([above, below, total]), np.concatenate([self.x, -self.x, [0.0]]), d + 1
        directions = np.vstack([eye, -eye, *self.cuts])
        rows = np.column_stack([directions, -np.ones(len(directions))])
        return rows, directions @ self.x, 1

    def _candidate(self, x: Array) -> tuple[float, Array]:
        """Minus the distance, at the first point a little behind `x` where the class is another one."""
        steps = self.x + (x - self.x) * (1 + _BEHIND)[:, None]
        other = np.flatnonzero(self.net.forward(steps) @ self.q + self.e <= 0)
        if not len(other):
            return -math.inf, x
        point = steps[other[0]]
        return -float(np.linalg.norm(point - self.x, ord=self.norm)), point
