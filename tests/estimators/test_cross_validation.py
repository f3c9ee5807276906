"""Estimators that choose their penalty: scores as of a grid search, folds, weights, routing, interruptions."""

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import get_scorer, make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, PredefinedSplit
from sklearn.utils.estimator_checks import parametrize_with_checks

from convexrelu import (
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    Status,
    TrainingProblem,
)
from convexrelu.estimators import cross_validation, fold_training
from convexrelu.estimators.cross_validation import CrossValidated
from convexrelu.estimators.penalty_choice import choose_penalty
from convexrelu.oracles import CellOracle
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.training import descent_path
from convexrelu.training.session import Session
from convexrelu.training.stalling import AFTER_CHOICE, AFTER_CHOICE_OF_MANY
from tests import reference
from tests.honest import assert_honest, assert_same_network
from tests.properties.test_interrupt import interrupt

X, Y = reference.teacher(30, 1, 2, 0.1, 0)
ALPHAS = [0.3, 0.1, 0.03]
WEIGHT = np.random.default_rng(1).integers(0, 4, len(Y)).astype(float)


def regressor(**params):
    return ConvexReLURegressorCV(**{"alphas": ALPHAS, "cv": 3, "random_state": 0, **params})


@pytest.fixture(scope="module")
def fitted():
    return regressor().fit(X, Y)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::convexrelu.SolverWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
# One small program a fold: grids and rounds have tests of their own. A penalty relative to the targets, whose units
# differ. The linear part fits the targets of the checks, so that three neurons will do.
@parametrize_with_checks(
    [
        ConvexReLURegressorCV(
            alphas=[0.03],
            alpha_scale="relative",
            skip=True,
            skip_alpha=0.1,
            cv=2,
            patterns="sampled",
            n_patterns=3,
            tol=0.2,
            cv_tol=0.9,
        )
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Scores


SCORINGS = ["r2", "neg_median_absolute_error"]


@pytest.fixture(scope="module")
def grid():
    single = ConvexReLURegressor(tol=1e-5, random_state=0)
    return GridSearchCV(single, {"alpha": ALPHAS}, cv=3, scoring=SCORINGS, refit="r2").fit(X, Y)


@pytest.mark.slow
@pytest.mark.parametrize("scoring", SCORINGS)
def test_scores_are_those_of_a_grid_search(scoring, grid):
    """At d = 1 both solve to proofs: with tight tolerances scores agree."""
    model = regressor(cv_tol=1e-5, tol=1e-5, scoring=scoring).fit(X, Y)
    splits = [grid.cv_results_[f"split{k}_test_{scoring}"] for k in range(3)]
    np.testing.assert_allclose(model.cv_scores_, np.column_stack(splits), atol=5e-3)
    means = grid.cv_results_[f"mean_test_{scoring}"]
    assert model.alpha_ == ALPHAS[means.argmax()] == grid.best_params_["alpha"]
    assert model.best_score_ == pytest.approx(means.max(), abs=5e-3)
    np.testing.assert_allclose(model.predict(X), grid.predict(X), atol=5e-3)


def test_the_default_score_is_the_negative_loss(fitted):
    expected = regressor(scoring="neg_mean_squared_error").fit(X, Y)
    np.testing.assert_allclose(fitted.cv_scores_, expected.cv_scores_ / 2, rtol=1e-12)


def test_what_is_kept(fitted):
    assert_honest_at(fitted, fitted.alpha_)
    np.testing.assert_array_equal(fitted.alphas_, ALPHAS)
    assert fitted.cv_scores_.shape == fitted.cv_widths_.shape == (3, 3)
    assert fitted.alpha_ in ALPHAS
    assert fitted.best_score_ == fitted.cv_scores_.mean(axis=1).max()
    assert fitted.status_ is Status.CONVERGED and fitted.certificate_.is_proof
    np.testing.assert_array_equal(fitted.predict(X), fitted.network_.predict(X))


def assert_honest_at(model, alpha):
    twin = ConvexReLURegressor(alpha)
    for name in ("network_", "certificate_", "history_"):
        setattr(twin, name, getattr(model, name))
    assert_honest(twin, X, Y)


# The grid


def test_the_grid_descends_from_the_first_neuron():
    model = regressor(alphas=None, n_alphas=4, eps=1e-2).fit(X, Y)
    problem = TrainingProblem(X, Y, 1.0)
    largest = problem.alpha_max(CellOracle(problem.design))
    np.testing.assert_allclose(model.alphas_, np.geomspace(largest, largest / 100, 4), rtol=1e-6)


def test_constant_targets_have_a_grid():
    model = regressor(alphas=None, n_alphas=3).fit(X, np.full(len(Y), 2.0))
    assert (model.alphas_ > 0).all() and model.alpha_ == model.alphas_[0]
    np.testing.assert_array_equal(model.predict(X), np.full(len(Y), 2.0))


def test_given_penalties_are_sorted(fitted):
    model = regressor(alphas=ALPHAS[::-1]).fit(X, Y)
    np.testing.assert_array_equal(model.alphas_, ALPHAS)
    assert_same_network(model.network_, fitted.network_)


# The choice


@pytest.mark.slow
def test_one_standard_error_is_never_a_smaller_penalty(fitted):
    model = regressor(one_standard_error=True).fit(X, Y)
    np.testing.assert_array_equal(model.cv_scores_, fitted.cv_scores_)
    assert model.alpha_ >= fitted.alpha_
    assert model.alpha_ == ALPHAS[choose_penalty(model.cv_scores_, one_standard_error=True)]


def test_dropped_penalties_have_no_scores(monkeypatch):
    monkeypatch.setattr(cross_validation, "is_past_its_best", lambda scores, _: len(scores) >= 2)
    model = regressor().fit(X, Y)
    np.testing.assert_array_equal(np.isnan(model.cv_scores_).all(axis=1), [False, False, True])
    np.testing.assert_array_equal(model.cv_widths_[2], -1)
    assert model.alpha_ in ALPHAS[:2]


# One time limit


def test_a_time_limit_is_for_the_whole_fit(monkeypatch, clock):
    """Every penalty of a fold takes five seconds: six tenths of 60 s are enough for two penalties in three folds."""
    asked = []
    charge(monkeypatch, clock, 5.0)
    original = Session.__init__
    monkeypatch.setattr(
        Session,
        "__init__",
        lambda *args, **options: asked.append(options) or original(*args, **options),
    )
    with pytest.warns(ConvergenceWarning, match="left out 1 of 3 penalties, 0.03") as record:
        model = regressor(time_limit=60.0).fit(X, Y)
    assert len(record) == 1 and record[0].filename == __file__
    assert np.isnan(model.cv_scores_[2]).all() and np.isfinite(model.cv_scores_[:2]).all()
    assert asked[0]["time_limit"] == pytest.approx(60.0 - 9 * 5.0)


def test_the_first_penalty_is_tried_however_short_the_time(monkeypatch, clock):
    charge(monkeypatch, clock, 5.0)
    with pytest.warns(ConvergenceWarning, match="left out 2 of 3 penalties"):
        model = regressor(time_limit=1.0).fit(X, Y)
    assert model.alpha_ == ALPHAS[0]


def test_folds_of_many_samples_do_not_begin_when_time_is_up(monkeypatch, clock):
    """Then the middle penalty is taken, and no score is claimed."""
    charge(monkeypatch, clock, 5.0)
    monkeypatch.setattr(fold_training, "is_brief", lambda work: False)
    with pytest.warns(ConvergenceWarning, match="left out 3 of 3 penalties.*the middle one"):
        model = regressor(time_limit=1.0).fit(X, Y)
    assert model.alpha_ == ALPHAS[1]
    assert np.isnan(model.best_score_) and np.isnan(model.cv_scores_).all()
    assert (model.cv_widths_ == -1).all()
    assert 0 <= model.certificate_.lower_bound <= model.certificate_.objective
    assert "none was tried in time" in model._repr_html_()


def charge(monkeypatch, clock, seconds):
    original = cross_validation.train_and_score

    def charged(*args):
        clock.now += seconds
        return original(*args)

    monkeypatch.setattr(cross_validation, "train_and_score", charged)


def test_a_line_for_every_penalty(capsys):
    regressor(verbose=1).fit(X, Y)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("penalty ")]
    assert len(lines) == 3 and lines[0].startswith("penalty 1 of 3: alpha 0.3, mean score ")


# Folds


@pytest.mark.slow
def test_folds_are_those_of_the_splitter(fitted):
    folds = list(KFold(3).split(X))
    for cv in (KFold(3), folds, PredefinedSplit(np.repeat([0, 1, 2], 10))):
        model = regressor(cv=cv, tol=0.5).fit(X, Y)  # the tolerance is that of the refit only
        np.testing.assert_array_equal(model.cv_scores_, fitted.cv_scores_)
    assert regressor(cv=None, tol=0.5).fit(X, Y).cv_scores_.shape == (3, 5)


@pytest.mark.parametrize(("cv_tol", "n_paths"), [(None, 3 * 3), (2e-2, 0)])
def test_descent_trains_the_folds_unless_a_gap_is_asked_for(monkeypatch, cv_tol, n_paths):
    """At every penalty, although large ones have a closed form, the constant."""
    calls = []
    original = fold_training.descent_path
    monkeypatch.setattr(
        fold_training, "descent_path", lambda *a, **k: calls.append(a) or original(*a, **k)
    )
    regressor(alphas=[9.0, 0.3, 0.1], cv_tol=cv_tol).fit(X, Y)
    assert len(calls) == n_paths


def test_a_fold_looks_for_a_closed_form_once(monkeypatch):
    asked, original = [], fold_training.closed_form_for
    monkeypatch.setattr(
        fold_training,
        "closed_form_for",
        lambda problem, deadline: asked.append(1) or original(problem, deadline),
    )
    regressor(alphas=[0.3, 0.1], effort="predict").fit(X, Y)
    assert len(asked) == 3 * 2


@pytest.mark.parametrize(("n_classes", "patience"), [(3, AFTER_CHOICE), (5, AFTER_CHOICE_OF_MANY)])
def test_with_many_classes_the_last_training_is_less_patient(monkeypatch, n_classes, patience):
    given, original = [], Session.train

    def kept(session, alpha, start):
        given.append(session.patience)
        return original(session, alpha, start)

    monkeypatch.setattr(Session, "train", kept)
    labels = np.repeat(np.arange(n_classes), 6)
    inputs = labels[:, None] + np.tile([-0.1, 0.0, 0.1, 0.2, 0.3, 0.4], n_classes)[:, None]
    options = {"effort": "predict", "random_state": 0}
    ConvexReLUClassifierCV(alphas=[0.5], cv=2, **options).fit(inputs, labels)
    assert given == [patience]


def test_the_last_training_starts_from_the_mean_of_the_folds(monkeypatch):
    """And ends as soon as its objective settles; its start is no worse than the networks that it is made of."""
    hard_X, hard_y = reference.teacher(40, 3, 3, 0.1, 1)
    given, original = [], Session.train

    def kept(session, alpha, start):
        given.append((session.patience, alpha, start))
        return original(session, alpha, start)

    monkeypatch.setattr(Session, "train", kept)
    model = regressor(alphas=[0.03, 0.01], effort="predict").fit(hard_X, hard_y)
    ((patience, alpha, start),) = given
    assert (patience, alpha) == (AFTER_CHOICE, model.alpha_)
    row = list(model.alphas_).index(alpha)
    assert 0 < start.width < model.cv_widths_[row].sum()  # descent has joined or dropped some
    problem = TrainingProblem(hard_X, hard_y, alpha=alpha)
    assert model.certificate_.objective <= problem.objective(start)
    assert problem.objective(start) < problem.objective(problem.zero_network())


@pytest.mark.parametrize("options", [{"patterns": "sampled"}, {"skip": True}, {"positive": True}])
def test_other_last_trainings_start_from_descent(monkeypatch, options):
    given, original = [], CrossValidated._trained

    def kept(*args):
        given.append(args[-1])
        return original(*args)

    monkeypatch.setattr(CrossValidated, "_trained", kept)
    regressor(alphas=[0.1], tol=0.1, **options).fit(X, Y)
    assert given == ["descent"]


def test_parallel_folds_are_the_serial_ones(fitted):
    with joblib.parallel_config(backend="threading"):
        model = regressor(n_jobs=2).fit(X, Y)
    np.testing.assert_array_equal(model.cv_scores_, fitted.cv_scores_)
    assert_same_network(model.network_, fitted.network_)


def test_the_seed_decides():
    def fit(random_state):
        return regressor(random_state=random_state, patterns="sampled").fit(X, Y)

    first = fit(3)
    for again in (fit(3), fit(np.random.RandomState(3))):
        np.testing.assert_array_equal(first.cv_scores_, again.cv_scores_)
        assert_same_network(first.network_, again.network_)
    assert (fit(4).cv_scores_ != first.cv_scores_).any()


# Weights and routing


@pytest.mark.slow
def test_weights_reach_training_and_scores():
    """Scores of a fold are those of a training and a score with the weights of its samples."""
    model = regressor(cv_tol=1e-5, scoring=None).fit(X, Y, WEIGHT)
    for k, (within, without) in enumerate(KFold(3).split(X)):
        for alpha, score in zip(ALPHAS, model.cv_scores_[:, k], strict=True):
            single = ConvexReLURegressor(alpha, tol=1e-5, random_state=0)
            single.fit(X[within], Y[within], WEIGHT[within])
            losses = (single.predict(X[without]) - Y[without]) ** 2 / 2
            expected = -np.average(losses, weights=WEIGHT[without])
            assert score == pytest.approx(expected, abs=2e-3)
    assert not np.allclose(model.cv_scores_, regressor(cv_tol=1e-5).fit(X, Y).cv_scores_)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_groups_are_routed_to_the_splitter(routing):
    groups = np.arange(len(Y)) % 3
    model = regressor(cv=GroupKFold(3)).fit(X, Y, groups=groups)
    folds = list(GroupKFold(3).split(X, groups=groups))
    np.testing.assert_array_equal(model.cv_scores_, regressor(cv=folds).fit(X, Y).cv_scores_)


@pytest.mark.slow
def test_weights_are_routed_to_the_scorer_that_asks(routing):
    scorer = get_scorer("neg_mean_squared_error")
    deaf = regressor(scoring=scorer.set_score_request(sample_weight=False))
    keen = regressor(scoring=make_scorer(mean_absolute_error, greater_is_better=False))
    keen.scoring.set_score_request(sample_weight=True)
    for model in (deaf, keen):
        model.set_fit_request(sample_weight=True).fit(X, Y, sample_weight=WEIGHT)
    left_out = list(_left_out_predictions(ALPHAS[0], WEIGHT))
    unweighted = [np.mean((np.asarray(Y)[test] - p) ** 2) for test, p in left_out]
    np.testing.assert_allclose(-deaf.cv_scores_[0], unweighted, atol=2e-2)
    weighted = [np.average(np.abs(Y[test] - p), weights=WEIGHT[test]) for test, p in left_out]
    np.testing.assert_allclose(-keen.cv_scores_[0], weighted, atol=2e-2)


def _left_out_predictions(alpha, weight):
    for within, without in KFold(3).split(X):
        model = ConvexReLURegressor(alpha, random_state=0)
        yield without, model.fit(X[within], Y[within], weight[within]).predict(X[without])


def test_metadata_without_routing_are_refused():
    with pytest.raises(ValueError, match="groups"):
        regressor().fit(X, Y, groups=np.zeros(len(Y)))


# Interruptions and warnings


@pytest.mark.parametrize("call", [1, 3])
def test_an_interrupted_fold_leaves_nothing(monkeypatch, call):
    interrupt(monkeypatch, descent_path, "polish", call)
    model = regressor()
    with pytest.raises(KeyboardInterrupt, match="there is no network"):
        model.fit(X, Y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_an_interrupted_last_training_keeps_its_network(monkeypatch):
    original = Session.train

    def interrupted(*args):
        interrupt(monkeypatch, NativeSolver, "relu", 1)
        return original(*args)

    monkeypatch.setattr(Session, "train", interrupted)
    model = regressor()
    with pytest.raises(KeyboardInterrupt, match="keeps the best network so far"):
        model.fit(X, Y)
    assert model.status_ is Status.INTERRUPTED
    assert_honest_at(model, model.alpha_)


@pytest.mark.slow
def test_open_gaps_in_folds_are_counted():
    hard_X, hard_y = reference.teacher(60, 5, 3, 0.1, 1)
    model = regressor(alphas=[0.05, 0.001], max_iter=1, cv_tol=2e-2)
    with pytest.warns(ConvergenceWarning) as record:
        model.fit(hard_X, hard_y)
    messages = [str(warning.message) for warning in record]
    assert any(
        "of 6 networks of the folds" in text and "cv_tol=2.0e-02" in text for text in messages
    )
    assert all(warning.filename == __file__ for warning in record)


# Bad arguments

BAD = {
    "n_alphas": [0, 1.5, None],
    "alphas": [[], [[1.0]], [0.0, 1.0], [-1.0], [np.nan], [np.inf], ["a"], "a", 3.0],
    "alpha_scale": ["log", True, None],
    "eps": [0.0, 1.0, -1, "a", None],
    "cv": [1, "a", 1.5],
    "cv_tol": [-1, np.nan, "a"],
    "scoring": ["nonsense", 3],
    "one_standard_error": ["yes", None],
    "n_jobs": [1.5, "a"],
    "tol": [-1],
    "max_iter": [0],
    "time_limit": [-1],
    "loss": ["nonsense"],
    "missing_targets": ["drop", None],
    "activation": ["gelu"],
    "patterns": [None],
    "monotonic_cst": ["up"],
    "positive": ["yes"],
    "n_patterns": [0],
    "negative_slope": [1],
    "skip": ["yes"],
    "skip_alpha": [-1],
    "minimal": ["yes"],
    "solver": ["MOSEK"],
    "effort": ["much"],
    "oracle": ["oracle"],
    "hidden_bias": ["yes"],
    "fit_intercept": [None],
    "device": [None],
    "callbacks": [3, [3]],
    "verbose": [-1],
    "random_state": ["a"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_bad_parameters_are_refused_by_name(name, value):
    model = regressor(**{name: value})
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        model.fit(X, Y)
    assert not hasattr(model, "network_")


def test_every_parameter_is_tried():
    assert BAD.keys() == ConvexReLURegressorCV().get_params().keys()


def test_other_parameters_are_those_of_the_single_estimator():
    single, model = ConvexReLURegressor().get_params(), ConvexReLURegressorCV().get_params()
    assert single.keys() - model.keys() == {"alpha", "warm_start"}
    assert all(model[name] == single[name] for name in single.keys() & model.keys())


def test_frames(fitted):
    frame = pd.DataFrame(X, columns=["height"])
    model = clone(fitted).fit(frame, pd.Series(Y, index=range(100, 130)))
    assert list(model.feature_names_in_) == ["height"]
    np.testing.assert_array_equal(model.cv_scores_, fitted.cv_scores_)
    np.testing.assert_array_equal(model.predict(frame), fitted.predict(X))


def test_a_fold_without_weight_is_named():
    weight = np.zeros(len(Y))
    weight[:2] = 1.0
    with pytest.raises(ValueError, match=r"^cv has a fold whose .* by sample_weight"):
        ConvexReLURegressorCV(alphas=[0.1], cv=KFold(5)).fit(X, Y, weight)
