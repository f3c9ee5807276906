"""The best linear function of the inputs, or one on the way to it: a skip connection without the time for its basis."""

from __future__ import annotations

import math
import time

import numpy as np
from scipy.sparse import issparse

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["least_squares_skip"]

# Steps at most, the drop of the squared gradient that ends them, and what a pass over the inputs costs for each entry.
_STEPS, _SMALL, _PASS = 50, 1e-16, 30
# Part of a column's squares that its centred ones must exceed; other columns are constant, and have no weight.
_FLAT = 1e-11


def least_squares_skip(
    problem: TrainingProblem, deadline: float = math.inf, targets: Array | None = None
) -> Array | None:
    """Weights ``S`` of steps towards the minimum of ``Σ_i s_i ‖S x_i + c − y_i‖²`` over ``S`` and ``c``.

    Conjugate gradients on the normal equations, of centred columns of length one that are never written down: a step is
    two passes over the inputs, which stay sparse, and lowers the sum, so that any number of steps is better than none.

    Parameters
    ----------
    problem : TrainingProblem
    deadline : float
        Value of :func:`time.perf_counter` after which no step begins.
    targets : array of shape (n, K), optional
        Instead of those of the problem, and with a mean of zero if there is an intercept.

    Returns
    -------
    array of shape (K, d) or None
        None without the time for a step, or if it overflows.

    References
    ----------
    Björck, Å. (1996). *Numerical Methods for Least Squares Problems*, section 7.4: CGLS.

    Examples
    --------
    >>> problem = TrainingProblem([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0], [3.0, 1.0]], [3.0, 0.0, 17.0, 6.0], 0.1)
    >>> least_squares_skip(problem).round(6)
    array([[1., 3.]])
    """
    s = problem.weights[:, None]
    if not product_fits(4.0 * _PASS * problem.n_entries + problem.work_of_reading, deadline):
        return None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        columns = _Columns(problem)
        if targets is None:
            targets = problem.y - problem.best_intercept(problem.no_outputs())
        rest = np.reshape(targets, (len(s), -1))
        found = np.zeros((problem.n_features, rest.shape[1]))
        gradient = columns.moments(s * rest)
        ahead, size = gradient, np.square(gradient).sum(axis=0)
        enough = _SMALL * size
        for _ in range(_STEPS):
            if (size <= enough).all() or time.perf_counter() >= deadline:
                break
            moved = columns.outputs(ahead)
            curvature = (s * np.square(moved)).sum(axis=0)
            length = np.where(curvature > 0, size / np.where(curvature > 0, curvature, 1.0), 0.0)
            found, rest = found + length * ahead, rest - length * moved
            gradient, before = columns.moments(s * rest), size
            size = np.square(gradient).sum(axis=0)
            ahead = gradient + size / np.where(before > 0, before, 1.0) * ahead
        weights = (found / columns.lengths).T
    return weights if weights.any() and np.isfinite(weights).all() else None


class _Columns:
    """Columns of the inputs, centred where there is an intercept, and of length one in the norm of the samples."""

    def __init__(self, problem: TrainingProblem) -> None:
        self.X, s = problem.X, problem.weights
        self.centre = np.asarray(s @ self.X) * float(problem.fit_intercept)
        squares = np.asarray(
            s @ (self.X.multiply(self.X) if issparse(self.X) else np.square(self.X))
        )
        rest = squares - self.centre**2  # without meaning where rounding may be as large
        self.lengths = np.sqrt(np.where(rest > _FLAT * squares, rest, np.inf))[:, None]

    def outputs(self, weights: Array) -> Array:
        """Of shape (n, K)."""
        scaled = weights / self.lengths
        return self.X @ scaled - self.centre @ scaled

    def moments(self, rows: Array) -> Array:
        """The transposed map, of shape (d, K)."""
        return (self.X.T @ rows - np.outer(self.centre, rows.sum(axis=0))) / self.lengths
