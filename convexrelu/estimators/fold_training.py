"""Training in the folds of a cross-validation, for scores only.

A network of a fold is needed for its score, and a relative difference of half a hundredth in the objective changes that
less than the next penalty does. So, where the solver is free, descent trains the networks of a fold, with a small
finite program for least squares, see :mod:`~convexrelu.training.descent_path`. No gap is closed: most of the time would
go into bounds.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils.validation import _check_method_params

from convexrelu._utils.deadlines import is_brief
from convexrelu._utils.typing import Array
from convexrelu.closed_forms import closed_form_for
from convexrelu.estimators.constraints import class_path, neuron_class_of
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result
from convexrelu.results.status import Status
from convexrelu.training.descent_path import descent_path
from convexrelu.training.path import regularization_path, start_after

__all__ = ["Fold", "FoldScores", "fold_results", "has_given_patterns", "train_and_score"]

# Multiplications for each input and target that take as long as a constant of a fold, and its score.
_ENTRY, _TARGET = 200.0, 5000.0
_INTERRUPTED = "interrupted during cross-validation: there is no network"

CrossValidated = Any  # an estimator of that class, whose module imports this one
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

    @classmethod
    def untried(cls, n_alphas: int) -> FoldScores:
        """For a fold of many samples that would begin when time is up: even a constant, and its score, take long."""
        unknown = np.full(n_alphas, np.nan)
        return cls(unknown, unknown, np.full(n_alphas, -1), 0, in_time=False, last="descent")

    @property
    def is_tried(self) -> bool:
        """Whether there are networks."""
        return bool((self.widths >= 0).all())


def has_given_patterns(model: CrossValidated) -> bool:
    """Whether patterns do not depend on the penalty; they are then computed once for a fold."""
    return not (isinstance(model.patterns, str) and model.patterns == "cutting_plane")


def fold_results(
    model: CrossValidated,
    problem: TrainingProblem,
    seed: int,
    alphas: Array,
    start: Start,
    before: float,
    deadline: float,
    *,
    only_descent: bool,
) -> list[Result]:
    """Train in a fold, without bounds if it can: the only place that chooses how."""
    neuron_class = neuron_class_of(model)
    if only_descent:
        network = start if isinstance(start, TwoLayerNetwork) else None
        options = {"random_state": seed, "device": model.device, "deadline": deadline}
        return descent_path(problem, alphas, network, before=before, **options)
    oracle = model.oracle if model.oracle == "spike_free" else "quick"
    options = model._training_options() | {"oracle": oracle, "random_state": seed}
    options["effort"] = "predict" if model.cv_tol is None else "certify"
    options["tol"] = _TOL if model.cv_tol is None else model.cv_tol
    if neuron_class is not None:
        return class_path(neuron_class, problem, alphas, start, deadline, options)
    if np.isfinite(deadline):
        options["time_limit"] = max(deadline - time.perf_counter(), 0.0)
    return regularization_path(problem, alphas, start=start, **options)


# Relative gap for networks of folds that finite programs train.
_TOL = 2e-2


def _needs_only_descent(model: CrossValidated, problem: TrainingProblem, deadline: float) -> bool:
    """Whether descent can train the networks of a fold, and nothing else was asked for or is faster."""
    free = model.cv_tol is None and model.solver == "auto" and model.oracle != "spike_free"
    free = free and neuron_class_of(model) is None
    if not free or has_given_patterns(model) or problem.activation == "threshold":
        return False
    # At large penalties every problem has a closed form: a constant.
    least = problem.with_alpha(float(model.alphas_[-1]))
    plain = problem.loss.smooth and not problem.skip
    return plain and closed_form_for(least, deadline) is None


def train_and_score(
    model: CrossValidated,
    X: Array,
    y: Array,
    weights: Array | None,
    fold: Fold,
    alphas: Array,
    start: Start,
    before: float,
    score_params: dict[str, Any],
    deadline: float,
) -> FoldScores:
    """Train the networks of some penalties in a fold, and score them on the samples that were left out.

    Raises
    ------
    KeyboardInterrupt
        If interrupted.
    """
    if time.perf_counter() >= deadline and not is_brief(_ENTRY * X.size + _TARGET * y.size):
        return FoldScores.untried(len(alphas))
    within, without, seed = fold
    within, part = _with_all_labels(model, y, weights, within)
    if part is not None and not part.any():
        raise ValueError(
            f"cv has a fold whose {len(within)} samples of training have no weight by sample_weight"
        )
    problem = model._problem(X[within], y[within], part, 1.0)
    try:
        known = model._known_result(problem)
        only_descent = known is None and _needs_only_descent(model, problem, deadline)
        results = (
            [known] * len(alphas)
            if known is not None
            else fold_results(
                model, problem, seed, alphas, start, before, deadline, only_descent=only_descent
            )
        )
    except KeyboardInterrupt as interruption:
        raise KeyboardInterrupt(_INTERRUPTED) from interruption
    if len(results) < len(alphas) or results[-1].status is Status.INTERRUPTED:
        raise KeyboardInterrupt(_INTERRUPTED)
    scorer, params = model._scorer(), _check_method_params(X, score_params, without)
    models = [
        model._fitted_single(result, problem.with_alpha(alpha), y[within], deadline)
        for result, alpha in zip(results, alphas, strict=True)
    ]
    if any(one.status_ is Status.INTERRUPTED for one in models):  # while neurons were dropped
        raise KeyboardInterrupt(_INTERRUPTED)
    rest = X[without], y[without]
    part = _part(weights, without)
    return FoldScores(
        np.array([scorer(one, *rest, **params) for one in models], np.float64),
        np.array([model._left_out_loss(one, problem.loss, *rest, part) for one in models]),
        np.array([one.network_.width for one in models]),
        0 if known or only_descent else _count_open(results),
        time.perf_counter() <= deadline,
        start_after(results[-1]),
    )


def _count_open(results: list[Result]) -> int:
    return sum(result.status not in (Status.CONVERGED, Status.SETTLED) for result in results)


def _with_all_labels(
    model: CrossValidated, y: NDArray, weights: Array | None, within: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Array | None]:
    """Samples and weights of a fold; labels that it lacks have a sample without weight, and probability zero.

    Of several labels in columns one has to vary, the others are constant.
    """
    part = _part(weights, within)
    if not is_classifier(model):
        return within, part
    if y.ndim > 1:
        is_constant = bool((y[within] == y[within[0]]).all())
        absent = np.flatnonzero((y != y[within[0]]).any(axis=1))[: int(is_constant)]
    else:
        labels, first = np.unique(y, return_index=True)
        absent = first[~np.isin(labels, y[within])]
    if not len(absent):
        return within, part
    given = np.ones(len(within)) if part is None else part
    return np.append(within, absent), np.append(given, np.zeros(len(absent)))


def _part(weights: Array | None, samples: NDArray[np.intp]) -> Array | None:
    return None if weights is None else weights[samples]
