"""Solvers of finite programs whose blocks keep the signs of a class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.constrained.descent import polish_in_class
from convexrelu.constrained.neuron_class import NeuronClass
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.solvers.base import ProgramSolver
from convexrelu.solvers.nonconvex.network_solver import NetworkSolver

__all__ = ["DescentInClass", "SolverOfClass"]

# Entries n B d̃ of a program, and rows min(n, B d̃) of its Newton systems, above which descent takes over, as for
# AutomaticSolver.
_MOST_ENTRIES, _MOST_ROWS = 2e7, 4000
# Weight of a wall, compared with the mean of the samples: solvers divide by it. The optimum moves by about as much, and
# certificates are those of the problem without walls.
_WEIGHT = 1e-10


class DescentInClass(NetworkSolver):
    """Descent from the network of the blocks, in a class.

    Parameters
    ----------
    neuron_class : NeuronClass
    """

    def __init__(self, neuron_class: NeuronClass) -> None:
        super().__init__()
        self._class = neuron_class

    def _polished(
        self, problem: TrainingProblem, network: TwoLayerNetwork, deadline: float
    ) -> TwoLayerNetwork:
        return polish_in_class(problem, self._class, network, deadline, drop=self.drop)


class SolverOfClass(ProgramSolver):
    """A solver over given patterns, with the constraints on signs as samples of hardly any weight.

    A block ``u`` of sign ``s`` has ``(2D − I)X̃u ≥ 0`` and ``s m_k u_k ≥ 0``. With rows ``m_k e_k``, walls, on which the
    pattern of the block is active where ``s = 1``, the second is part of the first. Programs that are too
    large are left to descent, if the loss has a gradient.

    Parameters
    ----------
    neuron_class : NeuronClass
    solver : ProgramSolver
        One that does not move patterns.
    """

    def __init__(self, neuron_class: NeuronClass, solver: ProgramSolver) -> None:
        self._class = neuron_class
        self._solver = solver
        self._descent = DescentInClass(neuron_class)
        self._last: tuple[TrainingProblem, TrainingProblem] | None = None

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Solve the program on `blocks`; what is outside of the class by the accuracy of the solver is cut off."""
        if problem.loss.smooth and _is_large(problem, blocks):
            return self._descent.relu(problem, blocks, start=start, time_limit=time_limit)
        walled = self._with_walls(problem)
        n_walls = walled.n_samples - problem.n_samples
        walls = np.repeat((blocks.signs > 0)[:, None], n_walls, axis=1)
        solution = self._solver.relu(
            walled,
            Blocks(np.hstack([blocks.masks, walls]), blocks.signs),
            start=start,
            time_limit=time_limit,
        )
        dual = solution.dual
        return replace(
            solution,
            blocks=self._class.project(solution.blocks, blocks.signs),
            outputs=solution.outputs[: problem.n_samples],
            dual=None if dual is None else dual[: problem.n_samples],
        )

    def _with_walls(self, problem: TrainingProblem) -> TrainingProblem:
        """The problem with the rows ``m_k e_k``, as long as the longest sample."""
        if self._last is not None and self._last[0] is problem:
            return self._last[1]
        design = problem.design
        limits = self._class.limits(design.shape[1])
        walls = (limits[:, None] * np.eye(len(limits)))[limits != 0]
        walls *= float(norms(design).max(initial=0.0)) or 1.0
        weight = _WEIGHT / len(design)
        walled = TrainingProblem(
            np.vstack([design, walls]),
            np.append(problem.y, np.full(len(walls), problem.y[0])),
            problem.alpha,
            loss=problem.loss,
            activation=problem.activation,
            negative_slope=problem.slope or 0.01,  # ReLU has none
            hidden_bias=False,
            fit_intercept=problem.fit_intercept,
            sample_weight=np.append(problem.weights, np.full(len(walls), weight)),
        ).in_features()  # blocks are vectors for the rows as they are
        self._last = problem, walled
        return walled


def _is_large(problem: TrainingProblem, blocks: Blocks) -> bool:
    entries = float(problem.design.size) * len(blocks)
    rows = min(problem.n_samples, len(blocks) * problem.design.shape[1])
    return rows > _MOST_ROWS or entries > _MOST_ENTRIES
