import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.baselines.planted import (
    neuron_error,
    planted_network,
    population_moments,
    recover_network,
    sample_moments,
)


@pytest.mark.parametrize("seed", range(10))
def test_population_moments_give_the_network(seed):
    """The fixture: six features, four neurons, to rounding; 1e-10 leaves room for badly conditioned weights."""
    teacher = planted_network(6, 4, random_state=seed).with_output_bias(0.3)
    recovered = recover_network(population_moments(teacher), 4, random_state=seed)
    assert neuron_error(recovered, teacher) < 1e-10
    assert recovered.output_bias[0] == pytest.approx(0.3, abs=1e-10)


@pytest.mark.parametrize("bias", [0.0, 1.0, -1.0])
def test_biases_at_which_a_moment_vanishes(bias):
    """T_3 is zero at 0, T_4 at ±1: their sum is not."""
    weights = planted_network(5, 3, random_state=1).hidden_weights
    teacher = TwoLayerNetwork(weights, np.full(3, bias), [[1.0, -2.0, 1.5]], [0.0])
    recovered = recover_network(population_moments(teacher), 3, random_state=0)
    assert neuron_error(recovered, teacher) < 1e-10


def test_lengths_of_weights_go_to_the_outer_weights():
    teacher = TwoLayerNetwork([[3.0, 0.0], [1.0, 1.0]], [1.0, -0.5], [[1.0, -1.0]], [0.0])
    recovered = recover_network(population_moments(teacher), 2, random_state=0)
    assert neuron_error(recovered, teacher) < 1e-12
    X = np.random.default_rng(0).standard_normal((20, 2))
    np.testing.assert_allclose(recovered.predict(X), teacher.predict(X), atol=1e-12)


def test_more_samples_give_smaller_errors():
    errors = []
    for n in (1000, 200_000):
        seeds = []
        for seed in range(3):
            teacher = planted_network(4, 2, random_state=seed)
            X = np.random.default_rng(seed).standard_normal((n, 4))
            moments = sample_moments(X, teacher.predict(X), 2)
            seeds.append(neuron_error(recover_network(moments, 2, random_state=0), teacher))
        errors.append(np.median(seeds))
    # Errors fall with √n, here by 14. Those of single teachers vary by factors of two or three, and so do both medians.
    assert errors[1] < errors[0] / 14 * 3


def test_too_many_neurons_are_refused():
    moments = population_moments(planted_network(3, 3, random_state=0))
    with pytest.raises(ValueError, match="width=4 is not an integer from 1 to 3"):
        recover_network(moments, 4)
    with pytest.raises(ValueError, match="width=3 is more than the rank"):
        recover_network(population_moments(planted_network(4, 2, random_state=0)), 3)


def test_a_recovered_network_is_a_start_of_training():
    teacher = planted_network(3, 2, random_state=0)
    X = np.random.default_rng(0).standard_normal((40, 3))
    start = recover_network(population_moments(teacher), 2, random_state=0)
    problem = TrainingProblem(X, teacher.predict(X), alpha=1e-2)
    result = train(problem, start=start, random_state=0)
    assert result.certificate.objective <= problem.objective(start.balance()) * (1 + 1e-9)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-3


def test_errors_of_neurons():
    teacher = planted_network(4, 3, random_state=0)
    shuffled = TwoLayerNetwork(
        2 * teacher.hidden_weights[::-1],
        2 * teacher.hidden_bias[::-1],
        teacher.output_weights[:, ::-1] / 2,
        [0.0],
    )
    assert neuron_error(shuffled, teacher) < 1e-15
    assert neuron_error(TwoLayerNetwork.constant(4), teacher) == np.inf
