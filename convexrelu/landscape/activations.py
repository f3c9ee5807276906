"""Hidden activations of a loss landscape, in torch, with their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from convexrelu._utils.arguments import as_float, is_number, shown
from convexrelu._utils.torch_import import Tensor, torch

__all__ = ["ACTIVATIONS", "Activation", "activation_of"]


@dataclass(frozen=True)
class Activation:
    """A hidden activation and what is known of its shape.

    Attributes
    ----------
    name : str
        Its name.
    value, derivative : callable
        ``φ`` and ``φ'``, entry by entry. At a kink ``φ'`` is the derivative from the left, as in torch.
    homogeneous : bool
        Whether ``φ(ct) = cφ(t)`` for ``c > 0``: then units have a rescaling symmetry.
    odd : bool
        Whether ``φ(−t) = −φ(t)``: then a unit equals its mirror image.
    range : tuple of two floats, or None
        Infimum and supremum, where both are finite.
    """

    name: str
    value: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]
    homogeneous: bool = False
    odd: bool = False
    range: tuple[float, float] | None = None


def _elu(z: Tensor) -> Tensor:
    return torch.where(z > 0, z, torch.expm1(z.clamp(max=0.0)))


def _elu_derivative(z: Tensor) -> Tensor:
    return torch.exp(z.clamp(max=0.0))


def _sigmoid_derivative(z: Tensor) -> Tensor:
    return torch.sigmoid(z) * torch.sigmoid(-z)


def _tanh_derivative(z: Tensor) -> Tensor:
    return 4 * _sigmoid_derivative(2 * z)


def _rectifier(name: str, slope: float) -> Activation:
    """``max(t, 0) + slope · min(t, 0)``."""

    def value(z: Tensor) -> Tensor:
        return torch.where(z > 0, z, slope * z)

    def derivative(z: Tensor) -> Tensor:
        return torch.where(z > 0, 1.0, slope).to(z.dtype)

    return Activation(name, value, derivative, homogeneous=True)


_SMOOTH = {
    "tanh": Activation("tanh", torch.tanh, _tanh_derivative, odd=True, range=(-1.0, 1.0)),
    "sigmoid": Activation("sigmoid", torch.sigmoid, _sigmoid_derivative, range=(0.0, 1.0)),
    "elu": Activation("elu", _elu, _elu_derivative),
}

ACTIVATIONS = ("tanh", "sigmoid", "relu", "elu", "leaky_relu")


def activation_of(name: str, negative_slope: float = 0.01) -> Activation:
    """The activation of a name in `ACTIVATIONS`; `negative_slope` is that of ``"leaky_relu"``."""
    if not is_number(negative_slope) or not math.isfinite(as_float(negative_slope)):
        raise ValueError(f"negative_slope={shown(negative_slope)} is not a finite number")
    if name in _SMOOTH:
        return _SMOOTH[name]
    if name == "relu":
        return _rectifier(name, 0.0)
    if name == "leaky_relu":
        return _rectifier(name, negative_slope)
    raise ValueError(f"activation={name!r} is not one of {', '.join(ACTIVATIONS)}")
