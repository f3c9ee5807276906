"""A first-order solver for programs with fixed patterns whose Newton systems are too large."""

from __future__ import annotations

import math
import time

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.threads import torch_threads
from convexrelu._utils.torch_import import torch
from convexrelu._utils.typing import Array
from convexrelu.patterns.cone_projection import ConeProjector
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.results.status import Status
from convexrelu.solvers.base import ProgramSolver
from convexrelu.solvers.first_order.accelerated import accelerated, shrunk
from convexrelu.solvers.support import Support, check_support

__all__ = ["ConeGradientSolver"]


_MAX_STEPS = 40  # further steps pay off more after another round of cuts
_ACCURACY = 1e-5  # stop at this relative change of the blocks in a step


class ConeGradientSolver(ProgramSolver):
    """Accelerated proximal gradient steps, with the cones in the proximal map: for several outputs and smooth losses.

    The program ``min F(Σ_j (E_j X̃u_j) g_jᵀ + c) + alpha Σ_j ‖u_j‖`` over ``u_j`` in the cones ``K_j`` has a proximal
    map in two steps, since ``K_j`` is a cone::

        argmin_{u ∈ K} ½‖u − z‖² + λ‖u‖ = (1 − λ/‖p‖)₊ p,    p the projection of z on K

    All projections of a step are computed at once, starting from the rows that were active in the previous one. The
    intercept is eliminated: every step uses the best one.

    Examples
    --------
    >>> import numpy as np
    >>> problem = TrainingProblem([[-1.0], [0.0], [2.0]], [[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]], alpha=1e-3)
    >>> blocks = Blocks(np.array([[False, True, True]]), np.array([[0.6, 0.8]]))
    >>> solution = ConeGradientSolver().relu(problem, blocks)
    >>> solution.status.name, solution.objective < 0.01
    ('CONVERGED', True)
    """

    name = "cone_gradient"
    support = Support("smooth", "none", one_output=False, skip=False)

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Solve the ReLU program on `blocks`, each with a direction of outer weights."""
        check_support(self, problem)
        began = time.perf_counter()
        deadline = math.inf if time_limit is None else began + time_limit
        program = _Program(problem, blocks, deadline)
        first = np.zeros((len(blocks), problem.design.shape[1])) if start is None else start
        found, settled = accelerated(
            program.fit,
            program.prox,
            first,
            program.curvature(),
            max_steps=_MAX_STEPS,
            accuracy=_ACCURACY,
            deadline=deadline,
        )
        outputs = program.outputs(found)
        intercept = problem.best_intercept(outputs)
        seconds = time.perf_counter() - began
        late = time_limit is not None and seconds > time_limit
        status = Status.TIME_LIMIT if late else Status.INACCURATE
        return ProgramSolution(
            blocks=found,
            intercept=intercept,
            outputs=outputs + intercept,
            objective=problem.data_fit(outputs + intercept)
            + problem.alpha * float(norms(found).sum()),
            status=Status.CONVERGED if settled else status,
            accuracy=0.0,
            seconds=seconds,
        )


class _Program:
    """Data fit and proximal map as functions of the blocks, of shape (B, d̃)."""

    def __init__(self, problem: TrainingProblem, blocks: Blocks, deadline: float) -> None:
        self.problem = problem
        self.deadline = deadline
        self.signs = blocks.signs
        self.slopes = np.where(blocks.masks, 1.0, problem.slope).T
        self._cones = ConeProjector(torch.tensor(problem.design), torch.tensor(blocks.masks))
        self._all = torch.arange(len(blocks))

    def curvature(self) -> float:
        """Curvature of a single block for the squared error: the start for doubling."""
        scaled = np.sqrt(self.problem.weights)[:, None] * self.problem.design
        return float(np.linalg.norm(scaled, 2)) ** 2 or 1.0

    def outputs(self, u: Array) -> Array:
        """``Σ_j (E_j X̃u_j) g_jᵀ``, without an intercept."""
        return (self.slopes * (self.problem.design @ u.T)) @ self.signs

    def fit(self, u: Array) -> tuple[float, Array]:
        """Mean loss at the best intercept, and its gradient."""
        problem = self.problem
        outputs = self.outputs(u)
        outputs = outputs + problem.best_intercept(outputs)
        slopes = problem.weights[:, None] * problem.loss.gradient(outputs, problem.y)
        return problem.data_fit(outputs), (self.slopes * (slopes @ self.signs.T)).T @ problem.design

    def prox(self, z: Array, curvature: float) -> Array:
        """Proximal map: project on the cones, then shorten by ``alpha/curvature``."""
        level = self.problem.alpha / curvature
        with torch_threads(len(z) * self.problem.n_samples):
            p = self._cones.project(torch.from_numpy(z), self._all, level, self.deadline).numpy()
        return shrunk(p, level)
