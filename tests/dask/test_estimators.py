"""Estimators on a cluster of Dask."""

import importlib
import pickle
import sys

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from convexrelu import ConvexReLUClassifier, ConvexReLURegressor, distributed
from convexrelu.chunked import Alone
from convexrelu.dask import DaskConvexReLUClassifier, DaskConvexReLURegressor
from convexrelu.losses import Hinge
from tests.dask.cluster import LABELS, OPTIONS, WEIGHTS, N, X, Y

NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(X, columns=NAMES)


@pytest.fixture(scope="module")
def arrays():
    """In unequal parts, one of them empty."""
    rows = ((90, 0, 110, 100),)
    parts = [da.from_array(X, chunks=(rows[0], 3))]
    return parts + [da.from_array(each, chunks=rows) for each in (Y, LABELS, WEIGHTS)]


@pytest.fixture(scope="module")
def regressor(client, arrays):
    inputs, targets, _, _ = arrays
    return DaskConvexReLURegressor(client=client, **OPTIONS).fit(inputs, targets)


@pytest.fixture(scope="module")
def classifier(client, arrays):
    inputs, _, labels, weights = arrays
    model = DaskConvexReLUClassifier(client=client, class_weight="balanced", **OPTIONS)
    return model.fit(inputs, labels, weights)


def plain(estimator, *data):
    return distributed.fit(estimator, *data, group=Alone())


def assert_same(found, expected):
    """But for products of matrices of other shapes."""
    if expected.dtype == float:
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-12)
    else:
        assert np.array_equal(found, expected)


def test_the_regressor_is_the_plain_one(regressor, arrays):
    expected = plain(ConvexReLURegressor(**OPTIONS), X, Y)
    assert regressor.certificate_ == expected.certificate_
    assert np.array_equal(regressor.network_.hidden_weights, expected.network_.hidden_weights)
    assert regressor.n_features_in_ == 3
    predicted = regressor.predict(arrays[0])
    assert predicted.dtype == float and predicted.shape == (N,)
    assert_same(predicted.compute(), expected.predict(X))
    assert regressor.score(*arrays[:2]) == pytest.approx(expected.score(X, Y), rel=1e-12)
    assert type(regressor.to_local()) is ConvexReLURegressor
    assert np.array_equal(regressor.to_local().predict(X), expected.predict(X))


def test_the_classifier_is_the_plain_one(classifier, arrays):
    expected = plain(ConvexReLUClassifier(class_weight="balanced", **OPTIONS), X, LABELS, WEIGHTS)
    assert classifier.certificate_ == expected.certificate_
    inputs, _, labels, weights = arrays
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        lazy, known = getattr(classifier, method)(inputs), getattr(expected, method)(X)
        assert (lazy.shape, lazy.dtype) == (known.shape, known.dtype)
        assert_same(lazy.compute(), known)
    assert classifier.score(inputs, labels, weights) == expected.score(X, LABELS, WEIGHTS)


def test_dataframes_are_taken_with_their_names(client, regressor):
    frame = dd.from_pandas(FRAME, npartitions=3)
    targets = dd.from_pandas(pd.Series(Y), npartitions=3)
    model = clone(regressor).fit(frame, targets)
    assert model.certificate_ == regressor.certificate_
    assert model.feature_names_in_.tolist() == NAMES
    known = model.to_local().predict(FRAME)
    assert_same(model.predict(frame).compute(), known)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))
    several = clone(regressor).fit(frame[frame.a > 0], frame[frame.a > 0][["b", "c"]])
    assert several.predict(frame).compute().shape == (N, 2)


def test_labels_of_dataframes(classifier):
    frame = dd.from_pandas(FRAME, npartitions=2)
    predicted = classifier.predict(frame.rename(columns=str.upper).to_dask_array())
    assert set(predicted.compute()) <= set(classifier.classes_)


def test_persisted_rows_in_any_place_give_the_same_bits(client, regressor, arrays):
    first, second = client.nthreads()
    inputs, targets = arrays[:2]
    places = [first, second, second, first]
    blocks = [
        client.submit(np.array, X[s], workers=[w], pure=False)
        for s, w in zip(
            (slice(0, 90), slice(90, 90), slice(90, 200), slice(200, N)), places, strict=True
        )
    ]
    scattered = da.concatenate(
        [
            da.from_delayed(block, (size, 3), dtype=float)
            for block, size in zip(blocks, inputs.chunks[0], strict=True)
        ]
    )
    model = clone(regressor).fit(scattered, targets)
    assert model.certificate_ == regressor.certificate_


def test_a_single_partition_is_trained_by_one_worker(client, regressor):
    model = clone(regressor).fit(da.from_array(X, chunks=(N, 2)), da.from_array(Y, chunks=100))
    assert model.certificate_ == regressor.certificate_


def test_an_open_gap_is_warned_of(regressor, arrays):
    model = clone(regressor).set_params(alpha=0.3, tol=1e-9, max_iter=1)
    with pytest.warns(ConvergenceWarning, match="relative gap .*tol=1.0e-09"):
        model.fit(*arrays[:2])


def test_clones_and_pickles(client, classifier):
    again = clone(classifier)
    assert again.client is client
    assert again.get_params() == classifier.get_params()
    assert not hasattr(again, "network_")
    assert "client" in DaskConvexReLUClassifier._get_param_names()
    loaded = pickle.loads(pickle.dumps(classifier))
    assert loaded.client is None and type(loaded) is DaskConvexReLUClassifier
    assert np.array_equal(loaded.to_local().predict(X), classifier.to_local().predict(X))
    assert repr(DaskConvexReLURegressor(alpha=0.5)) == "DaskConvexReLURegressor(alpha=0.5)"
    assert again.set_params(alpha=0.3, client=None).alpha == 0.3
    with pytest.raises(TypeError, match="beta"):
        DaskConvexReLURegressor(beta=1)


def test_only_losses_with_probabilities_offer_them():
    assert hasattr(DaskConvexReLUClassifier(), "predict_proba")
    assert not hasattr(DaskConvexReLUClassifier(loss=Hinge()), "predict_proba")


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "convexrelu.dask")
    with pytest.raises(ImportError, match=r"pip install convexrelu\[dask\]"):
        importlib.import_module("convexrelu.dask")


def test_unfitted_estimators_say_so(arrays):
    with pytest.raises(NotFittedError):
        DaskConvexReLURegressor().predict(arrays[0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x, y: (x.compute(), y), TypeError, "X is a ndarray, expected a dask array"),
        (lambda x, y: (x, y.compute()), TypeError, "y is a ndarray, expected a dask array"),
        (lambda x, y: (x[:, 0], y), ValueError, "X has ndim=1"),
        (lambda x, y: (x, y[:-1]), ValueError, "y has 299 rows, X has 300"),
        (lambda x, y: (x[:0], y[:0]), ValueError, "X has no rows"),
        (lambda x, y: (x[y > 0], y[y > 0.1]), ValueError, "y has .* rows in partition 0, X has"),
        (lambda x, y: (x[y > 0], y.rechunk(N)), ValueError, "y has 1 partitions, X has 4"),
        (
            lambda x, y: (da.where(x > 2, np.nan, x), y),
            ValueError,
            "process .*worker.*X contains NaN",
        ),
    ],
)
def test_bad_data_are_named(regressor, arrays, change, error, message):
    with pytest.raises(error, match=message):
        clone(regressor).fit(*change(*arrays[:2]))


def test_bad_parameters_and_shapes_are_named(regressor, arrays):
    with pytest.raises(ValueError, match="alpha"):
        clone(regressor).set_params(alpha=-1).fit(*arrays[:2])
    with pytest.raises(ValueError, match="skip=True is not supported"):
        clone(regressor).set_params(skip=True).fit(*arrays[:2])
    with pytest.raises(
        ValueError, match="X has 2 features, but ConvexReLURegressor is expecting 3"
    ):
        regressor.predict(arrays[0][:, :2])
    with pytest.raises(ValueError, match="X has ndim=1"):
        regressor.predict(arrays[1])
