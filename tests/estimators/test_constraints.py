"""`monotonic_cst` and `positive` of the estimators."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
)
from convexrelu.chunked.group import Alone
from convexrelu.constrained import NeuronClass
from convexrelu.estimators.sharded import fit_on_shards
from tests import reference

X, Y = reference.teacher(30, 2, 3, 0.3, 1)
LABELS = np.where(np.median(Y) < Y, "yes", "no")
FRAME = pd.DataFrame(X, columns=["income", "debt"])


def slopes(network, rows):
    active = rows @ network.hidden_weights.T + network.hidden_bias > 0
    return (active * network.output_weights) @ network.hidden_weights


@pytest.fixture(scope="module")
def fitted():
    return ConvexReLURegressor(0.03, monotonic_cst=[1, -1], random_state=0).fit(X, Y)


def test_regressor(fitted):
    box = np.random.default_rng(0).uniform(-10, 10, (10_000, 2))
    assert (slopes(fitted.network_, box) * [1, -1] >= 0).all()
    assert fitted.certificate_.scope == "monotone"
    assert fitted.certificate_.relative_gap <= 1e-3


def test_names_of_features(fitted):
    named = ConvexReLURegressor(0.03, monotonic_cst={"debt": -1, "income": 1}, random_state=0)
    assert np.array_equal(named.fit(FRAME, Y).predict(FRAME), fitted.predict(X))


def test_classifier_and_warm_start():
    model = ConvexReLUClassifier(0.03, monotonic_cst=[0, 1], warm_start=True, random_state=0)
    model.fit(X, LABELS)
    before = model.certificate_.objective
    assert NeuronClass([0, 1]).contains(model.network_)
    grid = np.column_stack([np.zeros(30), np.linspace(-5, 5, 30)])
    assert (np.diff(model.predict_proba(grid)[:, 1]) >= -1e-12).all()
    assert model.fit(X, LABELS).certificate_.objective == pytest.approx(before, rel=2e-3)


@pytest.mark.parametrize("positive", [False, True])
def test_cross_validation(positive):
    limits = None if positive else [1, 0]
    model = ConvexReLURegressorCV(
        monotonic_cst=limits, positive=positive, n_alphas=2, eps=0.1, cv=2, random_state=0
    ).fit(X, Y)
    assert NeuronClass(limits, positive).contains(model.network_)
    assert model.certificate_.scope == ("positive" if positive else "monotone")
    assert np.isfinite(model.cv_scores_).all()


def test_cross_validation_of_labels():
    model = ConvexReLUClassifierCV(
        monotonic_cst=[1, 0], alphas=[0.1, 0.05], cv=2, random_state=0
    ).fit(X, LABELS)
    assert NeuronClass([1, 0]).contains(model.network_)


def test_relative_penalties():
    """A penalty of the whole unit leaves a constant of the class, and one just below does not."""
    model = ConvexReLURegressor(
        monotonic_cst=[1, -1], alpha=1.001, alpha_scale="relative", random_state=0
    )
    assert model.fit(X, Y).network_.width == 0
    assert clone(model).set_params(alpha=0.9).fit(X, Y).network_.width > 0


def test_no_constraint_is_no_class():
    options = {"random_state": 0, "alpha": 0.1}
    free = ConvexReLURegressor(**options).fit(X, Y)
    none = ConvexReLURegressor(monotonic_cst=[0, 0], **options).fit(X, Y)
    assert np.array_equal(free.predict(X), none.predict(X))
    assert none.certificate_.scope == "global"


@pytest.mark.parametrize(
    "options",
    [
        {"skip": True},
        {"patterns": "sampled"},
        {"patterns": np.eye(3)},
        {"solver": "newton"},
        {"oracle": "search"},
        {"minimal": True},
        {"activation": "absolute_value"},
        {"hidden_bias": "free"},
    ],
)
@pytest.mark.parametrize("asked", [{"monotonic_cst": [1, 0]}, {"positive": True}])
def test_what_a_class_excludes(options, asked):
    model = ConvexReLURegressor(**options, **asked)
    with pytest.raises(
        ValueError, match=rf"{next(iter(asked))}.* does not support {next(iter(options))}"
    ):
        model.fit(X, Y)


@pytest.mark.parametrize(
    "given", [[1], [1, 0, 0], [2, 0], [[1, 0], [0, 1]], {"rent": 1}, {"debt": 3}, [None, 1], "up"]
)
def test_constraints_that_do_not_fit(given):
    with pytest.raises(ValueError, match="monotonic_cst"):
        ConvexReLURegressor(monotonic_cst=given).fit(FRAME, Y)


def test_names_without_names():
    with pytest.raises(ValueError, match="monotonic_cst"):
        ConvexReLURegressor(monotonic_cst={"debt": 1}).fit(X, Y)


def test_several_classes_and_outputs():
    with pytest.raises(ValueError, match="several outputs"):
        ConvexReLUClassifier(positive=True).fit(X, np.arange(30) % 3)
    with pytest.raises(ValueError, match="several outputs"):
        ConvexReLURegressor(positive=True).fit(X, np.column_stack([Y, Y]))


def test_sparse_inputs_with_more_features_than_samples():
    """Positive outer weights do not depend on coordinates; signs of inner ones do."""
    wide = np.random.default_rng(0).standard_normal((10, 20))
    wide[np.abs(wide) < 0.7] = 0.0
    options = {"effort": "predict", "random_state": 0}
    dense = ConvexReLURegressor(positive=True, **options).fit(wide, Y[:10])
    sparse = ConvexReLURegressor(positive=True, **options).fit(csr_array(wide), Y[:10])
    assert NeuronClass(positive=True).contains(sparse.network_)
    assert sparse.predict(wide) == pytest.approx(dense.predict(wide), abs=1e-2)
    with pytest.raises(ValueError, match="monotonic_cst does not support sparse X"):
        ConvexReLURegressor(monotonic_cst=[1] * 20).fit(csr_array(wide), Y[:10])


@pytest.mark.parametrize("asked", [{"monotonic_cst": [1, 0]}, {"positive": True}])
def test_shards_have_no_class(asked):
    with pytest.raises(ValueError, match=rf"{next(iter(asked))}=.* is not supported"):
        fit_on_shards(ConvexReLURegressor(**asked), X, Y, None, Alone())
