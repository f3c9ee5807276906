"""Whole pipelines in ONNX: what ONNX Runtime computes is what scikit-learn predicts, to 1e-6 and better."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, StackingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLUFeatures,
    ConvexReLURegressor,
    register_onnx_converters,
    to_onnx,
)

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
N = 60
TABLE = pd.DataFrame(
    {
        "size": RNG.standard_normal(N),
        "rooms": RNG.integers(1, 5, N),
        "town": RNG.choice(["A", "B", "C"], N),
    }
)
TABLE["heating"] = TABLE["town"].where(RNG.random(N) > 0.2, np.nan)
TABLE.loc[3, "size"] = np.nan
X = RNG.standard_normal((N, 2))
THIRD = np.digitize(X[:, 0], [-0.5, 0.5])
OPTIONS = {"effort": "predict", "random_state": 0}
TOLERANCE = 1e-9  # of sums in double precision in another order

ENCODERS = {
    "gaps are a category": OneHotEncoder(handle_unknown="ignore"),
    "filled in": make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    ),
    "filled by a word": make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder()
    ),
}
MODELS = {
    "labels": (ConvexReLUClassifier, np.where(TABLE["rooms"] > 2, "large", "small"), {}),
    "counts": (ConvexReLURegressor, TABLE["rooms"], {"loss": "poisson"}),
}


def mixed(estimator, encoder="gaps are a category"):
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [("n", numbers, ["size", "rooms"]), ("c", ENCODERS[encoder], ["town", "heating"])]
    )
    return make_pipeline(columns, estimator)


def run(graph, rows):
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    fed = {"X": rows}
    if isinstance(rows, pd.DataFrame):
        fed = {
            name: rows[[name]].to_numpy(np.float64)
            if name in ("size", "rooms")
            else rows[[name]].fillna("").to_numpy(object)
            for name in rows.columns
        }
    return session.run(None, fed)


def check(model, outputs, rows):
    if len(outputs) == 2:
        np.testing.assert_array_equal(outputs[0], model.predict(rows))
        np.testing.assert_allclose(outputs[1], model.predict_proba(rows), rtol=0, atol=TOLERANCE)
    else:
        expected = model.predict(rows)
        got = outputs[0].reshape(expected.shape)
        np.testing.assert_allclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("kind", MODELS)
def test_a_mixed_table(kind, encoder, tmp_path):
    estimator, y, params = MODELS[kind]
    model = mixed(estimator(**OPTIONS, **params), encoder).fit(TABLE, y)
    graph = to_onnx(model, path=tmp_path / "model.onnx")
    assert [each.name for each in graph.graph.input] == list(TABLE.columns)
    assert (tmp_path / "model.onnx").read_bytes() == graph.SerializeToString()
    check(model, run(graph, TABLE), TABLE)
    assert to_onnx(model, TABLE).graph.input == graph.graph.input


PLAIN = {
    "three classes": (make_pipeline(StandardScaler(), ConvexReLUClassifier(**OPTIONS)), THIRD),
    "two outputs": (make_pipeline(StandardScaler(), ConvexReLURegressor(**OPTIONS)), X),
    "features": (
        make_pipeline(ConvexReLUFeatures(ConvexReLURegressor(**OPTIONS)), Ridge()),
        X[:, 0],
    ),
    "absolute value": (
        make_pipeline(ConvexReLURegressor(activation="absolute_value", **OPTIONS)),
        X[:, 0],
    ),
    "grid search": (
        GridSearchCV(ConvexReLUClassifier(**OPTIONS), {"alpha": [0.1, 0.01]}, cv=2),
        X[:, 0] > 0,
    ),
    "cross-validation": (
        make_pipeline(ConvexReLUClassifierCV(cv=2, n_alphas=2, **OPTIONS)),
        X[:, 0] > 0,
    ),
    "bagging": (BaggingRegressor(ConvexReLURegressor(**OPTIONS), 2, random_state=0), X[:, 0]),
    "stacking": (
        StackingRegressor([("a", ConvexReLURegressor(**OPTIONS))], Ridge(), cv=2),
        X[:, 0],
    ),
    "calibrated": (
        CalibratedClassifierCV(ConvexReLUClassifier(**OPTIONS), cv=2, ensemble=False),
        X[:, 0] > 0,
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_arrays(name):
    model, y = PLAIN[name]
    model.fit(X, y)
    check(model, run(to_onnx(model), X), X)
    to_onnx(model, X)  # compared there


def test_names_of_columns_and_searches():
    """A column may be called as an output is; a search has the inputs of its best pipeline."""
    table = TABLE.rename(columns={"size": "label", "rooms": "how many"})[["label", "how many"]]
    columns = ColumnTransformer([("n", SimpleImputer(), ["label", "how many"])])
    network = ConvexReLUClassifier(**OPTIONS)
    search = GridSearchCV(
        make_pipeline(columns, network), {"convexreluclassifier__alpha": [0.1]}, cv=2
    )
    search.fit(table, TABLE["town"])
    graph = to_onnx(search, table)
    assert [each.name for each in graph.graph.input] == ["label", "how many"]
    assert [each.name for each in graph.graph.output] == ["label_output", "probabilities"]
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    outputs = session.run(None, {name: table[[name]].to_numpy(np.float64) for name in table})
    check(search, outputs, table)


def test_types_of_extensions():
    """Integers with gaps, and categories, as pandas has them."""
    table = TABLE.assign(rooms=TABLE["rooms"].where(TABLE["rooms"] > 1).astype("Int64"))
    table = table.assign(town=TABLE["town"].astype("category"))
    model = mixed(ConvexReLURegressor(**OPTIONS)).fit(table, TABLE["rooms"])
    assert to_onnx(model, table).graph.input == to_onnx(model).graph.input


@pytest.mark.parametrize("marker", [np.nan, None])
def test_an_imputer_tells_none_from_nan(marker):
    """As in scikit-learn: where None is not what it looks for, it stays a category."""
    heating = TABLE["heating"].astype(object).where(TABLE["heating"].notna(), None)
    table = TABLE[["town"]].assign(heating=heating)
    fill = SimpleImputer(missing_values=marker, strategy="most_frequent")
    columns = ColumnTransformer(
        [("c", make_pipeline(fill, OneHotEncoder(handle_unknown="ignore")), ["heating", "town"])]
    )
    model = make_pipeline(columns, ConvexReLURegressor(**OPTIONS)).fit(table, TABLE["rooms"])
    to_onnx(model, table)  # compared there


def test_sparse_rows():
    model = make_pipeline(StandardScaler(with_mean=False), ConvexReLURegressor(**OPTIONS))
    model.fit(csr_array(X), X[:, 0])
    check(model, run(to_onnx(model, csr_array(X)), X), X)


def test_single_precision():
    model = make_pipeline(StandardScaler(), ConvexReLURegressor(**OPTIONS)).fit(X, X[:, 0])
    rows = X.astype(np.float32)
    for graph in (to_onnx(model, rows), to_onnx(model, dtype="float32")):
        outputs = run(graph, rows)[0]
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs[:, 0], model.predict(rows), rtol=0, atol=1e-5)


def test_estimators_and_networks_alone():
    model = ConvexReLURegressor(**OPTIONS).fit(X, X[:, 0])
    np.testing.assert_allclose(run(to_onnx(model, X), X)[0][:, 0], model.predict(X), atol=TOLERANCE)
    names = [each.name for each in to_onnx(model.network_).graph.output]
    assert names == ["outputs"]


@pytest.mark.slow
def test_skl2onnx_finds_the_converters_by_itself():
    """In a new process, where nothing was registered; and takes its usual option."""
    code = """
import numpy as np, onnxruntime, skl2onnx
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from convexrelu import ConvexReLUClassifier
X = np.random.default_rng(0).standard_normal((30, 2))
model = make_pipeline(StandardScaler(), ConvexReLUClassifier(effort="predict", random_state=0))
model.fit(X, X[:, 0] > 0)
for options in ({}, {"options": {"zipmap": False}}):
    graph = skl2onnx.to_onnx(model, X[:1], target_opset=17, **options)
    outputs = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, {"X": X})
    print((outputs[0] == model.predict(X)).all(), abs(outputs[1] - model.predict_proba(X)).max() < 1e-9)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout.split() == ["True"] * 4, done.stderr


def test_raw_scores_where_a_class_has_no_weight_are_refused():
    """Calibration would take them for those of other classes."""
    register_onnx_converters()
    model = ConvexReLUClassifier(**OPTIONS).fit(X, THIRD, 1.0 * (THIRD != 1))
    with pytest.raises(NotImplementedError, match="a class had no weight"):
        skl2onnx.to_onnx(model, X, options={id(model): {"raw_scores": True}})


def test_a_step_that_says_something_else_is_refused():
    """The nearest of isotonic thresholds is not what lies between them."""
    model = CalibratedClassifierCV(ConvexReLUClassifier(**OPTIONS), method="isotonic", cv=2)
    model.fit(X, X[:, 0] + RNG.standard_normal(N) > 0)
    with pytest.raises(ValueError, match="differs from predict_proba on X"):
        to_onnx(model, X)


def test_what_has_no_form_is_refused():
    odd = make_pipeline(FunctionTransformer(np.sin), ConvexReLURegressor(**OPTIONS)).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="a step without a form in ONNX"):
        to_onnx(odd)
    frozen = FrozenEstimator(ConvexReLURegressor(**OPTIONS).fit(X, X[:, 0]))
    target = TransformedTargetRegressor(frozen, func=np.log1p, inverse_func=np.expm1)
    with pytest.raises(ValueError, match="a step without a form in ONNX"):
        to_onnx(target.fit(X, np.abs(X[:, 0])))
    flagged = make_pipeline(SimpleImputer(add_indicator=True), ConvexReLURegressor(**OPTIONS))
    with pytest.raises(ValueError, match="add_indicator=True"):
        to_onnx(flagged.fit(X, X[:, 0]))
    with pytest.raises(NotFittedError):
        to_onnx(make_pipeline(StandardScaler(), ConvexReLURegressor()))
    with pytest.raises(ValueError, match="dtype='half' is not known"):
        to_onnx(odd, dtype="half")


def test_without_skl2onnx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    model = make_pipeline(StandardScaler(), ConvexReLURegressor(**OPTIONS)).fit(X, X[:, 0])
    with pytest.raises(ImportError, match=r'pip install "convexrelu\[onnx\]"'):
        to_onnx(model)
