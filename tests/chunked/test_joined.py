"""Networks with nearly equal neurons joined."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.chunked.joined import with_joined_neurons

RANDOM = np.random.RandomState(0)
X = RANDOM.standard_normal((50, 3))


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_equal_neurons_are_joined_without_a_change(n_outputs):
    y = RANDOM.standard_normal((50, n_outputs))
    problem = TrainingProblem(X, y[:, 0] if n_outputs == 1 else y, 0.1)
    inner, bias = RANDOM.standard_normal((4, 3)), RANDOM.standard_normal(4)
    outer = RANDOM.standard_normal((n_outputs, 4))
    network = TwoLayerNetwork(
        np.vstack([inner, 2 * inner]),
        np.concatenate([bias, 2 * bias]),
        np.hstack([outer, 3 * outer]),
        np.ones(n_outputs),
    )
    joined = with_joined_neurons(problem, network, 0.9999)
    assert joined.width == 4
    assert joined.predict(X) == pytest.approx(network.predict(X))
    assert problem.objective(joined) <= problem.objective(network) * (1 + 1e-12)


def test_neurons_of_opposite_signs_are_left():
    problem = TrainingProblem(X, X[:, 0], 0.1)
    network = TwoLayerNetwork(np.ones((2, 3)), [0.0, 0.0], [[1.0, -2.0]], [0.0])
    assert with_joined_neurons(problem, network, 0.9).width == 2


def test_a_constant_stays_one():
    problem = TrainingProblem(X, X[:, 0], 0.1)
    assert with_joined_neurons(problem, problem.zero_network(), 0.9).width == 0
