"""Better networks of gates, by convex programs: over gates that are given, and for threshold networks random ones."""

from __future__ import annotations

import warnings
from typing import Any

import cvxpy as cp
import numpy as np

from benchmarks.soundness.evaluator import Arrays, normalised
from benchmarks.soundness.refuter import Scaled, solve_program


def better_networks(
    task: Arrays, network: Arrays, seed: int, *, all_gates: bool = True
) -> list[Arrays]:
    """Networks over the same gates; with `all_gates` threshold networks over others as well. Squared error."""
    gates, biases = network["gates"], network["gate_biases"]
    if network["kind"] == "threshold" and all_gates:
        rng = np.random.default_rng([seed, 3])
        scale = np.abs(task["X"]).max(axis=0)
        more = rng.standard_normal((200, gates.shape[1])) / np.where(scale > 0, scale, 1.0)
        gates = np.vstack([gates, more])
        more_biases = rng.standard_normal(200) * (task["hidden_bias"] is True)
        biases = np.append(biases, more_biases)
    if not len(gates):
        return []
    X, s = task["X"], normalised(task).astype(float)
    on = X @ gates.T + biases >= 0
    _, first = np.unique(on, axis=1, return_index=True)
    if network["kind"] == "threshold":
        gates, biases, on = gates[first], biases[first], on[:, first]
    center = s @ task["y"] if task["fit_intercept"] else 0.0
    tau = float(np.abs(task["y"] - center).max()) or 1.0
    y = (task["y"] - center) / tau
    c = cp.Variable() if task["fit_intercept"] else 0.0
    if network["kind"] == "threshold":
        rows, rho = None, 1.0
        units = cp.Variable((on.shape[1], 1))
        f, size = (on.astype(float) @ units)[:, 0] + c, cp.norm1(units)
    else:
        rows = np.hstack([X, np.ones((len(X), 1))])[:, : X.shape[1] + task["hidden_bias"]]
        rho = float(np.abs(rows).max()) or 1.0
        units = cp.Variable((on.shape[1], rows.shape[1]))
        f = cp.sum(cp.multiply(on.astype(float), rows / rho @ units.T), axis=1) + c
        size = cp.sum(cp.norm(units, axis=1))
    risk = cp.sum_squares(cp.multiply(np.sqrt(s / 2), f - y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = cp.Problem(cp.Minimize(risk + task["alpha"] / tau / rho * size))
            program.solve(cp.CLARABEL, accept_unknown=True)
        except cp.SolverError:
            return []
    if units.value is None or not np.isfinite(units.value).all():
        return []
    constant = tau * (float(c.value) if task["fit_intercept"] else 0.0) + center
    common = network | {"gates": gates, "gate_biases": biases, "output_bias": np.array([constant])}
    values, m, d = units.value * tau / rho, len(gates), X.shape[1]
    if rows is None:
        hidden = {"hidden_weights": np.zeros((m, d)), "hidden_bias": np.zeros(m)}
        return [common | hidden | {"output_weights": values.T}]
    biases = values[:, d] if rows.shape[1] > d else np.zeros(m)
    hidden = {"hidden_weights": values[:, :d], "hidden_bias": biases}
    return [common | hidden | {"output_weights": np.ones((1, m))}]


def networks_of_gates(task: Arrays, gates: Any) -> list[Arrays]:
    """ReLU networks with the patterns of given gates, to the accuracy of a solver; one output."""
    scaled = Scaled(task)
    if scaled.k > 1:
        return []
    alive = normalised(task) > 0
    rows = task["X"][alive]
    if gates.shape[1] > rows.shape[1]:
        rows = np.hstack([rows, np.ones((len(rows), 1))])
    masks = np.unique((rows @ gates.T >= 0).T, axis=0)
    solved = solve_program(scaled, masks, polish=False)
    return [] if solved is None else [scaled.network(*solved)]
