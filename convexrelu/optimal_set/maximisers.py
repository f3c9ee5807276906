"""Directions that attain the maximum of the dual constraint: the neurons that an optimum may have."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.activation import activate
from convexrelu.oracles.base import strongest_first
from convexrelu.patterns.cone_support import PatternCones
from convexrelu.patterns.enumerate import RowSpace, count_patterns, enumerate_patterns
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["Neurons", "Pairs", "all_pairs", "columns_at", "maximisers", "representatives"]


# Outputs below this fraction of a sample's length are on the kink.
_ON_KINK = 1e-10


class Pairs(NamedTuple):
    """Activation patterns, (k, n), each with the sign of an outer weight, (k,)."""

    masks: NDArray[np.bool_]
    signs: Array

    def select(self, index: NDArray) -> Pairs:
        """The selected pairs."""
        return Pairs(self.masks[index], self.signs[index])

    def then(self, other: Pairs) -> Pairs:
        """These pairs, followed by others."""
        return Pairs(np.vstack([self.masks, other.masks]), np.append(self.signs, other.signs))


class Neurons(NamedTuple):
    """Directions for the design with penalty one, (k, d̃), and the signs of their outer weights, (k,)."""

    directions: Array
    signs: Array

    def select(self, index: NDArray) -> Neurons:
        """The selected neurons."""
        return Neurons(self.directions[index], self.signs[index])


def all_pairs(problem: TrainingProblem, max_cells: float = math.inf) -> tuple[Pairs, float] | None:
    """Every cell with both signs, and the angle up to which cells may be missing; None if there are too many."""
    rank = RowSpace.of(problem.design).rank
    if count_patterns(problem.n_samples, rank) > max_cells:
        return None
    patterns = enumerate_patterns(problem.design, asked_by="oracle='cells'")
    pairs = Pairs(np.tile(patterns.masks, (2, 1)), np.repeat([1.0, -1.0], len(patterns)))
    return pairs, patterns.resolution


def columns_at(problem: TrainingProblem, neurons: Neurons) -> Array:
    """``h_j = σ_j φ(X̃u_j)``, of shape (n, k)."""
    return activate(problem.design @ neurons.directions.T, problem.slope) * neurons.signs


def maximisers(
    problem: TrainingProblem, v: Array, pairs: Pairs, level: float
) -> tuple[Neurons, NDArray[np.bool_]]:
    """The unit ``u`` with the largest ``σ vᵀφ(X̃u)`` in every cell; unique where that is positive.

    Parameters
    ----------
    problem : TrainingProblem
        With one output.
    v : array of shape (n,)
    pairs : Pairs
    level : float
        Cells whose maximum is below this are skipped, and get a direction of zero.

    Returns
    -------
    neurons : Neurons
    failed : boolean array of shape (k,)
        Where a maximum above the level was not found: the cell's bound is above it, the value is not.
    """
    space = RowSpace.of(problem.design)
    cones = PatternCones(space.coordinates)
    slopes = np.where(pairs.masks, 1.0, problem.slope)
    gradients = (pairs.signs[:, None] * slopes * v) @ space.coordinates
    units, failed = np.zeros_like(gradients), np.zeros(len(gradients), dtype=bool)
    for k in np.flatnonzero(norms(gradients) >= level):
        bound, projection, _ = cones.support(gradients[k], pairs.masks[k])
        if bound >= level:
            units[k] = projection / bound
            value = pairs.signs[k] * (v @ activate(space.coordinates @ units[k], problem.slope))
            failed[k] = value < level * (1 - _ON_KINK)
    return Neurons(units @ space.basis.T, pairs.signs), failed


def representatives(
    problem: TrainingProblem, neurons: Neurons, masks: NDArray[np.bool_], values: Array
) -> NDArray[np.intp]:
    """Index of the maximiser that represents each cell's maximiser, of shape (k,).

    A maximiser in the closed cell of a stronger one is either the same or dominated there: its own cell only
    shares that face.
    """
    lengths = norms(problem.design)
    outputs = neurons.directions @ problem.design.T / np.where(lengths > 0, lengths, 1.0)
    even = problem.slope == -1.0  # u and −u are the same neuron
    leader = np.arange(len(values))
    kept: list[int] = []
    for k in strongest_first(values):
        for j in kept:
            sides = (2.0 * masks[j] - 1.0) * outputs[k]
            inside = (sides >= -_ON_KINK).all() or (even and (sides <= _ON_KINK).all())
            if inside and neurons.signs[j] == neurons.signs[k]:
                leader[k] = j
                break
        else:
            kept.append(int(k))
    return leader
