"""From the solution of a finite programme to a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convexrelu.gated_network import GatedNetwork
from convexrelu.network import TwoLayerNetwork
from convexrelu.problem import TrainingProblem
from convexrelu.result import Blocks, ProgrammeSolution

__all__ = ["active_blocks", "recover_gated", "recover_relu"]


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
    ).merge()
    if not problem.fit_intercept:
        return network
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
