"""Neurons one by one, and networks in notebooks."""

import numpy as np
import pytest

from convexrelu import ConvexReLURegressor, TwoLayerNetwork
from convexrelu.networks import GatedNetwork, ThresholdNetwork

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3))


def two_layer():
    parts = RNG.normal(size=(5, 3)), RNG.normal(size=5), RNG.normal(size=(2, 5)), np.ones(2)
    return TwoLayerNetwork(*parts)


def test_neurons_add_up_to_the_network_and_descend():
    network = two_layer()
    neurons = network.neurons()
    outputs = network.output_bias + sum(
        np.maximum(X @ one.weights + one.bias, 0)[:, None] * one.outer for one in neurons
    )
    np.testing.assert_allclose(outputs, network.predict(X), rtol=1e-12)
    sizes = [one.size for one in neurons]
    assert sizes == sorted(sizes, reverse=True)
    for one in neurons:
        assert np.hypot(np.linalg.norm(one.weights), one.bias) == pytest.approx(1)
        assert one.size == pytest.approx(np.linalg.norm(one.outer))
    # Σ_j ‖w̃_j‖ ‖a_j‖ does not depend on how neurons are scaled.
    scaled = TwoLayerNetwork(
        2 * network.hidden_weights, 2 * network.hidden_bias, network.output_weights / 2, np.ones(2)
    )
    assert [one.size for one in scaled.neurons()] == pytest.approx(sizes)


def test_units_of_gates():
    gates, u = RNG.normal(size=(4, 4)), RNG.normal(size=(4, 4))
    gated = GatedNetwork(gates, u, 0.0, hidden_bias=True)
    assert sum(one.size for one in gated.neurons()) == pytest.approx(gated.penalty())
    threshold = ThresholdNetwork(gates, u[:, 0], 0.0, hidden_bias=True)
    assert sum(one.size for one in threshold.neurons()) == pytest.approx(threshold.penalty())
    first = threshold.neurons()[0]
    assert abs(first.outer[0]) == pytest.approx(np.abs(u[:, 0]).max())


@pytest.mark.parametrize("activation", ["relu", "gated_relu", "threshold"])
def test_notebooks_show_counts_and_neurons(activation):
    patterns = "sampled" if activation == "gated_relu" else "cutting_plane"
    model = ConvexReLURegressor(
        0.1, activation=activation, patterns=patterns, n_patterns=5, max_iter=1, random_state=0
    )
    network = model.fit(X[:10], np.abs(X[:10, 0])).network_
    html = network._repr_html_()
    count = f"{network.width} neuron{'' if network.width == 1 else 's'}, 3 features, 1 output"
    assert type(network).__name__ in html and count in html
    assert html.count("<tr>") == 1 + min(network.width, 6)
    assert "<style" not in html and "<script" not in html and "http" not in html


def test_a_constant_has_no_table():
    html = TwoLayerNetwork.constant(3, [1.0, 2.0])._repr_html_()
    assert "0 neurons, 3 features, 2 outputs" in html and "<table" not in html


def test_neurons_of_no_length():
    network = TwoLayerNetwork(np.zeros((1, 2)), [0.0], [[3.0]], [0.0])
    assert "bias: 0" in network._repr_html_()
