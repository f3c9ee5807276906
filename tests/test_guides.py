"""Parts of one's own, as the guides write them, wherever the library's parts are taken."""

import doctest
from pathlib import Path

import numpy as np
import pytest

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    TrainingProblem,
    certify,
    regularization_path,
    train,
)
from convexrelu.losses import Hinge, Logistic, Quantile, SquaredError
from convexrelu.solvers.support import Support
from tests import reference
from tests.honest import assert_honest

GUIDES = Path(__file__).parent.parent / "docs" / "guides"
X, Y = reference.teacher(20, 2, 2, 0.1, 0)
ALPHA = 0.05


def definitions(guide):
    """What the imports and classes of a guide define."""
    examples = doctest.DocTestParser().get_examples((GUIDES / f"{guide}.rst").read_text())
    found = {}
    for example in examples:
        if example.source.startswith(("import", "from", "class", "@")):
            exec(example.source, found)
    return found


@pytest.fixture(scope="module")
def newsvendor():
    return definitions("write_a_loss")["Newsvendor"]


@pytest.fixture(scope="module")
def pricing():
    return definitions("write_an_oracle")["RandomPricing"]()


@pytest.fixture(scope="module")
def solver():
    return definitions("write_a_solver")["ProximalGradient"]()


@pytest.mark.parametrize("guide", sorted(page.stem for page in GUIDES.glob("*_*.rst")))
def test_an_example_is_short(guide):
    examples = doctest.DocTestParser().get_examples((GUIDES / f"{guide}.rst").read_text())
    assert sum(example.source.count("\n") for example in examples) < 60


# Losses


@pytest.mark.parametrize("hidden_bias", [True, "free"])
@pytest.mark.parametrize("d", [1, 2])
def test_a_loss_is_the_same_as_the_librarys(newsvendor, hidden_bias, d):
    """Four times the pinball loss at three quarters, at four times the penalty."""
    options = {"hidden_bias": hidden_bias}
    own = TrainingProblem(X[:, :d], Y, ALPHA, loss=newsvendor(below=3.0), **options)
    known = TrainingProblem(X[:, :d], Y, ALPHA / 4, loss=Quantile(0.75), **options)
    results = [train(problem, tol=1e-3, random_state=0) for problem in (own, known)]
    assert all(result.certificate.relative_gap <= 1e-3 for result in results)
    first, second = (result.certificate for result in results)
    assert first.lower_bound <= 4 * second.objective * (1 + 1e-9)
    assert 4 * second.lower_bound <= first.objective * (1 + 1e-9)


def test_a_loss_is_taken_by_paths_and_certificates(newsvendor):
    problem = TrainingProblem(X, Y, ALPHA, loss=newsvendor())
    path = regularization_path(problem, [0.2, 0.1], random_state=0)
    assert all(result.certificate.relative_gap <= 1e-3 for result in path)
    network = path[-1].network
    certificate = certify(network, X, Y, alpha=0.1, loss=newsvendor(), random_state=0)
    assert certificate.objective == pytest.approx(path[-1].certificate.objective, rel=1e-9)


def test_a_loss_is_taken_by_cross_validation(newsvendor):
    model = ConvexReLURegressorCV(
        loss=newsvendor(below=2.0), cv=2, n_alphas=3, eps=0.1, random_state=0
    ).fit(X, Y)
    assert model.certificate_.relative_gap <= model.tol
    assert np.isfinite(model.cv_scores_).all()


def test_a_loss_without_an_expression_is_refused_by_cvxpy(newsvendor):
    problem = TrainingProblem(X, Y, ALPHA, loss=newsvendor())
    message = r"solver='cvxpy:CLARABEL' does not support loss='newsvendor'; use solver='auto'"
    with pytest.raises(ValueError, match=message):
        train(problem, solver="cvxpy:CLARABEL")


def test_losses_are_for_regressors_or_for_classifiers(newsvendor):
    labels = np.where(np.median(Y) < Y, "b", "a")
    with pytest.raises(ValueError, match=r"loss=Hinge\(\) takes labels; use ConvexReLUClassifier"):
        ConvexReLURegressor(loss=Hinge()).fit(X, Y)
    with pytest.raises(ValueError, match=r"does not take labels; use ConvexReLURegressor"):
        ConvexReLUClassifier(loss=newsvendor()).fit(X, labels)


def test_a_classifier_takes_a_loss_of_labels():
    class Own(Logistic):
        name = "own"

    labels = np.where(np.median(Y) < Y, "b", "a")
    own, known = (
        ConvexReLUClassifier(alpha=0.02, loss=loss, random_state=0).fit(X, labels)
        for loss in (Own(), "logistic")
    )
    assert own.certificate_.objective == pytest.approx(known.certificate_.objective, rel=1e-6)
    np.testing.assert_allclose(own.predict_proba(X), known.predict_proba(X), atol=1e-3)


def test_what_is_no_loss_is_refused():
    with pytest.raises(ValueError, match=r"loss='cubic' is not known; available: 'squared_error'"):
        TrainingProblem(X, Y, ALPHA, loss="cubic")
    with pytest.raises(ValueError, match=r"loss=<class .*SquaredError'> is not known"):
        TrainingProblem(X, Y, ALPHA, loss=SquaredError)


# Oracles


def test_an_oracle_is_taken_by_training(pricing):
    problem = TrainingProblem(X, Y, ALPHA)
    result = train(problem, oracle=pricing, tol=0.05, random_state=0)
    assert (result.certificate.method, result.certificate.is_proof) == ("sampling", False)
    exact = train(problem, random_state=0).certificate
    assert exact.is_proof and exact.lower_bound <= result.certificate.objective
    assert result.certificate.proved_lower_bound <= exact.objective
    path = regularization_path(problem, [0.2, 0.1], oracle=pricing, tol=0.05, random_state=0)
    assert {one.certificate.method for one in path} <= {"sampling", "relaxation"}


def test_an_oracle_of_one_problem_is_taken(pricing):
    problem = TrainingProblem(X, Y, ALPHA)
    oracle = pricing.for_problem(problem.condensed())
    certificate = train(problem, oracle=oracle, tol=0.05, random_state=0).certificate
    assert certificate.method == "sampling"


def test_an_oracle_is_taken_by_certify_and_estimators(pricing):
    model = ConvexReLURegressor(alpha=ALPHA, oracle=pricing, tol=0.05, random_state=0).fit(X, Y)
    assert model.certificate_.method == "sampling"
    assert_honest(model, X, Y)
    certificate = certify(model, X, Y, alpha=ALPHA, oracle=pricing)
    assert certificate.method == "sampling" and not certificate.is_proof
    model = ConvexReLURegressorCV(alphas=[0.1, 0.05], cv=2, oracle=pricing, tol=0.05)
    model.set_params(random_state=0).fit(X, Y)
    assert model.certificate_.method == "sampling"


@pytest.mark.parametrize("oracle", ["exact", 3, None])
def test_what_is_no_oracle_is_refused(oracle):
    with pytest.raises(
        ValueError, match=r"^oracle=.* is not known; available: 'auto', .*OracleFactory object$"
    ):
        train(TrainingProblem(X, Y, ALPHA), oracle=oracle)
    with pytest.raises(ValueError, match=r"oracle"):
        ConvexReLURegressor(oracle=oracle).fit(X, Y)


# Solvers


def test_a_solver_is_taken_everywhere(solver):
    inputs, targets = X[:10], Y[:10]  # it is slow
    problem = TrainingProblem(inputs, targets, ALPHA)
    exact = train(problem, random_state=0).certificate
    certificate = train(problem, solver=solver, tol=0.05, random_state=0).certificate
    assert certificate.relative_gap <= 0.05 and certificate.objective >= exact.lower_bound
    path = regularization_path(problem, [0.2, 0.1], solver=solver, tol=0.05, random_state=0)
    assert all(result.certificate.relative_gap <= 0.05 for result in path)
    model = ConvexReLURegressor(alpha=ALPHA, solver=solver, tol=0.05, random_state=0)
    assert_honest(model.fit(inputs, targets), inputs, targets)
    found = certify(model, inputs, targets, alpha=ALPHA, solver=solver, tol=0.05)
    assert found.cell_lower_bound <= found.objective
    model = ConvexReLURegressorCV(alphas=[0.1], cv=2, solver=solver, tol=0.05, random_state=0)
    assert model.fit(inputs, targets).certificate_.relative_gap <= 0.05


@pytest.mark.parametrize(
    ("changes", "lacking"),
    [
        ({"loss": "absolute_error"}, "loss='absolute_error'"),
        ({"skip": True, "skip_alpha": 0.1}, "skip connections"),
        ({"y": np.column_stack([Y, -Y])}, "several outputs"),
        ({"activation": "gated_relu"}, "gated programs"),
    ],
)
def test_a_wrong_pairing_says_what_is_not_supported(solver, changes, lacking):
    options = {"y": Y, **changes}
    problem = TrainingProblem(X, options.pop("y"), ALPHA, **options)
    with pytest.raises(ValueError) as caught:
        train(problem, solver=solver, patterns="sampled")
    expected = f"solver='proximal_gradient' does not support {lacking}; use solver='auto'"
    assert str(caught.value) == expected


def test_a_solver_that_moves_patterns_is_not_given_fixed_ones(solver):
    class Moving:
        support = Support(fixed_patterns=False)
        relu = gated = None

    with pytest.raises(ValueError, match="'Moving' does not support fixed patterns"):
        train(TrainingProblem(X, Y, ALPHA), solver=Moving(), patterns="sampled")


def test_support_knows_its_words():
    with pytest.raises(ValueError, match=r"relu='cubic' is not known; available: 'all'"):
        Support(relu="cubic")
