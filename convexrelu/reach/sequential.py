"""Layers of a torch module: linear maps with ReLU or LeakyReLU between them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from convexrelu._utils.torch_import import Tensor, nn
from convexrelu._utils.typing import Array
from convexrelu.reach.layer import Layer

__all__ = ["layers_of"]

_NOTHING = (nn.Identity, nn.Dropout, nn.Flatten)  # in evaluation mode, for rows of features


def layers_of(module: nn.Module) -> list[Layer]:
    """Layers of a ``Sequential`` of Linear, ReLU and LeakyReLU, of any depth and nested as it may be.

    Examples
    --------
    >>> from torch import nn
    >>> from convexrelu.reach.sequential import layers_of
    >>> deep = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> [(layer.weights.shape, layer.slope) for layer in layers_of(deep)]
    [((4, 2), 0.0), ((3, 4), 0.0), ((1, 3), None)]
    """
    layers: list[Layer] = []
    for part in _parts(module):
        if isinstance(part, nn.Linear):
            weights = _numbers(part.weight)
            bias = np.zeros(len(weights)) if part.bias is None else _numbers(part.bias)
            layers.append(Layer(weights, bias, None))
            continue
        if not layers:
            raise ValueError("network begins with an activation, expected a Linear")
        slope = float(part.negative_slope) if isinstance(part, nn.LeakyReLU) else 0.0
        if not -1 <= slope <= 1:
            raise ValueError(f"network has a LeakyReLU of slope {slope}, expected one in [-1, 1]")
        layers.append(_activated(layers, slope))
    if not layers:
        raise ValueError("network has no Linear layer")
    for one, two in itertools.pairwise(layers):
        if len(one.bias) != two.weights.shape[1]:
            raise ValueError(
                f"network has layers that do not fit together: {len(one.bias)} outputs, then "
                f"{two.weights.shape[1]} inputs"
            )
    if layers[-1].slope is not None:
        width = len(layers[-1].bias)
        layers.append(Layer(np.eye(width), np.zeros(width), None))
    return layers


def _activated(layers: list[Layer], slope: float) -> Layer:
    """The last layer with an activation; where it has one, an identity with the next."""
    last = layers[-1]
    if last.slope is None:
        layers.pop()
        return Layer(last.weights, last.bias, slope)
    width = len(last.bias)
    return Layer(np.eye(width), np.zeros(width), slope)


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    if type(module) is nn.Sequential:
        for part in module:
            yield from _parts(part)
    elif type(module) in (nn.Linear, nn.ReLU, nn.LeakyReLU):
        yield module
    elif type(module) not in _NOTHING:
        raise ValueError(
            f"network has a {type(module).__name__}, expected a Sequential of Linear, ReLU and LeakyReLU"
        )


def _numbers(tensor: Tensor) -> Array:
    return np.array(tensor.detach().to("cpu").double().numpy())
