"""A penalty relative to the largest useful one, and the warning where a penalty is far outside its range."""

import pickle
import re
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from convexrelu import (
    AlphaWarning,
    ConvexReLUClassifier,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    TrainingProblem,
    train,
)
from convexrelu.oracles import SweepOracle
from tests import reference
from tests.honest import assert_certifies, assert_same_network

X, Y = reference.teacher(25, 2, 2, 0.1, 0)


def regressor(**params):
    return ConvexReLURegressor(**{"alpha": 0.02, "random_state": 0, **params})


def relative(**params):
    return regressor(alpha_scale="relative", **params)


def alpha_max(y=Y):
    problem = TrainingProblem(X, y, 1.0)
    return problem.alpha_max(SweepOracle(problem.design))


@pytest.fixture(scope="module")
def fitted():
    return relative().fit(X, Y)


def test_the_unit_is_where_the_first_neuron_appears(fitted):
    assert fitted.alpha_max_ == pytest.approx(alpha_max(), rel=1e-9)


def test_the_network_is_that_of_the_absolute_penalty(fitted):
    absolute = regressor(alpha=0.02 * fitted.alpha_max_).fit(X, Y)
    assert_same_network(fitted.network_, absolute.network_)
    assert_certifies(fitted.certificate_, fitted.network_, X, Y, 0.02 * fitted.alpha_max_)
    assert not hasattr(absolute, "alpha_max_")


@pytest.mark.parametrize(("shift", "scale"), [(2e5, 8e4), (0.0, 1e-4), (0.0, 1e9)])
def test_the_scale_of_the_targets_does_not_matter(fitted, shift, scale):
    model = relative().fit(X, shift + scale * Y)
    assert model.alpha_max_ == pytest.approx(scale * fitted.alpha_max_, rel=1e-6)
    assert model.certificate_.relative_gap <= model.tol and model.certificate_.is_proof
    # Two gaps of tol in an objective of at most half the variance.
    away = np.sqrt(np.mean(((model.predict(X) - shift) / scale - fitted.predict(X)) ** 2))
    assert away <= 2 * np.sqrt(2 * fitted.tol * fitted.certificate_.objective)


def test_the_unit_is_forgotten_by_an_absolute_fit():
    model = relative().fit(X, Y).set_params(alpha_scale="absolute").fit(X, Y)
    assert not hasattr(model, "alpha_max_")


def test_constant_targets_have_a_unit():
    model = relative().fit(X, np.full(len(Y), 3.0))
    assert model.alpha_max_ == 1.0 and model.network_.width == 0


def test_clones_pickles_and_warm_starts(fitted):
    assert clone(fitted).get_params()["alpha_scale"] == "relative"
    assert pickle.loads(pickle.dumps(fitted)).alpha_max_ == fitted.alpha_max_
    warm = relative(warm_start=True).fit(X, Y)
    assert warm.fit(X, Y).n_iter_ <= fitted.n_iter_
    assert warm.alpha_max_ == fitted.alpha_max_


@pytest.mark.slow
def test_every_fold_of_a_grid_search_has_its_own_unit():
    grid = GridSearchCV(relative(), {"alpha": [0.5, 0.02]}, cv=2).fit(X, 1e4 * Y)
    assert grid.best_params_ == {"alpha": 0.02}
    assert grid.best_estimator_.alpha_max_ == pytest.approx(1e4 * alpha_max(), rel=1e-6)


def test_labels_have_a_unit():
    model, labels = ConvexReLUClassifier(alpha_scale="relative", random_state=0), np.sign(Y - 1)
    assert model.set_params(alpha=1.01).fit(X, labels).network_.width == 0
    assert model.set_params(alpha=0.5).fit(X, labels).network_.width > 0


def test_the_search_for_the_unit_counts_for_the_time_limit(clock, monkeypatch):
    limits = []

    def noted(problem, **options):
        limits.append(options["time_limit"])
        return train(problem, **options)

    monkeypatch.setattr("convexrelu.estimators.constraints.train", noted)
    clock.charge(SweepOracle, "__call__", 3.0)
    relative(time_limit=100.0).fit(X, Y)
    assert limits == [97.0]


# The warning


@pytest.mark.parametrize(
    ("scale", "alpha", "message"),
    [
        (8e4, 1e-2, r"alpha=0.01 is \de-07 of the largest .* standard deviation .*: scale y, or"),
        (1e-4, 1e-2, r"alpha=0.01 is \de\+02 times the .* constant; targets have .*: scale y, or"),
        (1.0, 1e-8, r"alpha=1e-08 is \de-08 of the largest .*; standardise X, choose another"),
    ],
)
def test_a_penalty_far_outside_its_range_is_reported(scale, alpha, message):
    y = scale * Y / Y.std()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        regressor(alpha=alpha, max_iter=1, time_limit=1.0).fit(X, y)
    (warning,) = [one for one in caught if one.category is AlphaWarning]
    assert warning.filename == __file__
    assert re.match(message, str(warning.message))
    assert "alpha_scale='relative'" in str(warning.message)


@pytest.mark.parametrize("share", [2e-3, 0.5, 1.2])
def test_ordinary_penalties_are_not_reported(share):
    regressor(alpha=share * alpha_max(), tol=0.1).fit(X, Y)  # warnings are errors


def test_relative_penalties_may_be_outside_as_well():
    with pytest.warns(AlphaWarning) as caught:
        relative(alpha=100.0).fit(X, Y)
    assert "relative" not in str(caught[0].message)


def test_penalties_to_choose_from_are_fractions_too(fitted):
    options = {"cv": 2, "random_state": 0}
    fractions = np.array([0.5, 0.1])
    model = ConvexReLURegressorCV(alphas=fractions, alpha_scale="relative", **options).fit(X, Y)
    np.testing.assert_allclose(model.alphas_, fractions * model.alpha_max_)
    assert model.alpha_max_ == pytest.approx(fitted.alpha_max_, rel=1e-9)
    absolute = ConvexReLURegressorCV(alphas=model.alphas_, **options).fit(X, Y)
    assert model.alpha_ == absolute.alpha_
    np.testing.assert_allclose(model.cv_scores_, absolute.cv_scores_, rtol=1e-3)
    scaled = clone(model).fit(X, 1e6 * Y)
    np.testing.assert_allclose(scaled.alphas_, 1e6 * model.alphas_, rtol=1e-6)
    model.set_params(alpha_scale="absolute").fit(X, Y)
    assert not hasattr(model, "alpha_max_")


def test_scorers_see_the_penalty_itself():
    def scorer(model, X, y):
        assert model.alpha_scale == "absolute"
        return -model.alpha

    options = {"cv": 2, "random_state": 0, "alpha_scale": "relative", "scoring": scorer}
    model = ConvexReLURegressorCV(alphas=[0.5, 0.2], **options).fit(X, Y)
    np.testing.assert_allclose(model.cv_scores_.mean(axis=1), -model.alphas_)
