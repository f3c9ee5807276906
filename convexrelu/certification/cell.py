"""The activation cell of a network: a bound for all networks in it, and the kinds of its units."""

from __future__ import annotations

import numpy as np

from convexrelu._utils.deadlines import product_fits, seconds_before
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.for_problem import program_oracle_for
from convexrelu.problem.dual import lower_bound
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.neuron_map import blocks_of, dual_of
from convexrelu.solvers.base import ProgramSolver

__all__ = ["cell_lower_bound", "count_units"]

# Fraction of the time left for the solver; the rest is for the bound.
_TIME_TO_SOLVE = 0.5
# Products with all blocks that a solver makes before it looks at time.
_PASSES = 10
_CHUNK = 2**16  # entries of the inputs of neurons that are there at a time


def cell_lower_bound(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    program_solver: ProgramSolver,
    deadline: float,
) -> float:
    """Bound for networks with the patterns and signs of this one, at its own dual point or the solver's.

    Without the time for a solver to begin, at its own dual point only.
    """
    blocks, values = blocks_of(network, problem)
    if problem.slope == 0.0:  # otherwise units that are inactive on all samples have outputs, too
        alive = np.flatnonzero(blocks.masks.any(axis=1))
        blocks, values = blocks.select(alive), values[alive]
    points = [problem.dual_point(network.predict(problem.X))]
    if product_fits(_PASSES * blocks.masks.size * values.shape[1], deadline):
        left = seconds_before(deadline, _TIME_TO_SOLVE)
        solution = program_solver.relu(problem, blocks, start=values, time_limit=left)
        points.append(dual_of(problem, solution))
    oracle = program_oracle_for(problem, blocks.masks, blocks.signs)
    return max(lower_bound(problem, v, oracle(v, deadline=deadline).bound) for v in points)


def count_units(network: TwoLayerNetwork, problem: TrainingProblem) -> tuple[int, int, int]:
    """Numbers of dead, linear and mixed units on the samples; outputs within rounding of zero count as zero."""
    left, right = np.ones((2, network.width), dtype=bool)
    step = max(1, _CHUNK // max(1, network.width))
    for start in range(0, problem.n_samples, step):
        rows = problem.X[start : start + step]
        values = rows @ network.hidden_weights.T + network.hidden_bias
        sizes = abs(rows) @ np.abs(network.hidden_weights.T) + np.abs(network.hidden_bias)
        rounding = (network.n_features + 2) * np.finfo(float).eps * sizes
        left &= (values <= rounding).all(axis=0)
        right &= (values >= -rounding).all(axis=0)
    dead = left if problem.slope == 0.0 else left & right
    linear = (left | right) & ~dead
    mixed = ~(dead | linear)
    return int(dead.sum()), int(linear.sum()), int(mixed.sum())
