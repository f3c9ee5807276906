"""Map from the solution of a finite program to a network, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from convexrelu._utils.norms import norms
from convexrelu._utils.threads import in_threads
from convexrelu._utils.typing import Array
from convexrelu.networks.gated import GatedNetwork
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution

__all__ = [
    "active_blocks",
    "blocks_of",
    "dual_of",
    "recover_gated",
    "recover_relu",
    "with_best_intercept",
    "with_best_intercept_and_objective",
    "with_best_intercept_and_outputs",
]

_CHUNK = 2**16  # entries of the inputs of neurons that are there at a time
# Hidden neurons from which on cores share them, some ten milliseconds of work, and that one takes at a time.
_SHARED, _TOGETHER = 2**21, 2**19


def active_blocks(solution: ProgramSolution) -> NDArray[np.bool_]:
    """Nonzero blocks, judged relative to the largest and by the accuracy of the solution.

    A relative gap ``ε`` leaves up to about ``ε/s`` in a block that should be zero, if its
    dual constraint has a relative slack of ``s``; blocks count as zero from a slack of
    one in a thousand.
    """
    lengths = norms(solution.blocks)
    return lengths > 1e3 * solution.accuracy * lengths.max(initial=0.0)


def recover_relu(
    problem: TrainingProblem, solution: ProgramSolution, blocks: Blocks
) -> TwoLayerNetwork:
    """Neuron map: the nonzero blocks as neurons, equal directions merged, with the best intercept."""
    active = active_blocks(solution)
    network = problem.network(
        solution.blocks[active], blocks.signs[active], solution.intercept, solution.skip_weights
    )
    return with_best_intercept(problem, problem.merged(network))


def with_best_intercept(problem: TrainingProblem, network: TwoLayerNetwork) -> TwoLayerNetwork:
    """The same neurons with the intercept that minimises the loss: zero if there must be none."""
    return with_best_intercept_and_outputs(problem, network)[0]


def with_best_intercept_and_outputs(
    problem: TrainingProblem, network: TwoLayerNetwork
) -> tuple[TwoLayerNetwork, Array]:
    """The same neurons with the best intercept, and the outputs of this network on the samples."""
    hidden = _without_intercept(problem, network)
    intercept = problem.best_intercept(hidden)
    return network.with_output_bias(intercept), hidden + intercept


def with_best_intercept_and_objective(
    problem: TrainingProblem, network: TwoLayerNetwork
) -> tuple[TwoLayerNetwork, float]:
    """The same neurons with the best intercept, and the objective of this network."""
    hidden = _without_intercept(problem, network)
    network = network.with_output_bias(problem.best_intercept(hidden))
    if problem.centred_inputs.centre.any():  # of which other outputs are needed
        return network, problem.objective(network)
    return network, problem.objective(network, lambda bare: hidden)


def _without_intercept(problem: TrainingProblem, network: TwoLayerNetwork) -> Array:
    """Outputs on the samples without an intercept, computed on several cores where samples are many."""
    network = network.with_output_bias(np.zeros(problem.n_outputs))
    if issparse(problem.X) or problem.n_samples * network.width < _SHARED:
        return network.predict(problem.X)
    step = max(1, _TOGETHER // network.width)
    starts = range(0, problem.n_samples, step)
    parts = [problem.X[start : start + step] for start in starts]
    return np.concatenate(in_threads(network.predict, parts))


def dual_of(problem: TrainingProblem, solution: ProgramSolution) -> Array:
    """Dual point of a solution, feasible except for ``M(v) ≤ alpha``."""
    if solution.dual is not None:
        return problem.feasible(solution.dual)
    return problem.dual_point(solution.outputs)


def recover_gated(
    problem: TrainingProblem, solution: ProgramSolution, gates: Array
) -> GatedNetwork:
    """The nonzero blocks with their gates."""
    active = active_blocks(solution)
    return GatedNetwork(
        gates[active], solution.blocks[active], solution.intercept, bool(problem.hidden_bias)
    )


def blocks_of(network: TwoLayerNetwork, problem: TrainingProblem) -> tuple[Blocks, Array]:
    """Patterns and output directions of a network's neurons on the problem's samples, with the values of these blocks.

    Parameters
    ----------
    network : TwoLayerNetwork
    problem : TrainingProblem

    Returns
    -------
    blocks : Blocks
        Distinct. A sample on a neuron's kink counts as active.
    values : array of shape (B, d̃)
        ``Σ_j w̃_j ‖a_j‖`` over the neurons of a block.
    """
    network = network.prune()
    sizes = norms(network.output_weights.T)
    values = problem.directions(network) * sizes[:, None]
    signs = network.output_weights.T / sizes[:, None]
    blocks = Blocks(_masks_of(network, problem), signs[:, 0] if problem.n_outputs == 1 else signs)
    _, first, block = np.unique(blocks.keys(), return_index=True, return_inverse=True)
    joint = np.zeros((len(first), values.shape[1]))
    np.add.at(joint, block, values)
    return blocks.select(first), joint


def _masks_of(network: TwoLayerNetwork, problem: TrainingProblem) -> NDArray[np.bool_]:
    """Where neurons are active, (m, n), some samples at a time."""
    masks = np.empty((network.width, problem.n_samples), dtype=bool)
    step = max(1, _CHUNK // max(1, network.width))
    for start in range(0, problem.n_samples, step):
        rows = slice(start, start + step)
        seen = problem.X[rows] @ network.hidden_weights.T + network.hidden_bias
        masks[:, rows] = (seen >= 0).T
    return masks
