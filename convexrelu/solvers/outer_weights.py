"""Outer weights at their best for given inner directions: a group lasso.

With several outputs, the direction ``g_j`` of a neuron's outer weights is as continuous as that of its inner weights,
and pricing hands out pairs of a pattern and one ``g``: many of them would have to be mixed before a neuron has the
right one. But for fixed inner directions ``w̃_j``, of length one, all outer weights are had at once::

    min_{a, c}  F(Σ_j φ(X̃w̃_j) a_jᵀ + c) + alpha Σ_j ‖a_j‖

The master then is the same with the ``g_j = a_j/‖a_j‖`` fixed and the inner weights free in their cones: alternation
between two convex programmes, each started from the solution of the other, so that the objective only falls.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu.network import TwoLayerNetwork
from convexrelu.norms import norms
from convexrelu.oracles.base import activate
from convexrelu.problem import TrainingProblem
from convexrelu.solvers.recovery import with_best_intercept

__all__ = ["with_best_outer_weights"]

Array = NDArray[np.float64]

_MAX_STEPS = 300
_ACCURACY = 1e-7  # relative change of the weights in a step that is the last
_CURVATURE_FALLS = 0.95  # each step, where it was found by trial
_ROUNDING = 1e-12


def with_best_outer_weights(
    problem: TrainingProblem, network: TwoLayerNetwork, directions: Array
) -> TwoLayerNetwork:
    """A network's neurons and more inner directions, with outer weights that are nearly optimal for them.

    By accelerated proximal gradient steps that restart where the momentum points uphill (Beck & Teboulle 2009;
    O'Donoghue & Candès 2015), from the network's own outer weights. The intercept is eliminated at every step.

    Parameters
    ----------
    problem : TrainingProblem
        With a smooth loss.
    network : TwoLayerNetwork
    directions : array of shape (k, d̃)
        Unit vectors, for the design.

    Returns
    -------
    TwoLayerNetwork
        Balanced, with the best intercept; neurons of equal directions are joined. Its objective may be above that of
        `network` by what three hundred steps leave.

    Notes
    -----
    A step costs ``4 n m K`` operations for ``m`` directions in all. Memory ``8 n m`` bytes.

    Examples
    --------
    >>> import numpy as np
    >>> problem = TrainingProblem([[-1.0], [1.0]], [[1.0, 2.0], [1.0, 2.0]], 0.01, activation="absolute_value",
    ...                           hidden_bias=False, fit_intercept=False)
    >>> network = with_best_outer_weights(problem, problem.zero_network(), np.array([[1.0]]))
    >>> network.predict([[1.0]]).round(3)  # (1 − alpha/√5) (1, 2)
    array([[0.996, 1.991]])
    """
    network = network.prune()
    own = problem.directions(network)
    lengths = norms(own)
    inner = np.vstack([own / lengths[:, None], directions])
    outer = np.zeros((len(inner), problem.n_outputs))
    outer[: len(own)] = lengths[:, None] * network.output_weights.T
    outer = _group_lasso(problem, activate(problem.design @ inner.T, problem.slope), outer)
    sizes = norms(outer)
    kept = sizes > 0
    found = problem.network(
        inner[kept] * sizes[kept, None],
        outer[kept] / sizes[kept, None],
        np.zeros(problem.n_outputs),
    )
    return with_best_intercept(problem, problem.merged(found))


def _group_lasso(problem: TrainingProblem, hidden: Array, start: Array) -> Array:
    """``min_A F(HA) + alpha Σ_j ‖a_j‖`` with the best intercept, from a start of shape (m, K)."""
    curvature = float(np.linalg.norm(np.sqrt(problem.weights)[:, None] * hidden, 2)) ** 2
    a, y, t = start, start, 1.0
    for _ in range(_MAX_STEPS):
        value, gradient = _fit(problem, hidden, y)
        while True:
            following = _shrunk(y - gradient / curvature, problem.alpha / curvature)
            step = following - y
            bound = value + np.vdot(gradient, step) + 0.5 * curvature * np.vdot(step, step)
            reached = _fit(problem, hidden, following)[0]
            if reached <= bound + _ROUNDING * abs(value) or curvature == 0:
                break
            curvature *= 2.0
        if np.vdot(y - following, following - a) > 0:
            t = 1.0
        t_next = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t))
        moved = following - a
        a, y, t = following, following + (t - 1.0) / t_next * moved, t_next
        if np.linalg.norm(moved) <= _ACCURACY * np.linalg.norm(a):
            break
    return a


def _fit(problem: TrainingProblem, hidden: Array, outer: Array) -> tuple[float, Array]:
    """``F(HA + c)`` at the best ``c``, and its gradient in ``A``."""
    shape = problem.y.shape if problem.n_outputs == 1 else (len(hidden), problem.n_outputs)
    outputs = (hidden @ outer).reshape(shape)
    outputs = outputs + problem.best_intercept(outputs)
    slopes = (problem.weights * problem.loss.gradient(outputs, problem.y).T).T
    return problem.data_fit(outputs), hidden.T @ slopes.reshape(len(hidden), -1)


def _shrunk(rows: Array, level: float) -> Array:
    lengths = norms(rows)[:, None]
    return rows * np.maximum(1.0 - level / np.where(lengths > 0, lengths, np.inf), 0.0)
