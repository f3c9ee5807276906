"""Where the training on all data starts, after a choice by cross-validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from convexrelu._utils.deadlines import part_before
from convexrelu.estimators.constraints import neuron_class_of
from convexrelu.estimators.fold_training import has_given_patterns
from convexrelu.networks.averages import mean_network
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.condensing import condensed_before
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.solvers.nonconvex.descent import FEW_SAMPLES, polish
from convexrelu.training.descent_path import without_tiny

__all__ = ["start_of_last_training"]

_TIME_TO_JOIN = 0.2  # part of the time that is left, which the training needs


def start_of_last_training(
    estimator: Any,
    of_folds: Sequence[TwoLayerNetwork],
    problem: TrainingProblem,
    deadline: float = math.inf,
) -> TwoLayerNetwork | str:
    """The mean of the networks of the folds at the penalty that was chosen, or one of them, or ``"descent"``."""
    # Folds may lack classes, and outputs with them.
    own = [each for each in of_folds if each.n_outputs == problem.n_outputs]
    if (
        not any(each.width for each in own)
        or has_given_patterns(estimator)
        or neuron_class_of(estimator) is not None
    ):
        return "descent"
    if problem.skip or problem.n_samples > FEW_SAMPLES:
        return "descent"
    # With several outputs, training takes as much longer as the mean has more neurons.
    at_alpha = problem.with_alpha(estimator.alpha_)
    if problem.n_outputs > 1:
        best = min(own, key=at_alpha.objective)
    elif problem.loss.smooth:
        end = part_before(deadline, _TIME_TO_JOIN)
        best = _joined(condensed_before(at_alpha, end), own, end)
    else:
        best = mean_network(own)
    return best if best.width else "descent"


def _joined(
    problem: TrainingProblem, networks: Sequence[TwoLayerNetwork], deadline: float
) -> TwoLayerNetwork:
    """The mean after descent, in which most of its neurons join or vanish: the first program has far fewer blocks."""
    return without_tiny(problem, polish(problem, mean_network(networks), deadline))
