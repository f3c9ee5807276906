"""What training returns where there is no time to begin: the better of a start and the best constant."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from convexrelu.certificates.pricing import certificate_without_pricing
from convexrelu.networks.gated import GatedNetwork
from convexrelu.networks.threshold import ThresholdNetwork
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Progress, Result
from convexrelu.results.status import Status

__all__ = ["kept_starts", "untrained"]

_GATED = ("gated_relu", "threshold")


def untrained(
    problem: TrainingProblem,
    start: TwoLayerNetwork | str | None,
    *,
    began: float,
    tol: float,
    progress: Progress | None = None,
) -> Result:
    """The start or the best constant, with the bound of the dual point zero.

    Parameters
    ----------
    problem : TrainingProblem
    start : TwoLayerNetwork, str or None
        A network, or nothing to begin with.
    began : float
        Value of :func:`time.perf_counter` when training began.
    tol, progress
        As for :func:`~convexrelu.train`.
    """
    networks = [problem.zero_network(), *kept_starts(problem, start)]
    objectives = [problem.objective(network) for network in networks]
    best = min(range(len(networks)), key=objectives.__getitem__)
    result = Result.of_one_program(
        networks[best] if problem.activation not in _GATED else _without_gates(problem),
        certificate_without_pricing(problem, objectives[best]),
        Status.TIME_LIMIT,
        tol=tol,
        seconds=time.perf_counter() - began,
        n_blocks=networks[best].width,
        progress=progress,
    )
    return replace(result, solver_status=Status.CONVERGED)  # no program has failed


def kept_starts(
    problem: TrainingProblem, start: TwoLayerNetwork | str | None
) -> list[TwoLayerNetwork]:
    """The start as a network of the problem; none if it is no network, or has hidden biases where the problem has none.

    Examples
    --------
    >>> problem = TrainingProblem([[0.0], [1.0]], [0.0, 1.0], alpha=0.1, hidden_bias=False)
    >>> kept_starts(problem, TwoLayerNetwork([[1.0]], [0.5], [[1.0]], [0.0]))
    []
    """
    if not isinstance(start, TwoLayerNetwork):
        return []
    belongs = bool(problem.hidden_bias) or not start.hidden_bias.any()
    return [problem.balanced(start)] if belongs else []


def _without_gates(problem: TrainingProblem) -> GatedNetwork | ThresholdNetwork:
    """The best constant as a network of gates, without any."""
    intercept = float(problem.zero_network().output_bias[0])
    bias = bool(problem.hidden_bias)
    gates = np.zeros((0, problem.n_features + bias))
    if problem.activation == "threshold":
        return ThresholdNetwork(gates, np.zeros(0), intercept, bias)
    return GatedNetwork(gates, gates, intercept, bias)
