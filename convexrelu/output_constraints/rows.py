"""Linear constraints on the outputs of a network at given points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from convexrelu._utils.arguments import checked_flag, finite_array, float_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = [
    "OutputConstraints",
    "ascending",
    "checked_rows",
    "checked_sets",
    "inward",
    "violation_of",
]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class OutputConstraints:
    """``A f(x_j) ≤ b_j``, or ``A f(x_j) = b_j``, at points ``x_j``, for a network ``f`` with ``K`` outputs.

    Parameters
    ----------
    points : array of shape (q, d)
        The ``x_j``.
    A : array of shape (r, K)
        No row is zero.
    b : float, or array of shape (r,) or (q, r)
        Right-hand sides, by rows of `A`, or by points and rows.
    equal : bool
        Whether constraints are equations: with the identity for `A`, values to interpolate.

    Raises
    ------
    ValueError
        For arrays of the wrong shape or not finite; the message names the argument.

    Examples
    --------
    >>> constraints = OutputConstraints([[0.0], [1.0]], A=[[1.0]])  # f(0) ≤ 0 and f(1) ≤ 0
    >>> constraints.excess(TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [-0.5]))
    array([[-0.5],
           [ 0.5]])
    """

    points: Array
    A: Array
    b: Array
    equal: bool

    def __init__(
        self, points: ArrayLike, A: ArrayLike, b: ArrayLike = 0.0, *, equal: bool = False
    ) -> None:
        points = finite_array("points", points, "q", "d")
        A = checked_rows(A, "K")
        shape = len(points), len(A)
        sides = float_array("b", b)
        if sides.shape not in ((), (shape[1],), shape):
            raise ValueError(
                f"b has shape {sides.shape}, expected a number, ({shape[1]},) or {shape}"
            )
        sides = finite_array("b", np.array(np.broadcast_to(sides, shape)))
        for name, value in (("points", points), ("A", A), ("b", sides)):
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        object.__setattr__(self, "equal", checked_flag("equal", equal))

    def excess(self, network: TwoLayerNetwork) -> Array:
        """``A f(x_j) − b_j``, of shape (q, r)."""
        return network.forward(self.points) @ self.A.T - self.b

    def rounding(self, network: TwoLayerNetwork) -> Array:
        """Bound on the rounding error of `excess`, of shape (q, r)."""
        outputs = _absolute(network).forward(np.abs(self.points))
        terms = sum(network.hidden_weights.shape) + 2 * network.n_outputs + 8
        bound = 2 * terms * _EPS * (outputs @ np.abs(self.A).T + np.abs(self.b))
        if network.width:
            return bound
        # Without neurons, outputs are the intercept itself, and the sign of a difference of two numbers is exact.
        is_difference = (np.abs(self.A) <= 1) & (np.abs(self.A) == np.round(np.abs(self.A)))
        is_difference = is_difference.all(axis=1) & ((self.A != 0).sum(axis=1) <= 2)
        return np.where(is_difference & (self.b == 0), 0.0, bound)


def _absolute(network: TwoLayerNetwork) -> TwoLayerNetwork:
    """The network of absolute values, whose outputs at absolute inputs are the sums of them behind each output."""
    return TwoLayerNetwork(
        np.abs(network.hidden_weights),
        np.abs(network.hidden_bias),
        np.abs(network.output_weights),
        np.abs(network.output_bias),
    )


def checked_rows(A: ArrayLike, n_outputs: int | str) -> Array:
    """``A`` of shape (r, K), or a ValueError if it has other shapes, or rows of zeros."""
    rows = finite_array("A", A, "r", n_outputs)
    if not norms(rows).all():
        raise ValueError("A has a row of zeros, which constrains nothing")
    return rows


def checked_sets(constraints: Any, n_features: int, n_outputs: int) -> list[OutputConstraints]:
    """Constraints, one or several, as a list; or a ValueError if they do not fit."""
    sets = [constraints] if isinstance(constraints, OutputConstraints) else constraints
    is_list = isinstance(sets, list | tuple)
    if not is_list or not all(isinstance(part, OutputConstraints) for part in sets):
        kind = type(constraints).__name__
        raise ValueError(
            f"constraints is a {kind}, expected an OutputConstraints or a list of them"
        )
    for part in sets:
        if part.points.shape[1] != n_features:
            raise ValueError(
                f"constraints has points with {part.points.shape[1]} features, but X has {n_features}"
            )
        if part.A.shape[1] != n_outputs:
            raise ValueError(
                f"constraints has A with {part.A.shape[1]} columns, but there are {n_outputs} outputs"
            )
    return list(sets)


def ascending(points: ArrayLike, n_outputs: int) -> OutputConstraints:
    """``f_1 ≤ f_2 ≤ … ≤ f_K`` at points, as for quantiles.

    Examples
    --------
    >>> ascending([[0.0]], 3).A
    array([[ 1., -1.,  0.],
           [ 0.,  1., -1.]])
    """
    steps = np.eye(n_outputs)[:-1] - np.eye(n_outputs)[1:]
    return OutputConstraints(points, steps)


def violation_of(network: TwoLayerNetwork, constraints: Sequence[OutputConstraints]) -> float:
    """Largest violation at the points; zero only if there is none despite rounding."""
    worst = 0.0
    for part in constraints:
        excess = part.excess(network)
        excess = np.abs(excess) if part.equal else excess
        worst = max(worst, float((excess + part.rounding(network)).max()))
    return worst


def inward(A: Array) -> Array | None:
    """A direction ``δ`` with ``A_l δ ≤ −‖A_l‖`` for all rows, of about the least length; None if there is none.

    Adding a multiple of it to the outputs restores constraints that are slightly violated.

    Examples
    --------
    >>> A = np.array([[1.0, -1.0]])
    >>> (A @ inward(A) <= -1).all()
    np.True_
    >>> inward(np.array([[1.0], [-1.0]])) is None
    True
    """
    K = A.shape[1]
    units = A / np.asarray(norms(A))[:, None]
    # δ = p − q with nonnegative p and q, of the least sum of all their entries.
    found = linprog(np.ones(2 * K), A_ub=np.hstack([units, -units]), b_ub=-np.ones(len(A)))
    if found.status != 0:
        return None
    direction = found.x[:K] - found.x[K:]
    least = -float((units @ direction).max())
    if not least > 0:
        return None
    # The solver meets inequalities only up to its tolerances. Longer than needed, the direction would raise objectives.
    direction *= (1 + 1e-10) / least
    return direction if (units @ direction <= -1).all() else None
