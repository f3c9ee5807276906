"""The mean of networks, as a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["mean_network"]


def mean_network(networks: Sequence[TwoLayerNetwork]) -> TwoLayerNetwork:
    """The network of all neurons whose outputs are the mean of the outputs.

    The networks have the same activation, and no skip connection. The penalty of the result, where every neuron is
    balanced, is the mean of the penalties, or less where neurons can be joined. So the objective, which is convex in
    outputs and in this penalty, is at most the mean of the objectives.

    Examples
    --------
    >>> one = TwoLayerNetwork([[1.0]], [0.0], [[2.0]], [0.0])
    >>> two = TwoLayerNetwork([[-1.0]], [0.0], [[4.0]], [1.0])
    >>> mean_network([one, two]).predict([[3.0], [-3.0]])
    array([3.5, 6.5])
    """
    count = len(networks)
    return TwoLayerNetwork(
        np.concatenate([network.hidden_weights for network in networks]),
        np.concatenate([network.hidden_bias for network in networks]),
        np.concatenate([network.output_weights for network in networks], axis=1) / count,
        np.mean([network.output_bias for network in networks], axis=0),
        negative_slope=networks[0].negative_slope,
    ).balance()
