"""Orthogonal rows: the formula equals all patterns and the general solver."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.closed_forms import OrthogonalRowsOracle, closed_form_for, train_whitened
from convexrelu.oracles import CellOracle
from convexrelu.oracles.exact.spike_free import orthogonality_error
from tests import reference

PLAIN = {"hidden_bias": False, "fit_intercept": False}


def orthogonal_rows(n, d, seed, *, whitened):
    rng = np.random.default_rng(seed)
    rows = np.linalg.qr(rng.standard_normal((d, n)))[0].T
    return rows if whitened else rows * rng.uniform(0.3, 3.0, n)[:, None]


def instance(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    X = orthogonal_rows(n, n + int(rng.integers(0, 3)), seed, whitened=seed % 2 == 0)
    weights = rng.uniform(0.2, 2.0, n) if seed % 3 == 0 else None
    return X, rng.standard_normal(n), weights, float(10.0 ** rng.uniform(-2.5, 0))


@pytest.mark.parametrize("seed", range(12))
def test_equals_enumeration_and_the_general_solver(seed):
    X, y, weights, alpha = instance(seed)
    problem = TrainingProblem(X, y, alpha, sample_weight=weights, **PLAIN)
    result = train_whitened(problem, tol=1e-9)
    certificate = result.certificate
    assert certificate.is_proof and certificate.relative_gap <= 1e-9
    own = reference.network_objective(result.network, X, y, alpha, weights)
    assert own == pytest.approx(certificate.objective, rel=1e-12)
    exact = reference.train_exactly(X, y, alpha, sample_weight=weights, **PLAIN)
    assert own == pytest.approx(exact, rel=1e-6)
    assert certificate.lower_bound <= exact * (1 + 1e-12)
    general = train(problem, oracle="cells", tol=1e-7, random_state=0)
    assert general.certificate.objective == pytest.approx(own, rel=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_hinge(seed):
    X, y, weights, alpha = instance(seed + 200)
    y = np.sign(y)
    if len(set(y)) < 2:
        y = np.append(np.ones(len(y) - 1), -1.0)
        X = X if len(y) > 1 else orthogonal_rows(2, 3, seed, whitened=True)
        y = y if len(y) > 1 else np.array([1.0, -1.0])
        weights = None
    problem = TrainingProblem(X, y, alpha, loss="hinge", sample_weight=weights, **PLAIN)
    result = train_whitened(problem, tol=1e-9)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-9
    general = train(problem, oracle="cells", tol=1e-7, random_state=0)
    assert general.certificate.objective == pytest.approx(result.certificate.objective, rel=1e-6)


def test_formulas_of_the_paper():
    n, alpha = 6, 0.1
    X = orthogonal_rows(n, 8, 0, whitened=True)
    y = np.array([1.0, 2.0, -1.0, 0.5, -3.0, 0.0])
    network = train_whitened(TrainingProblem(X, y, alpha, **PLAIN)).network
    parts = [np.maximum(sign * y, 0.0) for sign in (1.0, -1.0)]
    lengths = [np.linalg.norm(part) - alpha * n for part in parts]
    fit = sum(
        sign * length * part / np.linalg.norm(part)
        for sign, length, part in zip((1.0, -1.0), lengths, parts, strict=True)
    )
    np.testing.assert_allclose(network.predict(X), fit, atol=1e-12)
    assert network.width == 2


def test_hinge_is_all_or_nothing_at_the_root_of_the_class_size():
    n = 6
    X, y = orthogonal_rows(n, 7, 1, whitened=True), np.array([1.0, 1, 1, 1, -1, -1])
    # √4 > alpha n > √2: only the larger class is fitted.
    problem = TrainingProblem(X, y, 1.7 / n, loss="hinge", **PLAIN)
    network = train_whitened(problem).network
    np.testing.assert_allclose(network.predict(X), [1, 1, 1, 1, 0, 0], atol=1e-12)


def test_one_hot_labels_have_a_neuron_a_class():
    n, alpha = 9, 0.05
    X, labels = orthogonal_rows(n, 12, 2, whitened=True), np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])
    problem = TrainingProblem(X, np.eye(3)[labels], alpha, **PLAIN)
    result = train_whitened(problem, tol=1e-9)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-9
    assert result.network.width == 3
    shrunk = 1 - alpha * n / np.sqrt(np.bincount(labels))
    np.testing.assert_allclose(result.network.predict(X), np.eye(3)[labels] * shrunk, atol=1e-12)
    general = train(problem, oracle="search", tol=1e-6, max_iter=4, random_state=0)
    assert general.certificate.objective == pytest.approx(result.certificate.objective, rel=1e-6)


@pytest.mark.parametrize("noise", [0.0, 1e-15, 1e-12, 1e-6, 1e-2])
def test_bound_holds_for_rows_that_are_nearly_orthogonal(noise):
    rng = np.random.default_rng(0)
    X = orthogonal_rows(4, 4, 0, whitened=False) + noise * rng.standard_normal((4, 4))
    v = rng.standard_normal(4)
    assert OrthogonalRowsOracle(X)(v).bound >= CellOracle(X)(v).bound * (1 - 1e-12)
    assert (orthogonality_error(X) <= 1e-8) == (noise <= 1e-12)


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.eye(3), {"fit_intercept": True}, "does not support biases"),
        (np.eye(3), {"hidden_bias": True}, "does not support biases"),
        (np.eye(3), {"loss": "huber"}, "does not support loss='huber'"),
        (np.eye(3) + 1e-6, {}, "zero or not orthogonal"),
        (np.eye(4)[:3] * [[1.0], [0.0], [1.0]], {}, "zero or not orthogonal"),
    ],
)
def test_refuses_other_problems(X, options, message):
    problem = TrainingProblem(X, np.array([1.0, -2.0, 3.0]), 0.1, **PLAIN | options)
    with pytest.raises(ValueError, match=message):
        train_whitened(problem)


def test_refuses_targets_that_interact():
    problem = TrainingProblem(np.eye(2), np.ones((2, 2)), 0.1, **PLAIN)
    with pytest.raises(ValueError, match="several entries in a row"):
        train_whitened(problem)
    assert closed_form_for(problem) is None


def test_train_uses_it():
    X, y, _, _ = instance(8)
    result = train(TrainingProblem(X, y, 0.05, **PLAIN), tol=1e-9)
    assert result.certificate.method == "whitened" and result.n_iter == 1
