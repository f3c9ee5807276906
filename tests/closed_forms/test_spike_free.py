"""Spike-free data: two neurons are enough, as all patterns and the general solver say."""

import numpy as np
import pytest

from convexrelu import ConvexReLURegressor, TrainingProblem, train
from convexrelu.closed_forms import closed_form_for, train_spike_free
from convexrelu.oracles import CellOracle, SpikeFreeOracle, proved_length, spike_free_margin
from tests import reference


def spike_free_rows(n, d, seed):
    """Rows whose Gram matrix is the inverse of an M-matrix, of different lengths."""
    rng = np.random.default_rng(seed)
    off = -rng.uniform(0.0, 1.0, (n, n))
    off = np.tril(off, -1) + np.tril(off, -1).T
    inverse = off + np.diag(-off.sum(axis=1) + rng.uniform(0.3, 1.0, n))
    rows = np.linalg.cholesky(np.linalg.inv(inverse)) @ np.eye(n, d)
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return rng.uniform(0.5, 2.0, n)[:, None] * (rows @ rotation)


def instance(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    X = spike_free_rows(n, n + int(rng.integers(0, 2)), seed)
    weights = rng.uniform(0.2, 2.0, n) if seed % 3 == 0 else None
    return X, rng.standard_normal(n), weights, float(10.0 ** rng.uniform(-2.5, -0.5))


@pytest.mark.parametrize("seed", range(12))
def test_equals_enumeration_and_the_general_solver(seed):
    X, y, weights, alpha = instance(seed)
    options = {"hidden_bias": False, "fit_intercept": bool(seed % 2)}
    problem = TrainingProblem(X, y, alpha, sample_weight=weights, **options)
    result = train_spike_free(problem, tol=1e-7)
    certificate = result.certificate
    assert certificate.is_proof and certificate.relative_gap <= 1e-7
    assert result.network.width <= 2
    own = reference.network_objective(result.network, X, y, alpha, weights)
    assert own == pytest.approx(certificate.objective, rel=1e-12)
    exact = reference.train_exactly(X, y, alpha, sample_weight=weights, **options)
    assert own == pytest.approx(exact, rel=1e-6)
    assert certificate.lower_bound <= exact * (1 + 1e-12)
    general = train(problem, oracle="cells", tol=1e-7, random_state=0)
    assert general.certificate.objective == pytest.approx(own, rel=1e-6)


@pytest.mark.parametrize("loss", ["absolute_error", "logistic", "hinge", "huber"])
def test_other_losses(loss):
    X, _, _, _ = instance(1)
    y = np.where(np.arange(len(X)) % 2, 1.0, -1.0)
    problem = TrainingProblem(X, y, 0.03, loss=loss, hidden_bias=False)
    result = train_spike_free(problem, tol=1e-6)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-6
    general = train(problem, oracle="cells", tol=1e-6, random_state=0)
    assert general.certificate.objective == pytest.approx(result.certificate.objective, rel=2e-6)


def test_the_row_of_a_penalised_bias_counts():
    X = 0.2 * np.eye(3)
    assert spike_free_margin(np.column_stack([X, np.ones(3)])).is_spike_free
    model = ConvexReLURegressor(0.001, tol=1e-6).fit(X, [1.0, -1.0, 0.5])
    assert model.certificate_.method == "spike_free" and model.certificate_.is_proof
    exact = reference.train_exactly(X, np.array([1.0, -1.0, 0.5]), 0.001)
    assert model.certificate_.objective == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_bound_is_at_least_that_of_all_cells(seed):
    X, v, _, _ = instance(seed)
    report = SpikeFreeOracle(X, proved_length(X))(v)
    assert report.is_proof
    assert report.bound >= CellOracle(X)(v).values[0]
    assert report.bound == pytest.approx(CellOracle(X)(v).bound, rel=1e-8)


@pytest.mark.parametrize("seed", range(20))
def test_length_is_never_below_what_is_needed(seed):
    rng = np.random.default_rng(seed)
    X = spike_free_rows(4, 5, seed) + 10.0 ** -rng.integers(2, 12) * rng.standard_normal((4, 5))
    assert proved_length(X) >= spike_free_margin(X).largest * (1 - 1e-12)


def test_more_rows_than_columns_have_no_length():
    assert proved_length(np.eye(3)[[0, 1, 2, 2]] * [[1.0], [1.0], [1.0], [2.0]]) == np.inf


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_bias": "free"}, "does not support several outputs, free biases"),
        (
            {"activation": "absolute_value", "hidden_bias": False},
            "does not support several outputs",
        ),
        ({"hidden_bias": False, "X": np.array([[1.0, 0.0], [-0.6, 0.8]])}, "not proved"),
        ({"hidden_bias": False, "X": np.array([[1.0, 0.0], [-1e-6, 1.0]])}, "not proved"),
    ],
)
def test_refuses_other_problems(options, message):
    X = options.pop("X", np.eye(2))
    problem = TrainingProblem(X, np.array([1.0, -1.0]), 0.1, **options)
    with pytest.raises(ValueError, match=message):
        train_spike_free(problem)
    assert closed_form_for(problem) is None or problem.free_bias
