"""From the solution of a finite programme to a network, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu.gated_network import GatedNetwork
from convexrelu.network import TwoLayerNetwork
from convexrelu.problem import TrainingProblem
from convexrelu.result import Blocks, ProgrammeSolution

__all__ = ["active_blocks", "blocks_of", "recover_gated", "recover_relu", "with_best_intercept"]

Array = NDArray[np.float64]


def active_blocks(solution: ProgrammeSolution) -> NDArray[np.bool_]:
    """Blocks that are not zero, judged against the largest and by the accuracy of the solution.

    A relative gap ``ε`` leaves up to about ``ε/s`` in a block that should be zero, if its
    constraint in the dual has a relative slack of ``s``; blocks are called zero from a slack of
    one in a thousand.
    """
    norms = np.linalg.norm(solution.blocks, axis=1)
    return norms > 1e3 * solution.accuracy * norms.max(initial=0.0)


def recover_relu(
    problem: TrainingProblem, solution: ProgrammeSolution, blocks: Blocks
) -> TwoLayerNetwork:
    """Neuron map: the non-zero blocks as neurons, equal directions merged, the intercept at its best."""
    active = active_blocks(solution)
    network = TwoLayerNetwork.from_directions(
        solution.blocks[active],
        blocks.signs[active],
        solution.intercept,
        hidden_bias=problem.hidden_bias,
    )
    return with_best_intercept(problem, network.merge())


def with_best_intercept(problem: TrainingProblem, network: TwoLayerNetwork) -> TwoLayerNetwork:
    """The same neurons with the intercept that minimises the loss: zero where there must be none."""
    hidden = network.with_output_bias(0.0).predict(problem.X)
    return network.with_output_bias(problem.best_intercept(hidden))


def recover_gated(
    problem: TrainingProblem, solution: ProgrammeSolution, gates: NDArray[np.float64]
) -> GatedNetwork:
    """The non-zero blocks with their gates."""
    active = active_blocks(solution)
    return GatedNetwork(
        gates[active], solution.blocks[active], solution.intercept, problem.hidden_bias
    )


def blocks_of(network: TwoLayerNetwork, problem: TrainingProblem) -> tuple[Blocks, Array]:
    """Patterns and signs of a network's neurons on the problem's samples, with the values of these blocks.

    Parameters
    ----------
    network : TwoLayerNetwork
        With one output.
    problem : TrainingProblem

    Returns
    -------
    blocks : Blocks
        Distinct. A sample on a neuron's kink counts as active.
    values : array of shape (B, d̃)
        ``Σ_j w̃_j |a_j|`` over the neurons of a block.
    """
    network = network.prune()
    outer = network.output_weights[0]
    values = network.augmented_weights()[:, : problem.design.shape[1]] * np.abs(outer)[:, None]
    masks = problem.X @ network.hidden_weights.T + network.hidden_bias >= 0
    blocks = Blocks(masks.T, np.where(outer > 0, 1.0, -1.0))
    _, first, block = np.unique(blocks.keys(), return_index=True, return_inverse=True)
    joint = np.zeros((len(first), values.shape[1]))
    np.add.at(joint, block, values)
    return blocks.select(first), joint
