"""Estimators that choose `alpha` by cross-validation.

Every fold trains a path of networks, from the largest penalty down, each started from the one before. The networks of
folds are there for their scores: what a relative gap of one in fifty changes in a score is far below what tells
one fold from another, and nobody asks such a network for a proof.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from convexrelu.estimators.base import NetworkEstimator
from convexrelu.estimators.classifier import Classifier, ConvexReLUClassifier
from convexrelu.estimators.regressor import ConvexReLURegressor, Regressor
from convexrelu.losses import LOSSES, Loss
from convexrelu.oracles.of_problem import oracles_for
from convexrelu.oracles.threshold import threshold_relaxation
from convexrelu.problem import TrainingProblem
from convexrelu.result import Result
from convexrelu.status import Status
from convexrelu.training import regularization_path, train

__all__ = [
    "ConvexReLUClassifierCV",
    "ConvexReLURegressorCV",
    "CrossValidated",
    "choose_penalty",
]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


class CrossValidated(NetworkEstimator):
    """What the estimators that choose `alpha` have in common."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkEstimator._parameter_constraints,
        "n_alphas": [Interval(Integral, 1, None, closed="left")],
        "alphas": ["array-like", None],
        "eps": [Interval(Real, 0, 1, closed="neither")],
        "cv": ["cv_object"],
        "cv_tol": [Interval(Real, 0, None, closed="left")],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "one_standard_error": ["boolean"],
        "n_jobs": [Integral, None],
    }

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
        return self._conclude(train(problem, **options), problem, targets)

    def get_metadata_routing(self) -> MetadataRouter:
        """Who gets the metadata of `fit`: the estimator itself, the splitter of `cv`, and the scorer."""
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
        """What ``scoring=None`` means."""

    def _scorer(self) -> Callable[..., float]:
        if self.scoring is None:
            return self._default_score
        return check_scoring(self, scoring=self.scoring)

    def _routed(self, sample_weight: Array | None, params: dict[str, Any]) -> Bunch:
        """What of the metadata goes to the splitter and to the scorer; weights always go to the default score."""
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
        largest = _largest_penalty(problem.condensed(), random, self.device) or 1.0
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
        return model._take(result, problem, y)

    def _choose(self, paths: list[_Path]) -> None:
        """Keep the scores, and the penalty that they speak for."""
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


def _largest_penalty(problem: TrainingProblem, random: np.random.RandomState, device: str) -> float:
    """Where the first neuron appears, as far as a search sees; for thresholds, a bound on it."""
    if problem.activation == "threshold":
        return threshold_relaxation(problem.dual_point(problem.no_outputs()))
    return problem.alpha_max(oracles_for(problem, "auto", random, device).finder)


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


class ConvexReLURegressorCV(CrossValidated, Regressor):
    r"""Two-layer ReLU network with the weight decay chosen by cross-validation.

    For every fold a path of networks is trained, over penalties that descend from the smallest one at which the
    network is constant, each started from the network before. The penalty with the best mean score is
    then used on all data, with the certificate of a :class:`ConvexReLURegressor`.

    Parameters
    ----------
    n_alphas : int, default=20
        Number of penalties on the grid.
    alphas : array-like of shape (k,), default=None
        The penalties to choose from, instead of a grid.
    eps : float, default=1e-3
        Ratio of the smallest penalty to the largest.
    cv : int, splitter or iterable, default=None
        Folds: a number of them, a splitter, or pairs of indices; ``None`` means five.
    cv_tol : float, default=2e-2
        Relative gap to which networks of the folds are trained, as a short search estimates it.
    scoring : str or callable, default=None
        Score of predictions on samples that were left out, the larger the better; ``None`` means the negative
        mean of the loss (``½ (f − y)²`` for squared error).
    one_standard_error : bool, default=False
        Choose the largest penalty whose mean score is within one standard error of the best.
    n_jobs : int, default=None
        Folds at a time, by joblib; :func:`joblib.parallel_config` chooses where they run.
    hidden_bias : bool or "free", default=True
        Whether neurons have a bias: penalised with their weights, none, or free of the penalty.
    fit_intercept : bool, default=True
        Whether the network has an output intercept, not penalised.
    skip : bool, default=False
        Whether inputs are connected to outputs directly, by ``S x``.
    skip_alpha : float, default=0.0
        Adds ``(skip_alpha/2) ‖S‖²`` to the objective; 0 needs the squared error.
    loss : {"squared_error", "absolute_error", "huber", "quantile", "poisson"} or Loss, default="squared_error"
        Loss function, as for :class:`ConvexReLURegressor`.
    activation : {"relu", "leaky_relu", "absolute_value", "gated_relu", "threshold"}, default="relu"
        What neurons do. Gated ReLU networks keep their gates fixed; they need `patterns` other than
        ``"cutting_plane"``.
    negative_slope : float, default=0.01
        Slope of ``"leaky_relu"`` on the left, between 0 and 1.
    patterns : {"cutting_plane", "sampled", "enumerated"} or array of shape (P, d̃), default="cutting_plane"
        As for :class:`ConvexReLURegressor`; random gates are drawn for every fold anew.
    n_patterns : int, default=100
        Number of gates for ``patterns="sampled"``.
    solver : str, default="auto"
        Solver of the finite convex programmes.
    oracle : str, default="auto"
        Who certifies the network of all data. Folds have ``"quick"``, or ``"spike_free"`` if that is given.
    tol : float, default=1e-3
        Relative duality gap to stop at, with all data.
    max_iter : int, default=30
        Most finite programmes to solve for each network.
    time_limit : float, default=None
        Seconds for each network.
    minimal : bool, default=False
        Prune networks to fewest neurons with the same outputs on the training data.
    device : str, default="cpu"
        Torch device of the native solvers and of the search for cuts, such as ``"cuda"``.
    verbose : int, default=0
        Verbosity of joblib; from 1 on, the training on all data prints a line a round.
    random_state : int, RandomState or None, default=None
        Seed of random gates, of searches, and of the first weights of descent. Not of the folds.

    Attributes
    ----------
    alpha_ : float
        The chosen penalty.
    alphas_ : array of shape (k,)
        All penalties, descending.
    cv_scores_ : array of shape (k, n_folds)
        Scores.
    cv_widths_ : array of shape (k, n_folds)
        Numbers of neurons.
    best_score_ : float
        Mean score of the chosen penalty.
    network_ : TwoLayerNetwork, GatedNetwork or ThresholdNetwork
        The network of all data.
    certificate_ : Certificate
        Its objective, lower bound and gap, and whether they are a proof.
    history_ : list of Round
        Objective, bound, width and time, round by round.
    status_ : Status
        How the fit ended.
    n_iter_ : int
        Finite programmes that were solved for it.
    feature_importances_ : array of shape (d,)
        Shares of the features in the path weights ``Σ_j |w_jk| ‖a_j‖``.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where ``X`` had string names for all.

    Warns
    -----
    ConvergenceWarning
        If the gap is above `tol` at the end; if gaps are above `cv_tol` in folds.

    Raises
    ------
    ValueError
        For bad input; the message names the argument.
    KeyboardInterrupt
        If interrupted; in the last training the best network so far is kept, with its certificate.

    See Also
    --------
    ConvexReLURegressor : With a given penalty.
    convexrelu.displays.RegularizationPathDisplay : Draws the scores.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import ConvexReLURegressorCV
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> y = np.abs(X[:, 0])
    >>> model = ConvexReLURegressorCV(alphas=[1e-1, 1e-3], cv=3, random_state=0).fit(X, y)
    >>> model.alpha_, model.certificate_.is_proof
    (0.001, True)
    >>> model.cv_scores_.shape
    (2, 3)
    """

    _single = ConvexReLURegressor

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CrossValidated._parameter_constraints,
        **Regressor._parameter_constraints,
    }

    def __init__(
        self,
        *,
        n_alphas: int = 20,
        alphas: ArrayLike | None = None,
        eps: float = 1e-3,
        cv: Any = None,
        cv_tol: float = 2e-2,
        scoring: str | Callable[..., float] | None = None,
        one_standard_error: bool = False,
        n_jobs: int | None = None,
        hidden_bias: bool | str = True,
        fit_intercept: bool = True,
        skip: bool = False,
        skip_alpha: float = 0.0,
        loss: str | Loss = "squared_error",
        activation: str = "relu",
        negative_slope: float = 0.01,
        patterns: str | ArrayLike = "cutting_plane",
        n_patterns: int = 100,
        solver: str = "auto",
        oracle: str = "auto",
        tol: float = 1e-3,
        max_iter: int = 30,
        time_limit: float | None = None,
        minimal: bool = False,
        device: str = "cpu",
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_alphas = n_alphas
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.cv_tol = cv_tol
        self.scoring = scoring
        self.one_standard_error = one_standard_error
        self.n_jobs = n_jobs
        self.hidden_bias = hidden_bias
        self.fit_intercept = fit_intercept
        self.skip = skip
        self.skip_alpha = skip_alpha
        self.loss = loss
        self.activation = activation
        self.negative_slope = negative_slope
        self.patterns = patterns
        self.n_patterns = n_patterns
        self.solver = solver
        self.oracle = oracle
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.minimal = minimal
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @staticmethod
    def _default_score(
        model: NetworkEstimator, X: Array, y: NDArray, sample_weight: Array | None = None
    ) -> float:
        loss = LOSSES[model.loss]() if isinstance(model.loss, str) else model.loss
        return -float(np.average(loss.value(model._outputs(X), y), weights=sample_weight))


class ConvexReLUClassifierCV(CrossValidated, Classifier):
    r"""Two-layer ReLU network for classification with the weight decay chosen by cross-validation.

    For every fold a path of networks is trained, over penalties that descend from the smallest one at which the
    network is constant, each started from the network before. The penalty with the best mean score is
    then used on all data, with the certificate of a :class:`ConvexReLUClassifier`.

    Parameters
    ----------
    n_alphas : int, default=20
        Number of penalties on the grid.
    alphas : array-like of shape (k,), default=None
        The penalties to choose from, instead of a grid.
    eps : float, default=1e-3
        Ratio of the smallest penalty to the largest.
    cv : int, splitter or iterable, default=None
        Folds: a number of them, a splitter, or pairs of indices; ``None`` means five. Numbers
        of folds are stratified.
    cv_tol : float, default=2e-2
        Relative gap to which networks of the folds are trained, as a short search estimates it.
    scoring : str or callable, default=None
        Score of predictions on samples that were left out, the larger the better; ``None`` means the accuracy.
    one_standard_error : bool, default=False
        Choose the largest penalty whose mean score is within one standard error of the best.
    n_jobs : int, default=None
        Folds at a time, by joblib; :func:`joblib.parallel_config` chooses where they run.
    hidden_bias : bool or "free", default=True
        Whether neurons have a bias: penalised with their weights, none, or free of the penalty.
    fit_intercept : bool, default=True
        Whether the network has an output intercept, not penalised.
    skip : bool, default=False
        Whether inputs are connected to outputs directly, by ``S x``.
    skip_alpha : float, default=0.0
        Adds ``(skip_alpha/2) ‖S‖²`` to the objective; 0 needs the squared error.
    loss : {"auto", "logistic", "hinge", "squared_hinge", "multinomial"} or Loss, default="auto"
        Loss function, as for :class:`ConvexReLUClassifier`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in training, which multiply those of the samples; scores do without.
    activation : {"relu", "leaky_relu", "absolute_value", "gated_relu", "threshold"}, default="relu"
        What neurons do. Gated ReLU networks keep their gates fixed; they need `patterns` other than
        ``"cutting_plane"``.
    negative_slope : float, default=0.01
        Slope of ``"leaky_relu"`` on the left, between 0 and 1.
    patterns : {"cutting_plane", "sampled", "enumerated"} or array of shape (P, d̃), default="cutting_plane"
        As for :class:`ConvexReLUClassifier`; random gates are drawn for every fold anew.
    n_patterns : int, default=100
        Number of gates for ``patterns="sampled"``.
    solver : str, default="auto"
        Solver of the finite convex programmes.
    oracle : str, default="auto"
        Who certifies the network of all data. Folds have ``"quick"``, or ``"spike_free"`` if that is given.
    tol : float, default=1e-3
        Relative duality gap to stop at, with all data.
    max_iter : int, default=30
        Most finite programmes to solve for each network.
    time_limit : float, default=None
        Seconds for each network.
    minimal : bool, default=False
        Prune networks to fewest neurons with the same outputs on the training data.
    device : str, default="cpu"
        Torch device of the native solvers and of the search for cuts, such as ``"cuda"``.
    verbose : int, default=0
        Verbosity of joblib; from 1 on, the training on all data prints a line a round.
    random_state : int, RandomState or None, default=None
        Seed of random gates, of searches, and of the first weights of descent. Not of the folds.

    Attributes
    ----------
    classes_ : array of shape (K,)
        The labels, sorted.
    alpha_ : float
        The chosen penalty.
    alphas_ : array of shape (k,)
        All penalties, descending.
    cv_scores_ : array of shape (k, n_folds)
        Scores.
    cv_widths_ : array of shape (k, n_folds)
        Numbers of neurons.
    best_score_ : float
        Mean score of the chosen penalty.
    network_ : TwoLayerNetwork, GatedNetwork or ThresholdNetwork
        The network of all data.
    certificate_ : Certificate
        Its objective, lower bound and gap, and whether they are a proof.
    history_ : list of Round
        Objective, bound, width and time, round by round.
    status_ : Status
        How the fit ended.
    n_iter_ : int
        Finite programmes that were solved for it.
    feature_importances_ : array of shape (d,)
        Shares of the features in the path weights ``Σ_j |w_jk| ‖a_j‖``.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where ``X`` had string names for all.

    Warns
    -----
    ConvergenceWarning
        If the gap is above `tol` at the end; if gaps are above `cv_tol` in folds.

    Raises
    ------
    ValueError
        For bad input; the message names the argument.
    KeyboardInterrupt
        If interrupted; in the last training the best network so far is kept, with its certificate.

    See Also
    --------
    ConvexReLUClassifier : With a given penalty.
    convexrelu.displays.RegularizationPathDisplay : Draws the scores.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import ConvexReLUClassifierCV
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> y = np.where(np.abs(X[:, 0]) < 0.5, "inside", "outside")
    >>> model = ConvexReLUClassifierCV(alphas=[1.0, 1e-2], cv=3, random_state=0).fit(X, y)
    >>> model.alpha_, model.cv_scores_.shape
    (0.01, (2, 3))
    >>> model.predict([[0.0], [0.9]])
    array(['inside', 'outside'], dtype='<U7')
    """

    _single = ConvexReLUClassifier

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CrossValidated._parameter_constraints,
        **Classifier._parameter_constraints,
    }

    def __init__(
        self,
        *,
        n_alphas: int = 20,
        alphas: ArrayLike | None = None,
        eps: float = 1e-3,
        cv: Any = None,
        cv_tol: float = 2e-2,
        scoring: str | Callable[..., float] | None = None,
        one_standard_error: bool = False,
        n_jobs: int | None = None,
        hidden_bias: bool | str = True,
        fit_intercept: bool = True,
        skip: bool = False,
        skip_alpha: float = 0.0,
        loss: str | Loss = "auto",
        class_weight: dict[Any, float] | str | None = None,
        activation: str = "relu",
        negative_slope: float = 0.01,
        patterns: str | ArrayLike = "cutting_plane",
        n_patterns: int = 100,
        solver: str = "auto",
        oracle: str = "auto",
        tol: float = 1e-3,
        max_iter: int = 30,
        time_limit: float | None = None,
        minimal: bool = False,
        device: str = "cpu",
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_alphas = n_alphas
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.cv_tol = cv_tol
        self.scoring = scoring
        self.one_standard_error = one_standard_error
        self.n_jobs = n_jobs
        self.hidden_bias = hidden_bias
        self.fit_intercept = fit_intercept
        self.skip = skip
        self.skip_alpha = skip_alpha
        self.loss = loss
        self.class_weight = class_weight
        self.activation = activation
        self.negative_slope = negative_slope
        self.patterns = patterns
        self.n_patterns = n_patterns
        self.solver = solver
        self.oracle = oracle
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.minimal = minimal
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    @staticmethod
    def _default_score(
        model: NetworkEstimator, X: Array, y: NDArray, sample_weight: Array | None = None
    ) -> float:
        return accuracy_score(y, model.predict(X), sample_weight=sample_weight)
