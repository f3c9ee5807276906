"""Wide dense inputs are trained in the coordinates of their samples: same optimum and bounds as in features."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLURegressor,
    TrainingProblem,
    certify,
    train,
)
from convexrelu.closed_forms import structure_of
from convexrelu.oracles.for_problem import oracles_for, relaxation_for
from convexrelu.problem.sample_coordinates import SampleCoordinates, has_low_rank
from tests.reference import network_objective

KINDS = [
    {},
    {"hidden_bias": False, "fit_intercept": False},
    {"hidden_bias": "free"},
    {"activation": "absolute_value"},
    {"activation": "leaky_relu", "negative_slope": 0.2},
    {"skip": True, "skip_alpha": 0.1},
    {"loss": "huber"},
    {"loss": "logistic"},
    {"loss": "hinge"},
    {"loss": "absolute_error"},
    {"loss": "poisson"},
    {"hidden_bias": "free", "activation": "absolute_value"},
    {"skip": True, "skip_alpha": 0.1, "hidden_bias": False, "activation": "leaky_relu"},
]


def data(n=5, d=9, seed=0, rank=None):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    if rank is not None:
        X = rng.standard_normal((n, rank)) @ X[:rank]
    return X, np.maximum(X @ rng.standard_normal(d), 0) + 0.1 * rng.standard_normal(n)


def problem_of(X, y, alpha=0.02, **options):
    loss = options.get("loss")
    if loss in ("logistic", "hinge"):
        y = np.where(y > np.median(y), 1.0, -1.0)
    if loss == "poisson":
        y = np.round(np.abs(y))
    return TrainingProblem(X, y, alpha, **options).condensed()


def in_features(problem):
    """A copy of a condensed problem that stays in the features."""
    other = problem._replace()
    other.__dict__["_sample_coordinates"] = None
    return other


def trained_in_features(monkeypatch, problem, **options):
    """Result of training without sample coordinates."""
    with monkeypatch.context() as patch:
        patch.setattr("convexrelu.problem.design.has_low_rank", lambda X: True)
        return train(problem, **options)


@pytest.fixture
def at_any_rank(monkeypatch):
    """Data of low rank are in sample coordinates, too."""
    monkeypatch.setattr("convexrelu.problem.design.has_low_rank", lambda X: False)


@pytest.mark.usefixtures("at_any_rank")
@pytest.mark.parametrize("rank", [None, 3])
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_bounds_are_those_in_features(options, rank):
    problem = problem_of(*data(rank=rank), **options)
    features = in_features(problem)
    columns = bool(problem.hidden_bias)
    assert problem.design.shape == (5, 5 + columns)
    assert features.design.shape == (5, 9 + columns)
    rng = np.random.default_rng(1)
    v = problem.dual_point(0.1 * rng.standard_normal(5))
    for bound in (
        lambda each: oracles_for(each, "cells").exact(v).bound,
        lambda each: relaxation_for(each)(v).bound,
        lambda each: each.dual(v),
    ):
        # Rows that are dependent but for rounding have narrow cells, for which the list of cells makes allowance.
        assert_allclose(bound(problem), bound(features), rtol=1e-8 if rank is None else 1e-6)


@pytest.mark.usefixtures("at_any_rank")
@pytest.mark.parametrize(
    ("options", "rank"), [(kind, (None, 3)[k % 2]) for k, kind in enumerate(KINDS)], ids=str
)
def test_optimum_is_that_in_features(options, rank, monkeypatch):
    X, y = data(rank=rank)
    problem = problem_of(X, y, **options)
    tol = 1e-4 if problem.free_bias else 1e-6
    result = train(problem, oracle="cells", tol=tol, max_iter=100, random_state=0)
    reference = trained_in_features(
        monkeypatch, problem, oracle="cells", tol=tol, max_iter=100, random_state=0
    )
    assert result.network.n_features == 9
    assert result.certificate.is_proof
    assert result.certificate.relative_gap <= tol
    assert result.certificate.lower_bound <= reference.certificate.objective
    assert reference.certificate.lower_bound <= result.certificate.objective
    assert result.certificate.objective == problem.objective(result.network)


@pytest.mark.slow
@pytest.mark.usefixtures("at_any_rank")
def test_several_outputs(monkeypatch):
    X, y = data(3, 7)
    problem = TrainingProblem(X, np.column_stack([y, -y[::-1]]), 0.02)
    result = train(problem, tol=1e-3, random_state=0)
    reference = trained_in_features(monkeypatch, problem, tol=1e-3, random_state=0)
    assert_allclose(result.certificate.objective, reference.certificate.objective, rtol=2e-3)


def test_the_relaxation_is_tight():
    """``M_L(v)² ≤ M(v)² + vᵀHv`` at the rounding errors of a Gram matrix, by the two ellipsoids."""
    X, _ = data(12, 30)
    X[-1] = X[:-1].sum(axis=0)
    rows = SampleCoordinates.of(X).rows.astype(np.longdouble)
    added = (rows @ rows.T - X.astype(np.longdouble) @ X.T).astype(np.float64)
    squares = np.square(X).sum(axis=1)
    assert np.linalg.eigvalsh(added / np.sqrt(np.outer(squares, squares))).min() > 0
    assert np.abs(added).max() <= 4 * 12 * 44 * np.finfo(float).eps * squares.max()


@pytest.mark.slow
def test_a_small_penalty_on_centred_data_is_certified_as_in_features():
    """Centred rows are dependent: in one direction the coordinates are rounding errors."""
    X, y = data(10, 25)
    X -= X.mean(axis=0)
    problem = TrainingProblem(X, y, 1e-6, hidden_bias=False).condensed()
    assert problem.design.shape == (10, 10)
    v = problem.dual_point(0.9 * problem.y)
    assert_allclose(relaxation_for(problem)(v).bound, relaxation_for(in_features(problem))(v).bound)
    result = train(problem, tol=1e-3, random_state=0)
    assert result.certificate.relative_gap <= 1e-3
    assert_allclose(
        result.certificate.objective,
        network_objective(result.network, X, y, 1e-6),
        rtol=1e-9,
    )


def test_low_rank_stays_in_features():
    X, y = data(12, 30, rank=2)
    assert has_low_rank(X)
    assert TrainingProblem(X, y, 0.1).design.shape == (12, 31)
    assert structure_of(np.outer(np.arange(5.0), np.arange(1.0, 9.0)), hidden_bias="free") == (
        "rank_one"
    )
    result = train(TrainingProblem(X, y, 0.1), random_state=0)
    assert result.certificate.is_proof
    assert not has_low_rank(data(12, 30, rank=9)[0])
    assert not has_low_rank(data(5, 9)[0])
    scales = np.logspace(-8, 8, 12)[:, None]
    assert has_low_rank(scales * X)


def test_narrow_data_and_gates_stay_in_features():
    X, y = data()
    assert TrainingProblem(X[:, :5], y, 0.1).design.shape == (5, 6)
    for activation in ("gated_relu", "threshold"):
        assert TrainingProblem(X, y, 0.1, activation=activation).design.shape == (5, 10)


@pytest.mark.parametrize("hidden_bias", [True, False, "free"])
def test_given_gates_are_for_the_features(hidden_bias, monkeypatch):
    X, y = data()
    problem = TrainingProblem(X, y, 0.02, hidden_bias=hidden_bias)
    gates = np.random.default_rng(2).standard_normal((6, 9 + bool(hidden_bias)))
    result = train(problem, patterns=gates, tol=1e-6)
    reference = trained_in_features(monkeypatch, problem, patterns=gates, tol=1e-6)
    assert_allclose(result.certificate.objective, reference.certificate.objective, rtol=1e-5)
    masks = in_features(problem).design @ gates.T >= 0
    assert_allclose(problem.design @ problem.gates(gates).T >= 0, masks)


def test_networks_of_elsewhere_are_certified():
    X, y = data(6, 20)
    network = train(TrainingProblem(X, y, 0.05), tol=1e-3, random_state=0).network
    certificate = certify(network, X, y, alpha=0.05, random_state=0)
    problem = TrainingProblem(X, y, 0.05)
    assert_allclose(certificate.objective, problem.objective(network), rtol=1e-12)
    assert certificate.cell_gap <= 1e-3
    units = problem.design @ problem.directions(network).T
    assert_allclose(units, X @ network.hidden_weights.T + network.hidden_bias, atol=1e-9)


@pytest.mark.slow
def test_estimators_stay_in_features():
    X, y = data(8, 60)
    model = ConvexReLURegressor(alpha=0.05, random_state=0).fit(X, y)
    assert model.feature_importances_.shape == (60,)
    again = model.set_params(warm_start=True, alpha=0.04).fit(X, y)
    assert again.certificate_.relative_gap <= 1e-3
    classifier = ConvexReLUClassifier(effort="predict", random_state=0).fit(X, y > np.median(y))
    assert classifier.network_.n_features == 60


@pytest.mark.parametrize("scale", [1e-160, 1.0, 1e60])
def test_dense_and_sparse_inputs_have_the_same_coordinates(scale):
    X, _ = data()
    dense, thin = (
        SampleCoordinates.of(make(scale * X)).rows for make in (np.array, sparse.csr_array)
    )
    assert_allclose(dense, thin, rtol=1e-9, atol=1e-9 * np.abs(dense).max())
