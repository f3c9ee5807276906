"""Pricing as a mixed-integer program with one quadratic constraint, solved by SCIP."""

from __future__ import annotations

import numpy as np


def miqcp_bound(design: np.ndarray, v: np.ndarray, rtol: float, time_limit: float) -> float:
    """SCIP's dual bound on ``max_{‖u‖ ≤ 1} |vᵀ relu(X̃u)|``, to a relative gap or a limit of seconds on each sign.

    ``z_i = relu(x̃_iᵀu)`` by a binary variable and the bound ``|x̃_iᵀu| ≤ ‖x̃_i‖``.
    """
    return max(_one_sign(design, sign * v, rtol, time_limit) for sign in (1.0, -1.0))


def _one_sign(design: np.ndarray, v: np.ndarray, rtol: float, time_limit: float) -> float:
    from pyscipopt import Model, quicksum

    model = Model()
    model.hideOutput()
    model.setParam("limits/gap", rtol)
    model.setParam("limits/time", time_limit)
    model.setParam("parallel/maxnthreads", 1)
    u = [model.addVar(lb=-1, ub=1) for _ in range(design.shape[1])]
    model.addCons(quicksum(x * x for x in u) <= 1)
    scaled = v / np.abs(v).max()
    value = []
    for row, weight in zip(design, scaled, strict=True):
        size = float(np.linalg.norm(row))
        t = quicksum(float(a) * x for a, x in zip(row, u, strict=True))
        z, on = model.addVar(lb=0, ub=size), model.addVar(vtype="B")
        model.addCons(z >= t)
        model.addCons(z <= t + size * (1 - on))
        model.addCons(z <= size * on)
        value.append(float(weight) * z)
    objective = model.addVar(lb=None, ub=None)
    model.addCons(objective <= quicksum(value))
    model.setObjective(objective, "maximize")
    model.optimize()
    return model.getDualbound() * float(np.abs(v).max())
