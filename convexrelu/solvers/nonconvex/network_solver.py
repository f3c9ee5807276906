"""A solver that trains the network itself, for finite programs that are too large.

A program with ``B`` blocks on ``n`` samples and ``K`` outputs takes memory of order ``n d̃ B``. The network of
its blocks has as many neurons and takes ``n B``, but its training is not convex: nothing guarantees that the blocks
are jointly optimal. Certificates are not affected, as they come from the oracle. New directions enter as neurons::

    u_j = θ ũ_j with outer weights g_j,    θ = max(θ*, 3 % of the mean length),
    θ* = argmin_θ  F(f + θ Σ_j φ(X̃ũ_j) g_jᵀ) + alpha θ B

With several outputs they also have to turn before they help, and ``θ`` is at least the mean length: on digits, neurons
of 3 % of it stood still until descent ended, and rounds lowered the objective by 1e-4 each instead of 1e-3.

All of them move in the descent that follows: the returned blocks differ from those that entered.
"""

from __future__ import annotations

import math
import time

import numpy as np
from scipy.optimize import minimize_scalar

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.programs.neuron_map import blocks_of, with_best_intercept
from convexrelu.results.status import Status
from convexrelu.solvers.base import ProgramSolver
from convexrelu.solvers.nonconvex.descent import polish
from convexrelu.solvers.support import Support, check_support

__all__ = ["NetworkSolver", "best_length", "with_cuts"]


# Neurons that start below this fraction of the mean grow too slowly: their gradients are as small as they are.
_FIRST_LENGTH, _FIRST_LENGTH_OF_MANY = 0.03, 1.0
_WITHIN = 1e-6  # of the bracket of a line search
_LARGEST = 1e100  # room that a bracket leaves below the largest number


class NetworkSolver(ProgramSolver):
    """Descent from the network of the blocks, with new blocks along the directions that an oracle found.

    For losses with a gradient. The result is no worse than the given network.

    Parameters
    ----------
    drop : float
        Relative drop of the objective in ten steps at which descent ends.
    device : str
        Torch device for many samples; ``"cpu"`` for NumPy.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, train
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3)
    >>> result = train(problem, solver=NetworkSolver(), random_state=0)
    >>> result.certificate.relative_gap < 0.01
    True
    """

    name = "network"
    support = Support(
        "smooth", "none", skip=False, fixed_patterns=False, instead="solver='cvxpy:CLARABEL'"
    )

    def __init__(self, drop: float = 1e-5, device: str = "cpu") -> None:
        self.drop, self.device = drop, device

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Continue training from the neurons `start`; blocks where it is zero, with a direction, are added."""
        check_support(self, problem)
        began = time.perf_counter()
        deadline = math.inf if time_limit is None else began + time_limit
        values = np.zeros((len(blocks), problem.design.shape[1])) if start is None else start
        given = with_best_intercept(problem, problem.network(values, blocks.signs, _zero(problem)))
        least = _FIRST_LENGTH if problem.n_outputs == 1 else _FIRST_LENGTH_OF_MANY
        grown = with_cuts(problem, given, blocks, values, least)
        found = self._polished(problem, grown, deadline)
        if problem.objective(found) > problem.objective(given):
            found = self._polished(problem, given, deadline)
        in_time = time.perf_counter() <= deadline
        moved, values = blocks_of(found, problem)
        return ProgramSolution(
            blocks=values,
            intercept=float(found.output_bias[0]) if problem.n_outputs == 1 else found.output_bias,
            outputs=found.predict(problem.X),
            objective=problem.objective(found),
            status=Status.CONVERGED if in_time else Status.TIME_LIMIT,
            accuracy=0.0,
            seconds=time.perf_counter() - began,
            moved=moved,
        )

    def _polished(
        self, problem: TrainingProblem, network: TwoLayerNetwork, deadline: float
    ) -> TwoLayerNetwork:
        return polish(problem, network, deadline, drop=self.drop, device=self.device)


def with_cuts(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    blocks: Blocks,
    values: Array,
    least: float = _FIRST_LENGTH,
) -> TwoLayerNetwork:
    """The network with a neuron for every block that has only a direction, of at least this part of the mean length."""
    if blocks.directions is None:
        return network
    sizes, known = norms(values), norms(blocks.directions) > 0
    new = (sizes == 0) & known
    if not new.any():
        return network
    units = blocks.directions[new] / norms(blocks.directions[new])[:, None]
    mean = float(sizes[sizes > 0].mean()) if sizes.any() else 0.0
    length = max(best_length(problem, network, units, blocks.signs[new]), least * mean)
    grown = np.where(new[:, None], 0.0, values)
    grown[new] = length * units
    return with_best_intercept(problem, problem.network(grown, blocks.signs, _zero(problem)))


def best_length(
    problem: TrainingProblem, network: TwoLayerNetwork, units: Array, signs: Array
) -> float:
    """``θ*``: convex in one variable, and at most where the penalty alone equals the current objective."""
    added = problem.network(units, signs, _zero(problem)).predict(problem.X)
    outputs, cost = network.predict(problem.X), problem.alpha * len(units)

    def objective(length: float) -> float:
        return problem.data_fit(outputs + length * added) + cost * length

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of extreme scales
        most = np.divide(objective(0.0), cost)
        if not np.isfinite(_LARGEST * most):
            return 0.0
        options = {"xatol": _WITHIN * most}
        found = minimize_scalar(objective, bounds=(0.0, most), method="bounded", options=options)
    return float(found.x)


def _zero(problem: TrainingProblem) -> Array:
    return np.zeros(problem.n_outputs)
