"""The end of training where the penalty is far below the useful range, and the network fits the targets."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Self

from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.results.result import Result, Round
from convexrelu.results.status import Status

__all__ = ["Interpolation"]

_PART = 1e-4  # of the objective of the best constant
# Part of the objective by which a round must lower it for training to go on. On four sets of raw targets, 80 samples,
# R² on other samples was .48, .51, .97, .97 after rounds that lowered it by less, in 5.2, 4.5, 1.7 and 1.1 seconds, and
# .50, .56, .96, .97 at a gap of one per mille, after 13, 15, 13 and 10 s; after descent alone −.4, −1.7, .96, .96.
_FALL = 0.05


@dataclass
class Interpolation:
    """Whether the objective is below a ten-thousandth of that of the best constant, and hardly falls any more.

    The smallest objective ``p(alpha)``, the minimum over networks of ``F + alpha · penalty``, is concave in `alpha`, is
    at least zero at zero for losses of residuals, and is that of the best constant ``P₀`` from the largest useful
    penalty on. Hence ``p(alpha) ≥ P₀ · alpha / alpha_max``: for a penalty above a ten-thousandth of the largest useful
    one, no network is that low. With a skip connection that does not hold: a linear part alone may be far below ``P₀``.

    The loss is then that small, too. What is left is a gap that nothing but a smaller penalty term is likely to close,
    which takes long; that is no proof, and the certificate says how far the bound is.

    Parameters
    ----------
    objective : float
        The largest objective that ends training.
    """

    objective: float
    reached: bool = field(default=False, init=False)
    _before: float = field(default=math.inf, init=False)

    @staticmethod
    def is_for(problem: TrainingProblem) -> bool:
        """Whether the inequality holds for a problem: a loss of residuals, and no skip connection."""
        return problem.loss.of_residuals and not problem.skip

    @classmethod
    def of(cls, problem: TrainingProblem) -> Self:
        """For a problem that this is for.

        Examples
        --------
        >>> problem = TrainingProblem([[0.0], [1.0]], [0.0, 2.0], alpha=1e-9)
        >>> round(Interpolation.of(problem).objective, 9)
        5e-05
        """
        return cls(_PART * problem.objective(problem.zero_network()))

    def __call__(self, entry: Round) -> bool:
        """Whether training is to end with this round, which has solved a program."""
        if not entry.solver_status:
            return False
        falls = entry.objective < (1 - _FALL) * self._before
        self._before = entry.objective
        self.reached = entry.objective <= self.objective and not falls
        return self.reached

    def named(self, result: Result) -> Result:
        """The result with a status of its own, if this has ended training."""
        if self.reached and result.status is Status.STOPPED:
            return replace(result, status=Status.INTERPOLATES)
        return result
