"""Fit an estimator whose rows several processes have, or which are read chunk by chunk."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_feature_names, _check_n_features

from convexrelu._utils.arguments import finite_array, shown
from convexrelu._utils.typing import Array
from convexrelu.chunked.exact_sums import exact_totals
from convexrelu.chunked.group import Group
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.chunked.sources import Pieces
from convexrelu.chunked.train import train_in_chunks
from convexrelu.estimators.base import FixedAlphaEstimator
from convexrelu.estimators.class_weights import check_all_have_weight, class_weights
from convexrelu.estimators.classifier import Classifier
from convexrelu.estimators.data import check_parameters, checked_inputs
from convexrelu.estimators.watching import check_callbacks, watched
from convexrelu.estimators.whole_state import changed_at_once
from convexrelu.losses import Loss

__all__ = ["fit_on_shards"]

Estimator = TypeVar("Estimator", bound=FixedAlphaEstimator)

# Parameters that have no meaning here, with the only values they may have.
_FIXED = {
    "alpha_scale": "absolute",
    "skip": False,
    "monotonic_cst": None,
    "positive": False,
    "patterns": "cutting_plane",
    "solver": "auto",
    "oracle": "auto",
    "minimal": "auto",
    "missing_targets": "error",
    "warm_start": False,
}


def fit_on_shards(
    estimator: Estimator, X: Any, y: ArrayLike, sample_weight: ArrayLike | None, group: Group
) -> Estimator:
    """Fit on the rows of all processes of a group; every process gets the same estimator."""
    check_parameters(estimator)
    check_callbacks(estimator.callbacks)
    for name, value in _FIXED.items():
        given = getattr(estimator, name, value)
        if name == "minimal" and given is False:  # which "auto" is here
            continue
        if given is not value and not (np.isscalar(given) and given == value):
            raise ValueError(
                f"{name}={shown(getattr(estimator, name))} is not supported with rows in several processes or chunks; "
                f"use {name}={value!r}"
            )
    with changed_at_once(estimator) as draft:
        inputs = _inputs(draft, X)
        weights = (
            np.ones(inputs.shape[0])
            if sample_weight is None
            else finite_array("sample_weight", sample_weight)
        )
        known, targets, loss = np.asarray(y), y, draft.loss
        if isinstance(draft, Classifier):
            if known.ndim > 1:
                raise ValueError(
                    f"y has shape {known.shape}, expected (n,): several labels are not supported with rows in several "
                    "processes or chunks; use fit"
                )
            known = _labels(known, group)
            targets, loss, weights = _of_classes(draft, np.asarray(y), known, weights, group)
        problem = ChunkedProblem(
            inputs,
            targets,
            draft.alpha,
            loss=loss,
            activation=draft.activation,
            negative_slope=draft.negative_slope,
            hidden_bias=draft.hidden_bias,
            fit_intercept=draft.fit_intercept,
            sample_weight=weights,
        )
        draft._describe(known, None)
        with watched(draft) if group.rank == 0 else nullcontext() as progress:
            result = train_in_chunks(
                problem,
                group=group,
                tol=draft.tol,
                max_iter=draft.max_iter,
                time_limit=draft.time_limit,
                device=draft.device,
                random_state=draft.random_state,
                progress=progress,
            )
        draft.keep_result(result, known)
    return estimator


def _inputs(estimator: FixedAlphaEstimator, X: Any) -> Any:
    """Inputs that can be sliced; numbers and names of features are kept."""
    is_array = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f"
    if is_array or isinstance(X, Pieces):
        _check_feature_names(estimator, X, reset=True)
        _check_n_features(estimator, X, reset=True)
        return X
    return checked_inputs(estimator, X, reset=True, accept_sparse=False)


def _labels(y: NDArray[Any], group: Group) -> NDArray[Any]:
    """The labels of all processes."""
    group.agree({"y": "numbers as labels" if y.dtype.kind in "fiub" else "other labels"})
    return np.unique(np.concatenate(group.gather_objects(np.unique(y))))


def _of_classes(
    estimator: Classifier, y: NDArray[Any], classes: NDArray[Any], weights: Array, group: Group
) -> tuple[Array, str | Loss, Array]:
    """Targets, loss, and weights with those of classes; as of a classifier on all rows."""
    index = np.searchsorted(classes, y)
    # Exact: their last bits do not depend on the number of processes either.
    shards = group.gather_objects(exact_totals(index, weights, len(classes)))
    totals = np.array([float(sum(parts)) for parts in zip(*shards, strict=True)])
    factors = class_weights(estimator.class_weight, classes, np.arange(len(classes)), totals)
    loss = estimator.loss_for(classes)
    check_all_have_weight(classes, totals * factors)
    return estimator.targets_of(index, loss), loss, weights * factors[index]
