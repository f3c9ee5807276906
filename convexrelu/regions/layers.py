"""Networks of any depth as a list of layers, in float64."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.regions.hyperplanes import as_two_layer

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Layer", "Layers", "layers_of", "linear_layer", "modules_of", "widths_of"]


class Layer(NamedTuple):
    """``φ(W x + b)`` with the slope of ``φ`` on the left; 1 where there is no activation."""

    weights: Array
    bias: Array
    slope: float


class Layers(NamedTuple):
    """Layers one after the other, and the weights of a connection from inputs to outputs."""

    layers: list[Layer]
    skip: Array | None = None

    @property
    def n_features(self) -> int:
        """Number of inputs."""
        return self.layers[0].weights.shape[1]


def layers_of(network: Any) -> Layers:
    """Layers of a two-layer network, of a fitted estimator, or of a torch ``Sequential`` of ``Linear`` and ``ReLU``.

    Leaky ReLUs are allowed, and modules that do nothing in evaluation: ``Identity``, ``Dropout``, ``Flatten``.
    """
    network = getattr(network, "network_", network)
    if any(kind.__module__ == "torch.nn.modules.container" for kind in type(network).__mro__):
        return _of_sequential(network)
    network = as_two_layer(network)
    hidden = Layer(network.hidden_weights, network.hidden_bias, network.negative_slope)
    output = Layer(network.output_weights, network.output_bias, 1.0)
    return Layers([hidden, output], network.skip_weights)


def widths_of(network: Any) -> list[int]:
    """Number of inputs and widths of the hidden layers, as :func:`~convexrelu.regions.region_bound` takes them.

    Parameters
    ----------
    network : TwoLayerNetwork or torch.nn.Sequential
        Of ``Linear`` and ``ReLU``; or a fitted estimator, whose ``network_`` is taken.

    Returns
    -------
    list of int
        The output layer, which has no activation, is left out.

    Raises
    ------
    ValueError
        If `network` is of another kind, or has no hidden layer.

    Examples
    --------
    >>> from torch import nn
    >>> from convexrelu.regions import region_bound, widths_of
    >>> network = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    >>> widths_of(network), region_bound(widths_of(network))
    ([2, 4, 4], 109)
    """
    found = layers_of(network)
    widths = [len(layer.bias) for layer in found.layers if layer.slope != 1.0]
    if not widths:
        raise ValueError("network has no hidden layer, expected at least one ReLU")
    return [found.n_features, *widths]


def _of_sequential(network: nn.Sequential) -> Layers:
    from convexrelu._utils.torch_import import nn

    layers: list[Layer] = []
    for part in modules_of(network):
        if isinstance(part, nn.Linear):
            layers.append(linear_layer(part))
        elif isinstance(part, nn.ReLU | nn.LeakyReLU):
            if not layers or layers[-1].slope != 1.0:
                raise ValueError(
                    "network has an activation that follows no Linear, expected Linear, ReLU, ..."
                )
            slope = float(getattr(part, "negative_slope", 0.0))
            layers[-1] = layers[-1]._replace(slope=slope)
        elif not isinstance(part, nn.Identity | nn.Dropout | nn.Flatten):
            raise ValueError(
                f"network has a {type(part).__name__}, expected a Sequential of Linear and ReLU"
            )
    if not layers:
        raise ValueError("network has no Linear, expected a Sequential of Linear and ReLU")
    for before, after in pairwise(layers):
        if len(before.bias) != after.weights.shape[1]:
            raise ValueError(
                f"network has a Linear of {after.weights.shape[1]} inputs after one of {len(before.bias)} outputs"
            )
    return Layers(layers)


def modules_of(network: nn.Sequential) -> list[nn.Module]:
    """Modules in their order, also those that are used again; a Sequential in a Sequential is taken apart."""
    from convexrelu._utils.torch_import import nn

    if type(network) is not nn.Sequential:
        raise ValueError(f"network is a {type(network).__name__}, expected a torch.nn.Sequential")
    parts: list[nn.Module] = []
    for part in network:
        parts.extend(modules_of(part) if isinstance(part, nn.Sequential) else [part])
    return parts


def linear_layer(part: nn.Linear) -> Layer:
    """Weights and bias of a module; zero where it has none."""
    weights = np.array(part.weight.detach().cpu().double().numpy())
    bias = (
        np.zeros(len(weights))
        if part.bias is None
        else np.array(part.bias.detach().cpu().double().numpy())
    )
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise ValueError("network contains NaN or infinity; weights must be finite")
    return Layer(weights, bias, 1.0)
