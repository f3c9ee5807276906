"""The training problem: data, loss and penalty, with its primal and its dual. Immutable."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu.losses import LOSSES, Loss
from convexrelu.network import TwoLayerNetwork

__all__ = ["TrainingProblem", "Units"]

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)


class _HasBound(Protocol):
    @property
    def bound(self) -> float: ...


class Units(NamedTuple):
    """Scales in which data and targets are about one: ``X̃/ρ`` and ``(y − c₀)/τ``.

    Attributes
    ----------
    rho : float
        ``√(Σ_i s_i ‖x̃_i‖²)``, or 1 if that is zero.
    center : float
        ``c₀``, the best constant output; zero without an intercept.
    tau : float
        ``√(Σ_i s_i (y_i − c₀)²)``, or 1 if that is zero.
    """

    rho: float
    center: float
    tau: float


@dataclass(frozen=True, eq=False)
class TrainingProblem:
    """Weight-decayed training of a two-layer ReLU network of any width.

    With ``f(x) = Σ_j a_j relu(w̃_jᵀ x̃) + c``, where ``x̃ = (x, 1)`` if `hidden_bias` and ``x̃ =
    x`` otherwise::

        P = min  Σ_i s_i ℓ(f(x_i), y_i) + (alpha/2) Σ_j (‖w̃_j‖² + a_j²)            (over every
        width)
          = min  F(f) + alpha Σ_j ‖u_j‖,      u_j = w̃_j |a_j|

        D = max_v  −F*(−v)   s.t.  M(v) = max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)| ≤ alpha,   (1ᵀv = 0 with an
        intercept)

    ``s_i = 1/n``, or ``sample_weight_i / Σ sample_weight``. ``P = D`` (Ergen & Pilanci 2021,
    Theorems 1 and 8).

    Parameters
    ----------
    X : array of shape (n, d)
        Inputs.
    y : array of shape (n,)
        Targets.
    alpha : float
        Strength of the weight decay, positive.
    loss : str
        Name of the loss: ``"squared_error"``, ``½ (f − y)²``.
    hidden_bias : bool
        Whether neurons have a bias, penalised together with their weights.
    fit_intercept : bool
        Whether the network has an output intercept ``c``, never penalised.
    sample_weight : array of shape (n,), optional
        Non-negative weights, normalised to sum to one. ``None`` means equal weights.

    Attributes
    ----------
    weights : array of shape (n,)
        The normalised ``s``.
    design : array of shape (n, d̃)
        The rows ``x̃_i``.

    Raises
    ------
    ValueError
        For arrays of the wrong shape, not finite, or so large that their squares overflow; for
        `alpha` that is not a positive finite number, an unknown `loss`, or weights that are
        negative or all zero. The message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> problem = TrainingProblem(np.array([[-1.0], [1.0]]), np.array([0.0, 1.0]), alpha=0.1)
    >>> problem.objective(problem.zero_network())  # ½ · variance of y
    0.125
    """

    X: Array
    y: Array
    alpha: float
    loss: Loss
    hidden_bias: bool
    fit_intercept: bool
    weights: Array

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        alpha: float,
        *,
        loss: str = "squared_error",
        hidden_bias: bool = True,
        fit_intercept: bool = True,
        sample_weight: ArrayLike | None = None,
    ) -> None:
        X, y = _checked_data(X, y)
        values = {
            "X": X,
            "y": y,
            "alpha": checked_alpha(alpha),
            "loss": _checked_loss(loss),
            "hidden_bias": _checked_flag("hidden_bias", hidden_bias),
            "fit_intercept": _checked_flag("fit_intercept", fit_intercept),
            "weights": _checked_weights(sample_weight, len(y)),
        }
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def n_samples(self) -> int:
        """Number of samples ``n``."""
        return self.X.shape[0]

    @property
    def n_features(self) -> int:
        """Number of features ``d``, without the bias."""
        return self.X.shape[1]

    @cached_property
    def design(self) -> Array:
        """``X̃``: the inputs, with a last column of ones if neurons have a bias."""
        if not self.hidden_bias:
            return self.X
        design = np.column_stack([self.X, np.ones(self.n_samples)])
        design.flags.writeable = False
        return design

    # Primal

    def data_fit(self, outputs: Array) -> float:
        """``F(f) = Σ_i s_i ℓ(f_i, y_i)`` for outputs of shape (n,)."""
        return float(self.weights @ self.loss.value(outputs, self.y))

    def objective(self, network: TwoLayerNetwork) -> float:
        """Regularised loss of a network as it stands, balanced or not: the number everything is judged by."""
        return self.data_fit(network.predict(self.X)) + self.alpha * network.penalty()

    def best_intercept(self, outputs: Array) -> float:
        """The ``c`` that minimises ``F(outputs + c)``; zero without an intercept."""
        if not self.fit_intercept:
            return 0.0
        return self.loss.best_constant(self.y - outputs, self.weights)

    def units(self) -> Units:
        """Scales for the sake of solvers."""
        root, center = np.sqrt(self.weights), self.best_intercept(np.zeros_like(self.y))
        rho = float(np.linalg.norm(root[:, None] * self.design))
        tau = float(np.linalg.norm(root * (self.y - center)))
        return Units(rho or 1.0, center, tau or 1.0)

    def zero_network(self) -> TwoLayerNetwork:
        """No neurons and the best constant."""
        return TwoLayerNetwork.constant(self.n_features, self.best_intercept(np.zeros_like(self.y)))

    # Dual

    def dual_point(self, outputs: Array) -> Array:
        """``v = −∇F(f)``, with sum zero where there is an intercept (to rounding)."""
        v = -self.weights * self.loss.gradient(outputs + self.best_intercept(outputs), self.y)
        # The intercept above is only as good as float64 allows: take out what is left of the sum
        # as well.
        return v - self.weights * v.sum() if self.fit_intercept else v

    def dual(self, v: Array) -> float:
        """``−F*(−v)``, rounded down by a bound on the rounding error; the constraints on ``v`` are the caller's."""
        alive = self.weights > 0  # v is zero elsewhere
        v, y, weights = v[alive], self.y[alive], self.weights[alive]
        terms = weights * self.loss.conjugate(-v / weights, y)
        size = math.fsum(np.abs(terms)) + math.fsum(np.abs(v * y))
        return 0.0 - math.fsum(terms) - 8 * _EPS * size

    def alpha_max(self, oracle: Callable[[Array], _HasBound]) -> float:
        """Smallest `alpha` whose solution has no neuron: ``M(−∇F(f₀))`` at the best constant ``f₀``.

        Parameters
        ----------
        oracle : callable
            ``v → report`` with ``report.bound`` for ``M(v)``, from :mod:`convexrelu.oracles`. The
            result is as trustworthy as the oracle: exact for an exact one, from below for a
            searched one.
        """
        return oracle(self.dual_point(np.zeros_like(self.y))).bound

    # Equivalent problems

    def with_alpha(self, alpha: float) -> TrainingProblem:
        """Same data, other penalty."""
        return self._replace(alpha=checked_alpha(alpha))

    def equals_but_for_alpha(self, other: TrainingProblem) -> bool:
        """Whether the two differ in `alpha` at most."""
        return (
            self.loss.name == other.loss.name
            and self.fit_intercept == other.fit_intercept
            and np.array_equal(self.y, other.y)
            and np.array_equal(self.weights, other.weights)
            and np.array_equal(self.design, other.design)
        )

    def condensed(self) -> TrainingProblem:
        """Same problem on distinct rows: weightless samples left out, equal ones joined, in lexicographic order.

        The objective of every network is kept, while the result no longer depends on how the same
        weighted sample was written down (order of rows, repetitions instead of weights).
        """
        alive = self.weights > 0
        table = np.column_stack([self.X, self.y])[alive] + 0.0  # turns -0.0 into 0.0
        rows, inverse = np.unique(table, axis=0, return_inverse=True)
        weights = np.bincount(inverse.ravel(), weights=self.weights[alive], minlength=len(rows))
        return self._replace(X=rows[:, :-1].copy(), y=rows[:, -1].copy(), weights=weights)

    def _replace(self, **changes: object) -> TrainingProblem:
        other = object.__new__(TrainingProblem)
        for field in fields(self):
            object.__setattr__(
                other, field.name, changes.get(field.name, getattr(self, field.name))
            )
        return other


def checked_alpha(alpha: float) -> float:
    """`alpha` as a float, or a ValueError."""
    if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real) or not 0 < alpha < math.inf:
        raise ValueError(f"alpha={alpha!r} is not a positive finite number")
    return float(alpha)


def _checked_flag(name: str, value: bool) -> bool:
    if not isinstance(value, bool | np.bool_ | int) or value not in (0, 1):
        raise ValueError(f"{name}={value!r} is not True or False")
    return bool(value)


def _checked_data(X: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    X, y = _finite_copy("X", X), _finite_copy("y", y)
    if X.ndim != 2 or X.shape[0] == 0 or X.shape[1] == 0:
        raise ValueError(f"X has shape {X.shape}, expected (n, d) with n and d at least 1")
    if y.shape != (len(X),):
        raise ValueError(
            f"y has shape {y.shape}, expected ({len(X)},), one target for each row of X"
        )
    return X, y


def _finite_copy(name: str, value: ArrayLike) -> Array:
    try:
        if np.iscomplexobj(value):
            raise TypeError("complex numbers")
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of real numbers: {error}") from error
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinity; all entries must be finite")
    with np.errstate(over="ignore"):
        if not np.isfinite(np.square(array).sum()):
            raise ValueError(
                f"{name} has entries up to {np.abs(array).max():.3g}, whose squares overflow float64; rescale it"
            )
    return array


def _checked_loss(loss: str) -> Loss:
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss={loss!r} is not known; available: {', '.join(map(repr, LOSSES))}")
    return LOSSES[loss]()


def _checked_weights(sample_weight: ArrayLike | None, n_samples: int) -> Array:
    if sample_weight is None:
        return np.full(n_samples, 1.0 / n_samples)
    weights = _finite_copy("sample_weight", sample_weight)
    if weights.shape != (n_samples,):
        raise ValueError(f"sample_weight has shape {weights.shape}, expected ({n_samples},)")
    if (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight must be non-negative with at least one positive entry")
    return weights / weights.sum()
