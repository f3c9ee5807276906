"""Targets that several processes have parts of: what all of them know together decides the problem.

A process may lack classes, labels that vary, or targets of some outputs; others may have no gaps. So the processes
first tell each other a few rows or numbers, and all make the problem that one process with all rows would make.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.typing import Array
from convexrelu.chunked.exact_sums import exact_totals
from convexrelu.chunked.group import Group
from convexrelu.chunked.rows import needed_rows
from convexrelu.estimators.base import FixedAlphaEstimator
from convexrelu.estimators.class_weights import class_weights
from convexrelu.estimators.classifier import Classifier
from convexrelu.estimators.data import checked_labels, checked_numbers
from convexrelu.estimators.missing_targets import Gaps, observed_numbers, observed_targets
from convexrelu.estimators.multilabel import check_several_labels, indicators_of, labels_that_vary
from convexrelu.losses import Loss
from convexrelu.results.result import Result

__all__ = ["ShardTargets", "targets_on_shards"]


class ShardTargets(NamedTuple):
    """The targets of this process, for the problem of all.

    Attributes
    ----------
    y : array of shape (n,) or (n, K)
        For `loss`.
    loss : str or Loss
    n_outputs : int
        Of the network.
    weights : array of shape (n,)
        With those of classes.
    known : array
        Targets or labels that tell an estimator what it has to know of all; the same on all processes for labels.
    known_weights : array or None
        Their weights.
    result : Result or None
        Where it is known without training: of samples with weight that have one label.
    """

    y: Array
    loss: str | Loss
    n_outputs: int
    weights: Array
    known: NDArray[Any]
    known_weights: Array | None = None
    result: Result | None = None


def targets_on_shards(
    estimator: FixedAlphaEstimator,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    inputs: Any,
    group: Group,
) -> ShardTargets:
    """Targets of an estimator that has seen its inputs; to be called by all processes."""
    estimator._check_loss()
    if not isinstance(estimator, Classifier):
        return _numbers(estimator, y, sample_weight, inputs, group)
    several = indicators_of(y)
    if several is not None:
        check_several_labels(estimator, several, inputs)
        group.agree({"y": f"{several.shape[1]} labels"})
        return _of_labels(estimator, several, _weights(sample_weight, inputs), group)
    labels = checked_labels(estimator, y, inputs)
    group.agree({"y": "numbers as labels" if labels.dtype.kind in "fiub" else "other labels"})
    return _of_classes(estimator, labels, _weights(sample_weight, inputs), group)


def _weights(sample_weight: ArrayLike | None, inputs: Any) -> Array:
    """Weights as floats; all of them may be zero, if those of other processes are not."""
    n_samples = inputs.shape[0]
    if sample_weight is None:
        return np.ones(n_samples)
    weights = finite_array("sample_weight", sample_weight)
    if weights.shape not in ((), (n_samples,)):
        raise ValueError(f"sample_weight has shape {weights.shape}, expected ({n_samples},)")
    if (weights < 0).any():  # also of rows without targets, or of classes without weight
        raise ValueError("sample_weight has negative entries")
    return np.array(np.broadcast_to(weights, n_samples))


def _numbers(
    estimator: Any, y: ArrayLike, sample_weight: ArrayLike | None, inputs: Any, group: Group
) -> ShardTargets:
    """Numbers, of which some are missing on some processes."""
    check = checked_numbers if estimator.missing_targets == "error" else observed_numbers
    targets = check(estimator, y, inputs)
    group.agree({"y": "one target" if targets.ndim == 1 else f"{targets.shape[1]} targets"})
    gaps = Gaps.together(group.gather_objects(Gaps.of(targets)))
    gaps.check()
    weights = _weights(sample_weight, inputs)
    loss, targets, seen = observed_targets(estimator.loss, targets, weights, gaps)
    weights = weights if seen is None else seen
    return ShardTargets(targets, loss, len(gaps.seen), weights, targets)


def _of_classes(
    estimator: Classifier, labels: NDArray[Any], weights: Array, group: Group
) -> ShardTargets:
    """One label of each sample: as of a classifier on one row of each class, with its weight."""
    classes = np.unique(np.concatenate(group.gather_objects(np.unique(labels))))
    index = np.searchsorted(classes, labels)
    # Exact: their last bits do not depend on the number of processes either.
    shards = group.gather_objects(exact_totals(index, weights, len(classes)))
    totals = np.array([float(sum(parts)) for parts in zip(*shards, strict=True)])
    problem = estimator._problem(_no_inputs(estimator, classes), classes, totals, estimator.alpha)
    factors = class_weights(estimator.class_weight, classes, np.arange(len(classes)), totals)
    return ShardTargets(
        problem.y[index],
        problem.loss,
        problem.n_outputs,
        weights * factors[index],
        classes,
        totals * factors,
        estimator._known_result(problem),
    )


def _of_labels(
    estimator: Classifier, labels: NDArray[Any], weights: Array, group: Group
) -> ShardTargets:
    """Several labels: as of a classifier on rows that have each of them, and have not, with weight if there are any."""
    rows = needed_rows(labels, weights, takes_labels=True)
    found = group.gather_objects((labels[rows], weights[rows]))
    known, known_weights = (np.concatenate(column) for column in zip(*found, strict=True))
    problem = estimator._problem(
        _no_inputs(estimator, known), known, known_weights, estimator.alpha
    )
    varies = labels_that_vary(known, known_weights, estimator.fit_intercept)
    return ShardTargets(
        estimator.targets_of_labels(labels, varies, problem.loss),
        problem.loss,
        problem.n_outputs,
        weights,
        known,
        known_weights,
        estimator._known_result(problem),
    )


def _no_inputs(estimator: Any, known: NDArray[Any]) -> Array:
    """Inputs of the rows that are known, for their targets alone."""
    return np.zeros((len(known), estimator.n_features_in_))
