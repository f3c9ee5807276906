"""The choice of `alpha` by cross-validation.

Every fold trains a path of networks, from the largest penalty down, each started from the one before. The networks of
folds are needed only for their scores: a relative gap of one in fifty changes a score far less than the difference
between folds, and these networks need no proof.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
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
from sklearn.utils.validation import _check_method_params

from convexrelu._utils.typing import Array
from convexrelu.estimators.base import NetworkEstimator
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result
from convexrelu.results.status import Status
from convexrelu.training.path import largest_penalty, regularization_path
from convexrelu.training.train import train

__all__ = ["CrossValidated", "choose_penalty"]

Index = NDArray[np.intp]


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
        self._validate_params()
        _raise_for_params(params, self, "fit")
        inputs, targets, weights = self._checked(X, y, sample_weight)
        routed = self._routed(weights, params)
        splitter = check_cv(self.cv, targets, classifier=is_classifier(self))
        folds = list(splitter.split(inputs, targets, **routed.splitter.split))
        random = check_random_state(self.random_state)
        problem = self._problem(inputs, targets, weights, 1.0)
        self.alphas_ = self._penalties(problem, random)
        job = delayed(_train_and_score)
        paths = Parallel(n_jobs=self.n_jobs, verbose=self.verbose)(
            job(self, (inputs, targets, weights), fold, routed.scorer.score, seed)
            for fold, seed in zip(folds, _seeds(random, len(folds)), strict=True)
        )
        self._choose(paths)
        options = self._training_options() | {"random_state": random}
        problem = problem.with_alpha(self.alpha_)
        deadline = self._deadline()
        return self._conclude(train(problem, **options), problem, targets, deadline)

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

    def _penalties(self, problem: TrainingProblem, random: np.random.RandomState) -> Array:
        """The grid, descending."""
        if self.alphas is not None:
            return _checked_alphas(self.alphas)
        # Zero if y is constant: then any will do. Condensed, so that weights are repetitions.
        largest = largest_penalty(problem.condensed(), random, self.device) or 1.0
        return np.geomspace(largest, self.eps * largest, self.n_alphas)

    def _fold_options(self, seed: int) -> dict[str, Any]:
        oracle = self.oracle if self.oracle == "spike_free" else "quick"
        changes = {"tol": self.cv_tol, "oracle": oracle, "random_state": seed, "progress": None}
        return self._training_options() | changes

    def _fitted_single(
        self, result: Result, problem: TrainingProblem, y: NDArray
    ) -> NetworkEstimator:
        """The estimator of one penalty, as scorers see it."""
        names = set(self._single._get_param_names()) & set(self._get_param_names())
        parameters = {name: getattr(self, name) for name in names}
        model = self._single(alpha=problem.alpha, **parameters)
        model.n_features_in_ = self.n_features_in_
        return model._take(result, problem, y, self._deadline())

    def _choose(self, paths: list[_Path]) -> None:
        """Keep the scores, and the penalty that they select."""
        self.cv_scores_ = np.column_stack([path.scores for path in paths])
        self.cv_widths_ = np.column_stack([path.widths for path in paths])
        n_open = sum(path.n_open for path in paths)
        if n_open:
            warnings.warn(
                f"{n_open} of {self.cv_scores_.size} networks of the folds have a relative gap above "
                f"cv_tol={self.cv_tol:.1e}",
                ConvergenceWarning,
                stacklevel=3,
            )
        best = choose_penalty(self.cv_scores_, one_standard_error=self.one_standard_error)
        self.alpha_ = float(self.alphas_[best])
        self.best_score_ = float(self.cv_scores_[best].mean())


class _Path(NamedTuple):
    """Scores and widths of the networks of one fold, and how many have an open gap."""

    scores: Array
    widths: NDArray[np.int64]
    n_open: int


def _train_and_score(
    model: CrossValidated,
    data: tuple[Array, Array, Array | None],
    fold: tuple[Index, Index],
    score_params: dict[str, Any],
    seed: int,
) -> _Path:
    """Train the path of one fold, and score it on the samples that were left out."""
    X, y, weights = data
    within, without = fold
    problem = model._problem(
        X[within], y[within], None if weights is None else weights[within], 1.0
    )
    results = regularization_path(problem, model.alphas_, **model._fold_options(seed))
    if len(results) < len(model.alphas_) or results[-1].status is Status.INTERRUPTED:
        raise KeyboardInterrupt("interrupted during cross-validation: there is no network")
    scorer, params = model._scorer(), _check_method_params(X, score_params, without)
    models = [
        model._fitted_single(result, problem.with_alpha(alpha), y[within])
        for result, alpha in zip(results, model.alphas_, strict=True)
    ]
    return _Path(
        np.array([scorer(one, X[without], y[without], **params) for one in models], np.float64),
        np.array([one.network_.width for one in models]),
        sum(result.status is not Status.CONVERGED for result in results),
    )


def choose_penalty(scores: ArrayLike, *, one_standard_error: bool = False) -> int:
    """Row of the best penalty: largest mean score, or the first within a standard error of it.

    Parameters
    ----------
    scores : array of shape (k, n_folds)
        One row a penalty, the larger the better; penalties descend.
    one_standard_error : bool
        Take the largest penalty whose mean is at least the best mean minus its standard error,
        ``std/√n_folds`` over the folds (Breiman, Friedman, Olshen & Stone 1984, section 3.4.3).

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If no mean is finite.

    Examples
    --------
    >>> scores = [[0.1, 0.3], [0.7, 0.7], [0.6, 1.0]]
    >>> choose_penalty(scores), choose_penalty(scores, one_standard_error=True)
    (2, 1)
    """
    scores = np.asarray(scores, dtype=np.float64)
    means = np.where(np.isfinite(scores).all(axis=1), scores.mean(axis=1), -np.inf)
    best = int(means.argmax())
    if not np.isfinite(means[best]):
        raise ValueError("scoring is not finite for any alpha on all folds")
    if one_standard_error and scores.shape[1] > 1:
        error = scores[best].std(ddof=1) / np.sqrt(scores.shape[1])
        best = int((means >= means[best] - error).argmax())
    return best


def _checked_alphas(alphas: ArrayLike) -> Array:
    try:
        values = np.asarray(alphas, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"alphas is not an array of numbers: {error}") from error
    if values.ndim != 1 or not values.size or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"alphas={alphas!r} is not a non-empty list of positive finite numbers")
    return np.sort(values)[::-1]


def _seeds(random: np.random.RandomState, count: int) -> list[int]:
    return random.randint(np.iinfo(np.int32).max, size=count).tolist()
