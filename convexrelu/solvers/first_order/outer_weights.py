"""Optimal outer weights for given inner directions: a group lasso.

With several outputs, the direction ``g_j`` of a neuron's outer weights is as continuous as that of its inner weights,
and pricing returns pairs of a pattern and one ``g``: many of them would have to be mixed to give a neuron the
right direction. But for fixed inner directions ``w̃_j``, of length one, one convex program gives all outer weights::

    min_{a, c}  F(Σ_j φ(X̃w̃_j) a_jᵀ + c) + alpha Σ_j ‖a_j‖

The program over patterns is the same with the ``g_j = a_j/‖a_j‖`` fixed and the inner weights free in their cones: this
alternates between two convex programs, each started from the solution of the other, so the objective only decreases.
"""

from __future__ import annotations

import math

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.activation import activate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.neuron_map import with_best_intercept
from convexrelu.solvers.first_order.accelerated import accelerated, shrunk

__all__ = ["with_best_outer_weights"]


_MAX_STEPS = 300  # a limit; no measurement is recorded
_ACCURACY = 1e-7  # stop at this relative change of the weights in a step


def with_best_outer_weights(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    directions: Array,
    deadline: float = math.inf,
) -> TwoLayerNetwork:
    """A network's neurons and more inner directions, with outer weights that are nearly optimal for them.

    Proximal gradient steps, :func:`~convexrelu.solvers.first_order.accelerated.accelerated`, start from the network's
    own outer weights. The intercept is eliminated at every step; a skip connection stays as it is.

    Parameters
    ----------
    problem : TrainingProblem
        With a smooth loss.
    network : TwoLayerNetwork
    directions : array of shape (k, d̃)
        Unit vectors, for the design.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.

    Returns
    -------
    TwoLayerNetwork
        Balanced, with the best intercept; neurons of equal directions are merged. Its objective may exceed that of
        `network` by the error that remains after three hundred steps.

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
    start = np.zeros((len(inner), problem.n_outputs))
    start[: len(own)] = lengths[:, None] * network.output_weights.T
    outer = _GroupLasso(problem, inner, network.skip_weights).solve(start, deadline)
    sizes = norms(outer)
    kept = sizes > 0
    found = problem.network(
        inner[kept] * sizes[kept, None],
        outer[kept] / sizes[kept, None],
        np.zeros(problem.n_outputs),
        network.skip_weights,
    )
    return with_best_intercept(problem, problem.merged(found))


class _GroupLasso:
    """``min_A F(HA + XSᵀ + c) + alpha Σ_j ‖a_j‖`` with the best intercept."""

    def __init__(self, problem: TrainingProblem, inner: Array, skip: Array | None) -> None:
        self.problem = problem
        self.hidden = activate(problem.design @ inner.T, problem.slope)
        self.fixed = problem.no_outputs() if skip is None else problem.X @ skip.T

    def solve(self, start: Array, deadline: float = math.inf) -> Array:
        """Solve from a start of shape (m, K)."""
        scaled = np.sqrt(self.problem.weights)[:, None] * self.hidden
        curvature = float(np.linalg.norm(scaled, 2)) ** 2 or 1.0
        outer, _ = accelerated(
            self.fit,
            lambda z, curvature: shrunk(z, self.problem.alpha / curvature),
            start,
            curvature,
            max_steps=_MAX_STEPS,
            accuracy=_ACCURACY,
            deadline=deadline,
        )
        return outer

    def fit(self, outer: Array) -> tuple[float, Array]:
        """``F`` at the best intercept, and its gradient in ``A``."""
        problem = self.problem
        outputs = self.fixed + (self.hidden @ outer).reshape(self.fixed.shape)
        outputs = outputs + problem.best_intercept(outputs)
        slopes = (problem.weights * problem.loss.gradient(outputs, problem.y).T).T
        return problem.data_fit(outputs), self.hidden.T @ slopes.reshape(len(slopes), -1)
