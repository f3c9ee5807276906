"""A layer of a network, as arrays."""

from __future__ import annotations

from typing import NamedTuple

from convexrelu._utils.typing import Array

__all__ = ["Layer"]


class Layer(NamedTuple):
    """An affine map and its activation: ``slope`` on the left, None where there is no activation."""

    weights: Array
    bias: Array
    slope: float | None
