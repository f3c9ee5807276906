"""The lasso over given columns."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
from scipy.linalg import null_space, solve_triangular
from sklearn.exceptions import ConvergenceWarning

from convexrelu._utils.deadlines import svd_fits
from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.threshold.units import Units

__all__ = ["solve_lasso"]


# Columns count as dependent where a singular value is below this fraction of the largest one.
_RANK_TOL = 1e-9


def solve_lasso(problem: TrainingProblem, units: Units, deadline: float = math.inf) -> Units:
    """Best weights for given columns: coordinate descent, then an active-set method, in time."""
    from sklearn.linear_model import Lasso

    scales = problem.units()
    center, tau = scales.center, scales.tau
    columns, targets = units.masks.T.astype(np.float64), (problem.y - center) / tau
    lasso = Lasso(
        alpha=problem.alpha / tau,
        fit_intercept=problem.fit_intercept,
        tol=1e-8,
        max_iter=10_000,
        warm_start=True,
    )
    lasso.coef_ = units.weights / tau
    with warnings.catch_warnings():
        # The gap is measured by the certificate.
        warnings.simplefilter("ignore", ConvergenceWarning)
        lasso.fit(columns, targets, sample_weight=problem.weights)
    alpha = problem.alpha / tau
    weights = _polished(problem, columns, targets, lasso.coef_, alpha, deadline) * tau
    intercept = problem.best_intercept(columns @ weights)
    return replace(units, weights=weights, intercept=intercept)


def _polished(
    problem: TrainingProblem,
    columns: Array,
    targets: Array,
    weights: Array,
    alpha: float,
    deadline: float,
) -> Array:
    """Newton's step on the nonzero weights, cut off where the first of them becomes zero, and repeated.

    While no sign changes, the objective is quadratic, so no step raises it. In the end the columns with nonzero weights
    are linearly independent, if a step that removes the last of the others begins before the deadline.
    """
    root = np.sqrt(problem.weights)
    if problem.fit_intercept:  # eliminated: columns and targets about their weighted means
        columns = columns - problem.weights @ columns
        targets = targets - problem.weights @ targets
    weights = weights.copy()
    while len(used := np.flatnonzero(weights)):
        if not svd_fits((len(targets), len(used)), deadline):
            break
        design, signs = root[:, None] * columns[:, used], np.sign(weights[used])
        q, r = np.linalg.qr(design)
        null = null_space(r, rcond=_RANK_TOL)
        if null.shape[1]:
            # Only the penalty changes in this direction: move so that it does not rise.
            step, longest = null[:, 0] * -np.sign(signs @ null[:, 0] or 1.0), np.inf
        else:
            best = solve_triangular(r, q.T @ (root * targets))
            best -= solve_triangular(r, solve_triangular(r, alpha * signs, trans=1))
            step, longest = best - weights[used], 1.0
        shrinking = signs * step < 0
        ratios = np.full(len(used), np.inf)
        ratios[shrinking] = -weights[used][shrinking] / step[shrinking]
        if ratios.min() >= longest:
            weights[used] += step
            return weights
        gone = ratios.argmin()
        weights[used] += ratios[gone] * step
        weights[used[gone]] = 0.0
    return weights
