"""Large sparse inputs with more samples than features stay sparse where training can do without a dense design."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from convexrelu import (
    AlphaWarning,
    ChunkedProblem,
    ConvexReLUClassifier,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    TrainingProblem,
    TwoLayerNetwork,
    certify,
    train,
    train_in_chunks,
)
from convexrelu.chunked import Alone
from convexrelu.chunked.dual import closed_form_bound, dual_point
from convexrelu.chunked.objective import outputs_of
from convexrelu.chunked.rows import Rows
from convexrelu.problem import validation
from convexrelu.training.path import largest_penalty
from tests.chunked.together import together
from tests.reference import network_objective


def tall(n=6000, d=20, seed=0):
    rng = np.random.default_rng(seed)
    X = sparse.random_array((n, d), density=0.2, rng=rng, format="csr")
    X.data = rng.standard_normal(X.nnz)
    y = np.maximum(X @ rng.standard_normal(d), 0) + 0.1 * rng.standard_normal(n)
    return X, y


def dense_rows(X):
    """As an array, some rows at a time."""
    return np.vstack([X[i : i + 1000].toarray() for i in range(0, X.shape[0], 1000)])


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch):
    monkeypatch.setattr(validation, "_MOST_DENSE", 0)


@pytest.fixture
def never_dense(monkeypatch):
    """Fails where many sparse rows are made dense."""
    real = sparse.csr_array.toarray

    def toarray(self, *args, **kwargs):
        assert self.shape[0] < 6000
        return real(self, *args, **kwargs)

    monkeypatch.setattr(sparse.csr_array, "toarray", toarray)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("hidden_bias", [True, False])
def test_certificates_hold(never_dense, hidden_bias, n_outputs):
    X, y = tall()
    if n_outputs == 2:
        y = np.column_stack([y, np.abs(X @ np.ones(20))])
    problem = TrainingProblem(X, y, 0.01, hidden_bias=hidden_bias)
    assert problem.stays_sparse
    result = train(problem, tol=0.02, random_state=0)
    objective = network_objective(result.network, dense_rows(X), y, 0.01)
    certificate = result.certificate
    assert result.network.width > 0
    assert objective <= certificate.objective <= objective * (1 + 1e-9)
    assert certificate.relative_gap <= 0.02
    dense = train(
        TrainingProblem(dense_rows(X), y, 0.01, hidden_bias=hidden_bias), tol=0.02, random_state=0
    )
    assert certificate.proved_lower_bound <= dense.certificate.objective
    assert_allclose(certificate.objective, dense.certificate.objective, rtol=0.02)


def test_proved_bounds_are_those_of_dense_rows():
    X, y = tall(2000)
    network = TwoLayerNetwork.constant(20, float(y.mean()))

    def bounds(X):
        rows = Rows(ChunkedProblem(X, y, 0.1), Alone())
        v = dual_point(rows, network, outputs_of(rows, network))
        yield closed_form_bound(rows, v)
        yield closed_form_bound(rows, v, end=-1.0)  # without time for Gram matrices

    for ours, theirs in zip(bounds(X), bounds(X.toarray()), strict=True):
        assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-170, 1e-100, 1.0, 1e100])
def test_lengths_are_those_of_dense_rows(scale):
    X, y = tall(60)
    X = sparse.vstack([sparse.csr_array(X * scale)[:59], sparse.csr_array((1, 20))])
    for hidden_bias in (True, False):
        problem = TrainingProblem(X, y, 0.1, hidden_bias=hidden_bias)
        dense = TrainingProblem(X, y, 0.1, hidden_bias=hidden_bias, activation="gated_relu")
        assert problem.stays_sparse and not dense.stays_sparse
        assert_allclose(problem.lengths, dense.lengths, rtol=1e-14)


def test_equal_rows_are_joined():
    X, y = tall(50)
    twice = TrainingProblem(sparse.vstack([X, X[::-1]]), np.append(y, y[::-1]), 0.1)
    once = twice.condensed()
    assert once.n_samples == 50
    again = TrainingProblem(X, y, 0.1).condensed()
    assert once.equals_but_for_alpha(again)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "absolute_error"},
        {"skip": True},
        {"hidden_bias": "free"},
        {"monotonic_cst": [1, 0, 0, 0, 0]},
        {"activation": "gated_relu", "patterns": "sampled", "n_patterns": 5},
        {"activation": "threshold"},
        {"minimal": True},
        {"alpha_scale": "relative"},
    ],
)
def test_what_needs_a_dense_design_makes_one(options):
    X, y = tall(40, 5)
    sparse_fit, dense_fit = (
        ConvexReLURegressor(random_state=0, alpha=0.05, **options).fit(rows, y)
        for rows in (X, X.toarray())
    )
    ours, theirs = sparse_fit.certificate_, dense_fit.certificate_
    assert ours.lower_bound <= theirs.objective * (1 + 1e-9)
    assert theirs.lower_bound <= ours.objective * (1 + 1e-9)
    assert_allclose(sparse_fit.predict(X), sparse_fit.predict(X.toarray()), atol=1e-12)


def test_a_penalty_relative_to_the_largest_one(never_dense):
    X, y = tall()
    problem = TrainingProblem(X, y, 1.0)
    found = largest_penalty(problem, np.random.RandomState(0), "cpu")
    dense = TrainingProblem(dense_rows(X), y, 1.0)
    assert_allclose(found, largest_penalty(dense, np.random.RandomState(0), "cpu"), rtol=1e-2)


def test_estimators_and_certificates(never_dense):
    X, y = tall()
    for model in (
        ConvexReLURegressor(tol=0.05, random_state=0),
        ConvexReLUClassifier(tol=0.05, random_state=0),
        ConvexReLURegressorCV(tol=0.05, alphas=[0.1, 0.01], cv=2, random_state=0),
    ):
        targets = (y > 0.1).astype(int) if isinstance(model, ConvexReLUClassifier) else y
        model.fit(X, targets)
        assert model.certificate_.relative_gap < 0.1
        assert model.score(X, targets) > 0.5


def test_certify_finds_a_bound():
    X, y = tall(40, 5)
    network = ConvexReLURegressor(random_state=0).fit(X, y).network_
    found = certify(network, X, y, alpha=0.01, random_state=0)
    dense = certify(network, X.toarray(), y, alpha=0.01, random_state=0)
    assert_allclose(found.objective, dense.objective, rtol=1e-9)
    assert found.lower_bound <= dense.objective


def test_processes_share_sparse_rows():
    X, y = tall(2000)
    alone = train_in_chunks(ChunkedProblem(X, y, 0.02), tol=0.1, random_state=0)

    def shared(group):
        own = slice(0, 700) if group.rank == 0 else slice(700, 2000)
        problem = ChunkedProblem(X[own], y[own], 0.02)
        assert sparse.issparse(Rows(problem, group).products(0 if group.rank == 0 else 3).problem.X)
        return train_in_chunks(problem, group=group, tol=0.1, random_state=0)

    for result in together(2, shared):
        assert_allclose(result.certificate.objective, alone.certificate.objective, rtol=0.1)


def test_entries_that_are_not_finite_are_named():
    X, y = tall(30)
    X.data[3] = np.nan
    with pytest.raises(ValueError, match="X contains NaN or infinity"):
        TrainingProblem(X, y, 0.1)
    with pytest.raises(ValueError, match="X contains NaN or infinity"):
        ChunkedProblem(X, y, 0.1)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.5])
def test_without_time_there_is_a_network(never_dense, seconds):
    X, y = tall(20_000, 300)
    result = train(TrainingProblem(X, y, 0.01), time_limit=seconds, random_state=0)
    constant = TrainingProblem(X, y, 0.01).zero_network()
    assert result.certificate.lower_bound <= result.certificate.objective
    assert result.certificate.objective <= TrainingProblem(X, y, 0.01).objective(constant) * (
        1 + 1e-12
    )


@pytest.mark.parametrize("X", [sparse.coo_array(np.ones(3)), sparse.csr_array((3, 0))])
def test_shapes_without_rows_and_columns_are_named(X):
    for make in (ChunkedProblem, TrainingProblem):
        with pytest.raises(ValueError, match=r"X has shape .*, expected \(n, d\)"):
            make(X, np.arange(3.0), 0.1)


@pytest.mark.parametrize("alpha_scale", ["absolute", "relative"])
def test_penalties_that_leave_a_constant_make_nothing_dense(never_dense, alpha_scale):
    X, y = tall()
    model = ConvexReLURegressor(alpha=10.0, alpha_scale=alpha_scale, random_state=0)
    with pytest.warns(AlphaWarning, match="the network is constant"):
        model.fit(X, y)
    assert model.network_.width == 0
    assert model.certificate_.is_proof and model.certificate_.relative_gap <= 1e-3
