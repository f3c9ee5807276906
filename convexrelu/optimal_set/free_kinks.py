"""Maximisers where hidden biases are free: for each direction of weights, the biases that put the kink at a sample."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.optimal_set.maximisers import Neurons, columns_at
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["at_kinks", "snapped"]


# In units of the largest sample: kinks this close to a sample count as at it, neurons this close count as one.
_SAME = 1e-6


def snapped(problem: TrainingProblem, neurons: Neurons) -> Neurons:
    """Neurons with unit weights and with kinks moved to samples that are very close, for the design."""
    directions = neurons.directions / norms(neurons.directions[:, :-1])[:, None]
    for row in directions:
        kinks = _kinks(problem, row)
        nearest = np.abs(kinks - row[-1]).argmin()
        if abs(kinks[nearest] - row[-1]) <= _SAME * _reach(problem):
            row[-1] = kinks[nearest]
    return Neurons(directions, neurons.signs)


def at_kinks(
    problem: TrainingProblem, v: Array, own: Neurons, others: Neurons, level: float
) -> Neurons:
    """`own`, followed by all neurons with these weights and kinks at samples that reach the level.

    With ``w`` fixed, ``σ vᵀφ(Xw + b1)`` is piecewise linear in ``b`` and has its kinks at ``b = −x_iᵀw``. Between two
    kinks a column is a mean of those at the kinks: on the data, no other bias is needed.
    """
    others = others.select(np.flatnonzero(others.directions[:, :-1].any(axis=1)))
    others = snapped(problem, others)
    directions, signs = list(own.directions), list(own.signs)
    sources = np.vstack([own.directions, others.directions])
    for source, sign in zip(sources, np.append(own.signs, others.signs), strict=True):
        moved = np.tile(source, (problem.n_samples, 1))
        moved[:, -1] = _kinks(problem, source)
        values = v @ columns_at(problem, Neurons(moved, np.full(len(moved), sign)))
        for candidate in moved[values >= level]:
            if not _is_among(problem, candidate, sign, directions, signs):
                directions.append(candidate)
                signs.append(sign)
    return Neurons(np.array(directions).reshape(-1, problem.design.shape[1]), np.array(signs))


def _kinks(problem: TrainingProblem, direction: Array) -> Array:
    """The last coordinates that put the kink at each of the samples."""
    return -((problem.inputs - problem.origin) @ direction[:-1]) / problem.bias_column


def _reach(problem: TrainingProblem) -> float:
    """Size of the last coordinates that matter."""
    return float(norms(problem.inputs - problem.origin).max()) / problem.bias_column


def _is_among(
    problem: TrainingProblem, candidate: Array, sign: float, directions: list[Array], signs: list
) -> bool:
    if not directions:
        return False
    either = [1.0, -1.0] if problem.slope == -1.0 else [1.0]
    units = np.append(np.ones(len(candidate) - 1), 1 / (_reach(problem) or 1.0))
    listed = np.array(directions)[np.array(signs) == sign]
    return any((norms((listed - factor * candidate) * units) <= _SAME).any() for factor in either)
