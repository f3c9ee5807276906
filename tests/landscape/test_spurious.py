"""Constructed minima against least squares, finite probes, and better networks with a proof."""

import numpy as np
import pytest
from scipy.interpolate import PPoly

from convexrelu import TrainingProblem, train
from convexrelu.landscape import cell_summary, spurious_minimum

HARD_TANH = PPoly(np.array([[0.0, 1.0, 0.0], [-1.0, -1.0, 1.0]]), [-2.0, -1.0, 1.0, 2.0])
# Slopes 1, −½ and 2, none of them on the right of zero.
ZIGZAG = PPoly(np.array([[1.0, -0.5, 2.0], [0.0, 1.0, 0.0]]), [-4.0, -3.0, -1.0, 0.0])
ACTIVATIONS = ["relu", "leaky_relu", "absolute_value", HARD_TANH, ZIGZAG]


def data(n=30, d=3, n_outputs=1, seed=0):
    random = np.random.RandomState(seed)
    X = 2 + random.standard_normal((n, d)) @ np.diag(np.arange(1.0, d + 1))
    return X, np.squeeze(np.abs(X[:, :n_outputs]) + random.standard_normal((n, n_outputs)))


def least_squares(X, y):
    columns = np.column_stack([X, np.ones(len(X))])
    fit, *_ = np.linalg.lstsq(columns, y)
    return 0.5 * np.square(columns @ fit - y).sum() / len(X)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: a if isinstance(a, str) else "")
@pytest.mark.parametrize(("width", "n_outputs"), [(1, 1), (4, 1), (5, 2)])
class TestAnyActivation:
    def test_is_a_local_minimum_with_the_loss_of_least_squares(self, activation, width, n_outputs):
        X, y = data(n_outputs=n_outputs)
        found = spurious_minimum(X, y, width=width, activation=activation, random_state=0)
        least = least_squares(X, y)
        assert found.is_local_minimum
        assert abs(found.loss - least) <= 1e-9 * least
        own = 0.5 * np.square(found.predict(X) - y).sum() / len(X)
        assert abs(own - least) <= 1e-9 * least
        # Second-order conditions: no slope, no negative curvature.
        scale = found.eigenvalues.max()
        assert np.abs(found.gradient).max() <= 1e-9 * scale
        assert found.eigenvalues.min() >= -1e-9 * scale


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: a if isinstance(a, str) else "")
@pytest.mark.parametrize("slope", [0.0, 1e-12, 1e-6])
def test_a_fit_that_is_nearly_constant(activation, slope):
    """The slope of the fit, also if it is only rounding, must not be the distance to the end of a piece."""
    x = np.linspace(-1, 1, 15)
    found = spurious_minimum(
        x[:, None], 8 * np.abs(x) + slope * x, width=4, activation=activation, random_state=0
    )
    assert found.is_local_minimum and found.margin > 0.01


def test_no_network_nearby_is_better():
    """All units stay on their pieces, so that no probe is below the least squares fit."""
    X, y = data()
    found = spurious_minimum(X, y, width=4, random_state=0).network
    random = np.random.RandomState(0)
    least = least_squares(X, y)
    for _ in range(200):
        moved = found._with(
            hidden_weights=found.hidden_weights + 0.02 * random.standard_normal((4, 3)),
            hidden_bias=found.hidden_bias + 0.02 * random.standard_normal(4),
            output_weights=found.output_weights + 0.02 * random.standard_normal((1, 4)),
        )
        assert (moved.hidden_features(X) > 0).all()
        assert 0.5 * np.square(moved.predict(X) - y).mean() >= least * (1 - 1e-12)


def test_the_proved_optimum_is_far_below():
    """He, Wang & Tao: the least squares fit is a local minimum, however good other networks are."""
    x = np.linspace(-1, 1, 15)
    X, y = x[:, None], 8 * np.abs(x)
    found = spurious_minimum(X, y, width=3, random_state=0)
    result = train(TrainingProblem(X, y, alpha=1e-6), tol=1e-4, random_state=0)
    assert result.certificate.is_proof
    # The optimum is between these two, with a penalty that is smaller still than the loss of the minimum.
    assert result.certificate.lower_bound <= result.certificate.objective < 1e-4 * found.loss
    assert abs(found.loss - least_squares(X, y)) <= 1e-9 * found.loss

    summary = cell_summary(found.network, X, y, alpha=1e-4, random_state=0)
    assert summary.certificate.n_linear == 3 and summary.is_spurious
    assert summary.optimum_objective >= 0.99 * found.loss


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_constant_features_and_constant_fits(shift):
    X = shift + np.column_stack([np.linspace(-1, 1, 21), np.ones(21)])
    found = spurious_minimum(X, (X[:, 0] - shift) ** 2, width=2, random_state=1)
    assert found.is_local_minimum


def test_far_from_the_origin_rounding_leaves_no_certificate():
    X = 1e12 + np.linspace(-1, 1, 21)[:, None]
    assert not spurious_minimum(X, X[:, 0] - 1e12, width=2, random_state=0).is_local_minimum


class TestRefusals:
    @pytest.mark.parametrize(
        ("activation", "message"),
        [
            ("tanh", "activation='tanh' is not known"),
            (PPoly(np.array([[0.0], [1.0]]), [0.0, 1.0]), "activation is constant"),
            (PPoly(np.array([[1.0, 1.0], [0.0, 5.0]]), [0.0, 1.0, 2.0]), "spline"),
        ],
    )
    def test_activations(self, activation, message):
        X, y = data()
        with pytest.raises(ValueError, match=message):
            spurious_minimum(X, y, width=2, activation=activation)

    def test_width_and_targets(self):
        X, y = data(n_outputs=2)
        with pytest.raises(ValueError, match="width=1 is not an integer of at least 2"):
            spurious_minimum(X, y, width=1)
        with pytest.raises(ValueError, match="y has shape"):
            spurious_minimum(X, y[:4], width=2)


def test_features_of_any_size():
    """The units of the features do not change the least squares fit."""
    X, y = data(d=2)
    found, scaled = (
        spurious_minimum(X * sizes, y, width=3, random_state=0) for sizes in ([1, 1], [1e9, 1e-9])
    )
    assert found.is_local_minimum and scaled.is_local_minimum
    assert scaled.loss == pytest.approx(found.loss, rel=1e-9)
