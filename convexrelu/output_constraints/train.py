"""Training under constraints on outputs, with a certificate over all networks that meet them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from convexrelu._utils.arguments import check_choice, check_limits, check_type
from convexrelu._utils.deadlines import part_before
from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import CLAIMED_SHARE
from convexrelu.column_generation import ColumnGeneration
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleReport
from convexrelu.oracles.selection import OraclePair, choose_oracles
from convexrelu.output_constraints.neurons import joined, largest
from convexrelu.output_constraints.pricing import PricingOfRows, directions_of
from convexrelu.output_constraints.problem import ConstrainedProblem
from convexrelu.output_constraints.program import (
    Solved,
    moving,
    outer_weights_fit,
    solve,
    with_outer_weights,
)
from convexrelu.output_constraints.rows import OutputConstraints
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Progress, Result
from convexrelu.results.status import Status
from convexrelu.solvers.nonconvex.descent import descend
from convexrelu.training.claims import unconfirmed
from convexrelu.training.dual_state import DualPoint, DualState
from convexrelu.training.options import EFFORTS, check_start, oracle_of

__all__ = ["ConstrainedResult", "train_with_output_constraints"]

# Random neurons with which the first program begins where no constant meets the constraints, for each constraint.
_NEURONS_PER_CONSTRAINT, _FEWEST_NEURONS = 3, 30
# Relative progress from which columns that are no neurons may be dropped.
_PROGRESS = 1e-9
# Cosines of neurons that are joined, first more of them.
_CLOSE = 0.98, 0.999
# Rise of the objective that this may cost, as a part of `tol`.
_AS_GOOD, _FOR_PREDICTION = 1e-2, 0.3
_DECIMALS = 12  # to which directions agree that are one column
_MOST_CUTS = 30  # in a round
# Entries of programs with neurons that move, which take longer than the others, for one output and for several.
_MOST_ENTRIES, _MOST_OF_SEVERAL = 50_000, 5_000
# Neurons with which programs begin, the largest ones of descent.
_MOST_NEURONS = 60
_TIME_FOR_DESCENT, _WITHOUT_PROGRAMS = 0.3, 0.6  # parts of the time that is left
# Seconds in which the best constant is computed, whatever the limit: without it there is nothing; and the part of the
# time for its program where the best one of the problem without constraints meets them, too.
_FOR_CONSTANT, _TIME_FOR_CONSTANT = 0.05, 0.1
# Fraction of the tolerance that a proof must reach.
_SHARE_OF_TOL = 0.95


@dataclass(frozen=True, eq=False)
class ConstrainedResult(Result):
    """A trained network with its certificate, and its largest violation of the constraints.

    Attributes
    ----------
    violation : float
        Largest violation at the points, in units of the rows of ``A``, rounded up: zero only if there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> from convexrelu.output_constraints import OutputConstraints, train_with_output_constraints
    >>> problem = TrainingProblem(np.eye(3), np.arange(3.0), alpha=1e-2)
    >>> train_with_output_constraints(problem, OutputConstraints(np.eye(3), [[1.0]], 1.0), random_state=0).violation
    0.0
    """

    violation: float = 0.0


def train_with_output_constraints(
    problem: TrainingProblem,
    constraints: OutputConstraints | Sequence[OutputConstraints],
    *,
    effort: str = "certify",
    tol: float = 1e-3,
    max_iter: int = 30,
    time_limit: float | None = None,
    start: TwoLayerNetwork | None = None,
    random_state: int | np.random.RandomState | None = None,
    progress: Progress | None = None,
) -> ConstrainedResult:
    """Train a network whose outputs meet linear constraints at given points.

    Parameters
    ----------
    problem : TrainingProblem
        With ReLU or leaky ReLU, penalised hidden biases or none, no skip connection, and a loss that is a sum over
        outputs, or the multinomial one.
    constraints : OutputConstraints or list of OutputConstraints
        ``A f(x_j) ≤ b_j``, or equations: the network then interpolates. With the multinomial loss and an intercept,
        rows of ``A`` have sums of zero.
    effort : {"predict", "certify", "prove"}
        As for :func:`~convexrelu.train`.
    tol, max_iter, time_limit, random_state, progress
        As for :func:`~convexrelu.train`.
    start : TwoLayerNetwork, optional
        Network whose neurons start the first program, instead of those of descent.

    Returns
    -------
    ConstrainedResult
        The certificate compares with all networks that meet the constraints, of any width: its ``scope`` is
        ``"output_constraints"``. Inequalities that a shift of the intercept can restore, such as ``f_1 ≤ f_2``, hold
        exactly; the result's `violation` is then zero. Others, and equations, hold to about 1e-8 of the targets'
        spread, or of the sides that bind if these are larger; networks that are off by more than 1e-6 are not taken.

    Raises
    ------
    ValueError
        For an invalid argument, a problem that is not supported, or constraints that no network was found to meet.

    See Also
    --------
    train_on_polytope : Constraints on all points of a box or a polytope.

    Notes
    -----
    :mod:`convexrelu.output_constraints.problem` has the program and its dual. Rounds price a dual point on samples and
    points, add the neurons that are found, and solve finite programs by a conic solver: for their outer weights, and
    for inner weights within activation patterns.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> from convexrelu.output_constraints import OutputConstraints, train_with_output_constraints
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3)
    >>> result = train_with_output_constraints(problem, OutputConstraints(X, [[1.0]], 0.6), random_state=0)
    >>> result.certificate.is_proof, result.certificate.relative_gap < 1e-3, result.violation
    (True, True, 0.0)
    >>> bool(result.network.predict(X).max() <= 0.6)
    True
    """
    began = time.perf_counter()
    check_type("problem", problem, TrainingProblem)
    check_choice("effort", effort, EFFORTS)
    check_limits(tol, max_iter, time_limit)
    base = problem.condensed()
    if isinstance(base.X, np.ndarray):  # constraints are at points of the features
        base = base.in_features()
    constrained = ConstrainedProblem(base, constraints)
    check_start(start, constrained.base)
    random = checked_random_state(random_state)
    with one_blas_thread():
        name = oracle_of(effort, "auto")
        assert isinstance(name, str)
        oracles = choose_oracles(
            name,
            constrained.design,
            random,
            n_outputs=constrained.n_outputs,
            slope=constrained.base.slope,
            deadline=math.inf if time_limit is None else began + time_limit,
        )
        return _ColumnsWithConstraints(
            problem=constrained,
            oracles=oracles,
            random=random,
            start=start,
            settles=effort == "predict",
            tol=tol,
            max_iter=max_iter,
            time_limit=time_limit,
            started=began,
            progress=progress,
        ).run()


@dataclass(eq=False, kw_only=True)
class _ColumnsWithConstraints(ColumnGeneration[TwoLayerNetwork, Array]):
    """Column generation: columns are directions of neurons."""

    problem: ConstrainedProblem
    oracles: OraclePair
    random: np.random.RandomState
    start: TwoLayerNetwork | None = None

    _objective: float = field(default=math.inf, init=False)
    _v: Array = field(init=False)
    _pricing: PricingOfRows = field(init=False)
    _dual: DualState = field(init=False)
    _columns: Array = field(init=False)  # that the programs have beside the neurons

    def run(self) -> ConstrainedResult:
        """Run the loop."""
        result = super().run()
        self._check_is_met(result)
        shared = {entry.name: getattr(result, entry.name) for entry in fields(Result)}
        assert isinstance(result.network, TwoLayerNetwork)
        return ConstrainedResult(**shared, violation=self.problem.violation(result.network))

    def _check_is_met(self, result: Result) -> None:
        """Raise an error if the lower bound proves that a network which seemed to meet the constraints does not."""
        certificate = result.certificate
        bound, objective = certificate.proved_lower_bound, certificate.objective
        if bound > objective * (1 + self.tol):
            raise ValueError(
                f"constraints: no network was found that meets them: one that violates them by "
                f"{self.problem.violation(self._best):.2g} has the objective {objective:.6g}, but those that meet them "
                f"have {bound:.6g} at least; they may contradict each other"
            )

    def _begin(self) -> Status | None:
        problem = self.problem
        self._pricing = PricingOfRows(problem)
        resolution = CLAIMED_SHARE * self.tol
        self._dual = DualState(problem.base, self._deadline(), resolution, self._pricing)
        self._columns = np.zeros((0, problem.design.shape[1]))
        self._v = problem.no_point()
        feasible = self._begin_with_constant()
        if feasible:
            self._record(self._dual.begin(self._objective, self._v), 0)
        if self._seconds_left() <= 0 and feasible:
            return Status.TIME_LIMIT
        self._begin_with_neurons(feasible)
        return None

    def _begin_with_constant(self) -> bool:
        """Whether a constant meets the constraints: that of a program, or the best one of the problem without them."""
        left, problem = self._seconds_left(), self.problem
        for share in (_TIME_FOR_CONSTANT, 1.0):
            solved = self._solved(self._columns, max(share * left, _FOR_CONSTANT))
            if self._take(solved):
                self._keep(problem.base.zero_network())
                return True
            if self._keep(problem.base.zero_network()):
                self._v = problem.no_point()
                return True
            if solved.status is not Status.TIME_LIMIT:
                break
        return False

    def _begin_with_neurons(self, feasible: bool) -> None:
        """Solve for the outer weights of the neurons of a start, or of descent; more of them for equations."""
        problem = self.problem
        network = self._first_network()
        directions = directions_of(problem, largest(network.prune(), _MOST_NEURONS))
        solved = self._solve_for(directions)
        if self._take(solved) or (solved.network is None and self._take_unsolved(network)):
            return
        if feasible:
            return
        n_constraints = len(problem.b)
        for factor in (1, 4):
            n_random = factor * max(_FEWEST_NEURONS, _NEURONS_PER_CONSTRAINT * n_constraints)
            extra = self._random_directions(n_random)
            if self._take(self._solve_for(np.vstack([directions, extra]))):
                return
        in_time = " in time; raise time_limit" if self._seconds_left() <= 0 else ""
        raise ValueError(f"constraints: no network was found that meets them{in_time}")

    def _first_network(self) -> TwoLayerNetwork:
        """The start, or that of descent, which has most of the time where no program has it."""
        if self.start is not None:
            return self.start
        end = self._deadline()
        is_program = outer_weights_fit(self.problem, _MOST_NEURONS, end)
        share = _TIME_FOR_DESCENT if is_program else _WITHOUT_PROGRAMS
        return descend(self.problem.base, self.random, part_before(end, share))

    def _take_unsolved(self, network: TwoLayerNetwork) -> bool:
        """Keep a network without a program, shifted to meet constraints; its dual point has no multipliers."""
        problem, before = self.problem, self._objective
        is_met = self._keep(network)
        if self._objective < before and self._seconds_left() > 0:
            V = problem.base.dual_point(self._best.predict(problem.base.X))
            self._v = problem.point(V, np.zeros(len(problem.b)))
        return is_met

    def _random_directions(self, n: int) -> Array:
        """Directions whose kinks lie among the samples and points, in units of the features."""
        design = self.problem.design
        spread = design.std(axis=0)
        gates = self.random.standard_normal((n, design.shape[1]))
        gates /= np.where(spread > 0, spread, 1.0)
        if self.problem.base.hidden_bias:
            anchors = self.problem.X[self.random.randint(len(design), size=n)]
            gates[:, -1] = -(gates[:, :-1] * anchors).sum(axis=1)
        return gates

    def _price(self) -> tuple[Certificate, Array]:
        if self._seconds_left() <= 0 and self._certificate is not None:
            return self._dual.certified(self._objective, self._best), self._columns[:0]
        cuts = self._ask(self.oracles.heuristic, self._v)
        certificate = self._dual.certify(self._objective)
        if self._is_small(certificate) or not len(cuts):
            best = self._dual.best
            assert best is not None
            if not best.verified:
                found = self._ask(self.oracles.exact, best.v)
                cuts = found if self.oracles.exact_cuts and len(found) else cuts
                certificate = self._dual.certify(self._objective)
        return certificate, cuts

    def _ask(self, oracle: Oracle, v: Array) -> Array:
        """Price a dual point, remember it if it is the best so far, and return directions above `alpha`."""
        verified = oracle is self.oracles.exact
        report = self._pricing.report(self._best, oracle, v, deadline=self._deadline())
        self._dual.consider(DualPoint(self.problem.base, v, report, verified), self._best)
        return self._cuts(report)

    def _cuts(self, report: OracleReport) -> Array:
        above = report.values > self.problem.base.alpha * (1 + 1e-9)
        chosen: list[Array] = []
        for direction in report.directions[above]:
            if all(direction @ other < 0.9999 for other in chosen):
                chosen.append(direction)
            if len(chosen) >= _MOST_CUTS:
                break
        return np.array(chosen).reshape(-1, self.problem.design.shape[1])

    def _is_small(self, certificate: Certificate) -> bool:
        margin = 1.0 if certificate.is_proof else _SHARE_OF_TOL
        return certificate.relative_gap <= margin * self.tol

    def _is_closed(self) -> bool:
        best, certificate = self._dual.best, self._certificate
        if certificate is None or not self._is_small(certificate):
            return False
        return certificate.is_proof or (best is not None and best.verified)

    def _solve(self, columns: Array) -> tuple[Status, bool]:
        """Solve for outer weights with the columns added, then for inner weights within patterns if that is fast.

        Columns are kept until the objective falls: then those that it needs are neurons. With several outputs, the
        second program has fixed directions of outer weights, so that its dual point is worse.
        """
        before = self._objective
        columns = np.vstack([self._columns, columns])
        solved = self._solve_for(np.vstack([directions_of(self.problem, self._best), columns]))
        self._take(solved)
        v = self._v
        moved = self._solve_moving(columns)
        found = self._take(moved)
        if self.problem.n_outputs > 1 or not found:
            self._v = v
        self._columns = columns[:0] if self._objective < before * (1 - _PROGRESS) else columns
        return solved.status, solved.network is not None

    def _settled(self) -> Status | None:
        """Only after the next pricing, which costs less than a program and improves the bound."""
        return None

    def _reason_to_stop(self, n_new: int) -> Status | None:
        reason = super()._reason_to_stop(n_new)
        if reason is not None or self._n_iter == 0:
            return reason
        before, now = (entry.objective for entry in self._history[-2:])
        return Status.SETTLED if self._has_settled(before, now) else None

    def _solve_for(self, directions: Array) -> Solved:
        units = unit_rows(directions[norms(directions) > 0])
        _, first = np.unique(np.round(units, _DECIMALS), axis=0, return_index=True)
        return self._solved(units[np.sort(first)], self._seconds_left())

    def _solved(self, units: Array, seconds: float) -> Solved:
        if not outer_weights_fit(self.problem, len(units), time.perf_counter() + seconds):
            return Solved(Status.TIME_LIMIT)
        return solve(self.problem, with_outer_weights(self.problem, units), seconds)

    def _solve_moving(self, columns: Array) -> Solved:
        """Solve for inner weights within the patterns of neurons, and for one output within those of the columns."""
        problem, network = self.problem, self._best.prune()
        directions, outer = directions_of(problem, network), network.output_weights.T
        outer = outer / np.asarray(norms(outer))[:, None]
        if problem.n_outputs == 1:
            directions = np.vstack([directions, columns, columns])
            outer = np.vstack([outer, np.ones((len(columns), 1)), -np.ones((len(columns), 1))])
        entries = problem.design.size * problem.n_outputs * len(directions)
        most = _MOST_ENTRIES if problem.n_outputs == 1 else _MOST_OF_SEVERAL
        if not 0 < entries <= most or self._seconds_left() <= 0:
            return Solved(Status.TIME_LIMIT)
        masks = directions @ problem.design.T >= 0
        return solve(problem, moving(problem, masks, outer), self._seconds_left())

    def _take(self, solved: Solved) -> bool:
        """Keep the dual point of a program, and its network if it meets the constraints and is better."""
        if solved.network is None or solved.dual is None:
            return False
        self._v = solved.dual
        return self._keep(solved.network)

    def _keep(self, network: TwoLayerNetwork) -> bool:
        """Whether a network meets the constraints, after a shift; it is kept if it is the best of these."""
        problem = self.problem
        network = problem.repaired(network)
        if not problem.is_met_by(network):
            return False
        objective = problem.objective(network)
        if objective < self._objective:
            self._best, self._objective = network, objective
        return True

    def _conclude(self, status: Status) -> Status:
        if status is Status.STOPPED:
            return status
        if self._seconds_left() > 0:
            best = self._dual.best
            if best is None or (not best.verified and not self.settles):
                self._ask(self.oracles.exact, self._v if best is None else best.v)
            self._drop_neurons()
        found, best = self._dual.certified(self._objective, self._best), self._dual.best
        is_certain = found.is_proof or best is None or best.verified or self.settles
        doubtful = self._is_small(found) and not is_certain
        self._record(unconfirmed(found, self._history, self.tol) if doubtful else found, 0)
        return Status.CONVERGED if self._is_closed() else status

    def _drop_neurons(self) -> None:
        """Join neurons that are nearly the same, and drop those that are nearly zero, if that costs nearly nothing.

        Interior points of a solver have many of both.
        """
        network, objective = self._best.prune(), self._objective
        sizes = norms(network.augmented_weights()) * norms(network.output_weights.T)
        most = objective * (1 + (_FOR_PREDICTION if self.settles else _AS_GOOD) * self.tol)
        for cosine in _CLOSE if network.width else ():
            directions = joined(directions_of(self.problem, network), sizes, cosine)
            self._objective = most
            if self._take(self._solve_for(directions)) and self._best.width < network.width:
                return
            self._best, self._objective = network, objective

    @property
    def _n_columns(self) -> int:
        return self._best.width
