"""What to say of a penalty outside the range of useful ones."""

from __future__ import annotations

import math
import time
from functools import partial

from convexrelu._utils.deadlines import product_fits
from convexrelu.chunked.group import Alone
from convexrelu.chunked.largest_penalty import proved_largest_penalty
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.oracles.for_problem import relaxation_for
from convexrelu.problem.largest_penalty import at_least_largest_penalty, work_of_largest_penalty
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["complaint_about"]

# A penalty this many times the largest useful one is reported: a bound by twice is beyond doubt, and grids of
# cross-validation end below.
_TOO_LARGE = 2.0
# So is a penalty below the first fraction of it; below the second, which is the smallest on the grids of
# cross-validation, if the largest useful one is so large that data were not standardised: then it is below about one.
_TOO_SMALL, _SMALL, _STANDARD = 1e-6, 1e-3, 10.0


def complaint_about(problem: TrainingProblem, deadline: float = math.inf) -> str:
    """What to say of a penalty that is far outside the useful range; empty for others.

    Nothing is said of constant targets, for which all penalties are the same, nor of threshold and gated networks,
    which are penalised in another way, nor where finding out would take until the deadline.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> complaint_about(TrainingProblem(X, 1e-4 * np.abs(X[:, 0]), alpha=1e-2))
    'alpha=0.01 is 2e+03 times the largest useful penalty, about 5.4e-06: the network is constant'
    >>> complaint_about(TrainingProblem(X, 1e9 * np.abs(X[:, 0]), alpha=1e-2))
    'alpha=0.01 is 2e-10 of the largest useful penalty, about 5.4e+07'
    >>> complaint_about(TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-2))
    ''
    """
    if problem.activation in ("threshold", "gated_relu") or _is_constant(problem):
        return ""
    fits = product_fits(work_of_largest_penalty(problem), deadline)
    if not (fits and problem.free_basis_fits(deadline)):
        return ""
    alpha, largest = problem.alpha, at_least_largest_penalty(problem)
    if alpha >= _TOO_LARGE * largest:
        if alpha < _TOO_LARGE * _proved_largest(problem, deadline) or not largest:
            return ""
        return (
            f"alpha={alpha:.2g} is {alpha / largest:.1g} times the largest useful penalty, about {largest:.2g}: the "
            "network is constant"
        )
    if alpha >= (_SMALL if largest > _STANDARD else _TOO_SMALL) * largest:
        return ""
    return f"alpha={alpha:.2g} is {alpha / largest:.1g} of the largest useful penalty, about {largest:.2g}"


def _proved_largest(problem: TrainingProblem, deadline: float) -> float:
    """A bound on the smallest penalty at which the network is constant, from above; infinite without time for it."""
    plain = problem.loss.smooth and not (problem.skip or problem.free_bias)
    if problem.stays_sparse and plain:
        seconds = deadline - time.perf_counter()
        return proved_largest_penalty(ChunkedProblem.of(problem), Alone(), time_limit=seconds)
    if not problem.design_fits(deadline):
        return math.inf
    return problem.alpha_max(partial(relaxation_for(problem), deadline=deadline))


def _is_constant(problem: TrainingProblem) -> bool:
    """Whether an intercept fits all targets."""
    targets = problem.y[problem.weights > 0]
    return problem.fit_intercept and bool((targets == targets[0]).all())
