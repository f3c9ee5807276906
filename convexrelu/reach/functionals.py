r"""Norms 1 and ∞ of the Jacobians of a two-layer network, as maxima of finitely many linear functions.

``‖J‖ = max qᵀ J p`` over the corners ``(q, p)`` of two unit balls: ``2^K d`` of them for the norm 1, ``K 2^d`` for
the norm ∞. With ``J = B + Σ_j t_j C_j P_j`` and ``0 ≤ t_j ≤ 1``, the largest value of one of them is that of its own
choice of ``t``, so the bound over all activities is exact. Only corners that may give more than a norm that is already
reached are kept, which are few.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.rectifiers import Rectifiers

__all__ = ["Functionals", "LinearFunctionals"]

_MOST = 2**27  # corners to look at, times rectifiers
_KEPT = 2**22  # weights to keep
_CHUNK = 2**12
_UP = 1 + 1e-13  # what else is added to bounds, beside the rounding of sums


class LinearFunctionals:
    """Functions ``c + Σ_j w_j t_j`` of activities ``t_j``, each 0 or 1.

    Parameters
    ----------
    constants, weights : arrays of shapes (n,) and (n, m)
        Of n functions.
    rounding : float
        What sums may be wrong by.
    """

    def __init__(self, constants: Array, weights: Array, rounding: float) -> None:
        self.constants, self.weights, self.rounding = constants, weights, rounding

    def bounds(self) -> Array:
        """Upper bounds over all activities."""
        return self._bounds(self.constants, self.weights)

    def _bounds(self, constants: Array, weights: Array) -> Array:
        return (constants + np.maximum(weights, 0.0).sum(axis=1)) * _UP + self.rounding

    def bound(self, k: int, signs: NDArray) -> float:
        """Upper bound of one function where some rectifiers are decided."""
        weights = self.weights[k]
        most = self.constants[k] + weights[signs > 0].sum()
        return float((most + np.maximum(weights[signs == 0], 0.0).sum()) * _UP + self.rounding)


class Functionals(LinearFunctionals):
    """Corners whose largest value is above a norm that is reached; the norm is 1 or ∞.

    Parameters
    ----------
    network : Rectifiers
        Of one layer.
    norm : 1 or inf
        Of operators.
    reached : float
        A norm that is reached.
    rounding : float
        What sums may be wrong by.
    """

    def __init__(self, network: Rectifiers, norm: float, reached: float, rounding: float) -> None:
        self.network, self.norm, self.rounding = network, norm, rounding
        self.most = rounding  # bound of all corners
        constants, weights = [np.zeros(0)], [np.zeros((0, network.n_units))]
        self.is_complete, n_kept = True, 0
        for base, chosen in self._corners():
            bounds = self._bounds(base, chosen)
            self.most = max(self.most, float(bounds.max()))
            kept = bounds > reached
            n_kept += int(kept.sum())
            self.is_complete = n_kept * network.n_units <= _KEPT
            if self.is_complete:
                constants.append(base[kept])
                weights.append(chosen[kept])
        super().__init__(np.concatenate(constants), np.vstack(weights), rounding)

    @staticmethod
    def are_few(network: Rectifiers, norm: float) -> bool:
        """Whether there are not too many corners to look at each of them."""
        free, times = network.n_outputs, network.n_features
        if norm == np.inf:
            free, times = times, free
        return norm != 2 and free <= np.log2(_MOST / times / max(network.n_units, 1))

    def _corners(self) -> Iterator[tuple[Array, Array]]:
        """``qᵀ B p`` and ``(qᵀ C_j)(P_j p)`` of many corners at a time."""
        net = self.network
        if self.norm == np.inf:
            for p in _signs(net.n_features):
                ahead, base = p @ net.P.T, p @ net.B.T
                for k in range(net.n_outputs):
                    yield base[:, k], net.C[k] * ahead
            return
        for q in _signs(net.n_outputs):
            behind, base = q @ net.C, q @ net.B
            for i in range(net.n_features):
                yield base[:, i], behind * net.P[:, i]


def _signs(n: int) -> Iterator[Array]:
    """All vectors of ±1."""
    for start in range(0, 2**n, _CHUNK):
        numbers = np.arange(start, min(start + _CHUNK, 2**n))
        yield np.asarray(1.0 - 2.0 * ((numbers[:, None] >> np.arange(n)) & 1), dtype=float)
