"""How much a fit depends on single samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_callable, finite_array
from convexrelu._utils.typing import Array
from convexrelu.interpolation.minimum_norm import minimum_norm
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.training.train import train

__all__ = ["LeaveOneOut", "interpolating_fit", "leave_one_out", "penalised_fit"]

Fit = Callable[[Array, Array], TwoLayerNetwork]


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """Result of :func:`leave_one_out`.

    Attributes
    ----------
    fitted : array of shape (n,)
        Predictions of the fit to all samples.
    left_out : array of shape (n,)
        Prediction for each sample of the fit without it.
    y : array of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import LeaveOneOut
    >>> found = LeaveOneOut(np.array([0.0, 1.0]), left_out=np.array([0.0, 2.0]), y=np.array([0.0, 1.0]))
    >>> found.change, found.error
    (0.5, 0.5)
    """

    fitted: Array
    left_out: Array
    y: Array

    @property
    def stability(self) -> float:
        """Mean of ``|ℓ(f_{−i}(x_i), y_i) − ℓ(f(x_i), y_i)|`` with ``ℓ = ½ (f − y)²``; small is stable."""
        losses = [0.5 * (f - self.y) ** 2 for f in (self.left_out, self.fitted)]
        return float(np.abs(losses[0] - losses[1]).mean())

    @property
    def change(self) -> float:
        """Mean of ``|f_{−i}(x_i) − f(x_i)|``."""
        return float(np.abs(self.left_out - self.fitted).mean())

    @property
    def error(self) -> float:
        """Mean of ``(f_{−i}(x_i) − y_i)²``, an estimate of the test error."""
        return float(((self.left_out - self.y) ** 2).mean())


def leave_one_out(fit: Fit, X: ArrayLike, y: ArrayLike) -> LeaveOneOut:
    """Fit all samples, and all but each one of them: ``n + 1`` fits.

    Rangamani, Rosasco & Poggio (2020) bound the error of interpolating kernel machines by this stability, which is
    best for the interpolant of smallest norm. Its counterpart among networks is :func:`interpolating_fit`.

    Parameters
    ----------
    fit : callable
        Makes a network of ``X`` and ``y``, such as :func:`penalised_fit` or :func:`interpolating_fit`.
    X : array of shape (n, d)
    y : array of shape (n,)

    Returns
    -------
    LeaveOneOut

    References
    ----------
    Rangamani, Rosasco & Poggio 2020, "For interpolating kernel machines, minimizing the norm of the ERM solution
    minimizes stability", arXiv:2006.15522.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import leave_one_out, penalised_fit
    >>> X = np.linspace(-1, 1, 8)[:, None]
    >>> y = np.abs(X[:, 0])
    >>> weak, strong = (leave_one_out(penalised_fit(alpha, random_state=0), X, y) for alpha in (1e-3, 1.0))
    >>> weak.error < strong.error
    True
    """
    check_callable("fit", fit)
    inputs = finite_array("X", X, "n", "d")
    targets = finite_array("y", y, len(inputs))
    if len(inputs) < 2:
        raise ValueError("X has one sample, expected two or more")
    everything = fit(inputs, targets).predict(inputs)
    left_out = np.empty(len(inputs))
    for i in range(len(inputs)):
        kept = np.arange(len(inputs)) != i
        left_out[i] = fit(inputs[kept], targets[kept]).predict(inputs[[i]])[0]
    return LeaveOneOut(everything, left_out, targets)


def penalised_fit(
    alpha: float,
    *,
    tol: float = 1e-4,
    random_state: int | None = None,
    **options: Any,
) -> Fit:
    """Convex training with a penalty, as a function of the data for :func:`leave_one_out`.

    Parameters
    ----------
    alpha : float
        Weight decay.
    tol, random_state
        As for :func:`~convexrelu.train`.
    **options
        As for :class:`~convexrelu.TrainingProblem`.

    Returns
    -------
    callable
        From ``X`` and ``y`` to a :class:`~convexrelu.TwoLayerNetwork`.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import penalised_fit
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> penalised_fit(1e-3, random_state=0)(X, np.abs(X[:, 0])).n_outputs
    1
    """

    def fit(X: Array, y: Array) -> TwoLayerNetwork:
        problem = TrainingProblem(X, y, alpha, **options)
        network = train(problem, tol=tol, random_state=random_state).network
        assert isinstance(network, TwoLayerNetwork)
        return network

    return fit


def interpolating_fit(*, tol: float = 1e-4, random_state: int | None = None, **options: Any) -> Fit:
    """The interpolating network of smallest norm, as a function of the data for :func:`leave_one_out`.

    Parameters
    ----------
    tol, random_state, **options
        As for :func:`~convexrelu.interpolation.minimum_norm`.

    Returns
    -------
    callable
        From ``X`` and ``y`` to a :class:`~convexrelu.TwoLayerNetwork`.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import interpolating_fit
    >>> X, y = np.array([[-1.0], [0.0], [1.0]]), np.array([1.0, 0.0, 1.0])
    >>> np.allclose(interpolating_fit()(X, y).predict(X), y, atol=1e-6)
    True
    """

    def fit(X: Array, y: Array) -> TwoLayerNetwork:
        network = minimum_norm(X, y, tol=tol, random_state=random_state, **options).network
        assert isinstance(network, TwoLayerNetwork)
        return network

    return fit
