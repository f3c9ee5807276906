"""Dual side of the cutting-plane loop: the best dual point, and the proved bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import Pricing, no_finer
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import OracleReport
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["DualPoint", "DualState"]


@dataclass(frozen=True, eq=False)
class DualPoint:
    """A dual point and the bounds on ``M(v)``."""

    problem: TrainingProblem
    v: Array
    report: OracleReport
    verified: bool
    deadline: float = math.inf
    pricing: Pricing | None = None

    @cached_property
    def bounds(self) -> Certificate:
        """Certificate that only lacks an objective: every lower bound that follows from the point."""
        pricing = self.pricing or Pricing(self.problem)
        return pricing.certificate(0.0, self.v, self.report, deadline=self.deadline)

    def at_least(self, value: float) -> DualPoint:
        """The same, given that ``M(v)`` is at least this; a proof has already taken that into account."""
        if self.report.is_proof or not value > self.report.bound:
            return self
        return replace(self, report=replace(self.report, bound=value))

    def after(self, earlier: DualPoint) -> DualPoint:
        """The same, with what an earlier search at this point has found; their starts are counted together."""
        report, before = self.report, earlier.report
        if report.is_proof:
            return self
        if before.is_proof:  # such as a relaxation, where there was no time for a search
            return replace(
                self, report=replace(report, proved_bound=min(report.proved_bound, before.bound))
            )
        report = replace(
            report,
            bound=max(report.bound, before.bound),
            proved_bound=min(report.proved_bound, before.proved_bound),
            n_starts=report.n_starts + before.n_starts,
        )
        return replace(self, report=report, verified=self.verified or earlier.verified)


@dataclass(eq=False)
class DualState:
    """The best dual point of all rounds, the tightest proof, and the best proved lower bound.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero.
    deadline : float
        Value of :func:`time.perf_counter` at which closed-form bounds should end.
    resolution : float
        Relative gap below which estimates claim nothing: searches are as deep as that needs, no deeper.
    pricing : Pricing, optional
        That of a class of networks.
    """

    problem: TrainingProblem
    deadline: float = math.inf
    resolution: float = 0.0
    pricing: Pricing | None = None
    best: DualPoint | None = field(default=None, init=False)
    proved: float = field(default=0.0, init=False)  # the best lower bound
    _proof: Certificate | None = field(default=None, init=False)

    @cached_property
    def _pricing(self) -> Pricing:
        return self.pricing or Pricing(self.problem)

    def begin(self, objective: float, v: Array) -> Certificate:
        """Certificate of an objective with the closed-form bound, before any pricing."""
        report = self._pricing.relaxation(v, deadline=self.deadline)
        found = self._pricing.certificate(objective, v, report)
        if self._proof is None or found.lower_bound > self._proof.lower_bound:
            self._proof = found
        self.proved = max(self.proved, found.proved_lower_bound)
        return self.begun(objective)

    def begun(self, objective: float) -> Certificate:
        """Certificate of an objective with the best proof so far, of which :meth:`begin` finds the first."""
        assert self._proof is not None
        return replace(self._proof, objective=objective)

    def consider(self, found: DualPoint, network: TwoLayerNetwork) -> None:
        """Keep the better dual point. New witnesses also tighten the bound at the old point.

        A search that time cut short does only that, besides what is proved.
        """
        best, found = self.best, replace(found, deadline=self.deadline, pricing=self._pricing)
        if best is None:
            self.best = found
        elif best.v is found.v and found.report.finished:
            self.best = found.after(best)
        else:
            best = self._seen(best, network, found.report)
            counts = found.report.finished or found.report.is_proof
            points = (found, best) if counts else (best,)
            self.best = max(points, key=lambda point: point.bounds.lower_bound)

    def meet(self, network: TwoLayerNetwork) -> None:
        """Tighten the bound at the best point by the neurons of a network, which then is not below an estimate."""
        if self.best is not None:
            self.best = self._seen(self.best, network)

    def _seen(
        self, point: DualPoint, network: TwoLayerNetwork, found: OracleReport | None = None
    ) -> DualPoint:
        """A point with what the neurons of a network, and the witnesses of a report, show there."""
        return point.at_least(self._pricing.largest(point.v, network, found))

    def prove(self, found: DualPoint, wanted: float) -> float:
        """Keep a proof, and return its bound. If that is `wanted` it is the best point, though others promise more."""
        found = replace(found, deadline=self.deadline, pricing=self._pricing)
        bounds, best = found.bounds, self.best
        self.proved = max(self.proved, bounds.proved_lower_bound)
        if self._proof is None or bounds.lower_bound > self._proof.lower_bound:
            self._proof = bounds
        is_looser = best is None or best.report.is_proof
        if is_looser and best is not None:
            is_looser = best.bounds.lower_bound < bounds.lower_bound
        if is_looser or bounds.lower_bound >= wanted:
            self.best = found
        return bounds.lower_bound

    def certified(self, objective: float, network: TwoLayerNetwork) -> Certificate:
        """Certificate of a network with all that is known, whether or not a point has been priced."""
        self.meet(network)
        return self.begun(objective) if self.best is None else self.certify(objective)

    def certify(self, objective: float) -> Certificate:
        """Certificate of an objective at the best dual point."""
        assert self.best is not None
        certificate = replace(self.best.bounds, objective=objective)
        if not certificate.is_proof:
            certificate = no_finer(certificate, self.resolution)
        self.proved = max(self.proved, certificate.proved_lower_bound)
        best = self._proof
        if certificate.is_proof and (best is None or certificate.lower_bound > best.lower_bound):
            best = self._proof = certificate
        if best and (certificate.is_proof or best.lower_bound >= certificate.lower_bound):
            certificate = replace(best, objective=objective)
        return certificate.strengthened(self.proved)
