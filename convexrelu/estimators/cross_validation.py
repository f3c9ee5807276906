"""The choice of `alpha` by cross-validation.

Every fold trains a path of networks, from the largest penalty down, each started from the one before. All folds take
a penalty before any takes the next: so the search can stop at a penalty, when smaller ones cannot win or time is up.
"""

from __future__ import annotations

import copy
import math
import time
import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed

from convexrelu._utils.arguments import float_array, shown
from convexrelu._utils.deadlines import Deadline, part_before
from convexrelu._utils.interruptions import interruptions_held
from convexrelu._utils.score_names import score_of
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.certificates.pricing import certificate_in_closed_form
from convexrelu.estimators.base import TIME_FOR_UNIT, NetworkEstimator
from convexrelu.estimators.constraints import largest_useful_penalty, neuron_class_of
from convexrelu.estimators.fold_training import (
    Fold,
    FoldScores,
    has_given_patterns,
    train_and_score,
)
from convexrelu.estimators.last_training import start_of_last_training
from convexrelu.estimators.penalty_choice import choose_penalty, is_past_its_best
from convexrelu.estimators.pruning import must_be_minimal
from convexrelu.estimators.splits import checked_splits
from convexrelu.estimators.watching import penalties_shown, trained_under_watch
from convexrelu.losses import Loss
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.program.several_outputs import MAX_PROVED_OUTPUTS
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.unread import read_when_needed
from convexrelu.programs.neuron_map import with_best_intercept
from convexrelu.results.result import Progress, Result
from convexrelu.results.status import SolverWarning, Status
from convexrelu.training.session import Session
from convexrelu.training.stalling import AFTER_CHOICE, AFTER_CHOICE_OF_MANY

__all__ = ["CrossValidated", "mean_loss"]

# Share of the time limit after which no more penalties are tried: the rest is for the training on all data.
_TIME_FOR_FOLDS = 0.6


class CrossValidated(NetworkEstimator):
    """Common base of the estimators that choose `alpha`."""

    # The estimator of one penalty.
    _single: ClassVar[type[NetworkEstimator]]

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any
    ) -> Self:
        """Choose `alpha` by cross-validation, and train with it on all data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Training inputs.
        y : array-like of shape (n,) or (n, K)
            Targets, or class labels.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights, in training and in scores; only their proportions matter.
        **params
            With scikit-learn's metadata routing enabled: for the splitter, such as ``groups``, and for the scorer.

        Returns
        -------
        object
            The fitted estimator.
        """
        _raise_for_params(params, self, "fit")
        return self._fit(X, y, sample_weight, **params)

    def _train(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any
    ) -> list[str]:
        began = time.perf_counter()
        self._check_options()
        deadline = self._deadline()
        inputs, targets, weights = self._checked(X, y, sample_weight)
        routed = self._routed(weights, params)
        splits = checked_splits(
            self.cv, inputs, targets, classifier=is_classifier(self), params=routed.splitter.split
        )
        random = check_random_state(self.random_state)
        problem = self._problem(read_when_needed(inputs, deadline), targets, weights, 1.0)
        known = self._known_result(problem)
        if known is not None:
            self._take_without_choice(known, problem, targets, len(splits))
            return []
        self.alphas_ = self._penalties(problem, random, part_before(deadline, TIME_FOR_UNIT))
        seeds = random.randint(np.iinfo(np.int32).max, size=len(splits)).tolist()
        folds = [
            Fold(within, without, seed)
            for (within, without), seed in zip(splits, seeds, strict=True)
        ]
        options = self._training_options() | {"random_state": random}
        networks: dict[float, list[TwoLayerNetwork]] = {}
        try:
            notes = self._search(
                (inputs, targets, weights), folds, routed.scorer.score, began, networks
            )
            start = start_of_last_training(self, networks.get(self.alpha_, []), problem, deadline)
            options["time_limit"] = self._seconds_to_train(deadline)
            result = self._trained(problem.with_alpha(self.alpha_), targets, options, start)
        except KeyboardInterrupt:
            network = self._network_so_far(networks)
            if network is None:
                raise
            result = _interrupted_with(network, problem.with_alpha(self.alpha_))
            notes = [self._origin_of_network()]
        self._take(result, problem.with_alpha(self.alpha_), targets, deadline)
        return notes

    def _trained(
        self,
        problem: TrainingProblem,
        y: NDArray,
        options: dict[str, Any],
        start: TwoLayerNetwork | str = "descent",
        *others: Progress,
    ) -> Result:
        if neuron_class_of(self) is not None:
            return super()._trained(problem, y, options, start, *others)
        self._describe(y, problem.weights)
        many = problem.n_outputs > MAX_PROVED_OUTPUTS
        patience = AFTER_CHOICE_OF_MANY if many else AFTER_CHOICE

        def train(progress: Progress) -> Result:
            own = {"progress": progress, "patience": patience}
            with one_blas_thread():
                return Session(problem, **options | own).train(problem.alpha, start)

        return trained_under_watch(self, train, *others)

    def get_metadata_routing(self) -> MetadataRouter:
        """Routing of the metadata of `fit`: to the estimator itself, the splitter of `cv`, and the scorer."""
        mapping = MethodMapping().add(caller="fit", callee="split")
        router = MetadataRouter(owner=self).add_self_request(self)
        router.add(splitter=check_cv(self.cv), method_mapping=mapping)
        mapping = MethodMapping().add(caller="fit", callee="score")
        router.add(scorer=self._scorer(), method_mapping=mapping)
        return router

    @staticmethod
    @abstractmethod
    def _default_score(
        model: NetworkEstimator, X: Array, y: NDArray, sample_weight: Array | None = None
    ) -> float:
        """Score for ``scoring=None``."""

    @staticmethod
    @abstractmethod
    def _left_out_loss(
        model: NetworkEstimator,
        loss: Loss,
        X: Array,
        y: NDArray,
        sample_weight: Array | None = None,
    ) -> float:
        """Mean loss of samples that were left out, or NaN if it has no value."""

    def _scorer(self) -> Callable[..., float]:
        if self.scoring is None:
            return self._default_score
        return check_scoring(self, scoring=self.scoring)

    def _routed(self, sample_weight: Array | None, params: dict[str, Any]) -> Bunch:
        """Metadata for the splitter and for the scorer; weights always go to the default score."""
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        routed = Bunch(splitter=Bunch(split={}), scorer=Bunch(score=weights))
        if _routing_enabled():
            given = process_routing(self, "fit", **params, sample_weight=sample_weight)
            routed.splitter = given.splitter
            if self.scoring is not None:
                routed.scorer = given.scorer
        return routed

    def _take_without_choice(
        self, known: Result, problem: TrainingProblem, targets: NDArray, n_folds: int
    ) -> None:
        """Keep a constant that every penalty leaves: none is tried, and the largest one is as good as any."""
        self.alphas_ = self._penalties(problem, None)
        self.alpha_, self.best_score_ = float(self.alphas_[0]), math.nan
        self.cv_scores_ = np.full((len(self.alphas_), n_folds), np.nan)
        self.cv_widths_ = np.full(self.cv_scores_.shape, -1)
        self._take(known, problem.with_alpha(self.alpha_), targets)

    def _penalties(
        self,
        problem: TrainingProblem,
        random: np.random.RandomState | None,
        deadline: float = math.inf,
    ) -> Array:
        """The grid, descending; without `random` that of a problem for which any penalty leaves a constant."""
        self.__dict__.pop("alpha_max_", None)  # of an earlier fit
        given = None if self.alphas is None else _checked_alphas(self.alphas)
        if given is not None and self.alpha_scale == "absolute":
            return given
        # Zero if y is constant: then any will do. Condensed, so that weights are repetitions.
        largest = 1.0
        if random is not None:
            largest = largest_useful_penalty(self, problem, random, deadline) or 1.0
        if given is not None:
            self.alpha_max_ = largest
            return largest * given
        return np.geomspace(largest, self.eps * largest, self.n_alphas)

    def _fitted_single(
        self, result: Result, problem: TrainingProblem, y: NDArray, deadline: float
    ) -> NetworkEstimator:
        """The estimator of one penalty, as scorers see it."""
        names = set(self._single._get_param_names()) & set(self._get_param_names())
        names -= {"alpha_scale"}  # the penalty is absolute by now
        parameters = {name: getattr(self, name) for name in names}
        parameters["minimal"] = must_be_minimal(self)  # scores do not need it
        model = self._single(alpha=problem.alpha, **parameters)
        model.n_features_in_ = self.n_features_in_
        return model._take(result, problem, y, deadline)

    def _search(
        self,
        data: tuple[Array, Array, Array | None],
        folds: list[Fold],
        score_params: dict[str, Any],
        began: float,
        networks: dict[float, list[TwoLayerNetwork]],
    ) -> list[str]:
        """Try penalties in all folds, keep the scores and choose; returns what is to be warned of.

        Networks of the folds are put into `networks`, by their penalties: where training on all data starts, and what
        there is after an interruption.
        """
        deadline = (
            math.inf if self.time_limit is None else began + _TIME_FOR_FOLDS * self.time_limit
        )
        shape = len(self.alphas_), len(folds)
        self.cv_scores_, losses = np.full(shape, np.nan), np.full(shape, np.nan)
        self.cv_widths_ = np.full(shape, -1)
        starts: list[Any] = ["descent"] * len(folds)
        n_open, late = 0, False
        with penalties_shown(self.verbose, *shape) as show:
            for block in self._blocks():
                late = block.start > 0 and time.perf_counter() > deadline
                if late or is_past_its_best(self.cv_scores_[: block.start], losses[: block.start]):
                    break
                tried = self._try(block, data, folds, starts, score_params, deadline)
                late = not all(fold.in_time for fold in tried)
                if late and (block.start > 0 or not all(fold.is_tried for fold in tried)):
                    break
                starts = [fold.last for fold in tried]
                with interruptions_held():  # all of this or nothing
                    self.cv_scores_[block] = np.column_stack([fold.scores for fold in tried])
                    losses[block] = np.column_stack([fold.losses for fold in tried])
                    self.cv_widths_[block] = np.column_stack([fold.widths for fold in tried])
                    own = [start for start in starts if isinstance(start, TwoLayerNetwork)]
                    if len(own) == len(folds):
                        networks[float(self.alphas_[block][-1])] = own
                n_open += sum(fold.n_open for fold in tried)
                for k in range(len(self.alphas_))[block]:
                    show(k, self.alphas_, self.cv_scores_, time.perf_counter() - began)
        if late and (self.cv_widths_ < 0).all():
            self._choose_untried()
        else:
            self._choose()
        return self._notes(n_open, late or time.perf_counter() > deadline)

    def _choose(self) -> None:
        """Choose among the penalties that were tried."""
        best = choose_penalty(self.cv_scores_, one_standard_error=self.one_standard_error)
        self.alpha_ = float(self.alphas_[best])
        self.best_score_ = float(self.cv_scores_[best].mean())

    def _choose_untried(self) -> None:
        """Choose where time was up before any penalty was tried: the middle one, as the first leaves a constant."""
        self.alpha_ = float(self.alphas_[len(self.alphas_) // 2])
        self.best_score_ = math.nan

    def _network_so_far(
        self, networks: dict[float, list[TwoLayerNetwork]]
    ) -> TwoLayerNetwork | None:
        """Choose after an interruption: a network of the first fold with the best penalty so far, if there is one."""
        if not networks or not np.isfinite(self.cv_scores_).all(axis=1).any():
            return None
        self._choose()
        return networks[self.alpha_][0] if self.alpha_ in networks else None

    def _origin_of_network(self) -> str:
        """What an interrupted fit has instead of a network that was trained on all data."""
        n_tried = int((self.cv_widths_[:, 0] >= 0).sum())
        of_all = f"{n_tried} of {len(self.alphas_)}"
        return f"it is the network of one fold, with the best alpha of {of_all}, {self.alpha_:.3g}"

    def _further_lines(self) -> list[str]:
        if not math.isfinite(self.best_score_):
            return [self._why_unscored()]
        score = score_of(self)
        return [
            f"alpha {self.alpha_:.3g} of {len(self.alphas_)} penalties: {score.name} "
            f"{score.sign * self.best_score_:.4g} on average over {self.cv_scores_.shape[1]} folds"
        ]

    def _why_unscored(self) -> str:
        """Why `alpha` was not chosen by a score."""
        is_constant = self.status_ is Status.CONVERGED and self.network_.width == 0
        if is_constant and self.alpha_ == self.alphas_[0]:
            return "every penalty leaves a constant, there was none to choose"
        return f"alpha {self.alpha_:.3g}, the middle of {len(self.alphas_)} penalties: none was tried in time"

    def _blocks(self) -> list[slice]:
        """Penalties that a fold trains at once: one, or all where they share what is computed for given patterns."""
        count = len(self.alphas_)
        size = count if has_given_patterns(self) and self.time_limit is None else 1
        return [slice(first, first + size) for first in range(0, count, size)]

    def _try(
        self,
        block: slice,
        data: tuple[Array, Array, Array | None],
        folds: list[Fold],
        starts: list[Any],
        score_params: dict[str, Any],
        deadline: float,
    ) -> list[FoldScores]:
        """Train and score some penalties in all folds, wherever joblib's backend has them run."""
        job = delayed(train_and_score)
        for_folds = copy.copy(self)  # callbacks do not see folds, and need not be pickled
        for_folds.callbacks = None
        alphas = self.alphas_[block]
        before = float(self.alphas_[block.start - 1]) if block.start else math.inf
        with warnings.catch_warnings():
            # A network of a fold is judged by its score, whatever its solver says.
            warnings.simplefilter("ignore", SolverWarning)
            return Parallel(n_jobs=self.n_jobs)(
                job(for_folds, *data, fold, alphas, start, before, score_params, Deadline(deadline))
                for fold, start in zip(folds, starts, strict=True)
            )

    def _notes(self, n_open: int, late: bool) -> list[str]:
        """What a user should know of the folds."""
        notes = []
        n_tried = int((self.cv_widths_ >= 0).sum())
        if n_open:
            limit = f"cv_tol={self.cv_tol:.1e}" if self.cv_tol is not None else "2.0e-02"
            notes.append(
                f"{n_open} of {n_tried} networks of the folds have a relative gap above {limit}"
            )
        left_out = self.alphas_[self.cv_widths_[:, 0] < 0]
        if late and len(left_out):
            notes.append(
                f"time_limit={self.time_limit:g} left out {len(left_out)} of {len(self.alphas_)} penalties, "
                f"{left_out[0]:.3g} and smaller"
            )
            if not math.isfinite(self.best_score_):
                notes[-1] += f"; alpha={self.alpha_:.3g}, the middle one, was not tried"
        return notes


def _interrupted_with(network: TwoLayerNetwork, problem: TrainingProblem) -> Result:
    """Result of a training that was interrupted, of which there is this network."""
    began, problem = time.perf_counter(), problem.condensed()
    network = with_best_intercept(problem, network)
    return Result.of_one_program(
        network,
        certificate_in_closed_form(problem, network),
        Status.CONVERGED,
        tol=0.0,
        seconds=time.perf_counter() - began,
        n_blocks=network.width,
        interrupted=True,
    )


def mean_loss(loss: Loss, outputs: Array, targets: Array, sample_weight: Array | None) -> float:
    """Mean loss of some samples; NaN if they have no weight."""
    if sample_weight is not None and not sample_weight.any():
        return np.nan
    return float(np.average(loss.value(outputs, targets), weights=sample_weight))


def _checked_alphas(alphas: ArrayLike) -> Array:
    values = float_array("alphas", alphas)
    if values.ndim != 1 or not values.size or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(
            f"alphas={shown(alphas)} is not a non-empty list of positive finite numbers"
        )
    return np.sort(values)[::-1]
