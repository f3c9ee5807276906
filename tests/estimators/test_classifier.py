"""Classifiers: labels, weights of classes, probabilities, and the certificate of the loss."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import expit, log_softmax, logsumexp, softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from convexrelu import ConvexReLUClassifier, ConvexReLUClassifierCV, Status
from convexrelu.losses import Hinge, Huber, Logistic, Multinomial
from tests.honest import assert_same_network

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 2))
INSIDE = np.abs(X[:, 0]) + 0.3 * RNG.standard_normal(40) < 0.7
Y = np.where(INSIDE, "inside", "outside")
# Three classes
THREE = np.array(["low", "middle", "high"])[np.digitize(X[:, 0], [-0.5, 0.6])]
WEIGHT = RNG.integers(0, 4, len(Y)).astype(float)


def classifier(**params):
    return ConvexReLUClassifier(**{"alpha": 0.04, "random_state": 0, **params})


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, Y)


@pytest.fixture(scope="module")
def three():
    return classifier().fit(X, THREE)


# One small program instead of rounds; what rounds might do to the data is checked below. The linear part alone
# tells the classes of the checks apart, so that one or two patterns will do.
SAMPLED = {"patterns": "sampled", "tol": 0.5, "random_state": 0, "skip": True, "skip_alpha": 0.05}
CHECKED = [
    ConvexReLUClassifier(alpha=0.05, n_patterns=1, **SAMPLED),
    ConvexReLUClassifierCV(alphas=[0.05], n_patterns=2, cv=2, cv_tol=0.9, **SAMPLED),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::convexrelu.AlphaWarning")
@pytest.mark.filterwarnings("ignore::convexrelu.SolverWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(CHECKED)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize(
    "check",
    [
        partial(estimator_checks.check_classifiers_train, readonly_memmap=True),
        estimator_checks.check_readonly_memmap_input,
        estimator_checks.check_f_contiguous_array_estimator,
        estimator_checks.check_estimators_dtypes,
        estimator_checks.check_estimators_pickle,
        estimator_checks.check_fit_idempotent,
        estimator_checks.check_dict_unchanged,
        estimator_checks.check_estimators_overwrite_params,
        estimator_checks.check_methods_sample_order_invariance,
        estimator_checks.check_non_transformer_estimators_n_iter,
        estimator_checks.check_sample_weight_equivalence_on_dense_data,
        estimator_checks.check_sample_weights_not_overwritten,
    ],
    ids=lambda check: getattr(check, "func", check).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_checks_of_rounds(check):
    estimator = ConvexReLUClassifier(alpha=0.1, max_iter=1, oracle="quick", random_state=0)
    check("ConvexReLUClassifier", estimator)


# The objective, in plain NumPy


def losses(name, f, y):
    """Of outputs and class indices."""
    if name == "multinomial":
        return logsumexp(f, axis=1) - f[np.arange(len(f)), y]
    margin = (2 * y - 1) * f
    if name == "logistic":
        return np.logaddexp(0.0, -margin)
    slack = np.maximum(0.0, 1 - margin)
    return slack if name == "hinge" else slack**2 / 2


def objective(model, name, inputs, index, weights=None):
    network = model.network_
    hidden = np.maximum(inputs @ network.hidden_weights.T + network.hidden_bias, 0.0)
    f = hidden @ network.output_weights.T + network.output_bias
    f = f[:, 0] if f.shape[1] == 1 else f
    fit = np.average(losses(name, f, index), weights=weights)
    parts = (network.hidden_weights, network.hidden_bias, network.output_weights)
    return fit + model.alpha / 2 * sum((part**2).sum() for part in parts)


@pytest.mark.parametrize("loss", ["auto", "logistic", "hinge", "squared_hinge", "multinomial"])
def test_two_classes(loss):
    model = classifier(loss=loss).fit(X, Y)
    name = "logistic" if loss == "auto" else loss
    certificate = model.certificate_
    index = np.searchsorted(model.classes_, Y)
    assert certificate.objective == pytest.approx(objective(model, name, X, index), rel=1e-10)
    assert certificate.lower_bound <= certificate.objective
    assert certificate.relative_gap <= model.tol
    assert model.status_ is Status.CONVERGED and certificate.is_proof
    assert list(model.classes_) == ["inside", "outside"]
    scores = model.decision_function(X)
    assert scores.shape == (40,)
    np.testing.assert_array_equal(model.predict(X), np.where(scores > 0, "outside", "inside"))
    assert model.score(X, Y) > 0.85


def test_three_classes(three):
    certificate = three.certificate_
    index = np.searchsorted(three.classes_, THREE)
    assert certificate.objective == pytest.approx(objective(three, "multinomial", X, index))
    assert certificate.lower_bound <= certificate.objective
    assert list(three.classes_) == ["high", "low", "middle"]
    scores = three.decision_function(X)
    assert scores.shape == (40, 3)
    np.testing.assert_array_equal(three.predict(X), three.classes_[scores.argmax(axis=1)])
    np.testing.assert_allclose(three.predict_proba(X), softmax(scores, axis=1))
    np.testing.assert_allclose(three.predict_log_proba(X), log_softmax(scores, axis=1))
    assert three.score(X, THREE) > 0.9


def test_loss_instances(fitted):
    model = classifier(loss=Logistic()).fit(X, Y)
    assert_same_network(model.network_, fitted.network_)
    assert not hasattr(classifier(loss=Hinge()), "predict_proba")
    assert clone(classifier(loss=Multinomial())).get_params()["loss"] == Multinomial()


def test_two_classes_of_the_cross_entropy_are_log_odds():
    model = classifier(loss="multinomial").fit(X, Y)
    outputs = model.network_.forward(X)
    assert outputs.shape == (40, 2)
    scores = model.decision_function(X)
    np.testing.assert_allclose(scores, outputs[:, 1] - outputs[:, 0])
    np.testing.assert_allclose(model.predict_proba(X), softmax(outputs, axis=1))


# Probabilities


def test_probabilities_are_those_of_log_odds(fitted):
    odds = fitted.decision_function(X)
    expected = np.column_stack([expit(-odds), expit(odds)])
    np.testing.assert_allclose(fitted.predict_proba(X), expected)
    np.testing.assert_allclose(fitted.predict_log_proba(X), np.log(expected))


def test_log_probabilities_do_not_underflow(fitted):
    far = 1e4 * X
    assert np.isfinite(fitted.predict_log_proba(far)).all()
    np.testing.assert_allclose(fitted.predict_proba(far).sum(axis=1), 1.0)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba"])
def test_hinge_losses_have_no_probabilities(loss, method):
    with pytest.raises(AttributeError, match=method):
        getattr(classifier(loss=loss), method)
    assert hasattr(classifier(), method)


# Labels


@pytest.mark.parametrize(
    "labels",
    [INSIDE, INSIDE.astype(int), 3.0 - INSIDE, Y.astype(object), pd.Categorical(Y), pd.Series(Y)],
)
def test_labels_of_any_kind(labels):
    model = classifier().fit(X, labels)
    assert set(model.predict(X)) <= set(model.classes_)
    assert model.score(X, labels) > 0.85


def test_the_order_of_labels_is_that_of_signs(fitted):
    """Where labels sort the other way round, the outputs change sign, and predictions stay."""
    other = np.where(Y == "inside", "z", "a")
    model = classifier(tol=1e-6).fit(X, other)
    twin = classifier(tol=1e-6).fit(X, Y)
    np.testing.assert_allclose(model.decision_function(X), -twin.decision_function(X), atol=0.05)
    assert model.certificate_.objective == pytest.approx(twin.certificate_.objective, rel=2e-6)


@pytest.mark.parametrize(
    ("frame", "series"), [(pd.DataFrame, pd.Series), (pl.DataFrame, pl.Series)]
)
def test_frames(fitted, frame, series):
    data = {"height": X[:, 0], "width": X[:, 1]}
    model = classifier().fit(frame(data), series(Y.tolist()))
    assert list(model.feature_names_in_) == ["height", "width"]
    np.testing.assert_array_equal(model.predict(frame(data)), fitted.predict(X))


BAD_LABELS = {
    "one class": ("y has one class", np.full(40, "inside")),
    "numbers": ("Unknown label type: continuous", X[:, 0]),
    "NaN": ("y.*NaN", np.where(INSIDE, 1.0, np.nan)),
    "two columns": ("y should be a 1d array", np.column_stack([Y, Y])),
    "too few": ("y has 39 entries, expected 40, one for each row of X", Y[:-1]),
    "none": ("y", None),
    "missing": ("y has 20 missing labels.*row 1", ["inside", None] * 20),
    "missing in polars": ("y has 20 missing labels", pl.Series(["inside", None] * 20)),
    "missing in a frame of polars": (
        "y has 20 missing labels",
        pl.DataFrame({"where": ["inside", None] * 20}),
    ),
    "missing truth values": ("y has 20 missing labels", pl.Series([True, None] * 20)),
    "missing in pandas": ("y has 20 missing", pd.Series(["a", None] * 20, dtype="string")),
    "missing categories": ("y has 20 missing labels", pd.Categorical(["a", None] * 20)),
    "several kinds": ("y has labels of several kinds, str and int", ["inside", 1] * 20),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels_are_refused(case):
    message, labels = BAD_LABELS[case]
    model = classifier()
    with pytest.raises(ValueError, match=message):
        model.fit(X, labels)
    assert not hasattr(model, "network_")


@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared_hinge"])
def test_losses_of_two_classes_refuse_three(loss):
    with pytest.raises(ValueError, match=rf"loss='{loss}' does not support.*OneVsRestClassifier"):
        classifier(loss=loss).fit(X, THREE)


def test_one_versus_rest():
    model = OneVsRestClassifier(classifier(loss="squared_hinge", alpha=0.005)).fit(X, THREE)
    assert model.score(X, THREE) > 0.9


# Weights


@pytest.mark.slow
def test_weights_are_repetitions():
    count = WEIGHT.astype(int)
    for class_weight in (None, "balanced", {"inside": 3.0}):
        model = classifier(class_weight=class_weight, tol=1e-6)
        weighted = clone(model).fit(X, Y, WEIGHT)
        repeated = clone(model).fit(np.repeat(X, count, axis=0), np.repeat(Y, count))
        one, other = weighted.certificate_.objective, repeated.certificate_.objective
        assert one == pytest.approx(other, rel=3e-6)


@pytest.mark.parametrize("class_weight", ["balanced", {"inside": 4.0}])
def test_weights_of_classes_multiply_those_of_samples(class_weight):
    model = classifier(class_weight=class_weight).fit(X, Y, WEIGHT)
    if class_weight == "balanced":
        total = {label: WEIGHT[label == Y].sum() for label in model.classes_}
        factor = np.array([1 / total[label] for label in Y])
    else:
        factor = np.where(Y == "inside", 4.0, 1.0)
    twin = classifier().fit(X, Y, WEIGHT * factor)
    np.testing.assert_allclose(model.decision_function(X), twin.decision_function(X), atol=1e-2)
    plain = classifier().fit(X, Y, WEIGHT)
    assert np.abs(model.decision_function(X) - plain.decision_function(X)).max() > 5e-2


BAD_WEIGHTS = {
    "negative": ("class_weight", {"class_weight": {"inside": -1.0}}, None),
    "NaN": ("class_weight", {"class_weight": {"inside": np.nan}}, None),
    "words": ("class_weight", {"class_weight": {"inside": "a"}}, None),
    "other words": ("class_weight", {"class_weight": "fair"}, None),
    "no class": ("class_weight", {"class_weight": {"inside": 0.0, "outside": 0.0}}, None),
    "one class, no intercept": (
        "one class .* fit_intercept=True",
        {"class_weight": {"inside": 0.0}, "fit_intercept": False},
        None,
    ),
    "negative samples": ("sample_weight", {}, -np.ones(40)),
    "too few": ("sample_weight", {}, np.ones(3)),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_weights_are_refused_by_name(case):
    message, params, weights = BAD_WEIGHTS[case]
    with pytest.raises(ValueError, match=message):
        classifier(**params).fit(X, Y, weights)


def test_labels_of_class_weight_that_are_not_in_y_are_warned_of(fitted):
    with pytest.warns(UserWarning, match="class_weight has the label 'up', which is not in y"):
        model = classifier(class_weight={"up": 7.0}).fit(X, Y)
    assert_same_network(model.network_, fitted.network_)


def test_skip_connections_have_a_penalty_by_default():
    model = classifier(skip=True).fit(X, Y)
    twin = classifier(skip=True, skip_alpha=0.01).fit(X, Y)
    assert_same_network(model.network_, twin.network_)
    assert model.status_ is Status.CONVERGED and model.network_.skip_weights.shape == (1, 2)
    with pytest.raises(ValueError, match="skip_alpha=0 is not supported for loss='logistic'"):
        classifier(skip=True, skip_alpha=0.0).fit(X, Y)


# Classes without weight


@pytest.mark.parametrize("loss", ["auto", "multinomial"])
def test_classes_without_weight_have_probability_zero(loss):
    """Training is that of the other classes alone."""
    weight = np.where(THREE == "low", 0.0, 1.0)
    model = classifier(loss=loss).fit(X, THREE, weight)
    twin = classifier(loss=loss).fit(X[weight > 0], THREE[weight > 0])
    assert list(model.classes_) == ["high", "low", "middle"]
    assert model.decision_function(X).shape == (40, 3)
    probabilities = model.predict_proba(X)
    assert (probabilities[:, 1] == 0).all()
    np.testing.assert_allclose(probabilities[:, [0, 2]], twin.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(model.predict(X), twin.predict(X))
    assert model.certificate_.objective == pytest.approx(twin.certificate_.objective, rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        ("auto", Y),
        ("hinge", Y),
        ("auto", THREE),
        ("multinomial", Y),
        ("squared_hinge", Y),
        ("multinomial", THREE),
    ],
)
def test_one_class_with_weight_is_predicted_everywhere(loss, labels):
    only = labels[0]
    others = {label: 0.0 for label in np.unique(labels) if label != only}
    model = classifier(loss=loss, class_weight=others).fit(X, labels)
    assert (model.predict(100 * X) == only).all()
    assert model.status_ is Status.CONVERGED and model.network_.width == 0
    # No network has a smaller objective than zero.
    assert model.certificate_.objective == 0 and model.certificate_.lower_bound == 0
    if not loss.endswith("hinge"):
        np.testing.assert_array_equal(
            model.predict_proba(X), np.tile(model.classes_ == only, (40, 1))
        )


def test_a_relative_penalty_for_one_class_with_weight():
    model = classifier(class_weight={"inside": 0.0}, alpha_scale="relative").fit(X, Y)
    assert model.alpha_max_ == 1
    model.set_params(alpha_scale="absolute").fit(X, Y)
    assert not hasattr(model, "alpha_max_")


def test_balanced_weights_leave_out_classes_without():
    weight = np.where(THREE == "low", 0.0, WEIGHT)
    model = classifier(class_weight="balanced").fit(X, THREE, weight)
    kept = weight > 0
    twin = classifier(class_weight="balanced").fit(X[kept], THREE[kept], weight[kept])
    assert model.certificate_.objective == pytest.approx(twin.certificate_.objective, rel=1e-6)


def test_bootstraps_without_a_class():
    """Three samples of the rare class: about one bootstrap in twenty has none, and these seeds have some."""
    rare = np.flatnonzero(THREE == "low")[:1]
    rows = np.concatenate([rare, np.flatnonzero(THREE != "low")])
    model = BaggingClassifier(classifier(effort="predict"), n_estimators=4, random_state=0)
    model.fit(X[rows], THREE[rows])
    assert not all(one._has_weight.all() for one in model.estimators_)
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert model.score(X[rows], THREE[rows]) > 0.8


def test_a_fold_may_lack_the_weight_of_a_class():
    weight = np.ones(40)
    weight[np.flatnonzero(THREE == "low")[1:]] = 0.0  # one sample is left
    model = ConvexReLUClassifierCV(alphas=[0.05], cv=2, random_state=0).fit(X, THREE, weight)
    assert np.isfinite(model.cv_scores_).all() and model._has_weight.all()


@pytest.mark.parametrize("params", [{}, {"alphas": [0.1, 0.5]}, {"alpha_scale": "relative"}])
def test_one_class_with_weight_needs_no_choice(params):
    """As without cross-validation the prediction is constant; there are no scores that would mean something."""
    model = ConvexReLUClassifierCV(class_weight={"inside": 0.0}, cv=2, **params).fit(X, Y)
    assert set(model.predict(X)) == {"outside"} and model.network_.width == 0
    np.testing.assert_allclose(model.predict_proba(X), [[0.0, 1.0]] * len(X))
    assert model.alpha_ == max(model.alphas_) and np.isnan(model.cv_scores_).all()
    assert model.cv_scores_.shape == model.cv_widths_.shape == (len(model.alphas_), 2)
    assert model.certificate_.is_proof and "every penalty leaves a constant" in model._html_repr()
    weight = (Y == "inside").astype(float)
    assert set(ConvexReLUClassifierCV(cv=2, **params).fit(X, Y, weight).predict(X)) == {"inside"}


@pytest.mark.parametrize("loss", ["huber", "squared_error", None, Huber()])
def test_losses_of_regression_are_refused(loss):
    with pytest.raises(ValueError, match=r"\bloss\b"):
        classifier(loss=loss).fit(X, Y)


# As scikit-learn's users have it


def test_parameters_are_those_of_the_regressor_but_for_what_is_of_targets(fitted):
    from convexrelu import ConvexReLURegressor

    other = ConvexReLURegressor().get_params()
    assert fitted.get_params().keys() - other.keys() == {"class_weight"}
    assert other.keys() - fitted.get_params().keys() == {"missing_targets"}
    single, model = ConvexReLUClassifier().get_params(), ConvexReLUClassifierCV().get_params()
    assert single.keys() - model.keys() == {"alpha", "warm_start"}


def test_a_pickled_model_is_the_same(fitted):
    other = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(other.predict(X), fitted.predict(X))
    assert other.certificate_ == fitted.certificate_


def test_unfitted():
    for method in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(classifier(), method)(X)


def test_calibration_takes_hinge_scores():
    model = CalibratedClassifierCV(classifier(loss="squared_hinge"), cv=2).fit(X, Y)
    assert model.predict_proba(X).shape == (40, 2)


def test_warm_start(fitted):
    model = classifier(warm_start=True).fit(X, Y).fit(X, Y)
    assert model.n_iter_ <= fitted.n_iter_
    assert model.certificate_.objective == pytest.approx(fitted.certificate_.objective, rel=1e-3)


def test_warm_start_with_another_number_of_classes():
    model = classifier(warm_start=True).fit(X, Y).fit(X, THREE)
    assert model.network_.n_outputs == 3 and len(model.classes_) == 3


# Cross-validation

ALPHAS = [0.3, 0.01]


@pytest.mark.slow
def test_scores_are_those_of_a_grid_search():
    model = ConvexReLUClassifierCV(alphas=ALPHAS, cv=3, random_state=0, cv_tol=1e-6, tol=1e-6)
    model.fit(X, Y)
    grid = GridSearchCV(classifier(tol=1e-6), {"alpha": ALPHAS}, cv=3).fit(X, Y)
    splits = [grid.cv_results_[f"split{k}_test_score"] for k in range(3)]
    np.testing.assert_allclose(model.cv_scores_, np.column_stack(splits))
    assert model.alpha_ == grid.best_params_["alpha"]
    np.testing.assert_array_equal(model.predict(X), grid.predict(X))
    np.testing.assert_array_equal(model.classes_, ["inside", "outside"])


@pytest.mark.slow
def test_folds_are_stratified():
    model = ConvexReLUClassifierCV(alphas=ALPHAS, cv=3, random_state=0).fit(X, Y)
    folds = clone(model).set_params(cv=list(StratifiedKFold(3).split(X, Y))).fit(X, Y)
    np.testing.assert_array_equal(model.cv_scores_, folds.cv_scores_)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc"])
def test_scorers_see_labels_and_probabilities(scoring):
    model = ConvexReLUClassifierCV(alphas=ALPHAS, cv=3, scoring=scoring, random_state=0).fit(X, Y)
    assert np.isfinite(model.cv_scores_).all() and model.alpha_ == ALPHAS[1]


@pytest.mark.slow
def test_a_fold_may_lack_a_class():
    """It then is trained without, as a grid search would."""
    labels = np.where(np.arange(40) == 0, "rare", Y)
    folds = [(np.arange(1, 40), np.arange(1)), (np.arange(30), np.arange(30, 40))]
    model = ConvexReLUClassifierCV(alphas=ALPHAS[:1], cv=folds, random_state=0).fit(X, labels)
    assert len(model.classes_) == 3
    assert (model.cv_scores_[:, 0] == 0).all()


def test_a_fold_of_one_class_predicts_it():
    """As bootstraps do: the other class keeps probability zero, so that scores of probabilities have a value."""
    one, rest = np.flatnonzero(Y == "inside"), np.arange(40)
    share = (Y == "inside").mean()
    for scoring, score in [(None, share), ("balanced_accuracy", 0.5), ("roc_auc", 0.5)]:
        model = ConvexReLUClassifierCV(alphas=ALPHAS, cv=[(one, rest)], scoring=scoring)
        np.testing.assert_allclose(model.fit(X, Y).cv_scores_, score)
