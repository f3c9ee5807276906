"""Networks with nearly equal neurons joined, or without those that have vanished: descent leaves many of both."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["with_joined_neurons", "without_vanished"]

_VANISHED = 1e-4  # part of the largest neuron's weight below which others have vanished


def with_joined_neurons(
    problem: TrainingProblem, network: TwoLayerNetwork, cosine: float
) -> TwoLayerNetwork:
    """The network with neurons joined whose directions, inner and outer, have at least this cosine.

    From the largest neuron on, each is joined with all that are near it and left: to one neuron with the sum of their
    directions. The penalty does not rise, and the function hardly changes.

    Parameters
    ----------
    problem : TrainingProblem
        Any with the settings of the network.
    network : TwoLayerNetwork
    cosine : float

    Returns
    -------
    TwoLayerNetwork
        Balanced.

    Examples
    --------
    >>> problem = TrainingProblem([[0.0], [1.0], [2.0]], [0.0, 0.0, 1.0], alpha=1e-3)
    >>> network = TwoLayerNetwork([[1.0], [1.0]], [-1.0, -1.001], [[0.5, 0.5]], [0.0])
    >>> with_joined_neurons(problem, network, 0.999).width
    1
    """
    network = problem.balanced(network).prune()
    outer = unit_rows(network.output_weights.T)
    directions = problem.directions(network) * norms(network.output_weights.T)[:, None]
    lengths = norms(directions)
    inner = unit_rows(directions)
    near = (inner @ inner.T >= cosine) & (outer @ outer.T >= cosine)
    left = np.ones(len(lengths), dtype=bool)
    groups = []
    for first in np.argsort(-lengths, kind="stable"):
        if left[first]:
            near[first, first] = True  # whatever is rounded
            groups.append(near[first] & left)
            left &= ~near[first]
    return problem.network(
        _sums(directions, groups),
        unit_rows(_sums(lengths[:, None] * outer, groups)),
        network.output_bias,
    )


def without_vanished(network: TwoLayerNetwork) -> TwoLayerNetwork:
    """The network without neurons that are nearly zero."""
    sizes = norms(network.augmented_weights()) * norms(network.output_weights.T)
    return network.with_neurons(sizes > _VANISHED * sizes.max(initial=0.0))


def _sums(vectors: Array, groups: list[Array]) -> Array:
    rows = [vectors[group].sum(axis=0) for group in groups]
    return np.array(rows).reshape(-1, vectors.shape[1])
