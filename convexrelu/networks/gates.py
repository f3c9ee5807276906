"""Networks whose units have fixed gates: the common part of gated and threshold networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.typing import Array

__all__ = ["NetworkOfGates"]


@dataclass(frozen=True, eq=False)
class NetworkOfGates:
    """Gates ``g_i`` of shape (P, d̃), weights for each, an intercept, and whether ``x̃ = (x, 1)``."""

    gates: Array
    weights: Array
    intercept: float
    hidden_bias: bool

    @property
    def width(self) -> int:
        """Number of gates."""
        return len(self.gates)

    @property
    def n_features(self) -> int:
        """Number of inputs ``d``."""
        return self.gates.shape[1] - int(self.hidden_bias)

    def _design(self, X: ArrayLike) -> Array:
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise ValueError(f"X has shape {X.shape}, expected (n, {self.n_features})")
        return np.column_stack([X, np.ones(len(X))]) if self.hidden_bias else X
