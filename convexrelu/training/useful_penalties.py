"""The range of useful penalties: where it ends, and how a penalty outside of it is reported."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.activation import activate
from convexrelu.oracles.for_problem import relaxation_for
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["at_least_largest_penalty", "complaint_about"]

# Directions for this many outputs, random directions, and steps from each: some products with X, which no fit notices.
# On 75 random problems (n = 20 to 10,000, d = 1 to 300, K = 1 to 3) the result was at least three quarters of what a search finds.
_OUTPUTS, _RANDOM = 3, 4
_STEPS = 4
# A penalty this many times the largest useful one is reported: a bound by twice is beyond doubt, and grids of
# cross-validation end below.
_TOO_LARGE = 2.0
# So is a penalty below the first fraction of it; below the second, which is the smallest on the grids of
# cross-validation, if the largest useful one is so large that data were not standardised: then it is below about one.
_TOO_SMALL, _SMALL, _STANDARD = 1e-6, 1e-3, 10.0


def at_least_largest_penalty(problem: TrainingProblem) -> float:
    """The smallest penalty at which the network is constant, from below: the largest value of a few directions.

    Steps ``u ← X̃ᵀ(φ'(X̃u) ∘ Vg)``, with ``g`` along ``Vᵀφ(X̃u)``, raise the value ``‖Vᵀφ(X̃u)‖/‖u‖`` from
    ``X̃ᵀ max(±V_k, 0)`` and from kinks at the mean, for ``V`` at the best constant. Inputs are used as they are, so that
    sparse ones stay sparse.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1.0)
    >>> from convexrelu.oracles import SweepOracle
    >>> round(at_least_largest_penalty(problem) / problem.alpha_max(SweepOracle(problem.design)), 3)
    1.0
    """
    X, v = problem.X, problem.dual_point(problem.no_outputs()).reshape(problem.n_samples, -1)
    # Where biases are free, a neuron can be active on all samples, and its constant part is the intercept's.
    best = float(np.linalg.norm(X.T @ v, 2)) if problem.free_bias else 0.0
    directions, biases = _first_directions(problem, v)
    for _ in range(_STEPS):
        outputs = X @ directions + biases
        gains = v.T @ activate(outputs, problem.slope)
        sizes, counted = norms(gains.T), [directions] if problem.free_bias else [directions, biases]
        lengths = norms(np.vstack(counted).T)
        values = sizes[lengths > 0] / lengths[lengths > 0]
        best = max(best, float(values.max(initial=0.0)))
        along = gains / np.where(sizes > 0, sizes, 1.0)
        moments = np.where(outputs >= 0, 1.0, problem.slope) * (v @ along)
        directions, biases = X.T @ moments, _biases(problem, X.T @ moments, moments)
    return best


def _first_directions(problem: TrainingProblem, v: Array) -> tuple[Array, Array]:
    """Weights and biases of the neurons to start from, as columns."""
    strongest = v[:, np.argsort(-norms(v.T), kind="stable")[:_OUTPUTS]]
    moments = np.hstack([np.maximum(strongest, 0.0), np.maximum(-strongest, 0.0)])
    directions = problem.X.T @ moments
    random = np.random.default_rng(0).standard_normal((problem.n_features, _RANDOM))
    biases = _biases(problem, directions, moments), _at_mean(problem, random) * bool(problem.hidden_bias)
    return np.hstack([directions, random]), np.hstack(biases)


def _biases(problem: TrainingProblem, directions: Array, moments: Array) -> Array:
    """Biases that go with ``Xᵀm`` in ``X̃ᵀm``; where they are free, of kinks through the mean."""
    if problem.free_bias:
        return _at_mean(problem, directions)
    return moments.sum(axis=0) * bool(problem.hidden_bias)


def _at_mean(problem: TrainingProblem, directions: Array) -> Array:
    return -np.asarray(problem.weights @ problem.X) @ directions


def complaint_about(problem: TrainingProblem) -> str:
    """What to say of a penalty that is far outside the useful range; empty for others.

    Nothing is said of constant targets, for which all penalties are the same, nor of threshold and gated networks, which
    are penalised in another way.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> complaint_about(TrainingProblem(X, 1e-4 * np.abs(X[:, 0]), alpha=1e-2))
    'alpha=0.01 is 2e+03 times the largest useful penalty, about 5.4e-06: the network is constant'
    >>> complaint_about(TrainingProblem(X, 1e9 * np.abs(X[:, 0]), alpha=1e-2))
    'alpha=0.01 is 2e-10 of the largest useful penalty, about 5.4e+07'
    >>> complaint_about(TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-2))
    ''
    """
    if problem.activation in ("threshold", "gated_relu") or _is_constant(problem):
        return ""
    alpha, largest = problem.alpha, at_least_largest_penalty(problem)
    if alpha >= _TOO_LARGE * largest:
        proved = problem.alpha_max(relaxation_for(problem))
        if alpha < _TOO_LARGE * proved or not largest:
            return ""
        return (
            f"alpha={alpha:.2g} is {alpha / largest:.1g} times the largest useful penalty, about {largest:.2g}: the "
            "network is constant"
        )
    if alpha >= (_SMALL if largest > _STANDARD else _TOO_SMALL) * largest:
        return ""
    return f"alpha={alpha:.2g} is {alpha / largest:.1g} of the largest useful penalty, about {largest:.2g}"


def _is_constant(problem: TrainingProblem) -> bool:
    """Whether an intercept fits all targets."""
    targets = problem.y[problem.weights > 0]
    return problem.fit_intercept and bool((targets == targets[0]).all())
