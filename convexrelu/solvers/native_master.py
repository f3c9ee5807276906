"""The native master: programmes as tensors, solved by this package's own algorithms."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from convexrelu._torch import Tensor, torch
from convexrelu.problem import TrainingProblem
from convexrelu.result import Blocks, ProgrammeSolution
from convexrelu.solvers.augmented_lagrangian import AugmentedLagrangian
from convexrelu.solvers.interior_point import interior_point
from convexrelu.solvers.loss_interior_point import loss_interior_point
from convexrelu.solvers.master import METHODS
from convexrelu.solvers.proximal_gradient import proximal_gradient
from convexrelu.solvers.support import Support, check_support
from convexrelu.solvers.tensors import Iterate, TensorProgramme
from convexrelu.status import Status
from convexrelu.threads import torch_threads

__all__ = ["NativeMaster"]

# What `auto` goes by: rows of a gated Newton system (8000 are half a gigabyte), and operations of an
# interior-point iteration. See the table of solvers in the documentation.
_LARGEST_SYSTEM = 8000
_CHEAP_ITERATION = 3e8
# Interior points leave blocks that should be zero only nearly so: they go on until that can be told.
_INTERIOR_GAP = 1e-4
_ROUGH_GAP = 1e-2
_SUPPORT = {
    "auto": Support("separable", "separable", skip=False, instead="solver='cvxpy:CLARABEL'"),
    "newton": Support("least_squares", "least_squares", skip=False),
    "interior_point": Support("separable", "not_least_squares", skip=False),
    "fista": Support("none", "least_squares", skip=False),
}
# Newton steps that a warm start is worth before interior points are called.
_TRY = 30


class NativeMaster:
    """The native solvers behind one door. Losses other than the squared error have interior points.

    The last programme is kept with its solution: the next one starts from it where it differs in `alpha`
    only. An explicit start goes first. Interior points take no start.

    Parameters
    ----------
    method : {"auto", "newton", "interior_point", "fista"}
        ``"newton"`` is :class:`~convexrelu.solvers.augmented_lagrangian.AugmentedLagrangian`, for both programmes;
        ``"interior_point"`` is :func:`~convexrelu.solvers.interior_point.interior_point`, for ReLU; ``"fista"`` is
        :func:`~convexrelu.solvers.proximal_gradient.proximal_gradient`, for gated programmes.

        ``"auto"`` takes, for ReLU, interior points where one of their iterations is cheap, ``B m d̃ min(m, B d̃) ≤
        3·10⁸`` with ``m = nK``, and Newton steps otherwise; where one ends above `gap`, the other goes on from there. A
        warm start has thirty Newton steps before interior points are called, unless that failed lately. For gated
        programmes it takes Newton steps where their largest system, ``min(n, B d̃)``, has at most 8000 rows, and
        proximal gradient otherwise.
    gap : float
        Relative duality gap of the programme to stop at.
    device : str
        A torch device.
    dtype : {"float64", "float32"}
        In which to iterate. The solution is evaluated in float64 whatever it is; gaps below
        about 1e-5 are out of reach in float32.

    Raises
    ------
    ValueError
        For an unknown `method` or `dtype`, or a `device` that torch does not have.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> problem = TrainingProblem([[-1.0], [0.0], [2.0]], [0.0, 0.0, 2.0], alpha=1e-3)
    >>> blocks = Blocks(np.array([[False, True, True]]), np.array([1.0]))
    >>> NativeMaster().relu(problem, blocks).status.name
    'CONVERGED'
    """

    def __init__(
        self,
        method: str = "auto",
        gap: float = 1e-8,
        *,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        if method not in METHODS:
            raise ValueError(
                f"method={method!r} is not known; available: {', '.join(map(repr, METHODS))}"
            )
        if dtype not in ("float64", "float32"):
            raise ValueError(f"dtype={dtype!r} is not known; available: 'float64', 'float32'")
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"device={device!r} is not available: {error}") from error
        self.method = self.name = method
        self.support = _SUPPORT[method]
        self.gap = gap
        self.device = device
        self.dtype = getattr(torch, dtype)
        self._last: TensorProgramme | None = None
        self._newton: AugmentedLagrangian | None = None
        self._last_end: Iterate | None = None
        self._last_alpha = 1.0
        self._failures = self._pause = 0

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: NDArray[np.float64] | None = None,
        time_limit: float | None = None,
    ) -> ProgrammeSolution:
        """Solve the ReLU programme on `blocks`."""
        check_support(self, problem)
        with torch_threads(_n_entries(problem, blocks)):
            return self._solve(problem, blocks, True, start, time_limit)

    def gated(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: NDArray[np.float64] | None = None,
        time_limit: float | None = None,
    ) -> ProgrammeSolution:
        """Solve the gated programme on the patterns of `blocks`."""
        check_support(self, problem, gated=True)
        with torch_threads(_n_entries(problem, blocks)):
            return self._solve(problem, blocks, False, start, time_limit)

    def _solve(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        cones: bool,
        start: NDArray[np.float64] | None,
        time_limit: float | None,
    ) -> ProgrammeSolution:
        started = time.perf_counter()
        deadline = math.inf if time_limit is None else started + time_limit
        if not problem.loss.is_least_squares:
            return loss_interior_point(
                problem, blocks, cones=cones, gap=self.gap, deadline=deadline, device=self.device
            )
        programme = self._programme(problem, blocks, cones)
        first = None if start is None else programme.from_problem(start)
        if len(blocks) == 0:
            end = Iterate(programme.no_blocks(), programme.target, 0.0, Status.CONVERGED)
        elif self.method == "auto":
            warm = self._last_end is not None or (first is not None and bool(first.any()))
            end = self._choose(programme, first, warm, deadline)
        else:
            end = self._run(self.method, programme, first, deadline)
        self._last_end, self._last_alpha = end, programme.alpha
        return programme.to_solution(end, self.gap, time.perf_counter() - started)

    def _programme(self, problem: TrainingProblem, blocks: Blocks, cones: bool) -> TensorProgramme:
        last = self._last
        if last is None or last.cones != cones or not last.is_for(problem, blocks):
            last = TensorProgramme(
                problem, blocks, cones=cones, device=self.device, dtype=self.dtype
            )
            self._last, self._last_end, self._newton = last, None, None
        last.set_alpha(problem.alpha)
        return last

    def _choose(
        self, programme: TensorProgramme, start: Tensor | None, warm: bool, deadline: float
    ) -> Iterate:
        """The first solver of the rule that reaches the gap, or the best end of all."""
        methods = _order(programme)
        best: Iterate | None = None
        if warm and methods[0] == "interior_point":
            best = self._try_newton(programme, start, deadline)
        for method in methods:
            if best is not None:
                if best.gap <= self.gap or best.status is Status.USER_LIMIT:
                    break
                start = best.blocks
            end = self._run(method, programme, start, deadline)
            if best is None or end.gap < best.gap:
                best = end
        assert best is not None
        return best

    def _try_newton(
        self, programme: TensorProgramme, start: Tensor | None, deadline: float
    ) -> Iterate | None:
        """Newton steps from a warm start, unless that failed lately: every failure doubles the pause."""
        if self._pause > 0:
            self._pause -= 1
            return None
        end = self._take_newton(programme, start, deadline, max_steps=_TRY)
        self._failures = 0 if end.gap <= self.gap else self._failures + 1
        self._pause = 2**self._failures - 1
        return end

    def _run(
        self, method: str, programme: TensorProgramme, start: Tensor | None, deadline: float
    ) -> Iterate:
        if method == "newton":
            return self._take_newton(programme, start, deadline)
        if method == "interior_point":
            gap = _INTERIOR_GAP if self.method == "auto" else min(self.gap, _INTERIOR_GAP)
            return interior_point(programme, gap=gap, deadline=deadline)
        if start is None and self._last_end is not None:
            start = self._last_end.blocks
        return proximal_gradient(programme, start, gap=self.gap, deadline=deadline)

    def _take_newton(
        self,
        programme: TensorProgramme,
        start: Tensor | None,
        deadline: float,
        max_steps: int | None = None,
    ) -> Iterate:
        if self._newton is None:  # not before it is needed, for its memory
            self._newton = AugmentedLagrangian(programme)
        v = None
        if start is None and self._last_end is not None:
            # The same programme but for alpha, with which the dual point shrinks.
            start = self._last_end.blocks
            v = self._last_end.v * (programme.alpha / self._last_alpha)
        elif start is None and not programme.cones:
            rough = proximal_gradient(
                programme.in_single_precision(),
                gap=_ROUGH_GAP,
                max_iter=_first_steps(programme),
                deadline=deadline,
            )
            start = rough.blocks.to(programme.rows.dtype)
        return self._newton.solve(start, v=v, gap=self.gap, max_steps=max_steps, deadline=deadline)


def _n_entries(problem: TrainingProblem, blocks: Blocks) -> int:
    """Entries of the arrays of all blocks by all outputs."""
    return len(blocks) * problem.n_samples * problem.n_outputs


def _first_steps(programme: TensorProgramme) -> int:
    """Steps of proximal gradient that cost as much as the first Newton step, to find out which blocks are active."""
    (n, dim), n_blocks = programme.rows.shape, len(programme.slopes)
    side = min(n, dim * n_blocks)
    return max(1, (side**2 * n_blocks + side**3 // 3) // (4 * n_blocks * n * dim))


def _order(programme: TensorProgramme) -> list[str]:
    """Solvers in the order in which `auto` tries them."""
    size, dim, n_blocks = len(programme.target), programme.rows.shape[1], len(programme.slopes)
    largest_system = min(size, dim * n_blocks)
    if not programme.cones:
        return ["newton" if largest_system <= _LARGEST_SYSTEM else "fista"]
    if programme.rows.dtype is not torch.float64:  # interior points need every digit
        return ["newton"]
    cheap = n_blocks * size * dim * largest_system <= _CHEAP_ITERATION
    return ["interior_point", "newton"] if cheap else ["newton", "interior_point"]
