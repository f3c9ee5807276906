"""Quantile bands that do not cross, and conformal intervals around them."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexrelu import ConvexReLUQuantileRegressor, to_onnx

LEVELS = (0.05, 0.5, 0.95)


def noisy(n, seed):
    random = np.random.default_rng(seed)
    X = random.uniform(-1, 1, (n, 2))
    return X, X[:, 0] + (0.1 + 0.3 * np.abs(X[:, 1])) * random.standard_normal(n)


@pytest.fixture(scope="module")
def bands():
    """Close levels, which cross in the box unless that is excluded."""
    X, y = noisy(25, 0)
    model = ConvexReLUQuantileRegressor(
        (0.45, 0.5, 0.55), alpha=1e-2, no_crossing="box", effort="predict", random_state=0
    )
    return model.fit(X, y)


def test_bands_do_not_cross_where_it_says_proved(bands):
    assert bands.crossing_.is_safe
    low, high = bands.box_
    X = np.random.default_rng(1).uniform(low, high, (50_000, 2))
    assert (np.diff(bands.predict(X), axis=1) >= 0).all()
    assert (np.diff(bands.predict(bands.crossing_.argmax), axis=1) >= 0).all()


def test_crossing_is_found_outside(bands):
    found = bands.crossing(-50.0, 50.0)
    gaps = np.diff(bands.predict(found.argmax), axis=1)
    assert np.diag(-gaps) == pytest.approx(found.value, abs=1e-9)
    assert (found.bound >= found.value).all()


def test_at_and_score(bands):
    X, y = noisy(50, 2)
    columns = [bands.at(level).predict(X) for level in bands.quantiles]
    np.testing.assert_array_equal(np.column_stack(columns), bands.predict(X))
    excess = y[:, None] - bands.predict(X)
    losses = np.maximum(
        np.array(bands.quantiles) * excess, (np.array(bands.quantiles) - 1) * excess
    )
    assert bands.score(X, y) == pytest.approx(-losses.mean())
    with pytest.raises(ValueError, match=r"level=0\.3 is not among"):
        bands.at(0.3)
    assert clone(bands).get_params() == bands.get_params()


@pytest.mark.parametrize("quantiles", [(0.5,), (0.9, 0.1), (0.1, 0.1), (0.0, 0.5), 0.5, ("a", "b")])
def test_bad_quantiles_are_named(quantiles):
    with pytest.raises(ValueError, match="quantiles"):
        ConvexReLUQuantileRegressor(quantiles).fit(*noisy(5, 0))


def test_bad_targets_are_named():
    X, y = noisy(5, 0)
    with pytest.raises(ValueError, match="y has 2 columns"):
        ConvexReLUQuantileRegressor().fit(X, np.column_stack([y, y]))


def test_mapie_makes_intervals_of_the_bands():
    mapie = pytest.importorskip("mapie.regression", reason="makes intervals of predictions")
    X, y = noisy(30, 3)
    model = ConvexReLUQuantileRegressor(LEVELS, alpha=0.01, effort="predict", random_state=0)
    model.fit(X, y)
    parts = [model.at(level) for level in (0.05, 0.95, 0.5)]
    conformal = mapie.ConformalizedQuantileRegressor(parts, confidence_level=0.9, prefit=True)
    conformal.conformalize(*noisy(200, 4))
    X_test, y_test = noisy(2000, 5)
    _, intervals = conformal.predict_interval(X_test)
    low, high = intervals[:, 0, 0], intervals[:, 1, 0]
    coverage = ((low <= y_test) & (y_test <= high)).mean()
    # With 200 samples to conformalise, coverage is a Beta variable of deviation 0.021; five of them.
    assert coverage == pytest.approx(0.9, abs=0.11)


def test_samples_without_weight_are_not_there():
    X, y = noisy(12, 6)
    weights = np.where(np.arange(12) < 8, 1.0, 0.0)
    model = ConvexReLUQuantileRegressor((0.3, 0.7), effort="predict", random_state=0)
    without = clone(model).fit(X[:8], y[:8])
    weighted = model.fit(X, y, weights)
    np.testing.assert_array_equal(weighted.box_, without.box_)
    np.testing.assert_allclose(weighted.predict(X), without.predict(X), atol=1e-9)


def test_exports_are_the_bands(bands):
    X, _ = noisy(20, 3)
    rows = torch.tensor(X)
    with torch.no_grad():
        outputs = bands.to_torch(head="predict")(rows).numpy()
        middle = bands.at(0.5).to_torch(head="predict")(rows).numpy()
    np.testing.assert_allclose(outputs, bands.predict(X), rtol=0, atol=1e-12)
    np.testing.assert_allclose(middle, bands.predict(X)[:, 1], rtol=0, atol=1e-12)
    space = {}
    exec(bands.to_source(), space)
    np.testing.assert_allclose(space["predict"](X[0].tolist()), bands.predict(X)[0], atol=1e-12)
    with pytest.raises(ValueError, match="ConvexReLUQuantileRegressor has no probabilities"):
        bands.to_torch(head="predict_proba")


@pytest.mark.parametrize("level", [None, 0.5])
def test_onnx(bands, level):
    onnxruntime = pytest.importorskip("onnxruntime")
    X, _ = noisy(20, 3)
    model = bands if level is None else bands.at(level)
    nothing = StandardScaler(with_mean=False, with_std=False).fit(X)
    pipeline = make_pipeline(nothing, model)
    for graph in (model.to_onnx(dtype="float64"), to_onnx(model, X), to_onnx(pipeline, X)):
        session = onnxruntime.InferenceSession(graph.SerializeToString())
        (outputs,) = session.run(None, {"X": X})
        expected = model.predict(X).reshape(len(X), -1)
        np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-12)


def test_notebooks_and_reports(bands, tmp_path):
    html = bands._html_repr()
    assert "quantiles 0.45, 0.5, 0.55; they do not cross in the box" in html
    X, y = noisy(20, 3)
    bands.report(tmp_path / "report.html", X, y)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "ConvexReLUQuantileRegressor" in text
    assert "quantile 0.45" in text and "mean pinball loss" in text
