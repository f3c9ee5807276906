"""The regressor with other losses, activations and several targets: the objective is recomputed in plain NumPy."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

from convexrelu import ConvexReLURegressor, ConvexReLURegressorCV
from convexrelu.losses import Huber, Quantile
from tests.honest import assert_same_network

RNG = np.random.default_rng(0)
X = RNG.standard_normal((30, 2))
Y = np.abs(X[:, 0]) + 0.1 * RNG.standard_normal(30)
COUNTS = RNG.poisson(np.exp(0.5 * X[:, 0] + 0.3)).astype(float)
TWO = np.column_stack([np.abs(X[:, 0]), np.maximum(X[:, 1], 0) - X[:, 0]])

LOSSES = {
    "squared_error": lambda f, y: (f - y) ** 2 / 2,
    "absolute_error": lambda f, y: np.abs(f - y),
    "huber": lambda f, y: np.where(abs(f - y) < 1, (f - y) ** 2 / 2, abs(f - y) - 0.5),
    "quantile": lambda f, y: np.abs(f - y) / 2,
    "poisson": lambda f, y: (
        np.exp(f) - y * f + np.where(y > 0, y * np.log(np.maximum(y, 1)) - y, 0)
    ),
}
SLOPES = {"relu": 0.0, "leaky_relu": 0.01, "absolute_value": -1.0}


def regressor(**params):
    return ConvexReLURegressor(**{"alpha": 0.02, "random_state": 0, **params})


def outputs_of(network, slope=0.0):
    seen = X @ network.hidden_weights.T + network.hidden_bias
    hidden = np.where(seen > 0, seen, slope * seen)
    outputs = hidden @ network.output_weights.T + network.output_bias
    return outputs[:, 0] if outputs.shape[1] == 1 else outputs


def assert_certified(model, y, loss="squared_error", slope=0.0, free=False):
    network, certificate = model.network_, model.certificate_
    values = LOSSES[loss](outputs_of(network, slope), y)
    fit = values.reshape(len(y), -1).sum(axis=1).mean()
    inner = network.hidden_weights**2
    decay = inner.sum() + (network.output_weights**2).sum()
    decay += 0.0 if free else (network.hidden_bias**2).sum()
    assert certificate.objective == pytest.approx(fit + model.alpha / 2 * decay, rel=1e-9)
    assert certificate.lower_bound <= certificate.objective * (1 + 1e-12)
    assert certificate.relative_gap <= model.tol


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss):
    y = COUNTS if loss == "poisson" else Y
    model = regressor(loss=loss).fit(X, y)
    assert_certified(model, y, loss)
    outputs = outputs_of(model.network_)
    expected = np.exp(outputs) if loss == "poisson" else outputs
    np.testing.assert_allclose(model.predict(X), expected)


def test_losses_with_parameters():
    model = regressor(loss=Quantile(level=0.9), alpha=0.05, tol=1e-4).fit(X, Y)
    # At the optimum with an intercept, at most a tenth of the samples are above.
    above = (model.predict(X) < Y - 1e-6).mean()
    assert above <= 0.1 + 1e-9 < 0.5
    assert clone(model).get_params()["loss"] == Quantile(level=0.9)
    wide = regressor(loss=Huber(delta=1e6), tol=1e-6).fit(X, Y)
    square = regressor(tol=1e-6).fit(X, Y)
    assert wide.certificate_.objective == pytest.approx(square.certificate_.objective, rel=3e-6)


def test_counts_must_not_be_negative():
    with pytest.raises(ValueError, match=r"\by\b.*poisson"):
        regressor(loss="poisson").fit(X, Y - 3)


@pytest.mark.parametrize("activation", SLOPES)
def test_activations(activation):
    model = regressor(activation=activation).fit(X, Y)
    assert_certified(model, Y, slope=SLOPES[activation])


def test_the_slope_of_leaky_units():
    model = regressor(activation="leaky_relu", negative_slope=0.3).fit(X, Y)
    assert_certified(model, Y, slope=0.3)


def test_free_biases():
    model = regressor(hidden_bias="free").fit(X, Y)
    assert_certified(model, Y, free=True)
    assert model.certificate_.objective <= regressor().fit(X, Y).certificate_.objective
    with pytest.raises(ValueError, match="hidden_bias='free'"):
        regressor(hidden_bias="free", fit_intercept=False).fit(X, Y)


def test_skip_connections():
    model = regressor(skip=True, skip_alpha=0.1).fit(X, Y)
    network = model.network_
    outputs = outputs_of(network) + X @ network.skip_weights[0]
    np.testing.assert_allclose(model.predict(X), outputs)
    parts = network.hidden_weights, network.hidden_bias, network.output_weights
    decay = model.alpha * sum((part**2).sum() for part in parts)
    decay += 0.1 * (network.skip_weights**2).sum()
    objective = np.mean((outputs - Y) ** 2) / 2 + decay / 2
    assert model.certificate_.objective == pytest.approx(objective, rel=1e-9)
    assert model.certificate_.relative_gap <= model.tol


# Several targets


@pytest.fixture(scope="module")
def several():
    return regressor(alpha=0.05).fit(X, TWO)


def test_several_targets_share_their_neurons(several):
    assert_certified(several, TWO)
    assert several.network_.n_outputs == 2
    assert several.predict(X).shape == TWO.shape
    np.testing.assert_allclose(several.predict(X), outputs_of(several.network_))
    assert several.score(X, TWO) > 0.8


def test_equal_targets_cost_less_together():
    """Two copies of a target: ``alpha √2 ‖u‖`` for both, so the objective is twice that with ``alpha/√2``."""
    twice = regressor(alpha=0.05, tol=1e-5).fit(X, np.column_stack([Y, Y]))
    once = regressor(alpha=0.05 / np.sqrt(2), tol=1e-5).fit(X, Y)
    expected = 2 * once.certificate_.objective
    assert twice.certificate_.objective == pytest.approx(expected, rel=3e-5)


def test_a_column_is_one_target():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        model = regressor().fit(X, Y[:, None])
    assert_same_network(model.network_, regressor().fit(X, Y).network_)


def test_warm_start_with_another_number_of_targets():
    model = regressor(alpha=0.05, warm_start=True).fit(X, Y).fit(X, TWO)
    assert_certified(model, TWO)


@pytest.mark.parametrize(("loss", "y"), [("poisson", COUNTS), ("squared_error", TWO)])
def test_cross_validation_scores_the_loss(loss, y):
    model = ConvexReLURegressorCV(alphas=[0.5, 0.05], cv=3, loss=loss, random_state=0).fit(X, y)
    train, test = np.arange(10, 30), np.arange(10)
    single = regressor(alpha=0.5, loss=loss, tol=1e-5).fit(X[train], y[train])
    predicted = np.log(single.predict(X[test])) if loss == "poisson" else single.predict(X[test])
    losses = LOSSES[loss](predicted, y[test]).reshape(10, -1).sum(axis=1)
    assert model.cv_scores_[0, 0] == pytest.approx(-losses.mean(), rel=0.05)


# Fewest neurons


def test_minimal_networks_have_the_same_outputs():
    wide = regressor(alpha=0.002, minimal=False).fit(X, Y)
    small = regressor(alpha=0.002, minimal=True).fit(X, Y)
    assert small.network_.width <= wide.network_.width
    np.testing.assert_allclose(small.predict(X), wide.predict(X), atol=1e-7)
    certificate = small.certificate_
    assert certificate.objective <= wide.certificate_.objective * (1 + 1e-9)
    assert certificate.lower_bound == wide.certificate_.lower_bound
    assert small.history_[-1].objective == certificate.objective
    assert small.history_[-1].width == small.network_.width
    assert_certified(small, Y)


def test_minimal_networks_have_neurons():
    with pytest.raises(ValueError, match="minimal=True"):
        regressor(minimal=True, activation="gated_relu", patterns="sampled").fit(X, Y)
