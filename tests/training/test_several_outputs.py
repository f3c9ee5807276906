"""Training with several outputs: outer weights, and cutting planes with their certificates."""

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, TwoLayerNetwork, train
from convexrelu.solvers.first_order.outer_weights import with_best_outer_weights
from convexrelu.training import cutting_plane
from tests import reference
from tests.honest import assert_certifies

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 2))
Y = np.maximum(X @ RNG.standard_normal((2, 4)) + RNG.standard_normal(4), 0)
Y = Y @ RNG.standard_normal((4, 3)) + 0.2 * RNG.standard_normal((24, 3))
WEIGHTS = RNG.exponential(size=24)
ACTIVATIONS = {"relu": 0.0, "leaky_relu": 0.1, "absolute_value": -1.0}


def problem_of(X=X, y=Y[:, :2], alpha=0.05, **options):
    return TrainingProblem(X, y, alpha, negative_slope=0.1, **options)


# Outer weights


def assert_best_outer_weights(problem, network, accuracy):
    """The conditions of a group lasso: the gradient at a neuron of unit inner weights is ``−alpha a/‖a‖``."""
    outputs = network.predict(problem.X)
    slopes = problem.loss.gradient(outputs, problem.y).reshape(len(outputs), -1)
    slopes = problem.weights[:, None] * slopes
    np.testing.assert_allclose(slopes.sum(axis=0) * problem.fit_intercept, 0.0, atol=1e-9)
    inner = problem.directions(network)
    sizes = np.linalg.norm(inner, axis=1)
    seen = reference.activation(problem.design @ inner.T, problem.slope)
    gradients = -(seen.T @ slopes) / sizes[:, None] / problem.alpha
    outer = network.output_weights.T / np.linalg.norm(network.output_weights.T, axis=1)[:, None]
    np.testing.assert_allclose(gradients, outer, atol=accuracy)


SETTINGS = [
    {},
    {"sample_weight": WEIGHTS},
    {"fit_intercept": False, "hidden_bias": False},
    {"activation": "leaky_relu"},
    {"activation": "absolute_value"},
    {"skip": True, "skip_alpha": 0.1},
    {"loss": "huber"},
    {"y": np.arange(24) % 3, "loss": "multinomial"},
    {"y": np.exp(0.3 * Y), "loss": "poisson"},
    {"y": Y[:, 0]},
]


@pytest.mark.parametrize("options", SETTINGS)
def test_outer_weights_are_the_best_for_their_inner_weights(options):
    problem = problem_of(**options)
    directions = np.random.default_rng(1).standard_normal((4, problem.design.shape[1]))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    network = problem.zero_network()
    if problem.skip:
        skip = np.ones((problem.n_outputs, 2))
        network = TwoLayerNetwork(
            network.hidden_weights,
            network.hidden_bias,
            network.output_weights,
            network.output_bias,
            skip_weights=skip,
        )
    objectives = [problem.objective(network)]
    for _ in range(20):
        network = with_best_outer_weights(problem, network, directions)
        objectives.append(problem.objective(network))
    assert objectives[1] < objectives[0]
    assert all(np.diff(objectives) <= 1e-6 * objectives[0])
    assert network.width <= 4
    assert_best_outer_weights(problem, network, 1e-3)
    if problem.skip:
        np.testing.assert_array_equal(network.skip_weights, skip)


def test_directions_that_are_of_no_use_are_left_out():
    problem = problem_of(alpha=1e3)
    network = with_best_outer_weights(problem, problem.zero_network(), np.eye(3))
    assert network.width == 0
    assert problem.objective(network) == pytest.approx(problem.objective(problem.zero_network()))


def test_samples_that_no_direction_sees_are_no_trouble():
    problem = problem_of(X=np.abs(X), hidden_bias=False)
    network = with_best_outer_weights(problem, problem.zero_network(), -np.eye(2))
    assert network.width == 0


# Cutting planes


SIZES = [(1, 0.05, 2), (1, 0.005, 3), (2, 0.1, 2)]
BIASES = (True, False, "free")
# Every two of a size, an activation and a bias meet.
KINDS = [
    (*size, BIASES[(i + j) % 3], activation)
    for i, size in enumerate(SIZES)
    for j, activation in enumerate(ACTIVATIONS)
]


@pytest.mark.filterwarnings("ignore::convexrelu.results.SolverWarning")  # the gap is what counts
@pytest.mark.parametrize(("d", "alpha", "n_outputs", "hidden_bias", "activation"), KINDS)
def test_training_closes_the_gap_and_proves_it(d, alpha, hidden_bias, activation, n_outputs):
    X_, y = X[:, :d], Y[:, :n_outputs]
    options = {"hidden_bias": hidden_bias, "fit_intercept": hidden_bias == "free"}
    problem = problem_of(X_, y, alpha, activation=activation, **options)
    result = train(problem, random_state=0)
    certificate = result.certificate
    assert result.status is Status.CONVERGED and certificate.relative_gap <= 1e-3
    assert (certificate.is_proof, certificate.scope) == (True, "global")
    free = hidden_bias == "free"
    assert_certifies(certificate, result.network, X_, y, alpha, free_bias=free)
    achieved = reference.descended_objective(
        X_, y, alpha, slope=ACTIVATIONS[activation], seeds=range(2), **options
    )
    assert certificate.lower_bound <= achieved and certificate.proved_lower_bound <= achieved
    assert certificate.objective <= achieved * (1 + 1e-3)


def test_weighted_samples_and_small_gaps():
    y = Y[:, :2]
    problem = problem_of(X[:, :1], y, 0.01, sample_weight=WEIGHTS)
    result = train(problem, tol=1e-6, random_state=0)
    assert result.certificate.relative_gap <= 1e-6 and result.certificate.is_proof
    assert_certifies(result.certificate, result.network, X[:, :1], y, 0.01, WEIGHTS)


@pytest.mark.slow
def test_outer_weights_save_rounds(monkeypatch):
    """Without them the loop ends at the same optimum, later: what it does for losses with kinks."""
    options = {"tol": 1e-4, "random_state": 0, "start": None, "max_iter": 60}
    problem = problem_of(alpha=0.02)
    quick = train(problem, **options)
    monkeypatch.setattr(
        cutting_plane, "with_best_outer_weights", lambda problem, network, *_: network
    )
    slow = train(problem, **options)
    for result in (quick, slow):
        assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-4
    assert quick.n_iter < slow.n_iter
    assert quick.certificate.objective == pytest.approx(slow.certificate.objective, rel=1e-4)


def test_turning_the_targets_turns_the_outputs():
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3))).Q
    options = {"tol": 1e-5, "random_state": 0}
    one, two = (train(problem_of(X[:, :1], y, 0.01), **options) for y in (Y, Y @ turn))
    assert one.certificate.is_proof and two.certificate.is_proof
    assert two.certificate.objective == pytest.approx(one.certificate.objective, rel=2e-5)
    outputs = (result.network.predict(X[:, :1]) for result in (one, two))
    np.testing.assert_allclose(next(outputs) @ turn, next(outputs), atol=0.03)


def test_outputs_that_are_multiples_of_one_are_one_output():
    X_, y, direction = X[:, :1], Y[:, 0], np.array([3.0, 4.0]) / 5
    one = train(problem_of(X_, y, 0.01), tol=1e-6, random_state=0)
    two = train(problem_of(X_, np.outer(y, direction), 0.01), tol=1e-6, random_state=0)
    assert two.certificate.objective == pytest.approx(one.certificate.objective, rel=3e-6)
    outer = two.network.output_weights
    np.testing.assert_allclose(np.abs(direction @ outer), np.linalg.norm(outer, axis=0), rtol=1e-3)


def test_losses_with_kinks_are_trained_without_them(monkeypatch):
    def refuse(*_):
        raise AssertionError("outer weights of a loss with kinks")

    monkeypatch.setattr(cutting_plane, "with_best_outer_weights", refuse)
    problem = problem_of(X[:, :1], Y[:, :2], 0.05, loss="absolute_error")
    result = train(problem, random_state=0, tol=1e-2)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-2


def test_dual_points_of_several_outputs_are_not_priced_without_the_time(monkeypatch):
    monkeypatch.setattr(cutting_plane, "_OF_DUALS", 1e14)
    problem = problem_of()
    result = train(problem, time_limit=5.0, random_state=0)
    assert result.status is Status.TIME_LIMIT
    certificate = result.certificate
    assert_certifies(certificate, result.network, X, Y[:, :2], 0.05)
    assert certificate.objective < problem.objective(problem.zero_network())  # of descent
    assert certificate.is_proof  # in closed form
    assert certificate.n_starts == 0
    usual = train(problem, random_state=0)
    assert certificate.lower_bound <= usual.certificate.objective
