"""The native solver: programs as tensors, solved by this package's own algorithms."""

from __future__ import annotations

import math
import time

from convexrelu._utils.threads import torch_threads
from convexrelu._utils.torch_import import Tensor, check_device, torch
from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.results.status import Status
from convexrelu.solvers.base import METHODS
from convexrelu.solvers.native.augmented_lagrangian import AugmentedLagrangian
from convexrelu.solvers.native.interior_point import interior_point
from convexrelu.solvers.native.loss_interior_point import loss_interior_point
from convexrelu.solvers.native.proximal_gradient import proximal_gradient
from convexrelu.solvers.native.tensor_program import Iterate, TensorProgram
from convexrelu.solvers.support import NATIVE_SUPPORT, check_support

__all__ = ["NativeSolver"]

# Limits for `auto`: rows of a gated Newton system (8000 are half a gigabyte), and operations of an
# interior-point iteration. See the table of solvers in the documentation.
_LARGEST_SYSTEM = 8000
CHEAP_ITERATION = 3e8
# Interior points leave blocks that should be zero only approximately so: they go on until this can be decided.
_INTERIOR_GAP = 1e-4
# Gap of the float32 steps that find active blocks before Newton steps; no measurement is recorded.
_ROUGH_GAP = 1e-2
# Newton steps from a warm start before interior points are called, and after interior points have failed: programs that
# are solved take tens, and those that are not would take thousands.
_TRY, _AFTERWARDS = 30, 100
# Newton steps of a rough solve, which ends where they do: the next program has other blocks. Interior points for the
# rest of the gap would take twenty times as long (yacht, alpha = 0.0001: two of thirty programs, a third of the time).
_MOST_OF_ROUGH = 100


class NativeSolver:
    """The native solvers behind one interface. Losses other than the squared error use interior points.

    The last program is kept with its solution: the next one starts from it if it differs in `alpha`
    only. An explicit start takes precedence. Interior points do not use a start.

    Parameters
    ----------
    method : {"auto", "newton", "interior_point", "fista"}
        ``"newton"`` is :class:`~convexrelu.solvers.native.augmented_lagrangian.AugmentedLagrangian`, for both programs;
        ``"interior_point"`` is :func:`~convexrelu.solvers.native.interior_point.interior_point`, for ReLU; ``"fista"``
        is :func:`~convexrelu.solvers.native.proximal_gradient.proximal_gradient`, for gated programs.

        ``"auto"`` uses, for ReLU, interior points where one of their iterations is cheap, ``B m d̃ min(m, B d̃) ≤
        3·10⁸`` with ``m = nK``, and Newton steps otherwise; where one ends above `gap`, the other continues from there.
        A warm start gets thirty Newton steps before interior points are called, unless that failed recently; where
        the solve is rough, it gets only Newton steps, see `rough_gap`. For gated programs it uses Newton steps where
        their largest system, ``min(n, B d̃)``, has at most 8000 rows, and proximal gradient otherwise.
    gap : float
        Relative duality gap of the program to stop at.
    device : str
        A torch device.
    dtype : {"float64", "float32"}
        Precision of the iterations. The solution is evaluated in float64 in any case; gaps below
        about 1e-5 are out of reach in float32.

    Attributes
    ----------
    rough_gap : float
        Newton steps from a warm start end at this gap if it is larger than `gap`, or after a hundred of them, and no
        other method follows; 0 unless set.

    Raises
    ------
    ValueError
        For an unknown `method` or `dtype`, or a `device` that torch does not have. From `relu` and `gated`, for samples
        of weight zero, which ``problem.condensed()`` leaves out.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> problem = TrainingProblem([[-1.0], [0.0], [2.0]], [0.0, 0.0, 2.0], alpha=1e-3)
    >>> blocks = Blocks(np.array([[False, True, True]]), np.array([1.0]))
    >>> NativeSolver().relu(problem, blocks).status.name
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
        check_device(device)
        self.method = self.name = method
        self.support = NATIVE_SUPPORT[method]
        self.gap = gap
        self.rough_gap = 0.0
        self.device = device
        self.dtype = getattr(torch, dtype)
        self._last: TensorProgram | None = None
        self._newton: AugmentedLagrangian | None = None
        self._last_end: Iterate | None = None
        self._last_alpha = 1.0
        self._failures = self._pause = 0

    def relu(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Solve the ReLU program on `blocks`."""
        check_support(self, problem)
        with torch_threads(_n_entries(problem, blocks)):
            return self._solve(problem, blocks, True, start, time_limit)

    def gated(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        *,
        start: Array | None = None,
        time_limit: float | None = None,
    ) -> ProgramSolution:
        """Solve the gated program on the patterns of `blocks`."""
        check_support(self, problem, gated=True)
        with torch_threads(_n_entries(problem, blocks)):
            return self._solve(problem, blocks, False, start, time_limit)

    def _solve(
        self,
        problem: TrainingProblem,
        blocks: Blocks,
        cones: bool,
        start: Array | None,
        time_limit: float | None,
    ) -> ProgramSolution:
        if not problem.weights.all():  # outputs are divided by their roots
            raise ValueError("some samples have weight zero; use problem.condensed()")
        started = time.perf_counter()
        deadline = math.inf if time_limit is None else started + time_limit
        if not problem.loss.is_least_squares:
            return loss_interior_point(
                problem, blocks, cones=cones, gap=self.gap, deadline=deadline, device=self.device
            )
        program = self._program(problem, blocks, cones)
        first = None if start is None else program.from_problem(start)
        if len(blocks) == 0:
            end = Iterate(program.no_blocks(), program.target, 0.0, Status.CONVERGED)
        elif self.method == "auto":
            warm = self._last_end is not None or (first is not None and bool(first.any()))
            end = self._choose(program, first, warm, deadline)
        else:
            end = self._run(self.method, program, first, deadline)
        self._last_end, self._last_alpha = end, program.alpha
        return program.to_solution(end, self._newton_gap, time.perf_counter() - started)

    @property
    def _is_rough(self) -> bool:
        return self.rough_gap > self.gap

    @property
    def _newton_gap(self) -> float:
        return max(self.gap, self.rough_gap)

    def _program(self, problem: TrainingProblem, blocks: Blocks, cones: bool) -> TensorProgram:
        last = self._last
        if last is None or last.cones != cones or not last.is_for(problem, blocks):
            last = TensorProgram(problem, blocks, cones=cones, device=self.device, dtype=self.dtype)
            self._last, self._last_end, self._newton = last, None, None
        last.set_alpha(problem.alpha)
        return last

    def _choose(
        self, program: TensorProgram, start: Tensor | None, warm: bool, deadline: float
    ) -> Iterate:
        """The first solver of the rule that reaches the gap, or the best result of all."""
        if warm and self._is_rough and program.cones:
            return self._take_newton(program, start, deadline, max_steps=_MOST_OF_ROUGH)
        methods = _order(program)
        best: Iterate | None = None
        if warm and methods[0] == "interior_point":
            best = self._try_newton(program, start, deadline)
        for method in methods:
            if best is not None:
                if not self._goes_on(method, best, deadline):
                    break
                start = best.blocks
            if best is not None and method == "newton":
                end = self._take_newton(program, start, deadline, max_steps=_AFTERWARDS)
            else:
                end = self._run(method, program, start, deadline)
            if best is None or end.gap < best.gap:
                best = end
        assert best is not None
        return best

    def _goes_on(self, method: str, best: Iterate, deadline: float) -> bool:
        """Whether a method follows on others: gradient steps only where the next Newton step would end too late."""
        late = best.status is Status.USER_LIMIT
        if method == "fista":
            late = not late or time.perf_counter() > deadline
        return best.gap > self._newton_gap and not late

    def _try_newton(
        self, program: TensorProgram, start: Tensor | None, deadline: float
    ) -> Iterate | None:
        """Newton steps from a warm start, unless that failed recently: every failure doubles the pause."""
        if self._pause > 0:
            self._pause -= 1
            return None
        end = self._take_newton(program, start, deadline, max_steps=_TRY)
        self._failures = 0 if end.gap <= self._newton_gap else self._failures + 1
        self._pause = 2**self._failures - 1
        return end

    def _run(
        self, method: str, program: TensorProgram, start: Tensor | None, deadline: float
    ) -> Iterate:
        if method == "newton":
            return self._take_newton(program, start, deadline)
        if method == "interior_point":
            gap = _INTERIOR_GAP if self.method == "auto" else min(self.gap, _INTERIOR_GAP)
            return interior_point(program, gap=gap, deadline=deadline)
        if start is None and self._last_end is not None:
            start = self._last_end.blocks
        return proximal_gradient(program, start, gap=self.gap, deadline=deadline)

    def _take_newton(
        self,
        program: TensorProgram,
        start: Tensor | None,
        deadline: float,
        max_steps: int | None = None,
    ) -> Iterate:
        if self._newton is None:  # created only when needed, to save memory
            self._newton = AugmentedLagrangian(program)
        v = None
        if start is None and self._last_end is not None:
            # The same program except for alpha, with which the dual point shrinks.
            start = self._last_end.blocks
            v = self._last_end.v * (program.alpha / self._last_alpha)
        elif start is None and not program.cones:
            rough = proximal_gradient(
                program.in_single_precision(),
                gap=_ROUGH_GAP,
                max_iter=_first_steps(program),
                deadline=deadline,
            )
            start = rough.blocks.to(program.rows.dtype)
            if time.perf_counter() > deadline:
                v = rough.v.to(start.dtype)
                return Iterate(start, v, rough.gap, Status.USER_LIMIT)
        return self._newton.solve(
            start, v=v, gap=self._newton_gap, max_steps=max_steps, deadline=deadline
        )


def _n_entries(problem: TrainingProblem, blocks: Blocks) -> int:
    """Entries of the arrays of all blocks by all outputs."""
    return len(blocks) * problem.n_samples * problem.n_outputs


def _first_steps(program: TensorProgram) -> int:
    """Number of proximal gradient steps that cost as much as the first Newton step, to find active blocks."""
    (n, dim), n_blocks = program.rows.shape, len(program.slopes)
    side = min(n, dim * n_blocks)
    return max(1, (side**2 * n_blocks + side**3 // 3) // (4 * n_blocks * n * dim))


def _order(program: TensorProgram) -> list[str]:
    """Solvers in the order in which `auto` tries them."""
    size, dim, n_blocks = len(program.target), program.rows.shape[1], len(program.slopes)
    largest_system = min(size, dim * n_blocks)
    if not program.cones:
        return ["newton", "fista"] if largest_system <= _LARGEST_SYSTEM else ["fista"]
    if program.rows.dtype is not torch.float64:  # interior points need every digit
        return ["newton"]
    cheap = n_blocks * size * dim * largest_system <= CHEAP_ITERATION
    return ["interior_point", "newton"] if cheap else ["newton", "interior_point"]
