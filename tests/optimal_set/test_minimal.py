"""Smallest networks, and choosing among equally good ones, against linear programs and plain NumPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.optimal_set import minimal


def random_network(rng, m, d, n_outputs=1):
    return TwoLayerNetwork(
        rng.standard_normal((m, d)),
        rng.standard_normal(m),
        rng.standard_normal((n_outputs, m)),
        rng.standard_normal(n_outputs),
    )


def random_problem(rng, n, d, alpha=0.01, **options):
    return TrainingProblem(rng.standard_normal((n, d)), rng.standard_normal(n), alpha, **options)


def optima_of_dimension_four():
    """A problem and six neurons that all have ``vᵀh = alpha p``: the data do not see the third feature."""
    v = 0.12 * np.array([1.0, 0.7])
    angles = np.linspace(0.1, 1.4, 6)
    rays = np.column_stack([np.cos(angles), np.sin(angles)])
    rays *= 0.1 / (rays @ v)[:, None]
    unseen = np.sqrt(1 - np.square(rays).sum(axis=1)) * np.array([1, -1, 1, -1, 1, -1])
    network = TwoLayerNetwork(
        np.column_stack([rays, unseen]), np.zeros(6), np.full((1, 6), 0.5), [0.0]
    )
    X = np.eye(2, 3)
    y = network.predict(X) + 2 * v
    return TrainingProblem(X, y, 0.1, hidden_bias=False, fit_intercept=False), network.balance()


def columns_of(network, X, fit_intercept):
    """Outputs of every neuron by itself, each scaled to length one, and the constants."""
    hidden = np.maximum(X @ network.hidden_weights.T + network.hidden_bias, 0.0)
    columns = [
        np.outer(hidden[:, j], network.output_weights[:, j]).ravel() for j in range(network.width)
    ]
    if fit_intercept:
        n_outputs = len(network.output_bias)
        columns += [np.tile(row, len(X)) for row in np.eye(n_outputs)]
    columns = np.array(columns).reshape(len(columns), -1).T
    return columns / np.linalg.norm(columns, axis=0)


def smallest_singular_value(columns):
    if columns.shape[1] > columns.shape[0]:
        return 0.0
    return np.linalg.svd(columns, compute_uv=False).min(initial=1.0)


def assert_minimal(small, network, problem):
    scale = np.abs(network.predict(problem.X)).max()
    np.testing.assert_allclose(
        small.predict(problem.X), network.predict(problem.X), rtol=0, atol=1e-10 * scale
    )
    assert small.penalty() <= network.balance().penalty() * (1 + 1e-10)
    assert problem.objective(small) <= problem.objective(network) * (1 + 1e-10)
    columns = columns_of(small, problem.X, problem.fit_intercept)
    assert smallest_singular_value(columns) > 1e-12


class TestMinimal:
    @pytest.mark.parametrize("fit_intercept", [True, False])
    @pytest.mark.parametrize(("n", "m"), [(5, 40), (20, 20), (20, 15), (1, 6), (30, 200)])
    def test_vertex_of_random_networks(self, n, m, fit_intercept):
        rng = np.random.default_rng(n + m)
        problem = random_problem(rng, n, 3, fit_intercept=fit_intercept)
        network = random_network(rng, m, 3)
        small = minimal(network, problem)
        assert_minimal(small, network, problem)
        assert small.width <= min(m, n - fit_intercept)

    def test_twice_is_once(self):
        rng = np.random.default_rng(0)
        problem = random_problem(rng, 8, 2)
        once = minimal(random_network(rng, 50, 2), problem)
        twice = minimal(once, problem)
        assert twice.width == once.width
        np.testing.assert_allclose(twice.hidden_weights, once.hidden_weights, rtol=1e-12)

    def test_optimum_stays_optimal(self):
        """Along null directions at an optimum, the penalty stays: the pruned network has the optimal objective."""
        rng = np.random.default_rng(1)
        problem = random_problem(rng, 12, 2, alpha=1e-3)
        optimum = train(problem, patterns="enumerated", tol=1e-9, random_state=0).network
        # Two halves of every neuron, tilted apart where the data do not see it, are no longer optimal
        # but have the same outputs; halves without the tilt are.
        doubled = TwoLayerNetwork(
            np.vstack([optimum.hidden_weights] * 2) / np.sqrt(2),
            np.tile(optimum.hidden_bias, 2) / np.sqrt(2),
            np.hstack([optimum.output_weights] * 2) / np.sqrt(2),
            optimum.output_bias,
        )
        small = minimal(doubled, problem)
        assert_minimal(small, doubled, problem)
        assert small.width <= optimum.width
        assert problem.objective(small) == pytest.approx(problem.objective(optimum), rel=1e-10)

    def test_optimal_set_of_known_dimension(self):
        """Three samples on a ray and k neurons along it: outputs have one dimension, so that one neuron is enough."""
        rng = np.random.default_rng(2)
        ray = np.array([1.0, 2.0])
        X = np.outer([1.0, 2.0, 3.0], ray)
        problem = TrainingProblem(X, X @ ray, alpha=0.1, hidden_bias=False, fit_intercept=False)
        across = np.array([2.0, -1.0])
        weights = ray + 0.1 * rng.standard_normal((7, 1)) * across
        network = TwoLayerNetwork(weights, np.zeros(7), rng.uniform(0.1, 1, (1, 7)), [0.0])
        small = minimal(network, problem)
        assert small.width == 1
        assert_minimal(small, network, problem)

    def test_optima_of_known_dimension(self):
        """Six neurons, outputs of two dimensions: a polytope of dimension four, whose vertices have two neurons."""
        problem, network = optima_of_dimension_four()
        small = minimal(network, problem)
        assert small.width == 2
        assert_minimal(small, network, problem)
        assert problem.objective(small) == pytest.approx(problem.objective(network), rel=1e-12)

    def test_not_better_than_the_linear_program(self):
        """The smallest penalty with these outputs is a linear program; a walk ends between it and the start."""
        rng = np.random.default_rng(3)
        for _ in range(5):
            problem = random_problem(rng, 6, 2, fit_intercept=False)
            network = random_network(rng, 15, 2).balance()
            small = minimal(network, problem)
            hidden = network.hidden_features(problem.X) * network.output_weights[0]
            prices = np.linalg.norm(network.augmented_weights(), axis=1)
            prices = prices * np.abs(network.output_weights[0])
            least = linprog(prices, A_eq=hidden, b_eq=hidden.sum(axis=1))
            assert least.status == 0
            assert least.fun * (1 - 1e-9) <= small.penalty() <= network.penalty()

    def test_several_outputs(self):
        """With K outputs the outputs of a neuron have n K entries, so that n K columns can be independent."""
        rng = np.random.default_rng(4)
        network = random_network(rng, 40, 2, n_outputs=3)
        problem = TrainingProblem(rng.standard_normal((4, 2)), rng.standard_normal((4, 3)), 0.1)
        small = minimal(network, problem)
        assert_minimal(small, network, problem)
        assert small.width <= 3 * (4 - 1)

    def test_equal_directions_of_several_outputs(self):
        network = TwoLayerNetwork(
            [[1.0, 0.0], [2.0, 0.0]], [1.0, 2.0], [[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]
        )
        problem = TrainingProblem(np.eye(2), np.eye(2), 0.1)
        small = minimal(network, problem)
        assert small.width == 1
        assert_minimal(small, network, problem)

    @pytest.mark.parametrize("activation", ["leaky_relu", "absolute_value"])
    @pytest.mark.parametrize("hidden_bias", [True, "free"])
    def test_other_activations_and_free_biases(self, activation, hidden_bias):
        rng = np.random.default_rng(10)
        problem = random_problem(
            rng, 10, 2, activation=activation, negative_slope=0.3, hidden_bias=hidden_bias
        )
        network = replace(random_network(rng, 40, 2), negative_slope=problem.slope)
        small = minimal(network, problem)
        assert small.negative_slope == problem.slope
        assert small.width <= 9
        np.testing.assert_allclose(small.predict(problem.X), network.predict(problem.X), atol=1e-10)
        balanced = problem.objective(problem.balanced(network))
        assert problem.objective(small) <= balanced * (1 + 1e-10)
        with pytest.raises(ValueError, match="network has negative_slope=0, expected"):
            minimal(replace(network, negative_slope=0.0), problem)

    def test_constant_neurons_of_free_biases(self):
        rng = np.random.default_rng(11)
        problem = random_problem(rng, 5, 2, hidden_bias="free")
        network = TwoLayerNetwork(np.zeros((3, 2)), [1.0, 2.0, -1.0], np.ones((1, 3)), [0.0])
        small = minimal(network, problem)
        assert small.width == 0
        np.testing.assert_allclose(small.predict(problem.X), 3.0)

    def test_duplicates_opposites_and_dead_neurons(self):
        problem = TrainingProblem(np.array([[1.0], [2.0], [4.0]]), np.arange(3.0), alpha=0.1)
        network = TwoLayerNetwork(
            [[1.0], [1.0], [3.0], [-1.0], [1.0]],
            [-1.5, -1.5, -4.5, 0.0, 0.5],
            [[1.0, 2.0, -1.0, 5.0, 0.0]],
            [0.25],
        )
        small = minimal(network, problem)
        assert (
            small.width == 0
        )  # 1 + 2 − 3 cancel, the fourth never fires, the fifth has no outer weight
        np.testing.assert_allclose(small.predict(problem.X), 0.25, atol=1e-12)

    def test_neurons_that_cancel_to_rounding(self):
        problem = TrainingProblem(np.array([[1.0], [2.0], [4.0]]), np.arange(3.0), alpha=0.1)
        outer = [[0.1, 0.2, -0.3, 1.0]]  # the first three add up to 5.6e-17
        network = TwoLayerNetwork(
            [[1.0], [1.0], [1.0], [1.0]], [-1.5, -1.5, -1.5, 0.0], outer, [0.0]
        )
        small = minimal(network, problem)
        assert small.width == 1
        assert_minimal(small, network, problem)

    @pytest.mark.parametrize("width", [0, 1])
    def test_nothing_to_do(self, width):
        rng = np.random.default_rng(5)
        problem = TrainingProblem(rng.standard_normal((6, 2)), rng.standard_normal(6), alpha=0.1)
        network = TwoLayerNetwork(
            np.ones((width, 2)), np.full(width, 9.0), np.full((1, width), 0.5), [1.0]
        )
        small = minimal(network, problem)
        assert small.width == width
        np.testing.assert_allclose(small.predict(problem.X), network.predict(problem.X))

    def test_linear_neurons_and_the_intercept(self):
        """Many neurons that are linear on the data span d + 1 dimensions, one of which the intercept has."""
        rng = np.random.default_rng(6)
        problem = random_problem(rng, 20, 2)
        network = TwoLayerNetwork(
            rng.standard_normal((9, 2)), np.full(9, 50.0), rng.standard_normal((1, 9)), [0.0]
        )
        small = minimal(network, problem)
        assert small.width <= 2
        np.testing.assert_allclose(small.predict(problem.X), network.predict(problem.X), rtol=1e-10)

    def test_weightless_samples_do_not_count(self):
        rng = np.random.default_rng(7)
        weights = np.array([1.0, 2.0, 1.0, 0.0, 0.0, 0.0])
        problem = random_problem(rng, 6, 2, sample_weight=weights, fit_intercept=False)
        network = random_network(rng, 10, 2)
        small = minimal(network, problem)
        assert small.width <= 3
        seen = problem.X[:3]
        np.testing.assert_allclose(small.predict(seen), network.predict(seen), atol=1e-10)

    @pytest.mark.parametrize("scale", [1e-120, 1e-6, 1e6, 1e120])
    def test_units_do_not_matter(self, scale):
        rng = np.random.default_rng(8)
        X, y = rng.standard_normal((6, 2)), rng.standard_normal(6)
        network = random_network(rng, 30, 2)
        in_units = TwoLayerNetwork(
            network.hidden_weights,
            network.hidden_bias,
            network.output_weights * scale,
            network.output_bias * scale,
        )
        problem = TrainingProblem(X, y * scale, 0.01 * scale)
        small = minimal(in_units, problem)
        assert_minimal(small, in_units, problem)
        assert small.width <= 5

    def test_neurons_of_very_different_sizes(self):
        rng = np.random.default_rng(9)
        problem = random_problem(rng, 10, 2)
        network = random_network(rng, 60, 2)
        network = TwoLayerNetwork(
            network.hidden_weights,
            network.hidden_bias,
            network.output_weights * 10.0 ** rng.uniform(-12, 0, 60),
            network.output_bias,
        )
        small = minimal(network, problem)
        assert_minimal(small, network, problem)

    def test_wrong_shapes(self):
        problem = random_problem(np.random.default_rng(0), 4, 2)
        with pytest.raises(ValueError, match="network takes 3 features, expected 2"):
            minimal(TwoLayerNetwork.constant(3), problem)
        with pytest.raises(ValueError, match="network has 2 outputs, expected 1"):
            minimal(TwoLayerNetwork.constant(2, [0.0, 0.0]), problem)
