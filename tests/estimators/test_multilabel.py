"""Several labels over shared neurons. With one feature the optimum is known from group lassos, written down here."""

import ctypes
import shutil
import subprocess
import warnings

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPClassifier

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    TrainingProblem,
    certify,
    train,
)
from convexrelu.chunked import ChunkedProblem, rows
from convexrelu.chunked.train import train_in_chunks
from tests import reference
from tests.optimal import assert_optimal

RNG = np.random.default_rng(0)
N = 24
X = RNG.standard_normal((N, 1))
NOISE = 0.3 * RNG.standard_normal((N, 3))
Y = (np.hstack([X, np.abs(X) - 0.7, 0.5 - X]) + NOISE > 0).astype(int)
WEIGHT = RNG.integers(0, 3, N).astype(float)
LOSSES = {
    "logistic": lambda f, y: cp.logistic(cp.multiply(-y, f)),
    "hinge": lambda f, y: cp.pos(1 - cp.multiply(y, f)),
    "squared_hinge": lambda f, y: cp.square(cp.pos(1 - cp.multiply(y, f))) / 2,
}


def classifier(**params):
    return ConvexReLUClassifier(**{"alpha": 0.03, "random_state": 0, **params})


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, Y)


def group_lasso(hidden, targets, loss, alpha, weights, intercept=True):
    """Optimum over the outer weights of these neurons of unit norm."""
    outer = cp.Variable((hidden.shape[1], targets.shape[1]))
    outputs = hidden @ outer
    if intercept:
        outputs = outputs + cp.Variable((1, targets.shape[1]))
    fit = cp.sum(cp.multiply(weights[:, None] / weights.sum(), LOSSES[loss](outputs, targets)))
    program = cp.Problem(cp.Minimize(fit + alpha * cp.sum(cp.norm(outer, 2, axis=1))))
    return program.solve(cp.CLARABEL, tol_gap_rel=1e-8, tol_gap_abs=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_optimum_of_one_feature_without_bias_is_that_of_two_neurons(loss):
    weights = WEIGHT + 0.5
    model = classifier(loss=loss, hidden_bias=False, fit_intercept=False, tol=1e-5, alpha=0.02)
    hidden = np.maximum(np.hstack([X, -X]), 0.0)
    optimum = group_lasso(hidden, 2.0 * Y - 1, loss, 0.02, weights, intercept=False)
    assert_optimal(model.fit(X, Y, weights), optimum, 1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_optimum_of_one_feature_with_free_biases_has_its_kinks_at_samples(loss):
    model = classifier(loss=loss, hidden_bias="free", alpha=0.05)
    steps = X - X.T
    hidden = np.maximum(np.hstack([steps, -steps]), 0.0)
    optimum = group_lasso(hidden, 2.0 * Y - 1, loss, 0.05, np.ones(N))
    assert_optimal(model.fit(X, Y), optimum, 1e-3)


def test_the_certificate_is_of_the_sum_over_labels(fitted):
    certificate, network = fitted.certificate_, fitted.network_
    expected = reference.regularised_loss(network, X, 2 * Y - 1, 0.03, loss="logistic")
    assert certificate.objective == pytest.approx(expected, rel=1e-9)
    assert certificate.is_proof
    assert certificate.relative_gap <= 1e-3
    # No other network is below the bound: random ones with the best intercept.
    problem = TrainingProblem(X, 2.0 * Y - 1, 0.03, loss="logistic")
    for scale in np.geomspace(1e-3, 1.0, 50):
        network = problem.network(
            RNG.standard_normal((4, 2)) * scale, np.eye(4)[:, :3], np.zeros(3)
        )
        network = network.with_output_bias(problem.best_intercept(network.predict(X)))
        assert certificate.lower_bound <= problem.objective(network)


def test_predictions(fitted):
    scores, chances = fitted.decision_function(X), fitted.predict_proba(X)
    np.testing.assert_array_equal(scores, fitted.network_.predict(X))
    np.testing.assert_allclose(chances, expit(scores))
    np.testing.assert_allclose(fitted.predict_log_proba(X), np.log(chances), rtol=1e-9)
    predicted = fitted.predict(X)
    np.testing.assert_array_equal(predicted, chances > 0.5)
    assert predicted.dtype == Y.dtype
    assert fitted.score(X, Y) == accuracy_score(Y, predicted) > 0.5
    np.testing.assert_array_equal(fitted.classes_, [0, 1, 2])


@pytest.mark.parametrize("kind", [np.asarray, csr_array, pd.DataFrame, list, lambda y: y > 0])
def test_kinds_of_labels(kind):
    model = classifier(alpha=1.0, alpha_scale="relative").fit(X, kind(Y))
    share = Y.mean(axis=0)
    np.testing.assert_allclose(model.predict_proba(X), np.tile(share, (N, 1)), rtol=1e-6)


def test_after_one_label_there_may_be_several_and_back(fitted):
    model = classifier(alpha=1.0, alpha_scale="relative").fit(X, Y).fit(X, Y[:, 0])
    assert model.predict(X).shape == (N,)
    assert model.predict_proba(X).shape == (N, 2)
    assert model.fit(X, Y).predict(X).shape == Y.shape


@pytest.mark.parametrize("value", [0, 1])
def test_a_constant_label_costs_nothing(value):
    y = np.insert(Y[:, :2], 1, value, axis=1)
    weights = np.ones(N)
    y[0, 1], weights[0] = 1 - value, 0.0  # does not count
    model = classifier().fit(X, y, weights)
    known = classifier().fit(X, Y[:, :2], weights)
    assert model.certificate_.objective == known.certificate_.objective
    np.testing.assert_array_equal(model.predict_proba(X)[:, [0, 2]], known.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X)[:, 1], value)
    alone = classifier().fit(X, y[:, :2], weights)  # one label varies
    only = classifier().fit(X, Y[:, 0], weights)
    np.testing.assert_array_equal(alone.decision_function(X)[:, 0], only.decision_function(X))


def test_cross_validation():
    y = Y.copy()
    y[:, 2] = np.arange(N) < 5  # constant in the second of the training sets
    model = ConvexReLUClassifierCV(alphas=[0.3, 0.1], cv=2, random_state=0).fit(X, y)
    assert np.isfinite(model.cv_scores_).all()
    assert model.predict(X).shape == y.shape
    assert model.best_score_ == model.cv_scores_.mean(axis=1).max()


@pytest.mark.parametrize("kind", [ConvexReLUClassifier, ConvexReLUClassifierCV])
def test_no_label_varies_among_samples_with_weight(kind):
    """As in bootstraps of few samples; the prediction is constant, and nothing is left of the loss."""
    model = kind().fit(X, Y, np.arange(N) == 3)
    np.testing.assert_array_equal(model.predict(X), np.tile(Y[3], (N, 1)))
    np.testing.assert_array_equal(model.predict_proba(X), np.tile(Y[3], (N, 1)))
    assert model.network_.width == 0
    assert model.certificate_.objective == pytest.approx(0.0, abs=1e-300)


def test_no_label_varies_in_a_fold():
    y = np.zeros((N, 2), int)
    y[: N // 2] = np.arange(N // 2 * 2).reshape(-1, 2) % 3 == 0
    model = ConvexReLUClassifierCV(alphas=[0.3], cv=KFold(2), random_state=0).fit(X, y)
    all_zero = (y[: N // 2] == 0).all(axis=1).mean()
    assert model.cv_scores_[0, 0] == all_zero  # trained on zeros alone
    assert np.isfinite(model.cv_scores_).all()


def test_chunks_have_the_same_optimum(monkeypatch):
    monkeypatch.setattr(
        rows, "_SAMPLE", 1
    )  # rows of both classes of each label are drawn in addition
    y = 2.0 * Y - 1
    y[:, 2] = np.where(np.arange(N) == 13, 1.0, -1.0)
    chunked = ChunkedProblem(X, y, 0.1, loss="logistic")
    one = train_in_chunks(chunked, tol=0.2, random_state=0).certificate
    other = train(TrainingProblem(X, y, 0.1, loss="logistic"), random_state=0).certificate
    assert other.is_proof
    assert one.proved_lower_bound <= other.objective
    assert other.lower_bound <= one.objective <= 1.3 * other.objective


def test_certify_takes_zeros_and_ones_of_classifiers(fitted):
    certificate = certify(fitted, X, Y, alpha=0.03, loss="logistic", bound="residual")
    assert certificate.objective == pytest.approx(fitted.certificate_.objective)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp = MLPClassifier([4], max_iter=5, random_state=0).fit(X, Y)
    certificate = certify(mlp, X, Y, alpha=0.03, loss="logistic", bound="residual")
    chances = mlp.predict_proba(X)
    loss = -np.log(np.where(Y, chances, 1 - chances)).sum() / N
    weights = sum((part**2).sum() for part in (*mlp.coefs_, mlp.intercepts_[0]))
    assert certificate.objective == pytest.approx(loss + 0.015 * weights, rel=1e-6)


# A label that no sample of the fit has is a constant in exports; where one varies alone, the network has one output.
LABELS = {
    "all vary": Y,
    "one is constant": np.column_stack([Y[:, 0], np.zeros(N, dtype=int), Y[:, 2]]),
    "one varies": np.column_stack([np.ones(N, dtype=int), Y[:, 0]]),
}


@pytest.fixture(scope="module", params=LABELS)
def exported(request):
    return classifier(max_iter=1).fit(X, LABELS[request.param])


GRID = np.linspace(-2.0, 2.0, 9)[:, None]


def test_modules_predict_labels_and_probabilities(exported):
    rows = torch.tensor(GRID)
    assert np.array_equal(exported.to_torch(head="predict")(rows), exported.predict(GRID))
    chances = exported.to_torch(head="predict_proba")(rows).detach()
    assert np.allclose(chances, exported.predict_proba(GRID), atol=1e-12)
    scores = exported.to_torch(head="outputs")(rows).detach()
    assert scores.shape[1] == exported.network_.n_outputs


@pytest.mark.parametrize("by", ["own graph", "skl2onnx"])
def test_graphs_have_labels_and_probabilities(exported, by):
    convert = pytest.importorskip("skl2onnx").to_onnx
    runtime = pytest.importorskip("onnxruntime")
    opset = {"target_opset": 17}  # older runtimes refuse newer operators
    model = (
        exported.to_onnx(dtype="float64") if by == "own graph" else convert(exported, GRID, **opset)
    )
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    labels, chances = session.run(["label", "probabilities"], {session.get_inputs()[0].name: GRID})
    assert labels.dtype == np.int64 and np.array_equal(labels, exported.predict(GRID))
    assert np.allclose(chances, exported.predict_proba(GRID), atol=1e-12)
    raw = exported.to_onnx(raw=True)
    assert [output.name for output in raw.graph.output] == ["outputs"]


def test_sources_predict_labels_and_probabilities(exported, tmp_path):
    for head in ("predict", "predict_proba"):
        expected, made = getattr(exported, head)(GRID), {}
        exec(exported.to_source(head=head), made)
        assert np.allclose([made["predict"](row) for row in GRID.tolist()], expected, atol=1e-12)
        compiler = shutil.which("cc")
        if compiler is None:
            continue
        source, library = tmp_path / f"{head}.c", tmp_path / f"{head}.so"
        source.write_text(exported.to_source("c", head=head))
        command = [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-lm"]
        subprocess.run(command, check=True)
        numbers, found = ctypes.c_double * expected.shape[1], []
        for x in GRID[:, 0]:
            written = numbers()
            ctypes.CDLL(str(library)).predict((ctypes.c_double * 1)(x), written)
            found.append(list(written))
        assert np.allclose(found, expected, atol=1e-12)


def test_exports_have_no_probabilities_of_hinge_losses():
    model = classifier(loss="hinge", max_iter=1).fit(X, Y)
    assert [output.name for output in model.to_onnx().graph.output] == ["label", "scores"]
    with pytest.raises(ValueError, match="head='predict_proba': the loss of the labels has no"):
        model.to_torch(head="predict_proba")


ERRORS = {
    "several labels": ({"loss": "multinomial"}, Y, "loss='multinomial' is for one label of each"),
    "weights": ({"class_weight": "balanced"}, Y, "class_weight='balanced' is not supported"),
    "constants": ({}, np.zeros((N, 2)), "y has no label that some samples have"),
    "no intercept": (
        {"fit_intercept": False},
        np.column_stack([Y[:, 0], np.ones(N)]),
        "y has the same entry in column 1 .*fit_intercept=True",
    ),
    "other numbers": ({}, 2 * Y, "1d array"),
    "rows": ({}, Y[1:], "y has .* entries, expected .* one for each row of X"),
}


@pytest.mark.parametrize(("params", "y", "message"), ERRORS.values(), ids=list(ERRORS))
def test_errors(params, y, message):
    with pytest.raises(ValueError, match=message):
        classifier(**params).fit(X, y)


def test_negative_weights_are_refused():
    with pytest.raises(ValueError, match="sample_weight must be non-negative"):
        classifier().fit(X, Y, np.arange(N) - 1.0)
