"""Samples on a line with free hidden biases: the network is a linear spline, and training is a lasso over its kinks."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.deadlines import product_fits, seconds_before
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.certificates.pricing import certificate_of, price
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set import minimal
from convexrelu.oracles import Line, LineOracle
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.neuron_map import with_best_intercept_and_outputs
from convexrelu.results.result import Progress, Result
from convexrelu.results.status import Status

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["SplineProgram", "line_of", "train_on_line"]


# Slope changes below these fractions of the largest one are left out, if the network stays as good.
_NEGLIGIBLE = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
# Fraction of the tolerance by which the objective may rise for fewer neurons.
_AS_GOOD = 1e-3
_ENTRIES = 12  # of the program for each knot
# Fraction of the time after which the solver ends.
_TIME_FOR_SOLVER = 0.5


def train_on_line(
    problem: TrainingProblem,
    *,
    tol: float = 1e-3,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> Result:
    r"""Train on samples of one feature, or of rank one, with free hidden biases; the bound is always proved.

    With ``x_i = origin + t_i a``, ``‖a‖ = 1``, it suffices to consider ridges ``relu(±(t − τ))`` with a kink ``τ`` at a
    sample (Ergen & Pilanci 2021, for one-dimensional and for rank-one data; conditions: ReLU, unpenalised hidden
    biases, an output intercept). Training is the lasso ::

        min  F(f) + alpha (Σ_k ‖z_k⁺‖ + Σ_k ‖z_k⁻‖),     f(t) = c + Σ_k z_k⁺ (t − t_k)₊ + Σ_k z_k⁻ (t_k − t)₊

    Its dual requires ``‖Σ_i V_i (±(t_i − t_k))₊‖ ≤ alpha`` at every knot, which :class:`~convexrelu.oracles.LineOracle`
    checks in one pass. It is solved as a :class:`SplineProgram`.

    Parameters
    ----------
    problem : TrainingProblem
        With any loss and any number of outputs.
    tol : float
        Relative gap at which training counts as converged.
    time_limit : float, optional
        Seconds. The solver has half of them, the rest is for the network and its certificate.
    progress : callable, optional
        Called once, with the only round.

    Returns
    -------
    Result
        With few neurons: kinks with negligible changes of slope are left out, and so are neurons that others can
        replace.

    Raises
    ------
    ValueError
        If the problem is of another kind; the message says what is not supported.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> from convexrelu.closed_forms import train_on_line
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> result = train_on_line(TrainingProblem(X, np.abs(X[:, 0]), 1e-3, hidden_bias="free"), tol=1e-6)
    >>> result.certificate.is_proof, result.status.name, result.network.width
    (True, 'CONVERGED', 2)
    """
    started = time.perf_counter()
    problem = problem.condensed()
    line = line_of(problem)
    program = SplineProgram(problem, line)
    deadline = math.inf if time_limit is None else started + time_limit
    status = program.solve(seconds_before(deadline, _TIME_FOR_SOLVER))
    network, interrupted = program.network(tol, deadline), False
    try:
        network = minimal(network, problem, deadline=deadline)
    except KeyboardInterrupt:
        interrupted = True
    constant = problem.zero_network()
    objective, at_constant = problem.objective(network), problem.objective(constant)
    if at_constant < objective:
        network, objective = constant, at_constant
    v = program.dual()
    v = problem.dual_point(network.predict(problem.X)) if v is None else v
    report = price(problem, network, LineOracle(problem.design, line), v)
    certificate = certificate_of(problem, objective, v, report)
    return Result.of_one_program(
        network,
        certificate,
        status,
        tol=tol,
        seconds=time.perf_counter() - started,
        n_blocks=2 * len(program.knots),
        progress=progress,
        interrupted=interrupted,
    )


def line_of(problem: TrainingProblem) -> Line:
    """The line of a problem's samples, or a ValueError that says what is not supported."""
    if not problem.free_bias or problem.slope != 0 or problem.activation != "relu" or problem.skip:
        raise ValueError(
            "the closed form of a line supports hidden_bias='free', activation='relu' "
            "and no skip connection only; use train"
        )
    line = Line.through(problem.inputs - problem.origin)
    if line is None:
        raise ValueError(
            "X is not on a line: its samples are all equal, or not collinear up to rounding; use train"
        )
    return line


class SplineProgram:
    r"""The lasso over kinks, in a sparse formulation.

    On ``[t_k, t_{k+1}]`` the slope of the spline is ``r_k + q_k``, where right-facing neurons add up to ``r`` and
    left-facing ones to ``q``::

        min  F(f) + alpha (‖r_1‖ + Σ_k ‖r_k − r_{k−1}‖ + Σ_k ‖q_k − q_{k−1}‖ + ‖q_last‖)
        s.t. f_{k+1} − f_k = (t_{k+1} − t_k) (r_k + q_k)

    ``z_k⁺ = r_k − r_{k−1}`` and ``z_k⁻ = q_k − q_{k−1}``, with zeros beyond the ends. The matrix of the lasso itself
    would be dense, ``n × 2n``.

    Parameters
    ----------
    problem : TrainingProblem
        Condensed.
    line : Line
    margins : bool
        Whether outputs must have a margin of at least one, in place of the hinge loss; then ``alpha = 1``.
    """

    def __init__(self, problem: TrainingProblem, line: Line, *, margins: bool = False) -> None:
        from convexrelu._utils.cvxpy_import import cp

        self.problem, self.line = problem, line
        self.knots, self._knot_of = np.unique(line.positions, return_inverse=True)
        self._span = float(self.knots[-1] - self.knots[0])
        self._units = units = problem.units()
        k, n_outputs = len(self.knots), problem.n_outputs
        self._right, self._left = (cp.Variable((k - 1, n_outputs)) for _ in range(2))
        at_knots = cp.Variable((k, n_outputs))
        gaps = np.diff(self.knots)[:, None] / self._span
        rise = at_knots[1:] - at_knots[:-1]
        constraints = [rise == cp.multiply(gaps, self._right + self._left)]
        outputs = at_knots[self._knot_of]
        self._fitted = outputs if problem.n_outputs > 1 else outputs[:, 0]
        self._link: cp.Constraint | None = None
        # The dual point is the multiplier of this constraint. For the squared error it also follows from the outputs.
        if margins or not problem.loss.is_least_squares:
            fitted = cp.Variable(problem.no_outputs().shape)
            self._link = fitted == self._fitted
            constraints.append(self._link)
            self._fitted = fitted
        penalty = sum(_length(part) for part in self._changes())
        targets = self._targets()
        if margins:
            constraints.append(cp.multiply(targets, self._fitted) >= 1)
            objective = penalty
        else:
            alpha = problem.alpha * units.tau / (units.value * self._span)
            fit = problem.loss.expression(self._fitted, targets, problem.weights)
            objective = fit + alpha * penalty
        self._program = cp.Problem(cp.Minimize(objective), constraints)
        self._margins = margins

    def solve(self, time_limit: float | None = None) -> Status:
        """Call the solver; if it finds no solution, or has no time to begin, the network is a constant."""
        from convexrelu.programs.base import call_solver, seconds_for_solver, solver_options

        options = solver_options("CLARABEL", 1e-10)
        if time_limit is not None:
            n_entries, end = _ENTRIES * self.knots.size, time.perf_counter() + time_limit
            left = seconds_for_solver(self._program, "CLARABEL", n_entries, end)
            if left is None:
                return Status.USER_LIMIT
            options["time_limit"] = left
        return call_solver(self._program, "CLARABEL", **options)

    def dual(self) -> Array | None:
        """The dual point of the solution, None if there is none; for margins, up to a positive factor."""
        units = self._units
        if self._fitted.value is None:
            return None
        if self._link is None:
            return self.problem.dual_point(units.center + units.tau * self._fitted.value)
        value = np.asarray(self._link.dual_value)
        return value if self._margins else self.problem.feasible(value * (units.value / units.tau))

    def network(self, tol: float, deadline: float = math.inf) -> TwoLayerNetwork:
        """The network of the fewest kinks that is as good, to a fraction of `tol`, as the solution with all of them.

        After the deadline, it may be worse or have more neurons: without the time to evaluate one it is a constant.
        """
        if self._right.value is None:
            return self.problem.zero_network()
        changes = [np.asarray(part.value) for part in self._changes()]
        sizes = [norms(part) for part in changes]
        largest = max(float(size.max()) for size in sizes)
        unit = 1.0 / self._span if self._margins else self._units.value
        limit = self._program.value * unit * (1 + _AS_GOOD * tol)
        network = self.problem.zero_network()
        for part in _NEGLIGIBLE:
            kept = [size > part * largest for size in sizes]
            width = sum(int(keep.sum()) for keep in kept)
            if not product_fits(self.problem.work_of_outputs(width), deadline):
                break
            network, outputs = self._of_kinks(changes, kept)
            if self._worth(network, outputs) <= limit:
                break
        return network

    def _worth(self, network: TwoLayerNetwork, outputs: Array) -> float:
        """Objective of a network; for margins, its norm once the smallest margin is scaled to one."""
        problem = self.problem
        if not self._margins:
            return problem.objective(network)
        margin = float((problem.y * outputs).min())
        return network.penalty(free_bias=True) / margin if margin > 0 else math.inf

    def _changes(self) -> tuple[cp.Expression, cp.Expression]:
        """``z⁺`` at all knots but the last, where it does nothing on the data, and ``z⁻`` at all but the first."""
        from convexrelu._utils.cvxpy_import import cp

        right = (
            cp.vstack([self._right[:1], cp.diff(self._right, axis=0)])
            if len(self.knots) > 2
            else self._right
        )
        # A left-facing neuron lowers the slope on its left.
        left = (
            cp.vstack([cp.diff(self._left, axis=0), -self._left[-1:]])
            if len(self.knots) > 2
            else -self._left
        )
        return right, left

    def _targets(self) -> Array:
        return self._units.targets(self.problem.loss, self.problem.y)

    def _of_kinks(
        self, changes: list[Array], kept: list[NDArray[np.bool_]]
    ) -> tuple[TwoLayerNetwork, Array]:
        """Neurons ``z relu(±(aᵀ(x − origin) − t_k))`` at the kinks to keep, and the outputs of this network."""
        problem = self.problem
        outer = np.vstack([part[keep] for part, keep in zip(changes, kept, strict=True)])
        outer *= self._units.tau / self._span
        knots = np.concatenate([self.knots[:-1][kept[0]], self.knots[1:][kept[1]]])
        side = np.repeat([1.0, -1.0], [kept[0].sum(), kept[1].sum()])
        direction = self.line.direction
        network = TwoLayerNetwork(
            problem.feature_weights(np.outer(side, direction)),
            -side * (knots + direction @ problem.origin),
            outer.T,
            np.zeros(problem.n_outputs),
        )
        return with_best_intercept_and_outputs(problem, problem.balanced(network.prune()))


def _length(rows: cp.Expression) -> cp.Expression:
    """``Σ_k ‖row k‖``."""
    from convexrelu._utils.cvxpy_import import cp

    return cp.norm1(rows) if rows.shape[1] == 1 else cp.sum(cp.norm(rows, 2, axis=1))
