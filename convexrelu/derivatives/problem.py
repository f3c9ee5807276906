r"""Samples and equations of first order: objective, dual, and what holds at kinks.

**The objective.** Of a network ``f(x) = Σ_j a_j relu(w̃_jᵀx̃) + c``, with samples ``(x_i, y_i)``, and equations
``p_k·∇f(z_k) + q_k f(z_k) = g_k`` with weights ``ω_k``::

    (1/2n) Σ_i (f(x_i) − y_i)² + ½ Σ_k ω_k (p_k·∇f(z_k) + q_k f(z_k) − g_k)² + (alpha/2) Σ_j (‖w̃_j‖² + a_j²)

**The program.** With ``u_j = |a_j| w̃_j``, balanced neurons cost ``‖u_j‖``, and both kinds of rows are linear in
``u_j`` where its pattern is fixed::

    f(x_i) = Σ_j s_j 1{x̃_iᵀu_j > 0} x̃_iᵀu_j + c
    p_k·∇f(z_k) + q_k f(z_k) = Σ_j s_j 1{z̃_kᵀu_j > 0} ρ_kᵀu_j + q_k c,      ρ_k = (p_k + q_k z_k, q_k)

Let ``G`` have the rows ``x̃_i`` and ``z̃_k``, which decide on patterns, and ``R`` the rows ``x̃_i`` and ``ρ_k``, which
patterns switch. ``D`` is a pattern of all rows, ``e = (1, …, 1, q)``, and ``F(t) = ½ Σ_i ω_i (t_i − τ_i)²``::

    P = min  F(Σ_j s_j D_j R u_j + c e) + alpha Σ_j ‖u_j‖      s.t.  (2D_j − I) G u_j ≥ 0

**At kinks.** Rows of equations jump where ``z̃_kᵀu_j = 0``. Constraints are closed, so that a neuron on a boundary
may have the pattern of any cell that it bounds: its derivative is the limit from inside of that cell. ``P`` is
therefore at most the objective of any network whose derivatives at kinks are such limits, as with ``relu'(0) = 0`` or
``relu'(0) = 1`` where there are hidden biases (``u ± εe`` is inside of a cell). And it is the infimum over networks
without a collocation point on a kink, since every closed cell is the closure of its inside. Networks that
training returns are moved off these kinks, by about ``1e-9`` of their length: their derivatives exist at all points,
and their objective is evaluated as written above.

**The dual.** ::

    D = max_v  −F*(−v)     s.t.  M(v) = max_D max {|vᵀ D R u| : (2D − I) G u ≥ 0, ‖u‖ ≤ 1} ≤ alpha,      eᵀv = 0
    −F*(−v) = Σ_i v_i τ_i − v_i²/(2 ω_i)

For feasible ``v`` and any network, ``vᵀt = Σ_j s_j vᵀD_j R u_j + c vᵀe ≤ alpha Σ_j ‖u_j‖``, where ``t`` are its rows,
and Fenchel's inequality ``F(t) ≥ −vᵀt − F*(−v)`` gives weak duality. Patterns are those of the open cells, finitely
many, and their cones are closed, so that the ``D R u`` with ``‖u‖ ≤ 1`` are a compact set: Fenchel's theorem gives
``P = D``, as without equations.

**Bounds on M(v).** Over a list of all cells, ``max_D ‖projection of RᵀDv on the cone of D‖``. For any gates at all,
``1{…} v_k ρ_kᵀu ≤ relu(v_k ρ_kᵀu)``: equations are then like samples at ``sign(v_k) ρ_k`` with dual variables
``|v_k|``, and any bound for ReLU networks holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import checked_flag, finite_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.derivatives.rows import DerivativeRows
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.validation import checked_alpha

__all__ = ["DerivativeProblem"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class DerivativeProblem:
    """Samples, equations and penalty; the only definition of the objective and of its dual.

    Parameters
    ----------
    X : array of shape (n, d)
        Samples.
    y : array of shape (n,)
        Targets, fitted by half the mean squared error.
    alpha : float
        Weight decay, positive.
    rows : DerivativeRows or list of DerivativeRows
        Equations.
    hidden_bias : bool
        Whether neurons have a bias, penalised with their weights.
    fit_intercept : bool
        Whether the output has an intercept, not penalised.

    Attributes
    ----------
    gates, values : array of shape (N, d̃)
        ``G`` and ``R``; samples come first.
    weights, targets, constant : array of shape (N,)
        ``ω``, ``τ`` and ``e``.

    Examples
    --------
    >>> decay = DerivativeRows(np.linspace(0, 1, 5)[:, None], gradient=[1.0], value=1.0)
    >>> problem = DerivativeProblem([[0.0]], [1.0], 1e-3, decay)
    >>> round(problem.objective(TwoLayerNetwork.constant(1, 1.0)), 12)  # f = 1: f' + f = 1 everywhere
    0.5
    """

    X: Array
    y: Array
    alpha: float
    rows: tuple[DerivativeRows, ...]
    hidden_bias: bool
    fit_intercept: bool

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        alpha: float,
        rows: DerivativeRows | list[DerivativeRows] | tuple[DerivativeRows, ...],
        *,
        hidden_bias: bool = True,
        fit_intercept: bool = True,
    ) -> None:
        X = finite_array("X", X, "n", "d")
        y = finite_array("y", y, len(X))
        alpha = checked_alpha(alpha)
        rows = tuple(rows) if isinstance(rows, list | tuple) else (rows,)
        for part in rows:
            _check_rows(part, X.shape[1], hidden_bias)
        hidden_bias = checked_flag("hidden_bias", hidden_bias)
        fit_intercept = checked_flag("fit_intercept", fit_intercept)
        fields = (X, y, alpha, rows, hidden_bias, fit_intercept)
        for name, field in zip(self.__dataclass_fields__, fields, strict=True):
            object.__setattr__(self, name, field)
        self._check_sizes()

    def _check_sizes(self) -> None:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            rows = np.column_stack([self.values, self.targets, self.constant])
            sizes = self.weights[:, None] * rows**2
            in_range = bool(np.isfinite(sizes.sum()))
        if not in_range:
            raise ValueError(
                "rows has entries whose products, or squares times weight, overflow float64; rescale them"
            )

    @cached_property
    def gates(self) -> Array:
        """``G``."""
        return self._augmented(np.vstack([self.X, *(part.points for part in self.rows)]), 1.0)

    @cached_property
    def values(self) -> Array:
        """``R``."""
        parts = [self._augmented(self.X, 1.0)]
        for part in self.rows:
            linear = part.gradient + part.value[:, None] * part.points
            parts.append(self._augmented(linear, part.value))
        return np.vstack(parts)

    @cached_property
    def weights(self) -> Array:
        """``ω``."""
        shares = [np.full(len(part), part.weight / len(part)) for part in self.rows]
        return np.concatenate([np.full(len(self.X), 1 / len(self.X)), *shares])

    @cached_property
    def targets(self) -> Array:
        """``τ``."""
        return np.concatenate([self.y, *(part.target for part in self.rows)])

    @cached_property
    def constant(self) -> Array:
        """``e``, the rows of the constant function 1."""
        return np.concatenate([np.ones(len(self.X)), *(part.value for part in self.rows)])

    def _augmented(self, rows: Array, last: float | Array) -> Array:
        if not self.hidden_bias:
            return rows
        return np.column_stack([rows, np.broadcast_to(last, len(rows))])

    def directions(self, network: TwoLayerNetwork) -> Array:
        """Rows ``(w_j, b_j)`` of a network's neurons, without the bias where there is none."""
        return network.augmented_weights() if self.hidden_bias else network.hidden_weights

    def outputs(self, network: TwoLayerNetwork) -> Array:
        """The rows of a network, ``f(x_i)`` and ``p_k·∇f(z_k) + q_k f(z_k)``, from its own weights."""
        parts = [network.predict(self.X)]
        for part in self.rows:
            active = part.points @ network.hidden_weights.T + network.hidden_bias > 0
            gradients = (active * network.output_weights[0]) @ network.hidden_weights
            slopes = (part.gradient * gradients).sum(axis=1)
            parts.append(slopes + part.value * network.predict(part.points))
        return np.concatenate(parts)

    def objective(self, network: TwoLayerNetwork) -> float:
        """Regularised objective of a network; derivatives at kinks are those of inactive neurons."""
        residuals = self.outputs(network) - self.targets
        return float(0.5 * self.weights @ residuals**2 + self.alpha * network.penalty())

    def best_constant(self, outputs: Array) -> float:
        """The constant to add to these outputs: the intercept that fits best, 0 without an intercept."""
        if not self.fit_intercept:
            return 0.0
        weighted = self.weights * self.constant
        return float(weighted @ (self.targets - outputs) / (weighted @ self.constant))

    def dual_point(self, outputs: Array) -> Array:
        """``v = −∇F``, with ``eᵀv = 0`` up to rounding where there is an intercept."""
        return self.feasible(self.weights * (self.targets - outputs))

    def feasible(self, v: Array) -> Array:
        """The nearest point with ``eᵀv = 0`` in the norm of ``F*``, where there is an intercept."""
        if not self.fit_intercept:
            return v
        weighted = self.weights * self.constant
        return v - weighted * (float(v @ self.constant) / float(weighted @ self.constant))

    def lower_bound(self, v: Array, bound: float) -> float:
        """The best ``−F*(−tv)`` with ``t M̂ ≤ alpha`` for a bound ``M̂ ≥ M(v)``, rounded down.

        Where there is an intercept, the bound is that of the nearest feasible point: ``v`` is off by a few roundings.
        """
        used = self.weights > 0
        v, weights = v[used], self.weights[used]
        # eᵀv = 0, so that a constant can be taken off the targets; its rounding is that of their size.
        shift = self.best_constant(np.zeros_like(self.targets)) * self.constant
        sizes = np.sqrt(weights) * (np.abs(self.targets) + np.abs(shift))[used]
        scaled = v / np.sqrt(weights)
        targets = np.sqrt(weights) * (self.targets - shift)[used]
        rows = np.sqrt(weights) * norms(self.values[used])
        off = self._distance_from_feasible(scaled, np.sqrt(weights) * self.constant[used])
        bound = bound + off * float(norms(rows))
        linear, square = float(scaled @ targets), float(scaled @ scaled)
        if linear <= 0 or square == 0:
            return 0.0
        t = (
            min(linear / square, self.alpha * (1 - 4 * _EPS) / bound)
            if bound > 0
            else linear / square
        )
        size = t * float(np.abs(scaled) @ sizes) + 0.5 * t**2 * square
        error = t * off * (float(norms(targets)) + t * math.sqrt(square) + t * off)
        rounding = 4 * (len(v) + 8) * _EPS * size
        return max(t * linear - 0.5 * t**2 * square - error - rounding, 0.0)

    def _distance_from_feasible(self, scaled: Array, constant: Array) -> float:
        """Bound on the distance of ``ω^(−½) v`` from those with ``eᵀv = 0``."""
        if not self.fit_intercept:
            return 0.0
        rounding = 4 * (len(scaled) + 2) * _EPS * float(np.abs(scaled) @ np.abs(constant))
        return (abs(float(scaled @ constant)) + rounding) / float(norms(constant)) * 1.001


def _check_rows(part: object, d: int, hidden_bias: bool) -> None:
    if not isinstance(part, DerivativeRows):
        raise ValueError(
            f"rows has {type(part).__name__}, expected DerivativeRows or a list of them"
        )
    if part.points.shape[1] != d:
        raise ValueError(
            f"rows has points with {part.points.shape[1]} features, but X has {d} features"
        )
    if not hidden_bias and not part.points.any(axis=1).all():
        raise ValueError(
            "rows has the origin among its points, where every neuron without a bias has its kink; use "
            "hidden_bias=True or leave it out"
        )
