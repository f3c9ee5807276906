"""Networks from elsewhere as two-layer networks that fit a problem."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from convexrelu.losses import LOSSES, Loss
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["as_network", "as_targets", "unwrapped"]


def unwrapped(given: Any, X: ArrayLike) -> tuple[Any, ArrayLike]:
    """The network in a pipeline, a search or a skorch net, and the inputs as it sees them.

    Raises
    ------
    NotFittedError
        For an estimator or net that is not fitted; the message names it.
    """
    if isinstance(given, Pipeline):
        last = given.steps[-1][1]
        if isinstance(last, str) or last is None:
            raise ValueError("network_or_module is a Pipeline that ends with no estimator")
        _check_fitted(last)
        return unwrapped(last, given[:-1].transform(X) if len(given.steps) > 1 else X)
    if isinstance(given, FrozenEstimator):
        return unwrapped(given.estimator, X)
    if isinstance(given, BaseSearchCV):
        _check_fitted(given)
        if not hasattr(given, "best_estimator_"):
            raise ValueError("network_or_module is a search with refit=False, which has no network")
        return unwrapped(given.best_estimator_, X)
    if hasattr(given, "module") and hasattr(given, "get_params"):  # of skorch
        if not hasattr(given, "module_"):
            raise NotFittedError(f"network_or_module: {type(given).__name__} is not fitted")
        return given.module_, X
    if isinstance(given, BaseEstimator):
        _check_fitted(given)
    return given, X


def _check_fitted(estimator: Any) -> None:
    if not isinstance(estimator, BaseEstimator) or hasattr(estimator, "network_"):
        return
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError) as error:
        raise NotFittedError(
            f"network_or_module: {type(estimator).__name__} is not fitted"
        ) from error


def as_targets(given: Any, y: ArrayLike, loss: str | Loss) -> ArrayLike:
    """Targets of a loss for the labels of a fitted classifier, one or several; other targets unchanged."""
    classes = getattr(given, "classes_", None)
    kind = LOSSES.get(loss) if isinstance(loss, str) else type(loss)
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or kind is None:
        return y
    labels = np.asarray(y)
    if not kind.takes_labels:
        return y
    if labels.ndim == 2 and not kind.couples_outputs and np.isin(labels, (0, 1)).all():
        return 2.0 * labels - 1.0
    if labels.ndim != 1 or not np.isin(labels, classes).all():
        return y
    index = np.searchsorted(classes, labels)
    return index if kind.couples_outputs else 2 * index - 1


def as_network(given: Any, problem: TrainingProblem) -> TwoLayerNetwork:
    """The network of what is given, if it has the form that the problem asks for."""
    try:
        network = _converted(given, problem)
    except ValueError as error:
        raise ValueError(f"network_or_module is no two-layer ReLU network: {error}") from error
    if network.n_features != problem.n_features:
        raise ValueError(
            f"network_or_module takes {network.n_features} features, but X has {problem.n_features}"
        )
    if network.n_outputs != problem.n_outputs:
        raise ValueError(
            f"network_or_module has {network.n_outputs} outputs, expected {problem.n_outputs}"
        )
    if network.negative_slope != problem.slope:
        raise ValueError(
            f"network_or_module has a slope of {network.negative_slope} on the left, but "
            f"activation={problem.activation!r} has {problem.slope}"
        )
    if network.skip_weights is not None and not problem.skip:
        raise ValueError("network_or_module has a skip connection, but skip=False")
    if not problem.hidden_bias and network.hidden_bias.any():
        raise ValueError("network_or_module has hidden biases, but hidden_bias=False")
    if not problem.fit_intercept and network.output_bias.any():
        raise ValueError("network_or_module has an output intercept, but fit_intercept=False")
    return network


def _converted(given: Any, problem: TrainingProblem) -> TwoLayerNetwork:
    """The network; what comes from elsewhere must have the network's outputs on the samples."""
    if isinstance(given, BaseEstimator):
        given = getattr(given, "network_", given)
    if isinstance(given, TwoLayerNetwork):
        return _plain(given, problem)
    if isinstance(given, BaseEstimator):
        return TwoLayerNetwork.from_sklearn(given, problem.X)
    return TwoLayerNetwork.from_torch(given, problem.X)


def _plain(network: TwoLayerNetwork, problem: TrainingProblem) -> TwoLayerNetwork:
    """The network without what a subclass may have changed."""
    if type(network) is TwoLayerNetwork:
        return network
    plain = TwoLayerNetwork(
        network.hidden_weights,
        network.hidden_bias,
        network.output_weights,
        network.output_bias,
        negative_slope=network.negative_slope,
        skip_weights=network.skip_weights,
    )
    if not np.array_equal(network.predict(problem.X), plain.predict(problem.X)):
        raise ValueError(f"a {type(network).__name__} predicts other outputs than its weights have")
    return plain
