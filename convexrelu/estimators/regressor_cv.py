"""Regression with `alpha` chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metadata_routing import _raise_for_params

from convexrelu._utils.typing import Array
from convexrelu.estimators.base import NetworkEstimator
from convexrelu.estimators.cross_validation import CrossValidated, mean_loss
from convexrelu.estimators.docstrings import with_parameters
from convexrelu.estimators.missing_targets import observed_targets
from convexrelu.estimators.regressor import ConvexReLURegressor, Regressor
from convexrelu.estimators.watching import Callbacks
from convexrelu.losses import LOSSES, Loss
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.solvers.base import ProgramSolver

__all__ = ["ConvexReLURegressorCV"]


@with_parameters("regressor", "cv")
class ConvexReLURegressorCV(CrossValidated, Regressor):
    r"""Two-layer ReLU network with the weight decay chosen by cross-validation.

    For every fold a path of networks is trained, over penalties that descend from the smallest one at which the
    network is constant, each started from the network before. The search stops when, four penalties in a row, neither
    scores nor losses on the samples left out are better than before. The penalty with the best mean score is then
    used on all data, with the certificate of a :class:`ConvexReLURegressor`.

    {sections}

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

    def __init__(
        self,
        *,
        n_alphas: int = 20,
        alphas: ArrayLike | None = None,
        alpha_scale: str = "absolute",
        eps: float = 1e-3,
        cv: Any = None,
        cv_tol: float | None = None,
        scoring: str | Callable[..., float] | None = None,
        one_standard_error: bool = False,
        n_jobs: int | None = None,
        hidden_bias: bool | str = True,
        fit_intercept: bool = True,
        skip: bool = False,
        skip_alpha: float | str = "auto",
        monotonic_cst: ArrayLike | dict[str, int] | None = None,
        positive: bool = False,
        loss: str | Loss = "squared_error",
        missing_targets: str = "error",
        activation: str = "relu",
        negative_slope: float = 0.01,
        patterns: str | ArrayLike = "cutting_plane",
        n_patterns: int = 100,
        solver: str | ProgramSolver = "auto",
        effort: str = "certify",
        oracle: str | Oracle | OracleFactory = "auto",
        tol: float = 1e-3,
        max_iter: int = 30,
        time_limit: float | None = None,
        minimal: bool | str = "auto",
        device: str = "cpu",
        callbacks: Callbacks = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self._keep(locals())

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Choose `alpha` by cross-validation, and train with it on all data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Training inputs.
        y : array-like of shape (n,) or (n, K)
            Targets.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights, in training and in scores; only their proportions matter.
        exposure : array-like of shape (n,), optional
            Exposures of the counts `y`, as in :meth:`ConvexReLURegressor.fit`. Scorers see rates ``y/exposure``, with
            weights ``sample_weight * exposure``.
        **params
            With scikit-learn's metadata routing enabled: for the splitter, such as ``groups``, and for the scorer.

        Returns
        -------
        object
            The fitted estimator.
        """
        _raise_for_params(params, self, "fit")
        return self._fit(X, *self._rates(y, sample_weight, exposure), **params)

    @staticmethod
    def _default_score(
        model: NetworkEstimator, X: Array, y: NDArray, sample_weight: Array | None = None
    ) -> float:
        return -ConvexReLURegressorCV._left_out_loss(model, model.loss, X, y, sample_weight)

    @staticmethod
    def _left_out_loss(
        model: NetworkEstimator,
        loss: str | Loss,
        X: Array,
        y: NDArray,
        sample_weight: Array | None = None,
    ) -> float:
        loss, targets, weights = observed_targets(model.loss, y, sample_weight)
        if isinstance(loss, str):
            loss = LOSSES[loss]()
        return mean_loss(loss, model._outputs(X), targets, weights)
