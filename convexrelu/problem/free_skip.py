"""Outputs that are not penalised: those of an intercept and of a skip connection without a penalty."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.typing import Array

__all__ = ["free_basis"]

_DEPENDENT = 1e-10  # ratio of singular values at which columns count as linearly dependent


def free_basis(inputs: Array, weights: Array, fit_intercept: bool) -> tuple[Array, float]:
    """Orthonormal columns that span ``√s ∘ (1, X)``, and the condition number of these, scaled.

    Parameters
    ----------
    inputs : array of shape (n, d)
    weights : array of shape (n,)
        Sample weights ``s``.
    fit_intercept : bool
        Whether the column of ones is among them.

    Raises
    ------
    ValueError
        If they are linearly dependent.

    Examples
    --------
    >>> import numpy as np
    >>> basis, condition = free_basis(np.array([[1.0], [-1.0]]), np.array([0.5, 0.5]), True)
    >>> basis.shape, round(condition, 12)
    ((2, 2), 1.0)
    """
    columns = [inputs, np.ones((len(inputs), 1))][: 1 + fit_intercept]
    scaled = np.sqrt(weights)[:, None] * np.hstack(columns)
    scaled /= np.maximum(np.abs(scaled).max(axis=0), np.finfo(np.float64).tiny)
    basis, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    if scaled.shape[1] > len(inputs) or singular[-1] < _DEPENDENT * singular[0]:
        raise ValueError(
            "skip_alpha=0: X has linearly dependent columns (the intercept counts as one), among which a "
            "free skip connection is not unique; leave some out, or use skip_alpha > 0"
        )
    return basis, float(singular[0] / singular[-1])
