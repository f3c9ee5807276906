r"""Polytopes ``{x : A x ≤ b, lower ≤ x ≤ upper}`` of inputs or outputs, and boxes around them that are proved.

A box around a polytope follows from multipliers ``λ ≥ 0`` for every ``±x_i``. They satisfy ``Aᵀλ = ±e_i`` up to a
residual ``ρ``, because solvers round. With ``x`` in the polytope,

.. math::  \pm x_i = λ^\top A x + ρ^\top x \le λ^\top b + \|ρ\|_1 \|x\|_\infty ,

and the largest of these over ``i`` and both signs bounds ``‖x‖_∞ ≤ max λᵀb / (1 − max ‖ρ‖_1)``, for any residuals
below one.
"""

from __future__ import annotations

import itertools
import math
import time
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack, vstack

from convexrelu._utils.arguments import finite_array, float_array
from convexrelu._utils.deadlines import seconds_before
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.reach.rectifiers import EPS

__all__ = ["Ball", "Polytope", "as_polytope"]

_EMPTY = 1e-9  # polytopes whose constraints are violated by less everywhere are taken for flat ones
_TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_LATE = 1  # status of HiGHS when a limit is reached
_UNBOUNDED = (3, 4)  # statuses of HiGHS for what has no largest value


class Ball(NamedTuple):
    """A largest ball in a polytope; its radius is at most zero if the polytope is flat or empty."""

    centre: Array
    radius: float


class Polytope:
    """``{x : A x ≤ b, lower ≤ x ≤ upper}``; any part may be left out, and bounds may be infinite or one number.

    Parameters
    ----------
    A, b : arrays of shapes (q, d) and (q,), optional
        Linear constraints, in the space of inputs.
    lower, upper : arrays of shape (d,) or float, optional
        Bounds.

    Examples
    --------
    >>> from convexrelu.reach import Polytope
    >>> triangle = Polytope([[1.0, 1.0]], [1.0], lower=0.0)
    >>> triangle.dim, triangle.contains([[0.2, 0.3], [0.7, 0.7]])
    (2, array([ True, False]))
    >>> low, high = triangle.box()
    >>> low.round(9), high.round(9)
    (array([0., 0.]), array([1., 1.]))
    """

    def __init__(
        self,
        A: ArrayLike | None = None,
        b: ArrayLike | None = None,
        *,
        lower: ArrayLike | None = None,
        upper: ArrayLike | None = None,
        name: str = "polytope",
        dim: int | None = None,
    ) -> None:
        if (A is None) != (b is None):
            raise ValueError(f"{name} has {'b, but not A' if A is None else 'A, but not b'}")
        self.name = name
        self._box: tuple[Array, Array] | None = None
        rows = None if A is None else finite_array("A", A, "q", "d")
        self.dim = _dimension(name, rows, lower, upper, dim)
        self.A = np.zeros((0, self.dim)) if rows is None else rows
        self.b = np.zeros(0) if b is None else finite_array("b", b, len(self.A))
        self.lower = _bound("lower", lower, self.dim, -np.inf)
        self.upper = _bound("upper", upper, self.dim, np.inf)
        if (self.lower > self.upper).any():
            i = int((self.lower > self.upper).argmax())
            raise ValueError(
                f"{name} is empty: lower[{i}]={self.lower[i]:g} is above upper[{i}]={self.upper[i]:g}"
            )

    @cached_property
    def rows(self) -> tuple[Array, Array]:
        """All constraints as ``A x ≤ b``, finite bounds among them."""
        return self._sparse_rows.toarray(), self._right

    @cached_property
    def _right(self) -> Array:
        above, below = np.isfinite(self.upper), np.isfinite(self.lower)
        return np.concatenate([self.b, self.upper[above], -self.lower[below]])

    @cached_property
    def _sparse_rows(self) -> csr_array:
        """The rows of all constraints: those of bounds have one entry each."""
        eye = eye_array(self.dim, format="csr")
        sides = eye[np.isfinite(self.upper)], -eye[np.isfinite(self.lower)]
        return csr_array(vstack([csr_array(self.A), *sides]))

    def contains(self, X: ArrayLike, tol: float = 0.0) -> Array:
        """Whether samples are inside, up to `tol` in every constraint divided by its norm."""
        X = finite_array("X", X, "n", self.dim)
        inside = (X @ self.A.T - self.b <= tol * norms(self.A)).all(axis=1)
        for excess in (X - self.upper, self.lower - X):
            inside &= (excess <= tol).all(axis=1)
        return np.asarray(inside)

    @cached_property
    def ball(self) -> Ball:
        """A largest ball inside, of radius at most one if the polytope is unbounded."""
        A, b = self._sparse_rows, self._right
        lengths = np.append(norms(self.A), np.ones(A.shape[0] - len(self.A)))
        far = 1.0 + float(np.max(np.abs(b) / np.where(lengths > 0, lengths, 1.0), initial=0.0))
        result = linprog(
            np.append(np.zeros(self.dim), -1.0),
            A_ub=hstack([A, lengths[:, None]], format="csr"),
            b_ub=b,
            bounds=[(None, None)] * self.dim + [(-far, far)],
            method="highs",
            options=_TIGHT,
        )
        if result.x is None:
            return Ball(np.zeros(self.dim), -np.inf)
        return Ball(result.x[:-1], float(result.x[-1]))

    @property
    def middle(self) -> Array:
        """A point inside: the centre of a largest ball, or of the box, where bounds are all there is and are finite."""
        if len(self.A):
            return self.ball.centre
        return np.asarray(self.lower + (self.upper - self.lower) / 2)

    def check_not_empty(self) -> None:
        """Raise an error that names the polytope if there is no point in it."""
        if not len(self._right):
            return
        scale = 1.0 + float(np.abs(self.ball.centre).max(initial=0.0))
        if self.ball.radius < -_EMPTY * scale or (self.b[norms(self.A) == 0] < 0).any():
            raise ValueError(f"{self.name} is empty: no point satisfies its constraints")

    def box(self, deadline: float = math.inf) -> tuple[Array, Array]:
        """A box around the polytope, proved.

        After the deadline, of :func:`time.perf_counter`, the bounds that were given are the sides that are left; only
        those that are infinite are still searched.

        Raises
        ------
        ValueError
            If the polytope is empty or unbounded.
        """
        if not len(self.A) and np.isfinite([self.lower, self.upper]).all():
            return self.lower, self.upper
        if self._box is not None:
            return self._box
        box = self._found_box(deadline)
        if time.perf_counter() < deadline:
            self._box = box
        return box

    def _found_box(self, deadline: float) -> tuple[Array, Array]:
        self.check_not_empty()
        sides = itertools.product((-1.0, 1.0), range(self.dim))
        ends, residuals = zip(
            *(self._farthest(i, sign, deadline) for sign, i in sides), strict=True
        )
        largest = float(np.max(residuals))
        if largest >= 0.5:  # the multipliers are of no use
            raise ValueError(
                f"{self.name} is too badly scaled to bound it; rescale its constraints"
            )
        reach = max(float(np.max(ends)), 0.0) / (1 - largest) * (1 + 4 * EPS)
        high = np.asarray(ends) + np.asarray(residuals) * reach
        d = self.dim
        return np.maximum(-high[:d], self.lower), np.minimum(high[d:], self.upper)

    def _farthest(self, i: int, sign: float, deadline: float) -> tuple[float, float]:
        """``λᵀb`` and ``‖ρ‖_1`` for the multipliers of ``max ±x_i``, both rounded up."""
        given = self.upper[i] if sign > 0 else -self.lower[i]
        if math.isfinite(given) and time.perf_counter() > deadline:
            return float(given), 0.0
        A, b = self._sparse_rows, self._right
        target = np.zeros(self.dim)
        target[i] = sign
        seconds = seconds_before(deadline) if math.isfinite(given) else None
        options = _TIGHT if seconds is None else {**_TIGHT, "time_limit": seconds}
        result = linprog(
            -target, A_ub=A, b_ub=b, bounds=(None, None), method="highs", options=options
        )
        if seconds is not None and result.status == _LATE:
            return float(given), 0.0
        if result.status in _UNBOUNDED or result.x is None:
            side = "above" if sign > 0 else "below"
            raise ValueError(f"{self.name} is unbounded: nothing bounds feature {i} from {side}")
        y = np.maximum(-np.asarray(result.ineqlin.marginals), 0.0)
        eps = 4 * (len(y) + 4) * EPS
        residual = np.abs(target - y @ A).sum() + eps * (1.0 + (y @ np.abs(A)).sum())
        return float(y @ b + eps * (y @ np.abs(b))), float(residual)

    def inside(self, x: Array) -> Array:
        """The point moved into the polytope, as little as needed for all constraints to hold in float64.

        It moves towards the centre of the largest ball; in flat polytopes it stays within rounding of them.
        """
        x = np.clip(x, self.lower, self.upper)
        centre, radius = self.ball if len(self.A) else Ball(x, 0.0)
        if radius <= 0:
            return x
        room = self.b - self.A @ centre
        step = 0.0
        for _ in range(8):
            excess = self.A @ x - self.b
            if not (excess > 0).any():
                break
            over = excess > 0
            step = max(2 * step, 2 * float((excess[over] / (excess + room)[over]).max()))
            x = np.clip(x + min(step, 1.0) * (centre - x), self.lower, self.upper)
        return x


def _dimension(name: str, rows: Array | None, lower: Any, upper: Any, dim: int | None) -> int:
    found = [rows.shape[1]] if rows is not None else []
    found += [np.size(bound) for bound in (lower, upper) if np.ndim(bound) == 1]
    found += [] if dim is None else [dim]
    if not found:
        raise ValueError(f"{name} has no dimension: give A and b, or lower and upper as arrays")
    if len(set(found)) > 1 and dim is None:
        raise ValueError(f"{name} has parts of different dimensions {found}: A, lower and upper")
    if rows is not None and rows.shape[1] != found[-1]:
        raise ValueError(f"{name}: A has shape {rows.shape}, expected (q, {found[-1]})")
    return found[-1]


def _bound(name: str, value: Any, dim: int, default: float) -> Array:
    if value is None:
        return np.full(dim, default)
    bound = float_array(name, value)
    if bound.ndim == 0:
        bound = np.full(dim, float(bound))
    if bound.shape != (dim,):
        raise ValueError(f"{name} has shape {bound.shape}, expected ({dim},)")
    if np.isnan(bound).any() or (bound == -default).any():
        raise ValueError(f"{name} has NaN or an infinite entry of the wrong sign")
    finite_array(name, np.where(np.isfinite(bound), bound, 0.0))
    return bound


def as_polytope(name: str, given: Any, dim: int) -> Polytope:
    """A polytope of this dimension from a :class:`Polytope`, a pair ``(A, b)`` or a pair ``(lower, upper)``.

    Examples
    --------
    >>> as_polytope("polytope", ([0.0, 0.0], [1.0, 2.0]), 2).upper
    array([1., 2.])
    """
    if isinstance(given, Polytope):
        if given.dim != dim:
            raise ValueError(f"{name} has dimension {given.dim}, expected {dim}")
        given.name = name if given.name == "polytope" else given.name
        return given
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError(
            f"{name} is a {type(given).__name__}, expected a Polytope, a pair (A, b) or a pair (lower, upper)"
        )
    one, two = given
    if np.ndim(one) == 2:
        return Polytope(one, two, name=name, dim=dim)
    return Polytope(lower=one, upper=two, name=name, dim=dim)
