"""Training beside a skip connection that is fixed, where there is no time for the basis of a free one.

With ``S`` fixed, ``min_f F(f + SX) + alpha · (penalty of f)`` is a problem without a skip connection, of the squared
error of targets ``y − SX``, and ``f + SX`` is a network of the free problem with the same objective: its optimum is at
least that of the free problem. So the objective holds for both, and a lower bound does not: what remains is that losses
are not negative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.certificates.pricing import certificate_without_pricing
from convexrelu.closed_forms.untrained import kept_starts
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Progress, Result, Round
from convexrelu.results.status import Status

__all__ = ["train_beside"]

# Ends that are not those of time.
_OTHER_ENDS = Status.STOPPED, Status.INTERRUPTED


def train_beside(
    skip_weights: Array | None,
    problem: TrainingProblem,
    train: Callable[[TrainingProblem, Progress | None], Result],
    start: TwoLayerNetwork | str | None,
    progress: Progress | None = None,
) -> Result:
    """Train all but the skip connection.

    Parameters
    ----------
    skip_weights : array of shape (K, d), optional
        ``S``; zero if there is none.
    problem : TrainingProblem
        With a free skip connection.
    train : callable
        Trains the problem without it, with a callback for its rounds.
    start : TwoLayerNetwork, str or None
        A network that is kept if it is better.
    progress : callable, optional
        Shown the rounds as rounds of `problem`.

    Returns
    -------
    Result
        With the bound of the dual point zero, and ``Status.TIME_LIMIT``, unless training ended before.
    """
    told = _Restated(problem, skip_weights)
    targets = problem.y
    if skip_weights is not None:
        linear = problem.X @ skip_weights.T
        targets = targets - linear.reshape(targets.shape)
    result = train(
        problem._replace(skip=False, y=targets), None if progress is None else told.to(progress)
    )
    assert isinstance(result.network, TwoLayerNetwork)
    networks = [told.network(result.network), *kept_starts(problem, start)]
    objectives = [problem.objective(network) for network in networks]
    best = int(np.argmin(objectives))
    return result.certified(
        replace(told.certificate, objective=objectives[best]),
        0.0,  # a bound of zero shows less, whatever the tolerance
        network=networks[best],
        status=result.status if result.status in _OTHER_ENDS else Status.TIME_LIMIT,
        history=[told.round(entry) for entry in result.history],
        dual=None,
    )


class _Restated:
    """What training without the skip connection says, said of the problem with it."""

    def __init__(self, problem: TrainingProblem, skip_weights: Array | None) -> None:
        self.skip_weights = skip_weights
        self.certificate = certificate_without_pricing(problem, 0.0)

    def network(self, network: TwoLayerNetwork) -> TwoLayerNetwork:
        """With the skip connection."""
        if self.skip_weights is None:
            return network
        return replace(network, skip_weights=self.skip_weights)

    def round(self, entry: Round) -> Round:
        """With the bound that holds."""
        certificate = replace(self.certificate, objective=entry.objective)
        changes: dict[str, Any] = {
            "lower_bound": certificate.lower_bound,
            "relative_gap": certificate.relative_gap,
            "is_proof": certificate.is_proof,
            "violation": certificate.violation,
        }
        if isinstance(entry.network, TwoLayerNetwork):
            changes["network"] = self.network(entry.network)
        if entry.certificate is not None:
            changes["certificate"] = certificate
        return replace(entry, **changes)

    def to(self, progress: Progress) -> Progress:
        """A callback for rounds without the skip connection."""
        return lambda entry: progress(self.round(entry))
