"""The class of networks that `monotonic_cst` and `positive` stand for, and training in it."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_monotonic_cst

from convexrelu._utils.arguments import float_array
from convexrelu._utils.typing import Array
from convexrelu.constrained.neuron_class import NeuronClass
from convexrelu.constrained.train import largest_penalty_in_class, train_in_class
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result
from convexrelu.results.status import Status
from convexrelu.training.path import largest_penalty
from convexrelu.training.train import train

__all__ = ["class_path", "largest_useful_penalty", "neuron_class_of", "train_estimator"]

# Parameters that a class does not leave to choose, with the only values that they may have.
_FIXED = {
    "skip": False,
    "patterns": "cutting_plane",
    "solver": "auto",
    "oracle": "auto",
    "minimal": "auto",
}
# Options of training that a class has, too.
_OPTIONS = ("effort", "tol", "max_iter", "time_limit", "device", "random_state", "progress")


def neuron_class_of(estimator: BaseEstimator) -> NeuronClass | None:
    """The class of an estimator that has seen its inputs; None if there are no constraints.

    Raises
    ------
    ValueError
        For constraints that do not fit the features, or other parameters that they exclude.
    """
    given = estimator.monotonic_cst
    if given is not None and not isinstance(given, dict):
        given = float_array("monotonic_cst", given)
        if given.ndim != 1:
            raise ValueError(
                f"monotonic_cst has shape {given.shape}, expected one number for each feature"
            )
    neuron_class = NeuronClass(_check_monotonic_cst(estimator, given), estimator.positive)
    if neuron_class.is_everything:
        return None
    asked = "monotonic_cst" if neuron_class.is_monotone else "positive=True"
    for name, only in _FIXED.items():
        value = getattr(estimator, name)
        if name == "minimal" and value is False:  # which "auto" is here
            continue
        if not isinstance(value, type(only)) or value != only:
            raise ValueError(f"{asked} does not support {name}={value!r}; use {name}={only!r}")
    return neuron_class


def train_estimator(
    estimator: BaseEstimator,
    problem: TrainingProblem,
    options: dict[str, Any],
    start: TwoLayerNetwork | str | None = "descent",
) -> Result:
    """Train with the keywords of :func:`~convexrelu.train`, in the class of the estimator if it has one."""
    neuron_class = neuron_class_of(estimator)
    if neuron_class is None:
        return train(problem, start=start, **options)
    return _in_class(neuron_class, problem, options, start)


def class_path(
    neuron_class: NeuronClass,
    problem: TrainingProblem,
    alphas: Array,
    start: TwoLayerNetwork | str | None,
    deadline: float,
    options: dict[str, Any],
) -> list[Result]:
    """Train for several penalties, each started from the network before."""
    results: list[Result] = []
    for alpha in alphas:
        if math.isfinite(deadline):
            options["time_limit"] = max(deadline - time.perf_counter(), 0.0)
        results.append(_in_class(neuron_class, problem.with_alpha(float(alpha)), options, start))
        if results[-1].status is Status.INTERRUPTED:
            break
        network = results[-1].network
        start = network if isinstance(network, TwoLayerNetwork) and network.width else "descent"
    return results


def largest_useful_penalty(
    estimator: BaseEstimator,
    problem: TrainingProblem,
    random: np.random.RandomState,
    deadline: float = math.inf,
) -> float:
    """Smallest penalty at which the network is constant, in the class of the estimator if it has one."""
    neuron_class = neuron_class_of(estimator)
    if neuron_class is not None:
        neuron_class.check(problem)
    if problem.stays_sparse or problem.design_fits(deadline):
        problem = problem.condensed()  # for searches; a few steps need no distinct rows
    if neuron_class is None:
        return largest_penalty(problem, random, estimator.device, deadline)
    return largest_penalty_in_class(problem, neuron_class, random, estimator.device, deadline)


def _in_class(
    neuron_class: NeuronClass,
    problem: TrainingProblem,
    options: dict[str, Any],
    start: TwoLayerNetwork | str | None,
) -> Result:
    return train_in_class(
        problem,
        neuron_class.monotonic_cst,
        positive=neuron_class.positive,
        start=start,
        **{name: options[name] for name in _OPTIONS},
    )
