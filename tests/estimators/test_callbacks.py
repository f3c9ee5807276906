"""Callbacks of estimators: what they see, that they can end a fit, and that errors in them change nothing."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from convexrelu import (
    ChunkedProblem,
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    Status,
    TrainingProblem,
    distributed,
    regularization_path,
    train,
    train_in_chunks,
)
from tests import reference
from tests.chunked.together import together
from tests.honest import assert_honest

X, Y = reference.teacher(30, 4, 3, 0.3, 0)
LABELS = np.where(np.median(Y) < Y, "high", "low")
CASES = {
    "regressor": (ConvexReLURegressor, {}, Y),
    "classifier": (ConvexReLUClassifier, {}, LABELS),
    "regressor CV": (ConvexReLURegressorCV, {"alphas": [0.1], "cv": 2}, Y),
    "classifier CV": (ConvexReLUClassifierCV, {"alphas": [0.1], "cv": 2}, LABELS),
}


def of_case(name, **options):
    kind, own, y = CASES[name]
    return kind(**own, tol=1e-9, random_state=0, **options), y


def stop(entry):
    return True


@pytest.mark.parametrize("name", CASES)
def test_a_callback_sees_all_rounds_until_one_asks_to_stop(name):
    rounds = []
    model, y = of_case(name, callbacks=[rounds.append, stop])
    model.fit(X, y)
    assert model.status_ is Status.STOPPED
    assert rounds == model.history_ and len(rounds) == 1
    assert rounds[0].network.width == model.network_.width


@pytest.mark.parametrize("name", CASES)
def test_an_error_in_a_callback_leaves_the_estimator_as_it_was(name):
    def fails(entry):
        raise ZeroDivisionError("by a callback")

    model, y = of_case(name, callbacks=[stop])
    model.fit(X, y)
    before = dict(vars(model))
    model.callbacks = [fails]
    with pytest.raises(ZeroDivisionError):
        model.fit(X[:20], y[:20])
    assert vars(model) == before | {"callbacks": [fails]}


OTHERS = {
    "sampled patterns": {"patterns": "sampled"},
    "gates": {"activation": "gated_relu", "patterns": "sampled"},
    "threshold": {"activation": "threshold"},
    "monotone": {"monotonic_cst": [1, 0, 0, 0]},
    "constant": {"alpha": 100.0},
}


@pytest.mark.filterwarnings("ignore::convexrelu.AlphaWarning")
@pytest.mark.parametrize("name", OTHERS)
def test_every_way_of_training_asks(name):
    model = ConvexReLURegressor(tol=0.0, random_state=0, callbacks=[stop]).set_params(
        **OTHERS[name]
    )
    model.fit(X[:12], Y[:12])
    closed = model.certificate_.relative_gap == 0
    assert model.status_ is (Status.CONVERGED if closed else Status.STOPPED)
    assert len(model.history_) == 1


def test_a_stopped_result_is_honest():
    model = ConvexReLURegressor(tol=0.0, random_state=0, callbacks=[stop]).fit(X, Y)
    assert_honest(model, X, Y)


def test_answers_other_than_true_do_not_stop():
    problem = TrainingProblem(X, Y, 0.05)
    result = train(problem, random_state=0, progress=lambda entry: entry.width or 1)
    assert result.status is not Status.STOPPED


def test_a_stopped_path_ends():
    results = regularization_path(
        TrainingProblem(X, Y, 1.0), [0.1, 0.01], tol=0.0, random_state=0, progress=stop
    )
    assert [result.status for result in results] == [Status.STOPPED]


def test_rows_in_chunks():
    rounds = []
    model = ConvexReLURegressor(0.05, tol=0.0, random_state=0, callbacks=(rounds.append, stop))
    distributed.fit(model, X, Y)
    assert model.status_ is Status.STOPPED and rounds == model.history_


@pytest.mark.parametrize("callbacks", [3, [3], [None], [type("Class", (), {"for_fit": stop})]])
def test_what_is_no_callback(callbacks):
    with pytest.raises(ValueError, match="callbacks"):
        ConvexReLURegressor(callbacks=callbacks).fit(X, Y)


def test_folds_have_no_callbacks():
    """They may run in other processes, where callbacks could not remember anything."""
    rounds, seen = [], []

    def scoring(model, X, y):
        seen.append(model.callbacks)
        return model.score(X, y)

    model, y = of_case("regressor CV", callbacks=[rounds.append, stop], scoring=scoring)
    model.fit(X, y)
    assert seen == [None, None] and len(rounds) == 1
    assert model.callbacks[1] is stop


def test_search_and_clone_take_estimators_with_callbacks():
    model = ConvexReLURegressor(tol=1e-9, random_state=0, callbacks=[stop])
    assert clone(model).callbacks == [stop]
    search = GridSearchCV(model, {"alpha": [0.1]}, cv=2).fit(X, Y)
    assert search.best_estimator_.status_ is Status.STOPPED


def test_one_of_several_processes_ends_all():
    def trained(group):
        rows = slice(group.rank, None, 3)
        problem = ChunkedProblem(X[rows], Y[rows], 0.05)
        progress = stop if group.rank == 1 else None
        return train_in_chunks(problem, group=group, tol=0.0, random_state=0, progress=progress)

    results = together(3, trained)
    assert [result.status for result in results] == [Status.STOPPED] * 3
    assert len({result.certificate for result in results}) == 1
