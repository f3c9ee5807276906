"""Answers by other ways, which share no code with the package: mixed-integer programs, and all signs one by one."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from convexrelu import TwoLayerNetwork

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
    if m == 0:
        return c, c
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
    bound = result.fun if result.mip_dual_bound is None else result.mip_dual_bound
    return polished(W, p, a, lower, upper, result.x[:d]) + c, -bound + c


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


def lipschitz_by_signs(network: TwoLayerNetwork, norm: float, half: float | None) -> float:
    """Largest norm of a Jacobian over all sign vectors whose cell has an inside; half the width of a box, or None."""
    W, p, slope = network.hidden_weights, network.hidden_bias, network.negative_slope
    lengths = np.linalg.norm(W, axis=1)
    limits = (None, None) if half is None else (-half, half)
    best = 0.0
    for signs in itertools.product((-1.0, 1.0), repeat=network.width):
        s = np.array(signs)
        kinks = lengths > 0  # others have one sign, or none
        if (s[~kinks] * p[~kinks] < 0).any():
            continue
        result = linprog(
            np.append(np.zeros(W.shape[1]), -1.0),
            A_ub=np.column_stack([-s[:, None] * W, lengths])[kinks],
            b_ub=(s * p)[kinks],
            bounds=[limits] * W.shape[1] + [(None, 1.0)],
        )
        if result.status == 0 and result.x[-1] > 1e-9:
            slopes = np.where(s > 0, 1.0, slope)
            jacobian = (network.output_weights * slopes) @ W
            if network.skip_weights is not None:
                jacobian = jacobian + network.skip_weights
            best = max(best, float(np.linalg.norm(jacobian, ord=norm)))
    return best


def random_network(seed: int) -> TwoLayerNetwork:
    """A small network; most have equal, opposite, parallel, zero or dead neurons."""
    rng = np.random.default_rng(seed)
    d, m, k = (int(rng.integers(1, most)) for most in (5, 8, 3))
    W, p, A = rng.standard_normal((m, d)), rng.standard_normal(m), rng.standard_normal((k, m))
    if seed % 4 == 1:  # all kinks through the origin
        p[:] = 0.0
    for j in range(1, m):
        kind, i = rng.integers(8), rng.integers(j)
        if kind == 0:  # equal up to a factor
            W[j], p[j] = 2 * W[i], 2 * p[i]
        elif kind == 1:  # opposite
            W[j], p[j] = -W[i], -p[i]
        elif kind == 2:  # parallel
            W[j] = -3 * W[i]
        elif kind == 3:  # zero, with or without a bias
            W[j], p[j] = 0.0, p[j] * rng.integers(2)
        elif kind == 4:  # dead in the box [-1, 1]
            p[j] = -np.abs(W[j]).sum() - 1
    return TwoLayerNetwork(W, p, A, rng.standard_normal(k))
