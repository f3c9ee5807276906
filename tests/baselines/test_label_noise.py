import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.baselines import LabelNoise, descend, implicit_regulariser, label_noise_program
from convexrelu.patterns import sample_gates

torch = pytest.importorskip("torch")
STRENGTH = 1e-2


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((6, 1))
    return TrainingProblem(X, np.abs(X[:, 0]), 0.01, sample_weight=rng.uniform(0.5, 2, 6))


@pytest.fixture(scope="module")
def fit(problem):
    return label_noise_program(problem, STRENGTH)


def random_network(seed, width=4):
    rng = np.random.default_rng(seed)
    return TwoLayerNetwork(
        rng.standard_normal((width, 1)),
        rng.standard_normal(width),
        rng.standard_normal((1, width)),
        rng.standard_normal(1),
    )


def with_regulariser(problem, network):
    fit = problem.data_fit(network.predict(problem.X))
    return fit + STRENGTH * implicit_regulariser(network, problem)


def test_regulariser_is_the_mean_squared_gradient(problem):
    network = random_network(0)
    module = network.to_torch()
    total = 0.0
    for x, weight in zip(problem.X, problem.weights, strict=True):
        module.zero_grad()
        module(torch.tensor(x)).sum().backward()
        squares = [p.grad.square().sum().item() for p in list(module.parameters())[:3]]
        total += weight * sum(squares)
    np.testing.assert_allclose(implicit_regulariser(network, problem), total, rtol=1e-12)


def test_rescaled_is_the_least_over_scales(problem):
    network = random_network(1)
    least = implicit_regulariser(network, problem, rescaled=True)
    factors = np.exp(np.linspace(-3, 3, 301))
    values = 0.0
    for w, b, a in zip(
        network.hidden_weights, network.hidden_bias, network.output_weights[0], strict=True
    ):
        scaled = [TwoLayerNetwork([t * w], [t * b], [[a / t]], [0.0]) for t in factors]
        values += min(implicit_regulariser(one, problem) for one in scaled)
    # The grid is within 0.01 of the logarithm of the best factor, and the value is as the cosh of twice that.
    assert least * (1 - 1e-12) <= values <= least * np.cosh(0.02)


def test_program_is_attained_by_its_network(problem, fit):
    assert fit.enumerated
    # The solver is asked for 1e-9; its cones are met to about its root.
    np.testing.assert_allclose(fit.objective, fit.optimum, rtol=1e-5)
    least = implicit_regulariser(fit.network, problem, rescaled=True)
    np.testing.assert_allclose(fit.regulariser, least, rtol=1e-9)
    np.testing.assert_allclose(fit.objective, with_regulariser(problem, fit.network), rtol=1e-9)


def test_no_network_is_below_the_program(problem, fit):
    for seed in range(20):
        assert with_regulariser(problem, random_network(seed)) >= fit.optimum * (1 - 1e-6)
    run = descend(problem, 20, "adam", steps=300, alpha=0.0, random_state=0)
    assert with_regulariser(problem, run.network) >= fit.optimum * (1 - 1e-6)


def test_fewer_patterns_are_no_better(problem, fit):
    gates = sample_gates(problem.design.shape[1], 3, random_state=0)
    fewer = label_noise_program(problem, STRENGTH, gates=gates)
    assert not fewer.enumerated
    assert fewer.optimum >= fit.optimum * (1 - 1e-6)


def test_label_noise_lowers_the_regulariser(problem):
    start = descend(problem, 20, "adam", steps=400, alpha=0.0, random_state=1).network
    before = implicit_regulariser(start, problem)
    runs = [
        descend(
            problem, 20, "sgd", rate=0.1, steps=1000, every=1000, alpha=0.0, start=start,
            schedule=LabelNoise(scale, random_state=0), random_state=0,
        )
        for scale in (0.0, 0.5)
    ]  # fmt: skip
    without, noisy = (implicit_regulariser(run.network, problem) for run in runs)
    assert noisy < 0.9 * without
    assert noisy < 0.9 * before


def test_without_bias_and_intercept():
    problem = TrainingProblem(np.eye(2), [1.0, 2.0], 0.1, hidden_bias=False, fit_intercept=False)
    fit = label_noise_program(problem, 0.1)
    # Two samples apart: a neuron with outputs (h1, h2) costs 2·(weights ½) ‖h‖ √(active), no less than |h1| + |h2|.
    f = np.array([1.0, 2.0]) - 0.2
    expected = 0.25 * (0.2**2 * 2) + 0.1 * f.sum()
    np.testing.assert_allclose(fit.optimum, expected, rtol=1e-6)


def test_errors_name_the_argument(problem):
    with pytest.raises(ValueError, match="strength=0"):
        label_noise_program(problem, 0)
    with pytest.raises(ValueError, match="scale=-1"):
        LabelNoise(-1)
    leaky = TrainingProblem(problem.X, problem.y, 0.1, activation="leaky_relu")
    with pytest.raises(ValueError, match="relu"):
        label_noise_program(leaky, 0.1)


def test_a_list_that_misses_a_cell_is_not_called_complete():
    """Between samples that differ by one rounding is a cell that enumeration merges with others."""
    X = np.array([[0.0], [1.0], [1.0 + 2**-52]])
    fit = label_noise_program(TrainingProblem(X, [0.0, 1.0, 1.0], 0.1), 0.01)
    assert not fit.enumerated
    assert label_noise_program(TrainingProblem(X[:2], [0.0, 1.0], 0.1), 0.01).enumerated
