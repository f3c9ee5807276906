"""Weights of classes, and classes that have none: as in bootstraps, where weights of samples leave classes out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.arguments import float_array, shown
from convexrelu._utils.typing import Array
from convexrelu._utils.user_warnings import warn_user
from convexrelu.certificates.certificate import Certificate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result
from convexrelu.results.status import Status

__all__ = [
    "CERTAIN",
    "check_all_have_weight",
    "class_weights",
    "result_of_one_class",
    "scores_of_all",
    "warn_of_unknown_labels",
]

# Difference of scores at which probabilities round to zero, and losses of margins vanish.
CERTAIN = 1e3


def class_weights(
    class_weight: dict[Any, float] | str | None,
    classes: NDArray,
    index: NDArray[np.intp],
    sample_weight: Array,
) -> Array:
    """Factor of each class, zero without samples of positive weight; ``"balanced"`` counts samples by their weights."""
    totals = np.bincount(index, sample_weight, minlength=len(classes))
    present = totals > 0
    if (sample_weight < 0).any() or not present.any():
        raise ValueError("sample_weight must be non-negative with at least one positive entry")
    if class_weight is None:
        return present.astype(np.float64)
    if isinstance(class_weight, str):
        share = totals.sum() / max(np.count_nonzero(present), 1)
        return np.where(present, share / np.where(present, totals, 1.0), 0.0)
    factors = float_array(
        "class_weight", [class_weight.get(label, 1.0) for label in classes.tolist()]
    )
    if not (np.isfinite(factors) & (factors >= 0)).all():
        raise ValueError(
            f"class_weight={shown(class_weight)} is not made of non-negative finite numbers"
        )
    if not (present & (factors > 0)).any():
        raise ValueError(f"class_weight={shown(class_weight)} leaves no class with weight")
    return present * factors


def warn_of_unknown_labels(class_weight: dict[Any, float] | str | None, labels: NDArray) -> None:
    """Warn of labels in `class_weight` that are not among those of the samples, as happens in folds."""
    known = set(labels.tolist())
    for label in class_weight if isinstance(class_weight, dict) else ():
        if label not in known:
            warn_user(
                f"class_weight has the label {shown(label)}, which is not in y; it has no effect",
                UserWarning,
            )


def check_all_have_weight(classes: NDArray, totals: NDArray[Any]) -> None:
    """Raise an error if a class has no weight."""
    if (totals <= 0).any():
        label = shown(classes[totals.argmin()])
        raise ValueError(f"sample_weight or class_weight leaves class {label} without weight")


def result_of_one_class(problem: TrainingProblem, tol: float) -> Result | None:
    """A constant, if all samples with weight have one label; with an intercept no loss is left.

    Losses and penalties are at least zero, which is the lower bound.
    """
    targets = problem.y[problem.weights > 0]
    if targets.ndim > 1 or not (targets == targets[0]).all():
        return None
    if not problem.fit_intercept:
        raise ValueError(
            "y has one class with positive weight, whose constant prediction needs fit_intercept=True"
        )
    value = float(targets[0]) * CERTAIN
    network = TwoLayerNetwork.constant(problem.n_features, value, negative_slope=problem.slope)
    certificate = Certificate(problem.objective(network), 0.0, "global", "relaxation", True)
    return Result.of_one_program(
        network, certificate, Status.CONVERGED, tol=tol, seconds=0.0, n_blocks=0
    )


def scores_of_all(outputs: Array, present: NDArray[np.bool_]) -> Array:
    """Scores of all classes, of shape (n, K), from outputs for those with weight; others are certain not to be.

    Examples
    --------
    >>> scores_of_all(np.array([2.0, -1.0]), np.array([True, False, True]))
    array([[    0., -1000.,     2.],
           [    0., -1001.,    -1.]])
    """
    if outputs.ndim == 1:  # log-odds of two classes, or what stands for one
        outputs = np.column_stack([np.zeros_like(outputs), outputs])[:, -present.sum() :]
    least = outputs.min(axis=1, keepdims=True) - CERTAIN
    scores = np.repeat(least, len(present), axis=1)
    scores[:, present] = outputs
    return scores
