"""Files of skops hold whole estimators: networks, certificates and statuses."""

import copy
import pickle

import numpy as np
import pytest

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLUFeatures,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    Status,
)
from convexrelu.losses import Quantile

X = np.linspace(-1, 1, 16)[:, None]
Y = np.abs(X[:, 0])
LABELS = np.where(Y < 0.5, "inside", "outside")

FITTED = {
    "regressor": lambda: ConvexReLURegressor(random_state=0).fit(X, Y),
    "several outputs": lambda: ConvexReLURegressor(random_state=0).fit(X, np.column_stack([Y, -Y])),
    "a loss": lambda: ConvexReLURegressor(loss=Quantile(0.9), random_state=0).fit(X, Y),
    "skip": lambda: ConvexReLURegressor(skip=True, random_state=0).fit(X, Y),
    "gates": lambda: ConvexReLURegressor(
        activation="gated_relu", patterns="enumerated", random_state=0
    ).fit(X, Y),
    "threshold": lambda: ConvexReLURegressor(activation="threshold", random_state=0).fit(X, Y),
    "classifier": lambda: ConvexReLUClassifier(random_state=0).fit(X, LABELS),
    "regressor CV": lambda: ConvexReLURegressorCV(n_alphas=2, cv=2, random_state=0).fit(X, Y),
    "classifier CV": lambda: ConvexReLUClassifierCV(alphas=[0.1], cv=2, random_state=0).fit(
        X, LABELS
    ),
}


@pytest.mark.parametrize("name", FITTED)
def test_round_trip(name):
    skops = pytest.importorskip("skops.io", reason="reads and writes files of skops")
    model = FITTED[name]()
    file = skops.dumps(model)
    loaded = skops.loads(file, trusted=skops.get_untrusted_types(data=file))
    assert loaded.certificate_ == model.certificate_
    assert loaded.status_ is model.status_
    assert loaded.history_ == model.history_
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_round_trip_of_features():
    skops = pytest.importorskip("skops.io", reason="reads and writes files of skops")
    model = ConvexReLUFeatures(ConvexReLURegressor(random_state=0)).fit(X, Y)
    file = skops.dumps(model)
    loaded = skops.loads(file, trusted=skops.get_untrusted_types(data=file))
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert not loaded.estimator_.network_.hidden_weights.flags.writeable


@pytest.mark.parametrize("status", Status)
def test_statuses_are_made_of_what_reduce_says(status):
    """As skops makes them, which asks ``__reduce__`` and calls the class; it is tested also where skops is absent."""
    maker, values = status.__reduce__()
    assert maker is Status and maker(*values) is status
    assert pickle.loads(pickle.dumps(status)) is status and copy.deepcopy(status) is status


def test_state_goes_through_the_constructor():
    network = FITTED["regressor"]().network_
    loaded = network.__class__.__new__(network.__class__)
    loaded.__setstate__(dict(vars(network)))
    assert not loaded.hidden_weights.flags.writeable
    with pytest.raises(ValueError, match="output_bias"):
        loaded.__setstate__({**vars(network), "output_bias": [np.nan]})
