"""Where training on many sparse rows starts, if there is no time for descent on a sample: at a linear function.

A step towards the best linear function is two passes over the sparse rows. Descent on a sample works on its dense rows,
of which a few hundred say little where features are as many.
"""

from __future__ import annotations

import math

import numpy as np

from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.least_squares import least_squares_skip
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["linear_start"]

_SHARES = 1.0, 0.5, 0.25  # of the linear function: a smaller one has a smaller penalty


def linear_start(
    problem: ChunkedProblem, template: TrainingProblem, deadline: float = math.inf
) -> TwoLayerNetwork:
    """The best constant, or a multiple of a linear function that is better.

    ``φ(t) − φ(−t)`` is a multiple of ``t``, and two neurons for each output are a linear function: that nearest to the
    steepest descent of the loss at the best constant, ``−ℓ'``, which for the squared error is the best one.

    Parameters
    ----------
    problem : ChunkedProblem
        Rows in memory, sparse or not.
    template : TrainingProblem
        The settings, as they have been checked.
    deadline : float
        Value of :func:`time.perf_counter` after which no step begins.

    Examples
    --------
    >>> X, y = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0], [3.0, 1.0]]), np.array([3.0, 0.0, 17.0, 6.0])
    >>> template = TrainingProblem(X, y, 1e-3)
    >>> network = linear_start(ChunkedProblem.of(template), template)
    >>> network.width, template.objective(network) < 0.01 * template.objective(template.zero_network())
    (2, True)
    """
    weights = problem.sample_weight
    whole = template._replace(X=problem.X, y=problem.y, weights=weights / weights.sum())
    constant = whole.zero_network()
    if whole.slope == -1.0:  # φ is even
        return constant
    weights = whole.weights[:, None]
    downhill = whole.dual_point(whole.no_outputs()).reshape(len(weights), -1)
    downhill = np.where(weights > 0, downhill, 0.0) / np.where(weights > 0, weights, 1.0)
    slopes = least_squares_skip(whole, deadline, downhill)
    if slopes is None:
        return constant
    least = whole.objective(constant)
    for share in _SHARES:
        network = _linear(whole, share * slopes, constant)
        if whole.objective(network) < least:
            return network
    return constant


def _linear(
    problem: TrainingProblem, slopes: np.ndarray, constant: TwoLayerNetwork
) -> TwoLayerNetwork:
    """A constant and a linear function of mean zero, by two neurons for each output."""
    inner = np.vstack([slopes, -slopes]) / (1.0 + problem.slope)
    bias, intercept = np.zeros(len(inner)), constant.output_bias
    shift = slopes @ np.asarray(problem.weights @ problem.X)
    if problem.hidden_bias:  # kinks are where the function is zero
        bias = np.concatenate([-shift, shift]) / (1.0 + problem.slope)
    elif problem.fit_intercept:
        intercept = intercept - shift
    outer = np.hstack([np.eye(len(slopes)), -np.eye(len(slopes))])
    return problem.balanced(
        TwoLayerNetwork(inner, bias, outer, intercept, negative_slope=problem.slope)
    )
