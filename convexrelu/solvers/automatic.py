"""The choice of a solver for a problem."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from convexrelu._utils.deadlines import seconds_before
from convexrelu._utils.typing import Array
from convexrelu.losses import Multinomial
from convexrelu.oracles.program.several_outputs import MAX_PROVED_OUTPUTS
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.programs.neuron_map import with_best_intercept
from convexrelu.results.status import Status
from convexrelu.solvers.base import ProgramSolver
from convexrelu.solvers.support import NATIVE_SUPPORT

__all__ = ["AutomaticSolver"]

# Largest number of rows of a Newton system worth solving without a warm start: a factorisation takes some seconds.
_LARGEST_SYSTEM = 4000
# Entries of the columns of least squares that are worth Newton steps with warm starts. A program of 10,000 samples and
# 150 blocks of 21 features, 3·10⁷ entries, takes 7 s, and the network of its blocks half a second, to a gap as small.
_LARGEST_LEAST_SQUARES = 2e7
# Operations per interior-point iteration for a loss of several outputs: some tenths of a second.
_SLOW_ITERATION = 2e8
# Entries of the columns of programs that are worth a second solver where the first fails: those that fail are tiny,
# with free biases and penalties of a millionth.
_SMALL = 1e5


class AutomaticSolver:
    """A native solver where it supports the problem, a reference otherwise; a network for programs that are too large.

    Interior points for general losses start afresh in every round. If their systems, ``min(nK, B d̃)`` rows (``B d̃ +
    n`` with the softmax), exceed 4000, or if least squares have more than 2·10⁷ entries ``n B d̃``,
    :class:`~convexrelu.solvers.nonconvex.network_solver.NetworkSolver` takes over, if the loss has a gradient.
    If patterns must not move, there are five or more outputs and an iteration takes more than 2·10⁸ operations, ``nK
    B d̃ min(nK, B d̃)``, :class:`~convexrelu.solvers.first_order.cone_gradient.ConeGradientSolver` does.
    Where a small program has not been solved and the end is above the start, the reference is asked as well.

    Parameters
    ----------
    make_native : callable
        Creates the native solver on first use, which imports torch.
    make_reference : callable
        Creates the reference on first use.
    make_network : callable, optional
        Creates the solver for large programs; None if patterns must not move.
    make_gradient : callable, optional
        Creates the solver for slow programs of several outputs; None if patterns may move.

    Attributes
    ----------
    rough_gap : float
        Handed on to the native solver: a gap that is small enough for its Newton steps; 0 unless set.
    """

    def __init__(
        self,
        make_native: Callable[[], ProgramSolver],
        make_reference: Callable[[], ProgramSolver],
        make_network: Callable[[], ProgramSolver] | None = None,
        make_gradient: Callable[[], ProgramSolver] | None = None,
    ) -> None:
        self._make_native = make_native
        self._make_reference = make_reference
        self._make_network = make_network
        self._make_gradient = make_gradient
        self._made: dict[Callable[[], ProgramSolver], ProgramSolver] = {}
        self.rough_gap = 0.0

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Solve the ReLU program on `blocks`."""
        deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
        program_solver = self._for_relu(problem, blocks)
        if hasattr(program_solver, "rough_gap"):
            program_solver.rough_gap = self.rough_gap
        found = program_solver.relu(problem, blocks, start=start, time_limit=time_limit)
        if found.status is not Status.INACCURATE or not _is_small(problem, blocks):
            return found
        if start is None or not _is_worse(problem, blocks, start, found.objective):
            return found
        other = self._get(self._make_reference).relu(
            problem, blocks, start=start, time_limit=seconds_before(deadline)
        )
        return other if other.usable and other.objective < found.objective else found

    def gated(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Solve the gated program on the patterns of `blocks`."""
        return self._for(problem, gated=True).gated(
            problem, blocks, start=start, time_limit=time_limit
        )

    def _for_relu(self, problem: TrainingProblem, blocks: Blocks) -> ProgramSolver:
        if self._make_network is not None and _is_large(problem, blocks):
            return self._get(self._make_network)
        if self._make_gradient is not None and _is_slow(problem, blocks):
            return self._get(self._make_gradient)
        return self._for(problem)

    def _for(self, problem: TrainingProblem, *, gated: bool = False) -> ProgramSolver:
        lacking = NATIVE_SUPPORT["auto"].lacks(problem, gated=gated)
        return self._get(self._make_reference if lacking else self._make_native)

    def _get(self, make: Callable[[], ProgramSolver]) -> ProgramSolver:
        if make not in self._made:
            self._made[make] = make()
        return self._made[make]


def _is_small(problem: TrainingProblem, blocks: Blocks) -> bool:
    """Whether the reference solves the program in tenths of a second."""
    return problem.n_outputs * len(blocks) * problem.design.size <= _SMALL


def _is_worse(problem: TrainingProblem, blocks: Blocks, start: Array, objective: float) -> bool:
    """Whether this is above the objective of the start: a solver that ends there has failed."""
    none = np.zeros(problem.n_outputs)
    network = with_best_intercept(problem, problem.network(start, blocks.signs, none))
    return not objective <= problem.objective(network)


def _is_large(problem: TrainingProblem, blocks: Blocks) -> bool:
    """Whether the program is too large, but the network can be trained."""
    if not problem.loss.smooth or problem.skip:
        return False
    rows, columns = problem.n_samples * problem.n_outputs, len(blocks) * problem.design.shape[1]
    if problem.is_least_squares:
        return rows * columns > _LARGEST_LEAST_SQUARES
    if isinstance(problem.loss, Multinomial):  # each sample has a direction in which it is constant
        columns += problem.n_samples
    return min(rows, columns) > _LARGEST_SYSTEM


def _is_slow(problem: TrainingProblem, blocks: Blocks) -> bool:
    """Whether one interior-point iteration takes longer than many first-order steps."""
    if not problem.loss.smooth or problem.skip or problem.n_outputs <= MAX_PROVED_OUTPUTS:
        return False  # proofs of few outputs are sharp, and ask for accurate solutions
    if problem.loss.is_least_squares:  # which has Newton steps
        return False
    rows = problem.n_samples * problem.n_outputs
    columns = len(blocks) * problem.design.shape[1]
    return rows * columns * min(rows, columns) > _SLOW_ITERATION
