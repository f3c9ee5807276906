"""The scikit-learn regressor."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from convexrelu.displays.progress import ProgressPrinter
from convexrelu.gated_network import GatedNetwork
from convexrelu.losses import LOSSES
from convexrelu.network import TwoLayerNetwork
from convexrelu.oracles.choose import ORACLES
from convexrelu.problem import ACTIVATIONS, TrainingProblem
from convexrelu.result import Result
from convexrelu.solvers.master import SOLVERS
from convexrelu.status import Status
from convexrelu.threshold_network import ThresholdNetwork
from convexrelu.training import PATTERNS, train

if TYPE_CHECKING:
    import torch

__all__ = ["ConvexReLURegressor"]


class ConvexReLURegressor(RegressorMixin, BaseEstimator):
    r"""Two-layer ReLU network trained by convex optimisation, with the duality gap of the result.

    Minimises over networks of every width::

        (1/2n) ‖f(X) − y‖² + (alpha/2) Σ_j (‖w̃_j‖² + a_j²),      f(x) = Σ_j a_j relu(w̃_jᵀ(x, 1)) + c

    There is no learning rate, no width and no initialisation to choose. ``certificate_`` says how
    far the network is from the optimum, and whether that is proved or estimated.

    Parameters
    ----------
    alpha : float, default=0.01
        Weight decay; the scaling of the data term is that of :class:`sklearn.linear_model.Lasso`.
        Standardise ``X`` (and ``y``, or scale `alpha` with it).
    hidden_bias : bool, default=True
        Whether neurons have a bias, penalised with their weights.
    fit_intercept : bool, default=True
        Whether the network has an output intercept, not penalised.
    loss : {"squared_error"}, default="squared_error"
        Loss function.
    activation : {"relu", "gated_relu"}, default="relu"
        Gated ReLU networks keep their gates fixed; they need `patterns` other than
        ``"cutting_plane"``.
    patterns : {"cutting_plane", "sampled", "enumerated"} or array of shape (P, d̃), default="cutting_plane"
        Activation patterns: generated until the gap is closed; those of `n_patterns` random gates;
        all of them; or those of given gates (``d̃ = d + 1`` with a hidden bias).
    n_patterns : int, default=100
        Number of gates for ``patterns="sampled"``.
    solver : str, default="auto"
        Solver of the finite convex programmes: ``"auto"`` picks a native one by their shape; ``"newton"``,
        ``"interior_point"``, ``"fista"``; or a reference, ``"cvxpy:CLARABEL"``, ``"cvxpy:ECOS"``, ``"cvxpy:SCS"``.
    oracle : {"auto", "sweep", "cells", "branch_and_bound", "semidefinite", "search", "spike_free"}, default="auto"
        Who certifies ``patterns="cutting_plane"``. ``"auto"`` proves where that takes seconds (with a
        hidden bias: one feature, and two up to some 1500 samples, by a sweep; up to seven features by
        branch and bound, if that settles it in time), and estimates by search otherwise. See
        :func:`~convexrelu.oracles.choose.choose_oracles` for the others.
    tol : float, default=1e-3
        Relative duality gap to stop at.
    max_iter : int, default=30
        Most finite programmes to solve.
    time_limit : float, default=None
        Seconds; rounds end after nine tenths of them, the final verdict has the rest, and the best network
        so far is kept. ``None`` means no limit.
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
    network_ : TwoLayerNetwork or GatedNetwork
        The network.
    certificate_ : Certificate
        Its objective, lower bound and gap, and whether they are a proof.
    history_ : list of Round
        Objective, bound, width and time, round by round.
    status_ : Status
        How the fit ended.
    n_iter_ : int
        Finite programmes that were solved.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where ``X`` had string names for all.

    Warns
    -----
    ConvergenceWarning
        If the gap is above `tol` at the end; says both.
    SolverWarning
        If the solver of the last finite programme did not end as it should.

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
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "hidden_bias": ["boolean"],
        "fit_intercept": ["boolean"],
        "loss": [StrOptions(set(LOSSES))],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "patterns": [StrOptions(set(PATTERNS)), "array-like"],
        "n_patterns": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions(set(SOLVERS))],
        "oracle": [StrOptions(set(ORACLES))],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "warm_start": ["boolean"],
        "device": [str],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    network_: TwoLayerNetwork | GatedNetwork | ThresholdNetwork

    def __init__(
        self,
        alpha: float = 0.01,
        *,
        hidden_bias: bool = True,
        fit_intercept: bool = True,
        loss: str = "squared_error",
        activation: str = "relu",
        patterns: str | ArrayLike = "cutting_plane",
        n_patterns: int = 100,
        solver: str = "auto",
        oracle: str = "auto",
        tol: float = 1e-3,
        max_iter: int = 30,
        time_limit: float | None = None,
        warm_start: bool = False,
        device: str = "cpu",
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.alpha = alpha
        self.hidden_bias = hidden_bias
        self.fit_intercept = fit_intercept
        self.loss = loss
        self.activation = activation
        self.patterns = patterns
        self.n_patterns = n_patterns
        self.solver = solver
        self.oracle = oracle
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training inputs.
        y : array-like of shape (n,)
            Targets.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights; only their proportions matter.

        Returns
        -------
        ConvexReLURegressor
            The fitted estimator.
        """
        self._validate_params()
        with _naming("X or y"):
            inputs, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        if sample_weight is not None:
            with _naming("sample_weight"):
                sample_weight = _check_sample_weight(sample_weight, inputs, dtype=np.float64)
        problem = TrainingProblem(
            inputs,
            targets,
            self.alpha,
            loss=self.loss,
            activation=self.activation,
            hidden_bias=self.hidden_bias,
            fit_intercept=self.fit_intercept,
            sample_weight=sample_weight,
        )
        result = train(
            problem,
            patterns=self.patterns,
            n_patterns=self.n_patterns,
            solver=self.solver,
            oracle=self.oracle,
            tol=self.tol,
            max_iter=self.max_iter,
            time_limit=self.time_limit,
            start=self._start(problem),
            device=self.device,
            random_state=self.random_state,
            progress=ProgressPrinter() if self.verbose else None,
        )
        self._keep(result)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Outputs of the network, of shape (n,)."""
        check_is_fitted(self, "network_")
        with _naming("X"):
            inputs = validate_data(self, X, dtype=np.float64, reset=False)
        return self.network_.predict(inputs)

    def to_torch(
        self, dtype: torch.dtype | None = None, device: str = "cpu"
    ) -> torch.nn.Sequential:
        """The network as ``Sequential(Linear, ReLU, Linear)``, see :meth:`TwoLayerNetwork.to_torch`.

        Raises
        ------
        ValueError
            For a gated network, which has no such form; ``network_.to_relu(X)`` makes one that has.
        """
        check_is_fitted(self, "network_")
        if not isinstance(self.network_, TwoLayerNetwork):
            raise ValueError(
                f"activation={self.activation!r} has no Sequential(Linear, ReLU, Linear) form"
                + (
                    "; use network_.to_relu(X).to_torch()"
                    if self.activation == "gated_relu"
                    else ""
                )
            )
        return self.network_.to_torch(dtype=dtype, device=device)

    def _start(self, problem: TrainingProblem) -> TwoLayerNetwork | str:
        """The last network, for a warm start that fits."""
        network = getattr(self, "network_", None)
        if not (self.warm_start and isinstance(network, TwoLayerNetwork)):
            return "descent"
        return network if network.n_features == problem.n_features else "descent"

    def _keep(self, result: Result) -> None:
        self.network_ = result.network
        self.certificate_ = result.certificate
        self.history_ = result.history
        self.status_ = result.status
        self.n_iter_ = result.n_iter
        if result.status is Status.INTERRUPTED:
            raise KeyboardInterrupt(
                f"fit was interrupted: the estimator keeps the best network so far ({result.certificate})"
            )
        if result.status is not Status.CONVERGED:
            warnings.warn(
                f"{result.status.value}: relative gap {result.certificate.relative_gap:.1e}, tol={self.tol:.1e}",
                ConvergenceWarning,
                stacklevel=3,
            )


@contextmanager
def _naming(argument: str) -> Iterator[None]:
    """Name the argument in numpy's complaint about something that is not a number."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("could not convert"):
            raise
        raise ValueError(f"{argument} is not an array of numbers: {error}") from error
