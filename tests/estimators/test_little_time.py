"""Fits whose time limit leaves no time for a copy of their inputs, and those that have the time."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLUQuantileRegressor,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    Status,
    TwoLayerNetwork,
    certify,
)
from convexrelu.estimators import fold_training
from convexrelu.problem import condensing, design, unread, unread_problem
from convexrelu.training import session
from tests.honest import assert_same_network
from tests.reference import teacher

X, Y = teacher(60, 3, 2, 0.1, 0)
SINGLE = X.astype(np.float32)
LABELS = np.digitize(Y, np.quantile(Y, [0.4, 0.7]))
HOURS = 1e5

FITS = {
    "plain": (ConvexReLURegressor, {}),
    "predict": (ConvexReLURegressor, {"effort": "predict"}),
    "relative": (ConvexReLURegressor, {"alpha_scale": "relative"}),
    "absolute error": (ConvexReLURegressor, {"loss": "absolute_error"}),
    "free biases": (ConvexReLURegressor, {"hidden_bias": "free"}),
    "skip": (ConvexReLURegressor, {"skip": True}),
    "positive": (ConvexReLURegressor, {"positive": True}),
    "monotone": (ConvexReLURegressor, {"monotonic_cst": [1, 0, 0]}),
    "threshold": (ConvexReLURegressor, {"activation": "threshold"}),
    "gated": (ConvexReLURegressor, {"activation": "gated_relu", "patterns": "sampled"}),
    "sampled": (ConvexReLURegressor, {"patterns": "sampled", "n_patterns": 5}),
    "enumerated": (ConvexReLURegressor, {"patterns": "enumerated"}),
    "three classes": (ConvexReLUClassifier, {}),
    "quantiles": (ConvexReLUQuantileRegressor, {}),
    "quantiles in a box": (ConvexReLUQuantileRegressor, {"no_crossing": "box"}),
    "search": (ConvexReLURegressorCV, {"cv": 3, "n_alphas": 3, "eps": 0.1}),
    "search, skip": (ConvexReLURegressorCV, {"cv": 3, "n_alphas": 3, "eps": 0.1, "skip": True}),
    "search, positive": (ConvexReLURegressorCV, {"cv": 3, "n_alphas": 3, "positive": True}),
    "search, three classes": (ConvexReLUClassifierCV, {"cv": 3, "n_alphas": 3}),
    "search, sampled": (ConvexReLURegressorCV, {"cv": 3, "n_alphas": 3, "patterns": "sampled"}),
}
TRAINED = ("plain", "relative", "three classes", "search", "search, skip", "quantiles")


def fitted(name, given, **options):
    kind, own = FITS[name]
    targets = LABELS if "classes" in name else Y
    return kind(random_state=0, **own, **options).fit(given, targets[: len(given)])


@pytest.fixture
def every_copy_is_long(monkeypatch):
    for module in (unread, design, unread_problem, condensing):
        monkeypatch.setattr(module, "COPY", 1e14)
    monkeypatch.setattr(fold_training, "_ENTRY", 2e14)


@pytest.fixture
def inputs_are_not_read_at_once(monkeypatch):
    """But there is time to read them."""
    monkeypatch.setattr(unread, "COPY", 1e14)


@pytest.fixture
def copies(monkeypatch):
    """Inputs that were copied."""
    made, original = [], unread.Unread.read.func

    def read(inputs):
        made.append(inputs.shape)
        return original(inputs)

    monkeypatch.setattr(unread.Unread.read, "func", read)
    return made


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.usefixtures("every_copy_is_long")
@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("given", [X, SINGLE], ids=["64", "32"])
def test_without_time_for_a_copy_the_fit_is_a_constant_that_says_so(copies, name, given):
    model = fitted(name, given, time_limit=1.0)
    assert not copies
    assert model.network_.width == 0
    assert model.status_ is Status.TIME_LIMIT
    certificate = model.certificate_
    assert certificate.lower_bound == certificate.proved_lower_bound == 0
    predictions = model.predict(given)
    assert (predictions == predictions[0]).all()
    if name == "plain":
        longer = fitted(name, X).certificate_
        assert certificate.objective >= longer.objective >= certificate.lower_bound


@pytest.mark.usefixtures("every_copy_is_long")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [name for name in FITS if "search" in name])
def test_a_search_without_time_takes_the_middle_penalty_and_claims_no_score(name):
    model = fitted(name, SINGLE, time_limit=1.0)
    assert model.alpha_ == model.alphas_[1] > 0
    assert np.isnan(model.cv_scores_).all() and np.isnan(model.best_score_)
    assert (model.cv_widths_ == -1).all()


@pytest.mark.usefixtures("inputs_are_not_read_at_once")
def test_constants_of_folds_have_their_scores():
    model = ConvexReLURegressorCV(cv=3, alphas=[100.0], time_limit=HOURS).fit(SINGLE, Y)
    assert (model.cv_widths_[0] == 0).all()
    fold = np.arange(60) % 60 >= 20  # the first of three
    expected = -0.5 * np.mean((Y[~fold] - Y[fold].mean()) ** 2)
    assert model.cv_scores_[0, 0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.usefixtures("inputs_are_not_read_at_once")
def test_a_scorer_of_the_user_sees_the_inputs():
    seen = {}

    def score(model, rows, targets):
        seen[rows[0, 0]] = rows
        return -float(np.mean((model.predict(rows) - targets) ** 2))

    ConvexReLURegressorCV(
        cv=3, alphas=[1.0], scoring=score, tol=0.1, time_limit=HOURS, random_state=0
    ).fit(SINGLE, Y)
    np.testing.assert_array_equal(np.vstack(list(seen.values())), SINGLE)


@pytest.mark.usefixtures("every_copy_is_long")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_constant_quantiles_do_not_cross():
    model = fitted("quantiles in a box", SINGLE, time_limit=1.0)
    assert (np.diff(model.predict(SINGLE), axis=1) >= 0).all()
    assert model.crossing_.is_safe
    np.testing.assert_array_equal(model.box_, [SINGLE.min(axis=0), SINGLE.max(axis=0)])
    assert model.certificate_.scope == "output_constraints"


@pytest.mark.parametrize("given", [X[:30], SINGLE[:30]], ids=["64", "32"])
@pytest.mark.parametrize("name", TRAINED)
def test_with_plenty_of_time_the_fit_is_that_without_a_limit(monkeypatch, copies, name, given):
    expected = fitted(
        name, given, tol=0.1
    )  # ends early, and the same bits are asked for all the same
    assert expected.network_.width and not copies
    monkeypatch.setattr(unread, "COPY", 1e14)  # inputs are not read at once, but then there is time
    found = fitted(name, given, tol=0.1, time_limit=HOURS)
    assert copies
    assert_same_network(found.network_, expected.network_)
    assert found.certificate_.objective == expected.certificate_.objective
    if hasattr(expected, "alpha_max_"):
        assert found.alpha_max_ == expected.alpha_max_
    if hasattr(expected, "cv_scores_"):
        np.testing.assert_array_equal(found.cv_scores_, expected.cv_scores_)


def test_what_is_not_finite_is_refused_with_a_limit_as_well():
    bad = SINGLE.copy()
    bad[5, 1] = np.nan
    for limit in (None, 0.0, 1.0):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            ConvexReLURegressor(time_limit=limit).fit(bad, Y)


@pytest.mark.usefixtures("every_copy_is_long")
def test_a_certificate_without_time_has_the_objective_of_the_network(copies):
    rng = np.random.default_rng(0)
    network = TwoLayerNetwork(
        rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal((1, 4)), [0.3]
    )
    found = certify(network, SINGLE, Y, alpha=0.1, time_limit=1.0)
    assert not copies
    plain = certify(network, SINGLE, Y, alpha=0.1, bound="residual", random_state=0)
    assert found.objective == pytest.approx(plain.objective, rel=1e-12)
    assert (found.n_dead, found.n_linear, found.n_mixed) == (
        plain.n_dead,
        plain.n_linear,
        plain.n_mixed,
    )
    assert found.lower_bound == 0 == found.cell_lower_bound
    assert found.problem.equals_but_for_alpha(plain.problem)


@pytest.mark.parametrize("name", ["threshold", "gated", "sampled"])
def test_what_has_no_time_for_its_first_step_does_not_begin(monkeypatch, name):
    """The design and patterns are there, but there is no time to price units or to solve a program."""

    def never(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(session, "product_fits", lambda work, deadline: work <= 0)
    monkeypatch.setattr(session.Session, "_train_threshold", never)
    monkeypatch.setattr(session, "train_on_patterns", never)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model = fitted(name, X, time_limit=HOURS)
    assert model.status_ is Status.TIME_LIMIT
    np.testing.assert_allclose(model.predict(X), Y.mean())
    assert model.certificate_.lower_bound <= model.certificate_.objective
