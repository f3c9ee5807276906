"""The same questions as mixed-integer programs, written independently of the package, for HiGHS."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

# What HiGHS itself may be wrong by is 1e-6: values are those of the best point with the signs that it finds.


def largest_output(
    W: np.ndarray,
    p: np.ndarray,
    a: np.ndarray,
    c: float,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    lean: bool = True,
    time_limit: float = np.inf,
) -> tuple[float, float]:
    """Largest ``a · max(W x + p, 0) + c`` over a box, polished, and the bound that HiGHS reports.

    With `lean`, only rectifiers that the maximum pushes up get a binary variable.
    """
    m, d = W.shape
    low = W.clip(min=0) @ lower + W.clip(max=0) @ upper + p
    high = W.clip(min=0) @ upper + W.clip(max=0) @ lower + p
    eye, none = np.eye(m), np.zeros((m, m))
    inf = np.full(m, np.inf)
    constraints = [
        # r >= z, r <= z - low (1 - s), r <= high s
        LinearConstraint(np.hstack([-W, eye, none]), p, inf),
        LinearConstraint(np.hstack([-W, eye, -np.diag(low)]), -inf, p - low),
        LinearConstraint(np.hstack([np.zeros((m, d)), eye, -np.diag(high)]), -inf, 0),
    ]
    s_low, s_high = (low > 0).astype(float), (high >= 0).astype(float)
    integral = np.ones(m) if not lean else (a > 0).astype(float)
    result = milp(
        -np.concatenate([np.zeros(d), a, np.zeros(m)]),
        constraints=constraints,
        bounds=Bounds(
            np.concatenate([lower, np.zeros(m), s_low]),
            np.concatenate([upper, high.clip(min=0), s_high]),
        ),
        integrality=np.concatenate([np.zeros(d + m), integral]),
        options={"mip_rel_gap": 0.0, "time_limit": time_limit},
    )
    x = result.x[:d]
    return polished(W, p, a, lower, upper, x) + c, -result.mip_dual_bound + c


def polished(
    W: np.ndarray, p: np.ndarray, a: np.ndarray, lower: np.ndarray, upper: np.ndarray, x: np.ndarray
) -> float:
    """The best value with the signs of a point, from a linear program, evaluated at its solution."""
    best = float(a @ np.maximum(W @ x + p, 0))
    sign = np.where(W @ x + p > 0, 1.0, -1.0)
    active = sign > 0
    result = linprog(
        -(a[active] @ W[active]),
        A_ub=-sign[:, None] * W,
        b_ub=sign * p,
        bounds=np.column_stack([lower, upper]),
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if result.x is None:
        return best
    x = np.clip(result.x, lower, upper)
    return max(best, float(a @ np.maximum(W @ x + p, 0)))
