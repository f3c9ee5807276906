r"""Finite programs under constraints on outputs.

**Neurons that move.** With patterns ``D_j`` and directions of outer weights ``g_j`` fixed, the network is ``Σ_j D_j X̄
u_j g_jᵀ + 1cᵀ`` with ``(2D_j − I) X̄ u_j ≥ 0``, at the penalty ``Σ_j ‖u_j‖``.

**Outer weights.** With unit vectors ``û_j`` fixed, the network is ``Σ_j φ(X̄û_j) a_jᵀ + 1cᵀ``, at the penalty ``Σ_j
‖a_j‖``. For one output this is part of the former.

Both are convex, in units in which data and targets are about one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.typing import Array, Masks
from convexrelu.networks.activation import activate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.output_constraints.problem import ConstrainedProblem
from convexrelu.results.status import Status

__all__ = ["Columns", "Solved", "moving", "solve", "with_outer_weights"]

_ACCURACY = 1e-9
# Columns below this fraction of the largest are rounding errors of the solver.
_NO_COLUMN = 1e-8


@dataclass(frozen=True, eq=False)
class Columns:
    """Neurons of a finite program, which are linear in its variables.

    Attributes
    ----------
    outputs : array of shape (N K, P)
        Outputs of all samples and points, linear in ``P`` variables.
    n_neurons : int
        ``m``; all have equally many variables.
    cones : sparse array of shape (q, P) or None
        Rows that are not negative.
    directions : array of shape (m, d̃)
        Unit vectors ``û_j``; zeros where neurons move.
    outer : array of shape (m, K) or None
        ``g_j`` where neurons move; None where outer weights are variables.
    """

    outputs: Array
    n_neurons: int
    cones: sparse.csr_array | None
    directions: Array
    outer: Array | None


def with_outer_weights(problem: ConstrainedProblem, directions: Array) -> Columns:
    """Columns of neurons whose outer weights are variables."""
    directions = unit_rows(directions)
    hidden = activate(problem.design @ directions.T, problem.base.slope)
    outputs = np.einsum("nj,kl->nkjl", hidden, np.eye(problem.n_outputs))
    shape = hidden.shape[0] * problem.n_outputs, hidden.shape[1] * problem.n_outputs
    return Columns(outputs.reshape(shape), len(directions), None, directions, None)


def moving(problem: ConstrainedProblem, masks: Masks, outer: Array) -> Columns:
    """Columns of neurons that move within their patterns."""
    design, slope = problem.design, problem.base.slope
    n, dim = design.shape
    gates = np.where(masks, 1.0, slope)
    outputs = np.einsum("jn,nd,jk->nkjd", gates, design, outer)
    units = design / np.where(problem.lengths > 0, problem.lengths, 1.0)[:, None]
    distinct = [units * (2.0 * mask - 1.0)[:, None] for mask in masks]
    cones = sparse.csr_array(sparse.block_diag(distinct)) if len(masks) else None
    shape = n * problem.n_outputs, len(masks) * dim
    return Columns(outputs.reshape(shape), len(masks), cones, np.zeros((len(masks), dim)), outer)


@dataclass(frozen=True, eq=False)
class Solved:
    """Outcome of a finite program.

    Attributes
    ----------
    status : Status
        How the solver ended.
    network : TwoLayerNetwork or None
        Its network, None if the solver failed.
    dual : array
        Its dual point, of :class:`ConstrainedProblem`.
    """

    status: Status
    network: TwoLayerNetwork | None = None
    dual: Array | None = None


def solve(problem: ConstrainedProblem, columns: Columns, time_limit: float = math.inf) -> Solved:
    """Solve the program over some columns and the intercept.

    Examples
    --------
    >>> from convexrelu import TrainingProblem
    >>> from convexrelu.output_constraints import OutputConstraints
    >>> base = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], 1e-6)
    >>> problem = ConstrainedProblem(base, [OutputConstraints([[1.0]], [[1.0]], 0.5)])  # f(1) ≤ 0.5
    >>> solved = solve(problem, with_outer_weights(problem, np.array([[1.0, 0.0]])))
    >>> solved.status.name, solved.network.predict([[0.0], [1.0]]).round(3)
    ('CONVERGED', array([0. , 0.5]))
    """
    from convexrelu._utils.cvxpy_import import cp
    from convexrelu.programs.base import call_solver, solver_options

    base, K, n = problem.base, problem.n_outputs, len(problem.design)
    units = base.units()
    center = np.broadcast_to(np.asarray(units.center, dtype=float), (K,))
    rho, m = units.rho, columns.n_neurons
    variables = columns.outputs.shape[1] // m if m else 1
    u = cp.Variable((m, variables)) if m else None
    c = cp.Variable(K) if base.fit_intercept else cp.Constant(np.zeros(K))
    flat = np.tile(np.eye(K), (n, 1)) @ c
    if u is not None:
        flat = flat + (columns.outputs / rho) @ cp.vec(u, order="C")
    rows = problem.samples[:, None] * K + np.arange(K)
    fitted = cp.reshape(flat[rows.ravel()], (len(rows), K), order="C")
    predictions = cp.Variable((len(rows), K))
    link = predictions == fitted  # whose multiplier is V
    targets, shaped = base.y, predictions if K > 1 else predictions[:, 0]
    if base.loss.degree is not None:
        targets = (base.y - units.center) / units.tau
        scale, value = units.tau, units.value
    else:
        center, scale, value = np.zeros(K), 1.0, 1.0
    fit = base.loss.expression(shaped, targets, base.weights)
    at_points = sparse.csr_array(
        (
            problem.A.ravel(),
            (
                np.repeat(np.arange(len(problem.A)), K),
                (problem.rows[:, None] * K + np.arange(K)).ravel(),
            ),
        ),
        shape=(len(problem.A), n * K),
    )
    lengths = np.asarray(norms(problem.A))
    at_points = sparse.csr_array(sparse.diags_array(1 / lengths) @ at_points)
    sides = (problem.b - problem.A @ center) / (scale * lengths)
    equal = problem.equal
    constraints, held = [link], []
    for chosen, build in ((~equal, lambda e, s: e <= s), (equal, lambda e, s: e == s)):
        if chosen.any():
            constraint = build(at_points[chosen] @ flat, sides[chosen])
            held.append((chosen, constraint))
            constraints.append(constraint)
    penalty = 0.0
    if u is not None:
        penalty = base.alpha * scale / (rho * value) * cp.sum(cp.norm(u, 2, axis=1))
        if columns.cones is not None:
            constraints.append(columns.cones @ cp.vec(u, order="C") >= 0)
    program = cp.Problem(cp.Minimize(fit + penalty), constraints)
    options = solver_options("CLARABEL", _ACCURACY)
    if math.isfinite(time_limit):
        options["time_limit"] = max(time_limit, 1e-3)
    status = call_solver(program, "CLARABEL", **options)
    if status in (Status.FAILED, Status.INFEASIBLE) or link.dual_value is None:
        return Solved(status)
    values = np.zeros((0, variables)) if u is None else np.asarray(u.value) * (scale / rho)
    intercept = center + scale * np.asarray(c.value)
    multipliers = np.zeros(len(problem.A))
    for chosen, constraint in held:
        multipliers[chosen] = np.ravel(constraint.dual_value) / lengths[chosen]
    V = np.asarray(link.dual_value) * (value / scale)
    multipliers *= value / scale
    if not all(np.isfinite(x).all() for x in (values, intercept, multipliers, V)):
        return Solved(Status.FAILED)
    return Solved(
        status, _network(problem, columns, values, intercept), problem.point(V, multipliers)
    )


def _network(
    problem: ConstrainedProblem, columns: Columns, values: Array, intercept: Array
) -> TwoLayerNetwork:
    """The network of a solution, without columns that are nearly zero."""
    base = problem.base
    lengths = np.asarray(norms(values))
    kept = lengths > _NO_COLUMN * lengths.max(initial=0.0)
    values, lengths = values[kept], lengths[kept]
    if columns.outer is not None:
        network = base.network(values, columns.outer[kept], intercept)
    else:
        inner = columns.directions[kept] * lengths[:, None]
        network = base.network(inner, values / lengths[:, None], intercept)
    return base.merged(network)
