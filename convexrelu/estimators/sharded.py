"""Fit an estimator whose rows several processes have, or which are read chunk by chunk."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import _check_feature_names, _check_n_features

from convexrelu._utils.arguments import shown
from convexrelu.chunked.group import Group
from convexrelu.chunked.largest_penalty import largest_penalty
from convexrelu.chunked.problem import ChunkedProblem, sliceable
from convexrelu.chunked.rows import Rows
from convexrelu.chunked.sources import Pieces
from convexrelu.chunked.train import train_in_chunks
from convexrelu.estimators.base import FixedAlphaEstimator
from convexrelu.estimators.class_weights import warn_of_unknown_labels
from convexrelu.estimators.classifier import Classifier
from convexrelu.estimators.data import check_parameters, checked_inputs
from convexrelu.estimators.regressor import Regressor
from convexrelu.estimators.shard_targets import targets_on_shards
from convexrelu.estimators.watching import check_callbacks, watched
from convexrelu.estimators.whole_state import changed_at_once
from convexrelu.losses import LOSSES
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.results.result import Result

__all__ = ["check_supported", "fit_on_shards", "warn_after_fit"]

Estimator = TypeVar("Estimator", bound=FixedAlphaEstimator)

# Fraction of the time limit in which the unit of a relative `alpha` is searched for.
_TIME_FOR_UNIT = 0.1
# Parameters that have no meaning here, with the only values they may have.
_FIXED = {
    "skip": False,
    "monotonic_cst": None,
    "positive": False,
    "patterns": "cutting_plane",
    "solver": "auto",
    "oracle": "auto",
    "minimal": "auto",
}


def fit_on_shards(
    estimator: Estimator,
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    group: Group,
    exposure: ArrayLike | None = None,
) -> Estimator:
    """Fit on the rows of all processes of a group; every process gets the same estimator."""
    check_supported(estimator)
    with changed_at_once(estimator) as draft:
        draft.__dict__.pop("alpha_max_", None)  # of an earlier fit
        inputs = _inputs(draft, X)
        group.agree(_to_agree_on(draft, exposure))
        group.agree(_names_of_features(draft))
        if exposure is not None:
            y, sample_weight = _rates(draft, y, sample_weight, exposure)
        targets = targets_on_shards(draft, y, sample_weight, inputs, group)
        problem = ChunkedProblem(
            inputs,
            targets.y,
            draft.alpha,
            loss=targets.loss,
            activation=draft.activation,
            negative_slope=draft.negative_slope,
            hidden_bias=draft.hidden_bias,
            fit_intercept=draft.fit_intercept,
            sample_weight=targets.weights,
        )
        draft._describe(targets.known, targets.known_weights)
        if targets.result is None:
            shape = problem.n_features, targets.n_outputs
            start = draft.last_network(shape, problem.slope)
            problem, seconds = _in_absolute_scale(draft, problem, group)
            result = _trained(draft, problem, start, seconds, group)
        else:
            Rows(problem, group)  # which checks them
            result = targets.result
            if draft.alpha_scale == "relative":
                draft.alpha_max_ = 1.0  # any penalty leaves a constant
        draft.keep_result(result, targets.known, targets.known_weights)
    return estimator


def _in_absolute_scale(
    estimator: Any, problem: ChunkedProblem, group: Group
) -> tuple[ChunkedProblem, float]:
    """The problem with the penalty that `alpha` stands for, and the seconds that this took."""
    if estimator.alpha_scale == "absolute":
        return problem, 0.0
    seconds = math.inf if estimator.time_limit is None else _TIME_FOR_UNIT * estimator.time_limit
    options = {"device": estimator.device, "random_state": estimator.random_state}
    largest = largest_penalty(problem, group, time_limit=seconds, **options)
    estimator.alpha_max_ = largest.alpha or 1.0
    return problem.with_alpha(estimator.alpha * estimator.alpha_max_), largest.seconds


def _trained(
    estimator: Any,
    problem: ChunkedProblem,
    start: TwoLayerNetwork | None,
    seconds: float,
    group: Group,
) -> Result:
    """Train with the parameters of the estimator, whose callbacks process 0 calls, after so many seconds."""
    time_limit = estimator.time_limit
    with watched(estimator) if group.rank == 0 else nullcontext() as progress:
        return train_in_chunks(
            problem,
            group=group,
            tol=estimator.tol,
            max_iter=estimator.max_iter,
            time_limit=None if time_limit is None else max(time_limit - seconds, 0.0),
            start=start,
            device=estimator.device,
            random_state=estimator.random_state,
            progress=progress,
        )


def warn_after_fit(estimator: FixedAlphaEstimator) -> None:
    """Issue the warnings of a fit, in the user's process."""
    if isinstance(estimator, Classifier):
        warn_of_unknown_labels(estimator.class_weight, estimator.classes_)
    estimator.warn_of_open_gap()


def check_supported(estimator: Any) -> None:
    """Raise an error for other estimators, and for parameters that are not supported."""
    if not isinstance(estimator, FixedAlphaEstimator):
        kind = estimator if isinstance(estimator, type) else type(estimator)
        given = f"class {kind.__name__}" if kind is estimator else kind.__name__
        raise ValueError(
            f"estimator is a {given}, expected a ConvexReLURegressor or ConvexReLUClassifier; others are fitted on "
            "rows in one process, by their own fit"
        )
    check_parameters(estimator)
    check_callbacks(estimator.callbacks)
    for name, value in _FIXED.items():
        given = getattr(estimator, name)
        if name == "minimal" and given is False:  # which "auto" is here
            continue
        if given is not value and not (np.isscalar(given) and given == value):
            raise _not_supported(f"{name}={shown(given)}", f"use {name}={value!r}")
    loss = LOSSES.get(estimator.loss) if isinstance(estimator.loss, str) else estimator.loss
    if loss is not None and not loss.smooth:
        raise _not_supported(
            f"loss={loss.name!r}, which has kinks,",
            "use 'huber', 'squared_hinge' or another smooth one",
        )
    if estimator.effort == "prove":
        raise _not_supported("effort='prove'", "use effort='certify', and convexrelu.certify")


def _not_supported(what: str, instead: str) -> ValueError:
    return ValueError(
        f"{what} is not supported with rows in several processes or chunks; {instead}, or fit on rows in one process"
    )


def _to_agree_on(estimator: Any, exposure: ArrayLike | None) -> dict[str, str]:
    """What must be the same on all processes, and training does not compare, or only later."""
    weight_of_classes = getattr(estimator, "class_weight", None)
    if isinstance(weight_of_classes, dict):
        weight_of_classes = sorted(map(repr, weight_of_classes.items()))
    return {
        "estimator": type(estimator).__name__,
        "class_weight": repr(weight_of_classes),
        "alpha_scale": repr(estimator.alpha_scale),
        "time_limit": repr(estimator.time_limit),
        "missing_targets": repr(getattr(estimator, "missing_targets", None)),
        "X": f"{estimator.n_features_in_} features",
        "names of features": "some" if hasattr(estimator, "feature_names_in_") else "none",
        "exposure": "none" if exposure is None else "some",
    }


def _names_of_features(estimator: Any) -> dict[str, str]:
    names = getattr(estimator, "feature_names_in_", ())
    return {f"name of feature {k}": shown(name) for k, name in enumerate(names)}


def _rates(
    estimator: Any, y: ArrayLike, sample_weight: ArrayLike | None, exposure: ArrayLike
) -> tuple[ArrayLike, ArrayLike | None]:
    """Rates and their weights, of counts with exposures."""
    if not isinstance(estimator, Regressor):
        raise ValueError(
            f"exposure is for counts, with loss='poisson' of ConvexReLURegressor; estimator is a "
            f"{type(estimator).__name__}"
        )
    return estimator._rates(y, sample_weight, exposure)


def _inputs(estimator: FixedAlphaEstimator, X: Any) -> Any:
    """Inputs that can be sliced; numbers and names of features are kept."""
    X = sliceable(X)
    is_array = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f"
    if is_array or isinstance(X, Pieces):
        _check_feature_names(estimator, X, reset=True)
        _check_n_features(estimator, X, reset=True)
        return X
    return checked_inputs(estimator, X, reset=True, accept_sparse=False)
