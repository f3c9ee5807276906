"""The scikit-learn regressor of several quantiles that do not cross."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import mean_pinball_loss
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from convexrelu._utils.arguments import shown
from convexrelu._utils.deadlines import part_before, seconds_before
from convexrelu._utils.typing import Array
from convexrelu._utils.user_warnings import warn_user
from convexrelu.estimators.constant_quantiles import (
    constant_quantiles,
    crossing_of_constants,
    is_too_late,
)
from convexrelu.estimators.data import (
    check_parameters,
    checked_inputs,
    checked_weights,
    inputs_and_targets,
)
from convexrelu.estimators.exports import Exports
from convexrelu.estimators.showing import Showing
from convexrelu.estimators.whole_state import changed_at_once
from convexrelu.losses.quantile_levels import Quantiles
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.output_constraints.polytope import OutputBounds, output_bounds, train_on_polytope
from convexrelu.output_constraints.rows import ascending
from convexrelu.output_constraints.train import ConstrainedResult, train_with_output_constraints
from convexrelu.problem.condensing import condensed_before
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.unread import box_around, read_when_needed
from convexrelu.problem.unread_problem import problem_on
from convexrelu.reach.polytope import Polytope
from convexrelu.results.status import Status
from convexrelu.training.options import EFFORTS

__all__ = ["ConvexReLUQuantileRegressor", "QuantileOfNetwork"]

_TIME_TO_PREPARE = 0.4  # part of the time in which samples may be ordered


class ConvexReLUQuantileRegressor(Showing, Exports, RegressorMixin, BaseEstimator):
    r"""Several quantiles as the outputs of one two-layer ReLU network, which do not cross.

    Minimises over networks of every width with outputs ``f_1, …, f_K`` and shared neurons::

        (1/n) Σ_i Σ_k ρ_k(y_i − f_k(x_i)) + (alpha/2) Σ_j (‖w̃_j‖² + ‖a_j‖²)      s.t.  f_1 ≤ f_2 ≤ … ≤ f_K

    with the pinball losses ``ρ_k`` of the levels, and the constraint on the training samples or on their box.
    ``certificate_`` says how far the network is from the optimum under the constraint.

    Parameters
    ----------
    quantiles : sequence of float, default=(0.1, 0.5, 0.9)
        Levels, at least two, increasing.
    alpha : float, default=0.01
        Weight decay. Standardise ``X`` and ``y``.
    no_crossing : {"samples", "box"}, default="samples"
        Where quantiles must not cross: at the training samples, or everywhere in the smallest box around them, which
        is proved by branch and bound.
    hidden_bias : bool, default=True
        Whether neurons have a bias, penalised with their weights.
    effort : {"predict", "certify", "prove"}, default="certify"
        ``"predict"``: a good network, and a rough estimate of its gap; ``"certify"``: a gap of `tol`, proved where that
        takes about ten seconds; ``"prove"``: a proof, whatever it takes.
    tol : float, default=1e-3
        Relative gap to reach.
    max_iter : int, default=30
        Largest number of finite programs.
    time_limit : float, default=None
        Seconds; then the best network so far is kept.
    random_state : int, RandomState or None, default=None
        Seed of descent and searches.

    Attributes
    ----------
    network_ : TwoLayerNetwork
        The network, with an output for each level.
    certificate_ : Certificate
        Its gap to the optimum over all networks that meet the constraint.
    crossing_ : OutputBounds or None
        With ``no_crossing="box"``, the proof that no two quantiles cross in the box.
    box_ : array of shape (2, d)
        Least and greatest value of each feature in training.
    history_ : list of Round
        One entry per computed certificate.
    status_ : Status
        How training ended.
    n_iter_ : int
        Number of finite programs solved.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : array of shape (n_features,)
        Their names, where ``X`` had string names for all.

    Warns
    -----
    ConvergenceWarning
        If the gap is above `tol` at the end, or crossing in the box was not excluded in time.

    Raises
    ------
    ValueError
        For bad input; the message names the argument.

    See Also
    --------
    ConvexReLURegressor : One quantile, with ``loss=Quantile(level=0.9)``.
    convexrelu.output_constraints.train_with_output_constraints : Other constraints on outputs.

    References
    ----------
    Koenker, R. and Bassett, G. (1978). Regression quantiles. *Econometrica* 46(1), 33–50.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import ConvexReLUQuantileRegressor
    >>> X = np.linspace(-1, 1, 60)[:, None]
    >>> y = X[:, 0] + np.random.default_rng(0).normal(scale=0.1 + 0.2 * np.abs(X[:, 0]))
    >>> bands = ConvexReLUQuantileRegressor((0.1, 0.5, 0.9), alpha=0.01, random_state=0).fit(X, y)
    >>> bands.predict(X).shape
    (60, 3)
    >>> bool((np.diff(bands.predict(X)) >= 0).all())
    True
    >>> bands.crossing([-1.0], [1.0]).bound.shape  # for each pair of neighbours
    (2,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "quantiles": ["array-like"],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "no_crossing": [StrOptions({"samples", "box"})],
        "hidden_bias": ["boolean"],
        "effort": [StrOptions(set(EFFORTS))],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "time_limit": [Interval(Real, 0, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        alpha: float = 0.01,
        *,
        no_crossing: str = "samples",
        hidden_bias: bool = True,
        effort: str = "certify",
        tol: float = 1e-3,
        max_iter: int = 30,
        time_limit: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.quantiles = quantiles
        self.alpha = alpha
        self.no_crossing = no_crossing
        self.hidden_bias = hidden_bias
        self.effort = effort
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
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
        ConvexReLUQuantileRegressor
            The fitted estimator.
        """
        with changed_at_once(self) as draft:
            draft._train(X, y, sample_weight)
        if self.status_ is Status.INTERRUPTED:
            raise KeyboardInterrupt(
                f"fit was interrupted: the estimator keeps the best network so far ({self.certificate_})"
            )
        notes = []
        if self.status_ not in (Status.CONVERGED, Status.SETTLED):
            gap = self.certificate_.relative_gap
            notes.append(f"{self.status_.value}: relative gap {gap:.1e}, tol={self.tol:.1e}")
        if self.crossing_ is not None and not self.crossing_.is_safe:
            worst = float(self.crossing_.bound.max())
            notes.append(f"quantiles may cross in the box, by at most {worst:.1e}")
        if notes:
            warn_user("; ".join(notes), ConvergenceWarning)
        return self

    def _train(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        began = time.perf_counter()
        check_parameters(self)
        deadline = math.inf if self.time_limit is None else began + self.time_limit
        levels = _checked_levels(self.quantiles)
        inputs, targets = inputs_and_targets(self, X, y, accept_sparse=False)
        if targets.ndim != 1:
            raise ValueError(f"y has {targets.shape[1]} columns, expected one target")
        problem = problem_on(
            read_when_needed(inputs, deadline),
            np.tile(targets[:, None], (1, len(levels))),
            self.alpha,
            loss=Quantiles(levels),
            hidden_bias=self.hidden_bias,
            sample_weight=checked_weights(sample_weight, inputs),
        )
        # Samples without weight are not there.
        problem = condensed_before(problem, part_before(deadline, _TIME_TO_PREPARE))
        self.box_ = box_around(problem.rows_to_read)
        result = self._result_for(problem, began, deadline)
        self.network_ = result.network
        self.certificate_ = result.certificate
        self.history_ = result.history
        self.status_ = result.status
        self.n_iter_ = result.n_iter

    def _result_for(
        self, problem: TrainingProblem, began: float, deadline: float
    ) -> ConstrainedResult:
        self.crossing_ = None
        if is_too_late(problem, deadline):
            result = constant_quantiles(problem, began, self.tol)
            if self.no_crossing == "box":
                assert isinstance(result.network, TwoLayerNetwork)
                self.crossing_ = crossing_of_constants(result.network, self.box_)
            return result
        constraints = ascending(problem.X, problem.n_outputs)
        names = "effort", "tol", "max_iter", "random_state"
        options = {name: getattr(self, name) for name in names}
        options["time_limit"] = seconds_before(deadline)
        if self.no_crossing == "samples":
            return train_with_output_constraints(problem, constraints, **options)
        box = Polytope(lower=self.box_[0], upper=self.box_[1])
        result = train_on_polytope(problem, constraints.A, domain=box, **options)
        self.crossing_ = result.bounds
        return result

    def predict(self, X: ArrayLike) -> Array:
        """Quantiles of shape (n, K), a column for each level."""
        check_is_fitted(self, "network_")
        return self.network_.predict(checked_inputs(self, X, reset=False, accept_sparse=False))

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Minus the pinball loss, the mean over samples and levels: the larger the better."""
        columns = zip(self.predict(X).T, _checked_levels(self.quantiles), strict=True)
        losses = [
            mean_pinball_loss(y, column, sample_weight=sample_weight, alpha=level)
            for column, level in columns
        ]
        return -float(np.mean(losses))

    def crossing(
        self,
        lower: ArrayLike | None = None,
        upper: ArrayLike | None = None,
        *,
        time_limit: float | None = None,
    ) -> OutputBounds:
        """Largest ``f_k − f_(k+1)`` over a box, with where it is reached, and a proved bound.

        Parameters
        ----------
        lower, upper : arrays of shape (d,) or float, optional
            The box; by default that of the training samples.
        time_limit : float, optional
            Seconds; bounds are proved even then, but may not be reached.

        Returns
        -------
        OutputBounds
            If its `is_safe` is true, it is proved that no two quantiles cross in the box.
        """
        check_is_fitted(self, "network_")
        low, high = self.box_
        domain = Polytope(
            lower=low if lower is None else lower,
            upper=high if upper is None else upper,
            dim=self.n_features_in_,
        )
        A = ascending(low[None], len(_checked_levels(self.quantiles))).A
        return output_bounds(self.network_, A, domain=domain, time_limit=time_limit)

    def _further_lines(self) -> list[str]:
        levels = ", ".join(f"{level:g}" for level in _checked_levels(self.quantiles))
        if self.crossing_ is None:
            where = "at the training samples"
        elif self.crossing_.is_safe:
            where = "in the box of the training samples, which is proved"
        else:
            return [f"quantiles {levels}; whether they cross in the box is open"]
        return [f"quantiles {levels}; they do not cross {where}"]

    def at(self, level: float) -> QuantileOfNetwork:
        """A fitted regressor that predicts one of the quantiles, for libraries that take one regressor for each.

        Examples
        --------
        >>> X = np.linspace(-1, 1, 20)[:, None]
        >>> bands = ConvexReLUQuantileRegressor((0.25, 0.75), random_state=0).fit(X, X[:, 0])
        >>> bands.at(0.25).predict(X).shape
        (20,)
        """
        check_is_fitted(self, "network_")
        levels = _checked_levels(self.quantiles)
        if level not in levels:
            raise ValueError(f"level={shown(level)} is not among quantiles={shown(levels)}")
        return QuantileOfNetwork(self, float(level))


class QuantileOfNetwork(Exports, RegressorMixin, BaseEstimator):
    """One quantile of a fitted :class:`ConvexReLUQuantileRegressor`.

    Parameters
    ----------
    bands : ConvexReLUQuantileRegressor
        Fitted.
    level : float
        One of its levels.
    """

    def __init__(self, bands: ConvexReLUQuantileRegressor, level: float) -> None:
        self.bands = bands
        self.level = level

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the bands again.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Training inputs.
        y : array-like of shape (n,)
            Targets.
        sample_weight : array-like of shape (n,), optional
            Non-negative weights.

        Returns
        -------
        QuantileOfNetwork
            The fitted estimator.
        """
        self.bands.fit(X, y, sample_weight)
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Quantiles of shape (n,)."""
        return self.bands.predict(X)[:, self._column]

    @property
    def network_(self) -> TwoLayerNetwork:
        """The network with the output of this level alone."""
        network: Any = self.bands.network_
        column = [self._column]
        return replace(
            network,
            output_weights=network.output_weights[column],
            output_bias=network.output_bias[column],
        )

    @property
    def _column(self) -> int:
        return _checked_levels(self.bands.quantiles).index(self.level)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self.bands, "network_")

    @property
    def n_features_in_(self) -> int:
        """Number of features seen during fit."""
        return self.bands.n_features_in_


def _checked_levels(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The levels as a tuple of floats; a ValueError unless they increase between 0 and 1."""
    try:
        levels = Quantiles(tuple(np.asarray(quantiles).tolist())).levels
    except (TypeError, ValueError):
        levels = ()
    if not levels or (np.diff(levels) <= 0).any():
        raise ValueError(
            f"quantiles={shown(quantiles)} is not a sequence of at least two increasing numbers between 0 and 1, "
            "exclusive"
        )
    return levels
