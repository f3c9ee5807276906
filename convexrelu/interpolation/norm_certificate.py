"""Certificates for interpolating networks: their norm, their error on the targets, and a bound from the dual."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import price
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle, OracleReport
from convexrelu.oracles.for_problem import relaxation_for
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.status import Status

__all__ = ["MET", "Found", "dual_feasible", "miss", "norm", "norm_certificate", "with_margin"]


# A network, the certificate of its norm, the number of programs solved, and the final status.
Found = tuple[TwoLayerNetwork, Certificate, int, Status]

# Largest error on a target, in units of their spread, that counts as interpolation.
MET = 1e-6
_EPS = float(np.finfo(np.float64).eps)
# A margin of one, up to the accuracy of a solver.
_NEARLY = 1 - 1e-4
# Fraction of the tolerance that a proof must reach.
_SHARE_OF_TOL = 0.95


def miss(problem: TrainingProblem, network: TwoLayerNetwork) -> float:
    """Largest error on the targets, in units of their spread."""
    outputs = network.predict(problem.X)
    if problem.loss.is_hinge:
        return float(np.maximum(1.0 - problem.y * outputs, 0.0).max())
    return float(np.abs(outputs - problem.y).max()) / (problem.units().tau or 1.0)


def with_margin(problem: TrainingProblem, network: TwoLayerNetwork) -> TwoLayerNetwork:
    """Rescale so that the margin is at least one; networks for exact targets are returned unchanged."""
    if not problem.loss.is_hinge:
        return network
    margin = float((problem.y * network.predict(problem.X)).min())
    if not _NEARLY <= margin < 1:
        return network
    scaled = replace(network, output_weights=network.output_weights / margin)
    return problem.balanced(scaled.with_output_bias(network.output_bias / margin))


def norm(problem: TrainingProblem, network: TwoLayerNetwork) -> float:
    """``Σ_j ‖w̃_j‖ |a_j|``, the smallest penalty over rescalings of the neurons."""
    return problem.balanced(network).penalty(free_bias=problem.free_bias)


def norm_certificate(
    problem: TrainingProblem,
    network: TwoLayerNetwork,
    oracle: Oracle,
    v: Array,
    tol: float,
    deadline: float,
) -> tuple[Certificate, OracleReport]:
    """The norm with the bound ``vᵀy/M(v)``, and the oracle's report, which may stop where the gap is closed."""
    size, products = norm(problem, network), v * problem.y
    value = math.fsum(products) - 4 * _EPS * math.fsum(np.abs(products))
    value = max(value, 0.0) * (1 - 8 * _EPS)
    level = value / (size * (1 - _SHARE_OF_TOL * tol)) if size > 0 else 0.0
    report = price(problem, network, oracle, v, level=level, deadline=deadline)
    bound = value / report.bound if report.bound > 0 else 0.0
    relaxed = value / (relaxation_for(problem)(v).bound or math.inf)
    proved = bound if report.is_proof else max(relaxed, value / report.proved_bound)
    certificate = Certificate(
        size, bound, "global", report.method, report.is_proof, proved, report.n_starts
    )
    return certificate, report


def dual_feasible(problem: TrainingProblem, v: Array) -> Array:
    """A point near ``v``, up to a positive factor, with the signs and the sum that the dual requires."""
    # The domain of the hinge loss ends at the weights; here only its signs count.
    size = float(np.abs(v / problem.weights).max()) or 1.0
    return problem.feasible(v * (0.5 / size))
