"""The mean of networks: its outputs, its penalty and its objective."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.networks.averages import mean_network


def networks(slope=0.0, n_outputs=2):
    rng = np.random.default_rng(0)
    return [
        TwoLayerNetwork(
            rng.standard_normal((m, 3)),
            rng.standard_normal(m),
            rng.standard_normal((n_outputs, m)),
            rng.standard_normal(n_outputs),
            negative_slope=slope,
        ).balance()
        for m in (4, 1, 0)
    ]


@pytest.mark.parametrize("slope", [0.0, -1.0])
def test_outputs_and_penalty_are_means(slope):
    given, X = networks(slope), np.random.default_rng(1).standard_normal((20, 3))
    mean = mean_network(given)
    np.testing.assert_allclose(
        mean.predict(X), np.mean([network.predict(X) for network in given], axis=0)
    )
    assert mean.penalty() == pytest.approx(np.mean([network.penalty() for network in given]))
    assert mean.width == 5


def test_the_objective_is_at_most_the_mean_of_objectives():
    given, rng = networks(n_outputs=1), np.random.default_rng(2)
    problem = TrainingProblem(rng.standard_normal((20, 3)), rng.standard_normal(20), alpha=0.1)
    objectives = [problem.objective(network) for network in given]
    assert problem.objective(mean_network(given)) <= np.mean(objectives)
