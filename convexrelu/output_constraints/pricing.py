"""Prices and certificates of dual points with multipliers, see :mod:`convexrelu.output_constraints.problem`."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import Pricing
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleReport
from convexrelu.oracles.base import largest_value
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.output_constraints.problem import ConstrainedProblem

__all__ = ["SCOPE", "PricingOfRows", "directions_of"]

SCOPE = "output_constraints"


class PricingOfRows(Pricing):
    """Prices on samples and points; dual points are those of :class:`ConstrainedProblem`."""

    def __init__(self, problem: ConstrainedProblem) -> None:
        super().__init__(problem.base)
        self.constrained = problem
        self._closed_form = RelaxationOracle(problem.design, problem.base.slope)

    def relaxation(self, v: Array, *, deadline: float = math.inf) -> OracleReport:
        """The closed-form bound on ``M(W)``."""
        return self._closed_form(self.constrained.stacked(v)[0], deadline=deadline)

    def largest(
        self, v: Array, network: TwoLayerNetwork, found: OracleReport | None = None
    ) -> float:
        """A value that ``M(W)`` reaches: the largest at the neurons of a network and the witnesses of a report."""
        problem = self.constrained
        directions = directions_of(problem, network.prune())
        if found is not None:
            directions = np.vstack([directions, found.directions[found.values > 0]])
        return largest_value(problem.design, problem.stacked(v)[0], directions, problem.base.slope)

    def certificate(
        self, objective: float, v: Array, report: OracleReport, *, deadline: float = math.inf
    ) -> Certificate:
        """Certificate over all networks that meet the constraints."""
        problem = self.constrained
        bound = problem.lower_bound(v, report.bound)
        violation = max(float(report.bound) / problem.base.alpha - 1.0, 0.0)
        if report.is_proof:
            return Certificate(objective, bound, SCOPE, report.method, True, bound, 0, violation)
        relaxed = self.relaxation(v, deadline=deadline)
        closed = problem.lower_bound(v, relaxed.bound)
        if closed >= bound - 1e-9 * abs(bound):
            return Certificate(objective, closed, SCOPE, relaxed.method, True, closed, 0, violation)
        proved = max(closed, problem.lower_bound(v, report.proved_bound))
        return Certificate(
            objective, bound, SCOPE, report.method, False, proved, report.n_starts, violation
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
        """Price a dual point, for the certificate of a network whose neurons count as found."""
        report = oracle(self.constrained.stacked(v)[0], level=level, deadline=deadline)
        if report.is_proof:
            return report
        if not report.finished:
            return replace(self.relaxation(v, deadline=deadline), finished=False)
        return replace(report, bound=max(report.bound, self.largest(v, network)))


def directions_of(problem: ConstrainedProblem, network: TwoLayerNetwork) -> Array:
    """Inner weights as rows for the design."""
    return network.augmented_weights() if problem.base.hidden_bias else network.hidden_weights
