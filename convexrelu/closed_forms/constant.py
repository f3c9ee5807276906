"""Large penalties: the best constant, where a bound in closed form proves that no neuron is worth its penalty."""

from __future__ import annotations

import math
import time
from functools import partial

from convexrelu._utils.deadlines import product_fits
from convexrelu.certificates.pricing import price_and_certify
from convexrelu.oracles.for_problem import relaxation_for
from convexrelu.problem.largest_penalty import at_least_largest_penalty, work_of_largest_penalty
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Progress, Result
from convexrelu.results.status import Status

__all__ = ["is_proved_constant", "train_constant"]


def is_proved_constant(problem: TrainingProblem, deadline: float = math.inf) -> bool:
    """Whether :class:`~convexrelu.oracles.RelaxationOracle` proves that the best constant is optimal.

    A few directions are tried before: for most penalties one of them shows at once that it is not. Without the time
    for that before the deadline, nothing is proved.

    Examples
    --------
    >>> problem = TrainingProblem([[0.0], [1.0], [2.0]], [0.0, 0.0, 1.0], alpha=1.0)
    >>> is_proved_constant(problem), is_proved_constant(problem.with_alpha(0.1))
    (True, False)
    """
    if problem.skip or not product_fits(work_of_largest_penalty(problem), deadline):
        return False
    if problem.alpha < at_least_largest_penalty(problem, problem.alpha):
        return False
    # Chunks, which large sparse inputs are trained in, prove it without a dense design.
    if problem.stays_sparse or not problem.design_fits(deadline):
        return False
    relaxation = partial(relaxation_for(problem), deadline=deadline)
    return problem.alpha_max(relaxation) <= problem.alpha


def train_constant(
    problem: TrainingProblem,
    *,
    tol: float = 1e-3,
    time_limit: float | None = None,
    progress: Progress | None = None,
) -> Result:
    """The best constant, with the certificate of the closed-form bound; `time_limit` is not needed.

    Parameters
    ----------
    problem : TrainingProblem
        Without samples of weight zero and without a skip connection.
    tol : float
        Relative gap at which training counts as converged.
    time_limit : float, optional
        Not used.
    progress : callable, optional
        Called once, with the only round.

    Returns
    -------
    Result
        Like that of one program, which is empty here.

    Examples
    --------
    >>> problem = TrainingProblem([[0.0], [1.0], [2.0]], [0.0, 0.0, 1.0], alpha=1.0)
    >>> result = train_constant(problem)
    >>> result.network.width, result.certificate.is_proof, result.status.name
    (0, True, 'CONVERGED')
    """
    started = time.perf_counter()
    network = problem.zero_network()
    certificate, _ = price_and_certify(problem, network, relaxation_for(problem))
    return Result.of_one_program(
        network,
        certificate,
        Status.CONVERGED,
        tol=tol,
        seconds=time.perf_counter() - started,
        n_blocks=0,
        progress=progress,
    )
