"""Networks that training may begin with."""

from __future__ import annotations

import math

from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["check_network"]


def check_network(start: TwoLayerNetwork, problem: TrainingProblem) -> None:
    """Raise a ValueError for a start that does not fit the problem; it calls the network `start`."""
    if start.n_features != problem.n_features:
        raise ValueError(f"start takes {start.n_features} features, expected {problem.n_features}")
    if start.n_outputs != problem.n_outputs:
        raise ValueError(f"start has {start.n_outputs} outputs, expected {problem.n_outputs}")
    if start.negative_slope != problem.slope:
        raise ValueError(
            f"start has a slope of {start.negative_slope} on the left, expected {problem.slope}"
        )
    if start.skip_weights is not None and not problem.skip:
        raise ValueError("start has a skip connection, expected none")
    if not math.isfinite(problem.objective(start)):
        raise ValueError("start has weights so large that its objective overflows float64")
