"""Training from a given network: a better network, and a bound that is better than that of its own residual."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from convexrelu._utils.deadlines import product_fits, seconds_before
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import price_and_certify
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result
from convexrelu.results.status import Status
from convexrelu.training.train import train

__all__ = ["sharpest", "trained_from"]

# Fraction of the time left for training; the rest is for the certificate of a network that is kept.
_TIME_TO_TRAIN = 0.75
# Evaluations that do not look at the time: blocks, objectives and dual points, also of the network of joined neurons.
_EVALUATIONS = 10


def trained_from(
    network: TwoLayerNetwork,
    problem: TrainingProblem,
    exact: Oracle,
    known: Certificate,
    *,
    tol: float,
    deadline: float,
    **options: Any,
) -> Result:
    """Train further from the network; keep it if the result is no better, as after a time limit or an interruption.

    A network so wide that there is hardly time to evaluate it is not trained.

    Parameters
    ----------
    network : TwoLayerNetwork
    problem : TrainingProblem
        Without samples of weight zero.
    exact : Oracle
        Prices the network where it is kept.
    known : Certificate
        Of the network, at the dual point of its own outputs.
    tol, deadline
        Relative gap and value of :func:`time.perf_counter` at which to stop.
    **options
        For :func:`~convexrelu.train`.
    """
    if not product_fits(_EVALUATIONS * problem.work_of_outputs(network.width), deadline):
        return Result(network, known, Status.TIME_LIMIT).certified(known, tol)
    left = seconds_before(deadline, _TIME_TO_TRAIN)
    try:
        result = train(problem, start=network, tol=tol, time_limit=left, **options)
    except KeyboardInterrupt:
        return Result(network, known, Status.INTERRUPTED)
    assert isinstance(result.network, TwoLayerNetwork)
    best, objective = network, known.objective
    merged = problem.merged(network)
    of_merged = problem.objective(merged)
    if of_merged <= objective:
        best, objective = merged, of_merged
    if result.certificate.objective <= objective:
        return result
    if result.status is Status.INTERRUPTED:
        own = replace(known, objective=objective)
    else:
        own, _ = price_and_certify(problem, best, exact, deadline=deadline)
    certificate = sharpest(own, result.certificate, tol)
    status = result.status if certificate.relative_gap > tol else Status.CONVERGED
    if result.status is Status.INTERRUPTED:
        status = result.status
    return result.certified(certificate, tol, network=best, status=status)


def sharpest(own: Certificate, other: Certificate, tol: float) -> Certificate:
    """The objective of the first certificate with the better of two global bounds, and the best that is proved.

    A proof is better than an estimate that is larger by at most `tol` times the objective; otherwise the larger bound
    is better. An estimate that is above what one of the networks reaches is refuted.

    Examples
    --------
    >>> loose = Certificate(1.0, 0.2, "global", "relaxation", True, 0.2)
    >>> estimate = Certificate(0.9, 0.899, "global", "search", False, 0.1)
    >>> print(sharpest(loose, estimate, 1e-3))
    far from the estimated bound: the gap is about 11 % (estimated by search; proved: within 80 %): \
objective 1, estimated lower bound 0.899
    """
    reached = min(own.objective, other.objective)
    proved = max(own.proved_lower_bound, other.proved_lower_bound)
    both = [certificate.strengthened(proved) for certificate in (own, other)]
    worth = tol * abs(own.objective)

    def rank(certificate: Certificate) -> tuple[bool, float]:
        stands = certificate.is_proof or certificate.lower_bound <= reached
        return stands, certificate.lower_bound + (worth if certificate.is_proof else 0.0)

    return replace(max(both, key=rank), objective=own.objective)
