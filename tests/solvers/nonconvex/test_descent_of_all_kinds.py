"""Descent for every loss, activation, kind of bias and number of outputs, against optima known otherwise."""

import cvxpy as cp
import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.losses import LOSSES
from convexrelu.solvers.nonconvex import descent, minibatches
from convexrelu.solvers.nonconvex import rounded_objective as module
from convexrelu.solvers.nonconvex.descent import descend, polish
from convexrelu.solvers.nonconvex.rounded_objective import rounded_loss
from convexrelu.solvers.nonconvex.tile_sums import Samples
from tests.honest import assert_same_network

RNG = np.random.default_rng(0)
X = RNG.standard_normal((14, 1))
SIGNAL = np.abs(X[:, 0]) - 0.5 * X[:, 0] + 0.1 * RNG.standard_normal(14)
CLASSES = np.where(np.median(SIGNAL) < SIGNAL, 1.0, -1.0)
TARGETS = {
    "poisson": np.floor(3 * np.abs(SIGNAL)),
    "logistic": CLASSES,
    "hinge": CLASSES,
    "squared_hinge": CLASSES,
    "multinomial": np.arange(14.0) % 3,
}
ACTIVATIONS = ("relu", "leaky_relu", "absolute_value")
BIASES = (True, False, "free")
KINDS = [(activation, bias) for activation in ACTIVATIONS for bias in BIASES]
KINKED = [name for name, loss in LOSSES.items() if not loss.smooth]


def problem_of(loss="squared_error", alpha=0.02, y=None, **options):
    return TrainingProblem(
        X, TARGETS.get(loss, SIGNAL) if y is None else y, alpha, loss=loss, **options
    )


def optimum_of(problem):
    """All patterns of one feature in one convex program, for one output.

    A neuron sees ``w x + b``: with a bias, its active samples are those on one side of a threshold.
    """
    x = problem.X[:, 0]
    order = np.argsort(x)
    if problem.hidden_bias:
        masks = [np.isin(np.arange(len(x)), order[k:]) for k in range(len(x) + 1)]
        design, free = np.column_stack([x, np.ones_like(x)]), problem.hidden_bias == "free"
    else:
        masks, design, free = [x > 0], x[:, None], False
    outputs, penalty, cones = 0.0, 0.0, []
    for mask in [*masks, *(~mask for mask in masks)]:
        signs = np.where(mask, 1.0, -1.0)
        for outer in (1.0, -1.0):
            u = cp.Variable(design.shape[1])
            cones.append(cp.multiply(signs, design @ u) >= 0)
            outputs += outer * cp.multiply(np.where(mask, 1.0, problem.slope), design @ u)
            penalty += cp.norm(u[:1] if free else u, 2)
    c = cp.Variable() if problem.fit_intercept else 0.0
    fit = problem.loss.expression(outputs + c, problem.y, problem.weights)
    program = cp.Problem(cp.Minimize(fit + problem.alpha * penalty), cones)
    with np.errstate(over="ignore"):  # cvxpy 1.8 finds shapes with arrays that are not initialised
        return program.solve(solver="CLARABEL")


def run(problem, seed=0):
    return descend(problem, np.random.RandomState(seed))


def assert_near(problem, network, optimum):
    objective, constant = (problem.objective(net) for net in (network, problem.zero_network()))
    assert optimum <= objective * (1 + 1e-6)
    assert objective <= optimum + 0.03 * (constant - optimum) + 1e-6


# One output: near the optimum. Every loss meets every activation and every kind of bias.

SCALAR = [name for name in LOSSES if name != "multinomial"]
SQUARE = [
    (loss, activation, BIASES[(i + j) % 3])
    for i, loss in enumerate(SCALAR)
    for j, activation in enumerate(ACTIVATIONS)
]


@pytest.mark.parametrize(("loss", "activation", "hidden_bias"), SQUARE)
def test_it_comes_near_the_optimum(loss, activation, hidden_bias):
    problem = problem_of(loss, activation=activation, hidden_bias=hidden_bias)
    network = run(problem)
    assert network.negative_slope == problem.slope
    assert_near(problem, network, optimum_of(problem))


# Several outputs


@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "huber", "quantile", "poisson"]
)
@pytest.mark.parametrize("hidden_bias", BIASES)
def test_an_output_that_is_constant_adds_nothing(loss, hidden_bias):
    one = problem_of(loss, hidden_bias=hidden_bias)
    two = problem_of(loss, y=np.column_stack([one.y, np.full(14, 2.0)]), hidden_bias=hidden_bias)
    network = run(two)
    rest = two.loss.value(np.full((1, 2), np.log(2.0)), np.full((1, 2), 2.0))[0] / 2
    extra = rest if loss == "poisson" else 0.0
    assert_near(two, network, optimum_of(one) + extra)


@pytest.mark.parametrize(("activation", "hidden_bias"), KINDS)
def test_two_classes_are_the_logistic_loss(activation, hidden_bias):
    """``f₁ − f₀ = g`` costs least with outer weights ``(−½, ½)``, of length ``1/√2``."""
    options = {"activation": activation, "hidden_bias": hidden_bias}
    many = problem_of("multinomial", 0.02, (CLASSES + 1) / 2, **options)
    one = problem_of("logistic", 0.02 / np.sqrt(2), **options)
    assert_near(many, run(many), optimum_of(one))


def test_three_classes_are_better_than_constants():
    problem = problem_of("multinomial", 1e-3, (X[:, 0] > 0.5) + 1.0 * (X[:, 0] > -0.5))
    network = run(problem)
    assert problem.objective(network) < 0.2 * problem.objective(problem.zero_network())
    assert network.n_outputs == 3


# The rounded objective


@pytest.mark.parametrize("name", KINKED)
def test_a_rounded_loss_is_the_moreau_envelope(name):
    """``min_g ℓ(g) + (f − g)²/2 width``, on a fine grid."""
    loss, y, width = LOSSES[name](), np.array([-1.0, 1.0, 1.0, -1.0]), 0.2
    f = np.array([-1.05, 0.0, 1.1, 3.0])
    grid = np.linspace(-6, 6, 240_001)
    wanted = [
        (loss.value(grid, np.full_like(grid, y[i])) + (f[i] - grid) ** 2 / (2 * width)).min()
        for i in range(4)
    ]
    np.testing.assert_allclose(rounded_loss(loss, f, y, width)[0], wanted, atol=1e-8)


def test_a_smooth_loss_stays_as_it_is():
    loss, f = LOSSES["logistic"](), np.linspace(-3, 3, 14)
    values, slopes = rounded_loss(loss, f, CLASSES, 0.5)
    np.testing.assert_array_equal(values, loss.value(f, CLASSES))
    np.testing.assert_array_equal(slopes, loss.gradient(f, CLASSES))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("activation", "hidden_bias"), KINDS)
def test_the_gradient_is_that_of_the_value(loss, activation, hidden_bias):
    problem = problem_of(loss, activation=activation, hidden_bias=hidden_bias)
    objective = module.RoundedObjective(problem)
    rng = np.random.default_rng(1)
    z = objective.random_point(np.random.RandomState(0))
    z += 0.1 * rng.standard_normal(len(z))
    _, gradient = objective(z, 0.1)
    for _ in range(3):
        direction = rng.standard_normal(len(z))
        direction /= np.linalg.norm(direction)
        ahead, behind = (objective(z + h * direction, 0.1)[0] for h in (1e-4, -1e-4))
        assert (ahead - behind) / 2e-4 == pytest.approx(gradient @ direction, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("activation", "hidden_bias"), KINDS)
def test_without_a_width_it_is_the_objective(loss, activation, hidden_bias):
    problem = problem_of(loss, activation=activation, hidden_bias=hidden_bias)
    objective = module.RoundedObjective(problem)
    z = objective.balanced(objective.random_point(np.random.RandomState(0)))
    exact = problem.objective(objective.network(z)) / objective.units.value
    assert objective(z, 1e-9)[0] == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("activation", "hidden_bias"), KINDS)
def test_a_network_and_its_point_are_the_same(activation, hidden_bias):
    problem = problem_of("multinomial", activation=activation, hidden_bias=hidden_bias)
    objective = module.RoundedObjective(problem)
    network = objective.network(objective.random_point(np.random.RandomState(0)))
    again = objective.network(objective.point(network))
    np.testing.assert_allclose(again.predict(X), network.predict(X), rtol=0, atol=1e-9)
    assert problem.penalty(again) == pytest.approx(problem.penalty(network), rel=1e-9)


def test_single_precision_is_good_enough(monkeypatch):
    problem = problem_of("multinomial", 0.02)  # where descent ends at one objective from everywhere
    exact = module.RoundedObjective(problem)
    best = min(problem.objective(run(problem, seed)) for seed in range(3))
    monkeypatch.setattr(module, "_LARGE", 0)
    single = module.RoundedObjective(problem)
    assert (exact.rows.dtype, single.rows.dtype) == (np.float64, np.float32)
    z = exact.random_point(np.random.RandomState(0))
    for one, other in zip(single(z, 0.03), exact(z, 0.03), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    again = min(problem.objective(run(problem, seed)) for seed in range(3))
    assert again == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_tiles_of_samples_add_up(monkeypatch, slope):
    problem = problem_of("multinomial", 1e-3, negative_slope=slope)
    objective = module.RoundedObjective(problem)
    z = objective.random_point(np.random.RandomState(0))
    value, gradient = objective(z, 0.03)
    monkeypatch.setattr(module, "_TILE", 3 * objective.n_neurons)
    again, other = module.RoundedObjective(problem)(z, 0.03)
    assert again == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(other, gradient, rtol=1e-12, atol=1e-15)


def test_smaller_penalties_have_more_neurons():
    inputs = np.linspace(-1.0, 1.0, 200)[:, None]
    many = [
        module.RoundedObjective(TrainingProblem(inputs, np.abs(inputs[:, 0]), alpha)).n_neurons
        for alpha in (1.0, 1e-3, 1e-4, 1e-6, 1e-320)
    ]
    assert many[0] < many[1] < many[2] < many[3] == many[4]
    problem = TrainingProblem(inputs, np.abs(inputs[:, 0]), 1e-4)
    assert module.RoundedObjective(problem, rounds_follow=True).n_neurons > many[2]
    large = problem.with_alpha(1.0)
    assert module.RoundedObjective(large, rounds_follow=True).n_neurons == many[0]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_seed_decides(loss):
    problem = problem_of(loss)
    assert_same_network(run(problem), run(problem))


# Polishing


@pytest.mark.parametrize(("activation", "hidden_bias"), KINDS)
def test_polishing_goes_on_from_a_network(activation, hidden_bias):
    problem = problem_of("logistic", activation=activation, hidden_bias=hidden_bias)
    rng = np.random.default_rng(3)
    parts = rng.standard_normal((10, 1)), rng.standard_normal(10) * bool(hidden_bias)
    start = TwoLayerNetwork(
        *parts, 0.1 * rng.standard_normal((1, 10)), [0.0], negative_slope=problem.slope
    )
    network = polish(problem, start)
    assert problem.objective(network) < problem.objective(start)
    again = problem.objective(polish(problem, network))
    assert again <= problem.objective(network) * (1 + 1e-14)  # objectives are rounded
    assert network.width <= 10


def test_polishing_without_time_is_the_start():
    problem = problem_of("logistic")
    start = run(problem)
    network = polish(problem, start, deadline=0.0)
    assert problem.objective(network) == pytest.approx(problem.objective(start), rel=1e-9)


def test_polishing_no_neuron_is_the_constant():
    problem = problem_of("multinomial")
    constant = problem.zero_network()
    assert polish(problem, constant).width == 0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("activation", "bias"), KINDS)
def test_gradients_of_a_batch_are_those_of_the_objective(monkeypatch, loss, activation, bias):
    """Hardly smoothed, where no sample is at a kink; a batch of all samples."""
    width = 1e-9
    monkeypatch.setattr(minibatches, "_ROUNDING", width)
    problem = problem_of(loss, 1e-2, activation=activation, hidden_bias=bias)
    objective, random = module.RoundedObjective(problem), np.random.RandomState(0)
    z = objective.random_point(random)
    z = z + 0.1 * random.standard_normal(len(z))
    order = random.permutation(problem.n_samples)
    parts = (objective.rows, objective.target, objective.weights)
    samples = Samples(*(part[order] for part in parts))
    own = minibatches._gradient(objective, samples, z.astype(np.float32))
    _, gradient = objective(z, width)
    np.testing.assert_allclose(own, gradient, atol=1e-4 * np.abs(gradient).max())


# Gradients of batches are those of all samples for every kind of problem, above.
@pytest.mark.parametrize(("loss", "bias"), [(loss, BIASES[k % 3]) for k, loss in enumerate(LOSSES)])
def test_batches_end_near_the_optimum(monkeypatch, loss, bias):
    problem = problem_of(loss, hidden_bias=bias)
    monkeypatch.setattr(descent, "FEW_SAMPLES", 5)
    monkeypatch.setattr(minibatches, "_BATCH", 5)
    constant = problem.objective(problem.zero_network())
    by_lbfgs = min(problem.objective(run(problem, seed)) for seed in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(descent, "FEW_SAMPLES", 5_000)
        best = min(problem.objective(run(problem, seed)) for seed in range(2))
    assert by_lbfgs <= best + 0.05 * (constant - best) + 1e-9


@pytest.mark.parametrize("n_samples", [3, 256, 257, 1000])
def test_batches_reach_all_samples_alike(n_samples):
    batches, count = minibatches._batches(n_samples, np.random.RandomState(0)), np.zeros(n_samples)
    order = np.resize(np.arange(n_samples), n_samples + minibatches._BATCH)
    for _ in range(2000):
        chosen = order[next(batches)]
        assert len(chosen) == minibatches._BATCH
        np.add.at(count, chosen, 1)
    assert count.min() > 0.8 * count.mean()
    assert count.max() < 1.2 * count.mean()
