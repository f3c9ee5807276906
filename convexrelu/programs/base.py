"""The common part of finite programs: units, the penalty parameter, the call of a solver."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.cvxpy_import import cp
from convexrelu._utils.deadlines import conic_program_fits, seconds_to_prepare
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import ProgramSolution
from convexrelu.results.status import Status

__all__ = ["FiniteProgram", "call_solver", "seconds_for_solver", "solver_options"]


def solver_options(solver: str, accuracy: float) -> dict[str, Any]:
    """Options for a relative gap of `accuracy` with `solver`.

    The absolute tolerance of the gap is small because a good fit has a small objective; the
    relative tolerance is the one that matters.
    """
    tight, feasible = 1e-3 * accuracy, max(accuracy, 1e-10)
    match solver:
        case "CLARABEL":
            # A point short of `accuracy` is still returned, as inaccurate: its gap is computed
            # here anyway.
            wanted = {"tol_gap_abs": tight, "tol_gap_rel": accuracy, "tol_feas": feasible}
            return wanted | {"max_iter": 200, "accept_unknown": True}
        case "ECOS":
            return {"abstol": tight, "reltol": accuracy, "feastol": feasible, "max_iters": 200}
        case "SCS":
            # On badly scaled programs, as with free biases, residuals below 1e-8 are out of
            # reach, and with Anderson acceleration even 1e-8 is: either way it runs to the limit,
            # and the result depends on the processor.
            residual = max(feasible, 1e-8)
            wanted = {"eps_abs": residual, "eps_rel": residual, "acceleration_lookback": 0}
            return wanted | {"max_iters": 200_000}
        case _:
            raise ValueError(
                f"solver={solver!r} is not known; available: 'CLARABEL', 'ECOS', 'SCS'"
            )


def call_solver(problem: cp.Problem, solver: str, **options: Any) -> Status:
    """Solve and return the status; errors raised by a solver become ``Status.FAILED``."""
    with warnings.catch_warnings():
        # cvxpy says "may be inaccurate" in a warning; here this is a status.
        warnings.simplefilter("ignore")
        try:
            problem.solve(solver=solver, **options)
        except (cp.error.SolverError, ArithmeticError, ValueError):
            return Status.FAILED
    return Status.of_cvxpy(problem.status)


def seconds_for_solver(
    problem: cp.Problem, solver: str, n_entries: float, deadline: float
) -> float | None:
    """Seconds for a solver's iterations; None if it could not be prepared, which it does without looking at time.

    cvxpy writes the program down first, with so many entries of matrices, and keeps it.
    """
    if not conic_program_fits(n_entries, deadline):
        return None
    problem.get_problem_data(solver)
    left = deadline - time.perf_counter() - seconds_to_prepare(n_entries)
    return left if left > 0 else None


_TIME_LIMIT_OPTION = {"CLARABEL": "time_limit", "SCS": "time_limit_secs"}  # ECOS has none


class FiniteProgram:
    """``min F(f(u) + c) + alpha Σ_i ‖u_i‖`` over blocks ``u_i`` of `d̃` entries, for an ``f`` that subclasses define.

    The program is written in units in which data and targets are about one, ``X̃/ρ`` and ``(y −
    c₀)/τ``, for the benefit of the solvers. With ``u = (τ/ρ) û`` the objective of a loss of degree ``p`` is ``τ^p``
    times that of ``û`` at ``alpha τ^(1−p)/ρ``: solutions are mapped back exactly.

    ``alpha`` is a cvxpy parameter in a disciplined parametrised program (DPP): solving again
    with another value reuses the canonical form.

    Parameters
    ----------
    problem : TrainingProblem
        Data, loss and the default `alpha`.
    masks : boolean array of shape (B, n)
        Pattern ``D_i`` of each block.
    """

    def __init__(self, problem: TrainingProblem, masks: NDArray[np.bool_]) -> None:
        self.problem = problem
        self.masks = masks
        self._units = problem.units()
        self._scales = self._column_scales()
        self._design = problem.design / self._scales
        self._alpha = cp.Parameter(nonneg=True)
        self._blocks = cp.Variable((problem.design.shape[1], len(masks)))
        self._intercept = self._make_intercept()
        self._predictions = self._outputs() + self._intercept
        self._skip: cp.Variable | None = None
        if problem.skip:
            shape = (problem.inputs.shape[1], *problem.no_outputs().shape[1:])
            self._skip = cp.Variable(shape)
            self._predictions += problem.inputs / self._units.rho @ self._skip
        constraints = self._constraints()
        self._link: cp.Constraint | None = None
        if not problem.loss.smooth:  # then the dual point is the multiplier of this constraint
            outputs, self._predictions = self._predictions, cp.Variable(problem.no_outputs().shape)
            self._link = self._predictions == outputs
            constraints.append(self._link)
        data_fit = problem.loss.expression(self._predictions, self._targets(), problem.weights)
        lengths = self._scales[0] / self._scales[:, None]
        penalty = cp.sum(cp.norm(cp.multiply(lengths, self._blocks), 2, axis=0))
        objective = data_fit + self._alpha * penalty
        if self._skip is not None:
            scale = self._units.tau**2 / (self._units.rho**2 * self._units.value)
            objective += 0.5 * problem.skip_alpha * scale * cp.sum_squares(self._skip)
        self.cvxpy_problem = cp.Problem(cp.Minimize(objective), constraints)

    def is_for(self, problem: TrainingProblem, masks: NDArray[np.bool_]) -> bool:
        """Whether this is the program of `problem` on `masks`, except for the value of `alpha`."""
        return np.array_equal(self.masks, masks) and self.problem.equals_but_for_alpha(problem)

    def _column_scales(self) -> Array:
        """``ρ`` for every column of the design; with free biases, the large last column has a separate scale."""
        problem = self.problem
        if not problem.free_bias:
            return np.full(problem.design.shape[1], self._units.rho)
        inputs = np.sqrt(problem.weights)[:, None] * problem.design[:, :-1]
        rho = float(norms(inputs.ravel())) or 1.0
        return np.append(np.full(inputs.shape[1], rho), problem.bias_column)

    def _targets(self) -> Array:
        return self._units.targets(self.problem.loss, self.problem.y)

    def _make_intercept(self) -> cp.Expression:
        if not self.problem.fit_intercept:
            return cp.Constant(0.0)
        n_outputs = self.problem.n_outputs
        return cp.Variable() if n_outputs == 1 else cp.Variable((1, n_outputs))

    def _outputs(self) -> cp.Expression:
        """``f(u)``, of shape (n,) or (n, K), in the program's units."""
        raise NotImplementedError

    def _constraints(self) -> list[cp.Constraint]:
        return []

    def solve(
        self,
        solver: str = "CLARABEL",
        *,
        alpha: float | None = None,
        accuracy: float = 1e-9,
        time_limit: float | None = None,
        **options: Any,
    ) -> ProgramSolution:
        """Solve the program.

        Parameters
        ----------
        solver : str
            ``"CLARABEL"``, ``"ECOS"`` or ``"SCS"``.
        alpha : float, optional
            Penalty, if other than the problem's.
        accuracy : float
            Relative gap requested from the solver.
        time_limit : float, optional
            Time limit in seconds, if the solver has such an option. Without the time to prepare it, there is no
            solution.
        **options
            Passed to the solver; they override :func:`solver_options`.

        Returns
        -------
        ProgramSolution
            With the solver's status; errors raised by a solver become ``Status.FAILED``.
        """
        started = time.perf_counter()
        units = self._units
        alpha = self.problem.alpha if alpha is None else alpha
        self._alpha.value = alpha * units.tau / (units.value * self._scales[0])
        options = solver_options(solver, accuracy) | options
        status = None
        if time_limit is not None and np.isfinite(time_limit) and solver in _TIME_LIMIT_OPTION:
            left = seconds_for_solver(
                self.cvxpy_problem, solver, self._n_entries, started + time_limit
            )
            status = Status.TIME_LIMIT if left is None else None
            options.setdefault(_TIME_LIMIT_OPTION[solver], left)
        if status is None:
            status = self._call(solver, options)
        seconds = time.perf_counter() - started
        blocks, value = self._blocks.value, self.cvxpy_problem.value
        if (
            status in (Status.FAILED, Status.INFEASIBLE)
            or blocks is None
            or not np.isfinite(blocks).all()
        ):
            nothing = self.problem.no_outputs() + units.center
            zeros = np.zeros(self._blocks.shape).T
            return ProgramSolution(zeros, units.center, nothing, np.nan, status, accuracy, seconds)
        intercept = np.ravel(np.asarray(self._intercept.value))
        shape = self.problem.no_outputs().shape  # cvxpy has a number for one sample
        return ProgramSolution(
            blocks=blocks.T * (units.tau / self._scales),
            intercept=units.center
            + units.tau * (intercept if len(intercept) > 1 else intercept[0]),
            outputs=units.center + units.tau * np.reshape(self._predictions.value, shape),
            objective=float(value) * units.value,
            status=status,
            accuracy=accuracy,
            seconds=seconds,
            dual=self._dual(),
            skip_weights=self._skip_weights(),
        )

    @property
    def _n_entries(self) -> float:
        """Entries of the cones' matrices."""
        return self.masks.size * self.problem.design.shape[1]

    def _skip_weights(self) -> Array | None:
        if self._skip is None or self._skip.value is None:
            return None
        scaled = np.asarray(self._skip.value) * (self._units.tau / self._units.rho)
        return self.problem.feature_weights(scaled.reshape(len(scaled), -1).T)

    def _dual(self) -> Array | None:
        """The solver's dual point, if it cannot be computed from the outputs."""
        if self._link is None or self._link.dual_value is None:
            return None
        return np.asarray(self._link.dual_value) * (self._units.value / self._units.tau)

    def _call(self, solver: str, options: dict[str, Any]) -> Status:
        # Without warm start: the answer must not depend on what was solved before.
        return call_solver(self.cvxpy_problem, solver, warm_start=False, **options)
