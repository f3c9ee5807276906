"""A fit that fails, or is interrupted, leaves its estimator as it was: all of it."""

import math
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Ridge

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLUFeatures,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    Status,
    TrainingProblem,
    train,
)
from convexrelu.estimators import constraints, pruning
from convexrelu.estimators.tangent_kernel import NTKSVC, NTKRidge
from convexrelu.estimators.whole_state import changed_at_once
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.training.session import Session
from tests.honest import assert_certifies, assert_honest, assert_same_network
from tests.properties.test_interrupt import interrupt

X = np.linspace(-1, 1, 12)[:, None]
Y = np.abs(X[:, 0])
LABELS = Y > 0.5
WIDER = np.hstack([X, X**2])

ESTIMATORS = {
    "regressor": (ConvexReLURegressor(0.1, random_state=0), Y),
    "classifier": (ConvexReLUClassifier(0.1, random_state=0), LABELS),
    "regressor cv": (ConvexReLURegressorCV(alphas=[0.1], cv=2, random_state=0), Y),
    "classifier cv": (ConvexReLUClassifierCV(alphas=[0.1], cv=2, random_state=0), LABELS),
    "features": (ConvexReLUFeatures(ConvexReLURegressor(0.1, random_state=0)), Y),
    "relative alpha": (ConvexReLURegressor(0.1, alpha_scale="relative", random_state=0), Y),
    "threshold": (ConvexReLURegressor(0.1, activation="threshold", random_state=0), Y),
    "ridge": (NTKRidge(), Y),
    "support vectors": (NTKSVC(), LABELS),
}


class Interrupting:
    """Sample weights of which the first look is interrupted."""

    def __array__(self, dtype=None, copy=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize("cause", ["failed", "interrupted"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_other_data_change_nothing(name, cause):
    model, y = ESTIMATORS[name]
    model = clone(model)
    failed = (ValueError, "sample_weight")
    error, words = failed if cause == "failed" else (KeyboardInterrupt, None)
    weights = np.ones(3) if cause == "failed" else Interrupting()
    with pytest.raises(error, match=words):
        model.fit(WIDER, y, sample_weight=weights)
    assert vars(model).keys() == model.get_params(deep=False).keys()
    model.fit(X, y)
    before = vars(model).copy()
    with pytest.raises(error, match=words) as caught:
        model.fit(WIDER, y, sample_weight=weights)
    assert vars(model).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(model).items())
    if hasattr(model, "network_"):
        assert "no network" not in str(caught.value)
        if cause == "interrupted":
            assert str(model.certificate_) in str(caught.value)


def test_the_state_changes_at_the_end():
    model = Ridge()
    with pytest.raises(ZeroDivisionError), changed_at_once(model) as draft:
        draft.coef_ = np.zeros(1)
        raise ZeroDivisionError
    assert not hasattr(model, "coef_")


def test_a_scorer_sees_no_half_fitted_estimator(monkeypatch):
    """The fit of a copy cannot change the arrays of the old fit."""
    model = ConvexReLURegressorCV(alphas=[0.1], cv=2, random_state=0).fit(X, Y)
    scores = model.cv_scores_.copy()
    monkeypatch.setattr(model, "scoring", lambda *_: np.nan)
    with pytest.raises(ValueError, match="scoring is not finite"):
        model.fit(X, Y)
    np.testing.assert_array_equal(model.cv_scores_, scores)


def test_a_warning_that_is_an_error_leaves_the_network(monkeypatch):
    model, original = ConvexReLURegressor(0.1, random_state=0), constraints.train

    def limited(*args, **kwargs):
        return replace(original(*args, **kwargs), status=Status.MAX_ITER)

    monkeypatch.setattr(constraints, "train", limited)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            model.fit(WIDER, Y)
    assert_honest(model, WIDER, Y)


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("chosen", [False, True])
def test_an_interruption_while_neurons_are_dropped_leaves_them(monkeypatch, chosen):
    options = {"random_state": 0}
    model = ConvexReLURegressor(0.1, **options)
    if chosen:
        model = ConvexReLURegressorCV(alphas=[0.1], cv=2, **options)
    whole = clone(model).fit(X, Y)
    original, calls = pruning.minimal, []

    def last_is_interrupted(*args, **kwargs):
        calls.append(1)
        return interrupted() if len(calls) == (3 if chosen else 1) else original(*args, **kwargs)

    monkeypatch.setattr(pruning, "minimal", last_is_interrupted)
    model.set_params(minimal=True)
    with pytest.raises(KeyboardInterrupt, match="keeps the best network so far"):
        model.fit(X, Y)
    assert model.status_ is Status.INTERRUPTED
    assert_same_network(model.network_, whole.network_)
    assert model.certificate_ == whole.certificate_


def test_an_interruption_before_neurons_are_dropped_keeps_the_network(monkeypatch):
    model = ConvexReLURegressor(0.1, random_state=0)
    monkeypatch.setattr(pruning, "_may_be_compact", interrupted)
    with pytest.raises(KeyboardInterrupt, match="keeps the best network so far"):
        model.fit(X, Y)
    assert model.status_ is Status.INTERRUPTED
    assert_certifies(model.certificate_, model.network_, X, Y, 0.1)


def test_an_interruption_while_a_fold_drops_neurons_is_not_forgotten(monkeypatch):
    monkeypatch.setattr(pruning, "minimal", interrupted)
    model = ConvexReLURegressorCV(alphas=[0.1, 0.05], cv=2, minimal=True, random_state=0)
    with pytest.raises(KeyboardInterrupt, match="no network"):
        model.fit(X, Y)


@pytest.mark.parametrize("status", [Status.TIME_LIMIT, Status.STALLED])
def test_rows_are_not_sorted_again_where_all_neurons_stay(monkeypatch, status):
    trained = ConvexReLURegressor(0.1, random_state=0).fit(X, Y)
    problem = TrainingProblem(X, Y, 0.1)
    result = replace(train(problem, random_state=0), status=status)
    monkeypatch.setattr(TrainingProblem, "condensed", None)
    assert pruning.with_fewer_neurons(trained, result, problem, math.inf) is result


@pytest.mark.parametrize("activation", ["gated_relu", "threshold"])
def test_neurons_that_cannot_be_dropped_are_known_before_training(monkeypatch, activation):
    monkeypatch.setattr(constraints, "train", interrupted)
    model = ConvexReLURegressor(activation=activation, patterns="sampled", minimal=True)
    with pytest.raises(ValueError, match="minimal=True is not supported for activation"):
        model.fit(X, Y)


@pytest.fixture
def stopped(monkeypatch):
    """A model whose fit was interrupted after its first program."""
    interrupt(monkeypatch, NativeSolver, "relu", 1)
    options = {"solver": "newton", "oracle": "search", "tol": 1e-6, "random_state": 0}
    model = ConvexReLURegressor(0.01, warm_start=True, **options)
    with pytest.raises(KeyboardInterrupt, match="keeps the best network so far"):
        model.fit(WIDER, Y)
    return model


def test_an_interrupted_estimator_is_an_estimator(stopped):
    again = pickle.loads(pickle.dumps(stopped))
    assert again.status_ is Status.INTERRUPTED and again.certificate_ == stopped.certificate_
    np.testing.assert_array_equal(again.predict(WIDER), stopped.predict(WIDER))
    with pytest.raises(NotFittedError):
        clone(stopped).predict(WIDER)
    network = stopped.network_
    assert stopped.set_params(alpha=0.02).network_ is network
    stopped.set_params(alpha=0.01).fit(WIDER, Y)
    assert stopped.status_ is Status.CONVERGED
    assert_honest(stopped, WIDER, Y)


def test_features_keep_the_network_of_an_interrupted_fit(monkeypatch):
    interrupt(monkeypatch, NativeSolver, "relu", 1)
    inner = ConvexReLURegressor(0.01, solver="newton", oracle="search", tol=1e-6, random_state=0)
    model = ConvexReLUFeatures(inner)
    with pytest.raises(KeyboardInterrupt, match="keeps the best network so far"):
        model.fit(WIDER, Y)
    assert model.estimator_.status_ is Status.INTERRUPTED
    assert model.transform(WIDER).shape == (len(Y), len(model.get_feature_names_out()))


@pytest.mark.parametrize(
    "model",
    [
        ConvexReLURegressor(random_state=0),
        ConvexReLURegressorCV(alphas=[0.1], cv=2, random_state=0),
    ],
    ids=["one", "cross-validated"],
)
def test_an_interruption_right_after_training_keeps_the_network(monkeypatch, model):
    """As a second one does, where the first one has just ended training."""
    original = Session.train

    def interrupted(self, *arguments):
        result = original(self, *arguments)
        if self.progress is not None:  # not of folds
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Session, "train", interrupted)
    with pytest.raises(KeyboardInterrupt, match="keeps the best network so far"):
        model.fit(X, Y)
    certificate = model.certificate_
    alpha = getattr(model, "alpha_", getattr(model, "alpha", None))
    assert_certifies(certificate, model.network_, X, Y, alpha)
    assert model.status_ is Status.INTERRUPTED
    last = model.history_[-1]
    assert (last.objective, last.width) == (certificate.objective, model.network_.width)
    assert last.network is None and last.certificate is None
