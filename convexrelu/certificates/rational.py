"""Certificates in rational arithmetic: every float is converted to a fraction, and nothing is rounded on the way."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.sparse import issparse

from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.bounds.rational import fractions, shows_bound
from convexrelu.problem.dual import best_scale
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["rational_lower_bound", "rational_objective", "verified"]

_SLACK = 1e-6  # added to a bound, so that branch and bound can prove it with boxes of finite size
# Seconds for an entry that becomes a Fraction and an integer, and for a product of Fractions that is added to others.
_ENTRY, _PRODUCT = 1e-5, 4e-6
_MAX_WORK = 4e8  # of a proof, as in `shows_bound`: about a minute


def verified(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    certificate: Certificate,
    v: Array,
    bound: float,
    *,
    deadline: float = math.inf,
) -> Certificate:
    """The certificate with rational objective and lower bound, or unchanged where these cannot be proved.

    Parameters
    ----------
    problem : TrainingProblem
    network : TwoLayerNetwork
        Network whose objective is certified.
    certificate : Certificate
        Of global scope.
    v : array of shape (n,)
        Dual point.
    bound : float
        Bound on ``M(v)``, proved or estimated; a bound larger by a millionth is proved.
    deadline : float
        Value of :func:`time.perf_counter` at which to give up.
    """
    level = max(bound * (1 + _SLACK), 1e-9 * problem.alpha)
    products = len(network.hidden_weights) * (problem.X.shape[0] * (problem.X.shape[1] + 1) + 1)
    before = deadline - _PRODUCT * products  # what the objective takes afterwards
    lower = rational_lower_bound(problem, v, level, deadline=before)
    if lower is None:
        return certificate
    return replace(
        certificate,
        objective=rational_objective(problem, network),
        lower_bound=lower,
        method="branch_and_bound",
        is_proof=True,
        proved_lower_bound=lower,
        n_starts=0,
        arithmetic="rational",
    )


def rational_lower_bound(
    problem: TrainingProblem,
    v: Array,
    level: float,
    *,
    max_work: float = _MAX_WORK,
    deadline: float = math.inf,
) -> float | None:
    """Lower bound on the optimum, if ``M(v) ≤ level`` can be proved in rational arithmetic.

    The problem uses the floats of ``problem.weights`` as they are, whether or not they sum to one. The
    last step rounds down.

    Parameters
    ----------
    problem : TrainingProblem
    v : array of shape (n,)
        Dual direction. With an intercept, its sum is subtracted at the sample with the largest weight, so that the
        sum becomes zero.
    level : float
        Positive.
    max_work, deadline : float
        As for :func:`~convexrelu.oracles.bounds.rational.shows_bound`.

    Returns
    -------
    float or None

    Examples
    --------
    >>> import numpy as np
    >>> problem = TrainingProblem(np.array([[-1.0], [1.0]]), np.array([0.0, 1.0]), alpha=0.1)
    >>> v = problem.dual_point(np.zeros(2))
    >>> bound = rational_lower_bound(problem, v, 0.354)  # M(v) = √2/4
    >>> round(bound, 4), rational_lower_bound(problem, v, 0.353)
    (0.0607, None)
    """
    if not (math.isfinite(level) and np.isfinite(v).all()):
        return None
    entries = len(v) * (problem.design.shape[1] + 3)
    if not time.perf_counter() + _ENTRY * entries < deadline:
        return None
    alive = problem.weights > 0
    exact, y, weights = map(fractions, (v[alive], problem.y[alive], problem.weights[alive]))
    if problem.fit_intercept:
        exact[weights.argmax()] -= exact.sum()
    if not shows_bound(problem.design[alive], exact, level, max_work=max_work, deadline=deadline):
        return None
    largest = Fraction(problem.alpha) / Fraction(level)
    t = min(Fraction(best_scale(problem, v, float(largest))), largest)
    return _rounded(-weights @ problem.loss.conjugate(-t * exact / weights, y), -math.inf)


def rational_objective(problem: TrainingProblem, network: TwoLayerNetwork) -> float:
    """Objective of a network, rounded up from its exact value.

    Examples
    --------
    >>> import numpy as np
    >>> problem = TrainingProblem(np.array([[-1.0], [1.0]]), np.array([0.0, 1.0]), alpha=0.1)
    >>> rational_objective(problem, problem.zero_network())
    0.125
    """
    dense = problem.X.toarray() if issparse(problem.X) else problem.X
    X, y, weights = map(fractions, (dense, problem.y, problem.weights))
    inner, bias = fractions(network.hidden_weights), fractions(network.hidden_bias)
    outer, intercept = fractions(network.output_weights[0]), fractions(network.output_bias)[0]
    outputs = np.maximum(X @ inner.T + bias, 0) @ outer + intercept
    squares = sum((part**2).sum() for part in (inner, bias, outer))
    fit = weights @ problem.loss.value(outputs, y)
    return _rounded(fit + Fraction(problem.alpha) * squares / 2, math.inf)


def _rounded(value: Any, towards: float) -> float:
    """The float nearest to a Fraction on the given side."""
    try:
        nearest = float(value)
    except OverflowError:
        return towards
    wrong = nearest > value if towards < 0 else nearest < value
    return math.nextafter(nearest, towards) if wrong else nearest
