"""Losses for real targets or counts; they add over several outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import hyp1f1, logsumexp, xlogy

from convexrelu._utils.arguments import as_float, is_number, shown
from convexrelu._utils.typing import Array
from convexrelu.losses.base import (
    EPS,
    PiecewiseQuadraticLoss,
    SeparableLoss,
    TwoLinesLoss,
    weights_like,
)
from convexrelu.losses.quantiles import weighted_quantile
from convexrelu.losses.roots import increasing_root

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["AbsoluteError", "Huber", "Poisson", "Quantile", "RealTargets", "SquaredError"]


class RealTargets(SeparableLoss):
    """Targets of shape (n,), or (n, K) for ``K ≥ 2`` outputs."""

    def checked_targets(self, y: Array) -> Array:
        """Targets unchanged; a ValueError for other shapes."""
        if y.ndim not in (1, 2) or y.shape[1:] in ((0,), (1,)):
            raise ValueError(
                f"y has shape {y.shape}, expected (n,), or (n, K) with at least two outputs"
            )
        return y

    def n_outputs(self, y: Array) -> int:
        """Number of columns of `y`, or 1."""
        return y.shape[1] if y.ndim == 2 else 1

    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """Root of the derivative, for losses that are smallest at ``f = y``."""
        rest = y - f
        return increasing_root(
            lambda c: float(weights @ self.gradient(f + c, y)), rest.min(), rest.max()
        )


@dataclass(frozen=True)
class SquaredError(RealTargets, PiecewiseQuadraticLoss):
    """Squared error, ``ℓ(f, y) = ½ (f − y)²``, the scaling of :class:`sklearn.linear_model.Lasso`.

    `value` and `conjugate` accept arrays of Fractions as well, and are exact on them.

    Examples
    --------
    >>> import numpy as np
    >>> loss = SquaredError()
    >>> f, y = np.array([1.0, 2.0]), np.array([1.0, 4.0])
    >>> loss.value(f, y)
    array([0., 2.])
    >>> loss.gradient(f, y)
    array([ 0., -2.])

    Fenchel and Young: ``ℓ(f) + ℓ*(z) ≥ z f``, with equality at ``z = ℓ'(f)``.

    >>> z = loss.gradient(f, y)
    >>> loss.value(f, y) + loss.conjugate(z, y) - z * f
    array([0., 0.])
    """

    name: ClassVar[str] = "squared_error"
    of_residuals: ClassVar[bool] = True
    is_least_squares: ClassVar[bool] = True
    has_square: ClassVar[bool] = True
    degree: ClassVar[float | None] = 2.0

    def domain(self, y: Array) -> tuple[Array, Array]:
        """Everything."""
        return np.full(np.shape(y), -np.inf), np.full(np.shape(y), np.inf)

    def terms(self, f: Array, y: Array) -> Array:
        """``ℓ``, entry by entry."""
        return np.square(f - y) / 2

    def gradient(self, f: Array, y: Array) -> Array:
        """``f − y``."""
        return f - y

    def curvature(self, f: Array, y: Array) -> Array:
        """One everywhere."""
        return np.ones_like(f)

    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """Weighted mean, relative to the first residual so that a constant residual is reproduced exactly."""
        rest = y - f
        return float(rest[0] + weights @ (rest - rest[0]) / weights.sum())

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``½ ‖√weights ∘ (f − y)‖²`` in cvxpy."""
        from convexrelu._utils.cvxpy_import import cp

        return 0.5 * cp.sum_squares(cp.multiply(np.sqrt(weights_like(weights, y)), f - y))


@dataclass(frozen=True)
class AbsoluteError(RealTargets, TwoLinesLoss):
    """Absolute error, ``ℓ(f, y) = |f − y|``.

    Examples
    --------
    >>> import numpy as np
    >>> loss = AbsoluteError()
    >>> f, y = np.array([1.0, 2.0]), np.array([1.0, 4.0])
    >>> loss.value(f, y)
    array([0., 2.])
    >>> loss.conjugate(np.array([0.5, 1.5]), y)
    array([0.5, inf])
    """

    name: ClassVar[str] = "absolute_error"

    def domain(self, y: Array) -> tuple[Array, Array]:
        """``[−1, 1]``."""
        return np.full(np.shape(y), -1.0), np.full(np.shape(y), 1.0)

    def terms(self, f: Array, y: Array) -> Array:
        """``ℓ``, entry by entry."""
        return np.abs(f - y)

    def gradient(self, f: Array, y: Array) -> Array:
        """``sign(f − y)``, zero where they are equal."""
        return np.sign(f - y)

    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """Weighted median of the residuals."""
        return weighted_quantile(y - f, weights, 0.5)

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``Σ weights ∘ |f − y|`` in cvxpy."""
        from convexrelu._utils.cvxpy_import import cp

        return cp.sum(cp.multiply(weights_like(weights, y), cp.abs(f - y)))


@dataclass(frozen=True)
class Huber(RealTargets, PiecewiseQuadraticLoss):
    """Huber's loss: ``½ r²`` for ``|r| ≤ delta`` and ``delta |r| − ½ delta²`` beyond, with ``r = f − y``.

    Parameters
    ----------
    delta : float
        Residual at which the loss changes from quadratic to linear, positive.

    Raises
    ------
    ValueError
        For another `delta`.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter.
    *Annals of Mathematical Statistics* 35(1), 73–101.

    Examples
    --------
    >>> import numpy as np
    >>> loss = Huber(delta=1.0)
    >>> f, y = np.array([0.5, 3.0]), np.zeros(2)
    >>> loss.value(f, y), loss.gradient(f, y)
    (array([0.125, 2.5  ]), array([0.5, 1. ]))
    """

    delta: float = 1.0
    name: ClassVar[str] = "huber"
    of_residuals: ClassVar[bool] = True
    has_square: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not is_number(self.delta) or not 0 < as_float(self.delta) < math.inf:
            raise ValueError(f"delta={shown(self.delta)} is not a positive finite number")

    def domain(self, y: Array) -> tuple[Array, Array]:
        """``[−delta, delta]``."""
        return np.full(np.shape(y), -self.delta), np.full(np.shape(y), self.delta)

    def terms(self, f: Array, y: Array) -> Array:
        """``ℓ``, entry by entry."""
        size = np.abs(f - y)
        near = np.minimum(size, self.delta)
        return near * (size - near / 2)

    def gradient(self, f: Array, y: Array) -> Array:
        """``f − y``, clipped to ``±delta``."""
        return np.clip(f - y, -self.delta, self.delta)

    def curvature(self, f: Array, y: Array) -> Array:
        """One between the lines, zero on them."""
        return (np.abs(f - y) < self.delta).astype(np.float64)

    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """Best intercept of one output."""
        rest = y - f
        return increasing_root(
            lambda c: float(weights @ np.clip(c - rest, -self.delta, self.delta)),
            float(rest.min()),
            float(rest.max()),
        )

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """Half the ``huber`` of cvxpy, which has squares without ``½``."""
        from convexrelu._utils.cvxpy_import import cp

        terms = cp.huber(f - y, self.delta)  # type: ignore[arg-type]
        return 0.5 * cp.sum(cp.multiply(weights_like(weights, y), terms))


@dataclass(frozen=True)
class Quantile(RealTargets, TwoLinesLoss):
    """Pinball loss: ``level·r`` for ``r = y − f ≥ 0`` and ``(level − 1)·r`` for ``r < 0``.

    The best constant is the quantile of the targets at `level`; at ½ this is half the absolute error.

    Parameters
    ----------
    level : float
        Between 0 and 1, exclusive.

    Raises
    ------
    ValueError
        For another `level`.

    References
    ----------
    Koenker, R. and Bassett, G. (1978). Regression quantiles. *Econometrica* 46(1), 33–50.

    Examples
    --------
    >>> import numpy as np
    >>> loss = Quantile(level=0.75)
    >>> loss.value(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    array([0.75, 0.25])
    """

    level: float = 0.5
    name: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        if not is_number(self.level) or not 0 < as_float(self.level) < 1:
            raise ValueError(
                f"level={shown(self.level)} is not a number between 0 and 1, exclusive"
            )

    def domain(self, y: Array) -> tuple[Array, Array]:
        """``[−level, 1 − level]``."""
        return np.full(np.shape(y), -self.level), np.full(np.shape(y), 1 - self.level)

    def terms(self, f: Array, y: Array) -> Array:
        """``ℓ``, entry by entry."""
        return np.maximum(self.level * (y - f), (1 - self.level) * (f - y))

    def gradient(self, f: Array, y: Array) -> Array:
        """``−level`` below the target, ``1 − level`` above, zero on it."""
        return np.where(f < y, -self.level, np.where(f > y, 1 - self.level, 0.0))

    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """Weighted quantile of the residuals."""
        return weighted_quantile(y - f, weights, self.level)

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``Σ weights ∘ max(level·(y − f), (1 − level)·(f − y))`` in cvxpy."""
        from convexrelu._utils.cvxpy_import import cp

        terms = cp.maximum(self.level * (y - f), (1 - self.level) * (f - y))
        return cp.sum(cp.multiply(weights_like(weights, y), terms))


@dataclass(frozen=True)
class Poisson(RealTargets):
    """Half the Poisson deviance of a mean ``μ = exp(f)``: ``ℓ(f, y) = exp(f) − y f + y log y − y`` for ``y ≥ 0``.

    The loss of :class:`sklearn.linear_model.PoissonRegressor`, with constants that make it zero at ``μ = y``.

    Examples
    --------
    >>> import numpy as np
    >>> loss = Poisson()
    >>> loss.value(np.log([2.0, 3.0]), np.array([2.0, 2.0])).round(4) + 0.0
    array([0.    , 0.1891])
    >>> loss.best_intercept(np.zeros(2), np.array([1.0, 3.0]), np.ones(2))  # log 2
    0.693147
    """

    name: ClassVar[str] = "poisson"
    predicts_logarithms: ClassVar[bool] = True
    steep: ClassVar[bool] = True

    def checked_targets(self, y: Array) -> Array:
        """Targets unchanged; a ValueError if one is negative."""
        if (y < 0).any():
            raise ValueError(f"y has the entry {y.min():g}; loss='poisson' takes y ≥ 0")
        return super().checked_targets(y)

    def domain(self, y: Array) -> tuple[Array, Array]:
        """``[−y, ∞)``."""
        return -y, np.full(np.shape(y), np.inf)

    def terms(self, f: Array, y: Array) -> Array:
        """``ℓ``, entry by entry."""
        scale, d = _from_best(f, y)
        return np.where(y > 0, scale * _exp_above_tangent(d), _exp(f))

    def gradient(self, f: Array, y: Array) -> Array:
        """``exp(f) − y``."""
        scale, d = _from_best(f, y)
        with np.errstate(over="ignore"):
            return np.where(y > 0, scale * np.expm1(d), _exp(f))

    def curvature(self, f: Array, y: Array) -> Array:
        """``exp(f)``."""
        return _exp(f)

    def conjugate_gradient(self, z: Array, y: Array) -> Array:
        """``log(z + y)``."""
        return np.log(z + y)

    def conjugate_curvature(self, z: Array, y: Array) -> Array:
        """``1/(z + y)``."""
        return 1 / (z + y)

    def conjugate_terms(self, z: Array, y: Array) -> Array:
        """``(z+y) log(z+y) − y log y − z``, from terms that do not cancel where ``y`` is large."""
        first, second = _poisson_terms(z, y)
        return first + second - z

    def conjugate_error_terms(self, z: Array, y: Array) -> Array:
        """Bound on the error of `conjugate_terms`, entry by entry."""
        # The derivative of the first term, log((z+y)/y) + 1, is unbounded where z + y vanishes. An
        # error δ of z changes that term by less than 3δ (|log(max(z+y, δ)/y)| + 2).
        first, second = _poisson_terms(z, y)
        delta = 4 * EPS * np.abs(z)
        scale = np.where(y > 0, y, 1.0)
        slope = np.abs(np.log(np.maximum(z + y, np.where(delta > 0, delta, scale)) / scale))
        terms = np.abs(first) + np.abs(second) + np.abs(z)
        return 48 * EPS * terms + 3 * delta * (slope + 2)

    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """``log(Σ weights·y / Σ weights·exp(f))``; a ValueError if there is no positive target."""
        total = float(weights @ y)
        if total <= 0:
            raise ValueError(
                "y is zero for every sample; with loss='poisson' and an intercept no mean is best, "
                "the smaller the better"
            )
        alive = weights > 0
        if (y[alive] > 0).all():
            shifts = np.log(y[alive]) - f[alive]
            if (shifts == shifts[0]).all():  # the mean would be wrong by rounding, and leave a loss
                return float(shifts[0])
        return float(np.log(total) - logsumexp(f, b=weights))

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``Σ weights ∘ (exp(f) − y f + y log y − y)`` in cvxpy."""
        from convexrelu._utils.cvxpy_import import cp

        terms = cp.exp(f) - cp.multiply(y, f) + (xlogy(y, y) - y)
        return cp.sum(cp.multiply(weights_like(weights, y), terms))


def _exp(f: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.exp(f)


def _from_best(f: Array, y: Array) -> tuple[Array, Array]:
    """``y`` and ``f − log y``, or one and `f` where ``y = 0``.

    What is nearest to ``log y`` among floats counts as ``log y``: otherwise no output would fit.
    """
    scale = np.where(y > 0, y, 1.0)
    d = f - np.log(scale)
    return scale, np.where(np.abs(d) > 4 * EPS * np.abs(f), d, 0.0)


def _exp_above_tangent(d: Array) -> Array:
    """``exp(d) − 1 − d``; near zero, where the terms cancel, it is ``½ d²`` times a hypergeometric function."""
    near = np.abs(d) < 1
    inside = np.where(near, d, 0.0)
    with np.errstate(over="ignore"):
        far = np.expm1(d) - d
    return np.where(near, 0.5 * np.square(inside) * hyp1f1(1, 3, inside), far)


def _poisson_terms(z: Array, y: Array) -> tuple[Array, Array]:
    """``(z+y) log((z+y)/y)`` and ``z log y`` for ``y > 0``, ``z log z`` and 0 for ``y = 0``."""
    some = y > 0
    with np.errstate(divide="ignore"):  # of log1p at −1, where it meets a factor 0
        ratio = np.log1p(np.divide(z, y, out=np.zeros_like(z), where=some))
    first = np.where(z + y > 0, (z + y) * np.where(np.isfinite(ratio), ratio, 0.0), 0.0)
    return np.where(some, first, xlogy(z, z)), xlogy(z, np.where(some, y, 1.0))
