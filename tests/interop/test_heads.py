"""What follows the outputs of networks, in PyTorch and ONNX: what `predict` and `predict_proba` say."""

import numpy as np
import pytest
import torch

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, TwoLayerNetwork
from convexrelu.interop.onnx_nodes import labels_array

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3)).astype(np.float32).astype(np.float64)  # the same in both types
THIRD = np.digitize(X[:, 0], [-0.5, 0.5])
OPTIONS = {"effort": "predict", "random_state": 0}


@pytest.fixture(scope="module")
def classifiers():
    def fit(y, weights=None, **params):
        return ConvexReLUClassifier(**OPTIONS, **params).fit(X, y, weights)

    return {
        "two": fit(X[:, 0] > 0),
        "words": fit(np.array(["a", "b", "c"])[THIRD]),
        "two outputs": fit(X[:, 0] > 0, loss="multinomial"),
        "one without weight": fit(THIRD, 1.0 * (THIRD != 1)),
        "one with weight": fit(THIRD, 1.0 * (THIRD == 1)),
        "floats": fit(2.0 * THIRD),
        "hinge": fit(X[:, 0] > 0, loss="hinge"),
    }


def test_torch_modules_of_classifiers(classifiers):
    rows = torch.tensor(X)
    for name, model in classifiers.items():
        with torch.no_grad():
            positions = model.to_torch(head="predict")(rows).numpy()
            scores = model.to_torch(head="outputs")(rows).numpy()
        np.testing.assert_array_equal(model.classes_[positions], model.predict(X), err_msg=name)
        np.testing.assert_allclose(scores, model.network_.forward(X), rtol=0, atol=1e-12)
        if hasattr(model, "predict_proba"):
            module = model.to_torch(head="predict_proba")
            with torch.no_grad():
                chances = module(rows).numpy()
            np.testing.assert_allclose(chances, model.predict_proba(X), rtol=0, atol=1e-12)
            single = model.to_torch(dtype=torch.float32, head="predict_proba")(rows.float())
            assert single.dtype == torch.float32
            with pytest.raises(ValueError, match="Probabilities"):
                TwoLayerNetwork.from_torch(module)


def test_torch_modules_of_regressors():
    rows = torch.tensor(X)
    counts = np.exp(X[:, 0]).round()
    model = ConvexReLURegressor(loss="poisson", **OPTIONS).fit(X, counts)
    with torch.no_grad():
        means = model.to_torch(head="predict")(rows).numpy()
    np.testing.assert_allclose(means, model.predict(X), rtol=1e-12)
    two = ConvexReLURegressor(**OPTIONS).fit(X, X[:, :2])
    with torch.no_grad():
        assert two.to_torch(head="predict")(rows).shape == two.predict(X).shape
    with pytest.raises(ValueError, match="ConvexReLURegressor has no probabilities"):
        model.to_torch(head="predict_proba")
    with pytest.raises(ValueError, match="raw=True and head='predict' exclude each other"):
        model.to_torch(raw=True, head="predict")


def test_heads_move_with_their_modules(classifiers):
    """The matrices are buffers: they change their type with the module."""
    module = classifiers["one without weight"].to_torch(head="predict_proba").float()
    assert module(torch.tensor(X, dtype=torch.float32)).dtype == torch.float32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_onnx_of_classifiers(classifiers, dtype, tmp_path):
    """In double precision up to rounding; in single, logarithms have errors of some 1e-6."""
    onnxruntime = pytest.importorskip("onnxruntime")
    tolerance = {"float32": 1e-4, "float64": 1e-12}[dtype]
    for name, model in classifiers.items():
        model.to_onnx(tmp_path / "model.onnx", dtype=dtype)
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
        labels, numbers = session.run(None, {"X": X.astype(dtype)})
        clear = np.ones(len(X), bool)
        expected = model.network_.forward(X)
        if hasattr(model, "predict_proba"):
            expected = model.predict_proba(X)
            top = np.sort(expected, axis=1)
            clear = top[:, -1] - top[:, -2] > 10 * tolerance
        np.testing.assert_array_equal(labels[clear], model.predict(X)[clear], err_msg=name)
        np.testing.assert_allclose(numbers, expected, rtol=0, atol=tolerance, err_msg=name)
        kind = "scores" if name == "hinge" else "probabilities"
        assert [each.name for each in session.get_outputs()] == ["label", kind]


@pytest.mark.parametrize("activation", ["leaky_relu", "absolute_value"])
def test_onnx_of_other_activations_in_double_precision(activation):
    onnxruntime = pytest.importorskip("onnxruntime")
    model = ConvexReLURegressor(activation=activation, **OPTIONS).fit(X, X[:, 0])
    session = onnxruntime.InferenceSession(model.to_onnx(dtype="float64").SerializeToString())
    outputs = session.run(None, {"X": X})[0][:, 0]
    np.testing.assert_allclose(outputs, model.predict(X), rtol=0, atol=1e-12)


def test_an_unknown_type_is_refused():
    model = ConvexReLURegressor(**OPTIONS).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="dtype='half' is not known"):
        model.to_onnx(dtype="half")


def test_labels_in_types_of_onnx():
    assert labels_array([1.5, 2]).dtype == np.float64
    assert labels_array(["1", 2]).tolist() == ["1", "2"]
