"""The interface of losses, and the common part of losses that are sums over samples and outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.losses.dual_domain import separable_dual_point

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["Loss", "PiecewiseQuadraticLoss", "SeparableLoss", "TwoLinesLoss"]


EPS = float(np.finfo(np.float64).eps)
# Rounding allowance outside the domain of a conjugate, in units of its ends.
OUTSIDE = 16 * EPS


class Loss(ABC):
    """A convex loss ``ℓ(f, y) ≥ 0`` with infimum zero over ``f``, for every target ``y``.

    Outputs `f` have shape (n,), or (n, K) for several; losses add over outputs. Losses compare equal when their
    parameters do.

    Attributes
    ----------
    name : str
        Name in `LOSSES`.
    smooth : bool
        Whether the gradient is continuous.
    degree : float or None
        ``p`` with ``ℓ(τf, τy) = τ^p ℓ(f, y)`` for ``τ > 0``; None if there is no such ``p``.
    is_least_squares : bool
        Whether ``ℓ(f, y) = ½ (f − y)²``. Solvers and closed forms for least squares trust this without a check.
    is_hinge : bool
        Whether ``ℓ(f, y) = max(0, 1 − y f)`` with targets −1 and 1. Closed forms trust this without a check.
    couples_outputs : bool
        Whether the loss of a sample is not a sum over outputs.
    takes_labels : bool
        Whether targets are classes: −1 and 1, or ``0 … K−1`` with one output each if `couples_outputs`. Classifiers
        accept such losses, regressors the others.
    of_residuals : bool
        Whether ``ℓ(f, y)`` is a function of ``f − y`` alone. Objective and bound are then computed from targets around
        zero, which are not rounded as much.
    has_probabilities : bool
        Whether outputs are log-odds, or log-probabilities up to a constant.
    predicts_logarithms : bool
        Whether predictions are the exponentials of outputs.
    """

    name: ClassVar[str]
    smooth: ClassVar[bool] = True
    degree: ClassVar[float | None] = None
    is_least_squares: ClassVar[bool] = False
    is_hinge: ClassVar[bool] = False
    couples_outputs: ClassVar[bool] = False
    takes_labels: ClassVar[bool] = False
    of_residuals: ClassVar[bool] = False
    has_probabilities: ClassVar[bool] = False
    predicts_logarithms: ClassVar[bool] = False

    @abstractmethod
    def checked_targets(self, y: Array) -> Array:
        """Finite targets unchanged, or a ValueError that says what this loss accepts."""

    def checked_rows(self, y: Array) -> Array:
        """Targets of some of the samples unchanged; a ValueError for what no others can make good."""
        return y if self.takes_labels else self.checked_targets(y)

    @abstractmethod
    def n_outputs(self, y: Array) -> int:
        """Number of outputs ``K`` that a network for these targets has."""

    @abstractmethod
    def value(self, f: Array, y: Array) -> Array:
        """``ℓ(f_i, y_i)``, of shape (n,)."""

    @abstractmethod
    def gradient(self, f: Array, y: Array) -> Array:
        """Derivative of ``ℓ`` with respect to ``f``, shaped like `f`; at a kink a subgradient."""

    def value_and_gradient(self, f: Array, y: Array) -> tuple[Array, Array]:
        """`value` and `gradient`; for losses where both together take less time than one after the other."""
        return self.value(f, y), self.gradient(f, y)

    @abstractmethod
    def curvature(self, f: Array, y: Array) -> Array:
        """Second derivative with respect to ``f``, shaped like `f`; (n, K, K) if outputs are coupled. Zero at kinks."""

    @abstractmethod
    def conjugate(self, z: Array, y: Array) -> Array:
        """``ℓ*(z_i, y_i) = sup_f  z_iᵀf − ℓ(f, y_i)``, of shape (n,); ``inf`` outside its domain.

        Points a few units in the last place outside count as on the boundary, see `conjugate_error`.
        """

    @abstractmethod
    def conjugate_error(self, z: Array, y: Array) -> Array:
        """Bound on the error of the value of `conjugate`, of shape (n,).

        It covers the rounding within `conjugate`, a relative error of ``4 ε`` in ``z`` itself, such as that of a
        quotient, and points just outside the domain in this sense: where ``z`` counts as on the boundary,
        ``(1 − 32 ε) z`` is inside, and ``ℓ*((1 − 32 ε) z) ≤ (1 − 32 ε) ℓ*(z)`` by convexity, since ``ℓ*(0) = 0``.
        """

    @abstractmethod
    def best_intercept(self, f: Array, y: Array, weights: Array) -> Any:
        """The ``c`` that minimises ``Σ weights_i ℓ(f_i + c, y_i)``: a float, or an array of shape (K,)."""

    @abstractmethod
    def dual_point(self, v: Array, y: Array, weights: Array, balanced: bool) -> Array:
        """A point near ``v`` at which the dual objective is finite.

        Parameters
        ----------
        v : array shaped like outputs
            Finite; usually ``−weights ∘ ℓ'(f)``.
        y : array
            Targets.
        weights : array of shape (n,)
            Non-negative. Entries of `v` without weight become zero.
        balanced : bool
            Whether columns must sum to zero.

        Returns
        -------
        array shaped like `v`
            ``−v_i/weights_i`` lies in the domain of ``ℓ*(·, y_i)`` exactly, in real arithmetic. If
            `balanced`, columns sum to zero in real arithmetic, and to the float 0.0 in any order of summation.
        """

    def spread(self, y: Array, center: Any, weights: Array) -> float:
        """Unit of targets, for losses with a degree: ``√(Σ weights_i ‖y_i − center‖²)``."""
        return float(norms((np.sqrt(weights) * np.transpose(y - center)).ravel()))

    def in_units(self, y: Array, center: Any, unit: float) -> Array:
        """Targets for outputs ``(f − center)/unit``, for losses with a degree."""
        return (y - center) / unit

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``Σ weights_i ℓ(f_i, y_i)`` in cvxpy, if available: for its solvers, and for closed forms on a line."""
        raise ValueError(f"loss={self.name!r} has no expression in cvxpy; use solver='auto'")

    @property
    def has_expression(self) -> bool:
        """Whether `expression` is defined."""
        return type(self).expression is not Loss.expression


class SeparableLoss(Loss):
    """A sum of one term for each sample and output; subclasses define the terms.

    The domains of its conjugates are intervals around zero.

    Attributes
    ----------
    steep : bool
        Whether the derivative of the conjugate is infinite at the ends of its domain.
    bends_at_target : bool
        Whether the loss consists of two straight lines that meet at ``f = y``, so that ``ℓ*(z) = z y`` on its domain.
        Descent smooths such kinks; for other losses with kinks it uses the gradient as it is.
    """

    steep: ClassVar[bool] = False
    bends_at_target: ClassVar[bool] = False

    @abstractmethod
    def domain(self, y: Array) -> tuple[Array, Array]:
        """Ends of the interval on which ``ℓ*(·, y)`` is finite, shaped like `y`."""

    @abstractmethod
    def conjugate_gradient(self, z: Array, y: Array) -> Array:
        """Derivative of ``ℓ*`` inside the domain, shaped like `z`: the ``f`` with ``ℓ'(f) = z``."""

    @abstractmethod
    def conjugate_curvature(self, z: Array, y: Array) -> Array:
        """Second derivative of ``ℓ*`` inside the domain, shaped like `z`."""

    @abstractmethod
    def terms(self, f: Array, y: Array) -> Array:
        """``ℓ``, entry by entry."""

    @abstractmethod
    def conjugate_terms(self, z: Array, y: Array) -> Array:
        """``ℓ*``, entry by entry, for ``z`` in the domain."""

    @abstractmethod
    def conjugate_error_terms(self, z: Array, y: Array) -> Array:
        """The bound, entry by entry, for ``z`` in the domain."""

    @abstractmethod
    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """Best intercept of one output."""

    def value(self, f: Array, y: Array) -> Array:
        """Sum of the terms over outputs."""
        return _over_outputs(self.terms(f, y))

    def conjugate(self, z: Array, y: Array) -> Array:
        """Sum of the terms' conjugates over outputs, ``inf`` outside the domain."""
        inside, outside = self._clipped(z, y)
        return _over_outputs(np.where(outside, np.inf, self.conjugate_terms(inside, y)))

    def conjugate_error(self, z: Array, y: Array) -> Array:
        """Sum of the terms' bounds over outputs."""
        return _over_outputs(self.conjugate_error_terms(self._clipped(z, y)[0], y))

    def best_intercept(self, f: Array, y: Array, weights: Array) -> Any:
        """Minimiser ``c`` of ``Σ weights_i ℓ(f_i + c, y_i)``, output by output."""
        if f.ndim == 1:
            return self.best_shift(f, y, weights)
        columns = zip(f.T, y.T, strict=True)
        return np.array([self.best_shift(*column, weights) for column in columns])

    def dual_point(self, v: Array, y: Array, weights: Array, balanced: bool) -> Array:
        """The point nearest to ``v`` in the norm ``Σ v_i²/weights_i``, up to rounding."""
        low, high = self.domain(y)
        return separable_dual_point(v, weights, low, high, balanced)

    def _clipped(self, z: Array, y: Array) -> tuple[Array, NDArray[np.bool_]]:
        """The nearest points in the domain, and whether they are farther away than rounding."""
        low, high = self.domain(y)
        reach = 1.0 if np.asarray(z).dtype == object else 1.0 + OUTSIDE
        return np.clip(z, low, high), (z < reach * low) | (z > reach * high)


class PiecewiseQuadraticLoss(SeparableLoss):
    """``ℓ(f, y) = max_z  z (f − y) − ½ z²`` over the domain of ``z``, or without the square.

    On arrays of Fractions `value` and `conjugate` are exact, and points outside the domain are not accepted.
    """

    has_square: ClassVar[bool]

    def conjugate_gradient(self, z: Array, y: Array) -> Array:
        """``y + z``, or ``y``."""
        return y + z if self.has_square else y

    def conjugate_curvature(self, z: Array, y: Array) -> Array:
        """One, or zero."""
        return np.full(np.shape(z), float(self.has_square))

    def conjugate_terms(self, z: Array, y: Array) -> Array:
        """``z y + ½ z²``, or ``z y``."""
        return z * y + np.square(z) / 2 if self.has_square else z * y

    def conjugate_error_terms(self, z: Array, y: Array) -> Array:
        """Bound on the error of `conjugate_terms`, entry by entry."""
        return 40 * EPS * (np.abs(z * y) + self.has_square * np.square(z))


class TwoLinesLoss(PiecewiseQuadraticLoss):
    """Losses of residuals that consist of two straight lines, which meet at the target."""

    of_residuals: ClassVar[bool] = True
    bends_at_target: ClassVar[bool] = True
    has_square: ClassVar[bool] = False
    smooth: ClassVar[bool] = False
    degree: ClassVar[float | None] = 1.0

    def curvature(self, f: Array, y: Array) -> Array:
        """Zero."""
        return np.zeros_like(f)


def weights_like(weights: Array, y: Array) -> Array:
    """Sample weights, reshaped to multiply `y`."""
    return weights if np.ndim(y) < 2 else weights[:, None]


def _over_outputs(terms: Any) -> Any:
    return terms.sum(axis=1) if np.ndim(terms) == 2 else terms
