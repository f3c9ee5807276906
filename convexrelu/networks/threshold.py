"""Threshold networks: every unit is on or off."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.archive import read_archive, write_archive
from convexrelu.networks.gates import NetworkOfGates
from convexrelu.networks.neurons import Neuron, largest_first

__all__ = ["ThresholdNetwork"]

# Shapes of the arrays in a file.
_LAYOUT: dict[str, list[tuple[str | int, ...]]] = {
    "gates": [("P", "d")],
    "weights": [("P",)],
    "intercept": [()],
    "hidden_bias": [()],
}


@dataclass(frozen=True, eq=False)
class ThresholdNetwork(NetworkOfGates):
    """``f(x) = Σ_k w_k · 1{u_kᵀ x̃ ≥ 0} + c``.

    Attributes
    ----------
    gates : array of shape (P, d̃)
        ``u_k``. The data determine them only up to their cells: all gates in a cell have the same units on
        and off on the training data, and others elsewhere. Training returns the deepest point of the cell, the one
        farthest from switching any sample.
    weights : array of shape (P,)
        ``w_k``.
    intercept : float
        ``c``.
    hidden_bias : bool
        Whether ``x̃ = (x, 1)``.

    Examples
    --------
    >>> import numpy as np
    >>> net = ThresholdNetwork(np.array([[1.0, -0.5]]), np.array([2.0]), 1.0, hidden_bias=True)
    >>> net.predict(np.array([[0.0], [1.0]]))  # a step from 1 to 3 at x = ½
    array([1., 3.])
    >>> net.penalty()
    2.0
    """

    def active(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Boolean array of shape (n, P): True where a unit is on."""
        return self._design(X) @ self.gates.T >= 0

    def predict(self, X: ArrayLike) -> Array:
        """Outputs of shape (n,)."""
        return self.active(X) @ self.weights + self.intercept

    def neurons(self) -> list[Neuron]:
        """The units one by one, the largest first; their gates are unit vectors, whose scale does not matter."""
        n = self.n_features
        bias = self.gates[:, n] if self.hidden_bias else np.zeros(self.width)
        lengths = norms(self.gates)
        outer = self.weights / np.where(lengths > 0, lengths, 1.0)
        return largest_first(self.gates[:, :n], bias, outer[:, None])

    def penalty(self) -> float:
        """``Σ_k |w_k|``: the effect of weight decay on the two factors of ``w_k = a_k s_k``.

        Weight decay does not see the scale of a gate. Give every unit an amplitude, ``a_k · s_k 1{u_kᵀx̃ ≥ 0}``:
        then the minimum of ``½ Σ_k (a_k² + s_k²)`` over rescalings is this number.
        """
        return float(np.abs(self.weights).sum())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network and its checksum to an ``.npz`` archive, which :meth:`load` reads."""
        options = {
            "intercept": np.float64(self.intercept),
            "hidden_bias": np.float64(self.hidden_bias),
        }
        arrays = {"gates": self.gates, "weights": self.weights, **options}
        write_archive(path, type(self).__name__, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ThresholdNetwork:
        """Read an archive written by :meth:`save`. Nothing in it is executed.

        Raises
        ------
        ValueError
            If the file is not such an archive, or is damaged.
        FileNotFoundError
            If there is no such file.
        """
        arrays = read_archive(path, cls.__name__, _LAYOUT)
        intercept, hidden_bias = float(arrays["intercept"]), bool(arrays["hidden_bias"])
        return cls(arrays["gates"], arrays["weights"], intercept, hidden_bias)
