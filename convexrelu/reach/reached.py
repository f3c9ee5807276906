"""The largest norm of a Jacobian that a search has seen, and where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.cells import CellTree
from convexrelu.reach.slopes import Slopes

__all__ = ["Reached"]


class Reached:
    """Nothing at first: a norm of −1, and no point."""

    def __init__(self, tree: CellTree, slopes: Slopes) -> None:
        self.tree, self.slopes = tree, slopes
        self.value = -1.0
        self.point: Array | None = None
        self.signs = np.zeros(tree.network.n_units, dtype=np.int8)

    def active(self, point: Array) -> NDArray:
        """Which rectifiers are active at a homogeneous point."""
        return np.asarray(self.tree.network.arguments(self.tree.inputs(point)[None, :])[0] > 0)

    def take(self, point: Array) -> float:
        """Take the Jacobian at a homogeneous point inside a cell, if its norm is larger; the largest norm so far."""
        x = self.tree.inputs(point)
        z = self.tree.network.arguments(x[None, :])[0]
        if (np.abs(z) < 1e-12 * self.tree.sizes).any():  # on a kink, maybe; constants have none
            return self.value
        signs = np.where(z > 0, 1, -1).astype(np.int8)
        value = self.slopes.at(signs)
        if value > self.value:
            self.value, self.point, self.signs = value, x, signs
        return self.value
