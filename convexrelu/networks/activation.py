"""The activation of the hidden layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convexrelu._utils.typing import Array

if TYPE_CHECKING:
    pass

__all__ = ["activate"]


def activate(outputs: Array, slope: float = 0.0) -> Array:
    """``φ(t)``: ``t`` where it is positive, ``slope·t`` where it is negative."""
    return np.maximum(outputs, 0.0) + slope * np.minimum(outputs, 0.0)
