"""Regression with `alpha` chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.typing import Array
from convexrelu.estimators.base import NetworkEstimator
from convexrelu.estimators.cross_validation import CrossValidated
from convexrelu.estimators.regressor import ConvexReLURegressor, Regressor
from convexrelu.losses import LOSSES, Loss
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.solvers.base import ProgramSolver

__all__ = ["ConvexReLURegressorCV"]


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
    solver : str or ProgramSolver, default="auto"
        Solver of the finite convex programs.
    oracle : str, Oracle or OracleFactory, default="auto"
        Who certifies the network of all data. Folds have ``"quick"``, or ``"spike_free"`` if that is given.
    tol : float, default=1e-3
        Relative duality gap to stop at, with all data.
    max_iter : int, default=30
        Most finite programs to solve for each network.
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
        Finite programs that were solved for it.
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
        solver: str | ProgramSolver = "auto",
        oracle: str | Oracle | OracleFactory = "auto",
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
