"""Networks of any depth as one list of rectifiers, the form over which :mod:`convexrelu.reach` maximises.

With ``φ(t) = s t + (1 − s) max(t, 0)`` every layer of ReLUs, leaky ReLUs or absolute values is linear in its inputs and
in the rectifiers ``r = max(z, 0)``. So a network is

    z = P x + Q r + p ,    r = max(z, 0) ,    f(x) = B x + C r + c ,

where the rows of ``Q`` have entries for earlier layers only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier, MLPRegressor

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.reach.layer import Layer

__all__ = ["EPS", "Rectifiers", "as_layers", "as_rectifiers"]

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Rectifiers:
    """``z = P x + Q r + p``, ``r = max(z, 0)``, ``f = B x + C r + c``.

    Attributes
    ----------
    P, Q, p : arrays of shapes (m, d), (m, m), (m,)
        Arguments of the rectifiers.
    B, C, c : arrays of shapes (K, d), (K, m), (K,)
        Outputs.
    widths : tuple of int
        Rectifiers of each layer.
    """

    P: Array
    Q: Array
    p: Array
    B: Array
    C: Array
    c: Array
    widths: tuple[int, ...]

    @classmethod
    def from_layers(cls, layers: Sequence[Layer], skip: Array | None = None) -> Rectifiers:
        """Compose layers; the last one has no activation, and `skip` is added to its outputs."""
        m = sum(len(layer.bias) for layer in layers if _rectifies(layer))
        # Outputs of the layers so far: of x, of r, and a constant.
        first = layers[0]
        of_x, of_r, constant = first.weights + 0.0, np.zeros((len(first.bias), m)), first.bias + 0.0
        P, Q, p = np.zeros((m, of_x.shape[1])), np.zeros((m, m)), np.zeros(m)
        widths: list[int] = []
        for layer in layers:
            W, done = layer.weights, sum(widths)
            if layer is not first:
                of_x, of_r, constant = W @ of_x, W @ of_r, W @ constant + layer.bias
            if not _rectifies(layer):
                continue
            slope, units = float(layer.slope or 0.0), slice(done, done + len(W))
            P[units], Q[units], p[units] = of_x, of_r, constant
            of_x, of_r, constant = slope * of_x, slope * of_r, slope * constant
            of_r[:, units] += (1 - slope) * np.eye(len(W))
            widths.append(len(W))
        if skip is not None:
            of_x = of_x + skip
        return cls(P, Q, p, of_x, of_r, constant, tuple(widths))._balanced()

    def _balanced(self) -> Rectifiers:
        """Rows rescaled to about one by powers of two, which is exact: solvers have absolute tolerances."""
        P, Q, p, C = self.P.copy(), self.Q.copy(), self.p.copy(), self.C.copy()
        for j in range(self.n_units):
            largest = max(np.abs(row).max(initial=0.0) for row in (P[j], Q[j], p[j : j + 1]))
            factor = 2.0 ** np.floor(np.log2(largest)) if largest > 0 else 1.0
            P[j], Q[j], p[j] = P[j] / factor, Q[j] / factor, p[j] / factor
            Q[:, j], C[:, j] = Q[:, j] * factor, C[:, j] * factor
        return Rectifiers(P, Q, p, self.B, C, self.c, self.widths)

    @property
    def n_features(self) -> int:
        """Number of inputs ``d``."""
        return self.P.shape[1]

    @property
    def n_units(self) -> int:
        """Number of rectifiers ``m``."""
        return self.P.shape[0]

    @property
    def n_outputs(self) -> int:
        """Number of outputs ``K``."""
        return len(self.c)

    def layers(self) -> Iterator[slice]:
        """Rectifiers of one layer after the other."""
        start = 0
        for width in self.widths:
            yield slice(start, start + width)
            start += width

    def arguments(self, X: Array) -> Array:
        """``z`` of every sample, of shape (n, m)."""
        z = X @ self.P.T + self.p
        for layer in list(self.layers())[1:]:
            before = slice(0, layer.start)
            z[:, layer] += np.maximum(z[:, before], 0.0) @ self.Q[layer, before].T
        return z

    def forward(self, X: Array) -> Array:
        """Outputs of shape (n, K)."""
        return X @ self.B.T + np.maximum(self.arguments(X), 0.0) @ self.C.T + self.c

    def intervals(
        self, lower: Array, upper: Array, known: tuple[Array, Array] | None = None
    ) -> tuple[Array, Array]:
        """Bounds on ``z`` for inputs in a box, by interval arithmetic with an allowance for rounding.

        Bounds that are known from elsewhere are used where they are sharper.
        """
        centre, radius = lower + (upper - lower) / 2, (upper - lower) / 2
        low, high = np.zeros(self.n_units), np.zeros(self.n_units)
        reach = np.abs(centre) + radius
        for layer in self.layers():
            P, before = self.P[layer], slice(0, layer.start)
            Q = self.Q[layer, before]
            r_low, r_high = np.maximum(low[before], 0.0), np.maximum(high[before], 0.0)
            middle = P @ centre + self.p[layer]
            spread = np.abs(P) @ radius
            rise, fall = np.maximum(Q, 0.0), np.minimum(Q, 0.0)
            size = np.abs(P) @ reach + np.abs(self.p[layer]) + np.abs(Q) @ r_high
            pad = 4 * (P.shape[1] + layer.start + 4) * EPS * size
            low[layer] = middle - spread + rise @ r_low + fall @ r_high - pad
            high[layer] = middle + spread + rise @ r_high + fall @ r_low + pad
            if known is not None:
                low[layer] = np.maximum(low[layer], known[0][layer])
                high[layer] = np.minimum(high[layer], known[1][layer])
        return low, high

    def sizes(self, lower: Array, upper: Array) -> Array:
        """``Σ|terms|`` of the outputs in a box: the scale of their rounding errors."""
        reach = np.maximum(np.abs(lower), np.abs(upper))
        terms = np.zeros(self.n_units)
        for layer in self.layers():
            before = slice(0, layer.start)
            terms[layer] = np.abs(self.P[layer]) @ reach + np.abs(self.p[layer])
            terms[layer] += np.abs(self.Q[layer, before]) @ terms[before]
        return np.abs(self.B) @ reach + np.abs(self.C) @ terms + np.abs(self.c)

    def gradients(self, active: NDArray) -> Array:
        """Jacobian, of shape (K, d), where these rectifiers are active."""
        slopes = self.P.copy()
        for layer in list(self.layers())[1:]:
            before = slice(0, layer.start)
            slopes[layer] += (self.Q[layer, before] * active[before]) @ slopes[before]
        return self.B + (self.C * active) @ slopes


def _rectifies(layer: Layer) -> bool:
    return layer.slope is not None and layer.slope != 1.0


def as_rectifiers(network: Any) -> Rectifiers:
    """Read a network of this package, a fitted estimator, or a torch ``Sequential`` of linear layers and ReLUs.

    Raises
    ------
    ValueError
        For anything else, and for weights that are not finite; the message names ``network``.
    """
    if isinstance(network, Rectifiers):
        return network
    return Rectifiers.from_layers(*as_layers(network))


def as_layers(network: Any) -> tuple[list[Layer], Array | None]:
    """Layers of a network, and the weights of its skip connection."""
    if isinstance(network, BaseEstimator):
        network = _of_estimator(network)
    if isinstance(network, TwoLayerNetwork):
        return _two_layers(network)
    if hasattr(network, "named_modules"):  # of torch, which is not imported for other networks
        from convexrelu.reach.sequential import layers_of

        layers = [
            one._replace(
                weights=finite_array("network", one.weights), bias=finite_array("network", one.bias)
            )
            for one in layers_of(network)
        ]
        return layers, None
    raise ValueError(
        f"network is a {type(network).__name__}, expected a TwoLayerNetwork, a fitted estimator, or a torch "
        "Sequential of Linear and ReLU"
    )


def _of_estimator(estimator: BaseEstimator) -> Any:
    if hasattr(estimator, "network_"):
        return estimator.network_
    if isinstance(estimator, MLPRegressor | MLPClassifier):
        if not hasattr(estimator, "coefs_"):
            raise NotFittedError(f"network: {type(estimator).__name__} is not fitted")
        return TwoLayerNetwork.from_sklearn(estimator)
    raise ValueError(f"network is a {type(estimator).__name__} without a fitted network_")


def _two_layers(network: TwoLayerNetwork) -> tuple[list[Layer], Array | None]:
    hidden = Layer(network.hidden_weights, network.hidden_bias, network.negative_slope)
    return [hidden, Layer(network.output_weights, network.output_bias, None)], network.skip_weights
