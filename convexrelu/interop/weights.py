"""Weights of a two-layer network as plain arrays, for exchange with other libraries."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from convexrelu._utils.typing import Array
from convexrelu._utils.user_warnings import warn_user

__all__ = ["HasWeights", "Weights", "check_narrowing", "network_of", "weights_of"]


class Weights(NamedTuple):
    """Arrays in the layout of two :class:`torch.nn.Linear`, with the slope of the activation between them.

    Attributes
    ----------
    hidden_weights : array of shape (m, d)
    hidden_bias : array of shape (m,)
    output_weights : array of shape (K, m)
    output_bias : array of shape (K,)
    negative_slope : float
        0 for ReLU, −1 for the absolute value.
    """

    hidden_weights: Array
    hidden_bias: Array
    output_weights: Array
    output_bias: Array
    negative_slope: float = 0.0

    @property
    def n_features(self) -> int:
        """Number of inputs."""
        return self.hidden_weights.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return len(self.output_bias)


class HasWeights(Protocol):
    """A network with these arrays, such as :class:`~convexrelu.TwoLayerNetwork`."""

    @property
    def hidden_weights(self) -> Array:
        """Of shape (m, d)."""
        ...

    @property
    def hidden_bias(self) -> Array:
        """Of shape (m,)."""
        ...

    @property
    def output_weights(self) -> Array:
        """Of shape (K, m)."""
        ...

    @property
    def output_bias(self) -> Array:
        """Of shape (K,)."""
        ...

    @property
    def negative_slope(self) -> float:
        """Slope of the activation on the left."""
        ...

    def without_skip(self) -> Self:
        """The same function, with the skip connection expressed by neurons."""
        ...


def network_of(given: Any) -> HasWeights:
    """The network of a fitted estimator, or the one that is given.

    Raises
    ------
    NotFittedError
        For an estimator that is not fitted.
    ValueError
        For what has no weights of two layers, such as networks of gates, or a pipeline, whose other steps would be
        lost.
    """
    network = getattr(given, "network_", given)
    if not hasattr(network, "without_skip"):
        if isinstance(given, BaseEstimator):
            check_is_fitted(given)
        raise ValueError(
            f"network is a {type(network).__name__}, expected a TwoLayerNetwork, or a fitted estimator of "
            "convexrelu that has one as its network_"
        )
    return network


def weights_of(network: HasWeights) -> Weights:
    """Weights without a skip connection, and with one zero neuron if there would be none.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> weights_of(TwoLayerNetwork.constant(2, 3.0)).hidden_weights
    array([[0., 0.]])
    """
    network = network.without_skip()
    inner, outer = network.hidden_weights, network.output_weights
    bias = network.hidden_bias
    if len(inner) == 0:
        inner, bias, outer = np.zeros((1, inner.shape[1])), np.zeros(1), np.zeros((len(outer), 1))
    return Weights(inner, bias, outer, network.output_bias, network.negative_slope)


def check_narrowing(weights: Weights, narrowed: Weights, dtype: str) -> None:
    """Raise an error where weights overflow in a shorter type, and warn where it rounds a whole neuron to zero.

    Parameters
    ----------
    weights, narrowed : Weights
        In float64, before and after rounding to the type.
    dtype : str
        Its name.
    """
    for name, before, after in zip(weights._fields[:4], weights[:4], narrowed[:4], strict=True):
        if not np.isfinite(after).all():
            raise ValueError(
                f"{name} has entries up to {np.abs(before).max():.3g}, which overflow dtype {dtype}; use float64"
            )
    lost = int((_contributes(weights) & ~_contributes(narrowed)).sum())
    if lost:
        warn_user(
            f"dtype {dtype} rounds the weights of {lost} of {len(weights.hidden_bias)} neurons to zero; use float64",
            UserWarning,
        )


def _contributes(weights: Weights) -> NDArray[np.bool_]:
    inner = weights.hidden_weights.any(axis=1) | (weights.hidden_bias != 0)
    return inner & weights.output_weights.any(axis=0)
