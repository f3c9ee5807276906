"""Values are those of the training problem; derivatives are those of finite differences."""

import numpy as np
import pytest
from scipy.special import expit

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.landscape import LossLandscape
from convexrelu.landscape import loss_landscape as module
from convexrelu.landscape.activations import ACTIVATIONS

RNG = np.random.RandomState(0)
X = RNG.normal(size=(7, 2))
Y = RNG.normal(size=7)
LABELS = np.sign(Y)


def random_network(width, n_outputs=1, slope=0.0):
    rng = np.random.RandomState(1)
    parts = rng.normal(size=(width, 2)), rng.normal(size=width), rng.normal(size=(n_outputs, width))
    return TwoLayerNetwork(*parts, rng.normal(size=n_outputs), negative_slope=slope)


@pytest.mark.parametrize(
    ("y", "options"),
    [
        (Y, {}),
        (Y, {"hidden_bias": "free", "sample_weight": np.arange(7.0)}),
        (LABELS, {"loss": "logistic"}),
        (Y, {"activation": "leaky_relu", "negative_slope": 0.3}),
        (np.column_stack([Y, Y**2]), {"activation": "absolute_value"}),
    ],
)
def test_the_loss_is_the_objective_of_the_problem(y, options):
    problem = TrainingProblem(X, y, alpha=0.1, **options)
    network = random_network(3, problem.n_outputs, problem.slope)
    landscape = LossLandscape.from_problem(problem, 4)
    point = landscape.point_of(network)
    assert landscape.losses(point) == pytest.approx(problem.objective(network), rel=1e-12)
    again = landscape.network(point)
    np.testing.assert_allclose(again.forward(X), network.forward(X), rtol=1e-13)


@pytest.mark.parametrize("output", [-800.0, -25.0, 0.0, 21.0, 800.0])
def test_classification_losses_are_exact_for_all_margins(output):
    landscape = LossLandscape(
        [[0.0]], [-1.0], 1, loss="logistic", hidden_bias=False, activation="tanh"
    )
    point = landscape.point([[0.0]], [0.0], output)
    assert landscape.losses(point) == pytest.approx(np.logaddexp(0.0, output), rel=1e-15)
    assert landscape.gradients(point)[1][2] == pytest.approx(expit(output), rel=1e-14)
    slope = expit(output) * expit(-output)
    assert landscape.hessians(point)[2, 2] == pytest.approx(slope, rel=1e-12, abs=1e-16)


def test_the_bound_of_a_certificate_holds_at_every_point():
    problem = TrainingProblem(X[:, :1], Y, alpha=0.05)
    certificate = train(problem, tol=1e-6, random_state=0).certificate
    assert certificate.is_proof
    landscape = LossLandscape.from_problem(problem, 3)
    points = RNG.normal(size=(200, landscape.size)) * RNG.uniform(0, 2, size=(200, 1))
    assert landscape.losses(points).min() >= certificate.lower_bound


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_derivatives_are_those_of_differences(activation):
    output, loss = (
        ("sigmoid", "mean_squared_error") if activation == "elu" else ("linear", "cross_entropy")
    )
    landscape = LossLandscape(
        X, (LABELS + 1) / 2, 3, activation=activation, output=output, loss=loss, alpha=0.1
    )
    point = np.random.RandomState(2).normal(size=landscape.size)
    step = 1e-5  # central differences: an error of about step², and of 1e-16/step from rounding
    shifts = step * np.eye(landscape.size)
    higher, up = landscape.gradients(point + shifts)
    lower, down = landscape.gradients(point - shifts)
    _, gradient = landscape.gradients(point)
    np.testing.assert_allclose(gradient, (higher - lower) / (2 * step), atol=1e-8)
    np.testing.assert_allclose(landscape.hessians(point), (up - down) / (2 * step), atol=1e-7)
    outputs = (landscape.outputs(point + shifts) - landscape.outputs(point - shifts)) / (2 * step)
    np.testing.assert_allclose(landscape.jacobians(point)[:, 0], outputs[..., 0].T, atol=1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_slopes_of_activations_are_their_derivatives(activation):
    from convexrelu._utils.torch_import import torch
    from convexrelu.landscape.activations import activation_of

    chosen = activation_of(activation)
    z = torch.linspace(-4.0, 4.0, 40, dtype=torch.float64)  # zero, a kink, is not among them
    expected = torch.func.vmap(torch.func.grad(chosen.value))(z)
    torch.testing.assert_close(chosen.derivative(z), expected)


def test_small_batches_change_nothing(monkeypatch):
    landscape = LossLandscape(X, Y, 2, activation="tanh")
    points = RNG.normal(size=(3, 4, landscape.size))
    whole = landscape.losses(points), *landscape.gradients(points), landscape.hessians(points)
    monkeypatch.setattr(module, "_BATCH", 1)
    parts = landscape.losses(points), *landscape.gradients(points), landscape.hessians(points)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    assert parts[3].shape == (3, 4, landscape.size, landscape.size)


def test_gradients_do_not_depend_on_the_mode_of_torch():
    from convexrelu._utils.torch_import import torch

    landscape = LossLandscape(X, Y, 2, activation="tanh")
    point = RNG.normal(size=landscape.size)
    expected = landscape.gradients(point)[1]
    with torch.no_grad():
        np.testing.assert_array_equal(landscape.gradients(point)[1], expected)


def test_points_come_apart_and_together():
    landscape = LossLandscape(X, np.column_stack([Y, Y]), 3, fit_intercept=True)
    point = np.arange(float(landscape.size))
    hidden, outer, intercept = landscape.parts(point)
    assert hidden.shape == (3, 3) and outer.shape == (2, 3) and intercept.shape == (2,)
    np.testing.assert_array_equal(landscape.point(hidden, outer, intercept), point)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width=0 is not an integer of at least 1"),
        ({"activation": "swish"}, "activation='swish' is not one of tanh"),
        ({"loss": "hinge"}, "loss='hinge' is not one of squared_error"),
        ({"output": "exp"}, "output='exp' is not one of linear"),
        ({"loss": "logistic", "output": "sigmoid", "y": LABELS}, "takes linear outputs"),
        ({"loss": "logistic"}, "entries other than −1 and 1"),
        ({"loss": "cross_entropy"}, r"outside \[0, 1\]"),
        ({"alpha": -1.0}, "alpha=-1.0 is not a number of at least 0"),
        ({"y": Y[:3]}, r"y has shape \(3,\), expected \(7,\)"),
    ],
)
def test_errors_name_the_argument(change, message):
    arguments = {"X": X, "y": Y, "width": 2} | change
    with pytest.raises(ValueError, match=message):
        LossLandscape(**arguments)


def test_other_problems_networks_and_points_are_refused():
    with pytest.raises(ValueError, match="skip connection"):
        LossLandscape.from_problem(TrainingProblem(X, Y, 0.1, skip=True, skip_alpha=1.0), 2)
    with pytest.raises(ValueError, match="loss='huber'"):
        LossLandscape.from_problem(TrainingProblem(X, Y, 0.1, loss="huber"), 2)
    landscape = LossLandscape(X, Y, 2, activation="tanh")
    with pytest.raises(ValueError, match=r"points have shape \(3,\), expected \(..., 9\)"):
        landscape.losses(np.zeros(3))
    with pytest.raises(ValueError, match="is no TwoLayerNetwork"):
        landscape.network(np.zeros(9))
    with pytest.raises(ValueError, match="width 3, expected at most 2"):
        landscape.point_of(random_network(3))


def test_networks_that_the_landscape_does_not_hold_are_refused():
    without = LossLandscape(X, Y, 3, hidden_bias=False, fit_intercept=False)
    with pytest.raises(ValueError, match="network has a hidden bias"):
        without.point_of(random_network(3))
    with pytest.raises(ValueError, match=r"negative_slope 0\.5, expected 0"):
        LossLandscape(X, Y, 3).point_of(random_network(3, slope=0.5))
