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
from convexrelu.solvers.native.saddle_system import BlockSystem, OutputSystem

__all__ = ["loss_interior_point"]


# Blocks that should be zero are only approximately so: iterate until this can be decided.
_LARGEST_GAP = 1e-4
_MAX_ITER = 150  # a limit; no measurement is recorded
_PATIENCE = 30  # give up after as many iterations that lower neither gap nor complementarity
_TO_BOUNDARY = 0.99  # fraction of the longest step to take, a convention


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
    coupling, with ``N = n K`` outputs; memory ``8 N²`` bytes, ``64 B n`` for slacks and multipliers, and 32 MB.

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


def _work_of_step(program: LossProgram) -> float:
    """Multiplications of the factors of a step, see :mod:`~convexrelu.solvers.native.saddle_system`."""
    (n, dim), n_blocks = program.outputs.rows.shape, len(program.outputs.masks)
    size = float(n_blocks * dim)
    if size < n:
        return 3 * n * size**2
    return float(n) ** 2 * (size + n / 3)


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
    system_of = BlockSystem if u.numel() < len(state.z) else OutputSystem
    system = system_of(outputs, program.free, slacks.gram(rates) + cone, program.weights / divisor)
    f = outputs.push(u) + program.free @ state.c
    unfit = f - program.conjugate_gradient(state.z) - state.p + state.q
    infeasible = slacks.of(u) - point.s
    gradient = program.weights * state.z
    stationary = outputs.pull(gradient) - slacks.adjoint(point.multipliers) - point.z[:, 1:]
    unbalanced = program.free.T @ gradient

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
