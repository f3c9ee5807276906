"""Several labels, missing targets and exposures on a cluster of Dask."""

from itertools import pairwise

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from convexrelu import ConvexReLUClassifier, distributed
from convexrelu.chunked import Alone
from convexrelu.dask import DaskConvexReLUClassifier, DaskConvexReLURegressor, partitions
from tests.estimators.shard_cases import (
    CASES,
    CLASSES,
    COUNTS,
    EXPOSURE,
    GAPS,
    IGNORE,
    OPTIONS,
    SIGNAL,
    N,
    X,
    copy_of,
)

ROWS = (90, 0, 110, 100)
QUICK = OPTIONS | {"max_iter": 1, "tol": 0.5}
FRAME = pd.DataFrame(X, columns=["a", "b"])


def lazy(array):
    """In unequal parts, one of them empty, and every column by itself."""
    return da.from_array(array, chunks=(ROWS, *[1] * (array.ndim - 1)))


def frame(data):
    return dd.from_pandas(data, npartitions=3)


@pytest.fixture(scope="module", params=["labels", "exposure and gaps"])
def case(request, client):
    """The estimator of one process, the one for Dask, and their data."""
    estimator, y, more = CASES[request.param]
    one = distributed.fit(copy_of(estimator), X, y, group=Alone(), **more)
    is_classifier = isinstance(estimator, ConvexReLUClassifier)
    kind = DaskConvexReLUClassifier if is_classifier else DaskConvexReLURegressor
    many = kind(client=client, **estimator.get_params())
    lazies = {name: lazy(value) for name, value in more.items()}
    return one, many.fit(lazy(X), lazy(y), **lazies), y, more, lazies


def test_estimators_are_those_of_one_process(case):
    one, many, y, more, lazies = case
    assert many.certificate_ == one.certificate_
    assert many.score(lazy(X), lazy(y), **lazies) == pytest.approx(
        one.score(X, y, **more), rel=1e-12
    )


def test_predictions_are_lazy_and_those_of_one_process(case):
    one, many, _, more, lazies = case
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        if not hasattr(one, name):
            continue
        found, expected = getattr(many, name)(lazy(X)), getattr(one, name)(X)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-10, atol=1e-12)
    if "exposure" in more:
        found, expected = many.predict(lazy(X), lazies["exposure"]), one.predict(X, EXPOSURE)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-10)
        found = many.predict(frame(pd.DataFrame(X)), frame(pd.Series(EXPOSURE)))
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-10)
        with pytest.raises(ValueError, match="exposure has 4 partitions, X has 3"):
            many.predict(frame(pd.DataFrame(X)), lazies["exposure"])


def test_frames_may_have_gaps_of_their_own(client):
    targets = pd.DataFrame(GAPS).convert_dtypes()
    model = DaskConvexReLURegressor(client=client, **QUICK, **IGNORE)
    model.fit(frame(FRAME), frame(targets))
    assert model.feature_names_in_.tolist() == ["a", "b"]
    expected = model.to_local().score(FRAME, targets)
    assert model.score(frame(FRAME), frame(targets)) == pytest.approx(expected, rel=1e-12)
    before = model.certificate_.objective
    model.set_params(warm_start=True).fit(frame(FRAME), frame(targets))
    assert model.history_[0].objective <= before * (1 + 1e-12)


def test_a_frame_with_one_column_is_one_target_or_label(client):
    single = X.astype(np.float32)
    regressor = DaskConvexReLURegressor(client=client, **QUICK)
    found = regressor.fit(lazy(single), frame_of_rows(SIGNAL)).certificate_
    assert found == clone(regressor).fit(lazy(single), lazy(SIGNAL)).certificate_
    names = pd.Series(CLASSES, dtype="category").to_frame()
    classifier = DaskConvexReLUClassifier(client=client, class_weight={"none": 2.0}, **QUICK)
    with pytest.warns(UserWarning, match="class_weight has the label 'none'") as caught:
        classifier.fit(frame(FRAME), frame(names))
    assert {warning.filename for warning in caught} == {__file__}
    assert classifier.classes_.tolist() == ["low", "mid", "top"]


def frame_of_rows(values):
    """A frame with one column, in the parts of :func:`lazy`."""
    ends = np.cumsum((0, *ROWS))
    parts = [pd.DataFrame({"t": values[a:b]}) for a, b in pairwise(ends)]
    return dd.from_map(lambda part: part, parts)


ZERO = np.where(np.arange(N) == N - 1, 0.0, EXPOSURE)
WIDER = da.concatenate(
    [
        da.from_delayed(dask.delayed(np.zeros)((n, 4 if n == ROWS[-1] else 3)), (n, 3), dtype=float)
        for n in ROWS
    ]
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"exposure": lazy(ZERO)}, "process .*worker.*exposure has the entry 0"),
        ({"exposure": lazy(EXPOSURE)[1:]}, "exposure has 299 rows, X has 300"),
        ({"exposure": lazy(EXPOSURE[:, None])}, "exposure has shape"),
        ({"y": WIDER}, "y: process 1 has 4 labels|y has partitions of shapes"),
    ],
)
def test_bad_data_of_one_worker_are_named(client, data, message):
    kind = DaskConvexReLURegressor if "exposure" in data else DaskConvexReLUClassifier
    loss = "poisson" if "exposure" in data else "auto"
    model = kind(client=client, loss=loss, **OPTIONS)
    with pytest.raises(ValueError, match=message):
        model.fit(lazy(X), **{"y": lazy(COUNTS)} | data)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"monotonic_cst": [1, 0]}, r"monotonic_cst=\[1, 0\] is not supported .* use monotonic"),
        ({"positive": True}, "positive=True is not supported"),
        ({"effort": "prove"}, "effort='prove' is not supported .* use effort='certify'"),
        ({"loss": "absolute_error"}, "loss='absolute_error', which has kinks, is not supported"),
    ],
)
def test_what_is_not_supported_is_named_before_data_are_computed(client, params, message):
    model = DaskConvexReLURegressor(client=client, **params)
    inputs = lazy(X).map_blocks(lambda block: 1 / 0, dtype=float)
    with pytest.raises(ValueError, match=message):
        model.fit(inputs, lazy(SIGNAL))


def test_exposures_are_for_counts(client):
    model = DaskConvexReLURegressor(client=client)
    with pytest.raises(ValueError, match="exposure is for counts"):
        model.fit(lazy(X), lazy(SIGNAL), exposure=lazy(EXPOSURE))
    model = DaskConvexReLURegressor(client=client, loss="poisson")
    with pytest.raises(TypeError, match="exposure is a ndarray"):
        model.fit(lazy(X), lazy(COUNTS), exposure=EXPOSURE)


def test_partitions_with_other_columns_are_refused():
    parts = pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [2.0]})
    assert partitions.joined(parts[:1] * 2, "y").shape == (2, 1)
    with pytest.raises(ValueError, match=r"y has partitions with other columns than \['a'\]"):
        partitions.joined(parts, "y")
