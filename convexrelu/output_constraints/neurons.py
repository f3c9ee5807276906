"""Fewer neurons for programs: nearly equal ones joined, or the largest."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["joined", "largest"]

_NO_SIZE = 1e-6  # part of the sum of sizes of those that are dropped


def joined(directions: Array, sizes: Array, cosine: float) -> Array:
    """Means of directions that are close, without those of hardly any size."""
    units = unit_rows(directions)
    leaders: list[int] = []  # positions
    sums: list[Array] = []
    for j in np.argsort(-sizes, kind="stable"):
        if sizes[j] < _NO_SIZE * sizes.sum():
            break
        close = np.flatnonzero(units[leaders] @ units[j] > cosine)
        if len(close):
            sums[close[0]] += sizes[j] * units[j]
        else:
            leaders.append(int(j))
            sums.append(sizes[j] * units[j])
    return np.array(sums)


def largest(network: TwoLayerNetwork, most: int) -> TwoLayerNetwork:
    """The neurons with the largest contributions."""
    sizes = norms(network.augmented_weights()) * norms(network.output_weights.T)
    kept = np.sort(np.argsort(-sizes, kind="stable")[:most])
    return network.with_neurons(kept)
