"""The loss of several classes, which couples the outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax, xlog1py, xlogy

from convexrelu._utils.typing import Array
from convexrelu.losses.base import EPS, Loss
from convexrelu.losses.dual_domain import class_dual_point

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["Multinomial", "intercept_for"]


_MAX_STEPS = 300  # of Newton's method: about ten, and more for outputs of a hundred and above
_LAST_STEPS = 2  # whatever the objective
_BALANCED = 1e-12  # column sums below this, relative to all entries, are rounding


@dataclass(frozen=True)
class Multinomial(Loss):
    """Cross-entropy of the softmax, ``ℓ(f, y) = log Σ_k exp(f_k) − f_y`` for a class ``y`` in ``0 … K−1``.

    Its conjugate is finite where ``z = p − e_y`` with a distribution ``p`` over classes, and is ``Σ_k p_k log p_k``
    there. The entries of ``z`` off the label determine ``p``; that at the label is used to tell whether ``z`` sums
    to zero, up to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> loss, y = Multinomial(), np.array([0.0, 1.0, 2.0])
    >>> loss.n_outputs(y)
    3
    >>> loss.value(np.zeros((3, 3)), y)  # log 3
    array([1.098612, 1.098612, 1.098612])
    >>> loss.gradient(np.zeros((3, 3)), y).round(2)
    array([[-0.67,  0.33,  0.33],
           [ 0.33, -0.67,  0.33],
           [ 0.33,  0.33, -0.67]])
    """

    name: ClassVar[str] = "multinomial"
    couples_outputs: ClassVar[bool] = True
    takes_labels: ClassVar[bool] = True
    has_probabilities: ClassVar[bool] = True

    def checked_targets(self, y: Array) -> Array:
        """Targets unchanged; a ValueError if they are not 0 … K−1, every one of them present, ``K ≥ 2``."""
        if y.ndim != 1:
            raise ValueError(f"y has shape {y.shape}, expected (n,) with loss={self.name!r}")
        strange = y[(y < 0) | (y != np.floor(y))]
        if len(strange):
            raise ValueError(
                f"y has the entry {strange[0]:g}; loss={self.name!r} takes classes 0, 1, …, K−1"
            )
        present = np.unique(y)
        if len(present) == 1:
            raise ValueError(f"y has one class, {y[0]:g}; loss={self.name!r} takes two or more")
        absent = np.flatnonzero(present != np.arange(len(present)))
        if len(absent):
            raise ValueError(
                f"y has no sample of class {absent[0]}, but one of class {present[-1]:g}; "
                f"loss={self.name!r} takes classes 0, 1, …, K−1"
            )
        return y

    def n_outputs(self, y: Array) -> int:
        """Number of classes ``K``."""
        return int(y.max()) + 1

    def value(self, f: Array, y: Array) -> Array:
        """``log Σ_k exp(f_k) − f_y``."""
        # From the output of the label: where that is largest by far, the loss is a small difference of the two.
        return _log_sum_exp(f - f[np.arange(len(f)), _labels(y)][:, None])

    def gradient(self, f: Array, y: Array) -> Array:
        """``softmax(f) − e_y``, with rows that sum to zero."""
        return _without_label(softmax(f, axis=1), y)

    def value_and_gradient(self, f: Array, y: Array) -> tuple[Array, Array]:
        """Both from the same exponentials, in half the time."""
        f = f - f[np.arange(len(f)), _labels(y)][:, None]
        p, top, rest = _exponentials(f)
        p /= (1.0 + rest)[:, None]
        return top + np.log1p(rest), _without_label(p, y)

    def curvature(self, f: Array, y: Array) -> Array:
        """``diag(p) − p pᵀ`` with ``p = softmax(f)``, of shape (n, K, K)."""
        p = softmax(f, axis=1)
        return p[:, :, None] * (np.eye(f.shape[1]) - p[:, None, :])

    def conjugate(self, z: Array, y: Array) -> Array:
        """``Σ_k p_k log p_k`` at ``p = z + e_y``."""
        others, total = _others(z, y)
        slack = 16 * z.shape[1] * EPS
        outside = (others < 0).any(axis=1) | (total > 1 + slack)
        outside |= np.abs(z.sum(axis=1)) > 2 * slack
        return np.where(outside, np.inf, -_entropy(np.maximum(others, 0.0), np.minimum(total, 1.0)))

    def conjugate_error(self, z: Array, y: Array) -> Array:
        """Bound on the error; points counted as on the boundary are inside after ``z`` is scaled by ``1 − 32 K ε``."""
        # As for the logistic loss, with rounding errors of the others that add up in the rest, p_y.
        others, total = (np.clip(part, 0.0, 1.0) for part in _others(z, y))
        return z.shape[1] * EPS * (64 * _entropy(others, total) + 160 * total)

    def best_intercept(self, f: Array, y: Array, weights: Array) -> Array:
        """Minimiser ``c`` of ``Σ weights_i ℓ(f_i + c, y_i)`` with ``Σ_k c_k = 0``: Newton's method, steps halved."""
        weights = weights / weights.sum()
        n_outputs = f.shape[1]
        wanted = np.bincount(_labels(y), weights, minlength=n_outputs).astype(np.float64)
        if (wanted == 0).any():
            raise ValueError(
                f"y has no sample with weight of class {wanted.argmin()}; with loss={self.name!r} "
                "and an intercept no constant is best"
            )
        return intercept_for(f, weights, wanted)

    def dual_point(self, v: Array, y: Array, weights: Array, balanced: bool) -> Array:
        """Dual point with an intercept that balances the distributions; the remaining sums are subtracted."""
        labels = _labels(y)
        near = class_dual_point(v, labels, weights, False)
        alive = weights > 0
        if balanced and np.abs(near.sum(axis=0)).max() > _BALANCED * np.abs(near).sum():
            with np.errstate(divide="ignore"):
                logits = np.log(_distributions(near[alive], labels[alive], weights[alive]))
            c = self.best_intercept(logits, y[alive], weights[alive])
            near[alive] = -weights[alive, None] * self.gradient(logits + c, y[alive])
        return class_dual_point(near, labels, weights, balanced)

    def expression(self, f: cp.Expression, y: Array, weights: Array) -> cp.Expression:
        """``Σ weights ∘ (log Σ_k exp(f_k) − f_y)`` in cvxpy."""
        from convexrelu._utils.cvxpy_import import cp

        chosen = np.eye(f.shape[1])[_labels(y)]
        terms = cp.log_sum_exp(f, axis=1) - cp.sum(cp.multiply(chosen, f), axis=1)
        return cp.sum(cp.multiply(weights, terms))


def intercept_for(f: Array, weights: Array, wanted: Array) -> Array:
    """The ``c`` with ``Σ weights_i softmax(f_i + c) = wanted`` and ``Σ_k c_k = 0``: Newton's method, steps halved.

    Parameters
    ----------
    f : array of shape (n, K)
    weights : array of shape (n,)
        With sum one.
    wanted : array of shape (K,)
        Positive, with sum one.

    Examples
    --------
    >>> c = intercept_for(np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([0.5, 0.5]), np.array([0.2, 0.8]))
    >>> (softmax(np.array([[0.0, 1.0], [2.0, 0.0]]) + c, axis=1).mean(axis=0)).round(9)
    array([0.2, 0.8])
    """
    if (f == f[0]).all():  # as for the best constant, which is asked for often
        c = np.log(wanted) - f[0]
        return c - c.mean()
    n_outputs, n_roundings = f.shape[1], 8 + math.log2(len(f))

    def objective(c: Array) -> float:
        # NumPy adds in pairs: a product with the weights is off by roundings in proportion to n where terms are equal.
        return float((weights * _log_sum_exp(f + c)).sum() - wanted @ c)

    # A step that scales each class to its share: where one has outputs far above the others, Newton's are too long.
    shares = logsumexp(f - _log_sum_exp(f)[:, None], axis=0, b=weights[:, None])
    c = np.log(wanted) - np.where(np.isfinite(shares), shares, 0.0)
    current, n_last = objective(c), 0
    for _ in range(_MAX_STEPS):
        p = softmax(f + c, axis=1)
        predicted = weights @ p
        # Constants change nothing; 1/K makes the matrix regular without affecting the solution.
        hessian = np.diag(predicted) - (p * weights[:, None]).T @ p + 1 / n_outputs
        hessian[np.diag_indices(n_outputs)] += EPS * predicted.max()
        step = np.linalg.solve(hessian, wanted - predicted)
        decrease = float((wanted - predicted) @ step)
        # The objective is a difference of far larger terms, which are made of outputs that were rounded.
        largest = float(weights @ np.abs(f + c).max(axis=1)) + math.log(n_outputs)
        rounding = n_roundings * EPS * (largest + float(wanted @ np.abs(c)))
        # Too close for the objective to decide: full steps, which double the digits each.
        last = decrease <= rounding
        new = objective(c + step)
        while not last and new > current - 1e-4 * decrease + rounding:
            step, decrease = step / 2, decrease / 2
            last = decrease <= rounding
            new = objective(c + step)
        c, current, n_last = c + step, new, n_last + last
        if n_last == _LAST_STEPS:
            break
    return c - c.mean()


def _log_sum_exp(f: Array) -> Array:
    """``log Σ_k exp(f_k)`` of each row; on small data a tenth of the time of SciPy's, for arrays of any library."""
    _, top, rest = _exponentials(f)
    return top + np.log1p(rest)


def _exponentials(f: Array) -> tuple[Array, Array, Array]:
    """``exp(f_k − max f)``, the maximum of each row, and the sum of the others: what is little is kept beside one."""
    rows, largest = np.arange(len(f)), f.argmax(axis=1)
    top = f[rows, largest]
    powers = np.exp(f - top[:, None])
    powers[rows, largest] = 0.0
    rest = powers.sum(axis=1)
    powers[rows, largest] = 1.0
    return powers, top, rest


def _without_label(p: Array, y: Array) -> Array:
    """``p − e_y`` in place, with rows that sum to zero."""
    rows, labels = np.arange(len(p)), _labels(y)
    p[rows, labels] = 0.0
    p[rows, labels] = -p.sum(axis=1)
    return p


def _labels(y: Array) -> NDArray[np.int64]:
    return y.astype(np.int64)


def _others(z: Array, y: Array) -> tuple[Array, Array]:
    """``p_k`` off the label, with zero at the label, of shape (n, K); and their sums ``1 − p_y``, of shape (n,)."""
    others = z.copy()
    others[np.arange(len(z)), _labels(y)] = 0.0
    return others, others.sum(axis=1)


def _entropy(others: Array, total: Array) -> Array:
    return -xlogy(others, others).sum(axis=1) - xlog1py(1 - total, -total)


def _distributions(v: Array, labels: NDArray[np.int64], weights: Array) -> Array:
    """``p = e_y − V/s``, nonnegative."""
    p = -v / weights[:, None]
    p[np.arange(len(v)), labels] += 1.0
    return np.maximum(p, 0.0)
