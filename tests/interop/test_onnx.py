"""Graphs in ONNX have the outputs of the network, as ONNX Runtime computes them."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexrelu import ConvexReLURegressor, TwoLayerNetwork
from tests import reference

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from convexrelu.interop.onnx import to_onnx  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 4))


def network(width=5, n_outputs=1, **params):
    weights = RNG.standard_normal((width, 4)), RNG.standard_normal(width)
    outer = RNG.standard_normal((n_outputs, width)), RNG.standard_normal(n_outputs)
    return TwoLayerNetwork(*weights, *outer, **params)


NETWORKS = {
    "one output": network(),
    "three outputs": network(n_outputs=3),
    "leaky": network(negative_slope=0.1),
    "absolute value": network(negative_slope=-1.0),
    "skip": network(n_outputs=2, skip_weights=RNG.standard_normal((2, 4))),
    "no neuron": TwoLayerNetwork.constant(4, [2.5, -1.0]),
}


def run(model, X):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["outputs"], {"X": X.astype(np.float32)})[0]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("rows", [1, 50])
def test_outputs(name, rows):
    outputs = run(to_onnx(NETWORKS[name]), X[:rows])
    np.testing.assert_allclose(outputs, NETWORKS[name].forward(X[:rows]), rtol=0, atol=1e-4)


def test_a_fitted_estimator():
    inputs, targets = reference.teacher(30, 2, 2, 0.1, 0)
    model = ConvexReLURegressor(random_state=0).fit(inputs, targets)
    outputs = run(to_onnx(model.network_), inputs)
    np.testing.assert_allclose(outputs[:, 0], model.predict(inputs), rtol=0, atol=1e-4)


def test_an_estimator_is_exported_as_it_predicts():
    """``exp`` multiplies the relative error of single precision by the size of the logarithms, here below 10."""
    counts = np.round(np.exp(0.5 * X[:, 0] + 1))
    model = ConvexReLURegressor(loss="poisson", effort="predict", random_state=0).fit(X, counts)
    for graph in (to_onnx(model), model.to_onnx()):
        np.testing.assert_allclose(run(graph, X)[:, 0], model.predict(X), rtol=1e-4)
    logarithms = run(to_onnx(model, raw=True), X)[:, 0]
    np.testing.assert_allclose(logarithms, model.network_.predict(X), atol=1e-4)
    np.testing.assert_allclose(run(to_onnx(model.network_), X)[:, 0], logarithms)
    module = model.to_torch()
    with torch.no_grad():
        outputs = module(torch.tensor(X)).numpy()[:, 0]
        raw = model.to_torch(raw=True)(torch.tensor(X)).numpy()[:, 0]
    np.testing.assert_allclose(outputs, model.predict(X), rtol=1e-12)
    np.testing.assert_allclose(raw, model.network_.predict(X), rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="Exp"):
        TwoLayerNetwork.from_torch(module)


def test_what_has_no_network_is_refused():
    with pytest.raises(NotFittedError):
        to_onnx(ConvexReLURegressor())
    pipeline = make_pipeline(StandardScaler(), ConvexReLURegressor(random_state=0))
    with pytest.raises(ValueError, match="network is a Pipeline"):
        to_onnx(pipeline.fit(X[:10], X[:10, 0]))


def test_weights_that_single_precision_cannot_hold():
    with pytest.raises(ValueError, match=r"output_bias has entries up to 1e\+300, which overflow"):
        to_onnx(TwoLayerNetwork.constant(2, 1e300))
    with pytest.warns(UserWarning, match="float32 rounds the weights of 1 of 1 neurons to zero"):
        to_onnx(TwoLayerNetwork([[1e-50, 0.0]], [0.0], [[1.0]], [0.0]))
