"""The activation cell of a network: a bound for all networks in it."""

from __future__ import annotations

import math

import numpy as np

from convexrelu._utils.deadlines import product_fits, seconds_before
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.for_problem import program_oracle_for
from convexrelu.problem.dual import lower_bound
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.programs.neuron_map import blocks_of, dual_of, recover_relu
from convexrelu.solvers.base import ProgramSolver

__all__ = ["cell_lower_bound", "cell_optimum"]

# Fraction of the time left for the solver; the rest is for the bound.
_TIME_TO_SOLVE = 0.5
# Products with all blocks that a solver makes before it looks at time; and for each dimension, as the first projection
# on a cone finds its active normals one after the other.
_PASSES, _PASSES_FOR_NORMALS = 10, 0.25
_EVALUATIONS = 2  # of the network, for its patterns and its own bound


def cell_lower_bound(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    program_solver: ProgramSolver,
    own: Array,
    deadline: float,
) -> float:
    """Bound for networks with the patterns and signs of this one, at its `own` dual point or the solver's.

    Without the time for a solver to begin, at its own dual point only; minus infinity without the time for that.
    """
    if not product_fits(_EVALUATIONS * problem.work_of_outputs(network.width), deadline):
        return -math.inf
    blocks, values = _alive_blocks(network, problem)
    points = [own]
    passes = _PASSES + _PASSES_FOR_NORMALS * values.shape[1]
    if product_fits(passes * blocks.masks.size * values.shape[1], deadline):
        left = seconds_before(deadline, _TIME_TO_SOLVE)
        solution = program_solver.relu(problem, blocks, start=values, time_limit=left)
        points.append(dual_of(problem, solution))
    oracle = program_oracle_for(problem, blocks.masks, blocks.signs)
    return max(lower_bound(problem, v, oracle(v, deadline=deadline).bound) for v in points)


def cell_optimum(
    problem: TrainingProblem, network: TwoLayerNetwork, program_solver: ProgramSolver
) -> TwoLayerNetwork:
    """Network that the solver finds for the program of the cell, or the given one where that is no worse."""
    blocks, values = _alive_blocks(network, problem)
    solution = program_solver.relu(problem, blocks, start=values)
    found = recover_relu(problem, solution, blocks)
    return min(found, network, key=problem.objective)


def _alive_blocks(network: TwoLayerNetwork, problem: TrainingProblem) -> tuple[Blocks, Array]:
    """Blocks of the network that have outputs, and their values."""
    blocks, values = blocks_of(network, problem)
    if problem.slope != 0.0:  # units that are inactive on all samples have outputs, too
        return blocks, values
    alive = np.flatnonzero(blocks.masks.any(axis=1))
    return blocks.select(alive), values[alive]
