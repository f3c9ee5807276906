"""Networks for several penalties by descent alone, where predictions matter and bounds do not.

A step takes the network of the penalty before. A short search finds neurons that it lacks, and descent trains all of
them together, to a relative accuracy of about a hundredth of the objective. No finite program is solved, and nothing
is priced. On 300 samples of ten features this takes a fifth of the time of cutting planes to a
searched gap of 2e-2.
"""

from __future__ import annotations

import math
import time
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.norms import norms
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.threads import one_blas_thread
from convexrelu.certificates.pricing import certificate_without_pricing
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle
from convexrelu.oracles.for_problem import brief_search_for
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.programs.neuron_map import blocks_of
from convexrelu.results.result import Result
from convexrelu.results.status import Status
from convexrelu.solvers.nonconvex.descent import descend, polish
from convexrelu.solvers.nonconvex.network_solver import with_cuts

__all__ = ["descent_path", "without_tiny"]

# Relative drop of the objective in ten steps at which descent ends, with one and with several outputs, and smoothing of
# kinks in it. Several outputs score the same with a third of the steps; with one, on a teacher, scores got worse.
_DROP, _DROP_OF_MANY, _WIDTHS = 1e-4, 3e-4, (0.003,)
# Each step brings at least this number of new neurons, if the search finds them.
_NEW = 12
# Neurons smaller than this fraction of the largest are dropped: they vanish, and take as long as others. At ten times
# this, objectives of forty samples rose by one to four hundredths.
_TINY = 1e-3
# Penalties may fall by this factor in a step; more takes several.
_FACTOR = 2.0


def descent_path(
    problem: TrainingProblem,
    alphas: ArrayLike,
    start: TwoLayerNetwork | None = None,
    *,
    before: float = math.inf,
    random_state: int | np.random.RandomState | None = None,
    device: str = "cpu",
    deadline: float = math.inf,
) -> list[Result]:
    """Train for several penalties by descent, each from the network before.

    Parameters
    ----------
    problem : TrainingProblem
        With a smooth loss, and without a skip connection. Its own `alpha` is not used.
    alphas : array of shape (k,)
        Penalties, descending.
    start : TwoLayerNetwork, optional
        Where the first one starts; by default from random weights.
    before : float
        Penalty of `start`.
    random_state : int, RandomState or None
        Seed of the searches and of the first weights.
    device : str
        Torch device of the searches.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop; networks are then those that there are, or constants.

    Returns
    -------
    list of Result
        Their certificates say no more than that losses are not negative.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem
    >>> X = np.linspace(-1, 1, 9)[:, None]
    >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1.0)
    >>> [result.network.width > 0 for result in descent_path(problem, [1.0, 1e-2], random_state=0)]
    [False, True]
    """
    problem, random = problem.condensed(), checked_random_state(random_state)
    search = brief_search_for(problem, random, device)
    network, results = start, []
    with one_blas_thread():
        for last, alpha in pairwise([before, *np.asarray(alphas, dtype=np.float64).tolist()]):
            began = time.perf_counter()
            at_alpha = problem.with_alpha(alpha)
            if network is None:
                late = began >= deadline
                network = at_alpha.zero_network() if late else descend(at_alpha, random, deadline)
            for _ in range(_n_steps(last, alpha)):
                network = _step(at_alpha, network, search, deadline)
            results.append(_result(at_alpha, network, time.perf_counter() - began))
    return results


def _n_steps(before: float, alpha: float) -> int:
    """More after a long way; one after descent from random weights."""
    if not math.isfinite(before):
        return 1
    return max(1, math.ceil(math.log(before / alpha) / math.log(_FACTOR)))


def _step(
    problem: TrainingProblem, network: TwoLayerNetwork, search: Oracle, deadline: float
) -> TwoLayerNetwork:
    """Search for new neurons, and train all."""
    if time.perf_counter() >= deadline:
        return network
    report = search(problem.dual_point(network.predict(problem.X)), deadline=deadline)
    found = Blocks(report.masks, report.signs, report.directions)
    known, values = blocks_of(network, problem)
    new = np.flatnonzero(report.values > problem.alpha)[: max(_NEW, len(known))]
    blocks = known.join(found.select(new))
    if not len(blocks):
        return problem.zero_network()
    values = np.vstack([values, np.zeros((len(new), values.shape[1]))])
    joined = problem.network(values, blocks.signs, network.output_bias)
    grown = with_cuts(problem, joined, blocks, values)
    drop = _DROP if problem.n_outputs == 1 else _DROP_OF_MANY
    return without_tiny(problem, polish(problem, grown, deadline, drop=drop, widths=_WIDTHS))


def without_tiny(problem: TrainingProblem, network: TwoLayerNetwork) -> TwoLayerNetwork:
    """The network without neurons that vanish."""
    blocks, values = blocks_of(network, problem)  # neurons of one block are one neuron
    sizes = norms(values)
    kept = sizes > _TINY * sizes.max(initial=0.0)
    return problem.network(values[kept], blocks.signs[kept], network.output_bias)


def _result(problem: TrainingProblem, network: TwoLayerNetwork, seconds: float) -> Result:
    """The network with the bound of the dual point zero: any other takes as long as some steps of descent."""
    certificate = certificate_without_pricing(problem, network)
    return Result.of_one_program(
        network, certificate, Status.CONVERGED, tol=0.0, seconds=seconds, n_blocks=network.width
    )
