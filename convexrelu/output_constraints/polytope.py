"""Constraints on outputs at all points of a polytope: training on more and more points, with a proof."""

from __future__ import annotations

import math
import numbers
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_limits, check_number, check_type, finite_array
from convexrelu._utils.norms import norms
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.output_constraints.rows import (
    OutputConstraints,
    checked_rows,
    checked_sets,
    inward,
    violation_of,
)
from convexrelu.output_constraints.train import ConstrainedResult, train_with_output_constraints
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.reach.output_range import check_tolerance, deadline_after, greatest
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.rectifiers import as_rectifiers
from convexrelu.reach.sharpening import domain_of
from convexrelu.results.status import Status

__all__ = ["OutputBounds", "PolytopeResult", "output_bounds", "train_on_polytope"]

_TOL = 1e-7  # of the largest values, relative
_N_SAMPLED = 2_000  # random points, of which the worst are added
_MOST_ADDED = 20  # of them for each row in a round
_MOST_FIRST = 200  # samples in the polytope with which rounds begin
# Violation that is added, relative to the outputs' spread: above the accuracy of a solver.
_VIOLATED = 1e-8
_SHARE_FOR_TRAINING = 0.6
# Shifts of the intercept, and their excess over the violation, relative to the intercept, for rounding.
_SHIFTS, _MARGIN = 4, 1e-13


@dataclass(frozen=True, eq=False)
class OutputBounds:
    """Largest values of ``A f(x) − b`` over a polytope.

    Attributes
    ----------
    bound : array of shape (r,)
        Proved: no point of the polytope has a larger value.
    value : array of shape (r,)
        Values that are reached.
    argmax : array of shape (r, d)
        Where they are reached.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.output_constraints import output_bounds
    >>> from convexrelu.reach import Polytope
    >>> network = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0])
    >>> found = output_bounds(network, [[1.0]], 0.5, domain=Polytope(lower=[-1.0], upper=[1.0]))  # relu(x) ≤ 0.5?
    >>> found.value, found.argmax, found.is_safe
    (array([0.5]), array([[1.]]), False)
    """

    bound: Array
    value: Array
    argmax: Array

    @property
    def is_safe(self) -> bool:
        """Whether it is proved that ``A f(x) ≤ b`` on the polytope."""
        return bool((self.bound <= 0).all())


@dataclass(frozen=True, eq=False, kw_only=True)
class PolytopeResult(ConstrainedResult):
    """A network trained under constraints on a polytope.

    Attributes
    ----------
    bounds : OutputBounds
        Largest values of ``A f(x) − b`` on the polytope.
    points : array of shape (q, d)
        Points at which the last program had the constraints.

    Examples
    --------
    >>> from convexrelu import TrainingProblem
    >>> from convexrelu.output_constraints import train_on_polytope
    >>> from convexrelu.reach import Polytope
    >>> problem = TrainingProblem([[-1.0], [0.0], [1.0]], [1.0, 0.0, 1.0], alpha=1e-2)
    >>> result = train_on_polytope(problem, [[1.0]], 0.5, domain=Polytope(lower=[-1.0], upper=[1.0]), random_state=0)
    >>> bool((result.bounds.bound <= 0).all())
    True
    """

    bounds: OutputBounds
    points: Array


def output_bounds(
    network: Any,
    A: ArrayLike,
    b: ArrayLike = 0.0,
    *,
    domain: Polytope,
    tol: float = _TOL,
    time_limit: float | None = None,
) -> OutputBounds:
    """Largest values of ``A f(x) − b`` over a polytope, with a proof.

    Parameters
    ----------
    network : TwoLayerNetwork, fitted estimator or torch ``Sequential``
        As for :func:`~convexrelu.reach.output_range`.
    A : array of shape (r, K)
    b : float or array of shape (r,)
    domain : Polytope
        Bounded.
    tol : float
        Relative difference of bound and value at which to stop.
    time_limit : float, optional
        Seconds; bounds are proved also when time runs out.

    Examples
    --------
    >>> from convexrelu.reach import Polytope
    >>> network = TwoLayerNetwork([[1.0]], [0.0], [[1.0], [2.0]], [0.0, 0.1])  # relu(x) ≤ 2 relu(x) + 0.1
    >>> found = output_bounds(network, [[1.0, -1.0]], domain=Polytope(lower=[-1.0], upper=[1.0]))
    >>> found.is_safe, found.value.round(6)
    (True, array([-0.1]))
    """
    deadline = deadline_after(time_limit)
    check_type("domain", domain, Polytope)
    rectifiers = as_rectifiers(network)
    A = finite_array("A", A, "r", rectifiers.n_outputs)
    sides = _sides(b, len(A))
    check_tolerance(tol)
    if domain.dim != rectifiers.n_features:
        raise ValueError(
            f"domain has {domain.dim} dimensions, but network takes {rectifiers.n_features} features"
        )
    over = domain_of(rectifiers, domain, deadline)
    found = [greatest(over, row, tol=tol, deadline=deadline) for row in A]
    points = [domain.ball.centre if one.point is None else one.point for one in found]
    bounds = np.array([one.bound for one in found])
    excess = np.nextafter(bounds - sides, np.inf)
    return OutputBounds(excess, np.array([one.value for one in found]) - sides, np.array(points))


def train_on_polytope(
    problem: TrainingProblem,
    A: ArrayLike,
    b: ArrayLike = 0.0,
    *,
    domain: Polytope,
    constraints: OutputConstraints | Sequence[OutputConstraints] = (),
    effort: str = "certify",
    tol: float = 1e-3,
    max_iter: int = 30,
    max_rounds: int = 20,
    time_limit: float | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> PolytopeResult:
    """Train a network with ``A f(x) ≤ b`` for all ``x`` of a polytope.

    Parameters
    ----------
    problem : TrainingProblem
        As for :func:`train_with_output_constraints`, with an intercept.
    A : array of shape (r, K)
    b : float or array of shape (r,)
        Some shift ``z`` of the outputs must lower all rows: ``A z < 0``.
    domain : Polytope
        Bounded.
    constraints : OutputConstraints or sequence of OutputConstraints
        Inequalities at further points.
    effort, tol, max_iter, random_state
        As for :func:`train_with_output_constraints`, in every round.
    max_rounds : int
        Largest number of trainings.
    time_limit : float, optional
        Seconds.

    Returns
    -------
    PolytopeResult
        Its network meets the constraints on the whole polytope, as its `bounds` prove, unless time ran out:
        see ``result.bounds.is_safe``. Its certificate compares with all networks that meet them.

    Raises
    ------
    ValueError
        For an invalid argument, an unbounded polytope, or rows of `A` that no shift lowers.

    Notes
    -----
    Every round trains with the constraints at some points, and adds those where :func:`output_bounds` finds the
    largest violation. A lower bound under the constraints at some points is one under those at all points. Remaining
    violations are repaired by a shift of the intercept, and bounds are computed for the shifted network.

    Examples
    --------
    >>> from convexrelu import TrainingProblem
    >>> from convexrelu.output_constraints import train_on_polytope
    >>> from convexrelu.reach import Polytope
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3)
    >>> box = Polytope(lower=[-2.0], upper=[2.0])
    >>> result = train_on_polytope(problem, [[1.0]], 0.8, domain=box, random_state=0)  # f ≤ 0.8 on [−2, 2]
    >>> result.bounds.is_safe, result.certificate.is_proof, result.certificate.relative_gap < 1e-3
    (True, True, True)
    """
    began = time.perf_counter()
    check_type("problem", problem, TrainingProblem)
    check_type("domain", domain, Polytope)
    check_limits(tol, max_iter, time_limit)
    check_number("max_rounds", max_rounds, numbers.Integral, 1)
    if domain.dim != problem.n_features:
        raise ValueError(
            f"domain has {domain.dim} dimensions, but X has {problem.n_features} features"
        )
    A = checked_rows(A, problem.n_outputs)
    sides, sets = _sides(b, len(A)), checked_sets(constraints, domain.dim, problem.n_outputs)
    every = np.vstack([A, *(part.A for part in sets)])
    if any(part.equal for part in sets):
        raise ValueError(
            "constraints has equations (equal=True), which a shift of the intercept would violate; use inequalities"
        )
    if not problem.fit_intercept:
        raise ValueError("problem has fit_intercept=False, expected True: the intercept is shifted")
    shift = inward(np.unique(every, axis=0))
    if shift is None:
        raise ValueError("A has rows that no shift z of the outputs lowers together, A z < 0")
    random = checked_random_state(random_state)
    deadline = math.inf if time_limit is None else began + time_limit
    rounds = _Rounds(problem, A, sides, domain, sets, shift, random, deadline)
    return rounds.run({"effort": effort, "tol": tol, "max_iter": max_iter}, max_rounds, deadline)


class _Rounds:
    """Rounds of training, and of looking for violations."""

    def __init__(
        self,
        problem: TrainingProblem,
        A: Array,
        b: Array,
        domain: Polytope,
        constraints: list[OutputConstraints],
        shift: Array,
        random: np.random.RandomState,
        deadline: float,
    ) -> None:
        self.problem, self.A, self.b, self.domain = problem, A, b, domain
        self.constraints, self.shift, self.random = constraints, shift, random
        self.condensed = problem.condensed()
        low, high = domain.box(deadline)
        drawn = random.uniform(low, high, (_N_SAMPLED, len(low)))
        self.sampled = drawn[domain.contains(drawn)]
        inside = problem.X[domain.contains(problem.X)][:_MOST_FIRST]
        first = inside if len(inside) else domain.ball.centre[None]
        self.points = np.unique(first, axis=0)

    def run(self, options: dict[str, Any], max_rounds: int, deadline: float) -> PolytopeResult:
        """The best network that is safe, or the last one; training is short until violations cost little."""
        tol, effort = options["tol"], "predict"
        best: PolytopeResult | None = None
        network: TwoLayerNetwork | None = None
        for k in range(max_rounds):
            effort = options["effort"] if k == max_rounds - 1 else effort
            trained = self._train(options | {"effort": effort, "start": network}, deadline)
            assert isinstance(trained.network, TwoLayerNetwork)
            network = trained.network
            found = self._bounds(network, deadline, 0.5)
            result = self._safe(trained, found, deadline)
            best = result if best is None else _better(best, result)
            cost = _relative_rise(trained.certificate.objective, result.certificate.objective)
            is_final = effort == options["effort"]
            ended = time.perf_counter() >= deadline or trained.status is Status.INTERRUPTED
            # Training that is short by wish does not close its gap.
            small = best.certificate.relative_gap <= tol or (
                options["effort"] == "predict" and cost <= tol / 4
            )
            if ended or (is_final and best.bounds.is_safe and small):
                break
            fresh = self._add(found, network)
            if cost <= tol / 4 or not fresh:
                if is_final and not fresh:
                    break
                effort = options["effort"]
        assert best is not None
        return replace(best, status=_status(best, trained.status, tol))

    def _train(self, options: dict[str, Any], deadline: float) -> ConstrainedResult:
        own = OutputConstraints(self.points, self.A, self.b)
        options = options | {
            "tol": options["tol"] / 2,
            "time_limit": _part_before(deadline, _SHARE_FOR_TRAINING),
            "random_state": self.random,
        }
        return train_with_output_constraints(self.problem, [own, *self.constraints], **options)

    def _bounds(self, network: Any, deadline: float, share: float = 1.0) -> OutputBounds:
        limit = _part_before(deadline, share)
        return output_bounds(network, self.A, self.b, domain=self.domain, time_limit=limit)

    def _safe(
        self, trained: ConstrainedResult, found: OutputBounds, deadline: float
    ) -> PolytopeResult:
        """The network with its intercept shifted until it is safe, with its certificate."""
        assert isinstance(trained.network, TwoLayerNetwork)
        network, bounds = self._shifted(trained.network, found, deadline)
        objective = self.condensed.objective(network)
        if math.isfinite(deadline):  # bounds that were not finished can shift it far
            constant = self.condensed.zero_network()
            constant, its_bounds = self._shifted(
                constant, self._bounds(constant, deadline), deadline
            )
            safe = its_bounds.is_safe and not violation_of(constant, self.constraints) > 0
            if safe and self.condensed.objective(constant) < objective:
                network, bounds = constant, its_bounds
                objective = self.condensed.objective(constant)
        certificate = replace(trained.certificate, objective=objective)
        shared = {entry.name: getattr(trained, entry.name) for entry in fields(trained)}
        shared |= {"network": network, "certificate": certificate}
        own = OutputConstraints(self.points, self.A, self.b)
        shared["violation"] = violation_of(network, [own, *self.constraints])
        return PolytopeResult(**shared, bounds=bounds, points=self.points)

    def _shifted(
        self, network: TwoLayerNetwork, bounds: OutputBounds, deadline: float
    ) -> tuple[TwoLayerNetwork, OutputBounds]:
        """The network with a lower intercept, until its bounds are safe, and these."""
        for _ in range(_SHIFTS):
            above = float((bounds.bound / norms(self.A)).max())
            if above <= 0:
                break
            size = float(np.abs(network.output_bias).max()) + above
            moved = network.output_bias + (above + _MARGIN * size) * self.shift
            network = network.with_output_bias(moved)
            bounds = self._bounds(network, deadline)
        return network, bounds

    def _add(self, found: OutputBounds, network: Any) -> bool:
        """Add the points of the largest violations; False if there are none that are new."""
        outputs = network.forward(self.sampled)
        spread = np.ptp(outputs, axis=0).max() if len(outputs) else 0.0
        least = _VIOLATED * spread + _MARGIN * np.abs(outputs).max(initial=0.0)
        least = least * np.asarray(norms(self.A))
        above = found.value > least
        worst = list(found.argmax[above])
        for row, limit in zip((outputs @ self.A.T - self.b).T, least, strict=True):
            order = np.argsort(-row, kind="stable")[:_MOST_ADDED]
            worst += list(self.sampled[order[row[order] > limit]])
        before = len(self.points)
        self.points = np.unique(np.vstack([self.points, *(x[None] for x in worst)]), axis=0)
        return len(self.points) > before


def _sides(b: ArrayLike, n_rows: int) -> Array:
    """Right-hand sides of shape (r,), from a number or an array."""
    sides = finite_array("b", b)
    if sides.shape not in ((), (n_rows,)):
        raise ValueError(f"b has shape {sides.shape}, expected a number or ({n_rows},)")
    return np.array(np.broadcast_to(sides, n_rows))


def _status(best: PolytopeResult, trained: Status, tol: float) -> Status:
    """The status of the best network, given that of the last training, by which its bound is."""
    if trained is Status.INTERRUPTED:
        return trained
    certain = best.certificate.is_proof or trained is Status.CONVERGED
    if certain and best.bounds.is_safe and best.certificate.relative_gap <= tol:
        return Status.CONVERGED
    # That of training on the points alone says nothing about the network that is shifted.
    return Status.STALLED if best.status is Status.CONVERGED else best.status


def _better(before: PolytopeResult, now: PolytopeResult) -> PolytopeResult:
    """The safe network of the smaller objective, with the better bounds of both certificates."""
    keys = [(not one.bounds.is_safe, one.certificate.objective) for one in (before, now)]
    chosen = before if keys[0] < keys[1] else now
    # Later bounds are for more points.
    certificate = replace(now.certificate, objective=chosen.certificate.objective)
    certificate = certificate.strengthened(before.certificate.proved_lower_bound)
    return replace(chosen, certificate=certificate, points=now.points)


def _relative_rise(before: float, after: float) -> float:
    """Rise of an objective, relative to what it was; that may be zero, as of constant targets."""
    if before > 0:
        return after / before - 1
    return math.inf if after > before else 0.0


def _part_before(deadline: float, share: float) -> float | None:
    if math.isinf(deadline):
        return None
    return max(share * (deadline - time.perf_counter()), 0.0)
