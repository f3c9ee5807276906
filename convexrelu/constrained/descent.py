"""Descent in a class: bounds on inner weights, and outer weights of fixed signs."""

from __future__ import annotations

import math
import time

import numpy as np
from scipy.optimize import Bounds

from convexrelu._utils.typing import Array
from convexrelu.constrained.neuron_class import NeuronClass
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.neuron_map import with_best_intercept
from convexrelu.solvers.nonconvex.descent import begun, continued
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective
from convexrelu.solvers.nonconvex.sketches import Look

__all__ = ["descend_in_class", "polish_in_class"]

# Seconds for each bound, and the part of the time that is left that all may take: SciPy converts them one by one,
# before it looks at a deadline (3e-6 to 5e-6 measured on 434,000).
_BOUND, _SHARE = 5e-6, 0.2


class _ObjectiveOfClass(RoundedObjective):
    """The objective with bounds on the weights: columns have positive units, so that signs are those of the problem."""

    def __init__(
        self, problem: TrainingProblem, neuron_class: NeuronClass, n_neurons: int | None = None
    ) -> None:
        super().__init__(problem, n_neurons)
        self._class = neuron_class

    def random_point(self, random: np.random.RandomState) -> Array:
        """Mirrored into the class: sizes stay as they are."""
        z = super().random_point(random)
        inner, outer, _ = self.parts(z)
        if self._class.positive:
            np.abs(outer, out=outer)
        limits = outer * self._class.limits(inner.shape[1])
        np.copyto(inner, np.where(limits * inner < 0, -inner, inner))
        return z

    def bounds(self, z: Array) -> Bounds:
        """Outer weights keep their sign at `z`."""
        inner, outer, intercept = self.parts(z)
        sign = np.where(outer < 0, -1.0, 1.0)
        limits = np.concatenate(
            [
                (sign * self._class.limits(inner.shape[1])).ravel(),
                sign.ravel(),
                np.zeros(len(intercept)),
            ]
        )
        lower, upper = np.where(limits > 0, 0.0, -np.inf), np.where(limits < 0, 0.0, np.inf)
        return Bounds(lower, upper)


def descend_in_class(
    problem: TrainingProblem,
    neuron_class: NeuronClass,
    random: np.random.RandomState,
    deadline: float = math.inf,
    look: Look | None = None,
) -> TwoLayerNetwork:
    """Train a network of a class from random weights by L-BFGS-B, with less and less smoothing.

    On the way, `look` is shown networks, which are in the class but for a rounding.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.maximum(X[:, 0], 0.2), alpha=1e-3)
    >>> increasing = NeuronClass([1])
    >>> network = descend_in_class(problem, increasing, np.random.RandomState(0))
    >>> increasing.contains(network)
    True
    """
    objective = _ObjectiveOfClass(problem, neuron_class)
    affordable = _affordable(objective, deadline)
    if affordable < objective.n_neurons:
        objective = _ObjectiveOfClass(problem, neuron_class, max(int(affordable), 1))
    network = begun(objective, objective.random_point(random), deadline, look)
    return with_best_intercept(problem, neuron_class.projected(network))


def polish_in_class(
    problem: TrainingProblem,
    neuron_class: NeuronClass,
    network: TwoLayerNetwork,
    deadline: float = math.inf,
    *,
    drop: float = 1e-5,
) -> TwoLayerNetwork:
    """Continue training a network of a class, as :func:`~convexrelu.solvers.nonconvex.descent.polish`."""
    objective = _ObjectiveOfClass(problem, neuron_class, network.width)
    if _affordable(objective, deadline) < network.width:
        return with_best_intercept(problem, neuron_class.projected(network))
    found = continued(objective, network, deadline, drop=drop)
    return with_best_intercept(problem, neuron_class.projected(found))


def _affordable(objective: _ObjectiveOfClass, deadline: float) -> float:
    """Number of neurons whose bounds are converted in time."""
    if math.isinf(deadline):
        return math.inf
    seconds = _BOUND * (len(objective.columns) + 1)
    return _SHARE * max(deadline - time.perf_counter(), 0.0) // seconds
