"""Training for several penalties, each started from the solution of the one before."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import float_array, shown
from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.chunked.group import Alone
from convexrelu.chunked.largest_penalty import largest_penalty as largest_penalty_in_chunks
from convexrelu.chunked.problem import ChunkedProblem
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.for_problem import oracles_for
from convexrelu.problem.largest_penalty import (
    at_least_largest_penalty,
    at_least_or_rough,
    found_or_at_least,
)
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.problem.validation import checked_alpha
from convexrelu.results.result import Result
from convexrelu.results.status import Status
from convexrelu.threshold.oracles import threshold_relaxation
from convexrelu.training.session import Session

__all__ = ["largest_penalty", "regularization_path", "start_after"]

# A sample of sparse rows and a search on all take as long as so many multiplications for an entry.
_SEARCHED = 3000


def largest_penalty(
    problem: TrainingProblem,
    random: np.random.RandomState,
    device: str,
    deadline: float = math.inf,
) -> float:
    """Smallest penalty at which the network is constant; for thresholds, a bound on it.

    Exact where pricing is a short sweep: one feature, or two with some 200 samples. Elsewhere it is found by a short
    search, from below. On 75 random problems (n = 20 to 10,000, d = 1 to 300, K = 1 to 3) that found at least 0.996 of
    what a search of eight times as many starts did, in a third of the time. Where there is no time for it, a few steps
    from given directions find a value that is smaller, but of that size. Patterns of a gated network have another.
    """
    if problem.activation == "threshold":
        return threshold_relaxation(problem.dual_point(problem.no_outputs()))
    if not problem.free_basis_fits(deadline):
        return at_least_or_rough(problem._replace(skip=False), deadline)
    plain = problem.loss.smooth and not (problem.skip or problem.free_bias)
    searched = product_fits(_SEARCHED * problem.n_entries, deadline)
    if problem.stays_sparse and plain and searched:
        seconds = deadline - time.perf_counter()
        chunked = ChunkedProblem.of(problem)
        found = largest_penalty_in_chunks(
            chunked, Alone(), device=device, random_state=random, time_limit=seconds
        )
        return max(found.alpha, at_least_largest_penalty(problem))
    if not problem.design_fits(deadline):
        return at_least_or_rough(problem, deadline)
    oracle = oracles_for(problem, "quick", random, device).heuristic
    with one_blas_thread():
        report = oracle(problem.dual_point(problem.no_outputs()), deadline=deadline)
        return found_or_at_least(problem, report)


def regularization_path(
    problem: TrainingProblem, alphas: ArrayLike, **options: Any
) -> list[Result]:
    """Train for several penalties, each started from the solution of the one before, if that was finished in time.

    Patterns that do not depend on the penalty, sampled or enumerated, are computed once for the whole path, and so is
    the data that a native solver derives from them.

    Parameters
    ----------
    problem : TrainingProblem
        Its own `alpha` is not used.
    alphas : array of shape (k,)
        Penalties; descending order is the fastest.
    **options
        As for :func:`train`.

    Returns
    -------
    list of Result
        In the order of `alphas`, each with its certificate. An interruption ends the path with the interrupted
        result, whose status says so, or with the previous one if it had no certificate yet.

    Raises
    ------
    KeyboardInterrupt
        If interrupted before there is a network.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, regularization_path
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1.0)
    >>> path = regularization_path(problem, [1e-1, 1e-2, 1e-3], random_state=0)
    >>> [result.certificate.relative_gap <= 1e-3 for result in path]
    [True, True, True]
    """
    penalties = _checked_penalties(alphas)
    with one_blas_thread():
        start = options.pop("start", "descent")
        session = Session(problem, **options)
        results: list[Result] = []
        for alpha in penalties:
            try:
                results.append(session.train(checked_alpha(float(alpha)), start))
                if results[-1].status in (Status.INTERRUPTED, Status.STOPPED):
                    break
                start = start_after(results[-1])
            except KeyboardInterrupt:
                if not results:
                    raise
                break
        return results


def _checked_penalties(alphas: ArrayLike) -> Array:
    """All penalties of a path, or a ValueError before any of them is trained."""
    penalties = float_array("alphas", alphas).ravel()
    if not (np.isfinite(penalties) & (penalties > 0)).all():
        raise ValueError(f"alphas={shown(alphas)} is not a list of positive finite numbers")
    return penalties


def start_after(result: Result) -> TwoLayerNetwork | str | None:
    """Where the next penalty starts: from the previous network, or by descent if that training timed out."""
    if not isinstance(result.network, TwoLayerNetwork):
        return None
    return "descent" if result.status is Status.TIME_LIMIT else result.network
