"""Gated ReLU networks: the gates decide on which samples a unit is active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from convexrelu._utils.typing import Array
from convexrelu.networks.gates import NetworkOfGates
from convexrelu.networks.neurons import Neuron, largest_first
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["GatedNetwork"]

# Products that are there at a time: of 200,000 rows all at once take several times as long.
_AT_ONCE = 2**18


@dataclass(frozen=True, eq=False)
class GatedNetwork(NetworkOfGates):
    """``f(x) = Σ_i 1{g_iᵀ x̃ ≥ 0} · u_iᵀ x̃ + c``.

    Attributes
    ----------
    gates : array of shape (P, d̃)
        ``g_i``, kept as drawn.
    weights : array of shape (P, d̃)
        ``u_i``.
    intercept : float
        ``c``.
    hidden_bias : bool
        Whether ``x̃ = (x, 1)``.

    Examples
    --------
    >>> import numpy as np
    >>> net = GatedNetwork(np.array([[1.0, 0.0]]), np.array([[2.0, 1.0]]), 0.0, hidden_bias=True)
    >>> net.predict(np.array([[1.0], [-1.0]]))  # 2x + 1 where x ≥ 0
    array([3., 0.])
    """

    _weights_ndim: ClassVar[int] = 2

    def predict(self, X: ArrayLike) -> Array:
        """Outputs of shape (n,); `X` may be a sparse matrix."""
        design = self._design(X)
        step = max(1, _AT_ONCE // max(1, self.width))
        starts = range(0, max(1, design.shape[0]), step)
        parts = [self._sums(design[start : start + step]) for start in starts]
        return np.concatenate(parts) + self.intercept

    def _sums(self, design: Any) -> Array:
        """Outputs less the intercept."""
        active = design @ self.gates.T >= 0
        return (active * (design @ self.weights.T)).sum(axis=1)

    def neurons(self) -> list[Neuron]:
        """Gates with weights one by one, the largest first: `weights` are those of the inputs where a gate is open."""
        n = self.n_features
        bias = self.weights[:, n] if self.hidden_bias else np.zeros(self.width)
        return largest_first(self.weights[:, :n], bias, np.ones((self.width, 1)))

    def penalty(self) -> float:
        """``Σ_i ‖u_i‖``, the group penalty of the gated program."""
        return float(np.linalg.norm(self.weights, axis=1).sum())

    def to_relu(self, X: Any, *, solver: str = "CLARABEL") -> TwoLayerNetwork:
        """ReLU network with the same outputs on the rows of `X`, by cone decompositions of smallest norm.

        Parameters
        ----------
        X : array of shape (n, d)
            The rows on which the outputs agree, normally the training data; elsewhere the two
            networks differ.
        solver : str
            A cvxpy solver.

        Returns
        -------
        TwoLayerNetwork
            Balanced. Its penalty is at least this network's.

        References
        ----------
        Mishkin, Sahiner & Pilanci 2022, "Fast Convex Optimization for Two-Layer ReLU Networks",
        section 3.
        """
        from convexrelu.patterns.cone_decomposition import cone_decomposition

        design = self._design(X.toarray() if issparse(X) else X)
        masks = design @ self.gates.T >= 0
        pairs = [
            cone_decomposition(block, mask, design, gate, solver=solver)
            for block, mask, gate in zip(self.weights, masks.T, self.gates, strict=True)
            if block.any()
        ]
        directions = np.array(pairs).reshape(-1, self.gates.shape[1])
        signs = np.tile([1.0, -1.0], len(pairs))
        return TwoLayerNetwork.from_directions(
            directions, signs, self.intercept, hidden_bias=self.hidden_bias
        )
