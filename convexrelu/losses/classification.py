"""Losses of two classes, ``y = ±1``, that depend on the margin ``y f``; they add over several labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import expit, xlog1py, xlogy

from convexrelu._utils.typing import Array
from convexrelu.losses.base import EPS, PiecewiseQuadraticLoss, SeparableLoss, weights_like
from convexrelu.losses.quantiles import weighted_quantile
from convexrelu.losses.roots import increasing_root

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["Hinge", "Logistic", "SquaredHinge"]


class _MarginLoss(SeparableLoss):
    """Targets of shape (n,), or (n, K) for ``K ≥ 2`` labels, with both signs: with one, there is no best intercept."""

    takes_labels: ClassVar[bool] = True
    _largest: ClassVar[float]  # upper bound on −y z

    def checked_targets(self, y: Array) -> Array:
        """Targets unchanged; a ValueError if they are not −1 and 1, or all the same in a column."""
        if y.ndim not in (1, 2) or y.shape[1:] in ((0,), (1,)):
            raise ValueError(
                f"y has shape {y.shape}, expected (n,), or (n, K) with at least two labels, with loss={self.name!r}"
            )
        strange = y[np.abs(y) != 1]
        if len(strange):
            raise ValueError(f"y has the entry {strange[0]:g}; loss={self.name!r} takes −1 and 1")
        for k, column in enumerate(y.T if y.ndim == 2 else [y]):
            if len(column) and (column == column[0]).all():
                where = f" in column {k}" if y.ndim == 2 else ""
                raise ValueError(
                    f"y has one class{where}, {column[0]:g}; loss={self.name!r} takes −1 and 1"
                )
        return y

    def n_outputs(self, y: Array) -> int:
        """Number of columns of `y`, or 1."""
        return y.shape[1] if y.ndim == 2 else 1

    def domain(self, y: Array) -> tuple[Array, Array]:
        """``0 ≤ −y z ≤ 1``, or without the upper end."""
        positive = np.asarray(y) > 0
        return np.where(positive, -self._largest, 0.0), np.where(positive, 0.0, self._largest)


@dataclass(frozen=True)
class Logistic(_MarginLoss):
    """Logistic loss, ``ℓ(f, y) = log(1 + exp(−y f))`` for ``y = ±1``: ``f`` is the log-odds of 1.

    Examples
    --------
    >>> import numpy as np
    >>> loss, y = Logistic(), np.array([-1.0, 1.0, 1.0])
    >>> loss.value(np.zeros(3), y)  # log 2
    array([0.693147, 0.693147, 0.693147])
    >>> loss.best_intercept(np.zeros(3), y, np.ones(3))  # log 2, two to one
    0.693147
    """

    name: ClassVar[str] = "logistic"
    has_probabilities: ClassVar[bool] = True
    steep: ClassVar[bool] = True
    _largest: ClassVar[float] = 1.0

    def terms(self, f: Array, y: Array) -> Array:
        """``ℓ``, entry by entry."""
        return np.logaddexp(0.0, -y * f)

    def gradient(self, f: Array, y: Array) -> Array:
        """``−y σ(−y f)``."""
        return -y * expit(-y * f)

    def curvature(self, f: Array, y: Array) -> Array:
        """``σ(f) σ(−f)``."""
        return expit(f) * expit(-f)

    def conjugate_gradient(self, z: Array, y: Array) -> Array:
        """``y log((1 − p)/p)`` with ``p = −y z``."""
        p = -y * z
        return y * (np.log1p(-p) - np.log(p))

    def conjugate_curvature(self, z: Array, y: Array) -> Array:
        """``1/(p (1 − p))``."""
        p = -y * z
        return 1 / (p * (1 - p))

    def conjugate_terms(self, z: Array, y: Array) -> Array:
        """``p log p + (1 − p) log(1 − p)``."""
        p = -y * z
        return xlogy(p, p) + xlog1py(1 - p, -p)

    def conjugate_error_terms(self, z: Array, y: Array) -> Array:
        """Bound on the error of `conjugate_terms`, entry by entry."""
        # The derivative, log p − log(1 − p), is unbounded at 1. Since t ↦ −t log t is concave and zero at
        # zero, an error δ = 4 ε p of p changes the second term by at most δ |log δ|; |log 4ε| < 35.
        p = -y * z
        size, rest = np.abs(xlogy(p, p)), np.abs(xlog1py(1 - p, -p))
        return EPS * (56 * size + 48 * rest + 144 * p)

    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """Best intercept of one output."""
        positive, negative = weights[y > 0].sum(), weights[y < 0].sum()
        log_odds = math.log(positive / negative)
        return increasing_root(
            lambda c: float(weights @ self.gradient(f + c, y)),
            log_odds - f.max(),
            log_odds - f.min(),
        )

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``Σ weights ∘ log(1 + exp(−y f))`` in cvxpy."""
        from convexrelu._utils.cvxpy_import import cp

        return cp.sum(cp.multiply(weights_like(weights, y), cp.logistic(cp.multiply(-y, f))))


@dataclass(frozen=True)
class Hinge(_MarginLoss, PiecewiseQuadraticLoss):
    """Hinge loss, ``ℓ(f, y) = max(0, 1 − y f)`` for ``y = ±1``, as in support vector machines.

    Examples
    --------
    >>> import numpy as np
    >>> loss = Hinge()
    >>> f, y = np.array([2.0, 2.0]), np.array([-1.0, 1.0])
    >>> loss.value(f, y), loss.gradient(f, y)
    (array([3., 0.]), array([1., 0.]))
    """

    name: ClassVar[str] = "hinge"
    is_hinge: ClassVar[bool] = True
    bends_at_target: ClassVar[bool] = True
    has_square: ClassVar[bool] = False
    smooth: ClassVar[bool] = False
    _largest: ClassVar[float] = 1.0

    def terms(self, f: Array, y: Array) -> Array:
        """``ℓ``, entry by entry."""
        return np.maximum(1 - y * f, 0)

    def gradient(self, f: Array, y: Array) -> Array:
        """``−y`` where ``y f < 1``, zero elsewhere."""
        return np.where(y * f < 1, -y, 0.0)

    def curvature(self, f: Array, y: Array) -> Array:
        """Zero."""
        return np.zeros_like(f)

    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """The derivative in ``c`` is ``−Σ_{y=1} weights``, and grows by ``weights_i`` at ``c = y_i − f_i``."""
        return weighted_quantile(y - f, weights, float(weights[y > 0].sum() / weights.sum()))

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``Σ weights ∘ max(0, 1 − y f)`` in cvxpy."""
        from convexrelu._utils.cvxpy_import import cp

        return cp.sum(cp.multiply(weights_like(weights, y), cp.pos(1 - cp.multiply(y, f))))


@dataclass(frozen=True)
class SquaredHinge(_MarginLoss, PiecewiseQuadraticLoss):
    """Squared hinge loss, ``ℓ(f, y) = ½ max(0, 1 − y f)²`` for ``y = ±1``.

    Examples
    --------
    >>> import numpy as np
    >>> loss = SquaredHinge()
    >>> f, y = np.array([2.0, 2.0]), np.array([-1.0, 1.0])
    >>> loss.value(f, y), loss.gradient(f, y)
    (array([4.5, 0. ]), array([ 3., -0.]))
    """

    name: ClassVar[str] = "squared_hinge"
    has_square: ClassVar[bool] = True
    _largest: ClassVar[float] = math.inf

    def terms(self, f: Array, y: Array) -> Array:
        """``ℓ``, entry by entry."""
        return np.square(np.maximum(1 - y * f, 0)) / 2

    def gradient(self, f: Array, y: Array) -> Array:
        """``−y max(0, 1 − y f)``."""
        return -y * np.maximum(1 - y * f, 0)

    def curvature(self, f: Array, y: Array) -> Array:
        """One where ``y f < 1``, zero elsewhere."""
        return (y * f < 1).astype(np.float64)

    def best_shift(self, f: Array, y: Array, weights: Array) -> float:
        """Best intercept of one output."""
        # Where all negative samples are beyond their margins, and where all positive ones are.
        first, last = -1 - f[y < 0].max(), 1 - f[y > 0].min()
        if first >= last:  # between the two the loss is zero
            return float(last + (first - last) / 2)
        return increasing_root(lambda c: float(weights @ self.gradient(f + c, y)), first, last)

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``½ ‖√weights ∘ max(0, 1 − y f)‖²`` in cvxpy."""
        from convexrelu._utils.cvxpy_import import cp

        rest = cp.pos(1 - cp.multiply(y, f))
        return 0.5 * cp.sum_squares(cp.multiply(np.sqrt(weights_like(weights, y)), rest))
