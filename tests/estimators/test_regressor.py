"""The estimator as scikit-learn and its users see it."""

import io
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from convexrelu import ConvexReLURegressor, SolverWarning, Status
from tests import reference
from tests.honest import assert_honest, assert_same_network, assert_same_outputs

X, Y = reference.teacher(25, 2, 2, 0.1, 0)
HARD_X, HARD_Y = reference.teacher(40, 4, 3, 0.1, 1)
GATES = np.random.default_rng(0).standard_normal((20, 3))
WEIGHT = np.random.default_rng(1).integers(0, 4, len(Y))


def regressor(**params):
    return ConvexReLURegressor(**{"alpha": 0.01, "random_state": 0, **params})


@pytest.fixture(scope="module")
def fitted():
    return regressor().fit(X, Y)


# scikit-learn's own checks: those for third parties, and those it keeps for itself.


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::convexrelu.AlphaWarning")
@pytest.mark.filterwarnings("ignore::convexrelu.SolverWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
# Their targets have a deviation of some 20: with a smaller penalty the programs are slow.
@parametrize_with_checks([ConvexReLURegressor(alpha=10.0, tol=0.1, max_iter=2, oracle="quick")])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "check_param_validation",
        "check_dataframe_column_names_consistency",
        "check_readonly_memmap_input",
        "check_inplace_ensure_writeable",
        "check_non_transformer_estimators_n_iter",
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_checks_of_its_own_estimators(name):
    estimator = ConvexReLURegressor(max_iter=2, oracle="quick", random_state=0)
    getattr(estimator_checks, name)("ConvexReLURegressor", estimator)


# Meta-estimators


def test_pipeline():
    raw = X * [2.0, 0.5] + [3.0, -1.0]
    model = make_pipeline(StandardScaler(), regressor()).fit(raw, Y)
    scaled = StandardScaler().fit_transform(raw)
    expected = regressor().fit(scaled, Y)
    np.testing.assert_array_equal(model.predict(raw), expected.predict(scaled))


def test_grid_search():
    search = GridSearchCV(regressor(), {"alpha": [0.01, 1.0]}, cv=3).fit(X, Y)
    assert search.best_params_ == {"alpha": 0.01}
    assert_honest(search.best_estimator_, X, Y)


def test_cross_val_score():
    scores = cross_val_score(regressor(), X, Y, cv=3)
    assert scores.shape == (3,) and (scores > 0.5).all()


@pytest.mark.slow
def test_parallel_fits_are_the_serial_ones():
    def fit(seed):
        return regressor(random_state=seed, oracle="search").fit(X, Y).network_

    serial = [fit(seed) for seed in range(3)]
    parallel = joblib.Parallel(n_jobs=2, backend="threading")(
        joblib.delayed(fit)(seed) for seed in range(3)
    )
    for one, other in zip(serial, parallel, strict=True):
        assert_same_network(one, other)


def test_clone_is_unfitted_with_the_same_parameters(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError, match="not fitted"):
        copy.predict(X)
    assert_same_network(copy.fit(X, Y).network_, fitted.network_)


def _through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("copy", [lambda model: pickle.loads(pickle.dumps(model)), _through_joblib])
def test_a_pickled_model_is_the_same(fitted, copy):
    other = copy(fitted)
    assert_same_network(other.network_, fitted.network_)
    assert other.certificate_ == fitted.certificate_
    assert other.history_ == fitted.history_
    assert other.status_ is fitted.status_
    np.testing.assert_array_equal(other.predict(X), fitted.predict(X))


# Frames


@pytest.mark.parametrize(
    ("frame", "series"), [(pd.DataFrame, pd.Series), (pl.DataFrame, pl.Series)]
)
def test_frames(fitted, frame, series):
    data = {"height": X[:, 0], "width": X[:, 1]}
    model = regressor().fit(frame(data), series(Y))
    assert list(model.feature_names_in_) == ["height", "width"]
    assert_same_network(model.network_, fitted.network_)
    np.testing.assert_array_equal(model.predict(frame(data)), fitted.predict(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame({"width": X[:, 1], "height": X[:, 0]}))


def test_arrays_have_no_feature_names(fitted):
    assert fitted.n_features_in_ == 2
    assert not hasattr(fitted, "feature_names_in_")


# What fit leaves alone


def test_nothing_is_mutated():
    gates, weight = GATES.copy(), WEIGHT.astype(float)
    inputs, targets = X.copy(), Y.copy()
    model = regressor(patterns=gates)
    before = model.get_params()
    model.fit(inputs, targets, weight).predict(inputs)
    after = model.get_params()
    assert all(after[name] is before[name] for name in before)
    for array, original in [(gates, GATES), (weight, WEIGHT), (inputs, X), (targets, Y)]:
        np.testing.assert_array_equal(array, original)
        assert array.flags.writeable


def test_the_model_does_not_share_memory_with_the_data():
    inputs, targets = X.copy(), Y.copy()
    model = regressor().fit(inputs, targets)
    expected = model.predict(X)
    inputs[:], targets[:] = 0.0, 0.0
    np.testing.assert_array_equal(model.predict(X), expected)


# Randomness


@pytest.mark.slow
@pytest.mark.parametrize("params", [{"oracle": "search"}, {"patterns": "sampled"}])
def test_the_seed_decides(params):
    def fit(random_state):
        return regressor(**params, random_state=random_state).fit(HARD_X, HARD_Y)

    first, again = fit(3), fit(3)
    assert_same_network(first.network_, again.network_)
    assert first.certificate_ == again.certificate_
    assert_same_network(first.network_, fit(np.random.RandomState(3)).network_)
    assert fit(4).certificate_.lower_bound != first.certificate_.lower_bound


def test_the_global_random_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.uniform()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    regressor(random_state=5, oracle="search").fit(X, Y)
    assert np.random.uniform() == expected  # noqa: NPY002


# Weights and order of samples


def test_weights_are_repetitions():
    precise = regressor(tol=1e-8)
    weighted = clone(precise).fit(X, Y, WEIGHT)
    repeated = clone(precise).fit(np.repeat(X, WEIGHT, axis=0), np.repeat(Y, WEIGHT))
    dropped = clone(precise).fit(X[WEIGHT > 0], Y[WEIGHT > 0], WEIGHT[WEIGHT > 0])
    scaled = clone(precise).fit(X, Y, 7.0 * WEIGHT)
    assert (WEIGHT == 0).any() and (WEIGHT > 1).any()
    assert_honest(weighted, X, Y, WEIGHT)
    for other in (repeated, dropped, scaled):
        certificates = weighted.certificate_, other.certificate_
        assert_same_outputs(weighted.predict(X), other.predict(X), certificates, WEIGHT)
        assert certificates[0].objective == pytest.approx(certificates[1].objective, rel=2e-8)
    assert_same_network(weighted.network_, dropped.network_)


def test_equal_weights_are_no_weights(fitted):
    ones = regressor().fit(X, Y, np.ones(len(Y)))
    assert_same_network(ones.network_, fitted.network_)


def test_weights_matter(fitted):
    weighted = regressor().fit(X, Y, WEIGHT)
    assert np.abs(weighted.predict(X) - fitted.predict(X)).max() > 1e-3


@pytest.mark.parametrize("params", [{}, {"oracle": "search"}, {"patterns": "sampled"}])
def test_order_of_samples_does_not_matter(params):
    order = np.random.default_rng(0).permutation(len(Y))
    model, shuffled = regressor(**params).fit(X, Y), regressor(**params).fit(X[order], Y[order])
    assert_same_network(model.network_, shuffled.network_)
    assert model.certificate_ == shuffled.certificate_


# Options


@pytest.mark.parametrize(
    ("params", "proof", "scope"),
    [
        ({"patterns": "cutting_plane"}, True, "global"),
        ({"patterns": "enumerated"}, True, "global"),
        ({"patterns": "sampled", "n_patterns": 40}, True, "program"),
        ({"patterns": GATES}, True, "program"),
        ({"patterns": GATES.tolist()}, True, "program"),
        ({"oracle": "cells"}, True, "global"),
        ({"oracle": "search"}, False, "global"),
        ({"solver": "cvxpy:CLARABEL"}, True, "global"),
        ({"solver": "cvxpy:ECOS"}, True, "global"),
        ({"solver": "cvxpy:SCS", "tol": 1e-2}, True, "global"),
        ({"hidden_bias": False}, True, "global"),
        ({"fit_intercept": False}, True, "global"),
        ({"hidden_bias": False, "fit_intercept": False}, True, "global"),
    ],
)
def test_options(fitted, params, proof, scope):
    same_problem = params.keys() <= {"solver", "oracle", "tol", "patterns"} and scope == "global"
    model = regressor(**params).fit(X, Y)
    certificate = model.certificate_
    assert_honest(model, X, Y)
    assert model.status_ is Status.CONVERGED
    assert certificate.relative_gap <= model.tol
    assert (certificate.is_proof, certificate.scope) == (proof, scope)
    np.testing.assert_array_equal(model.predict(X), model.network_.predict(X))
    if not model.hidden_bias:
        assert not model.network_.hidden_bias.any()
    if not model.fit_intercept:
        assert not model.network_.output_bias.any()
    if same_problem:
        best = fitted.certificate_
        assert best.lower_bound <= certificate.objective <= best.objective / (1 - model.tol)
    else:
        assert certificate.objective >= fitted.certificate_.lower_bound


@pytest.mark.parametrize("hidden_bias", [True, False])
@pytest.mark.parametrize("patterns", ["sampled", "enumerated", GATES])
def test_gated_networks(patterns, hidden_bias):
    if patterns is GATES and not hidden_bias:
        patterns = GATES[:, :2]
    params = {"patterns": patterns, "hidden_bias": hidden_bias, "n_patterns": 30}
    model = regressor(activation="gated_relu", **params).fit(X, Y)
    design, network = reference.augment(X, hidden_bias), model.network_
    outputs = network.intercept + sum(
        (design @ gate >= 0) * (design @ weight)
        for gate, weight in zip(network.gates, network.weights, strict=True)
    )
    np.testing.assert_allclose(model.predict(X), outputs, rtol=0, atol=1e-12)
    norms = np.sqrt((network.weights**2).sum(axis=1)).sum()
    objective = 0.5 * np.mean((outputs - Y) ** 2) + model.alpha * norms
    certificate = model.certificate_
    assert certificate.objective == pytest.approx(objective, rel=1e-12)
    assert (certificate.is_proof, certificate.scope) == (True, "program")
    assert certificate.relative_gap <= model.tol
    # The gated optimum is never above that of ReLU on the same patterns.
    relu = regressor(**params).fit(X, Y)
    assert certificate.lower_bound <= relu.certificate_.objective
    with pytest.raises(ValueError, match="activation='gated_relu'"):
        model.to_torch()


def test_to_torch(fitted):
    import torch

    with torch.no_grad():
        outputs = fitted.to_torch()(torch.tensor(X))[:, 0].numpy()
    np.testing.assert_allclose(outputs, fitted.predict(X), rtol=0, atol=1e-12)
    with pytest.raises(NotFittedError):
        regressor().to_torch()


# Warm start


@pytest.mark.slow
def test_warm_start_needs_fewer_programs():
    warm = regressor(alpha=0.0005, warm_start=True).fit(HARD_X, HARD_Y)
    cold = warm.n_iter_, warm.certificate_.objective
    assert cold[0] > 2
    warm.fit(HARD_X, HARD_Y)
    assert warm.n_iter_ < cold[0]
    assert warm.certificate_.objective == pytest.approx(cold[1], rel=1e-3)
    assert_honest(warm, HARD_X, HARD_Y)


@pytest.mark.slow
def test_without_warm_start_a_second_fit_is_the_first(fitted):
    for other in [(HARD_X, HARD_Y), (X, -Y), (X, Y)]:
        model = regressor().fit(*other).fit(X, Y)
        assert_same_network(model.network_, fitted.network_)
        assert model.n_iter_ == fitted.n_iter_


def test_warm_start_on_other_data_starts_afresh(fitted):
    model = regressor(warm_start=True).fit(HARD_X, HARD_Y).fit(X, Y)
    assert_same_network(model.network_, fitted.network_)
    assert model.n_iter_ == fitted.n_iter_
    gated = regressor(warm_start=True, activation="gated_relu", patterns="sampled").fit(X, Y)
    gated.set_params(activation="relu", patterns="cutting_plane").fit(X, Y)
    assert_same_network(gated.network_, fitted.network_)


def test_warm_start_without_the_hidden_bias_of_before():
    model = regressor(warm_start=True).fit(X, Y).set_params(hidden_bias=False).fit(X, Y)
    cold = regressor(hidden_bias=False).fit(X, Y)
    assert not model.network_.hidden_bias.any()
    assert model.certificate_.objective == pytest.approx(cold.certificate_.objective, rel=1e-3)
    assert_honest(model, X, Y)


# Output


def test_verbose_prints_a_line_a_round(capsys):
    model = regressor(verbose=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(model.history_)
    assert "objective" in lines[0] and "lower bound" in lines[0]
    assert f"{model.certificate_.objective:.6g}" in lines[-1]


def test_silence_is_the_default(capfd):
    regressor().fit(X, Y)
    regressor(patterns="sampled").fit(X, Y)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_convergence_warning_says_gap_and_tol():
    model = regressor(alpha=0.002, max_iter=1)
    with pytest.warns(ConvergenceWarning, match="max_iter") as record:
        model.fit(HARD_X, HARD_Y)
    assert len(record) == 1
    message, gap = str(record[0].message), model.certificate_.relative_gap
    assert f"relative gap {gap:.1e}" in message and "tol=1.0e-03" in message
    assert record[0].filename == __file__
    assert gap > model.tol
    assert (model.n_iter_, model.status_) == (1, Status.MAX_ITER)
    assert_honest(model, HARD_X, HARD_Y)


@pytest.mark.parametrize("patterns", ["cutting_plane", "sampled", "enumerated"])
def test_a_solver_at_its_limit_warns_even_if_the_gap_is_small(monkeypatch, patterns):
    monkeypatch.setattr(Status, "of_cvxpy", lambda text: Status.USER_LIMIT)
    # The warning is about the network that training ends with.
    model = regressor(patterns=patterns, solver="cvxpy:CLARABEL", minimal=False)
    with pytest.warns(SolverWarning, match=r"solver='cvxpy:CLARABEL'.*USER_LIMIT") as record:
        model.fit(X, Y)
    assert [warning.category for warning in record] == [SolverWarning]
    assert f"{model.certificate_.relative_gap:.1e}" in str(record[0].message)
    assert model.certificate_.relative_gap <= model.tol
    assert_honest(model, X, Y)


@pytest.mark.parametrize("patterns", ["cutting_plane", "sampled", "enumerated"])
def test_an_inaccurate_solver_warns_where_the_gap_is_open(monkeypatch, patterns):
    monkeypatch.setattr(Status, "of_cvxpy", lambda text: Status.INACCURATE)
    options = {"patterns": patterns, "solver": "cvxpy:CLARABEL"}
    regressor(**options).fit(X, Y)  # the gap, not the solver, has the last word
    model = regressor(**options, tol=0.0, max_iter=1)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        model.fit(X, Y)
    assert [warning.category for warning in record] == [SolverWarning, ConvergenceWarning]
    assert "INACCURATE" in str(record[0].message)
    assert_honest(model, X, Y)


@pytest.mark.parametrize("patterns", ["sampled", "enumerated"])
def test_solver_warning_if_time_is_too_short(patterns):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        model = regressor(patterns=patterns, n_patterns=300, time_limit=1e-6).fit(
            HARD_X[:, :2], HARD_Y
        )
    assert {warning.category for warning in record} == {SolverWarning, ConvergenceWarning}
    assert model.status_ is Status.USER_LIMIT
    assert_honest(model, HARD_X[:, :2], HARD_Y)
