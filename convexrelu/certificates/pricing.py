"""Price a dual point with an oracle, and certify a network with its report."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import PROVED_SCOPES, Certificate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleReport
from convexrelu.oracles.base import largest_value
from convexrelu.oracles.for_problem import relaxation_for
from convexrelu.oracles.reductions.free_bias import free_bias_factor
from convexrelu.problem.dual import lower_bound
from convexrelu.problem.training_problem import TrainingProblem

__all__ = [
    "CLAIMED_SHARE",
    "Pricing",
    "certificate_in_closed_form",
    "certificate_of",
    "certificate_without_pricing",
    "no_finer",
    "price",
    "price_and_certify",
]

# Fraction of the tolerance that an estimate claims at least, which costs nothing. It prevents little: of 8 estimates on
# correlated data, 6 were refuted, with floors of 0, 0.1, 0.2 and 0.5, see `benchmarks/results/estimates.csv`.
CLAIMED_SHARE = 0.2
_OF_WITNESSES = ("masks", "signs", "directions", "values")


class Pricing:
    """How the dual points of a problem are priced and certified: over all networks here, over a class in subclasses.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero.
    """

    def __init__(self, problem: TrainingProblem) -> None:
        self.problem = problem

    def relaxation(self, v: Array, *, deadline: float = math.inf) -> OracleReport:
        """The closed-form bound on ``M(v)``; the last answer is remembered."""
        return self._relaxation(v, deadline=deadline)

    @cached_property
    def _relaxation(self) -> Oracle:
        return relaxation_for(self.problem)

    def largest(
        self, v: Array, network: TwoLayerNetwork, found: OracleReport | None = None
    ) -> float:
        """A value that ``M(v)`` reaches: the largest at the neurons of a network, and at the witnesses of a report."""
        problem = self.problem
        directions = problem.directions(network.prune())
        if found is not None:
            directions = np.vstack([directions, found.directions[found.values > 0]])
        return largest_value(problem.design, v, directions, problem.slope)

    def on_rows(self, v: Array) -> Array:
        """The dual point on the rows that oracles price."""
        return v

    def lower_bound(self, v: Array, bound: float) -> float:
        """Lower bound on the optimum, from a bound on ``M(v)``."""
        return lower_bound(self.problem, v, bound)

    def scope_of(self, report: OracleReport) -> str:
        """With which networks a certificate by this report compares."""
        return report.scope

    def certificate(
        self, objective: float, v: Array, report: OracleReport, *, deadline: float = math.inf
    ) -> Certificate:
        """See :func:`certificate_of`."""
        bound, scope = self.lower_bound(v, report.bound), self.scope_of(report)
        violation = max(float(report.bound) / self.problem.alpha - 1.0, 0.0)
        if report.is_proof:
            proved = bound if scope in PROVED_SCOPES else 0.0
            return Certificate(objective, bound, scope, report.method, True, proved, 0, violation)
        relaxed = self.relaxation(v, deadline=deadline)
        closed = self.lower_bound(v, relaxed.bound)
        if closed >= bound - 1e-9 * abs(bound):
            widest = self.scope_of(relaxed)
            return Certificate(
                objective, closed, widest, relaxed.method, True, closed, 0, violation
            )
        proved = max(closed, self.lower_bound(v, report.proved_bound))
        return Certificate(
            objective, bound, scope, report.method, False, proved, report.n_starts, violation
        )

    def report(
        self,
        network: TwoLayerNetwork,
        oracle: Oracle,
        v: Array,
        *,
        level: float = 0.0,
        deadline: float = math.inf,
    ) -> OracleReport:
        """See :func:`price`.

        A search that time cut short is no estimate: the bound is that in closed form, a proof. Its witnesses stay, for
        what they show about other dual points.
        """
        report = oracle(self.on_rows(v), level=level, deadline=deadline)
        if report.is_proof:
            return report
        if not report.finished:
            relaxed = self.relaxation(v, deadline=deadline)
            found = {part: getattr(report, part) for part in _OF_WITNESSES}
            return replace(relaxed, finished=False, **found)
        reached = self.largest(v, network)
        if self.problem.free_bias:
            reached *= free_bias_factor(self.problem.design)
        return replace(report, bound=max(report.bound, reached))


def certificate_of(
    problem: TrainingProblem,
    objective: float,
    v: Array,
    report: OracleReport,
    *,
    deadline: float = math.inf,
) -> Certificate:
    """Certificate from an objective, a dual point and an oracle's report on it.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero.
    objective : float
        Primal objective of the certified point.
    v : array of shape (n,)
        Dual point, normally ``problem.dual_point(outputs)``.
    report : OracleReport
        Bound on ``M(v)``.
    deadline : float
        Value of :func:`time.perf_counter` at which the relaxation should end.

    Notes
    -----
    A search's report is combined with the closed-form relaxation: where that gives the same
    bound, the result is a proof after all (the zero network at large `alpha`).
    """
    return Pricing(problem).certificate(objective, v, report, deadline=deadline)


def certificate_without_pricing(problem: TrainingProblem, objective: float) -> Certificate:
    """Certificate of an objective with the bound of the dual point zero: losses are not negative."""
    lower = problem.dual(problem.no_outputs())
    return Certificate(objective, lower, "global", "relaxation", True, lower)


def certificate_in_closed_form(
    problem: TrainingProblem, network: TwoLayerNetwork, *, deadline: float = math.inf
) -> Certificate:
    """A proof that takes hardly more time than the objective, with a loose bound: that of the relaxation.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero.
    network : TwoLayerNetwork
    deadline : float
        Value of :func:`time.perf_counter` at which the relaxation should end.
    """
    v = problem.dual_point(network.predict(problem.X))
    report = relaxation_for(problem)(v, deadline=deadline)
    return certificate_of(problem, problem.objective(network), v, report)


def no_finer(certificate: Certificate, resolution: float) -> Certificate:
    """The same with a relative gap of at least `resolution`, unless more is proved."""
    highest = certificate.objective - resolution * abs(certificate.objective)
    lower = max(min(certificate.lower_bound, highest), certificate.proved_lower_bound)
    return replace(certificate, lower_bound=lower)


def price(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    oracle: Oracle,
    v: Array,
    *,
    level: float = 0.0,
    deadline: float = math.inf,
) -> OracleReport:
    """Price a dual point with an oracle, for the certificate of a network.

    Where the oracle searches, the network's own neurons are among its directions: with them no estimate can be
    above the objective of the network (weak duality over these neurons). A search without time is worth less
    than a relaxation, which needs none.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero.
    network : TwoLayerNetwork
    oracle : Oracle
    v : array of shape (n,)
    level, deadline : float
        As for :class:`~convexrelu.oracles.Oracle`.
    """
    return Pricing(problem).report(network, oracle, v, level=level, deadline=deadline)


def price_and_certify(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    oracle: Oracle,
    v: Array | None = None,
    *,
    objective: float | None = None,
    deadline: float = math.inf,
) -> tuple[Certificate, OracleReport]:
    """Certificate of a network, at the dual point of its own outputs or a better one.

    A bound is valid at any dual point. A program's solution gives a sharper one than the network
    recovered from it, in which blocks that are almost zero are left out. The objective is computed unless it is known.
    """
    v = problem.dual_point(network.predict(problem.X)) if v is None else v
    report = price(problem, network, oracle, v, deadline=deadline)
    objective = problem.objective(network) if objective is None else objective
    return certificate_of(problem, objective, v, report, deadline=deadline), report
