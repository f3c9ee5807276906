"""Least and greatest outputs of a network over a box or a polytope."""

from __future__ import annotations

import math
import numbers
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number, shown
from convexrelu._utils.typing import Array
from convexrelu.reach.branch_and_bound import Maximum, maximise
from convexrelu.reach.network_program import Domain, NetworkProgram
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.rectifiers import as_rectifiers
from convexrelu.reach.sharpening import domain_of

__all__ = ["TOL", "OutputRange", "check_tolerance", "deadline_after", "greatest", "output_range"]

TOL = 1e-10  # below what agreement with other solvers is judged by, above what linear programs are solved to


@dataclass(frozen=True, eq=False)
class OutputRange:
    """Least and greatest value of every output, reached and proved; ``least, greatest = ...`` unpacks it.

    Attributes
    ----------
    least, greatest : arrays of shape (K,)
        Values that are reached, evaluated in float64.
    argmin, argmax : arrays of shape (K, d)
        Where they are reached.
    lower, upper : arrays of shape (K,)
        Proved: no input of the polytope has an output below `lower` or above `upper`.
    is_exact : bool
        Whether bounds and values agree to the tolerance asked for.
    n_programs : int
        Linear programs solved.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import output_range
    >>> answer = output_range(TwoLayerNetwork([[1.0]], [0.0], [[2.0]], [0.0]), [-1.0], [1.0])
    >>> answer.greatest, answer.argmax, bool(answer.upper[0] >= 2.0)
    (array([2.]), array([[1.]]), True)
    """

    least: Array
    greatest: Array
    argmin: Array
    argmax: Array
    lower: Array
    upper: Array
    is_exact: bool
    n_programs: int

    def __iter__(self) -> Iterator[Array]:
        return iter((self.least, self.greatest))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Array:
        return (self.least, self.greatest)[index]


def output_range(
    network: Any,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    *,
    A: ArrayLike | None = None,
    b: ArrayLike | None = None,
    tol: float = TOL,
    time_limit: float | None = None,
) -> OutputRange:
    r"""Least and greatest value of every output over ``{x : A x ≤ b, lower ≤ x ≤ upper}``.

    The program, for each output and both signs, is

    .. math::  \max_{x, r} \; \pm (B x + C r + c)_k \quad \text{s.t.} \quad r = \max(P x + Q r + p, 0), \; A x \le b,

    solved by branch and bound over the signs of the rectifiers. Bounds come from weak duality, evaluated with the
    rounding errors added, and hold whatever the solver's tolerances are.

    Parameters
    ----------
    network : TwoLayerNetwork, fitted estimator or torch ``Sequential``
        Linear layers with ReLUs, leaky ReLUs or absolute values, of any depth.
    lower, upper : arrays of shape (d,) or float, optional
        A box.
    A, b : arrays of shapes (q, d) and (q,), optional
        Linear constraints ``A x ≤ b``. Together with the box they must bound every feature.
    tol : float
        Difference of value and bound at which to stop, relative to the size of the value or of the range.
    time_limit : float, optional
        Seconds. Afterwards ``lower`` and ``upper`` are still proved, but may not be reached.

    Returns
    -------
    OutputRange
        ``least, greatest = output_range(...)``.

    Raises
    ------
    ValueError
        If the polytope is empty, unbounded or of another dimension than the network; the message names the argument.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import output_range
    >>> tent = TwoLayerNetwork([[1.0], [1.0]], [0.0, -1.0], [[1.0, -2.0]], [0.0])
    >>> answer = output_range(tent, [-1.0], [3.0])
    >>> least, greatest = answer
    >>> least, greatest, answer.argmax, answer.is_exact
    (array([-1.]), array([1.]), array([[1.]]), True)
    """
    deadline = deadline_after(time_limit)
    rectifiers = as_rectifiers(network)
    polytope = Polytope(A, b, lower=lower, upper=upper, dim=rectifiers.n_features)
    check_tolerance(tol)
    domain = domain_of(rectifiers, polytope, deadline)
    low, high = [], []
    for row in np.eye(rectifiers.n_outputs):
        low.append(greatest(domain, -row, tol=tol, deadline=deadline))
        high.append(greatest(domain, row, tol=tol, deadline=deadline))
    return _as_range(low, high, tol)


def greatest(
    domain: Domain, row: Array, *, tol: float, deadline: float = math.inf, **stops: float
) -> Maximum:
    """The largest value of ``row · f(x)`` over a domain."""
    net = domain.network

    def candidate(x: Array) -> tuple[float, Array]:
        return float(row @ net.forward(x[None, :])[0]), x

    objective = np.concatenate([row @ net.B, row @ net.C])
    error = float(np.abs(row) @ domain.rounding)
    constant = float(row @ net.c)
    program = NetworkProgram(domain, objective, constant, candidate=candidate, error=error)
    return maximise(program, tol=tol, deadline=deadline, **stops)


def _as_range(low: list[Maximum], high: list[Maximum], tol: float) -> OutputRange:
    # Zero minus, so that −0.0 is not shown.
    least, lower = (0.0 - np.array([getattr(one, of) for one in low]) for of in ("value", "bound"))
    most, upper = (np.array([getattr(one, of) for one in high]) for of in ("value", "bound"))
    scale = np.maximum(np.maximum(np.abs(least), np.abs(most)), most - least)
    gaps = np.maximum(least - lower, upper - most)
    return OutputRange(
        least,
        most,
        np.array([one.point for one in low]),
        np.array([one.point for one in high]),
        lower,
        upper,
        bool((gaps <= 10 * tol * scale + np.finfo(float).tiny).all()),
        sum(one.nodes for one in low + high),
    )


def check_tolerance(tol: float) -> None:
    """Raise an error for a tolerance that is no number between 0 and 1."""
    check_number("tol", tol, numbers.Real, 0)
    if not 0 <= tol < 1:
        raise ValueError(f"tol={shown(tol)} is not a number in [0, 1)")


def deadline_after(time_limit: float | None) -> float:
    """Time of :func:`time.perf_counter` at which to stop."""
    if time_limit is None:
        return math.inf
    check_number("time_limit", time_limit, numbers.Real, 0)
    return time.perf_counter() + float(time_limit)
