"""Few neurons for nearly the same objective: close neurons become one."""

from __future__ import annotations

import math
import time

from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.minimal import minimal
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["compact"]

# Distances of neurons that may become one, in units of the data; the largest that keeps the objective is taken.
_TOLERANCES = (0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 1e-4, 1e-6)


def compact(
    network: TwoLayerNetwork,
    problem: TrainingProblem,
    highest: float,
    *,
    deadline: float = math.inf,
) -> TwoLayerNetwork:
    """The network of :func:`minimal`, with neurons that are close to each other merged.

    Training ends with a gap, and up to this gap a neuron may be spread over several that differ little.

    Parameters
    ----------
    network : TwoLayerNetwork
        Any network.
    problem : TrainingProblem
        With any loss.
    highest : float
        Objective that the result may have at most, if that of `network` is not above it.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop, with the best network so far.

    Returns
    -------
    TwoLayerNetwork
        Balanced. It has at most the neurons of :func:`minimal`; its outputs on the training data may differ.

    Examples
    --------
    Two kinks of a hundredth apart count as one, if the objective may rise by a thousandth.

    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, TwoLayerNetwork
    >>> from convexrelu.optimal_set import compact, minimal
    >>> X = np.linspace(-1, 1, 400)[:, None]
    >>> problem = TrainingProblem(X, np.maximum(X[:, 0], 0), alpha=0.1)
    >>> wide = TwoLayerNetwork([[1.0], [1.0]], [0.0, 0.01], [[0.4, 0.4]], [0.0])
    >>> highest = 1.001 * problem.objective(wide)
    >>> minimal(wide, problem).width, compact(wide, problem, highest).width
    (2, 1)
    """
    best = minimal(network, problem, deadline=deadline)
    for tolerance in _TOLERANCES:
        if time.perf_counter() > deadline:
            break
        merged = best.merge(tolerance, free_bias=problem.free_bias, X=problem.X)
        if merged.width == best.width:  # smaller tolerances merge no more
            break
        if problem.objective(merged) <= highest:
            return merged
    return best
