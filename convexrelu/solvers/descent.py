"""A moment of non-convex training: the network that cutting planes start from.

Weight-decayed training as everybody does it, by L-BFGS on inner and outer weights. What it does not do is
prove anything, and it need not: the patterns of its neurons start the convex programmes.

Neurons of a good network bend exactly at samples, where the objective has kinks that stop gradient
methods early. So the kinks are rounded off first, over a width that shrinks from stage to stage (with ``s`` the
width times ``‖w̃_j‖``)::

    relu_s(t) = (t + s)²/4s   where |t| ≤ s,   relu(t) elsewhere
"""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from convexrelu.network import TwoLayerNetwork
from convexrelu.problem import TrainingProblem
from convexrelu.solvers.recovery import with_best_intercept

__all__ = ["descend"]

Array = NDArray[np.float64]

_WIDTHS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_MAX_STEPS = 300  # of L-BFGS, for each width
_MEMORY = 20
_FTOL = 1e-7
_FIRST_NORM = 0.5  # of inner and of outer weights
_MAX_NEURONS = 100
_MAX_SAMPLES = 5_000


def descend(
    problem: TrainingProblem, random: np.random.RandomState, deadline: float = math.inf
) -> TwoLayerNetwork:
    """Train a network of at most a hundred neurons from random weights by L-BFGS.

    Parameters
    ----------
    problem : TrainingProblem
        Without weightless samples. Of more than 5000 samples, 5000 random ones are used.
    random : RandomState
        Draws the first weights, and the samples.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.

    Returns
    -------
    TwoLayerNetwork
        Balanced, with the best intercept of `problem`.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3)
    >>> network = descend(problem, np.random.RandomState(0))
    >>> problem.objective(network) < 0.1 * problem.objective(problem.zero_network())
    True
    """
    objective = _RoundedObjective(problem, _some_samples(problem, random))
    z = objective.random_weights(random)
    for width in _WIDTHS:
        if time.perf_counter() > deadline:
            break
        z = _minimise(objective, z, width, deadline)
    return with_best_intercept(problem, objective.network(z))


def _some_samples(
    problem: TrainingProblem, random: np.random.RandomState
) -> NDArray[np.intp] | slice:
    if problem.n_samples <= _MAX_SAMPLES:
        return slice(None)
    return random.choice(problem.n_samples, _MAX_SAMPLES, replace=False)


def _minimise(objective: _RoundedObjective, z: Array, width: float, deadline: float) -> Array:
    def stop_in_time(_: Array) -> None:
        if time.perf_counter() > deadline:
            raise StopIteration

    options = {"maxiter": _MAX_STEPS, "maxcor": _MEMORY, "ftol": _FTOL, "gtol": 0.0}
    found = minimize(
        objective,
        z,
        args=(width,),
        jac=True,
        method="L-BFGS-B",
        callback=stop_in_time,
        options=options,
    )
    return objective.balanced(found.x)


class _RoundedObjective:
    """The training objective with rounded kinks and its gradient, in units in which data and targets are of size one.

    A point is a vector of inner weights (m, d̃), outer weights (m,) and the intercept.
    """

    def __init__(self, problem: TrainingProblem, samples: NDArray[np.intp] | slice) -> None:
        design, y, weights = (a[samples] for a in (problem.design, problem.y, problem.weights))
        self.problem = problem
        self.weights = weights / weights.sum()
        self.units = problem.units()
        self.rows = design / self.units.rho
        self.target = (y - self.units.center) / self.units.tau
        self.alpha = problem.alpha / (self.units.rho * self.units.tau)
        self.n_neurons = min(_MAX_NEURONS, 2 * len(y))

    def random_weights(self, random: np.random.RandomState) -> Array:
        """Directions to which all features contribute alike, of one size."""
        spread = np.sqrt(self.weights @ np.square(self.rows))
        inner = random.standard_normal((self.n_neurons, len(spread)))
        inner /= np.where(spread > 1e-8 * spread.max(initial=0.0), spread, np.inf)
        size = np.linalg.norm(inner, axis=1, keepdims=True)
        inner *= _FIRST_NORM / np.where(size > 0, size, 1.0)
        outer = _FIRST_NORM * random.choice([-1.0, 1.0], self.n_neurons)
        return np.concatenate([inner.ravel(), outer, [0.0]])

    def __call__(self, z: Array, width: float) -> tuple[float, Array]:
        """Value and gradient."""
        inner, outer, intercept = self._parts(z)
        sizes = np.linalg.norm(inner, axis=1) + 1e-300
        s = width * sizes
        t = self.rows @ inner.T
        slopes = np.clip(0.5 + 0.5 * t / s, 0.0, 1.0)
        hidden = np.where(slopes < 1.0, s * slopes * slopes, t)
        residual = hidden @ outer + intercept - self.target
        pull = self.weights * residual
        value = 0.5 * float(pull @ residual) + 0.5 * self.alpha * float(z[:-1] @ z[:-1])
        by_inner = (slopes * pull[:, None]).T @ self.rows
        by_width = pull @ (slopes * (1.0 - slopes))
        by_inner += (by_width * width / sizes)[:, None] * inner
        free = pull.sum() if self.problem.fit_intercept else 0.0
        gradient = np.concatenate(
            [(outer[:, None] * by_inner).ravel(), hidden.T @ pull, [free]],
        )
        gradient[:-1] += self.alpha * z[:-1]
        return value, gradient

    def balanced(self, z: Array) -> Array:
        """The same function with ``‖w̃_j‖ = |a_j|``."""
        inner, outer, intercept = self._parts(z)
        sizes = np.linalg.norm(inner, axis=1)
        common = np.sqrt(sizes * np.abs(outer))
        inner = inner * (common / np.where(sizes > 0, sizes, 1.0))[:, None]
        return np.concatenate([inner.ravel(), np.sign(outer) * common, [intercept]])

    def network(self, z: Array) -> TwoLayerNetwork:
        """The network of a point, in the units of the problem."""
        inner, outer, intercept = self._parts(z)
        scale = self.units.tau / self.units.rho
        return self.problem.network(
            inner * (np.abs(outer) * scale)[:, None],
            np.where(outer > 0, 1.0, -1.0),
            self.units.center + self.units.tau * intercept,
        )

    def _parts(self, z: Array) -> tuple[Array, Array, float]:
        dim = self.rows.shape[1]
        inner = z[: self.n_neurons * dim].reshape(self.n_neurons, dim)
        return inner, z[self.n_neurons * dim : -1], float(z[-1])
