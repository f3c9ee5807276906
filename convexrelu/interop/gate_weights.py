"""Weights of networks of gates as plain arrays, for exports: gated and threshold networks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from convexrelu._utils.typing import Array

__all__ = ["GateWeights", "gate_weights_of"]


class GateWeights(NamedTuple):
    """``f(x) = Σ_i outer_i · 1{gates_iᵀ x + gate_bias_i ≥ 0} · (innerᵢᵀ x + inner_bias_i) + intercept``.

    Attributes
    ----------
    gates : array of shape (P, d)
    gate_bias : array of shape (P,)
    inner : array of shape (P, d) or None
        None for units that are on or off, where the last factor is one.
    inner_bias : array of shape (P,) or None
    outer : array of shape (1, P)
    intercept : array of shape (1,)
    """

    gates: Array
    gate_bias: Array
    inner: Array | None
    inner_bias: Array | None
    outer: Array
    intercept: Array

    @property
    def n_features(self) -> int:
        """Number of inputs."""
        return self.gates.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return len(self.outer)


def gate_weights_of(network: Any) -> GateWeights | None:
    """The arrays of a gated or threshold network, with one zero gate if there would be none; None for others.

    Examples
    --------
    >>> from convexrelu.networks import ThresholdNetwork
    >>> network = ThresholdNetwork([[1.0, -0.5]], [2.0], 1.0, hidden_bias=True)
    >>> gate_weights_of(network).gate_bias, gate_weights_of(network).outer
    (array([-0.5]), array([[2.]]))
    """
    if not hasattr(network, "gates"):
        return None
    gates, weights = network.gates, network.weights
    if not len(gates):
        gates, weights = np.zeros((1, gates.shape[1])), np.zeros((1, *weights.shape[1:]))
    intercept = np.array([network.intercept])
    split = _without_bias if not network.hidden_bias else _with_bias
    if weights.ndim == 1:
        return GateWeights(*split(gates), None, None, weights[None], intercept)
    return GateWeights(*split(gates), *split(weights), np.ones((1, len(gates))), intercept)


def _with_bias(array: Array) -> tuple[Array, Array]:
    return array[:, :-1], array[:, -1]


def _without_bias(array: Array) -> tuple[Array, Array]:
    return array, np.zeros(len(array))
