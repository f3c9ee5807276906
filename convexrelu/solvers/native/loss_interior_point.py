"""A primal–dual interior-point method for finite programs with any loss.

::

    min Σ_o s_o ℓ(f_o, y_o) + alpha Σ_j τ_j   subject to   f = Au + Ec,  N_j u_j ≥ 0,  (τ_j, u_j) ∈ Q

over outputs ``o``, one or several a sample; ``N_j`` and ``Q`` are as in
:mod:`~convexrelu.solvers.native.interior_point`. The loss enters through its conjugate: with ``z_o`` in the domain
``[low, high]`` of ``ℓ*`` and multipliers ``p, q ≥ 0`` of its ends, ``z ∈ ∂ℓ(f)`` says::

    f = ℓ*'(z) + p − q,   p∘(high − z) = 0,   q∘(z − low) = 0

and on the central path the products are ``μ/s``. So the absolute value is no worse than the square. Where
``ℓ*'`` is infinite at the ends (logistic loss, Poisson deviance) there are no ``p`` and ``q``. Linearised::

    dz = (df + r)/D,   D = ℓ*''(z) + p/(high − z) + q/(z − low)

so the loss has the curvature ``Θ = s/D`` in the system of
:mod:`~convexrelu.solvers.native.saddle_system`,
whose ``ζ = s dz``. Steps are Mehrotra's (1992), from an infeasible start.

Where ``ℓ*'`` is infinite at both ends (logistic loss), a step is made in the outputs that belong to ``z``, ``ℓ*'(z) +
t ℓ*''(z) dz``, of which ``z`` is the gradient: it stays inside, whatever ``t``. Otherwise the sample that is nearest to
its end would shorten the steps of all, which takes hundreds of iterations where the weights of samples are very uneven.
For the softmax, ``z − low = exp(f − ν)`` has one such end: where it falls, a step is made in its logarithm.

The cross-entropy of the softmax is one of these as well: ``log Σ_k exp(f_k) − f_y = min_ν Σ_k exp(f_k − ν) + ν − 1
− f_y``, the Poisson deviance for one-hot counts with a separate intercept ``ν`` for every sample.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from convexrelu._utils.deadlines import little_later, product_fits
from convexrelu._utils.torch_import import Tensor, torch
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks, ProgramSolution
from convexrelu.results.status import Status
from convexrelu.solvers.native.cone_points import (
    ConePoint,
    Scaling,
    arrow,
    arrow_divide,
)
from convexrelu.solvers.native.loss_program import LossProgram, LossState
from convexrelu.solvers.native.saddle_system import BlockSystem, OutputSystem, SaddleSystem
from convexrelu.solvers.native.softmax_system import SoftmaxSystem

__all__ = ["loss_interior_point"]


# Blocks that should be zero are only approximately so: iterate until this can be decided.
_LARGEST_GAP = 1e-4
_MAX_ITER = 150  # a limit; no measurement is recorded
_PATIENCE = 30  # give up after as many iterations that lower neither gap nor complementarity
_TO_BOUNDARY = 0.99  # fraction of the longest step to take, a convention
_WRITTEN = 500  # multiplications in whose time an entry of rows and masks is written down: at most 60 ns were measured


def loss_interior_point(
    problem: TrainingProblem,
    blocks: Blocks,
    *,
    cones: bool,
    gap: float = 1e-8,
    deadline: float = math.inf,
    device: str = "cpu",
) -> ProgramSolution:
    """Solve the program of `problem` on `blocks`, of ReLU (with `cones`) or gated.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero.
    blocks : Blocks
    cones : bool
        Whether there are constraints ``(2D_j − I) X̃u_j ≥ 0``, whose interiors should not be empty.
    gap : float
        Relative duality gap to stop at, 1e-4 at most.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.
    device : str
        A torch device.

    Returns
    -------
    ProgramSolution
        The best feasible point, with its dual point; ``INACCURATE`` or ``USER_LIMIT`` if its gap is above `gap`.

    Notes
    -----
    Fifteen to forty iterations. One costs ``B n d̃²`` operations for the ``H_j`` and ``B N² d̃ + N³/3`` for the
    coupling, or ``N (B d̃)²`` where that is less, with ``N = n K`` outputs, ``n (K − 1)`` for the softmax; memory ``8
    N²`` or ``16 N B d̃`` bytes, ``64 B n`` for slacks and multipliers, and 32 MB. Without the time to write the program
    down, blocks are zero.

    Examples
    --------
    >>> import numpy as np
    >>> problem = TrainingProblem([[-1.0], [0.0], [2.0]], [-1.0, -1.0, 1.0], 0.1, loss="hinge")
    >>> blocks = Blocks(np.array([[False, True, True]]), np.array([1.0]))
    >>> solution = loss_interior_point(problem, blocks, cones=True)
    >>> solution.status.name, round(solution.objective, 4)
    ('CONVERGED', 0.1)
    """
    started = time.perf_counter()
    if len(blocks) == 0:  # the same as one block that has no effect
        idle_block = Blocks(np.zeros((1, problem.n_samples), dtype=bool), problem.no_outputs()[:1])
        solution = loss_interior_point(
            problem, idle_block, cones=cones, gap=gap, deadline=deadline, device=device
        )
        return replace(solution, blocks=solution.blocks[:0])
    if not product_fits(_work_of_writing(problem, blocks), little_later(deadline)):
        return _without_time(problem, blocks, started)
    program = LossProgram(problem, blocks, cones, device)
    state = program.start()
    best = program.end_at(state)
    status, idle, least = Status.INACCURATE, 0, math.inf
    gap = min(gap, _LARGEST_GAP)
    # Of the last step: the next one takes as long.
    seconds = 0.0 if product_fits(_work_of_step(program), little_later(deadline)) else math.inf
    for _ in range(_MAX_ITER):
        now, mu = program.end_at(state), program.mu(state)
        idle = 0 if now.gap < best.gap or mu < least else idle + 1
        best, least = now if now.gap < best.gap else best, min(mu, least)
        if best.gap <= gap:
            best, status = program.settled(best, state, gap), Status.CONVERGED
            break
        began = time.perf_counter()
        if began + seconds > deadline:
            status = Status.USER_LIMIT
            break
        try:
            state = _advance(program, state)
        except torch.linalg.LinAlgError:  # double precision is exhausted
            break
        seconds = time.perf_counter() - began
        if idle > _PATIENCE or not state.is_finite():
            break
    return program.to_solution(best, status, time.perf_counter() - started)


def _work_of_writing(problem: TrainingProblem, blocks: Blocks) -> float:
    """Multiplications in whose time a program is written down, with its first gap, and put back into its units."""
    n, dim = problem.design.shape
    return _WRITTEN * float(n) * problem.n_outputs * (len(blocks) + dim)


def _without_time(problem: TrainingProblem, blocks: Blocks, started: float) -> ProgramSolution:
    """Blocks of zero with the best intercept."""
    none = problem.no_outputs()
    intercept = problem.best_intercept(none)
    return ProgramSolution(
        blocks=np.zeros((len(blocks), problem.design.shape[1])),
        intercept=intercept,
        outputs=none + intercept,
        objective=problem.data_fit(none + intercept),
        status=Status.USER_LIMIT,
        accuracy=0.0,
        seconds=time.perf_counter() - started,
        dual=problem.dual_point(none),
    )


def _work_of_step(program: LossProgram) -> float:
    """Multiplications of the factors of a step, see :mod:`~convexrelu.solvers.native.saddle_system`."""
    n, dim = program.problem.design.shape
    n_blocks, n_equations = len(program.blocks), float(program.n_equations)
    size = float(n_blocks * dim)
    of_blocks = size * dim * (n + dim)
    if size < n_equations:
        return of_blocks + (n_equations + 2 * size) * size**2
    return of_blocks + n_equations**2 * (size + n_equations / 3)


def _advance(program: LossProgram, state: LossState) -> LossState:
    """One predictor–corrector step."""
    point = state.point
    scaling = Scaling.of(point.q, point.z)
    direction = _newton(program, state, scaling)
    slack_product, cone_product = (
        point.s * point.multipliers,
        arrow(scaling.scaled, scaling.scaled),
    )
    above, below = program.products(state)
    affine = direction(-slack_product, -cone_product, -above, -below)
    length = min(1.0, program.longest(state, affine))
    mu = program.mu(state)
    centre = (program.mu(state.moved(affine, length)) / mu) ** 3 * mu
    first = affine.point
    cone_target = -cone_product - arrow(scaling.inverse(first.q), scaling.apply(first.z))
    cone_target[:, 0] += centre
    step = direction(
        centre - slack_product - first.s * first.multipliers,
        cone_target,
        centre / program.weights - above + affine.p * affine.z,
        centre / program.weights - below - affine.q * affine.z,
    )
    return program.moved(state, step, min(1.0, _TO_BOUNDARY * program.longest(state, step)))


def _newton(
    program: LossProgram, state: LossState, scaling: Scaling
) -> Callable[[Tensor, Tensor, Tensor, Tensor], LossState]:
    """The Newton direction as a function of the targets of all products: slacks, cones, and ends of domains."""
    point, slacks, outputs = state.point, program.slacks, program.outputs
    u, rates = point.q[:, 1:], point.multipliers / point.s
    cone, axis = scaling.without_tau()
    room, depth = program.high - state.z, state.z - program.low
    divisor = program.conjugate_curvature(state.z) + state.p / room + state.q / depth
    system = _system(program, slacks.gram(rates) + cone, program.weights / divisor)
    f = outputs.push(u) + program.free.push(state.c)
    unfit = f - program.conjugate_gradient(state.z) - state.p + state.q
    infeasible = slacks.of(u) - point.s
    gradient = program.weights * state.z
    stationary = outputs.pull(gradient) - slacks.adjoint(point.multipliers) - point.z[:, 1:]
    unbalanced = program.free.pull(gradient)

    def direction(slacks_to: Tensor, cones_to: Tensor, above: Tensor, below: Tensor) -> LossState:
        above = torch.where(program.has_high, above, 0.0)
        below = torch.where(program.has_low, below, 0.0)
        c = scaling.inverse(arrow_divide(scaling.scaled, cones_to))
        fixed = slacks_to / point.s - rates * infeasible
        reduced = c[:, 1:] - axis * c[:, :1]
        zeta, du, dc = system.solve(
            unfit - above / room + below / depth,
            slacks.adjoint(fixed) + reduced - stationary,
            -unbalanced,
        )
        ds = slacks.of(du) + infeasible
        dw = reduced - (cone @ du[:, :, None])[:, :, 0]
        norm = (2 * scaling.point[:, :1].square() - 1) / scaling.eta.square()
        dtau = c[:, :1] / norm - (axis * du).sum(dim=1, keepdim=True)
        dz = zeta / program.weights
        return LossState(
            ConePoint(
                ds,
                (slacks_to - point.multipliers * ds) / point.s,
                torch.cat([dtau, du], 1),
                torch.cat([torch.zeros_like(dtau), dw], 1),
            ),
            dc,
            dz,
            (above + state.p * dz) / room,
            (below - state.q * dz) / depth,
        )

    return direction


def _system(program: LossProgram, blocks: Tensor, theta: Tensor) -> SaddleSystem | SoftmaxSystem:
    """The factored system, by whichever elimination leaves fewer unknowns."""
    kind = BlockSystem if blocks[:, 0].numel() < program.n_equations else OutputSystem
    if program.free.of_a_sample:
        return SoftmaxSystem(kind, program.outputs, program.free, blocks, theta)
    return kind(program.outputs, program.free.intercepts, blocks, theta)
