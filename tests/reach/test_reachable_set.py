"""Pieces of the reachable set, effects of features, and files for other verifiers."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.reach.reference import random_network
from convexrelu import TwoLayerNetwork
from convexrelu.reach import (
    feature_bands,
    feature_effect,
    output_range,
    reachable_set,
    to_onnx,
    vnnlib,
    write_vnnlib,
)

TENT = TwoLayerNetwork([[1.0], [1.0]], [0.0, -1.0], [[1.0, -2.0]], [0.0])


def check_pieces(pieces, function, X):
    """Every sample is in a piece, which has its output; vertices reach the range."""
    outputs = function(X)
    found = np.zeros(len(X), dtype=bool)
    for piece in pieces:
        inside = (piece.b + 1e-9 >= X @ piece.A.T).all(axis=1)
        images = X[inside] @ piece.jacobian.T + piece.offset
        assert np.abs(images - outputs[inside]).max(initial=0.0) < 1e-7
        found |= inside
        assert (piece.A @ piece.inner < piece.b).all()
    assert found.all()


@pytest.mark.parametrize("seed", [0, 1, 2, 5, 7])
def test_the_pieces_are_the_network(seed):
    network = random_network(seed)
    d = network.n_features
    pieces = reachable_set(network, (-np.ones(d), np.ones(d)))
    check_pieces(pieces, network.forward, np.random.default_rng(0).uniform(-1, 1, (500, d)))
    least, greatest = output_range(network, -np.ones(d), np.ones(d))
    corners = np.vstack([piece.outputs(piece.input_vertices()) for piece in pieces])
    np.testing.assert_allclose(corners.min(axis=0), least, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(corners.max(axis=0), greatest, rtol=1e-9, atol=1e-9)


def test_pieces_of_deep_networks_and_of_polytopes():
    torch.manual_seed(0)
    layers = nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)
    module = nn.Sequential(*layers).double()
    A, b = np.vstack([-np.eye(2), np.ones((1, 2))]), np.array([0.0, 0.0, 1.0])
    X = np.random.default_rng(0).dirichlet(np.ones(3), 300)[:, :2]
    pieces = reachable_set(module, (A, b))
    check_pieces(pieces, lambda X: module(torch.tensor(X)).detach().numpy(), X)


def test_neurons_with_one_kink_make_two_pieces():
    network = TwoLayerNetwork([[1.0], [-2.0], [3.0], [0.0]], [0.0] * 4, [[1.0] * 4], [0.0])
    assert len(reachable_set(network, ([-1.0], [1.0]))) == 2
    assert len(reachable_set(TENT, ([-1.0], [3.0]))) == 3
    with pytest.raises(ValueError, match="more than max_pieces=2"):
        reachable_set(TENT, ([-1.0], [3.0]), max_pieces=2)
    with pytest.raises(ValueError, match="polytope is flat"):
        reachable_set(TENT, ([1.0], [1.0]))


@pytest.mark.parametrize("seed", [2, 5])
def test_the_effect_of_a_feature(seed):
    network = random_network(seed)
    d = network.n_features
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (20_000, d))
    moved = X.copy()
    moved[:, -1] = rng.uniform(-1, 1, len(X))
    effect = feature_effect(network, d - 1, -np.ones(d), np.ones(d))
    changes = np.abs(network.forward(moved) - network.forward(X))
    assert effect.is_exact and (changes.max(axis=0) <= effect.bound).all()
    assert (changes.max(axis=0) >= 0.6 * effect.change).all()
    assert np.array_equal(effect.before[:, :-1], effect.after[:, :-1])
    for k in range(network.n_outputs):
        ends = network.forward(np.array([effect.before[k], effect.after[k]]))[:, k]
        assert abs(ends[1] - ends[0]) == pytest.approx(effect.change[k], abs=1e-12)


def test_the_effect_in_a_polytope():
    network = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[2.0]], [0.0])
    both = feature_effect(network, 0, [0.0, 0.0], 1.0, A=[[1.0, 1.0]], b=[1.0])
    assert both.change == pytest.approx(2.0) and both.bound == pytest.approx(2.0)
    with pytest.raises(ValueError, match="feature=2 is not below"):
        feature_effect(network, 2, [0.0, 0.0], 1.0)


def test_bands_contain_all_outputs():
    network = random_network(2)
    d = network.n_features
    bands = feature_bands(network, 0, -np.ones(d), np.ones(d), n_slabs=4)
    X = np.random.default_rng(0).uniform(-1, 1, (5000, d))
    slab = np.clip(np.searchsorted(bands.edges, X[:, 0], side="right") - 1, 0, 3)
    outputs = network.forward(X)
    assert (bands.lower[slab] <= outputs).all() and (outputs <= bands.upper[slab]).all()
    np.testing.assert_allclose(bands.upper, bands.greatest, rtol=1e-8)
    least, greatest = output_range(network, -np.ones(d), np.ones(d))
    np.testing.assert_allclose(bands.greatest.max(axis=0), greatest, rtol=1e-9)
    np.testing.assert_allclose(bands.least.min(axis=0), least, rtol=1e-9)


def test_onnx_has_the_same_outputs():
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    layers = nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.LeakyReLU(0.1), nn.Linear(4, 2)
    module = nn.Sequential(*layers)
    skip = TwoLayerNetwork(
        [[1.0, 2.0, 0.0]], [0.5], [[1.0]], [0.0], skip_weights=[[1.0, 0.0, -1.0]]
    )
    X = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    for network, expected in (
        (module, module(torch.tensor(X)).detach().numpy()),
        (skip, skip.forward(X)),
    ):
        session = onnxruntime.InferenceSession(to_onnx(network).SerializeToString())
        (outputs,) = session.run(["Y"], {"X": X})
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_vnnlib_has_all_constraints(tmp_path):
    network = TwoLayerNetwork(np.eye(2), [0.0, 0.0], np.eye(2), [0.0, 0.0])
    text = vnnlib(
        network,
        (np.vstack([np.eye(2), -np.ones((1, 2))]), [1e-7, 2.0, 3.0]),
        ([-np.inf, 1.0], [2.0, np.inf]),
    )
    assert "(declare-const X_1 Real)" in text and "(declare-const Y_1 Real)" in text
    assert "(assert (<= (* 1.0 X_0) 0.0000001))" in text
    assert "(assert (<= (+ (* -1.0 X_0) (* -1.0 X_1)) 3.0))" in text
    assert text.endswith("(assert (<= Y_0 2.0))\n(assert (>= Y_1 1.0))")
    write_vnnlib(tmp_path / "q.vnnlib", TENT, ([0.0], [1.0]), ([[1.0]], [0.0]))
    assert (tmp_path / "q.vnnlib").read_text().count("assert") == 3
