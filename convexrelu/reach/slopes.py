r"""Upper bounds on the norm of a network's Jacobian where some rectifiers are not decided.

Undecided rectifiers have a slope anywhere in [0, 1]. Interval arithmetic bounds the entries, ``|J| ≤ M``, and ``‖J‖ ≤ ‖M‖`` for
the norms 1, 2 and ∞ of operators. In a two-layer network the Jacobians are also a zonotope, ``J_0 + Σ t_j U_j`` with ``|t_j| ≤ 1``. Hence
``‖J‖ ≤ ‖J_0‖ + Σ ‖U_j‖``, and for the norm 2, with the generators ``u`` (``J_0`` among them) as vectors and any weights ``w > 0``,

.. math::

   \max_{\|p\| = 1} \sum_j |u_j^\top p|
   \le \max_{\|p\| = 1} \Bigl( \sum_j w_j \Bigr)^{1/2} \Bigl( \sum_j \frac{(u_j^\top p)^2}{w_j} \Bigr)^{1/2}
   = \Bigl( \sum_j w_j \; λ_{\max} \sum_j \frac{u_j u_j^\top}{w_j} \Bigr)^{1/2} ,

by Cauchy and Schwarz. The best weights give the bound of the semidefinite relaxation.
"""

from __future__ import annotations

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.reach.rectifiers import Rectifiers

__all__ = ["Slopes", "operator_norm"]

_ROUNDING = 1e-13  # relative, of sums over up to a hundred terms and of eigenvalues
_POWER = 12  # of eigenvalues, in the average over their vectors
_STEPS = 4  # of weights at a node


def operator_norm(jacobian: Array, norm: float) -> float:
    """``max ‖J x‖ / ‖x‖``: the largest sum of a column, singular value, or sum of a row."""
    return float(np.linalg.norm(jacobian, ord=norm))


class Slopes:
    """Bounds for one network and norm."""

    def __init__(self, network: Rectifiers, norm: float) -> None:
        self.network, self.norm = network, norm
        self.is_zonotope = len(network.widths) <= 1
        m = network.n_units
        if self.is_zonotope:
            generators = network.C.T[:, :, None] * network.P[:, None, :] / 2
            self.generators = generators
            self.flat = generators.reshape(m, -1)
            self.sizes = np.array([operator_norm(one, norm) for one in generators])
        else:
            self.sizes = norms(network.C.T)
            for layer in reversed(list(network.layers())):
                self.sizes[layer] += 0.0
        self.weights = np.ones(m + 1)

    def at(self, signs: Array) -> float:
        """The norm where all rectifiers are decided."""
        return operator_norm(self.network.gradients(signs > 0), self.norm)

    def bound(self, signs: Array, enough: float) -> float:
        """Upper bound on the norm for all slopes of the undecided rectifiers; sharp ones only where it is above `enough`."""
        least, most = self._intervals(signs)
        bound = operator_norm(np.maximum(np.abs(least), np.abs(most)), self.norm)
        free = signs == 0
        if self.is_zonotope and free.any() and bound > enough:
            middle = self._middle(signs)
            bound = min(bound, operator_norm(middle, self.norm) + self.sizes[free].sum())
            if self.norm == 2 and bound > enough:
                bound = min(bound, self._spectral(middle, free))
        elif not free.any():
            bound = self.at(signs)
        return bound * (1 + _ROUNDING)

    def influence(self, signs: Array, units: Array) -> Array:
        """How much each of these rectifiers matters for the bound."""
        if not self.is_zonotope:
            net = self.network
            weight = np.abs(net.C).sum(axis=0)
            for layer in reversed(list(net.layers())):
                weight = weight + np.abs(net.Q[layer]).T @ weight[layer]
            return np.asarray((weight * np.abs(net.P + net.Q @ net.P).sum(axis=1))[units])
        if self.norm != 2:
            return self.sizes[units]
        direction = self._middle(signs).ravel()
        along = np.abs(self.flat[units] @ direction) / max(float(norms(direction)), 1e-300)
        return along + 0.1 * self.sizes[units]

    def _middle(self, signs: Array) -> Array:
        return self.network.gradients(np.where(signs == 0, 0.5, signs > 0))

    def _intervals(self, signs: Array) -> tuple[Array, Array]:
        """Bounds on the entries of the Jacobian."""
        net = self.network
        least, most = net.P.copy(), net.P.copy()
        on, free = (signs > 0)[:, None], (signs == 0)[:, None]
        for layer in list(net.layers())[1:]:
            before = slice(0, layer.start)
            low, high = _scaled(least[before], most[before], on[before], free[before])
            down, up = _product(net.Q[layer, before], low, high)
            least[layer] += down
            most[layer] += up
        down, up = _product(net.C, *_scaled(least, most, on, free))
        return net.B + down, net.B + up

    def _spectral(self, middle: Array, free: Array) -> float:
        """The bound with weights, improved a little from those of the last call."""
        vectors = np.vstack([self.flat[free], middle.ravel()])
        kept = norms(vectors) > 0
        vectors = vectors[kept]
        if not len(vectors):
            return 0.0
        chosen = np.append(np.flatnonzero(free), len(free))[kept]
        w, best = self.weights[chosen], np.inf
        for _ in range(_STEPS):
            w = np.maximum(w / w.sum(), 1e-9)
            values, directions = np.linalg.eigh((vectors / w[:, None]).T @ vectors)
            bound = float(np.sqrt(w.sum() * max(values[-1], 0.0)))
            if bound < best:
                best, self.weights[chosen] = bound, w
            shares = (values / values[-1]).clip(min=0.0) ** _POWER
            along = np.sqrt(((vectors @ directions) ** 2) @ shares)
            w = np.sqrt(w * along / along.sum())
        return best


def _scaled(least: Array, most: Array, on: Array, free: Array) -> tuple[Array, Array]:
    """Slopes times an activity of 0, 1, or anywhere between."""
    low = np.where(on, least, np.where(free, np.minimum(least, 0.0), 0.0))
    high = np.where(on, most, np.where(free, np.maximum(most, 0.0), 0.0))
    return low, high


def _product(matrix: Array, low: Array, high: Array) -> tuple[Array, Array]:
    rise, fall = np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)
    return rise @ low + fall @ high, rise @ high + fall @ low
