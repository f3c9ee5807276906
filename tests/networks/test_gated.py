"""Gated networks."""

import numpy as np
from numpy.testing import assert_allclose

from convexrelu.networks.gated import GatedNetwork


def test_outputs_of_rows_in_parts_are_those_of_all_rows(monkeypatch):
    rng = np.random.default_rng(0)
    network = GatedNetwork(rng.standard_normal((5, 4)), rng.standard_normal((5, 4)), 0.5, True)
    X = rng.standard_normal((30, 3))
    whole = network.predict(X)
    monkeypatch.setattr("convexrelu.networks.gated._AT_ONCE", 35)  # seven rows at a time
    assert_allclose(network.predict(X), whole, rtol=1e-13)
    design = np.column_stack([X, np.ones(30)])
    wanted = [
        sum(
            row @ weight
            for gate, weight in zip(network.gates, network.weights, strict=True)
            if row @ gate >= 0
        )
        for row in design
    ]
    assert_allclose(whole, np.array(wanted) + 0.5, rtol=1e-12)
    assert network.predict(X[:0]).shape == (0,)


def test_without_gates_it_is_a_constant():
    network = GatedNetwork(np.zeros((0, 4)), np.zeros((0, 4)), 0.5, True)
    assert_allclose(network.predict(np.zeros((3, 3))), 0.5)
