"""Networks for several penalties by descent, where predictions matter and bounds do not.

A step takes the network of the penalty before. A short search finds neurons that it lacks, and descent trains all of
them together. With least squares of one output, a finite program follows, over these neurons and those that another
search finds, if there are few samples. Nothing is priced.

Descent alone ends 2 % above the optimum at small penalties, and how well its networks predict depends more on the seed
than on the penalty. Measured on five folds of 300 samples of ten features, with five seeds: with the program, and
searches four times as long, objectives are .5 % above the optimum. This takes 1.6 times as long as descent alone, up to
four times on real data with small penalties, and a third of the time of cutting planes to a searched gap of 2e-2.
"""

from __future__ import annotations

import math
import time
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.deadlines import part_before, seconds_before
from convexrelu._utils.norms import norms
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.certificates.pricing import certificate_without_pricing
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle
from convexrelu.oracles.for_problem import brief_search_for
from convexrelu.problem.condensing import condensed_before
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.programs.neuron_map import blocks_of, recover_relu
from convexrelu.results.result import Result
from convexrelu.results.status import Status
from convexrelu.solvers.nonconvex.descent import descend, polish
from convexrelu.solvers.nonconvex.network_solver import with_cuts
from convexrelu.solvers.registry import make_solver

__all__ = ["descent_path", "without_tiny"]

# Relative drop of the objective in ten steps at which descent ends, and smoothing of kinks in it. Several outputs score
# the same with a third of the steps, and a program does what they leave; one output scores worse, on a teacher.
_DROP, _ROUGH_DROP, _WIDTHS = 1e-4, 3e-4, (0.003,)
# Gap of the program: what it leaves is less than what neurons that are still lacking do.
_GAP = 1e-2
# Largest number of entries ``n d̃`` of a design for which there are programs. With 900 samples of ten features paths
# would take five times as long, and but for the smallest penalties objectives are the same within half a hundredth.
_LARGEST_DESIGN = 4e3
# Each search brings at least this number of new neurons, if the search finds them.
_NEW = 12
# Neurons smaller than this fraction of the largest are dropped: they vanish, and take as long as others. At ten times
# this, objectives of forty samples rose by one to four hundredths.
_TINY = 1e-3
# Penalties may fall by this factor in a step; more takes several.
_FACTOR = 2.0
_TIME_TO_PREPARE = 0.4  # part of the time in which samples may be ordered


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
        Torch device of the searches and of the programs.
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
    random = checked_random_state(random_state)
    problem = condensed_before(problem, part_before(deadline, _TIME_TO_PREPARE))
    train = _Training(problem, random, device, deadline)
    network, results = start, []
    with one_blas_thread():
        for last, alpha in pairwise([before, *np.asarray(alphas, dtype=np.float64).tolist()]):
            began = time.perf_counter()
            at_alpha = problem.with_alpha(alpha)
            if network is None:
                late = began >= deadline or not problem.design_fits(deadline)
                network = at_alpha.zero_network() if late else descend(at_alpha, random, deadline)
            network = train(at_alpha, network, _n_steps(last, alpha))
            results.append(_result(at_alpha, network, time.perf_counter() - began))
    return results


def _n_steps(before: float, alpha: float) -> int:
    """More after a long way; one after descent from random weights."""
    if not math.isfinite(before):
        return 1
    return max(1, math.ceil(math.log(before / alpha) / math.log(_FACTOR)))


class _Training:
    """Training of networks that lack neurons, for any penalty."""

    def __init__(
        self,
        problem: TrainingProblem,
        random: np.random.RandomState,
        device: str,
        deadline: float,
    ) -> None:
        self._solver: Any = None
        small = problem.design_fits(deadline) and problem.design.size <= _LARGEST_DESIGN
        has_program = problem.is_least_squares and small
        if has_program:
            self._solver = make_solver("newton", device=device)
            self._solver.rough_gap = _GAP
        self._search: Oracle | None = None
        if problem.design_fits(deadline):
            self._search = brief_search_for(problem, random, device, longer=has_program)
        self._drop = _ROUGH_DROP if has_program or problem.n_outputs > 1 else _DROP
        self._deadline = deadline

    def __call__(
        self, problem: TrainingProblem, network: TwoLayerNetwork, n_steps: int
    ) -> TwoLayerNetwork:
        """The network after steps of descent, and after a finite program if there is one."""
        for _ in range(n_steps):
            network = self._descended(problem, network)
        return network if self._solver is None else self._solved(problem, network)

    def _descended(self, problem: TrainingProblem, network: TwoLayerNetwork) -> TwoLayerNetwork:
        """Search for neurons that are lacking, and train all."""
        if self._search is None or time.perf_counter() >= self._deadline:
            return network
        blocks, values = self._with_lacking(problem, network)
        if not len(blocks):
            return problem.zero_network()
        joined = problem.network(values, blocks.signs, network.output_bias)
        grown = with_cuts(problem, joined, blocks, values)
        trained = polish(problem, grown, self._deadline, drop=self._drop, widths=_WIDTHS)
        return min(network, without_tiny(problem, trained), key=problem.objective)

    def _solved(self, problem: TrainingProblem, network: TwoLayerNetwork) -> TwoLayerNetwork:
        """Search for neurons that are lacking, and solve the program of all, if that lowers the objective."""
        if time.perf_counter() >= self._deadline:
            return network
        blocks, values = self._with_lacking(problem, network)
        time_limit = seconds_before(self._deadline)
        solution = self._solver.relu(problem, blocks, start=values, time_limit=time_limit)
        if not solution.usable:
            return network
        candidate = without_tiny(problem, recover_relu(problem, solution, blocks))
        return min(network, candidate, key=problem.objective)

    def _with_lacking(
        self, problem: TrainingProblem, network: TwoLayerNetwork
    ) -> tuple[Blocks, Array]:
        """Blocks of the network with their values, and those found where the dual constraint is violated, at zero."""
        assert self._search is not None
        report = self._search(
            problem.dual_point(network.predict(problem.X)), deadline=self._deadline
        )
        found = Blocks(report.masks, report.signs, report.directions)
        known, values = blocks_of(network, problem)
        new = np.flatnonzero(report.values > problem.alpha)[: max(_NEW, len(known))]
        values = np.vstack([values, np.zeros((len(new), values.shape[1]))])
        return known.join(found.select(new)), values


def without_tiny(problem: TrainingProblem, network: TwoLayerNetwork) -> TwoLayerNetwork:
    """The network without neurons that vanish."""
    blocks, values = blocks_of(network, problem)  # neurons of one block are one neuron
    sizes = norms(values)
    kept = sizes > _TINY * sizes.max(initial=0.0)
    return problem.network(values[kept], blocks.signs[kept], network.output_bias)


def _result(problem: TrainingProblem, network: TwoLayerNetwork, seconds: float) -> Result:
    """The network with the bound of the dual point zero: any other takes as long as some steps of descent."""
    certificate = certificate_without_pricing(problem, problem.objective(network))
    return Result.of_one_program(
        network, certificate, Status.CONVERGED, tol=0.0, seconds=seconds, n_blocks=network.width
    )
