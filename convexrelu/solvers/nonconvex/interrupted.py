"""Ctrl-C during descent: the network that it had reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.programs.neuron_map import with_best_intercept
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective

__all__ = ["DescentInterrupted", "Reached", "handing_over"]


class DescentInterrupted(KeyboardInterrupt):
    """An interruption that brings the network of the last step.

    Parameters
    ----------
    network : TwoLayerNetwork
    """

    def __init__(self, network: TwoLayerNetwork) -> None:
        super().__init__("descent was interrupted")
        self.network = network


@dataclass(eq=False)
class Reached:
    """The point of the last step; None before the first one."""

    point: Array | None = None


@contextmanager
def handing_over(objective: RoundedObjective) -> Iterator[Reached]:
    """Turn an interruption of the block into one that brings the network of the last step, if there was a step.

    Parameters
    ----------
    objective : RoundedObjective
        What is minimised.

    Yields
    ------
    Reached
        The block keeps its point up to date.

    Examples
    --------
    >>> from convexrelu import TrainingProblem
    >>> problem = TrainingProblem([[0.0], [1.0], [2.0]], [0.0, 0.0, 1.0], alpha=1e-3)
    >>> network = TwoLayerNetwork([[1.0]], [-1.0], [[1.0]], [0.0])
    >>> objective = RoundedObjective(problem, network.width)
    >>> try:
    ...     with handing_over(objective) as reached:
    ...         reached.point = objective.point(network)
    ...         raise KeyboardInterrupt
    ... except DescentInterrupted as interruption:
    ...     print(interruption.network.width)
    1
    """
    reached = Reached()
    try:
        yield reached
    except KeyboardInterrupt as interruption:
        if reached.point is None:
            raise
        point = reached.point.astype(np.float64)
        network = objective.network(objective.balanced(point))
        raise DescentInterrupted(with_best_intercept(objective.problem, network)) from interruption
