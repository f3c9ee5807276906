"""Classification with `alpha` chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score

from convexrelu._utils.typing import Array
from convexrelu.estimators.base import NetworkEstimator
from convexrelu.estimators.classifier import Classifier, ConvexReLUClassifier
from convexrelu.estimators.cross_validation import CrossValidated, mean_loss
from convexrelu.estimators.docstrings import with_parameters
from convexrelu.estimators.watching import Callbacks
from convexrelu.losses import Loss
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.solvers.base import ProgramSolver

__all__ = ["ConvexReLUClassifierCV"]


@with_parameters("classifier", "cv")
class ConvexReLUClassifierCV(CrossValidated, Classifier):
    r"""Two-layer ReLU network for classification with the weight decay chosen by cross-validation.

    For every fold a path of networks is trained, over penalties that descend from the smallest one at which the
    network is constant, each started from the network before. The search stops when, four penalties in a row, neither
    scores nor losses on the samples left out are better than before. The penalty with the best mean score is then
    used on all data, with the certificate of a :class:`ConvexReLUClassifier`.

    {sections}

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
        loss: str | Loss = "auto",
        class_weight: dict[Any, float] | str | None = None,
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

    @staticmethod
    def _default_score(
        model: NetworkEstimator, X: Array, y: NDArray, sample_weight: Array | None = None
    ) -> float:
        return accuracy_score(y, model.predict(X), sample_weight=sample_weight)

    @staticmethod
    def _left_out_loss(
        model: Classifier,
        loss: Loss,
        X: Array,
        y: NDArray,
        sample_weight: Array | None = None,
    ) -> float:
        if y.ndim == 2:
            if not model._has_weight.all():
                return np.nan
            return mean_loss(loss, model._outputs(X), 2.0 * y - 1.0, sample_weight)
        classes = model.classes_[model._has_weight]
        if len(classes) < 2 or not np.isin(y, classes).all():
            return np.nan
        index = np.searchsorted(classes, y)
        targets = (index if loss.couples_outputs else 2 * index - 1).astype(np.float64)
        return mean_loss(loss, model._outputs(X), targets, sample_weight)
