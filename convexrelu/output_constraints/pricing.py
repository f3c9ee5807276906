"""Prices and certificates of dual points with multipliers, see :mod:`convexrelu.output_constraints.problem`."""

from __future__ import annotations

import math

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.certificates.pricing import Pricing
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import OracleReport
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
        return self._closed_form(self.on_rows(v), deadline=deadline)

    def largest(
        self, v: Array, network: TwoLayerNetwork, found: OracleReport | None = None
    ) -> float:
        """A value that ``M(W)`` reaches: the largest at the neurons of a network and the witnesses of a report."""
        problem = self.constrained
        directions = directions_of(problem, network.prune())
        if found is not None:
            directions = np.vstack([directions, found.directions[found.values > 0]])
        return largest_value(problem.design, self.on_rows(v), directions, problem.base.slope)

    def on_rows(self, v: Array) -> Array:
        """``W``, on samples and points."""
        return self.constrained.stacked(v)[0]

    def lower_bound(self, v: Array, bound: float) -> float:
        """Lower bound on the optimum among networks that meet the constraints."""
        return self.constrained.lower_bound(v, bound)

    def scope_of(self, report: OracleReport) -> str:
        """All networks that meet the constraints."""
        return SCOPE


def directions_of(problem: ConstrainedProblem, network: TwoLayerNetwork) -> Array:
    """Inner weights as rows for the design."""
    return network.augmented_weights() if problem.base.hidden_bias else network.hidden_weights
