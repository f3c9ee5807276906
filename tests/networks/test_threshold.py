"""The weights of threshold networks."""

import numpy as np
import pytest

from convexrelu.networks.threshold import ThresholdNetwork


def network(hidden_bias=True):
    rng = np.random.default_rng(0)
    return ThresholdNetwork(
        rng.standard_normal((4, 3)), rng.standard_normal(4), 0.5, hidden_bias=hidden_bias
    )


@pytest.mark.parametrize("hidden_bias", [True, False])
def test_predicts_as_defined(hidden_bias):
    net = network(hidden_bias)
    X = np.random.default_rng(1).standard_normal((7, net.n_features))
    for x, f in zip(X, net.predict(X), strict=True):
        x = np.append(x, 1.0) if hidden_bias else x
        expected = 0.5 + sum(w for u, w in zip(net.gates, net.weights, strict=True) if u @ x >= 0)
        assert f == pytest.approx(expected, rel=1e-14)


def test_a_sample_on_the_threshold_is_on():
    net = ThresholdNetwork(np.array([[1.0, -2.0]]), np.array([3.0]), 0.0, hidden_bias=True)
    np.testing.assert_array_equal(net.predict([[2.0], [1.999]]), [3.0, 0.0])


def test_shape_and_penalty():
    net = network()
    assert (net.width, net.n_features) == (4, 2)
    assert net.penalty() == pytest.approx(sum(abs(w) for w in net.weights))
    with pytest.raises(ValueError, match=r"X has shape \(5, 3\), expected \(n, 2\)"):
        net.predict(np.ones((5, 3)))


def test_no_units():
    net = ThresholdNetwork(np.zeros((0, 3)), np.zeros(0), 2.0, hidden_bias=True)
    np.testing.assert_array_equal(net.predict(np.ones((2, 2))), [2.0, 2.0])
    assert net.penalty() == 0.0


def test_save_and_load(tmp_path):
    net, path = network(), tmp_path / "network.npz"
    net.save(path)
    loaded = ThresholdNetwork.load(path)
    np.testing.assert_array_equal(loaded.gates, net.gates)
    np.testing.assert_array_equal(loaded.weights, net.weights)
    assert (loaded.intercept, loaded.hidden_bias) == (net.intercept, net.hidden_bias)


def test_load_refuses_other_files(tmp_path):
    (tmp_path / "text").write_text("no")
    np.savez(tmp_path / "other.npz", gates=np.ones(3))
    np.savez(tmp_path / "pickled.npz", gates=np.array([{}], dtype=object))
    np.save(tmp_path / "array.npy", np.ones(3))
    for name in ("text", "other.npz", "pickled.npz", "array.npy"):
        with pytest.raises(ValueError):
            ThresholdNetwork.load(tmp_path / name)
