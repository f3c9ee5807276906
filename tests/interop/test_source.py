"""Source text in Python and C computes what the network or the estimator predicts."""

import ctypes
import math
import shutil
import subprocess

import numpy as np
import pytest

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, TwoLayerNetwork
from convexrelu.interop.source import to_source

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 3))
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def network(width=5, n_outputs=1, **params):
    weights = RNG.standard_normal((width, 3)), RNG.standard_normal(width)
    outer = RNG.standard_normal((n_outputs, width)), RNG.standard_normal(n_outputs)
    return TwoLayerNetwork(*weights, *outer, **params)


NETWORKS = {
    "one output": network(),
    "three outputs": network(n_outputs=3),
    "leaky": network(negative_slope=0.1),
    "absolute value with a skip": network(
        negative_slope=-1.0, skip_weights=RNG.standard_normal((1, 3))
    ),
    "skip": network(n_outputs=2, skip_weights=RNG.standard_normal((2, 3))),
    "no neuron": TwoLayerNetwork.constant(3, [2.5, -1.0]),
    "only a skip": network(width=0, skip_weights=RNG.standard_normal((1, 3))),
}
ROUNDING = 50 * np.finfo(float).eps  # a few for each of some ten terms of size one


def in_python(text, rows, name="predict"):
    space = {}
    exec(text, space)
    return np.array([space[name](row) for row in rows.tolist()])


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compiles texts in one go, and returns the library."""
    if COMPILER is None:
        pytest.skip("there is no C compiler")

    def compile_all(texts):
        folder = tmp_path_factory.mktemp("c")
        for k, text in enumerate(texts):
            (folder / f"{k}.c").write_text(text)
        flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC"]
        files = [str(folder / f"{k}.c") for k in range(len(texts))]
        library = folder / "library.so"
        subprocess.run([COMPILER, *flags, *files, "-o", library, "-lm"], check=True)
        return ctypes.CDLL(str(library))

    return compile_all


def in_c(library, name, rows, n, kind="several"):
    function, out = getattr(library, name), np.empty((len(rows), n))
    numbers = ctypes.POINTER(ctypes.c_double)
    function.restype = {"one": ctypes.c_double, "label": ctypes.c_int, "several": None}[kind]
    for row, values in zip(np.ascontiguousarray(rows), out, strict=True):
        given = row.ctypes.data_as(numbers)
        if kind == "several":
            function(given, values.ctypes.data_as(numbers))
        else:
            values[0] = function(given)
    return out[:, 0] if kind != "several" else out


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_in_python(name):
    text = to_source(NETWORKS[name], name="f")
    expected = NETWORKS[name].predict(X)
    np.testing.assert_allclose(in_python(text, X, "f"), expected, rtol=0, atol=ROUNDING)


def test_networks_in_c(compiled):
    names = {name: f"f{k}" for k, name in enumerate(NETWORKS)}
    library = compiled([to_source(NETWORKS[name], "c", name=f) for name, f in names.items()])
    for name, f in names.items():
        net = NETWORKS[name]
        kind = "one" if net.n_outputs == 1 else "several"
        outputs = in_c(library, f, X, net.n_outputs, kind)
        np.testing.assert_allclose(outputs, net.predict(X), rtol=0, atol=ROUNDING, err_msg=name)


@pytest.fixture(scope="module")
def estimators():
    """Of two, three and, with one class without weight, of three classes; counts; labels that need quoting."""
    options = {"effort": "predict", "random_state": 0}
    third = np.digitize(X[:, 0], [-0.5, 0.5])
    words = np.array(['a "quoted"\n??/', "Größe\\", "c"])[third]
    return {
        "two": ConvexReLUClassifier(**options).fit(X, X[:, 0] > 0),
        "words": ConvexReLUClassifier(**options).fit(X, words),
        "one without weight": ConvexReLUClassifier(**options).fit(X, third, 1.0 * (third != 1)),
        "one with weight": ConvexReLUClassifier(**options).fit(X, third, 1.0 * (third == 1)),
        "hinge": ConvexReLUClassifier(loss="hinge", **options).fit(X, np.sign(X[:, 0])),
        "counts": ConvexReLURegressor(loss="poisson", **options).fit(X, np.exp(X[:, 0]).round()),
    }


def test_heads_in_python(estimators):
    for name, model in estimators.items():
        predicted = in_python(model.to_source(), X)
        if name == "counts":
            np.testing.assert_allclose(predicted, model.predict(X), rtol=ROUNDING)
        else:
            np.testing.assert_array_equal(predicted, model.predict(X))
        outputs = in_python(model.to_source(head="outputs"), X)
        np.testing.assert_allclose(outputs, model.network_.predict(X), rtol=0, atol=ROUNDING)
        if hasattr(model, "predict_proba"):
            chances = in_python(model.to_source(head="predict_proba"), X)
            np.testing.assert_allclose(chances, model.predict_proba(X), rtol=0, atol=ROUNDING)


def test_heads_in_c(estimators, compiled):
    texts, names = [], {name: f"f{k}" for k, name in enumerate(estimators)}
    for name, f in names.items():
        texts.append(estimators[name].to_source("c", name=f))
        if hasattr(estimators[name], "predict_proba"):
            texts.append(estimators[name].to_source("c", head="predict_proba", name=f + "p"))
    library = compiled(texts)
    for name, f in names.items():
        model = estimators[name]
        if name == "counts":
            means = in_c(library, f, X, 1, "one")
            np.testing.assert_allclose(means, model.predict(X), rtol=ROUNDING)
            continue
        positions = in_c(library, f, X, 1, "label").astype(int)
        np.testing.assert_array_equal(model.classes_[positions], model.predict(X), err_msg=name)
        if hasattr(model, "predict_proba"):
            chances = in_c(library, f + "p", X, len(model.classes_))
            np.testing.assert_allclose(chances, model.predict_proba(X), rtol=0, atol=ROUNDING)
    words = (ctypes.c_char_p * 3).in_dll(library, names["words"] + "_classes")
    assert [word.decode() for word in words] == list(estimators["words"].classes_)


@pytest.mark.parametrize("language", ["python", "c"])
def test_numbers_are_exact(language):
    """Tiny, subnormal and huge weights are read back to the last bit."""
    values = [1e-300, 5e-324, 0.1, 1 / 3, 1.7e308]
    net = TwoLayerNetwork(np.array(values)[:, None], np.zeros(5), np.ones((1, 5)), [-0.0])
    text = to_source(net, language)
    for value in values:
        assert (repr(value) if language == "python" else value.hex()) in text


def test_missing_numbers_stay_missing_in_python():
    assert math.isnan(in_python(to_source(NETWORKS["one output"]), np.full((1, 3), np.nan))[0])


def test_rows_of_another_length_are_refused_in_python():
    with pytest.raises(ValueError, match="row has 2 entries, expected 3"):
        in_python(to_source(NETWORKS["one output"]), X[:, :2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "rust"}, "language='rust' is not known; available: 'python', 'c'"),
        ({"name": "f(x): pass\ndef f"}, "is not a valid name of a function"),
        ({"name": "def"}, "name='def' is not a valid name of a function"),
        ({"head": "proba"}, "head='proba' is not known"),
        ({"head": "predict_proba"}, "head='predict_proba': TwoLayerNetwork has no probabilities"),
    ],
)
def test_what_is_not_known_is_refused(options, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        to_source(NETWORKS["one output"], **options)


def test_probabilities_of_a_hinge_loss_are_refused(estimators):
    with pytest.raises(ValueError, match="ConvexReLUClassifier has no probabilities"):
        estimators["hinge"].to_source(head="predict_proba")
