"""The activation of the hidden layer."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.typing import Array

__all__ = ["activate"]


def activate(outputs: Array, slope: float = 0.0) -> Array:
    """``φ(t)``: ``t`` where it is positive, ``slope·t`` where it is negative."""
    positive = np.maximum(outputs, 0.0)
    return positive + slope * np.minimum(outputs, 0.0) if slope else positive
