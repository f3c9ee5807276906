"""When outer weights of several outputs are optimised before a program."""

import numpy as np

from convexrelu import TrainingProblem
from convexrelu.training import outer_step as module
from convexrelu.training.outer_step import closes_much, has_outer_step


def test_only_few_values_of_several_outputs_and_smooth_losses_have_a_step():
    n = module._MOST_OUTPUTS // 2

    def has(n, n_outputs):
        y = np.ones(n) if n_outputs == 1 else np.ones((n, n_outputs))
        return has_outer_step(TrainingProblem(np.zeros((n, 1)), y, 1.0))

    assert has(n, 2)
    assert not has(n, 1)
    assert not has(n + 1, 2)


def test_a_tenth_of_the_gap_is_much():
    assert closes_much(2.0, 1.85, 1.0)
    assert not closes_much(2.0, 1.95, 1.0)
