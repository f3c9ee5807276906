"""Dynamical losses: the weights of the classes cycle during training."""

from __future__ import annotations

import numbers

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number
from convexrelu._utils.typing import Array

__all__ = ["DynamicalLoss"]


class DynamicalLoss:
    """Weights of samples that emphasise one class after the other.

    In each period one class has a weight that rises linearly from 1 to `amplitude` and falls back; the other weights
    are 1. All are scaled so that they sum to the number of classes. A schedule for
    :func:`~convexrelu.baselines.descend`.

    Parameters
    ----------
    classes : array of shape (n,)
        The class of each sample.
    amplitude : float
        Largest weight relative to those of the other classes, at least 1; 1 is the usual loss.
    period : int
        Steps for each class.

    References
    ----------
    Ruiz-Garcia, Zhang, Schoenholz & Liu 2021, "Tilting the playing field: dynamical loss functions for machine
    learning", ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.baselines import DynamicalLoss
    >>> schedule = DynamicalLoss([0, 1], amplitude=3.0, period=10)
    >>> schedule.class_weights(0), schedule.class_weights(5), schedule.class_weights(15)
    (array([1., 1.]), array([1.5, 0.5]), array([0.5, 1.5]))
    """

    def __init__(self, classes: ArrayLike, *, amplitude: float = 10.0, period: int = 100) -> None:
        check_number("amplitude", amplitude, numbers.Real, 1)
        check_number("period", period, numbers.Integral, 2)
        labels = np.asarray(classes)
        if labels.ndim != 1 or len(labels) == 0:
            raise ValueError(f"classes has shape {labels.shape}, expected (n,)")
        self.names, self._index = np.unique(labels, return_inverse=True)
        self.amplitude = float(amplitude)
        self.period = int(period)

    def class_weights(self, step: int) -> Array:
        """Weight of each class at a step, in the order of their names; they sum to the number of classes."""
        weights = np.ones(len(self.names))
        turn, within = divmod(step, self.period)
        height = 1.0 - abs(2.0 * within / self.period - 1.0)
        weights[turn % len(weights)] += (self.amplitude - 1.0) * height
        return np.asarray(weights * len(weights) / weights.sum())

    def __call__(self, step: int, y: Array, weights: Array) -> tuple[Array, Array]:
        """Targets, which stay, and weights of the samples at a step."""
        return y, weights * self.class_weights(step)[self._index]
