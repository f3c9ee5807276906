import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.landscape import layer_separability, linear_separability, linear_units


def random_network(slope=0.0, skip=None, seed=0):
    rng = np.random.default_rng(seed)
    return TwoLayerNetwork(
        rng.standard_normal((30, 2)),
        2 * rng.standard_normal(30),
        rng.standard_normal((2, 30)),
        [0.1, -0.2],
        negative_slope=slope,
        skip_weights=skip,
    )


@pytest.mark.parametrize("slope", [0.0, 0.3, -1.0])
@pytest.mark.parametrize("skip", [None, [[1.0, 2.0], [0.0, -1.0]]])
def test_linear_part_and_mixed_units_are_the_network(slope, skip):
    network = random_network(slope, skip)
    X = np.random.default_rng(1).uniform(-1, 1, (40, 2))
    units = linear_units(network, X)
    kinds = np.array([units.always, units.never, units.mixed])
    assert (kinds.sum(axis=0) == 1).all()
    assert kinds.any(axis=1).all()
    reduced = units.with_skip()
    assert reduced.width == units.mixed.sum()
    np.testing.assert_allclose(reduced.forward(X), network.forward(X), rtol=1e-12, atol=1e-12)
    for shares in (units.shares, units.penalty_shares):
        assert sum(shares.values()) == pytest.approx(1)


def test_linear_units_alone_are_a_linear_function():
    X = np.random.default_rng(1).uniform(-1, 1, (40, 2))
    network = random_network()
    units = linear_units(network, X)
    alone = TwoLayerNetwork(
        network.hidden_weights[units.always],
        network.hidden_bias[units.always],
        network.output_weights[:, units.always],
        network.output_bias,
    )
    line = X @ units.slope.T + units.intercept
    np.testing.assert_allclose(alone.forward(X), line, rtol=1e-12, atol=1e-12)


def test_optimal_network_on_a_half_line_has_linear_units_only():
    X = np.linspace(0.5, 2, 6)[:, None]
    problem = TrainingProblem(X, 2 * X[:, 0], 1e-2, hidden_bias=False, fit_intercept=False)
    result = train(problem, tol=1e-6, random_state=0)
    assert result.certificate.is_proof
    assert linear_units(result.network, X).penalty_shares["always"] == 1.0


def test_units_at_their_kink_are_linear():
    X = np.array([[0.0], [1.0]])
    network = TwoLayerNetwork([[1.0], [-1.0], [0.0]], [0.0, 0.0, 0.0], np.ones((1, 3)), [0.0])
    units = linear_units(network, X)
    assert units.always.tolist() == [True, False, False]
    assert units.never.tolist() == [False, True, True]


def test_separability():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (60, 2))
    y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    X[y == "same"] += 0.2 * np.sign(X[y == "same"])
    corners = TwoLayerNetwork([[1, 1], [-1, -1]], [0.0, 0.0], [[1.0, 1.0]], [0.0])
    found = layer_separability(corners, X, y)
    assert not found["inputs"].is_separable
    assert found["hidden"].accuracy > found["inputs"].accuracy
    assert found["mixed units"] == found["hidden"]
    assert found["linear units"].n_features == 0
    assert found["linear units"].accuracy == np.mean(y == max(set(y), key=list(y).count))


def test_several_classes():
    X = np.repeat(np.eye(3), 6, axis=0) + 0.01 * np.random.default_rng(0).standard_normal((18, 3))
    y = np.repeat([0, 1, 2], 6)
    assert linear_separability(X, y).is_separable
    # On a line the middle one of three classes is separated from the others by linear functions, one for each class.
    assert linear_separability(y[:, None] + 0.01 * X[:, :1], y).is_separable
    assert not linear_separability(X, np.tile([0, 1, 2], 6), n_folds=3).is_separable


def test_errors_name_the_argument():
    network = random_network()
    with pytest.raises(ValueError, match="X has shape"):
        linear_units(network, np.zeros((3, 1)))
    with pytest.raises(ValueError, match="two or more classes"):
        linear_separability(np.zeros((3, 1)), np.zeros(3))
