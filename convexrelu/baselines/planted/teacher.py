"""Planted teachers, and how far a network is from one, neuron by neuron."""

from __future__ import annotations

import numbers

import numpy as np
from scipy.optimize import linear_sum_assignment

from convexrelu._utils.arguments import check_number, check_type
from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["neuron_error", "planted_network"]


def planted_network(
    n_features: int,
    width: int,
    *,
    bias_scale: float = 0.5,
    random_state: int | np.random.RandomState | None = None,
) -> TwoLayerNetwork:
    """A random teacher: unit weights, Gaussian biases, and outer weights between 1 and 2 of either sign.

    Examples
    --------
    >>> planted_network(5, 3, random_state=0)
    TwoLayerNetwork(width=3, n_features=5, n_outputs=1)
    """
    check_number("n_features", n_features, numbers.Integral, 1)
    check_number("width", width, numbers.Integral, 1)
    check_number("bias_scale", bias_scale, numbers.Real, 0)
    random = checked_random_state(random_state)
    weights = unit_rows(random.standard_normal((width, n_features)))
    bias = bias_scale * random.standard_normal(width)
    outer = random.choice([-1.0, 1.0], width) * random.uniform(1.0, 2.0, width)
    return TwoLayerNetwork(weights, bias, outer[None], [0.0])


def neuron_error(network: TwoLayerNetwork, teacher: TwoLayerNetwork) -> float:
    """Largest difference in weights, bias or outer weight, with neurons at unit weights and paired as well as possible.

    Infinite where `network` has fewer neurons than `teacher`; of more, the best are taken.

    Examples
    --------
    >>> teacher = TwoLayerNetwork([[1.0], [-1.0]], [0.5, 0.0], [[1.0, 2.0]], [0.0])
    >>> scaled = TwoLayerNetwork([[-2.0], [3.0]], [0.0, 1.5], [[1.0, 0.333]], [0.0])
    >>> round(neuron_error(scaled, teacher), 6)
    0.001
    """
    check_type("network", network, TwoLayerNetwork)
    check_type("teacher", teacher, TwoLayerNetwork)
    if network.n_features != teacher.n_features:
        raise ValueError(
            f"network takes {network.n_features} features, expected {teacher.n_features} as the teacher"
        )
    found, wanted = _normalised(network), _normalised(teacher)
    if len(found) < len(wanted):
        return float("inf")
    distances = np.abs(wanted[:, None] - found[None]).max(axis=2)
    pairs = linear_sum_assignment(distances)
    return float(distances[pairs].max(initial=0.0))


def _normalised(network: TwoLayerNetwork) -> Array:
    """Rows (weights of unit length, bias, outer weight)."""
    lengths = norms(network.hidden_weights)
    kept = lengths > 0
    scaled = network.augmented_weights()[kept] / lengths[kept, None]
    return np.column_stack([scaled, network.output_weights[0, kept] * lengths[kept]])
