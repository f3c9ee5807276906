"""Best sizes of given neurons, beside SciPy's non-negative least squares and the conditions of an optimum."""

import numpy as np
import pytest
from scipy.optimize import nnls

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.training import neuron_sizes as module
from convexrelu.training.neuron_sizes import best_sizes, with_best_sizes
from tests import reference

X, Y = reference.teacher(40, 3, 3, 0.1, 0)
OPTIONS = [
    {},
    {"fit_intercept": False},
    {"hidden_bias": False},
    {"skip": True},
    {"activation": "leaky_relu"},
    {"sample_weight": np.linspace(0.5, 2.0, 40)},
]


def program(seed, m=30, n=40, alpha=0.3):
    """Columns, target and penalty, with ``G`` and ``b``."""
    rng = np.random.default_rng(seed)
    A, t = np.maximum(rng.standard_normal((n, m)) + 0.5, 0.0), rng.standard_normal(n) + 1.0
    return A, t, alpha, A.T @ A, A.T @ t - alpha


def by_scipy(A, t, alpha):
    """By SciPy: ``½‖Ac − t‖² + alpha Σ c`` is a square, as ``Aᵀs = 1`` has a solution with so many rows."""
    shifted = t - alpha * np.linalg.lstsq(A.T, np.ones(A.shape[1]), rcond=None)[0]
    return nnls(A, shifted)[0]


def value(c, A, t, alpha):
    return 0.5 * np.sum((A @ c - t) ** 2) + alpha * c.sum()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("guess", ["none", "all", "some"])
def test_sizes_are_those_of_scipy_and_satisfy_the_conditions_of_an_optimum(seed, guess):
    A, t, alpha, G, b = program(seed)
    start = {"none": np.zeros(30), "all": np.ones(30), "some": np.eye(30)[seed]}[guess]
    c = best_sizes(G, b, start)
    assert (c >= 0).all() and 0 < np.count_nonzero(c) < 30
    slopes = G @ c - b
    assert slopes.min() >= -1e-6 and abs(c @ slopes) <= 1e-6
    assert value(c, A, t, alpha) == pytest.approx(
        value(by_scipy(A, t, alpha), A, t, alpha), rel=1e-8
    )


def test_the_result_is_no_worse_than_the_start_with_a_single_system(monkeypatch):
    monkeypatch.setattr(module, "_MOST_SYSTEMS", 1)
    for seed in range(20):
        A, t, alpha, G, b = program(seed)
        start = np.random.default_rng(seed).uniform(0, 0.05, 30)
        found = best_sizes(G, b, start)
        assert (found >= 0).all()
        assert value(found, A, t, alpha) <= value(start, A, t, alpha) * (1 + 1e-12)


def test_one_exchange_at_a_time_ends_at_the_same_sizes(monkeypatch):
    _, _, _, G, b = program(0)
    wanted = best_sizes(G, b, np.zeros(30))
    monkeypatch.setattr(module, "_PATIENCE", 0)
    monkeypatch.setattr(module, "_MOST_SYSTEMS", 100_000)
    np.testing.assert_allclose(best_sizes(G, b, np.zeros(30)), wanted, atol=1e-8)


def test_exchanges_of_all_at_once_that_cycle_end():
    """In such programs they often do: neurons that overlap much, of different sizes."""
    rng = np.random.default_rng(71)
    A = rng.standard_normal((3, 3)) * 10.0 ** rng.uniform(-1.5, 1.5, (3, 1))
    G = A.T @ A
    G /= np.sqrt(np.outer(np.diag(G), np.diag(G)))
    b = rng.standard_normal(3)
    slopes = G @ (c := best_sizes(G, b, np.zeros(3))) - b
    assert c.any() and slopes.min() >= -1e-6 and abs(c @ slopes) <= 1e-6


def test_neurons_that_are_alike_and_neurons_that_vanish_are_no_trouble():
    A, t, alpha, _, _ = program(3)
    doubled = np.column_stack([A, A, np.zeros(40)])
    found = best_sizes(doubled.T @ doubled, doubled.T @ t - alpha, np.zeros(61))
    best = by_scipy(A, t, alpha)
    assert value(found, doubled, t, alpha) == pytest.approx(value(best, A, t, alpha), rel=1e-6)
    assert found[-1] == 0
    assert len(best_sizes(np.zeros((0, 0)), np.zeros(0), np.zeros(0))) == 0


@pytest.mark.parametrize("options", OPTIONS)
def test_no_other_sizes_of_these_neurons_are_better(options):
    problem = TrainingProblem(X, Y, 0.01, **options)
    rng = np.random.default_rng(1)
    bias = rng.standard_normal(6) if problem.hidden_bias else np.zeros(6)
    network = TwoLayerNetwork(
        rng.standard_normal((6, 3)),
        bias,
        rng.standard_normal((1, 6)),
        [0.0],
        negative_slope=problem.slope,
    )
    directions = rng.standard_normal((8, problem.design.shape[1]))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    found = with_best_sizes(problem, network, directions, np.tile([1.0, -1.0], 4))
    lowest = problem.objective(found)
    assert lowest < problem.objective(network)
    assert 0 < found.width <= 14
    for j in range(found.width):
        for factor in (0.9, 1.1):
            outer = found.output_weights.copy()
            outer[:, j] *= factor  # of both weights: directions stay, and so does the balance
            inner, hidden_bias = found.hidden_weights.copy(), found.hidden_bias.copy()
            inner[j] *= factor
            hidden_bias[j] *= factor
            other = TwoLayerNetwork(
                inner,
                hidden_bias,
                outer,
                found.output_bias,
                skip_weights=found.skip_weights,
                negative_slope=problem.slope,
            )
            assert problem.objective(other) >= lowest * (1 - 1e-9)


def test_neurons_that_no_sample_sees_are_left_out():
    x = np.random.default_rng(0).standard_normal((6, 9))
    x[:, 0] = 0
    problem = TrainingProblem(x, x[:, 1], 1e-3, hidden_bias=False)
    seen, unseen = np.eye(9)[1], np.eye(9)[0]
    directions = problem.directions(TwoLayerNetwork(-seen[None], [0.0], [[-1.0]], [0.0]))
    directions /= np.linalg.norm(directions)
    both = TwoLayerNetwork([seen, unseen], np.zeros(2), [[1.0, 1.0]], [0.0])
    one = both.with_neurons(np.array([0]))
    found, wanted = (
        with_best_sizes(problem, start, directions, np.array([-1.0])) for start in (both, one)
    )
    assert found.width == wanted.width == 2
    np.testing.assert_allclose(found.predict(x), wanted.predict(x), rtol=1e-9)
    assert problem.objective(found) < 0.1 * problem.objective(both)


@pytest.mark.parametrize(
    "options",
    [*OPTIONS, {"skip": True, "skip_alpha": 0.1}, {"activation": "absolute_value"}],
)
@pytest.mark.parametrize(("of_x", "of_y"), [(1.0, 1.0), (1e3, 1e-3), (1e-3, 1e3)])
def test_no_sizes_are_better_in_any_units(options, of_x, of_y):
    rng = np.random.default_rng(2)
    shift = 5.0 if options.get("fit_intercept", True) else 0.0
    problem = TrainingProblem(of_x * X, of_y * (Y + shift), 0.01 * of_x * of_y, **options)
    skip = of_y / of_x * np.array([[0.1, -0.2, 0.3]]) if problem.skip else None
    network = TwoLayerNetwork(
        rng.standard_normal((6, 3)),
        of_x * rng.standard_normal(6) * bool(problem.hidden_bias),
        of_y / of_x * rng.standard_normal((1, 6)),
        [0.0],
        skip_weights=skip,
        negative_slope=problem.slope,
    )
    more, signs = rng.standard_normal((8, problem.design.shape[1])), np.tile([1.0, -1.0], 4)
    more *= np.append(np.ones(3), of_x)[: more.shape[1]]  # of which each bends among the samples
    more /= np.linalg.norm(more, axis=1)[:, None]
    own = problem.directions(network)
    own = own / np.linalg.norm(own, axis=1)[:, None]
    hidden = problem.design @ np.vstack([own, more]).T
    hidden = np.where(hidden > 0, hidden, problem.slope * hidden)
    found = with_best_sizes(problem, network, more, signs)
    # Residuals, scaled until no column gains more than alpha, are a dual point: -½‖v‖² - vᵀt.
    target = problem.y - (0.0 if skip is None else problem.X @ skip[0])
    residuals = found.predict(problem.X) - problem.y
    columns = hidden * np.concatenate([np.sign(network.output_weights[0]), signs])
    v = problem.weights * residuals
    v *= min(1.0, problem.alpha / (-columns.T @ v).max())
    bound = -0.5 * np.sum(v**2 / problem.weights) - v @ target
    of_skip = 0.0 if skip is None else 0.5 * problem.skip_alpha * np.sum(skip**2)
    assert bound * (1 - 1e-9) <= problem.objective(found) - of_skip <= bound * (1 + 1e-6)


def test_without_a_single_system_the_network_keeps_its_sizes(monkeypatch):
    monkeypatch.setattr(module, "_MOST_SYSTEMS", 0)
    problem = TrainingProblem(1e3 * X, 10 * Y, 0.01)
    network = TwoLayerNetwork(np.eye(3), np.ones(3), [[1.0, -2.0, 3.0]], [0.0])
    found = with_best_sizes(problem, network, np.eye(4)[:2], np.ones(2))
    assert found.width == 3
    same = found.output_weights[0][:, None] * found.hidden_weights  # in any order
    np.testing.assert_allclose(same[same != 0][np.argsort(same[same != 0])], [-2, 1, 3], rtol=1e-9)
