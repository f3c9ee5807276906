"""Kernel ridge regression with sample weights and an unpenalised intercept."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.kernel_ridge import KernelRidge

from convexrelu._utils.typing import Array

__all__ = ["kernel_ridge"]


def kernel_ridge(
    K: Array, y: Array, alpha: float, *, weights: Array, fit_intercept: bool
) -> tuple[Array, Any]:
    """Minimise ``Σ_i s_i (y_i − f(x_i) − c)² + alpha ‖f‖²_K`` over ``f = Σ_i a_i k(x_i, ·)`` and ``c``.

    The optimality conditions are ``(K + alpha S⁻¹) a + c1 = y`` and ``1ᵀa = 0``: with the solutions for ``y`` and for
    a vector of ones as targets, ``c`` is the quotient of their sums.

    Parameters
    ----------
    K : array of shape (n, n)
        Kernel matrix, positive semidefinite.
    y : array of shape (n,) or (n, K)
        Targets.
    alpha : float
        Positive.
    weights : array of shape (n,)
        ``s``, non-negative, not all zero.
    fit_intercept : bool
        If False, ``c = 0``.

    Returns
    -------
    coefficients : array shaped like `y`
        ``a``.
    intercept : float or array of shape (K,)
        ``c``.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([-1.0, 0.0, 4.0])
    >>> a, c = kernel_ridge(np.outer(X, X), 3 * X + 1, 1e-6, weights=np.ones(3), fit_intercept=True)
    >>> (X @ a).round(4), c.round(4)
    (np.float64(3.0), np.float64(1.0))
    """
    ridge = KernelRidge(alpha=alpha, kernel="precomputed")
    if not fit_intercept:
        return ridge.fit(K, y, weights).dual_coef_, np.zeros(y.shape[1:])[()]
    # For targets far from zero, most of the fit is the intercept.
    mean = np.average(y, axis=0, weights=weights)
    targets = np.column_stack([y - mean, np.ones(len(y))])
    solutions = ridge.fit(K, targets, weights).dual_coef_
    a, of_ones = solutions[:, :-1].reshape(y.shape), solutions[:, -1]
    shift = a.sum(axis=0) / of_ones.sum()
    return a - np.multiply.outer(of_ones, shift), mean + shift
