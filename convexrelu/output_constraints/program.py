r"""Finite programs under constraints on outputs.

**Neurons that move.** With patterns ``D_j`` and directions of outer weights ``g_j`` fixed, the network is ``Σ_j D_j X̄
u_j g_jᵀ + 1cᵀ`` with ``(2D_j − I) X̄ u_j ≥ 0``, at the penalty ``Σ_j ‖u_j‖``.

**Outer weights.** With unit vectors ``û_j`` fixed, the network is ``Σ_j φ(X̄û_j) a_jᵀ + 1cᵀ``, at the penalty ``Σ_j
‖a_j‖``. For one output this is part of the former.

Both are convex, in units in which data and targets are about one.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from convexrelu._utils.deadlines import conic_program_fits
from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.typing import Array, Masks
from convexrelu.networks.activation import activate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.output_constraints.problem import ConstrainedProblem
from convexrelu.results.status import Status

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["Columns", "Solved", "moving", "outer_weights_fit", "solve", "with_outer_weights"]

_ACCURACY = 1e-9
# Columns below this fraction of the largest are left out; not more of them, as equations would be off.
_NO_COLUMN = 1e-10


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


def outer_weights_fit(problem: ConstrainedProblem, n_neurons: int, deadline: float) -> bool:
    """Whether there is time for a program of :func:`with_outer_weights`: even its columns take long to make."""
    outputs = len(problem.design) * problem.n_outputs * (n_neurons + 1)
    return conic_program_fits(float(outputs + problem.A.size), deadline)


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
    deadline = time.perf_counter() + time_limit
    return _Program(problem, columns).solve(deadline)


class _Program:
    """The program in cvxpy; variables, outputs and multipliers are in the units of the problem's."""

    def __init__(self, problem: ConstrainedProblem, columns: Columns) -> None:
        from convexrelu._utils.cvxpy_import import cp

        self.problem, self.columns = problem, columns
        base, K, m = problem.base, problem.n_outputs, columns.n_neurons
        self.scales = _Scales.of(problem)
        self.values = cp.Variable((m, columns.outputs.shape[1] // m)) if m else None
        self.intercept = cp.Variable(K) if base.fit_intercept else cp.Constant(np.zeros(K))
        outputs = self._outputs()
        # Their own variables: the multiplier of the link is V.
        fitted = cp.Variable((base.n_samples, K))
        rows = problem.samples[:, None] * K + np.arange(K)
        self.link = fitted == cp.reshape(outputs[rows.ravel()], fitted.shape, order="C")
        self.held = self._held(outputs)
        constraints = [self.link, *(constraint for _, constraint in self.held)]
        if base.fit_intercept and base.loss.couples_outputs:
            # A constant that is the same for all outputs is free: solvers make it so large that differences are lost.
            constraints.append(cp.sum(self.intercept) == 0)
        if columns.cones is not None:
            constraints.append(columns.cones @ cp.vec(self.values, order="C") >= 0)
        shaped = fitted if K > 1 else fitted[:, 0]
        fit = base.loss.expression(shaped, self.scales.targets, base.weights)
        self.program = cp.Problem(cp.Minimize(fit + self._penalty()), constraints)

    def _outputs(self) -> cp.Expression:
        """Outputs of all rows, flat."""
        from convexrelu._utils.cvxpy_import import cp

        constant = np.tile(np.eye(self.problem.n_outputs), (len(self.problem.design), 1))
        outputs = constant @ self.intercept
        if self.values is None:
            return outputs
        hidden = self.columns.outputs / self.scales.inner
        return outputs + hidden @ cp.vec(self.values, order="C")

    def _held(self, outputs: cp.Expression) -> list[tuple[NDArray[np.bool_], cp.Constraint]]:
        """Inequalities and equations, with where they are among all constraints; rows of ``A`` have length one."""
        problem, K = self.problem, self.problem.n_outputs
        units = problem.A / self.lengths[:, None]
        columns = problem.rows[:, None] * K + np.arange(K)
        entries = np.repeat(np.arange(len(units)), K), columns.ravel()
        shape = len(units), len(problem.design) * K
        at_points = sparse.csr_array((units.ravel(), entries), shape=shape)
        sides = problem.b / self.lengths - units @ self.scales.center
        sides = sides / self.scales.outputs
        held = []
        if (below := ~problem.equal).any():
            held.append((below, at_points[below] @ outputs <= sides[below]))
        if (equal := problem.equal).any():
            held.append((equal, at_points[equal] @ outputs == sides[equal]))
        return held

    @property
    def lengths(self) -> Array:
        """Lengths of the rows of ``A``."""
        return np.asarray(norms(self.problem.A))

    def _penalty(self) -> Any:
        from convexrelu._utils.cvxpy_import import cp

        if self.values is None:
            return 0.0
        scales = self.scales
        weight = self.problem.base.alpha * scales.outputs / (scales.inner * scales.loss)
        return weight * cp.sum(cp.norm(self.values, 2, axis=1))

    def solve(self, deadline: float) -> Solved:
        """Call the solver if it can be prepared in time, and read network and dual point."""
        from convexrelu.programs.base import call_solver, seconds_for_solver, solver_options

        options = solver_options("CLARABEL", _ACCURACY)
        if math.isfinite(deadline):
            left = seconds_for_solver(self.program, "CLARABEL", self._n_entries, deadline)
            if left is None:
                return Solved(Status.TIME_LIMIT)
            options["time_limit"] = left
        status = call_solver(self.program, "CLARABEL", **options)
        failed = status in (Status.FAILED, Status.INFEASIBLE) or self.link.dual_value is None
        if failed:
            return Solved(status)
        scales = self.scales
        values = np.zeros((0, 1)) if self.values is None else np.asarray(self.values.value)
        intercept = scales.center + scales.outputs * np.asarray(self.intercept.value)
        multipliers = np.zeros(len(self.lengths))
        for chosen, constraint in self.held:
            multipliers[chosen] = np.ravel(constraint.dual_value)
        multipliers *= scales.loss / (scales.outputs * self.lengths)
        V = np.asarray(self.link.dual_value) * (scales.loss / scales.outputs)
        if not all(np.isfinite(part).all() for part in (values, intercept, multipliers, V)):
            return Solved(Status.FAILED)
        values = values * (scales.outputs / scales.inner)
        network = _network(self.problem, self.columns, values, intercept)
        return Solved(status, network, self.problem.point(V, multipliers))

    @property
    def _n_entries(self) -> float:
        cones = self.columns.cones
        outputs = np.count_nonzero(self.columns.outputs) + len(self.columns.outputs)
        return float(outputs + (0 if cones is None else cones.nnz) + self.problem.A.size)


class _Scales(NamedTuple):
    """Units in which data and targets are about one."""

    inner: float
    center: Array
    outputs: float
    loss: float
    targets: Array

    @classmethod
    def of(cls, problem: ConstrainedProblem) -> _Scales:
        """Those of the problem; losses without a degree have none for their outputs."""
        base, K = problem.base, problem.n_outputs
        units = base.units()
        if base.loss.degree is None:
            return cls(units.rho, np.zeros(K), 1.0, 1.0, base.y)
        center = np.broadcast_to(np.asarray(units.center, dtype=float), (K,))
        return cls(units.rho, center, units.tau, units.value, (base.y - units.center) / units.tau)


def _network(
    problem: ConstrainedProblem, columns: Columns, values: Array, intercept: Array
) -> TwoLayerNetwork:
    """The network of a solution, without columns that are nearly zero."""
    base = problem.base
    lengths = np.asarray(norms(values))
    kept = lengths > _NO_COLUMN * lengths.max(initial=0.0)
    values, lengths = values[kept], lengths[kept]
    if columns.outer is not None:
        return base.network(values, columns.outer[kept], intercept)
    inner = columns.directions[kept] * lengths[:, None]
    return base.network(inner, values / lengths[:, None], intercept)
