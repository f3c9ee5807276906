"""Optimal sets as polytopes, against sets known by hand, brute force and the list of vertices."""

from functools import cache

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.optimal_set import optimal_polytope
from convexrelu.optimal_set.scales import ScalePolytope
from tests import reference

KAPPA = 1 - 0.2 / np.sqrt(5)


@cache
def absolute_values():
    """Samples on the axes: ``f* = κ y`` with ``‖y − f*‖/2 = alpha``, of ``|y_1 x_1 ± y_2 x_2|`` in any proportion."""
    problem = TrainingProblem(
        np.eye(2),
        [1.0, 2.0],
        0.1,
        activation="absolute_value",
        hidden_bias=False,
        fit_intercept=False,
    )
    root = np.sqrt(KAPPA * np.sqrt(5))
    network = TwoLayerNetwork(
        [np.array([1.0, 2.0]) / np.sqrt(5) * root], [0.0], [[root]], [0.0], negative_slope=-1.0
    )
    return problem, network


def bowl(weights, biases, outer):
    """A problem with free biases of which this network is an optimum, and the network.

    With ``v = (y − f*)/7`` the value of a kink at ``t`` is 0.05 = alpha at ``t = ±1``, 0.02 at 0 and ±2, and linear
    between; ``Σv = vᵀx = 0``, so that it is the same for both sides.
    """
    x = np.arange(-3.0, 4.0)[:, None]
    v = np.array([0.02, 0.01, -0.06, 0.06, -0.06, 0.01, 0.02])
    network = TwoLayerNetwork(weights, biases, outer, [0.5])
    return TrainingProblem(x, network.predict(x) + 7 * v, 0.05, hidden_bias="free"), network


@cache
def random_set(n, d, alpha, **options):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    problem = TrainingProblem(
        X, np.sin(2 * X[:, 0]) + 0.1 * rng.standard_normal(n), alpha, **options
    )
    network = train(problem, tol=1e-9, random_state=0).network
    return optimal_polytope(network, problem), network


def objective(network, problem):
    return reference.regularised_loss(
        network,
        problem.X,
        problem.y[:, None],
        problem.alpha,
        loss=problem.loss.name,
        free_bias=problem.free_bias,
        skip_alpha=problem.skip_alpha,
    )


def assert_members(networks, optima, rel=1e-8):
    problem = optima.problem
    assert len(networks) > 0
    for network in networks:
        np.testing.assert_allclose(network.predict(problem.X), optima.fit, rtol=0, atol=1e-8)
        assert objective(network, problem) == pytest.approx(
            objective(optima.network, problem), rel=rel
        )


SEVERAL = {
    "line": (20, 1, 1e-2, {}),
    "skip": (10, 2, 1e-2, {"skip": True, "skip_alpha": 0.01}),
}


class TestKnownSets:
    def test_absolute_values(self):
        problem, network = absolute_values()
        optima = optimal_polytope(network, problem)
        assert optima.is_complete and optima.dimension == 1
        assert optima.relative_gap < 1e-12
        unit = np.array([[1.0, 2.0], [1.0, -2.0]]) / np.sqrt(5)
        aligned = np.abs(optima.directions[:, :2] @ unit.T).max(axis=0)
        np.testing.assert_allclose(aligned, 1.0, rtol=1e-14)
        np.testing.assert_allclose(
            optima.columns, np.outer([1, 2], [1, 1]) / np.sqrt(5), rtol=1e-14
        )
        assert optima.penalty == pytest.approx(KAPPA * np.sqrt(5), rel=1e-12)
        vertices = optima.vertices()
        assert [network.width for network in vertices] == [1, 1]
        assert_members(vertices, optima, rel=1e-12)

    def test_absolute_values_range(self):
        problem, network = absolute_values()
        low, high = optimal_polytope(network, problem).prediction_range([[1.0, 1.0], [0.0, 1.0]])
        np.testing.assert_allclose(low, KAPPA * np.array([1.0, 2.0]), rtol=1e-9)
        np.testing.assert_allclose(high, KAPPA * np.array([3.0, 2.0]), rtol=1e-9)
        assert low[1] == high[1]

    def test_right_and_left(self):
        """``relu(x − 1) + relu(−1 − x)`` is ``relu(1 − x) + relu(x + 1) − 2``: the ends of a segment."""
        problem, network = bowl([[1.0], [-1.0]], [-1.0, -1.0], [[1.0, 1.0]])
        optima = optimal_polytope(network, problem)
        kinks = sorted((float(w), float(b)) for w, b in optima.directions)
        assert kinks == [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)]
        assert not optima.is_complete  # free biases
        uniqueness = optima.uniqueness()
        assert not uniqueness.is_unique and uniqueness.reason == "another network"
        vertices = optima.vertices()
        assert sorted(network.output_bias[0] for network in vertices) == pytest.approx([-1.5, 0.5])
        assert [network.width for network in vertices] == [2, 2]
        assert_members([*vertices, uniqueness.other], optima, rel=1e-12)
        low, high = optima.prediction_range(np.linspace(-9, 9, 31)[:, None])
        np.testing.assert_allclose(low, high, atol=1e-12)  # one function

    def test_dependent_columns_but_one_network(self):
        """As the function does not fall, nothing faces left: of the same four columns only two can be used."""
        problem, network = bowl([[1.0], [1.0]], [-1.0, 1.0], [[1.0, 1.0]])
        optima = optimal_polytope(network, problem)
        assert len(optima.scales) == 4 and optima.dimension == 1
        uniqueness = optima.uniqueness()
        assert uniqueness.is_unique and uniqueness.reason == "linear programs"
        assert uniqueness.other is None and not uniqueness.is_complete
        assert len(optima.vertices()) == 1

    def test_searched_witnesses(self):
        problem, network = absolute_values()
        optima = optimal_polytope(network, problem, oracle="search", random_state=0)
        assert len(optima.scales) == 2 and not optima.is_complete

    def test_zero_network(self):
        problem = TrainingProblem([[1.0], [2.0]], [0.0, 1.0], 9.0)
        optima = optimal_polytope(problem.zero_network(), problem)
        assert optima.is_complete and optima.uniqueness().is_unique
        np.testing.assert_allclose(optima.prediction_range([[5.0]]), 0.5)
        assert [network.width for network in optima.vertices()] == [0]

    def test_huber_loss_that_is_not_strictly_convex_at_the_fit(self):
        problem = TrainingProblem([[0.0], [1.0]], [-9.0, 9.0], 9.0, loss="huber")
        assert not optimal_polytope(problem.zero_network(), problem).is_complete


class TestRandomSets:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"hidden_bias": False},
            {"fit_intercept": False},
            {"activation": "leaky_relu", "negative_slope": 0.3},
        ],
        ids=str,
    )
    def test_generic_data_have_one_optimum(self, options):
        optima, network = random_set(10, 2, 0.05, **options)
        assert optima.is_complete
        uniqueness = optima.uniqueness()
        assert uniqueness.is_unique and uniqueness.reason == "independent columns"
        columns = np.column_stack([optima.columns, np.ones(10)][: 1 + optima.problem.fit_intercept])
        assert np.linalg.matrix_rank(columns, tol=1e-6) == columns.shape[1]
        assert objective(optima.network, optima.problem) == pytest.approx(
            objective(network, optima.problem), rel=1e-9
        )
        assert_members(optima.vertices(), optima)

    @pytest.mark.parametrize("name", SEVERAL)
    def test_vertices(self, name):
        n, d, alpha, options = SEVERAL[name]
        optima, network = random_set(n, d, alpha, **options)
        assert optima.is_complete and not optima.uniqueness().is_unique
        vertices = optima.vertices()
        assert len(vertices) > optima.dimension > 0
        assert_members(vertices, optima)
        for vertex in vertices:
            assert objective(vertex, optima.problem) == pytest.approx(
                objective(network, optima.problem), rel=1e-8
            )
        for vertex in vertices:
            columns = np.maximum(optima.problem.X @ vertex.hidden_weights.T + vertex.hidden_bias, 0)
            columns = np.column_stack([columns, np.ones(n)])
            columns = columns / np.linalg.norm(columns, axis=0)
            assert np.linalg.svd(columns, compute_uv=False).min() > 1e-7

    @pytest.mark.parametrize("name", SEVERAL)
    def test_range_is_that_of_the_vertices(self, name):
        n, d, alpha, options = SEVERAL[name]
        optima, _ = random_set(n, d, alpha, **options)
        X = 3 * np.random.default_rng(1).standard_normal((20, d))
        outputs = np.array([vertex.predict(X) for vertex in optima.vertices()])
        low, high = optima.prediction_range(X)
        np.testing.assert_allclose(low, outputs.min(axis=0), atol=1e-8)
        np.testing.assert_allclose(high, outputs.max(axis=0), atol=1e-8)
        low, high = optima.prediction_range(optima.problem.X)
        np.testing.assert_array_equal(low, high)

    def test_candidates_attain_the_maximum(self):
        """The maximum over all directions, by faces, is ``alpha``, and each candidate has it."""
        optima, _ = random_set(10, 2, 0.05)
        problem = optima.problem
        v = (problem.y - optima.fit) / 10
        masks = reference.all_masks(problem.design)
        assert reference.max_rectified(problem.design, v, masks) == pytest.approx(0.05, rel=1e-6)
        np.testing.assert_allclose(v @ optima.columns, 0.05, rtol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(optima.directions, axis=1), 1, rtol=1e-12)

    def test_small_alpha(self):
        """Own columns are dependent: what they ask of the dual point must not be magnified errors of the solver."""
        optima, network = random_set(25, 2, 3e-3)
        assert optima.is_complete and optima.dimension > 2
        given = objective(network, optima.problem)
        assert objective(optima.network, optima.problem) == pytest.approx(given, rel=5e-11)
        np.testing.assert_allclose(optima.values, 1, atol=1e-10)

    def test_data_of_weight_zero_and_repeated_samples(self):
        optima, network = random_set(10, 2, 0.05)
        problem = optima.problem
        X = np.vstack([problem.X, problem.X, [[9.0, 9.0]]])
        y = np.concatenate([problem.y, problem.y, [5.0]])
        weights = np.append(np.ones(20), 0.0)
        other = optimal_polytope(network, TrainingProblem(X, y, 0.05, sample_weight=weights))
        assert other.is_complete and len(other.scales) == len(optima.scales)
        assert other.columns.shape == (21, len(optima.scales))


class TestExtreme:
    def test_linear_costs(self):
        problem, network = absolute_values()
        optima = optimal_polytope(network, problem)
        for costs in ([1.0, 2.0], [2.0, 1.0]):
            cheap = optima.extreme(costs)
            assert cheap.width == 1
            wanted = optima.directions[np.argmin(costs)]
            unit = cheap.augmented_weights()[0] / np.linalg.norm(cheap.augmented_weights()[0])
            np.testing.assert_allclose(unit, wanted, atol=1e-12)
        same = optima.extreme(lambda given: np.arange(len(given.scales)))
        np.testing.assert_allclose(same.hidden_weights, optima.extreme([0.0, 1.0]).hidden_weights)

    def test_sparsest_inputs(self):
        """With the samples turned so that ``y_1 r_1 + y_2 r_2`` is on an axis, one optimum looks at one input."""
        problem, _ = absolute_values()
        turn = np.array([[1.0, -2.0], [2.0, 1.0]]) / np.sqrt(5)
        turned = TrainingProblem(
            turn,
            problem.y,
            0.1,
            activation="absolute_value",
            hidden_bias=False,
            fit_intercept=False,
        )
        other = np.array([[1.0, -2.0]]) @ turn  # from the dense one
        root = np.sqrt(KAPPA)
        dense = TwoLayerNetwork(
            other * root / 5**0.25, [0.0], [[root * 5**0.25]], [0.0], negative_slope=-1.0
        )
        optima = optimal_polytope(dense, turned)
        assert_members([dense], optima, rel=1e-12)
        sparse = optima.extreme("sparsest_inputs")
        assert_members([sparse], optima, rel=1e-12)
        assert sparse.width == 1
        np.testing.assert_allclose(sparse.hidden_weights[0, 1], 0, atol=1e-12)
        assert np.abs(dense.hidden_weights).min() > 0.1

    def test_least_lipschitz_of_several_features(self):
        """Gradients beside the samples are ``κ(1, ±2s)`` and ``κ(±s, 2)``: best at ``s = 0``, half of each."""
        problem, network = absolute_values()
        optima = optimal_polytope(network, problem)
        flat = optima.extreme("least_lipschitz")
        assert_members([flat], optima)
        assert flat.predict([[1.0, 1.0]]) == pytest.approx(2 * KAPPA, abs=1e-3)

    def test_least_lipschitz_of_one_feature(self):
        """``|slope|`` by finite differences between samples and beyond, against all vertices."""
        optima, _ = random_set(6, 1, 1e-2, activation="absolute_value", hidden_bias=False)
        optima_line, _ = random_set(20, 1, 1e-2)
        grid = np.linspace(-9, 9, 20_001)[:, None]
        for some in (optima, optima_line):
            steepest = [
                np.abs(np.diff(network.predict(grid)) / np.diff(grid[:, 0])).max()
                for network in (some.extreme("least_lipschitz"), *some.vertices())
            ]
            assert steepest[0] <= min(steepest[1:]) * (1 + 1e-6)

    def test_validation(self):
        problem, network = absolute_values()
        optima = optimal_polytope(network, problem)
        chosen = optima.extreme("validation", X_val=[[1.0, 1.0]], y_val=[2.0])
        assert chosen.predict([[1.0, 1.0]]) == pytest.approx(2.0, abs=1e-3)
        assert problem.objective(chosen) <= problem.objective(network) * (1 + 1e-6)

    def test_one_member(self):
        optima, _ = random_set(10, 2, 0.05)
        for criterion in ("sparsest_inputs", "least_lipschitz"):
            found = optima.extreme(criterion)
            np.testing.assert_array_equal(found.hidden_weights, optima.network.hidden_weights)


class TestScales:
    def test_triangle(self):
        moves = np.linalg.svd(np.ones((1, 3)))[2][1:].T
        triangle = ScalePolytope(np.full(3, 1 / 3), moves)
        corners = np.array([triangle.scales(z) for z in triangle.vertices(10)])
        np.testing.assert_allclose(np.sort(corners, axis=1), [[0, 0, 1]] * 3, atol=1e-12)
        costs = np.array([3.0, 1.0, 2.0])
        np.testing.assert_allclose(
            triangle.scales(triangle.lowest(costs @ moves)), [0, 1, 0], atol=1e-12
        )
        z = triangle.least_maximum(moves, np.full(3, 1 / 3))
        np.testing.assert_allclose(triangle.scales(z), 1 / 3)  # max c_i

    def test_too_many(self):
        moves = np.linalg.svd(np.ones((1, 30)))[2][1:16].T
        with pytest.raises(ValueError, match=r"max_choices=100 is below the 155,117,520 ways"):
            ScalePolytope(np.ones(30), moves).vertices(100)


class TestBadInput:
    def test_rough_network(self):
        rng = np.random.default_rng(3)
        X = rng.standard_normal((10, 2))
        problem = TrainingProblem(X, np.sin(2 * X[:, 0]), 0.01)
        with pytest.raises(
            ValueError, match="network is not near enough to an optimum for rtol=1e-06"
        ):
            optimal_polytope(problem.zero_network(), problem)

    @pytest.mark.parametrize(
        ("y", "options", "message"),
        [
            (np.eye(2), {}, "optimal sets are not supported for 2 outputs"),
            (
                [0.0, 1.0],
                {"loss": "absolute_error"},
                "optimal sets are not supported for loss='absolute_error'",
            ),
            (
                [0.0, 1.0],
                {"activation": "threshold"},
                "optimal sets are not supported for activation='threshold'",
            ),
        ],
    )
    def test_missing(self, y, options, message):
        problem = TrainingProblem([[0.0], [1.0]], y, 0.1, **options)
        network = TwoLayerNetwork.constant(1, np.zeros(problem.n_outputs))
        with pytest.raises(ValueError, match=message):
            optimal_polytope(network, problem)

    def test_options(self):
        problem, network = absolute_values()
        with pytest.raises(ValueError, match="rtol=0 is not a number between 0 and 1"):
            optimal_polytope(network, problem, rtol=0)
        with pytest.raises(ValueError, match="oracle='best' is not known"):
            optimal_polytope(network, problem, oracle="best")
        optima = optimal_polytope(network, problem)
        with pytest.raises(ValueError, match="criterion='best' is not known"):
            optima.extreme("best")
        with pytest.raises(ValueError, match=r"costs of shape \(3,\), expected \(2,\)"):
            optima.extreme([1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match="needs both X_val and y_val"):
            optima.extreme("validation")
