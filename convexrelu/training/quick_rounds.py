"""Rounds without a program: the neurons of cuts enter a network by their sizes, and descent moves all of them.

That is alternating descent conditional gradient (Boyd, Schiebinger & Recht 2017): pricing finds new neurons, a convex
program over the sizes of all neurons takes them in (:mod:`~convexrelu.training.neuron_sizes`), and descent moves their
directions. Programs over patterns let directions move as well, but only within their cones, and from a thousand samples
on they take a second where this takes a fifth of it. Nothing is proved here: the network's dual point is priced like
that of a program, and programs follow as soon as this lowers the objective by little or the gap is small.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from convexrelu._utils.deadlines import product_fits
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.nonconvex.descent import FEW_SAMPLES
from convexrelu.training.masters import MANY_BLOCKS
from convexrelu.training.neuron_sizes import with_best_sizes, work_of_sizes
from convexrelu.training.slides import GAP_OF_SLIDES, LEAST_DROP, slid

__all__ = ["QuickRounds"]

# Samples from which on programs take longer than searches. Below, a program after each search ends as low or lower
# (stock and housing, 483 and 456 samples, alpha = 0.0001).
MANY_SAMPLES = 600
# Steps of L-BFGS, twice those of a slide after a program: neurons of cuts have their first sizes only.
_STEPS = 300
# Relative drop below which the first program follows: earlier, quick rounds lower the objective faster.
_LARGE_DROP = 3e-3
# How many times longer than a quick round one with a program takes, as long as there has been none (airfoil, concrete).
_LONGER = 4.0
_TINY = 1e-9  # seconds, where a clock has not moved


@dataclass(eq=False)
class QuickRounds:
    """Rounds without a program, and whether the next one is of that kind.

    Rounds are quick until one of them lowers the objective by little. From then on, where time is limited, they are of
    the kind whose last round lowered it by the larger part in a second, pricing included: both lower it by less and
    less, so that they alternate in the end. A program for which there is hardly the time would be in vain. Without a
    limit they take turns, which does not depend on the clock. After one that fails, there are no more.

    Parameters
    ----------
    problem : TrainingProblem

    Attributes
    ----------
    n_taken : int
        How many quick rounds there have been.
    """

    problem: TrainingProblem
    n_taken: int = field(default=0, init=False)
    # Of the last quick round and of the last one with a program: relative drop of the objective, and seconds.
    _last: dict[bool, tuple[float, float]] = field(default_factory=dict, init=False)
    # Of the present round: its kind, when it began, and the objective then.
    _present: tuple[bool, float, float] | None = field(default=None, init=False)

    def begin(
        self, objective: float, gap: float, blocks: Blocks, cuts: Blocks, deadline: float = math.inf
    ) -> bool:
        """Begin the round with these blocks and cuts: whether it may do without a program.

        Parameters
        ----------
        objective, gap : float
            Of the best network, the gap relative.
        blocks, cuts : Blocks
        deadline : float
            Value of :func:`time.perf_counter` at which rounds end.
        """
        problem, now = self.problem, time.perf_counter()
        if self._present is not None:
            kind, began, before = self._present
            self._last[kind] = 1 - objective / before, max(now - began, _TINY)
        suits = problem.is_least_squares and not problem.free_bias
        many = len(blocks) >= MANY_BLOCKS and MANY_SAMPLES <= problem.n_samples <= FEW_SAMPLES
        may = suits and many and len(cuts) > 0 and gap >= GAP_OF_SLIDES
        quick = may and self._is_due(deadline - now)
        self._present = quick, now, objective
        return quick

    def _is_due(self, seconds: float) -> bool:
        """Whether a quick round is next, where there are so many seconds."""
        if True not in self._last:
            return True
        drop, duration = self._last[True]
        if drop < LEAST_DROP:
            return False
        by_program, as_long = self._last.get(False, (0.0, _LONGER * duration))
        if seconds < as_long:
            return True
        if False not in self._last:
            return drop >= _LARGE_DROP
        if seconds == math.inf:
            assert self._present is not None
            return not self._present[0]
        return drop * as_long > by_program * duration

    def after(
        self, network: TwoLayerNetwork, objective: float, cuts: Blocks, deadline: float = math.inf
    ) -> TwoLayerNetwork | None:
        """A better network, with neurons of the cuts; None if there is none, and a program has to follow in this round.

        Parameters
        ----------
        network : TwoLayerNetwork
        objective : float
            Its objective.
        cuts : Blocks
            With directions.
        deadline : float
            Value of :func:`time.perf_counter` at which to stop.

        Returns
        -------
        TwoLayerNetwork or None

        Examples
        --------
        >>> import numpy as np
        >>> X = np.linspace(-1, 1, 9)[:, None]
        >>> problem = TrainingProblem(X, np.abs(X[:, 0]), alpha=1e-3)
        >>> start = TwoLayerNetwork([[1.0]], [0.0], [[0.5]], [0.0])
        >>> cuts = Blocks(X.T <= 0, np.ones(1), np.array([[-1.0, 0.0]]))
        >>> better = QuickRounds(problem).after(start, problem.objective(start), cuts)
        >>> problem.objective(better) < 0.1 * problem.objective(start)
        True
        """
        found = self._descended(network, cuts, deadline)
        if found is None or not self.problem.objective(found) < objective * (1 - LEAST_DROP):
            self._failed()
            return None
        self.n_taken += 1
        return found

    def _descended(
        self, network: TwoLayerNetwork, cuts: Blocks, deadline: float
    ) -> TwoLayerNetwork | None:
        assert cuts.directions is not None
        if not product_fits(work_of_sizes(self.problem, network.width + len(cuts)), deadline):
            return None
        larger = with_best_sizes(self.problem, network, cuts.directions, cuts.signs)
        return slid(self.problem, larger, deadline, _STEPS)

    def _failed(self) -> None:
        """From now on this round is one with a program, to which its drop belongs."""
        if self._present is not None:
            _, began, objective = self._present
            now = time.perf_counter()
            self._last[True] = 0.0, max(now - began, _TINY)
            self._present = False, now, objective
