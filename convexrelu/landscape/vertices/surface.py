r"""The mean absolute error as a piecewise affine function of the hidden weights.

With the outer weights ``a``, the intercept and a skip connection fixed, and ``t = y − c − Sx``::

    L(W) = Σ_i s_i |r_i|,      r_i = Σ_j a_j φ(z_ij) − t_i,      z_ij = x̃_iᵀ w̃_j

bends only where a hidden output ``z_ij`` or a residual ``r_i`` is zero: at its kinks. There are ``N = m d̃`` variables,
and a vertex is a point where ``N`` kinks with linearly independent normals are active. ``s_i`` is ``1/n``; samples that
are equal are joined, and their weights summed. Samples with equal inputs and other targets share the kinks of their
hidden outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.activation import activate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.distinct_rows import distinct_rows

__all__ = ["ACTIVE", "OF_RESIDUAL", "Kinks", "L1Surface"]

OF_RESIDUAL = -1  # stands for a neuron in the kinks of residuals
# Kinks closer than this fraction of the lengths involved count as active: a million roundings.
ACTIVE = 1e-10


class Kinks(NamedTuple):
    """Kinks that are active: ``z_ij = 0`` for the sample and neuron, or ``r_i = 0`` where the neuron is -1."""

    samples: NDArray[np.intp]
    neurons: NDArray[np.intp]

    @classmethod
    def none(cls) -> Kinks:
        """No kinks."""
        nothing = np.zeros(0, dtype=np.intp)
        return cls(nothing, nothing)

    def adding(self, sample: int, neuron: int) -> Kinks:
        """These and another one."""
        return Kinks(np.append(self.samples, sample), np.append(self.neurons, neuron))

    def replacing(self, place: int, sample: int, neuron: int) -> Kinks:
        """These with another one in a place."""
        samples, neurons = self.samples.copy(), self.neurons.copy()
        samples[place], neurons[place] = sample, neuron
        return Kinks(samples, neurons)

    def select(self, keep: NDArray[np.bool_]) -> Kinks:
        """Some of them."""
        return Kinks(self.samples[keep], self.neurons[keep])


@dataclass(frozen=True, eq=False)
class L1Surface:
    """The mean absolute error over the hidden weights of a network with one output.

    Attributes
    ----------
    design : array of shape (n, d̃)
        Rows ``x̃_i``.
    targets : array of shape (n,)
        ``t``, without intercept and skip connection.
    weights : array of shape (n,)
        ``s``; they sum to one.
    outer : array of shape (m,)
        Outer weights ``a``, none of them zero.
    slope : float
        Slope of the activation on the left; with 1 the network is linear, and has no hidden kinks.
    group : integer array of shape (n,)
        The same number for samples with equal inputs.
    leads : boolean array of shape (n,)
        The first sample of each group, which its hidden kinks are named after.
    lengths : array of shape (n,)
        ``‖x̃_i‖``.
    target_size : float
        Largest ``|t_i|``.
    """

    design: Array
    targets: Array
    weights: Array
    outer: Array
    slope: float
    group: NDArray[np.intp] = field(init=False)
    leads: NDArray[np.bool_] = field(init=False)
    lengths: Array = field(init=False)
    target_size: float = field(init=False)

    def __post_init__(self) -> None:
        _, first, group = np.unique(self.design, axis=0, return_index=True, return_inverse=True)
        leads = np.zeros(len(self.design), dtype=bool)
        leads[first] = True
        object.__setattr__(self, "group", group.ravel())
        object.__setattr__(self, "leads", leads)
        object.__setattr__(self, "lengths", norms(self.design))
        object.__setattr__(self, "target_size", float(np.abs(self.targets).max(initial=0.0)))

    @classmethod
    def of(
        cls, network: TwoLayerNetwork, X: ArrayLike, y: ArrayLike, *, hidden_bias: bool = True
    ) -> L1Surface:
        """The surface that a network is a point of."""
        inputs = finite_array("X", X, "n", "d")
        targets = finite_array("y", y, len(inputs))
        if not isinstance(network, TwoLayerNetwork):
            raise ValueError(
                f"network is a {type(network).__name__}, expected a TwoLayerNetwork with one output"
            )
        if network.n_outputs != 1:
            raise ValueError(f"network has {network.n_outputs} outputs, expected one")
        if network.width == 0 or not network.output_weights.all():
            raise ValueError(
                "network has no neurons, or an outer weight of zero, whose neuron would never move; "
                "expected outer weights that are not zero"
            )
        if not hidden_bias and network.hidden_bias.any():
            raise ValueError("network has hidden biases, but hidden_bias=False")
        first, inverse = distinct_rows(inputs, targets)
        weights = np.bincount(inverse) / len(inputs)
        inputs, targets = inputs[first], targets[first]
        fixed = network.forward(inputs)[:, 0]
        fixed = fixed - network.hidden_features(inputs) @ network.output_weights[0]
        design = np.column_stack([inputs, np.ones(len(inputs))]) if hidden_bias else inputs
        outer = network.output_weights[0].copy()
        return cls(design, targets - fixed, weights, outer, network.negative_slope)

    @property
    def bend(self) -> float:
        """Jump of the activation's slope, ``1 − s``."""
        return 1.0 - self.slope

    @property
    def steepness(self) -> float:
        """A number that the length of no gradient exceeds."""
        return float(np.linalg.norm(self.outer) * (self.weights @ self.lengths))

    def hidden(self, W: Array) -> Array:
        """``z``, of shape (n, m)."""
        return self.design @ W.T

    def residuals(self, z: Array) -> Array:
        """``r``, of shape (n,)."""
        return activate(z, self.slope) @ self.outer - self.targets

    def loss(self, residuals: Array) -> float:
        """Mean absolute error."""
        return float(self.weights @ np.abs(residuals))

    def rounding(self, W: Array) -> float:
        """What rounding may change in the loss, by far: a hundredth of the distance at which kinks are active."""
        terms = np.abs(self.outer) @ norms(W) * self.lengths.max() + self.target_size
        return 0.01 * ACTIVE * float(terms)

    def nearly_zero(
        self, W: Array, z: Array, r: Array, tol: float = ACTIVE
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Hidden outputs and residuals that may be zero but for rounding, of shape (n, m) and (n,)."""
        sizes = norms(W)
        hidden = np.abs(z) <= tol * self.lengths[:, None] * sizes.max(initial=0.0)
        terms = np.abs(self.outer) @ sizes * self.lengths + self.target_size
        if self.bend == 0:
            hidden[:] = False
        return hidden, np.abs(r) <= tol * terms

    def vanishing(self, W: Array, moving: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Neurons whose weights are zero but for rounding, at which the kinks of all samples meet.

        Those of which others of the moving ones, or the targets, are 1e10 times as large.
        """
        outputs = np.abs(self.outer) * norms(W) * self.lengths.max()
        largest = max(outputs[moving].max(initial=0.0), self.target_size)
        return outputs <= ACTIVE * largest
