"""Dropping neurons after training, as the parameter `minimal` says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from convexrelu._utils.threads import one_blas_thread
from convexrelu.estimators.constraints import neuron_class_of
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set import compact, minimal
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result
from convexrelu.results.status import Status

__all__ = ["must_be_minimal", "with_fewer_neurons"]

# Products of a singular value decomposition that take a few tenths of a second.
_CHEAP = 1e8
# Part of the gap, and of `tol`, by which merging may raise the objective.
_PART_OF_GAP = 0.01
# Others are left as they were when training had to end.
_ENDED = (Status.CONVERGED, Status.SETTLED)


def must_be_minimal(estimator: Any) -> bool:
    """Whether neurons are to be dropped whatever it costs."""
    return estimator.minimal not in ("auto", False)


def with_fewer_neurons(
    estimator: Any, result: Result, problem: TrainingProblem, deadline: float
) -> Result:
    """The result with fewer neurons, if the estimator asks for it; with those that are left, if interrupted."""
    try:
        return _dropped(estimator, result, problem, deadline)
    except KeyboardInterrupt:
        return replace(result, status=Status.INTERRUPTED)


def _dropped(estimator: Any, result: Result, problem: TrainingProblem, deadline: float) -> Result:
    if result.status is Status.INTERRUPTED or estimator.minimal is False:
        return result
    forced = must_be_minimal(estimator)
    if not (forced or _may_be_compact(estimator, result)):
        return result
    network = result.network
    assert isinstance(network, TwoLayerNetwork)
    problem = problem.condensed()  # whose rows have an order of their own
    with one_blas_thread():
        if forced:
            return _with_network(result, minimal(network, problem, deadline=deadline), problem)
        if _is_cheap(network, problem.n_samples):
            return _compact(result, problem, estimator.tol, deadline)
    return result


def _may_be_compact(estimator: Any, result: Result) -> bool:
    """Whether neurons may be dropped without being asked for it, if there are few enough samples.

    Networks of a class, or of a program, might leave it when neurons are merged, and be below its bound.
    """
    network = result.network
    if result.status not in _ENDED or result.certificate.scope != "global":
        return False
    if not isinstance(network, TwoLayerNetwork) or neuron_class_of(estimator) is not None:
        return False
    return _is_cheap(network, n_samples=1)


def _is_cheap(network: TwoLayerNetwork, n_samples: int) -> bool:
    """Whether neurons can be dropped in no time, which depends on sizes only: the same data give the same network."""
    n_rows = n_samples * network.n_outputs
    return max(n_rows, network.width) * network.width**2 <= _CHEAP


def _compact(result: Result, problem: TrainingProblem, tol: float, deadline: float) -> Result:
    """Close neurons merged, with a gap that is the same but for a hundredth, and on the same side of `tol`."""
    assert isinstance(result.network, TwoLayerNetwork)
    certificate = result.certificate
    gap = max(certificate.objective - certificate.lower_bound, 0.0)
    highest = certificate.objective + _PART_OF_GAP * min(gap, tol * certificate.objective)
    network = compact(result.network, problem, highest, deadline=deadline)
    smaller = _with_network(result, network, problem)
    opened = certificate.relative_gap <= tol < smaller.certificate.relative_gap
    # Below an estimated bound a network is no worse, but would have no certificate.
    if opened or smaller.certificate.objective < certificate.lower_bound:
        return _with_network(result, minimal(result.network, problem, deadline=deadline), problem)
    return smaller


def _with_network(result: Result, network: TwoLayerNetwork, problem: TrainingProblem) -> Result:
    certificate = replace(result.certificate, objective=problem.objective(network))
    last = replace(
        result.history[-1],
        objective=certificate.objective,
        relative_gap=certificate.relative_gap,
        width=network.width,
    )
    history = [*result.history[:-1], last]
    return replace(result, network=network, certificate=certificate, history=history)
