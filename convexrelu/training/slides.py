"""Descent between the programs of rounds: neurons move over the boundaries of their cones, where programs stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.nonconvex.descent import polish
from convexrelu.training.masters import MANY_BLOCKS

__all__ = ["GAP_OF_SLIDES", "LEAST_DROP", "Slides", "slid"]

# Relative gap down to which neurons slide: nearer to the optimum, that lowers the objective by less than rounds do.
GAP_OF_SLIDES = 0.1

# Steps of L-BFGS, the width of its kinks, and the relative drop in ten steps that ends it. That takes a fifteenth of
# the time of a round. After 15 seconds at alpha = 0.0001, objectives are 0.02 to 0.4 % lower in 11 of 14 fits, and up
# to 0.15 % higher in the others; with 300 or 400 steps they are no lower.
_STEPS, _WIDTH, _DROP = 150, 0.0003, 1e-5
# Relative drop of the objective by a slide, or by a round without a program, without which no more of its kind follow:
# a bound on their number.
LEAST_DROP = 1e-5


def slid(
    problem: TrainingProblem, network: TwoLayerNetwork, deadline: float, most_steps: int = _STEPS
) -> TwoLayerNetwork:
    """The network after a slide of so many steps; no worse."""
    return polish(problem, network, deadline, drop=_DROP, widths=(_WIDTH,), most_steps=most_steps)


@dataclass(eq=False)
class Slides:
    """Slides after one program after the other, as long as they pay.

    Parameters
    ----------
    problem : TrainingProblem
    """

    problem: TrainingProblem
    _pays: bool = field(default=True, init=False)

    def apply(self, gap: float, blocks: Blocks) -> bool:
        """Whether there are many blocks, and the relative gap is large."""
        return len(blocks) >= MANY_BLOCKS and gap >= GAP_OF_SLIDES

    def after(
        self, network: TwoLayerNetwork, objective: float, deadline: float = math.inf
    ) -> TwoLayerNetwork | None:
        """A better network near that of a program; None if there is none, or if an earlier slide hardly found one.

        Parameters
        ----------
        network : TwoLayerNetwork
        objective : float
            Its objective.
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
        >>> start = TwoLayerNetwork([[1.0], [-1.0]], [0.1, 0.0], [[0.5, 0.7]], [0.0])
        >>> better = Slides(problem).after(start, problem.objective(start))
        >>> problem.objective(better) < problem.objective(start)
        True
        """
        if not self._pays:
            return None
        found = slid(self.problem, network, deadline)
        # `polish` knows this objective, but its other callers want the network alone: evaluating it again takes a
        # two-hundredth of a slide.
        self._pays = self.problem.objective(found) < objective * (1 - LEAST_DROP)
        return found if self._pays else None
