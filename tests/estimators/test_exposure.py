"""Counts with exposure: the deviance is written down here with an offset, as other packages have it."""

import cvxpy as cp
import numpy as np
import pytest
from sklearn import config_context
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import d2_tweedie_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexrelu import ConvexReLURegressor, ConvexReLURegressorCV
from convexrelu.estimators.exposure import rates_of
from convexrelu.losses import Poisson
from tests import reference

RNG = np.random.default_rng(0)
N = 8
X = RNG.standard_normal((N, 1))
EXPOSURE = RNG.uniform(0.1, 5.0, N)
Y = RNG.poisson(EXPOSURE * np.exp(np.abs(X[:, 0])))
WEIGHT = RNG.uniform(0.5, 2.0, N)
ALPHA = 0.05


def half_deviance(y, mean):
    logarithm = np.where(y > 0, y * np.log(np.maximum(y, 1e-300) / mean), 0.0)
    return logarithm - y + mean


def regressor(**params):
    return ConvexReLURegressor(ALPHA, loss="poisson", tol=1e-6, random_state=0, **params)


@pytest.fixture(scope="module")
def fitted():
    return regressor().fit(X, Y, WEIGHT, exposure=EXPOSURE)


def test_the_deviance_of_counts_is_that_of_rates_times_exposure():
    y, exposure = RNG.poisson(2.0, 200), np.exp(RNG.uniform(-9, 9, 200))
    f = 2 * RNG.standard_normal(200)
    rates, weights = rates_of(y, None, exposure)
    expected = half_deviance(y, exposure * np.exp(f))
    sizes = y * (1 + np.abs(np.log(exposure)) + np.abs(f)) + exposure * np.exp(f)
    assert (np.abs(weights * Poisson().value(f, rates) - expected) <= 1e-13 * sizes).all()


def test_the_optimum_is_that_of_a_program_with_an_offset(fitted):
    offset, scale = np.log(EXPOSURE), WEIGHT @ EXPOSURE
    constant = half_deviance(Y, 1.0) - 1.0

    def deviance(f, y):
        return cp.exp(f + offset) - cp.multiply(y, f + offset) + constant

    # The objective is per unit of exposure; that of the program is a mean over weights.
    optimum = reference.constrained_optimum(
        X,
        Y,
        ALPHA * scale / WEIGHT.sum(),
        loss=deviance,
        limits=np.zeros(1),
        signs=[1, -1],
        weights=WEIGHT,
    )
    expected = optimum * WEIGHT.sum() / scale
    assert fitted.certificate_.is_proof
    assert fitted.certificate_.objective == pytest.approx(expected, rel=2e-6)
    assert fitted.certificate_.lower_bound <= expected * (1 + 1e-7)


def test_predictions_are_rates_or_counts(fitted):
    rates = fitted.predict(X)
    np.testing.assert_allclose(np.log(rates), fitted.network_.predict(X), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(fitted.predict(X, exposure=EXPOSURE), rates * EXPOSURE)
    # The intercept is not penalised.
    expected = WEIGHT @ fitted.predict(X, exposure=EXPOSURE)
    assert expected == pytest.approx(WEIGHT @ Y, rel=1e-4)


def test_the_score_is_the_deviance_that_is_explained(fitted):
    rate = WEIGHT @ Y / (WEIGHT @ EXPOSURE)
    means = fitted.predict(X, exposure=EXPOSURE)
    left = WEIGHT @ half_deviance(Y, means) / (WEIGHT @ half_deviance(Y, rate * EXPOSURE))
    assert fitted.score(X, Y, WEIGHT, exposure=EXPOSURE) == pytest.approx(1 - left)


def test_without_exposure_the_score_is_that_of_scikit_learn(fitted):
    linear = PoissonRegressor().fit(X, Y)
    linear.coef_, linear.intercept_ = np.zeros(1), np.log(Y.mean())
    assert linear.score(X, Y) == pytest.approx(0.0, abs=1e-12)
    expected = d2_tweedie_score(Y, fitted.predict(X), power=1)
    assert fitted.score(X, Y) == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore::convexrelu.AlphaWarning")
def test_equal_counts_are_explained_or_not():
    model = ConvexReLURegressor(1.0, loss="poisson").fit(X, np.full(N, 3))
    assert model.score(X, np.full(N, 3)) == 1.0
    assert model.score(X, np.full(N, 4)) == model.score(X, np.zeros(N)) == 0.0


def test_several_counts_share_their_exposure():
    y = np.column_stack([Y, Y[::-1]])
    model = ConvexReLURegressor(1.0, loss="poisson", random_state=0).fit(X, y, exposure=EXPOSURE)
    np.testing.assert_array_equal(model.predict(X, exposure=2 * np.ones(N)), 2 * model.predict(X))
    assert model.score(X, y, exposure=EXPOSURE) <= 1


def test_cross_validation_scores_by_deviance_per_exposure():
    model = ConvexReLURegressorCV(alphas=[10.0], loss="poisson", cv=2, random_state=0)
    model.fit(X, Y, exposure=EXPOSURE)
    half = slice(0, N // 2), slice(N // 2, N)
    for fold, (without, within) in enumerate([half, half[::-1]]):
        mean = EXPOSURE[without] * Y[within].sum() / EXPOSURE[within].sum()  # no neuron
        expected = half_deviance(Y[without], mean).sum() / EXPOSURE[without].sum()
        assert -model.cv_scores_[0, fold] == pytest.approx(expected)
    assert model.predict(X, exposure=EXPOSURE).sum() == pytest.approx(Y.sum())


def test_exposure_is_metadata():
    with config_context(enable_metadata_routing=True):
        model = ConvexReLURegressor(loss="poisson", alpha_scale="relative", random_state=0)
        model = model.set_fit_request(exposure=True).set_score_request(exposure=True)
        model = model.set_predict_request(exposure=True)
        search = GridSearchCV(model, {"alpha": [1.5]}, cv=2).fit(X, Y, exposure=EXPOSURE)
        model = make_pipeline(StandardScaler(), search.best_estimator_)
        model.fit(X, Y, exposure=EXPOSURE)
        assert model.predict(X, exposure=EXPOSURE).sum() == pytest.approx(Y.sum())
    y, exposure = Y[: N // 2], EXPOSURE[: N // 2]
    rate, own = Y[N // 2 :].sum() / EXPOSURE[N // 2 :].sum(), y.sum() / exposure.sum()
    left, all_ = (half_deviance(y, mean * exposure).sum() for mean in (rate, own))
    assert search.cv_results_["split0_test_score"][0] == pytest.approx(1 - left / all_)


@pytest.mark.parametrize(
    ("exposure", "message"),
    [
        (np.zeros(N), r"exposure has the entry 0; it must be positive"),
        (-EXPOSURE, r"exposure has the entry -"),
        (EXPOSURE[1:], rf"exposure has shape \({N - 1},\), expected \({N},\)"),
        (np.full(N, np.nan), "exposure contains NaN or infinity"),
        ("years", "exposure is not an array of"),
    ],
)
def test_bad_exposures(fitted, exposure, message):
    for use in (
        lambda: regressor().fit(X, Y, exposure=exposure),
        lambda: fitted.predict(X, exposure=exposure),
        lambda: fitted.score(X, Y, exposure=exposure),
    ):
        with pytest.raises(ValueError, match=message):
            use()


def test_bad_uses_of_exposure(fitted):
    with pytest.raises(ValueError, match="exposure is for counts, with loss='poisson'"):
        ConvexReLURegressor().fit(X, Y, exposure=EXPOSURE)
    with pytest.raises(ValueError, match="exposure is for counts, with loss='poisson'"):
        ConvexReLURegressorCV().fit(X, Y, exposure=EXPOSURE)
    with pytest.raises(ValueError, match="y has the entry -1; with exposure it has counts"):
        regressor().fit(X, -np.ones(N), exposure=EXPOSURE)
    with pytest.raises(ValueError, match=r"exposure.* overflow"):
        regressor().fit(X, np.full(N, 1e100), exposure=np.full(N, 5e-324))
    with pytest.raises(ValueError, match="sample_weight has shape"):
        regressor().fit(X, Y, WEIGHT[1:], exposure=EXPOSURE)
