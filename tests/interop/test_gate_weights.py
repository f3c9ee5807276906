"""Networks of gates in ONNX: what `predict` says, also at inputs where a gate switches."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, to_onnx
from convexrelu.networks import GatedNetwork, ThresholdNetwork

RNG = np.random.default_rng(0)
X = RNG.integers(-3, 4, (50, 2)).astype(float)
# Integers: products and sums are exact in both types, and many inputs lie on the border of a gate.
GATES, WEIGHTS = RNG.integers(-2, 3, (2, 6, 3)).astype(float)
NETWORKS = {
    "gated": GatedNetwork(GATES, WEIGHTS, 1.0, hidden_bias=True),
    "gated without bias": GatedNetwork(GATES[:, :2], WEIGHTS[:, :2], 1.0, hidden_bias=False),
    "gated without gates": GatedNetwork(GATES[:0], WEIGHTS[:0], 1.0, hidden_bias=True),
    "threshold": ThresholdNetwork(GATES, WEIGHTS[:, 0], -2.0, hidden_bias=True),
    "threshold without bias": ThresholdNetwork(GATES[:, :2], WEIGHTS[:, 0], 1.0, hidden_bias=False),
}


def run(graph, rows):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run(None, {"X": rows})


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks(name, dtype):
    network = NETWORKS[name]
    (outputs,) = run(network.to_onnx(dtype=dtype), X.astype(dtype))
    assert outputs.dtype == dtype
    np.testing.assert_array_equal(outputs[:, 0], network.predict(X))


@pytest.mark.parametrize("activation", ["gated_relu", "threshold"])
def test_estimators_and_pipelines(activation):
    patterns = "sampled" if activation == "gated_relu" else "cutting_plane"
    model = ConvexReLURegressor(
        activation=activation, patterns=patterns, n_patterns=6, effort="predict", random_state=0
    )
    pipeline = make_pipeline(StandardScaler(), model).fit(X + 0.1, X[:, 0])
    (outputs,) = run(to_onnx(pipeline, X + 0.1), X + 0.1)
    np.testing.assert_allclose(outputs[:, 0], pipeline.predict(X + 0.1), rtol=0, atol=1e-12)
    for export in (model.to_torch, model.to_source):
        with pytest.raises(ValueError, match=rf"activation='{activation}' .*to_onnx\(\)"):
            export()


def test_classifiers():
    model = ConvexReLUClassifier(
        activation="gated_relu", patterns="sampled", n_patterns=6, random_state=0
    ).fit(X + 0.1, np.where(X[:, 0] > 0, "right", "left"))
    labels, chances = run(model.to_onnx(dtype="float64"), X + 0.1)
    np.testing.assert_array_equal(labels, model.predict(X + 0.1))
    np.testing.assert_allclose(chances, model.predict_proba(X + 0.1), rtol=0, atol=1e-12)


def test_weights_that_overflow_are_refused():
    network = ThresholdNetwork(GATES, np.full(6, 1e60), 0.0, hidden_bias=True)
    with pytest.raises(ValueError, match="network has weights that overflow dtype float32"):
        network.to_onnx()
    assert network.to_onnx(dtype="float64")
