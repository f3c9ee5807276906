"""The scikit-learn regressor."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import column_or_1d, validate_data

from convexrelu._utils.typing import Array
from convexrelu.estimators.base import (
    FixedAlphaEstimator,
    NetworkEstimator,
    checked_weights,
    naming,
)
from convexrelu.losses import LOSSES, Loss
from convexrelu.oracles import Oracle, OracleFactory
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.solvers.base import ProgramSolver

__all__ = ["ConvexReLURegressor", "Regressor"]


class Regressor(RegressorMixin, NetworkEstimator):
    """What regressors have in common: targets are numbers, and outputs are predictions or their logarithms."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "loss": [
            StrOptions({name for name, loss in LOSSES.items() if not loss.takes_labels}),
            Loss,
        ],
    }

    def predict(self, X: ArrayLike) -> Array:
        """Predictions of shape (n,) or (n, K): outputs of the network; with the Poisson loss their exponentials."""
        outputs = self._outputs(X)
        return np.exp(outputs) if self._predicts_logarithms() else outputs

    def _predicts_logarithms(self) -> bool:
        loss = LOSSES.get(self.loss) if isinstance(self.loss, str) else self.loss
        return bool(loss and loss.predicts_logarithms)

    def _checked(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        if isinstance(self.loss, Loss) and self.loss.takes_labels:
            raise ValueError(f"loss={self.loss!r} takes labels; use ConvexReLUClassifier")
        if np.isscalar(y):
            raise ValueError(f"y={y!r} is a scalar, expected an array of shape (n,) or (n, K)")
        with naming("X or y"):
            inputs, targets = validate_data(
                self,
                X,
                y,
                accept_sparse="csr",
                dtype=np.float64,
                y_numeric=True,
                multi_output=True,
            )
        if targets.ndim == 2 and targets.shape[1] == 1:
            targets = column_or_1d(targets, warn=True)
        return inputs, targets, checked_weights(sample_weight, inputs)

    def _problem(
        self, X: Array, y: Array, sample_weight: Array | None, alpha: float
    ) -> TrainingProblem:
        return self._problem_of(X, y, sample_weight, alpha, self.loss)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self._predicts_logarithms()
        return tags


class ConvexReLURegressor(FixedAlphaEstimator, Regressor):
    r"""Two-layer ReLU network trained by convex optimisation, with the duality gap of the result.

    Minimises over networks of every width::

        (1/2n) ‖f(X) − y‖² + (alpha/2) Σ_j (‖w̃_j‖² + a_j²),      f(x) = Σ_j a_j relu(w̃_jᵀ(x, 1)) + c

    or another loss, another activation, and for several targets vectors ``a_j``: neurons are shared by the outputs.
    There is no learning rate, no width and no initialisation to choose. ``certificate_`` says how
    far the network is from the optimum, and whether that is proved or estimated.

    Parameters
    ----------
    alpha : float, default=0.01
        Weight decay; the scaling of the data term is that of :class:`sklearn.linear_model.Lasso`.
        Standardise ``X`` (and ``y``, or scale `alpha` with it).
    hidden_bias : bool or "free", default=True
        Whether neurons have a bias: penalised with their weights, none, or free of the penalty.
    fit_intercept : bool, default=True
        Whether the network has an output intercept, not penalised.
    skip : bool, default=False
        Whether inputs are connected to outputs directly, by ``S x``.
    skip_alpha : float, default=0.0
        Adds ``(skip_alpha/2) ‖S‖²`` to the objective; 0 needs the squared error.
    loss : {"squared_error", "absolute_error", "huber", "quantile", "poisson"} or Loss, default="squared_error"
        Loss function: a name, or a loss of :mod:`convexrelu.losses` with its parameters, such as
        ``Quantile(level=0.9)``. With ``"poisson"`` the network is the logarithm of what `predict` returns.
    activation : {"relu", "leaky_relu", "absolute_value", "gated_relu", "threshold"}, default="relu"
        What neurons do. Gated ReLU networks keep their gates fixed; they need `patterns` other than
        ``"cutting_plane"``.
    negative_slope : float, default=0.01
        Slope of ``"leaky_relu"`` on the left, between 0 and 1.
    patterns : {"cutting_plane", "sampled", "enumerated"} or array of shape (P, d̃), default="cutting_plane"
        Activation patterns: generated until the gap is closed; those of `n_patterns` random gates;
        all of them; or those of given gates (``d̃ = d + 1`` with a hidden bias).
    n_patterns : int, default=100
        Number of gates for ``patterns="sampled"``.
    solver : str or ProgramSolver, default="auto"
        Solver of the finite convex programs: ``"auto"`` picks a native one by their shape; ``"newton"``,
        ``"interior_point"``, ``"fista"``; ``"network"``; a reference, ``"cvxpy:CLARABEL"``, ``"cvxpy:ECOS"``,
        ``"cvxpy:SCS"``; or one of your own, see :doc:`/guides/write_a_solver`.
    oracle : str, Oracle or OracleFactory, default="auto"
        Who certifies ``patterns="cutting_plane"``. ``"auto"`` proves where that takes seconds (with a
        hidden bias: one feature, and two up to some 1500 samples, by a sweep; up to seven features by
        branch and bound, if that settles it in time), and estimates by search otherwise. See
        :func:`~convexrelu.oracles.selection.choose_oracles` for ``"sweep"``, ``"cells"``, ``"branch_and_bound"``,
        ``"semidefinite"``, ``"search"``, ``"quick"`` and ``"spike_free"``; or an oracle of your own, see
        :doc:`/guides/write_an_oracle`.
    tol : float, default=1e-3
        Relative duality gap to stop at.
    max_iter : int, default=30
        Most finite programs to solve.
    time_limit : float, default=None
        Seconds; rounds end after nine tenths of them, the final verdict has the rest, and the best network
        so far is kept. ``None`` means no limit.
    minimal : bool, default=False
        Prune to a network of fewest neurons with the same outputs on the training data, see
        :func:`convexrelu.optimal_set.minimal`.
    warm_start : bool, default=False
        Start from the patterns of the previous fit, instead of those of a moment of descent.
    device : str, default="cpu"
        Torch device of the native solvers and of the search for cuts, such as ``"cuda"``.
    verbose : int, default=0
        1 prints a line a round.
    random_state : int, RandomState or None, default=None
        Seed of random gates, of searches, and of the first weights of descent.

    Attributes
    ----------
    network_ : TwoLayerNetwork, GatedNetwork or ThresholdNetwork
        The network.
    certificate_ : Certificate
        Its objective, lower bound and gap, and whether they are a proof.
    history_ : list of Round
        Objective, bound, width and time, round by round.
    status_ : Status
        How the fit ended.
    n_iter_ : int
        Finite programs that were solved.
    feature_importances_ : array of shape (d,)
        Shares of the features in the path weights ``Σ_j |w_jk| ‖a_j‖``.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where ``X`` had string names for all.

    Warns
    -----
    ConvergenceWarning
        If the gap is above `tol` at the end; says both.
    SolverWarning
        If the solver of the last finite program did not end as it should.

    Raises
    ------
    ValueError
        For bad input; the message names the argument.
    KeyboardInterrupt
        If interrupted. The best network so far is kept, with its certificate, unless there was
        none; the message says which.

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

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **FixedAlphaEstimator._parameter_constraints,
        **Regressor._parameter_constraints,
    }

    def __init__(
        self,
        alpha: float = 0.01,
        *,
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
        warm_start: bool = False,
        device: str = "cpu",
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.alpha = alpha
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
        self.warm_start = warm_start
        self.device = device
        self.verbose = verbose
        self.random_state = random_state
