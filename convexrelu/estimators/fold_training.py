"""Training in the folds of a cross-validation, for scores only.

A network of a fold is needed for its score, and a relative difference of a hundredth in the objective changes that far
less than the choice of the fold does. So, where the solver is free, a penalty takes one step: a short search finds
neurons that the network of the penalty before lacks, and descent trains all of them together. No gap is closed: half of the
time, or far more with many classes, would go into finite programs and bounds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_method_params

from convexrelu._utils.typing import Array
from convexrelu.closed_forms import closed_form_for
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.status import Status
from convexrelu.training.path import regularization_path, start_after

if TYPE_CHECKING:
    from convexrelu.estimators.cross_validation import CrossValidated

__all__ = ["Fold", "FoldScores", "fold_options", "has_given_patterns", "train_and_score"]

Start = TwoLayerNetwork | str | None


class Fold(NamedTuple):
    """Samples of training, samples that were left out, and a seed."""

    within: NDArray[np.intp]
    without: NDArray[np.intp]
    seed: int


class FoldScores(NamedTuple):
    """What the networks of some penalties did in one fold."""

    scores: Array
    losses: Array  # mean losses of the samples that were left out
    widths: NDArray[np.int64]
    n_open: int  # gaps above `cv_tol`
    in_time: bool
    last: Start  # where the next penalty starts


def has_given_patterns(model: CrossValidated) -> bool:
    """Whether patterns do not depend on the penalty; they are then computed once for a fold."""
    return not (isinstance(model.patterns, str) and model.patterns == "cutting_plane")


def fold_options(model: CrossValidated, problem: TrainingProblem, seed: int) -> dict[str, Any]:
    """Options of the trainings in a fold: the only place that chooses them."""
    oracle = model.oracle if model.oracle == "spike_free" else "quick"
    options = model._training_options() | {"oracle": oracle, "random_state": seed, "progress": None}
    if model.cv_tol is not None:
        return options | {"tol": model.cv_tol}
    if _takes_one_step(model, problem):
        return options | {"tol": _TOL, "solver": "network", "max_iter": 1}
    return options | {"tol": _TOL}


# Relative gap for networks of folds that finite programs train.
_TOL = 2e-2


def _takes_one_step(model: CrossValidated, problem: TrainingProblem) -> bool:
    """Whether descent can train the networks of a fold, and nothing else was asked for or is faster."""
    free = model.solver == "auto" and model.oracle != "spike_free" and not has_given_patterns(model)
    smooth = problem.loss.smooth and not problem.skip and problem.activation != "threshold"
    return free and smooth and closed_form_for(problem) is None


def train_and_score(
    model: CrossValidated,
    data: tuple[Array, Array, Array | None],
    fold: Fold,
    alphas: Array,
    start: Start,
    score_params: dict[str, Any],
    deadline: float,
) -> FoldScores:
    """Train the networks of some penalties in a fold, and score them on the samples that were left out.

    Raises
    ------
    KeyboardInterrupt
        If interrupted.
    """
    X, y, weights = data
    within, without, seed = fold
    problem = model._problem(X[within], y[within], _part(weights, within), 1.0)
    options = fold_options(model, problem, seed)
    if np.isfinite(deadline):
        options["time_limit"] = max(deadline - time.perf_counter(), 0.0)
    results = regularization_path(problem, alphas, start=start, **options)
    if len(results) < len(alphas) or results[-1].status is Status.INTERRUPTED:
        raise KeyboardInterrupt("interrupted during cross-validation: there is no network")
    scorer, params = model._scorer(), _check_method_params(X, score_params, without)
    models = [
        model._fitted_single(result, problem.with_alpha(alpha), y[within])
        for result, alpha in zip(results, alphas, strict=True)
    ]
    rest = X[without], y[without]
    part = _part(weights, without)
    checked = options["max_iter"] > 1 or model.cv_tol is not None
    return FoldScores(
        np.array([scorer(one, *rest, **params) for one in models], np.float64),
        np.array([model._left_out_loss(one, problem.loss, *rest, part) for one in models]),
        np.array([one.network_.width for one in models]),
        sum(result.status is not Status.CONVERGED for result in results) if checked else 0,
        time.perf_counter() <= deadline,
        start_after(results[-1]),
    )


def _part(weights: Array | None, samples: NDArray[np.intp]) -> Array | None:
    return None if weights is None else weights[samples]
