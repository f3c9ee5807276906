"""Helpers for displays: checks of their input, and a legend that covers no data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["BELOW", "checked_network", "checked_targets"]

# Keywords of a legend below the axes and their labels.
BELOW: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "frameon": False}


def checked_network(network: Any, n_features: int) -> TwoLayerNetwork:
    """A network with neurons to draw, for inputs with `n_features` features."""
    if not isinstance(network, TwoLayerNetwork):
        raise ValueError(f"network is a {type(network).__name__}, expected a TwoLayerNetwork")
    if network.n_features != n_features:
        raise ValueError(f"network takes {network.n_features} features, expected {n_features}")
    return network


def checked_targets(y: ArrayLike, n_samples: int) -> NDArray:
    """One number or label per sample."""
    targets = np.asarray(y)
    if targets.shape != (n_samples,):
        raise ValueError(f"y has shape {targets.shape}, expected ({n_samples},)")
    return targets
