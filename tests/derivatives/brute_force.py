"""The program over all patterns, without the package: patterns by sampling directions, one cvxpy variable for each."""

import cvxpy as cp
import numpy as np


def patterns(gates, n_directions=20_000):
    directions = np.random.default_rng(0).standard_normal((n_directions, gates.shape[1]))
    return np.unique(directions @ gates.T > 0, axis=0)


def optimum(X, y, alpha, equations, *, hidden_bias=True, intercept=True):
    """`equations`: a list of (point, p, q, target, weight of the row)."""
    one = [1.0] if hidden_bias else []
    gates = np.array([[*x, *one] for x in X] + [[*z, *one] for z, *_ in equations])
    masks = patterns(gates)
    neurons = [(mask, sign, cp.Variable(gates.shape[1])) for mask in masks for sign in (1, -1)]
    c = cp.Variable() if intercept else 0.0
    cones = [cp.multiply(2 * mask - 1, gates @ u) >= 0 for mask, _, u in neurons]
    loss = 0
    for i, target in enumerate(y):
        output = sum(sign * (gates[i] @ u) for mask, sign, u in neurons if mask[i]) + c
        loss += cp.square(output - target) / (2 * len(y))
    for k, (z, p, q, target, weight) in enumerate(equations, start=len(y)):
        row = np.array([*(np.array(p) + q * np.array(z)), *([q] if hidden_bias else [])])
        output = sum(sign * (row @ u) for mask, sign, u in neurons if mask[k]) + q * c
        loss += weight * cp.square(output - target) / 2
    problem = cp.Problem(cp.Minimize(loss + alpha * sum(cp.norm(u) for *_, u in neurons)), cones)
    return problem.solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-10)
