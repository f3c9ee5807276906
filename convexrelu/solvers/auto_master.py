"""The choice of a master for a problem."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convexrelu.oracles.several_patterns import MAX_PROVED_OUTPUTS
from convexrelu.problem import TrainingProblem
from convexrelu.result import Blocks, ProgrammeSolution
from convexrelu.solvers.master import Master
from convexrelu.solvers.native_master import NativeMaster

__all__ = ["AutoMaster"]

# Rows of the largest Newton system that is worth it where no warm start shortens the way: some seconds a factor.
_LARGEST_SYSTEM = 4000
# Operations of an iteration of interior points for a loss of several outputs: some tenths of a second.
_SLOW_ITERATION = 2e8


class AutoMaster:
    """A native master where it lacks nothing, a reference otherwise; a network where programmes are too large.

    Interior points for general losses start afresh in every round. Where their systems, ``min(nK, B d̃)`` rows, pass
    4000, :class:`~convexrelu.solvers.network_master.NetworkMaster` takes over, if the loss has a gradient. Where
    patterns must not move, there are five outputs or more and an iteration takes more than 2·10⁸ operations, ``nK B d̃
    min(nK, B d̃)``, :class:`~convexrelu.solvers.cone_gradient_master.ConeGradientMaster` does.

    Parameters
    ----------
    native : NativeMaster
    make_reference : callable
        Makes the reference, when it is first needed.
    make_network : callable, optional
        Makes the master for large programmes; None where patterns must not move.
    make_gradient : callable, optional
        Makes the one for slow programmes of several outputs; None where patterns may move.
    """

    def __init__(
        self,
        native: NativeMaster,
        make_reference: Callable[[], Master],
        make_network: Callable[[], Master] | None = None,
        make_gradient: Callable[[], Master] | None = None,
    ) -> None:
        self.native = native
        self._make_reference = make_reference
        self._make_network = make_network
        self._make_gradient = make_gradient
        self._made: dict[Callable[[], Master], Master] = {}

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: NDArray[np.float64] | None = None,
        time_limit: float | None = None,
    ) -> ProgrammeSolution:
        """Solve the ReLU programme on `blocks`."""
        master = self._for_relu(problem, blocks)
        return master.relu(problem, blocks, start=start, time_limit=time_limit)

    def gated(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: NDArray[np.float64] | None = None,
        time_limit: float | None = None,
    ) -> ProgrammeSolution:
        """Solve the gated programme on the patterns of `blocks`."""
        return self._for(problem, gated=True).gated(
            problem, blocks, start=start, time_limit=time_limit
        )

    def _for_relu(self, problem: TrainingProblem, blocks: Blocks) -> Master:
        if self._make_network is not None and _is_large(problem, blocks):
            return self._get(self._make_network)
        if self._make_gradient is not None and _is_slow(problem, blocks):
            return self._get(self._make_gradient)
        return self._for(problem)

    def _for(self, problem: TrainingProblem, *, gated: bool = False) -> Master:
        lacking = self.native.support.lacks(problem, gated=gated)
        return self._get(self._make_reference) if lacking else self.native

    def _get(self, make: Callable[[], Master]) -> Master:
        if make not in self._made:
            self._made[make] = make()
        return self._made[make]


def _is_large(problem: TrainingProblem, blocks: Blocks) -> bool:
    """Whether the network is what can be trained, and the programme is not."""
    if not problem.loss.smooth or problem.skip:
        return False
    if problem.loss.is_least_squares and problem.n_outputs == 1:
        return False
    rows = problem.n_samples * problem.n_outputs
    return min(rows, len(blocks) * problem.design.shape[1]) > _LARGEST_SYSTEM


def _is_slow(problem: TrainingProblem, blocks: Blocks) -> bool:
    """Whether one iteration of interior points takes longer than many steps of first order."""
    if not problem.loss.smooth or problem.skip or problem.n_outputs <= MAX_PROVED_OUTPUTS:
        return False  # proofs of few outputs are sharp, and ask for accurate solutions
    if problem.loss.is_least_squares:  # which has Newton steps
        return False
    rows = problem.n_samples * problem.n_outputs
    columns = len(blocks) * problem.design.shape[1]
    return rows * columns * min(rows, columns) > _SLOW_ITERATION
