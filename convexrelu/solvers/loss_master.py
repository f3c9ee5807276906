"""The native master for every loss, activation and number of outputs."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from numpy.typing import NDArray

from convexrelu.problem import TrainingProblem
from convexrelu.result import Blocks, ProgrammeSolution
from convexrelu.solvers.loss_interior_point import loss_interior_point

__all__ = ["LossMaster"]


class LossMaster:
    """:func:`~convexrelu.solvers.loss_interior_point.loss_interior_point` as a master.

    For squared error on one output :class:`~convexrelu.solvers.native_master.NativeMaster` has more to choose from,
    and makes use of a start.

    Parameters
    ----------
    gap : float
        Relative duality gap of the programme to stop at, 1e-4 at most.
    device : str
        A torch device.

    Raises
    ------
    ValueError
        For a `device` that torch does not have.

    Examples
    --------
    >>> import numpy as np
    >>> problem = TrainingProblem([[-1.0], [0.0], [2.0]], [0.0, 1.0, 5.0], 0.01, loss="poisson")
    >>> blocks = Blocks(np.array([[False, True, True]]), np.array([1.0]))
    >>> LossMaster().relu(problem, blocks).status.name
    'CONVERGED'
    """

    def __init__(self, gap: float = 1e-8, *, device: str = "cpu") -> None:
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"device={device!r} is not available: {error}") from error
        self.gap = gap
        self.device = device

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: NDArray[np.float64] | None = None,
        time_limit: float | None = None,
    ) -> ProgrammeSolution:
        """Solve the programme with cones on `blocks`; a start has no effect."""
        return self._solve(problem, blocks, True, time_limit)

    def gated(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: NDArray[np.float64] | None = None,
        time_limit: float | None = None,
    ) -> ProgrammeSolution:
        """Solve the gated programme on `blocks`; a start has no effect."""
        return self._solve(problem, blocks, False, time_limit)

    def _solve(
        self, problem: TrainingProblem, blocks: Blocks, cones: bool, time_limit: float | None
    ) -> ProgrammeSolution:
        return loss_interior_point(
            problem,
            blocks,
            cones=cones,
            gap=self.gap,
            deadline=math.inf if time_limit is None else time.perf_counter() + time_limit,
            device=self.device,
        )
