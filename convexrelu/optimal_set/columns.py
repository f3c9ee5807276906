"""Contributions of neurons to outputs and to the penalty, and networks with other scales of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convexrelu._utils.arguments import check_type
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem

# Unit columns are dependent where a singular value is below this fraction of the largest one.
_RANK_TOL = 1e-12
# Relative increase of an objective that is attributed to rounding.
ROUNDING = 1e-10


def check_fits(network: TwoLayerNetwork, problem: TrainingProblem, name: str = "network") -> None:
    """Raise a ValueError if this is no network, or features, outputs or activation differ from those of the problem."""
    check_type(name, network, TwoLayerNetwork)
    if network.n_features != problem.n_features:
        raise ValueError(
            f"{name} takes {network.n_features} features, expected {problem.n_features}"
        )
    if network.n_outputs != problem.n_outputs:
        raise ValueError(f"{name} has {network.n_outputs} outputs, expected {problem.n_outputs}")
    if network.negative_slope != problem.slope:
        raise ValueError(
            f"{name} has negative_slope={network.negative_slope:g}, expected {problem.slope:g}, "
            f"for activation={problem.activation!r}"
        )


def columns_of(network: TwoLayerNetwork, problem: TrainingProblem, X: Array) -> Array:
    """``vec(h_j)`` on the rows of `X`, (n K, m), followed by the columns of the intercept, (n K, K)."""
    hidden, outer = network.hidden_features(X), network.output_weights
    n, n_outputs = X.shape[0], network.n_outputs
    neurons = (hidden[:, None, :] * outer[None, :, :]).reshape(n * n_outputs, network.width)
    constants = np.tile(np.eye(n_outputs), (n, 1))
    return np.hstack([neurons, constants]) if problem.fit_intercept else neurons


def penalties_of(network: TwoLayerNetwork, problem: TrainingProblem) -> Array:
    """``p_j`` of every neuron; without the biases where they are free."""
    inner = network.hidden_weights if problem.free_bias else network.augmented_weights()
    return np.asarray(norms(inner) * norms(network.output_weights.T))


def rescaled(network: TwoLayerNetwork, scales: Array, shift: Array) -> TwoLayerNetwork:
    """Scale every neuron of a balanced network by ``c_j``, evenly between its layers; zeros are left out."""
    root = np.sqrt(scales)
    return replace(
        network,
        hidden_weights=network.hidden_weights * root[:, None],
        hidden_bias=network.hidden_bias * root,
        output_weights=network.output_weights * root,
        output_bias=network.output_bias + shift,
    ).prune()


def null_space(columns: Array, tol: float = _RANK_TOL) -> Array:
    """Orthonormal basis of ``{β : columns β = 0}``, where singular values below `tol` of the largest are zero."""
    if columns.shape[0] > columns.shape[1]:
        columns = np.asarray(np.linalg.qr(columns, mode="r"))
    _, singular, right = np.linalg.svd(columns)
    rank = int((singular > tol * singular.max(initial=0.0)).sum())
    return right[rank:].T
