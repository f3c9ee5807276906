"""Accelerated proximal gradient with adaptive restart (FISTA), for gated programs.

Without cones the program is a group lasso, which skglm solves, too: on a dense matrix of ``n B d̃`` numbers, which the
patterns here stand for. With ``n = 200`` and 100 groups of ten, to a gap of 1e-6, skglm 0.5 took 0.09 s after 10 s of
compilation, this 0.25 s, and Newton steps, which ``solver="auto"`` takes there, 0.03 s. So it adds no dependency.
"""

from __future__ import annotations

import math
import time

from convexrelu._utils.torch_import import Tensor, torch
from convexrelu.results.status import Status
from convexrelu.solvers.native.tensor_program import Iterate, TensorProgram

__all__ = ["proximal_gradient"]

_POWER_STEPS = 30  # no measurement is recorded
_SAFETY = 1.05  # the power method ends below the largest eigenvalue
_CHECK_EVERY = 10  # steps between two evaluations of the gap, each about as costly as a step


def proximal_gradient(
    program: TensorProgram,
    start: Tensor | None = None,
    *,
    gap: float = 1e-6,
    max_iter: int = 100_000,
    deadline: float = math.inf,
) -> Iterate:
    """FISTA (Beck & Teboulle 2009) restarted where the momentum points uphill (O'Donoghue & Candès 2015).

    One step is a product with the patterns and one with their transpose::

        z = y − Aᵀ(Ay − t)/L,      u⁺ = shrink(z, alpha/L),      y = u⁺ + β (u⁺ − u)

    Parameters
    ----------
    program : TensorProgram
        Without cones.
    start : tensor of shape (B, d̃), optional
    gap : float
        Relative duality gap to stop at; computed every tenth step.
    max_iter : int
        Largest number of steps.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.

    Returns
    -------
    Iterate
        The best iterate of those with a computed gap.

    Notes
    -----
    ``4 B n d̃`` operations per step. Memory ``24 B d̃`` bytes in addition to the program.
    """
    curvature = _SAFETY * _largest_curvature(program, deadline)
    first = program.no_blocks() if start is None else start
    first_outputs = _outputs(program, first)
    u, outputs, y, outputs_y, t = first, first_outputs, first, first_outputs, 1.0
    best = _iterate(program, u, outputs, gap)
    for step in range(1, max_iter + 1):
        if best.status is Status.CONVERGED:
            break
        z = y - program.pull(outputs_y - program.target) / curvature
        u_next = _shrink(z, program.alpha / curvature)
        outputs_next = _outputs(program, u_next)
        if ((y - u_next) * (u_next - u)).sum() > 0:
            t = 1.0
        t_next = (1 + (1 + 4 * t * t) ** 0.5) / 2
        momentum = (t - 1) / t_next
        y = u_next + momentum * (u_next - u)
        outputs_y = outputs_next + momentum * (outputs_next - outputs)
        u, outputs, t = u_next, outputs_next, t_next
        late = time.perf_counter() > deadline
        if step % _CHECK_EVERY == 0 or step == max_iter or late:
            now = _iterate(program, u, outputs, gap)
            if not math.isfinite(now.gap):  # the power method was far off: restart
                curvature *= 4
                u, outputs, y, outputs_y, t = first, first_outputs, first, first_outputs, 1.0
            best = now if now.gap <= best.gap else best
            if late:
                break
    return best


def _iterate(program: TensorProgram, u: Tensor, outputs: Tensor, wanted: float) -> Iterate:
    v = program.target - outputs
    active = _nonzero(u)
    bound = float(program.pull(v).norm(dim=1).max()) if len(u) else 0.0
    gap = program.gap(u[active], active, v, v, bound)
    return Iterate(u, v, gap, Status.CONVERGED if gap <= wanted else Status.USER_LIMIT)


def _shrink(z: Tensor, level: float) -> Tensor:
    lengths = z.norm(dim=1, keepdim=True)
    return z * (1 - level / lengths.clamp(min=torch.finfo(z.dtype).tiny)).clamp(min=0)


def _outputs(program: TensorProgram, u: Tensor) -> Tensor:
    active = _nonzero(u)
    if 2 * len(active) > len(u):  # selecting patterns costs as much as multiplying by them
        return program.push(u)
    return program.push(u[active], active)


def _nonzero(u: Tensor) -> Tensor:
    return u.any(dim=1).nonzero()[:, 0]


def _largest_curvature(program: TensorProgram, deadline: float = math.inf) -> float:
    """Largest eigenvalue of ``AᵀA`` by the power method from a fixed random direction; less at the deadline."""
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(len(program.rows), generator=generator, dtype=torch.float64)
    v = program.centred(v.to(program.rows))
    value = 1.0
    for _ in range(_POWER_STEPS):
        length = float(v.norm())
        if length == 0:
            return 1.0
        v = program.push(program.pull(v / length))
        value = float(v.norm())
        if time.perf_counter() > deadline:
            break
    return value or 1.0
