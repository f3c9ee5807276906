"""Missing targets. With one feature the optimum is known from group lassos over all patterns, written down here."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

from convexrelu import ConvexReLURegressor, ConvexReLURegressorCV, TrainingProblem, train
from convexrelu.chunked import ChunkedProblem
from convexrelu.chunked.train import train_in_chunks
from convexrelu.losses import WeightedOutputs
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers import make_solver
from convexrelu.solvers.base import SOLVERS
from convexrelu.solvers.support import check_support
from tests.optimal import assert_optimal

RNG = np.random.default_rng(0)
N, K = 20, 3
X = RNG.standard_normal((N, 1))
FULL = np.hstack([np.abs(X), np.maximum(X, 0), np.sin(2 * X)]) + 0.2 * RNG.standard_normal((N, K))
Y = FULL.copy()
Y[RNG.random((N, K)) < 0.3] = np.nan
Y[4] = np.nan
SEEN = ~np.isnan(Y)
WEIGHT = RNG.uniform(0.5, 2.0, N)
LOSSES = {
    "squared_error": lambda f, y: cp.square(f - y) / 2,
    "absolute_error": lambda f, y: cp.abs(f - y),
    "huber": lambda f, y: cp.huber(f - y, 1) / 2,
    "quantile": lambda f, y: cp.abs(f - y) / 2,
    "poisson": lambda f, y: cp.exp(f) - cp.multiply(y, f) - cp.entr(y) - y,
}


def targets_for(loss):
    return np.abs(Y).round() if loss == "poisson" else Y


def regressor(**params):
    params = {"alpha": 0.05, "missing_targets": "ignore", "random_state": 0, **params}
    return ConvexReLURegressor(**params)


@pytest.fixture(scope="module")
def fitted():
    return regressor().fit(X, Y, WEIGHT)


def group_lasso(hidden, y, loss, alpha, weights, intercept):
    """Optimum over the outer weights of these neurons of unit norm; the loss is that of the observed targets."""
    outer = cp.Variable((hidden.shape[1], K))
    outputs = hidden @ outer
    if intercept:
        outputs = outputs + cp.Variable((1, K))
    rows, columns = np.nonzero(SEEN)
    shares = weights / weights[SEEN.any(axis=1)].sum()
    fit = shares[rows] @ LOSSES[loss](outputs[rows, columns], y[rows, columns])
    program = cp.Problem(cp.Minimize(fit + alpha * cp.sum(cp.norm(outer, 2, axis=1))))
    return program.solve(cp.CLARABEL, tol_gap_rel=1e-9, tol_gap_abs=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_optimum_of_one_feature_without_bias_is_that_of_two_neurons(loss):
    model = regressor(loss=loss, hidden_bias=False, fit_intercept=False)
    hidden = np.maximum(np.hstack([X, -X]), 0.0)
    optimum = group_lasso(hidden, targets_for(loss), loss, 0.05, WEIGHT, intercept=False)
    assert_optimal(model.fit(X, targets_for(loss), WEIGHT), optimum, 1e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_optimum_of_one_feature_with_free_biases_has_its_kinks_at_samples(loss):
    model = regressor(loss=loss, hidden_bias="free")
    steps = X - X.T
    hidden = np.maximum(np.hstack([steps, -steps]), 0.0)
    optimum = group_lasso(hidden, targets_for(loss), loss, 0.05, np.ones(N), intercept=True)
    assert_optimal(model.fit(X, targets_for(loss)), optimum, 1e-3)


def test_the_certificate_is_of_what_was_observed(fitted):
    network, certificate = fitted.network_, fitted.certificate_
    losses = np.where(SEEN, np.square(fitted.predict(X) - FULL) / 2, 0.0).sum(axis=1)
    seen = SEEN.any(axis=1)
    parts = network.hidden_weights, network.hidden_bias, network.output_weights
    objective = WEIGHT @ losses / WEIGHT[seen].sum() + 0.025 * sum((p**2).sum() for p in parts)
    assert certificate.is_proof
    assert certificate.objective == pytest.approx(objective, rel=1e-9)
    assert certificate.relative_gap <= 1e-3


def test_rows_without_targets_are_left_out(fitted):
    seen = SEEN.any(axis=1)
    other = regressor().fit(X[seen], Y[seen], WEIGHT[seen])
    assert other.certificate_.objective == pytest.approx(fitted.certificate_.objective, rel=1e-9)
    np.testing.assert_allclose(other.predict(X), fitted.predict(X), atol=1e-6)


def test_without_gaps_it_is_the_usual_problem():
    one, other = (regressor(missing_targets=how).fit(X, FULL) for how in ("ignore", "error"))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    part = Y[:, 0]
    seen = SEEN[:, 0]
    one = regressor().fit(X, part)
    other = ConvexReLURegressor(0.05, random_state=0).fit(X[seen], part[seen])
    assert one.certificate_.objective == pytest.approx(other.certificate_.objective, rel=1e-9)
    assert one.predict(X).shape == (N,)


def test_no_network_is_below_the_bound(fitted):
    loss = WeightedOutputs(fitted._problem(X, FULL, None, 0.05).loss)
    problem = TrainingProblem(
        X, loss.observed(Y), 0.05, loss=loss, sample_weight=WEIGHT * SEEN.any(1)
    )
    for scale in np.geomspace(1e-3, 1.0, 50):
        network = problem.network(
            RNG.standard_normal((4, 2)) * scale, np.eye(4)[:, :K], np.zeros(K)
        )
        network = network.with_output_bias(problem.best_intercept(network.predict(X)))
        assert fitted.certificate_.lower_bound <= problem.objective(network)


def test_score_is_the_mean_over_outputs(fitted):
    predicted, scores = fitted.predict(X), []
    for k in range(K):
        y, weights = FULL[SEEN[:, k], k], WEIGHT[SEEN[:, k]]
        rest = weights @ np.square(y - predicted[SEEN[:, k], k])
        scores.append(1 - rest / (weights @ np.square(y - np.average(y, weights=weights))))
    assert fitted.score(X, Y, WEIGHT) == pytest.approx(np.mean(scores))
    assert fitted.score(X, FULL) < 1


def test_cross_validation_scores_what_was_observed():
    model = ConvexReLURegressorCV(alphas=[10.0], cv=2, missing_targets="ignore", random_state=0)
    model.fit(X, Y)
    half = slice(0, N // 2), slice(N // 2, N)
    for fold, (without, within) in enumerate([half, half[::-1]]):
        rest = Y[without] - np.nanmean(Y[within], axis=0)  # no neuron
        expected = np.nansum(np.square(rest) / 2) / SEEN[without].any(axis=1).sum()
        assert -model.cv_scores_[0, fold] == pytest.approx(expected, rel=1e-6)


def test_counts_may_have_exposure_and_gaps():
    y, exposure = np.abs(Y).round(), np.exp(X[:, 0])
    y[0] = 3.0
    model = regressor(loss="poisson", alpha=1.1, alpha_scale="relative")
    model.fit(X, y, exposure=exposure)
    rates = np.nansum(y, axis=0) / (exposure @ SEEN + exposure[0] * ~SEEN[0])
    np.testing.assert_allclose(model.predict(X), np.tile(rates, (N, 1)), rtol=1e-6)
    assert model.score(X, y, exposure=exposure) == pytest.approx(0.0, abs=1e-6)


def test_chunks_have_the_same_optimum(fitted):
    loss = WeightedOutputs(fitted._problem(X, FULL, None, 0.05).loss)
    seen = SEEN.any(axis=1)
    chunked = ChunkedProblem(
        X[seen], loss.observed(Y[seen]), 0.05, loss=loss, sample_weight=WEIGHT[seen]
    )
    certificate = train_in_chunks(chunked, tol=0.2, random_state=0).certificate
    assert certificate.proved_lower_bound <= fitted.certificate_.objective
    assert fitted.certificate_.lower_bound <= certificate.objective
    assert certificate.objective <= 1.3 * fitted.certificate_.objective


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_solve_it_or_refuse_it_by_name(name, fitted):
    problem = fitted._problem(X, Y, WEIGHT, 0.05).condensed()
    try:
        solver = make_solver(name)
    except (ImportError, ValueError):
        pytest.skip(f"{name} is not installed")
    masks = np.unique(problem.design @ RNG.standard_normal((2, 6)) >= 0, axis=1).T
    blocks = Blocks(masks, np.tile(np.eye(K), (len(masks), 1))[: len(masks)])
    try:
        check_support(solver, problem)
    except ValueError as error:
        assert "weighted_outputs" in str(error) or name == "fista"  # which is for fixed gates
        return
    reference = make_solver("cvxpy:CLARABEL").relu(problem, blocks)
    found = solver.relu(problem, blocks, start=reference.blocks)
    assert found.objective <= reference.objective * (1 + 1e-3)
    assert found.objective >= fitted.certificate_.lower_bound


def nullable(y):
    return pd.DataFrame(y).convert_dtypes()  # whose missing entries are no floats


@pytest.mark.parametrize("kind", [pd.DataFrame, nullable, np.ndarray.tolist])
def test_kinds_of_targets(kind, fitted):
    model = regressor(alpha=1.1, alpha_scale="relative").fit(X, kind(Y))
    np.testing.assert_allclose(model.predict(X), np.tile(np.nanmean(Y, axis=0), (N, 1)), rtol=1e-6)


def test_frames_with_missing_entries_of_their_own_have_the_same_score(fitted):
    assert fitted.score(X, nullable(Y), WEIGHT) == fitted.score(X, Y, WEIGHT)


@pytest.mark.parametrize(
    "y, weight, message",
    [
        (Y[:, 0], None, "y has shape"),
        (Y * [1.0, np.nan, 1.0], None, "y has no target in column 1"),
        (Y, WEIGHT[1:], "sample_weight has shape"),
    ],
)
def test_what_has_no_score_is_named(y, weight, message, fitted):
    with pytest.raises(ValueError, match=message):
        fitted.score(X, y, weight)


def test_errors():
    with pytest.raises(ValueError, match=r"y contains NaN|Input y"):
        ConvexReLURegressor().fit(X, Y)
    with pytest.raises(ValueError, match="missing_targets"):
        regressor(missing_targets="drop").fit(X, Y)
    with pytest.raises(ValueError, match="y has no target in column 1: all are missing"):
        regressor().fit(X, Y * [1.0, np.nan, 1.0])
    with pytest.raises(ValueError, match="y has no target: all are missing"):
        regressor().fit(X, np.full(N, np.nan))
    with pytest.raises(ValueError, match="sample_weight must be non-negative"):
        regressor().fit(X, Y, np.where(np.arange(N) == 4, -1.0, 1.0))  # a row without targets
    with pytest.raises(ValueError, match=r"\by\b.*infinity"):
        regressor().fit(X, np.where(SEEN, np.inf, np.nan))
    with pytest.raises(ValueError, match="loss='weighted_outputs'"):
        regressor(skip=True, skip_alpha=0.0).fit(X, Y)
    problem = regressor()._problem(X, Y, None, 0.05)
    with pytest.raises(ValueError, match=r"several outputs|weighted_outputs"):
        train(problem, patterns="sampled", solver="newton")
