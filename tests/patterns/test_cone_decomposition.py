import cvxpy as cp
import numpy as np
import pytest

from convexrelu import GatedNetwork, TrainingProblem, train
from convexrelu.programs import cone_decomposition
from tests import reference


def setting(seed, n=8, d=3):
    rng = np.random.default_rng(seed)
    design, gate = rng.standard_normal((n, d)), rng.standard_normal(d)
    block = rng.standard_normal(d) * 10 ** rng.uniform(-6, 6)
    return block, design @ gate >= 0, design, gate


def smallest_norm(block, mask, design):
    """Optimum of the decomposition, written with both parts and in units of the block."""
    unit = np.linalg.norm(block)
    v, w = cp.Variable(block.size), cp.Variable(block.size)
    rows = np.where(mask, 1.0, -1.0)[:, None] * design
    norms = cp.norm(v) + cp.norm(w)
    constraints = [v - w == block / unit, rows @ v >= 0, rows @ w >= 0]
    return unit * cp.Problem(cp.Minimize(norms), constraints).solve(cp.ECOS)


@pytest.mark.parametrize("seed", range(10))
def test_decomposition(seed):
    block, mask, design, gate = setting(seed)
    v, w = cone_decomposition(block, mask, design, gate)
    size = np.linalg.norm(v) + np.linalg.norm(w)
    rows = np.where(mask, 1.0, -1.0)[:, None] * design
    np.testing.assert_allclose(v - w, block, rtol=0, atol=4e-16 * size)
    for part in (v, w):
        assert (rows @ part >= -1e-14 * size * np.abs(design).max()).all()
    assert size == pytest.approx(smallest_norm(block, mask, design), rel=1e-6)
    active = mask * (design @ block)
    rectified = np.maximum(design @ v, 0) - np.maximum(design @ w, 0)
    np.testing.assert_allclose(rectified, active, atol=1e-13 * size * np.abs(design).max())


def test_a_block_in_its_cone_stays():
    _, mask, design, gate = setting(0)
    v, w = cone_decomposition(2 * gate, mask, design, gate)
    np.testing.assert_array_equal(v, 2 * gate)
    assert not w.any()


def test_zero_rows_do_not_matter():
    block, mask, design, gate = setting(1)
    padded = np.vstack([design, np.zeros((1, 3))])
    for one, other in zip(
        cone_decomposition(block, mask, design, gate),
        cone_decomposition(block, np.append(mask, True), padded, gate),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("hidden_bias", [True, False])
def test_gated_networks_become_relu_networks(hidden_bias):
    X, y = reference.teacher(15, 2, 3, 0.1, 0)
    problem = TrainingProblem(X, y, 1e-3, hidden_bias=hidden_bias, activation="gated_relu")
    result = train(
        problem,
        patterns="sampled",
        n_patterns=10,
        tol=1e-6,
        random_state=0,
    )
    network = result.network.to_relu(X)
    assert result.network.width > 1
    np.testing.assert_allclose(network.predict(X), result.network.predict(X), atol=1e-12)
    assert network.penalty() >= result.network.penalty() * (1 - 1e-12)
    assert network.penalty() == pytest.approx(network.balance().penalty(), rel=1e-12)
    if not hidden_bias:
        assert not network.hidden_bias.any()


def test_gated_network_is_the_formula():
    rng = np.random.default_rng(0)
    gates, weights, X = (rng.standard_normal(shape) for shape in ((4, 3), (4, 3), (20, 2)))
    net = GatedNetwork(gates, weights, 0.5, hidden_bias=True)
    expected = [
        0.5 + sum((g @ [*x, 1] >= 0) * (u @ [*x, 1]) for g, u in zip(gates, weights, strict=True))
        for x in X
    ]
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-13)
    assert net.penalty() == pytest.approx(np.linalg.norm(weights, axis=1).sum(), rel=1e-14)
    with pytest.raises(ValueError, match="X has shape"):
        net.predict(np.ones((3, 3)))


def test_gated_network_without_weights():
    net = GatedNetwork(np.ones((2, 3)), np.zeros((2, 3)), 1.5, hidden_bias=True)
    network = net.to_relu(np.ones((4, 2)))
    assert network.width == 0
    np.testing.assert_array_equal(network.predict(np.ones((4, 2))), np.full(4, 1.5))
