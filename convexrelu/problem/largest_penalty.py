"""The smallest penalty at which the network is constant, cheaply and from below."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.activation import activate
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.unread import parts_of

__all__ = [
    "at_least_largest_penalty",
    "at_least_or_rough",
    "found_or_at_least",
    "work_of_largest_penalty",
]


class Searched(Protocol):
    """What is used of the report of an oracle."""

    @property
    def bound(self) -> float: ...
    @property
    def finished(self) -> bool: ...


# Directions for this many outputs, random directions, and steps from each: some products with X, which no fit notices.
# On 45 random problems (n = 30 to 300, d = 1 to 10, K = 1 to 3) the result was at least three quarters of what a search
# finds.
_OUTPUTS, _RANDOM = 3, 4
_STEPS = 4
# A product with few columns takes as long as so many multiplications for an entry: most of it is reading the data.
_PASS = 30
_DUAL_POINT = 2000  # so does the dual point, for each row and output


def at_least_largest_penalty(problem: TrainingProblem, enough: float = math.inf) -> float:
    """The smallest penalty at which the network is constant, from below: the largest value of a few directions.

    Steps ``u ← X̃ᵀ(φ'(X̃u) ∘ Vg)``, with ``g`` along ``Vᵀφ(X̃u)``, raise the value ``‖Vᵀφ(X̃u)‖/‖u‖`` from
    ``X̃ᵀ max(±V_k, 0)`` and from kinks at the mean, for ``V`` at the best constant. A value above `enough` ends them.
    Inputs are used as they are, so that sparse ones stay sparse.

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
        directions, biases = _of_unit_length(problem, directions, biases)
        outputs = X @ directions + biases
        gains = v.T @ activate(outputs, problem.slope)
        sizes = norms(gains.T)
        best = max(best, float(sizes.max(initial=0.0)))
        if best > enough:
            break
        along = gains / np.where(sizes > 0, sizes, 1.0)
        moments = np.where(outputs >= 0, 1.0, problem.slope) * (v @ along)
        directions = X.T @ moments
        biases = _biases(problem, directions, moments)
    return best


def at_least_or_rough(problem: TrainingProblem, deadline: float) -> float:
    """:func:`at_least_largest_penalty` if that fits before the deadline, otherwise what two passes over rows say."""
    work = work_of_largest_penalty(problem)
    if problem.is_sparse or product_fits(work, deadline):
        return at_least_largest_penalty(problem)
    with np.errstate(over="ignore", invalid="ignore"):  # in single precision
        found = _rough_largest_penalty(problem)
    return found if math.isfinite(found) else at_least_largest_penalty(problem)


def _rough_largest_penalty(problem: TrainingProblem) -> float:
    """A value of neurons along ``X̃ᵀ max(±v, 0)`` for one output, in the precision of the rows, some at a time.

    It is no larger than the smallest penalty at which the network is constant, but for rounding.
    """
    inputs = problem.rows_to_read
    v = _slopes_at_constant(problem).reshape(problem.n_samples, -1)
    strongest = v[:, np.argmax(norms(v.T))]
    moments = np.column_stack([np.maximum(strongest, 0.0), np.maximum(-strongest, 0.0)])
    directions = np.zeros((problem.n_features, 2))
    for part in parts_of(inputs):
        rows = inputs[part]
        directions += rows.T @ moments[part].astype(rows.dtype)
    # Free biases are not penalised, whatever they are.
    biases = moments.sum(axis=0) if problem.hidden_bias else np.zeros(2)
    directions, biases = _of_unit_length(problem, directions, biases)
    gains = np.zeros((v.shape[1], 2))
    for part in parts_of(inputs):
        rows = inputs[part]
        outputs = rows @ directions.astype(rows.dtype) + biases
        gains += v[part].T @ activate(outputs, problem.slope)
    return float(norms(gains.T).max())


def _slopes_at_constant(problem: TrainingProblem) -> Array:
    """The dual point of the best constant; of smooth losses without the last roundings that only proofs need."""
    outputs = problem.no_outputs()
    if not problem.loss.smooth:
        return problem.dual_point(outputs)
    outputs = outputs + problem.best_intercept(outputs)
    return -(problem.weights * problem.loss.gradient(outputs, problem.y).T).T


def found_or_at_least(problem: TrainingProblem, report: Searched) -> float:
    """What a search for the smallest penalty with a constant network has found, or more where it had no time.

    Parameters
    ----------
    problem : TrainingProblem
    report : Searched
        Report of an oracle on the dual point of the best constant.
    """
    found = float(report.bound)
    return found if report.finished else max(found, at_least_largest_penalty(problem))


def work_of_largest_penalty(problem: TrainingProblem) -> float:
    """Multiplications of :func:`at_least_largest_penalty`, with what the inputs take."""
    of_outputs = _DUAL_POINT * float(problem.n_samples * problem.n_outputs)
    of_inputs = (2 * _STEPS + 1) * _PASS * problem.n_entries + problem.work_of_reading
    return of_inputs + of_outputs


def _first_directions(problem: TrainingProblem, v: Array) -> tuple[Array, Array]:
    """Weights and biases of the neurons to start from, as columns."""
    strongest = v[:, np.argsort(-norms(v.T), kind="stable")[:_OUTPUTS]]
    moments = np.hstack([np.maximum(strongest, 0.0), np.maximum(-strongest, 0.0)])
    directions = problem.X.T @ moments
    random = np.random.default_rng(0).standard_normal((problem.n_features, _RANDOM))
    biases = [_biases(problem, directions, moments)]
    biases.append(_at_mean(problem, random) if problem.hidden_bias else np.zeros(_RANDOM))
    return np.hstack([directions, random]), np.hstack(biases)


def _of_unit_length(
    problem: TrainingProblem, directions: Array, biases: Array
) -> tuple[Array, Array]:
    """The neurons with a penalty of one; zero ones stay zero."""
    penalised = directions if problem.free_bias else np.vstack([directions, biases])
    lengths = norms(penalised.T)
    lengths = np.where(lengths > 0, lengths, 1.0)
    return directions / lengths, biases / lengths


def _biases(problem: TrainingProblem, directions: Array, moments: Array) -> Array:
    """Biases that go with ``Xᵀm`` in ``X̃ᵀm``; where they are free, those of kinks through the mean."""
    if problem.free_bias:
        return _at_mean(problem, directions)
    return moments.sum(axis=0) if problem.hidden_bias else np.zeros(moments.shape[1])


def _at_mean(problem: TrainingProblem, directions: Array) -> Array:
    """Biases with which kinks go through the mean of the samples."""
    return -np.asarray(problem.weights @ problem.X) @ directions
