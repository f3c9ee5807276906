"""The scikit-learn regressor."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags

from convexrelu._utils.typing import Array
from convexrelu.estimators.base import (
    FixedAlphaEstimator,
    NetworkEstimator,
)
from convexrelu.estimators.data import checked_weights, inputs_and_targets, naming
from convexrelu.estimators.docstrings import with_parameters
from convexrelu.estimators.exposure import checked_exposure, rates_of
from convexrelu.estimators.missing_targets import inputs_and_observed, observed_targets
from convexrelu.estimators.regression_scores import mean_score, score_of_means, score_of_numbers
from convexrelu.estimators.watching import Callbacks
from convexrelu.losses import Loss
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.solvers.base import ProgramSolver

__all__ = ["ConvexReLURegressor", "Regressor"]


class Regressor(RegressorMixin, NetworkEstimator):
    """Common base of regressors: targets are numbers, and outputs are predictions or their logarithms."""

    def predict(self, X: ArrayLike, exposure: ArrayLike | None = None) -> Array:
        """Predictions: outputs of the network, or with the Poisson loss their exponentials.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Inputs.
        exposure : array-like of shape (n,), optional
            With the Poisson loss, what the means are multiplied by. Without it they are rates, for an exposure of one.

        Returns
        -------
        array of shape (n,) or (n, K)
        """
        outputs = self._outputs(X)
        predicted = np.exp(outputs) if self._predicts_logarithms else outputs
        if exposure is None:
            return predicted
        self._check_has_rates()
        return (predicted.T * checked_exposure(exposure, len(predicted))).T

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        exposure: ArrayLike | None = None,
    ) -> float:
        """The part that is explained: R² of the squares, or with the Poisson loss D² of the deviance.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Inputs.
        y : array-like of shape (n,) or (n, K)
            Targets; with ``missing_targets="ignore"`` some may be NaN.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights.
        exposure : array-like of shape (n,), optional
            Exposures of the counts `y`, as in ``fit``.

        Returns
        -------
        float
            One for perfect predictions, zero for those of the best constant; the mean over outputs.
        """
        y, sample_weight = self._rates(y, sample_weight, exposure)
        return self._score_of(y, self.predict(X), sample_weight)

    def _score_of(
        self, y: ArrayLike, predicted: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        score = score_of_means if self._predicts_logarithms else score_of_numbers
        if self.missing_targets == "ignore":
            return mean_score(score, y, np.asarray(predicted), sample_weight)
        with naming("y", "sample_weight"):
            return score(y, predicted, sample_weight)

    def _rates(
        self, y: ArrayLike, sample_weight: ArrayLike | None, exposure: ArrayLike | None
    ) -> tuple[ArrayLike, ArrayLike | None]:
        """Targets and weights; rates and their weights, if there are exposures."""
        if exposure is None:
            return y, sample_weight
        self._check_has_rates()
        return rates_of(y, sample_weight, exposure)

    def _check_has_rates(self) -> None:
        if not self._predicts_logarithms:
            raise ValueError(
                f"exposure is for counts, with loss='poisson'; loss={self.loss!r} has no rates"
            )

    def _check_loss(self) -> None:
        if isinstance(self.loss, Loss) and self.loss.takes_labels:
            raise ValueError(f"loss={self.loss!r} takes labels; use ConvexReLUClassifier")

    def _checked(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        self._check_loss()
        checked = inputs_and_targets if self.missing_targets == "error" else inputs_and_observed
        inputs, targets = checked(self, X, y)
        return inputs, targets, checked_weights(sample_weight, inputs)

    def _problem(
        self, X: Array, y: Array, sample_weight: Array | None, alpha: float
    ) -> TrainingProblem:
        loss, targets, weights = observed_targets(self.loss, y, sample_weight)
        return self._problem_of(X, targets, weights, alpha, loss)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self._predicts_logarithms
        return tags


@with_parameters("regressor", "fixed")
class ConvexReLURegressor(FixedAlphaEstimator, Regressor):
    r"""Two-layer ReLU network trained by convex optimisation, with the duality gap of the result.

    Minimises over networks of every width::

        (1/2n) ‖f(X) − y‖² + (alpha/2) Σ_j (‖w̃_j‖² + a_j²),      f(x) = Σ_j a_j relu(w̃_jᵀ(x, 1)) + c

    or another loss, another activation, and for several targets vectors ``a_j``: neurons are shared by the outputs.
    There is no learning rate, no width and no initialisation to choose. ``certificate_`` says how
    far the network is from the optimum, and whether that is proved or estimated.

    {sections}

    See Also
    --------
    convexrelu.train : The same without scikit-learn.
    convexrelu.certify : The gap of a network trained elsewhere.

    References
    ----------
    Pilanci & Ergen 2020, "Neural Networks are Convex Regularizers", ICML.
    Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks", JMLR
    22.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import ConvexReLURegressor
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> y = np.abs(X[:, 0])
    >>> model = ConvexReLURegressor(alpha=1e-3, random_state=0).fit(X, y)
    >>> model.certificate_.is_proof, model.certificate_.relative_gap <= 1e-3
    (True, True)
    >>> model.predict([[0.5]]).round(2)
    array([0.5])
    """

    def __init__(
        self,
        alpha: float = 0.01,
        *,
        alpha_scale: str = "absolute",
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
        warm_start: bool = False,
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
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Training inputs.
        y : array-like of shape (n,) or (n, K)
            Targets; with ``missing_targets="ignore"`` some may be NaN.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights; only their proportions matter.
        exposure : array-like of shape (n,), optional
            With the Poisson loss: the positive times, areas or numbers ``e_i`` in which ``y_i`` were counted. Then
            ``e_i exp(f(x_i))`` are the means, and the objective has the deviance per unit of exposure: that of rates
            ``y_i/e_i`` with weights ``e_i``.

        Returns
        -------
        object
            The fitted estimator.
        """
        return self._fit(X, *self._rates(y, sample_weight, exposure))
