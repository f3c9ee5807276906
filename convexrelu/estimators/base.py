"""Common base of the estimators: parameters, the training problem, training, and the fitted attributes."""

from __future__ import annotations

import math
import numbers
import time
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from convexrelu._utils.arguments import check_number
from convexrelu._utils.deadlines import part_before, seconds_before
from convexrelu._utils.typing import Array
from convexrelu._utils.user_warnings import warn_user
from convexrelu.estimators.constraints import largest_useful_penalty, train_estimator
from convexrelu.estimators.data import check_parameters, checked_inputs
from convexrelu.estimators.exports import Exports
from convexrelu.estimators.interpolating import Interpolation
from convexrelu.estimators.pruning import must_be_minimal, with_fewer_neurons
from convexrelu.estimators.showing import Showing
from convexrelu.estimators.watching import check_callbacks, trained_under_watch
from convexrelu.estimators.whole_state import changed_at_once
from convexrelu.losses import LOSSES, Loss
from convexrelu.networks.gated import GatedNetwork
from convexrelu.networks.threshold import ThresholdNetwork
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.unread import read_when_needed
from convexrelu.problem.unread_problem import problem_on
from convexrelu.results.result import Progress, Result
from convexrelu.results.status import AlphaWarning, Status
from convexrelu.training.useful_penalties import complaint_about

__all__ = ["TIME_FOR_UNIT", "FixedAlphaEstimator", "NetworkEstimator"]

# Fraction of the time limit that training has where neurons are dropped afterwards.
_TIME_TO_TRAIN = 0.9


# Fraction of the time in which the unit of a relative `alpha` is searched for, and `alpha` compared
# with what is useful; the former is rarely needed.
TIME_FOR_UNIT = 0.1
# Penalty of skip connections without which there is no bound.
_SKIP_ALPHA = 0.01
# Targets whose deviation is within a factor of this from one need no scaling.
_STANDARD = 10.0


class NetworkEstimator(Showing, Exports, BaseEstimator, metaclass=ABCMeta):
    """Base class of the estimators. Subclasses define the targets, and which of the parameters they have."""

    network_: TwoLayerNetwork | GatedNetwork | ThresholdNetwork

    @property
    def feature_importances_(self) -> Array:
        """Share of every feature ``k`` in the path weights ``Σ_j |w_jk| ‖a_j‖ + ‖s_k‖``, of shape (d,).

        Paths lead from a feature to the outputs, over a neuron or the skip connection. The sum does not change when
        neurons are rescaled, split or joined, which leaves the function alone. Like any weights, these compare
        features of one scale: standardise ``X``. Networks of equal objective may have others. Without
        any path all shares are zero.
        """
        check_is_fitted(self, "network_")
        paths = _path_weights(self.network_)
        return paths / (paths.sum() or 1.0)

    @property
    def _predicts_logarithms(self) -> bool:
        """Whether outputs of the network are logarithms of what ``predict`` says: with the Poisson loss."""
        loss = LOSSES.get(self.loss) if isinstance(self.loss, str) else self.loss
        return bool(loss and loss.predicts_logarithms)

    def _keep(self, parameters: dict[str, Any]) -> None:
        """Keep the parameters as they are; `__init__` hands over its ``locals()``."""
        for name, value in parameters.items():
            if name != "self":
                setattr(self, name, value)

    # Properties of the targets

    @abstractmethod
    def _check_loss(self) -> None:
        """Raise an error for a loss of other targets."""

    @abstractmethod
    def _checked(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, NDArray, Array | None]:
        """Inputs, targets and weights as arrays, if they are what the estimator takes."""

    @abstractmethod
    def _problem(
        self, X: Array, y: NDArray, sample_weight: Array | None, alpha: float
    ) -> TrainingProblem:
        """The training problem of checked data."""

    def _describe(self, y: NDArray, weights: Array | None) -> None:
        """Store the properties of the targets that predictions need."""

    def _known_result(self, problem: TrainingProblem) -> Result | None:
        """The result, where it is known without training."""
        return None

    def _problem_of(
        self, X: Array, targets: Array, sample_weight: Array | None, alpha: float, loss: str | Loss
    ) -> TrainingProblem:
        """The problem with this estimator's parameters."""
        return problem_on(
            X,
            targets,
            alpha,
            loss=loss,
            activation=self.activation,
            negative_slope=self.negative_slope,
            hidden_bias=self.hidden_bias,
            fit_intercept=self.fit_intercept,
            skip=self.skip,
            skip_alpha=self._skip_alpha(loss),
            sample_weight=sample_weight,
        )

    def _skip_alpha(self, loss: str | Loss) -> float:
        """Penalty of the skip connection; by default none with the squared error, and a small one with others."""
        if self.skip_alpha != "auto":
            return self.skip_alpha
        kind = LOSSES[loss] if isinstance(loss, str) else loss
        return 0.0 if kind.is_least_squares or not self.skip else _SKIP_ALPHA

    # Training

    def _training_options(self) -> dict[str, Any]:
        """Keywords of :func:`convexrelu.train`."""
        names = (
            "patterns n_patterns solver effort oracle tol max_iter time_limit device random_state"
        )
        return {name: getattr(self, name) for name in names.split()} | {"progress": None}

    def _seconds_to_train(self, deadline: float) -> float | None:
        """Time limit of a training that ends before the deadline, and before neurons are dropped."""
        return seconds_before(deadline, _TIME_TO_TRAIN if must_be_minimal(self) else 1.0)

    def _deadline(self) -> float:
        """Time at which a training that starts now has to end."""
        if self.time_limit is None:
            return math.inf
        check_number("time_limit", self.time_limit, numbers.Real, 0)
        return time.perf_counter() + self.time_limit

    def _train(self, X: ArrayLike, y: ArrayLike, *args: Any, **kwargs: Any) -> list[str]:
        """Train, and keep the fitted attributes; returns what a user is to be warned of."""
        raise NotImplementedError

    def _fit(self, *data: Any, **params: Any) -> Self:
        """Let `_train` change the estimator, at once or not at all, and report; to be called by ``fit``."""
        before, notes = vars(self), []
        try:
            # An interruption may leave NumPy's handling of errors as it is within some function.
            with np.errstate(), changed_at_once(self) as draft:
                notes = draft._train(*data, **params)
        except KeyboardInterrupt as interruption:
            is_new = vars(self) is not before
            raise KeyboardInterrupt(self._what_is_left(is_new)) from interruption
        if self.status_ is Status.INTERRUPTED:
            raise KeyboardInterrupt(
                "fit was interrupted: "
                + "; ".join(
                    [f"the estimator keeps the best network so far ({self.certificate_})", *notes]
                )
            )
        self.warn_of_open_gap(notes)
        return self

    def warn_of_open_gap(self, notes: Sequence[str] = ()) -> None:
        """Warn of these notes, and of a training that ended with a gap above its tolerance."""
        if self.status_ not in (Status.CONVERGED, Status.SETTLED, Status.STOPPED):
            gap = self.certificate_.relative_gap
            notes = [*notes, f"{self.status_.value}: relative gap {gap:.1e}, tol={self.tol:.1e}"]
        if notes:
            warn_user("; ".join(notes), ConvergenceWarning)

    def _what_is_left(self, is_new: bool) -> str:
        """What there is after an interruption that came too early for a network, or too late to matter."""
        if not hasattr(self, "network_"):
            return "fit was interrupted before the first certificate: there is no network"
        if is_new:
            return (
                f"interrupted after the end of fit: the estimator is fitted ({self.certificate_})"
            )
        return (
            "fit was interrupted before the first certificate: the estimator is as it was, with the network of "
            f"an earlier fit ({self.certificate_})"
        )

    def _trained(
        self,
        problem: TrainingProblem,
        y: NDArray,
        options: dict[str, Any],
        start: TwoLayerNetwork | str = "descent",
        *others: Progress,
    ) -> Result:
        """Train on all data, watched by callbacks, which may predict by then, and by others."""
        self._describe(y, problem.weights)
        return trained_under_watch(
            self,
            lambda progress: train_estimator(
                self, problem, options | {"progress": progress}, start
            ),
            *others,
        )

    def _check_options(self) -> None:
        """Check parameters, also those that only make sense together."""
        check_parameters(self)
        check_callbacks(self.callbacks)
        if must_be_minimal(self) and self.activation in ("gated_relu", "threshold"):
            raise ValueError(
                f"minimal=True is not supported for activation={self.activation!r}; use minimal=False"
            )

    def _take(
        self, result: Result, problem: TrainingProblem, y: NDArray, deadline: float = math.inf
    ) -> Self:
        """Keep a result as the fitted attributes; neurons are dropped until the deadline, or an interruption."""
        result = with_fewer_neurons(self, result, problem, deadline)
        return self.keep_result(result, y, problem.weights)

    def keep_result(self, result: Result, y: NDArray, weights: Array | None = None) -> Self:
        """Keep a result as the fitted attributes, for targets or labels `y` of samples with these weights."""
        self._describe(y, weights)
        self.network_ = result.network
        self.certificate_ = result.certificate
        self.history_ = result.history
        self.status_ = result.status
        self.n_iter_ = result.n_iter
        return self

    # Prediction

    def _outputs(self, X: ArrayLike) -> Array:
        """Outputs of the network, of shape (n,) or (n, K)."""
        check_is_fitted(self, "network_")
        return self.network_.predict(checked_inputs(self, X, reset=False))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class FixedAlphaEstimator(NetworkEstimator):
    """An estimator that is given its `alpha`."""

    alpha_max_: float

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Training inputs.
        y : array-like of shape (n,) or (n, K)
            Targets, or class labels.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights; only their proportions matter.

        Returns
        -------
        object
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight)

    def _train(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> list[str]:
        self._check_options()
        deadline = self._deadline()
        inputs, targets, weights = self._checked(X, y, sample_weight)
        problem = self._problem(read_when_needed(inputs, deadline), targets, weights, self.alpha)
        if hasattr(self, "alpha_max_"):  # of an earlier fit
            del self.alpha_max_
        known = self._known_result(problem)
        if known is not None:
            if self.alpha_scale == "relative":
                self.alpha_max_ = 1.0  # any penalty leaves a constant
            self._take(known, problem, targets, deadline)
            return []
        problem = self._in_absolute_scale(problem)
        complaint = complaint_about(problem, part_before(deadline, TIME_FOR_UNIT))
        if complaint:
            warn_user(f"{complaint}; {self._advice(problem)}", AlphaWarning)
        options = self._training_options()
        options["time_limit"] = self._seconds_to_train(deadline)
        start = self._start(problem)
        if complaint and self.effort == "certify" and Interpolation.is_for(problem):
            end = Interpolation.of(problem)
            result = end.named(self._trained(problem, targets, options, start, end))
        else:
            result = self._trained(problem, targets, options, start)
        self._take(result, problem, targets, deadline)
        return []

    def _in_absolute_scale(self, problem: TrainingProblem) -> TrainingProblem:
        """The problem with the penalty that `alpha` stands for; keeps the unit, if it is one of the data."""
        if self.alpha_scale == "absolute":
            return problem
        seconds = math.inf if self.time_limit is None else TIME_FOR_UNIT * self.time_limit
        # A copy of a seed: the network is the one that the absolute penalty gives.
        random = check_random_state(self.random_state)
        deadline = time.perf_counter() + seconds
        largest = largest_useful_penalty(self, problem, random, deadline)
        self.alpha_max_ = largest or 1.0
        return problem.with_alpha(self.alpha * self.alpha_max_)

    def _advice(self, problem: TrainingProblem) -> str:
        """What to do about a penalty outside the useful range."""
        deviation = float(np.std(problem.y, axis=0).max())
        if problem.loss.is_least_squares and not 1 / _STANDARD < deviation < _STANDARD:
            cause = f"targets have standard deviation {deviation:.2g}: scale y"
        else:
            cause = "standardise X, choose another alpha"
        if self.alpha_scale == "relative":
            return cause
        return f"{cause}, or use alpha_scale='relative', with which alpha is a fraction of that penalty"

    def _start(self, problem: TrainingProblem) -> TwoLayerNetwork | str:
        """The last network, for a warm start that fits."""
        shape = problem.n_features, problem.n_outputs
        return self.last_network(shape, problem.slope, problem.skip) or "descent"

    def last_network(
        self, shape: tuple[int, int], slope: float, skip: bool = False
    ) -> TwoLayerNetwork | None:
        """The last network, for a warm start with these numbers of features and outputs; None if it does not fit."""
        network = getattr(self, "network_", None)
        if not (self.warm_start and isinstance(network, TwoLayerNetwork)):
            return None
        same_shape = (network.n_features, network.n_outputs) == shape
        same_kind = network.negative_slope == slope and (skip or network.skip_weights is None)
        return network if same_shape and same_kind else None


def _path_weights(network: TwoLayerNetwork | GatedNetwork | ThresholdNetwork) -> Array:
    """``Σ_j |w_jk| ‖a_j‖`` of every feature ``k``."""
    if isinstance(network, TwoLayerNetwork):
        paths = np.linalg.norm(network.output_weights, axis=0) @ np.abs(network.hidden_weights)
        if network.skip_weights is not None:
            paths += np.linalg.norm(network.skip_weights, axis=0)
        return paths
    if isinstance(network, GatedNetwork):
        return np.abs(network.weights).sum(axis=0)[: network.n_features]
    raise AttributeError(
        "feature_importances_ is not defined for threshold networks: their gates have no scale"
    )
