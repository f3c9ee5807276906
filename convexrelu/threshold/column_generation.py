"""Column generation for threshold networks: price patterns, and solve the lasso over those that were found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from convexrelu._utils.typing import Array, Masks
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.whole_search import WholeSearch
from convexrelu.column_generation import ColumnGeneration
from convexrelu.networks.threshold import ThresholdNetwork
from convexrelu.oracles.base import Oracle, OracleReport
from convexrelu.patterns import ActivationPatterns
from convexrelu.patterns.activation import row_keys
from convexrelu.problem.dual import lower_bound
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result
from convexrelu.results.status import Status
from convexrelu.threshold.lasso import solve_lasso
from convexrelu.threshold.oracles import threshold_relaxation
from convexrelu.threshold.units import Units

__all__ = ["LassoByPatterns"]


# Columns per round: as many as there are units, within these limits; as in the cutting-plane loop.
_MIN_COLUMNS, _MAX_COLUMNS = 12, 100


@dataclass(eq=False)
class LassoByPatterns(ColumnGeneration[Units, ActivationPatterns]):
    """Column generation for the lasso over patterns.

    Parameters
    ----------
    problem : TrainingProblem
        Squared error, one output.
    oracle : Oracle
        Asked in every round.
    thorough : Oracle or None
        Asked where a search finds nothing.
    tol, max_iter, time_limit, started, progress, settles
        As for :class:`~convexrelu.column_generation.ColumnGeneration`, by keyword.
    """

    problem: TrainingProblem
    oracle: Oracle
    thorough: Oracle | None

    _units: Units = field(init=False)  # of the last lasso
    _searched: WholeSearch = field(default_factory=WholeSearch, init=False)

    def _begin(self) -> None:
        self._units = self._best = Units.none(self.problem)

    def _certify_unpriced(self) -> Certificate:
        assert self._certificate is not None
        return replace(self._certificate, objective=self._best.objective(self.problem))

    def _solve(self, columns: ActivationPatterns) -> tuple[Status, bool]:
        units = self._units.with_columns(columns.masks, columns.gates)
        self._units = solve_lasso(self.problem, units, self._deadline())
        now, before = (units.objective(self.problem) for units in (self._units, self._best))
        if now < before * (1 - 1e-12):
            self._best = self._units
        return Status.CONVERGED, True

    def _price(self) -> tuple[Certificate, ActivationPatterns]:
        """Certify the best units and return the columns that violate the dual constraints most."""
        v = self.problem.dual_point(self._units.outputs())
        report = self._ask(self.oracle, v)
        certificate = self._certify(v, report, self._certificate)
        fresh = self._new_columns(report)
        done = not fresh or certificate.relative_gap <= self.tol
        if done and not certificate.is_proof and self.thorough is not None:
            # A search that finds no more cuts is checked by a second one, from more starts.
            second = self._ask(self.thorough, v)
            report = replace(second, bound=max(report.bound, second.bound))
            certificate = self._certify(v, report, certificate)
            fresh = self._new_columns(report)
        return certificate, ActivationPatterns(report.masks[fresh], report.directions[fresh])

    def _ask(self, oracle: Oracle, v: Array) -> OracleReport:
        """Price a dual point; the current columns are among the directions of a search."""
        report = oracle(v, deadline=self._deadline())
        if report.is_proof:
            return report
        own = float(np.abs(self._units.masks @ v).max(initial=0.0))
        return replace(report, bound=max(report.bound, own))

    def _new_columns(self, report: OracleReport) -> list[int]:
        """Violated witnesses that are not yet columns, strongest first."""
        known = set(self._keys(self._units.masks))
        fresh = []
        for i, key in enumerate(self._keys(report.masks)):
            if report.values[i] > self.problem.alpha * (1 + 1e-12) and key not in known:
                known.add(key)
                fresh.append(i)
        return fresh[: min(max(_MIN_COLUMNS, self._units.width), _MAX_COLUMNS)]

    def _keys(self, masks: Masks) -> list[bytes]:
        """Equal for columns that can replace each other: with an intercept, a column and its complement can."""
        return row_keys(masks ^ masks[:, :1] if self.problem.fit_intercept else masks).tolist()

    def _certify(self, v: Array, report: OracleReport, before: Certificate | None) -> Certificate:
        """Certificate of the best units; for proofs, the tightest so far."""
        v, report = self._whole(v, report)
        certificate = _certificate(self.problem, self._best.objective(self.problem), v, report)
        if before is None:
            return certificate
        proved = max(before.proved_lower_bound, certificate.proved_lower_bound)
        if before.is_proof and before.lower_bound > certificate.lower_bound:
            certificate = replace(before, objective=certificate.objective)
        return certificate.strengthened(proved)

    def _whole(self, v: Array, report: OracleReport) -> tuple[Array, OracleReport]:
        """A dual point and a report that count; without a whole search, the report is the relaxation, a proof."""

        def reached(v: Array) -> float:
            masks = np.vstack([report.masks, self._units.masks, self._best.masks])
            return float(np.abs(masks @ v).max(initial=0.0))

        v, counts = self._searched.or_last(v, report, reached)
        if not (counts.is_proof or counts.finished):
            closed = counts.proved_bound
            counts = replace(counts, bound=closed, is_proof=True, method="relaxation", n_starts=0)
        return v, counts

    def _result(self, best: Units, certificate: Certificate, status: Status) -> Result:
        """The network of the units, with the objective that it has in float64."""
        network = self._network_of(best)
        if network is None:
            network, status = best.network(self.problem, centred=False), Status.INTERRUPTED
        # A gate that is not in a centre may be so close to a hyperplane that a sample is on the other side of it. The
        # network is then not one of the program's, which can only have better ones than the program's bound says.
        penalty = self.problem.alpha * network.penalty()
        objective = self.problem.data_fit(network.predict(self.problem.X)) + penalty
        certificate = replace(certificate, objective=objective)
        if certificate.scope == "program":
            certificate = replace(certificate, lower_bound=min(certificate.lower_bound, objective))
        if status is Status.CONVERGED and certificate.relative_gap > self.tol:
            status = Status.INACCURATE
        status = status.beside(certificate.relative_gap, self.tol, is_proof=certificate.is_proof)
        self._history[-1] = replace(
            self._history[-1],
            objective=objective,
            lower_bound=certificate.lower_bound,
            relative_gap=certificate.relative_gap,
        )
        return Result(network, certificate, status, self._history, self._n_iter)

    def _network_of(self, units: Units) -> ThresholdNetwork | None:
        """The network; None if the search for centres of cells is interrupted."""
        try:
            return units.network(self.problem, deadline=self._deadline())
        except KeyboardInterrupt:
            return None

    @property
    def _n_columns(self) -> int:
        return len(self._units.masks)


def _certificate(
    problem: TrainingProblem, objective: float, v: Array, report: OracleReport
) -> Certificate:
    """Like :func:`convexrelu.certificates.certificate_of`, with the relaxation of threshold units and the report."""
    bound, closed = (
        lower_bound(problem, v, size) for size in (report.bound, threshold_relaxation(v))
    )
    violation = max(report.bound / problem.alpha - 1.0, 0.0)
    if not report.is_proof and closed >= bound - 1e-9 * abs(bound):
        return Certificate(objective, closed, "global", "relaxation", True, closed, 0, violation)
    if report.is_proof and report.scope == "global":
        bound = closed = max(bound, closed)
    return Certificate(
        objective,
        bound,
        report.scope,
        report.method,
        report.is_proof,
        closed,
        report.n_starts,
        violation,
    )
