"""Lower bounds from dual points: the best multiple of one, and the level required for a lower bound."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from convexrelu._utils.norms import sizes
from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["best_on_ray", "best_scale", "level_for", "lower_bound"]

# Error of the best scale, which is about one: at its maximum, the value changes by the square of this.
_WITHIN = 1e-8
_BISECTIONS = 60  # more than the 52 bits of a float


def lower_bound(problem: TrainingProblem, v: Array, bound: float) -> float:
    """Best ``−F*(−tv)`` over ``t ∈ [0, alpha/M̂]``, rounded down.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero (see :meth:`~convexrelu.problem.TrainingProblem.condensed`).
    v : array of shape (n,) or (n, K)
        Dual point of :meth:`~convexrelu.problem.TrainingProblem.dual_point` or
        :meth:`~convexrelu.problem.TrainingProblem.feasible`: with an intercept its sum is exactly zero.
    bound : float
        ``M̂``. If it is at least ``M(v)`` the result is a lower bound on the optimum. Where it is not finite,
        the result is the dual value at ``t = 0``.
    """
    with np.errstate(over="ignore"):
        # Every product of a pricing is below this: if it is finite, none of them has overflowed.
        largest_product = np.square(sizes(v) @ problem.lengths)
    if not (math.isfinite(bound) and math.isfinite(largest_product)):
        return problem.dual(np.zeros_like(v))  # t = 0, which needs no bound
    largest = problem.alpha / bound if bound > problem.alpha * 1e-9 else 1e9
    # One rounding of the quotient must not make the point infeasible.
    largest *= 1 - 4 * float(np.finfo(np.float64).eps)
    return problem.dual(best_scale(problem, v, largest) * v)


def best_scale(problem: TrainingProblem, v: Array, largest: float) -> float:
    """The ``t`` in ``[0, largest]`` with the best ``−F*(−tv)``."""
    largest = _largest_in_domain(problem, v, largest)
    return best_on_ray(lambda t: problem.rough_dual(t * v), largest)


def best_on_ray(dual: Callable[[float], float], largest: float, within: float = _WITHIN) -> float:
    """The ``t`` in ``[0, largest]`` with the largest value of a concave function, the dual along a ray.

    Its error is about `within`, and that of the value the square of it.
    """
    last = dual(largest)
    if math.isfinite(last) and last >= dual(largest * (1 - within)):  # it rises up to the end
        return largest
    unit = abs(last) or 1.0  # SciPy multiplies values, which must not overflow
    inside = minimize_scalar(
        lambda t: -dual(t) / unit,
        bounds=(0.0, largest),
        method="bounded",
        options={"xatol": within * min(largest, 1.0)},
    ).x
    return max((float(t) for t in (0.0, inside, largest, min(largest, 1.0))), key=dual)


def _largest_in_domain(problem: TrainingProblem, v: Array, largest: float) -> float:
    """The largest ``t`` up to `largest` with ``tv`` in the domain of the dual; at least ``min(1, largest)``."""
    if math.isfinite(problem.dual(largest * v)):
        return largest
    inside, outside = min(1.0, largest), largest
    for _ in range(_BISECTIONS):
        middle = math.sqrt(inside * outside)
        if math.isfinite(problem.dual(middle * v)):
            inside = middle
        else:
            outside = middle
    return inside


def level_for(problem: TrainingProblem, v: Array, wanted: float) -> float:
    """Largest ``M̂`` with which ``v`` gives a lower bound of `wanted`; 0 if none does, infinity if all do.

    A proof has to decide whether ``M(v)`` is at most this. Roundings of the dual value are left out: the bound that
    follows from a proof has them.
    """
    if wanted <= problem.rough_dual(np.zeros_like(v)):
        return math.inf
    span = 1.0
    while problem.rough_dual(2 * span * v) > problem.rough_dual(span * v) and span < 1e9:
        span *= 2
    top = best_scale(problem, v, 2 * span)
    if problem.rough_dual(top * v) <= wanted:
        return 0.0
    part = float(brentq(lambda t: problem.rough_dual(t * top * v) - wanted, 0.0, 1.0))
    return problem.alpha / (part * top) if part > 0 else math.inf
