"""The scikit-learn regressor."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags

from convexrelu._utils.typing import Array
from convexrelu.estimators.base import (
    FixedAlphaEstimator,
    NetworkEstimator,
)
from convexrelu.estimators.data import checked_weights, inputs_and_targets
from convexrelu.estimators.docstrings import with_parameters
from convexrelu.estimators.watching import Callbacks
from convexrelu.losses import Loss
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.solvers.base import ProgramSolver

__all__ = ["ConvexReLURegressor", "Regressor"]


class Regressor(RegressorMixin, NetworkEstimator):
    """Common base of regressors: targets are numbers, and outputs are predictions or their logarithms."""

    def predict(self, X: ArrayLike) -> Array:
        """Predictions of shape (n,) or (n, K): outputs of the network; with the Poisson loss their exponentials."""
        outputs = self._outputs(X)
        return np.exp(outputs) if self._predicts_logarithms else outputs

    def _checked(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        if isinstance(self.loss, Loss) and self.loss.takes_labels:
            raise ValueError(f"loss={self.loss!r} takes labels; use ConvexReLUClassifier")
        inputs, targets = inputs_and_targets(self, X, y)
        return inputs, targets, checked_weights(sample_weight, inputs)

    def _problem(
        self, X: Array, y: Array, sample_weight: Array | None, alpha: float
    ) -> TrainingProblem:
        return self._problem_of(X, y, sample_weight, alpha, self.loss)

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
