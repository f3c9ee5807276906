"""Several labels, each of which a sample has or not: targets of shape (n, K), zeros and ones, over shared neurons.

The loss is a sum over labels. A label that all samples with weight have, or none, has no output: its best score is
infinite, with no loss left, and costs nothing, since intercepts are not penalised. If no label varies, the network is
the constant that stands for the first of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from convexrelu._utils.arguments import has_masked_entries, shown
from convexrelu._utils.typing import Array
from convexrelu.estimators.class_weights import CERTAIN
from convexrelu.estimators.data import check_length
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = [
    "all_scores",
    "check_several_labels",
    "indicators_of",
    "labels_that_vary",
    "network_of_all_labels",
    "scores_of_constants",
]


def indicators_of(y: Any) -> NDArray | None:
    """Several labels as zeros and ones of shape (n, K); None for what is something else.

    Examples
    --------
    >>> indicators_of([[0, 1], [1, 1]])
    array([[0, 1],
           [1, 1]])
    >>> indicators_of([[0, 2], [1, 1]]) is None
    True
    """
    if has_masked_entries(y) or y is None:
        return None
    try:
        labels = y.toarray() if issparse(y) else np.asarray(y)
    except ValueError:  # rows of different lengths
        return None
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "biuf":
        return None
    return np.array(labels) if np.isin(labels, (0, 1)).all() else None


def check_several_labels(estimator: Any, labels: NDArray, inputs: Any) -> None:
    """Raise an error unless there is a row for each row of the inputs; weights of classes are refused."""
    check_length(labels, inputs)
    if estimator.class_weight is not None:
        raise ValueError(
            f"class_weight={shown(estimator.class_weight)} is not supported for several labels; use sample_weight"
        )


def labels_that_vary(
    labels: NDArray, weights: Array | None, fit_intercept: bool = True
) -> NDArray[np.bool_]:
    """Which labels some samples with weight have, and others have not; the others need an intercept.

    None may, as in bootstraps of few samples, if without weights some do.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    if (weights < 0).any() or not weights.any():
        raise ValueError("sample_weight must be non-negative with at least one positive entry")
    if not _varying(labels).any():
        raise ValueError(
            "y has no label that some samples have, and others have not: there is nothing to learn"
        )
    varies = _varying(labels[weights > 0])
    if not (fit_intercept or varies.all()):
        raise ValueError(
            f"y has the same entry in column {varies.argmin()} for all samples with weight, whose constant prediction "
            "needs fit_intercept=True"
        )
    return varies


def _varying(labels: NDArray) -> NDArray[np.bool_]:
    return np.asarray(labels.any(axis=0) & ~labels.all(axis=0))


def scores_of_constants(labels: NDArray, weights: Array | None) -> Array:
    """Scores of labels that do not vary, at which their losses round to zero; zero for the others."""
    varies = labels_that_vary(labels, weights)
    first = labels[0 if weights is None else int(np.argmax(weights))]
    return np.where(varies, 0.0, np.where(first > 0, CERTAIN, -CERTAIN))


def all_scores(outputs: Array, constants: Array) -> Array:
    """Scores of all labels, of shape (n, K), from outputs for those that vary.

    Examples
    --------
    >>> all_scores(np.array([2.0, -1.0]), np.array([-1000.0, 0.0]))
    array([[-1000.,     2.],
           [-1000.,    -1.]])
    """
    scores = np.tile(constants, (len(outputs), 1))
    varies = constants == 0
    if varies.any():  # otherwise the network has an output all the same
        scores[:, varies] = outputs.reshape(len(outputs), -1)
    return scores


def network_of_all_labels(network: TwoLayerNetwork, constants: Array) -> TwoLayerNetwork:
    """The network with an output for each label: a constant for those that do not vary.

    Examples
    --------
    >>> network = TwoLayerNetwork([[1.0]], [0.0], [[2.0]], [-1.0])
    >>> network_of_all_labels(network, np.array([-1000.0, 0.0])).forward(np.array([[3.0]]))
    array([[-1000.,     5.]])
    """
    varies = constants == 0
    # Where no label varies the network has an output all the same.
    shown = network.n_outputs if varies.any() else 0
    bias = np.array(constants)
    bias[varies] = network.output_bias[:shown]

    def widened(rows: Array) -> Array:
        wide = np.zeros((len(constants), rows.shape[1]))
        wide[varies] = rows[:shown]
        return wide

    skip = network.skip_weights
    return replace(
        network,
        output_weights=widened(network.output_weights),
        output_bias=bias,
        skip_weights=None if skip is None else widened(skip),
    )
