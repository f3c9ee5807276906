"""Whether rounds with several outputs optimise outer weights before their program, and whether that was enough.

A block has one direction of outer weights, and with several outputs cuts alone would be slow to find the right ones.
So, where the loss is smooth, the outer weights of neurons and cuts are optimised first, and the program starts from
there, see :mod:`~convexrelu.solvers.first_order.outer_weights`.
"""

from __future__ import annotations

from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["closes_much", "has_outer_step"]

# With more outputs on all samples than this, solvers train the network, including its outer weights.
_MOST_OUTPUTS = 10_000
# Part of the gap that best outer weights have to close: a program over their neurons alone does not see the cuts.
_MUCH_OF_GAP = 0.1


def has_outer_step(problem: TrainingProblem) -> bool:
    """Whether to optimise outer weights in a separate step: if solvers are slower, and cannot do the same."""
    if problem.n_outputs == 1 or not problem.loss.smooth:
        return False
    return problem.n_samples * problem.n_outputs <= _MOST_OUTPUTS


def closes_much(before: float, now: float, lower_bound: float) -> bool:
    """Whether the objective has fallen by a tenth of the gap: otherwise the program needs the cuts themselves.

    Examples
    --------
    >>> closes_much(3.0, 2.0, 1.0), closes_much(3.0, 2.9, 1.0)
    (True, False)
    """
    return before - now >= _MUCH_OF_GAP * (before - lower_bound)
