"""The training problem: data, loss and penalty, with its primal and its dual. Immutable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from convexrelu._utils.arguments import checked_flag
from convexrelu._utils.typing import Array
from convexrelu.losses import Loss
from convexrelu.losses.dual_domain import accurate_sum
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.condensing import condensed
from convexrelu.problem.design import Design
from convexrelu.problem.distinct_rows import places_of_sparse_rows
from convexrelu.problem.evaluation import Outputs, objective_above
from convexrelu.problem.free_skip import free_basis
from convexrelu.problem.units import Units
from convexrelu.problem.validation import (
    ACTIVATIONS,
    checked_alpha,
    checked_data,
    checked_hidden_bias,
    checked_loss,
    checked_skip,
    checked_skip_alpha,
    checked_slope,
    checked_targets,
    checked_weights,
    freeze,
    inputs_for,
)

__all__ = ["ACTIVATIONS", "TrainingProblem"]

_EPS = float(np.finfo(np.float64).eps)
# Outputs that are closer than this to a kink of the loss are on it.
_AT_A_KINK = 1e-9
# Where it takes longer to find that there is no basis of a free skip connection, training raises.
_SECONDS_AT_ONCE = 1.0
# Cached properties of inputs, biases and weights: a path shares them.
_OF_THE_INPUTS = (
    "_sample_coordinates",
    "_dense_rows",
    "design",
    "lengths",
    "origin",
    "bias_column",
    "_alive",
    "centred_inputs",
    "_free_basis",
)

# For methods whose results say by themselves that they have overflowed.
_overflowing = np.errstate(over="ignore", invalid="ignore")


class _HasBound(Protocol):
    @property
    def bound(self) -> float: ...


@dataclass(frozen=True, eq=False)
class TrainingProblem(Design):
    """Weight-decayed training of a two-layer network of any width.

    With ``f(x) = Σ_j a_j φ(w̃_jᵀ x̃) + Sx + c``, where ``x̃ = (x, 1)`` if `hidden_bias` and ``x̃ = x`` otherwise, outer
    weights ``a_j`` in ``R^K`` for ``K`` outputs, and ``φ(t) = t`` for ``t ≥ 0``, ``slope · t`` for ``t < 0``::

        P = min  Σ_i s_i ℓ(f(x_i), y_i) + (alpha/2) Σ_j (‖w̃_j‖² + ‖a_j‖²)            (over every width)
          = min  F(f) + alpha Σ_j ‖w̃_j‖ ‖a_j‖

        D = max_V  −F*(−V)   s.t.  M(V) = max_{‖u‖ ≤ 1} ‖Vᵀ φ(X̃u)‖ ≤ alpha,   (1ᵀV = 0 with an intercept)

    ``s_i = 1/n``, or ``sample_weight_i / Σ sample_weight``. ``P = D`` (Ergen & Pilanci 2021, Theorems 1 and 8; for
    several outputs Sahiner, Ergen, Pauly & Pilanci 2021). With one output, outputs, targets and dual points have
    shape (n,), otherwise (n, K).

    Parameters
    ----------
    X : array or sparse matrix of shape (n, d)
        Inputs. Sparse ones stay sparse with more features than samples, or from 2²⁶ entries on, zeros counted.
    y : array of shape (n,) or (n, K)
        Targets, as the loss takes them.
    alpha : float
        Strength of the weight decay, positive.
    loss : str or Loss
        A loss of :mod:`convexrelu.losses`, or its name: ``"squared_error"`` is ``½ (f − y)²``.
    activation : {"relu", "leaky_relu", "absolute_value", "gated_relu", "threshold"}
        ``φ``. Gated networks and threshold networks have separate programs, over given patterns.
    negative_slope : float
        ``slope`` of ``"leaky_relu"``, in (0, 1).
    hidden_bias : bool or "free"
        Whether neurons have a bias, penalised together with their weights, or free: then the penalty is
        ``Σ_j ‖w_j‖ ‖a_j‖``, without the biases, and there must be an intercept.
    fit_intercept : bool
        Whether the network has an output intercept ``c``, never penalised.
    skip : bool
        Whether there is a linear connection ``S`` from inputs to outputs, with a separate penalty.
    skip_alpha : float
        Adds ``(skip_alpha/2) ‖S‖²`` to the objective. Zero leaves ``S`` free, with the squared error only.
    sample_weight : array of shape (n,), optional
        Non-negative weights, normalised to sum to one. ``None`` means equal weights.

    Attributes
    ----------
    weights : array of shape (n,)
        The normalised ``s``.
    inputs : array of shape (n, d) or (n, n)
        ``X``, or where there are more features than samples these in their own coordinates, see
        :class:`~convexrelu.problem.SampleCoordinates`. Dense inputs of low rank, and those of networks with gates,
        stay as they are.
    design : array of shape (n, d̃)
        The rows ``x̃_i``, made of `inputs`.
    slope : float
        Slope of the activation for negative arguments: 0 for ReLU, −1 for the absolute value.
    n_outputs : int
        ``K``.

    Raises
    ------
    ValueError
        For arrays of the wrong shape, not finite, or so large that their squares overflow; for
        `alpha` that is not a positive finite number, an unknown `loss` or `activation`, targets that the loss does
        not take, or weights that are negative or all zero. The message names the argument.

    Notes
    -----
    A free bias can make any neuron constant on the data: with ``‖w‖ ≤ 1``, ``max_b |vᵀ φ(Xw + b)|`` is finite only
    where ``Σv = 0``, which an intercept implies, and is attained at ``|b| ≤ R = max ‖x_i‖``. It is computed from the
    penalised problem: the design is ``(X − mean, B)`` with a last column ``B = 300 R``, in which a bias of ``b`` has
    length ``b/B``. Then ``‖w‖ ≤ ‖(w, b/B)‖ ≤ ‖w‖ √(1 + (R/B)²)`` for all relevant ``b``: an error of 6e-6 in
    the penalty, which bounds account for.

    A skip connection subtracts ``‖XᵀV‖²/(2 skip_alpha)`` from the dual objective; a free one requires ``XᵀV = 0``.

    Examples
    --------
    >>> import numpy as np
    >>> problem = TrainingProblem(np.array([[-1.0], [1.0]]), np.array([0.0, 1.0]), alpha=0.1)
    >>> problem.objective(problem.zero_network())  # ½ · variance of y
    0.125
    """

    X: Any
    y: Array
    alpha: float
    loss: Loss
    activation: str
    slope: float
    hidden_bias: bool | str
    fit_intercept: bool
    skip: bool
    skip_alpha: float
    weights: Array
    n_outputs: int

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        alpha: float,
        *,
        loss: str | Loss = "squared_error",
        activation: str = "relu",
        negative_slope: float = 0.01,
        hidden_bias: bool | str = True,
        fit_intercept: bool = True,
        skip: bool = False,
        skip_alpha: float = 0.0,
        sample_weight: ArrayLike | None = None,
    ) -> None:
        function = checked_loss(loss)
        inputs, targets = checked_data(X, y)
        slope = checked_slope(activation, negative_slope)
        inputs = inputs_for(activation, inputs)
        targets = checked_targets(function, targets)
        values = {
            "X": inputs,
            "y": targets,
            "alpha": checked_alpha(alpha),
            "loss": function,
            "activation": activation,
            "slope": slope,
            "hidden_bias": checked_hidden_bias(hidden_bias, fit_intercept, activation),
            "fit_intercept": checked_flag("fit_intercept", fit_intercept),
            "skip": checked_skip(skip, activation),
            "skip_alpha": checked_skip_alpha(skip_alpha, skip, function),
            "weights": checked_weights(sample_weight, len(targets)),
            "n_outputs": function.n_outputs(targets),
        }
        self.__setstate__(values)
        if self.n_outputs > 1 and activation in ("gated_relu", "threshold"):
            raise ValueError(
                f"activation={activation!r} does not support several outputs; use another activation"
            )
        if self.free_skip and self.free_basis_fits(time.perf_counter() + _SECONDS_AT_ONCE):
            self._free_basis  # noqa: B018  raises where there is none

    # Copies and pickles have the data alone; what is derived from them is computed again.
    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            freeze(value)
            object.__setattr__(self, name, value)

    # Primal

    def data_fit(self, outputs: Array) -> float:
        """``F(f) = Σ_i s_i ℓ(f_i, y_i)`` for outputs of shape (n,) or (n, K)."""
        return float(self.weights @ self.loss.value(outputs, self.y))

    def no_outputs(self) -> Array:
        """Outputs of zero, of shape (n,) or (n, K)."""
        shape = (self.n_samples,) if self.n_outputs == 1 else (self.n_samples, self.n_outputs)
        return np.zeros(shape)

    def penalty(self, network: TwoLayerNetwork) -> float:
        """``½ Σ_j (‖w̃_j‖² + ‖a_j‖²)`` of a network as it stands; without the biases where they are free."""
        return network.penalty(free_bias=self.free_bias)

    @_overflowing
    def objective(self, network: TwoLayerNetwork, outputs_of: Outputs | None = None) -> float:
        """Regularised loss of a network as it stands, balanced or not; certificates are for this number.

        It is rounded up by a bound on the rounding error, as lower bounds are rounded down; infinite or NaN where it
        overflows.
        """
        return objective_above(self, network, outputs_of)

    def best_intercept(self, outputs: Array) -> Any:
        """The ``c``, a float or of shape (K,), that minimises ``F(outputs + c)``; zero without an intercept."""
        if not self.fit_intercept:
            return self._no_intercept()
        return self.loss.best_intercept(outputs, self.y, self.weights)

    def units(self) -> Units:
        """Scales for solvers, see :class:`Units`."""
        rho = float(np.linalg.norm(np.sqrt(self.weights) * self.lengths)) or 1.0
        if self.loss.degree is None:
            return Units(rho, self._no_intercept(), 1.0, 1.0)
        center = self.best_intercept(self.no_outputs())
        tau = self.loss.spread(self.y, center, self.weights) or 1.0
        return Units(rho, center, tau, tau**self.loss.degree)

    def _no_intercept(self) -> Any:
        return 0.0 if self.n_outputs == 1 else np.zeros(self.n_outputs)

    def zero_network(self) -> TwoLayerNetwork:
        """No neurons and the best constant."""
        return TwoLayerNetwork.constant(
            self.n_features, self.best_intercept(self.no_outputs()), negative_slope=self.slope
        )

    # Dual

    def dual_point(self, outputs: Array) -> Array:
        """``V = −∇F(f)`` at these outputs with the best intercept, made feasible but for ``M(V) ≤ alpha``."""
        outputs = outputs + self.best_intercept(outputs)
        if self.loss.smooth or not self.fit_intercept:
            gradient = self.loss.gradient(outputs, self.y)
        else:
            gradient = self._balanced_subgradient(outputs)
        return self.feasible(-(self.weights * gradient.T).T)

    def _balanced_subgradient(self, outputs: Array) -> Array:
        """A subgradient whose sum is zero, if one exists within rounding: at the best intercept there is one."""
        step = _AT_A_KINK * (1 + np.abs(outputs))
        low = self.loss.gradient(outputs - step, self.y)
        high = self.loss.gradient(outputs + step, self.y)
        below, above = self.weights @ low, self.weights @ high
        span = np.where(above > below, above - below, 1.0)
        return low + np.clip(-below / span, 0.0, 1.0) * (high - low)

    def feasible(self, v: Array) -> Array:
        """A point near ``v`` in the domain of ``F*``; with an intercept its sum is zero as a real number."""
        if self.free_skip:
            root = np.sqrt(self.weights)
            scaled = (v.T / np.where(root > 0, root, 1.0)).T
            basis, _ = self._free_basis
            scaled = scaled - basis @ (basis.T @ scaled)
            return (root * scaled.T).T
        return self.loss.dual_point(v, self.y, self.weights, self.fit_intercept)

    @property
    def is_least_squares(self) -> bool:
        """Whether the loss is the squared error of one output: programs then have Newton steps."""
        return self.loss.is_least_squares and self.n_outputs == 1

    @cached_property
    def _free_basis(self) -> tuple[Array, float]:
        """Of the unpenalised outputs, see :func:`free_basis`."""
        return free_basis(self.inputs, self.weights, self.fit_intercept)

    @_overflowing
    def rough_dual(self, v: Array) -> float:
        """``−F*(−v)`` without a bound on its rounding: much faster than `dual` on many samples, and no proof."""
        alive = self._alive
        z = (-v[alive].T / self.weights[alive]).T
        targets = self._targets_for(v)
        value = -float(self.weights[alive] @ self.loss.conjugate(z, targets[alive]))
        if not math.isfinite(value):
            return -math.inf
        return value - self._skip_term(v, rounds_up=False) if self.skip else value

    @cached_property
    def _alive(self) -> NDArray[np.bool_] | slice:
        """Samples with a positive weight; all of them without a copy."""
        alive = self.weights > 0
        return slice(None) if alive.all() else alive

    @_overflowing
    def dual(self, v: Array) -> float:
        """``−F*(−v)``, rounded down by a bound on the rounding error; the constraints on ``v`` are the caller's.

        ``−inf`` outside of the domain of ``F*``. The errors of the conjugate are taken four times: ``−v/s`` is
        rounded, and ``v`` may be a product that was rounded.
        """
        alive = self._alive  # v is zero elsewhere
        y, weights = self._targets_for(v)[alive], self.weights[alive]
        z = (-v[alive].T / weights).T
        terms = weights * (self.loss.conjugate(z, y) + 4 * self.loss.conjugate_error(z, y))
        # A sum of absolute values is off by less than a rounding for each term.
        total = float(np.abs(terms).sum()) * (1 + 2 * len(terms) * _EPS)
        if not math.isfinite(2 * total):
            return -math.inf
        value = 0.0 - accurate_sum(terms, total) - 6 * _EPS * total
        return value - self._skip_term(v) if self.skip else value

    def _targets_for(self, v: Array) -> Array:
        """Targets, shifted where that leaves the dual objective as it is and reduces its rounding.

        If only residuals count, ``F*(−v)`` is ``−Σ v_i y_i`` and a function of ``v``: a constant in ``y`` does not
        matter where ``Σv = 0``. A multiple of such a point has a sum of rounding errors.
        """
        if not (self.fit_intercept and self.loss.of_residuals):
            return self.y
        sums, sizes = np.abs(v.sum(axis=0)), np.abs(v).sum(axis=0)
        return self._centred_targets if (sums <= len(v) * _EPS * sizes).all() else self.y

    @cached_property
    def _centred_targets(self) -> Array:
        return self.y - np.median(self.y, axis=0)

    def _skip_term(self, v: Array, *, rounds_up: bool = True) -> float:
        """Term of a skip connection, subtracted from the dual objective; `rounds_up` matters with a penalty only.

        Without a penalty, ``XᵀV = 0`` to rounding only. A linear part ``z`` of the optimum then adds at most
        ``‖z‖ ‖QᵀV‖``, in the norm of the sample weights and with ``Q`` a basis of linear parts. Its outputs and its
        hidden outputs bound ``‖z‖`` by ``‖y‖ + √(2P₀) + ρP₀/alpha``, with ``P₀ = ½‖y‖²``, the objective of zero. The
        computed ``Q`` is off by as many roundings as the columns have for a condition number (Wedin 1972).
        """
        n = self.n_samples
        if not v.any():
            return 0.0
        if self.skip_alpha > 0:
            moments = np.abs(self.X.T @ v)
            if rounds_up:
                moments += 2 * n * _EPS * abs(self.X).T @ np.abs(v)
            return float(np.vdot(moments, moments)) / (2 * self.skip_alpha) * (1 + 8 * n * _EPS)
        root = np.sqrt(self.weights)
        scaled = (v.T / np.where(root > 0, root, 1.0)).T
        basis, condition = self._free_basis
        unsure = 4 * n * _EPS * condition * float(np.linalg.norm(scaled))
        rest = float(np.linalg.norm(basis.T @ scaled)) + unsure
        size = float(np.linalg.norm(root * self.y.T))
        reach = 2 * size + 0.5 * size**2 * self.units().rho / self.alpha
        return 2 * reach * rest

    def alpha_max(self, oracle: Callable[[Array], _HasBound]) -> float:
        """Smallest `alpha` whose solution has no neuron: ``M(−∇F(f₀))`` at the best constant ``f₀``.

        Parameters
        ----------
        oracle : callable
            ``v → report`` with ``report.bound`` for ``M(v)``, from :mod:`convexrelu.oracles`. The result is as
            trustworthy as the oracle: exact for an exact one, from below for a searched one.
        """
        return oracle(self.dual_point(self.no_outputs())).bound

    # Equivalent problems

    def with_alpha(self, alpha: float) -> TrainingProblem:
        """Same data, other penalty."""
        other = checked_alpha(alpha)
        return self if other == self.alpha else self._replace(alpha=other)

    def equals_but_for_alpha(self, other: TrainingProblem) -> bool:
        """Whether the two differ in `alpha` at most."""
        return (
            self.loss == other.loss
            and self.slope == other.slope
            and self.fit_intercept == other.fit_intercept
            and (self.skip, self.skip_alpha) == (other.skip, other.skip_alpha)
            and np.array_equal(self.y, other.y)
            and np.array_equal(self.weights, other.weights)
            and self.hidden_bias == other.hidden_bias
            and self._has_inputs_of(other)
        )

    def _has_inputs_of(self, other: TrainingProblem) -> bool:
        if self.X is other.X:
            return True
        if issparse(self.X) or issparse(other.X):
            return np.array_equal(self.design, other.design)
        return np.array_equal(self.X, other.X)

    def condensed(self) -> TrainingProblem:
        """Same problem on distinct rows: samples of weight zero left out, equal ones joined, in lexicographic order.

        The objective of every network is kept, while the result no longer depends on how the same
        weighted sample was written down (order of rows, repetitions instead of weights).
        """
        return condensed(self)

    def in_features(self) -> TrainingProblem:
        """Same problem with `inputs` that are ``X`` also where there are more features than samples."""
        other = self._replace()
        other.__dict__["_sample_coordinates"] = None
        other.__dict__.pop("design", None)
        return other

    def row_keys(self) -> NDArray[Any]:
        """Rows of numbers that are equal, and ordered, where those of ``X`` are."""
        if not issparse(self.X):
            return self.X
        return places_of_sparse_rows(self.X)

    def _replace(self, **changes: object) -> TrainingProblem:
        state = {**self.__getstate__(), **changes}
        other = object.__new__(self._kind_on(state["X"]))
        other.__setstate__(state)
        if "X" not in changes:
            kept = {name: self.__dict__[name] for name in _OF_THE_INPUTS if name in self.__dict__}
            other.__dict__.update(kept)
        return other

    def _kind_on(self, inputs: Any) -> type[TrainingProblem]:
        """The class of this problem on other inputs."""
        return TrainingProblem
