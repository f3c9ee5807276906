"""Piecewise linear approximations of smooth networks: within the tolerance, with few pieces."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.neural_network import MLPRegressor
from torch import nn

from convexrelu.regions import count_regions_in_box, linear_approximation
from tests.regions.test_pieces import deep, outputs


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid])
@pytest.mark.parametrize("tol", [0.3, 1e-3])
def test_the_tolerance_holds_in_the_box(activation, tol):
    module = deep(2, 5, 2, activation=activation)
    lower, upper = np.array([-6.0, -1.0]), np.array([9.0, 2.0])
    found = linear_approximation(module, lower, upper, tol)
    points = np.random.default_rng(0).uniform(lower, upper, (4000, 2))
    points = np.vstack([points, lower, upper])
    errors = np.abs(found.network.forward(points) - outputs(module, points))
    assert errors.max() <= tol * (1 + 1e-9)
    # A knot less for a unit would use the part of the tolerance that is its own: some of it is used.
    assert errors.max() >= tol / 20
    assert found.network.width == (found.n_pieces - 1).sum()
    assert count_regions_in_box(found.network, lower, upper) >= found.n_pieces.max()


def test_one_unit_uses_the_whole_tolerance_on_all_pieces_but_the_last():
    """An interpolant with pieces of the largest error h needs half as many pieces for an error of 4 h."""
    module = deep(1, 1, 1, activation=nn.Tanh)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(1.0)
    few = linear_approximation(module, [-4.0], [2.0], 1e-4)
    many = linear_approximation(module, [-4.0], [2.0], 1e-4 / 4)
    assert abs(many.n_pieces[0] - 2 * few.n_pieces[0]) <= 2
    knots = -few.network.hidden_bias
    x = np.concatenate([np.linspace(a, b, 200) for a, b in pairwise(knots)])
    errors = np.abs(few.network.forward(x[:, None]) - outputs(module, x[:, None]))
    errors = errors.reshape(len(knots) - 1, 200).max(axis=1)
    np.testing.assert_allclose(errors, 1e-4, rtol=1e-3)


def test_saturated_constant_and_dead_units():
    module = deep(1, 3, 1, activation=nn.Tanh)
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1e3], [0.0], [1.0]]))
        module[0].bias.copy_(torch.tensor([5e4, 0.5, 0.0]))
    found = linear_approximation(module, [-1.0], [1.0], 1e-3)
    assert found.n_pieces[:2].tolist() == [1, 1]
    points = np.linspace(-1, 1, 300)[:, None]
    assert np.abs(found.network.forward(points) - outputs(module, points)).max() <= 1e-3
    with torch.no_grad():
        module[2].weight.zero_()
    assert linear_approximation(module, [-1.0], [1.0], 1e-3).network.width == 0


def test_networks_of_scikit_learn():
    X = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    model = MLPRegressor(
        hidden_layer_sizes=(4,),
        activation="logistic",
        solver="lbfgs",
        max_iter=400,
        tol=1e-3,
        random_state=0,
    )
    model.fit(X, X[:, 0] * X[:, 1])
    found = linear_approximation(model, [-1, -1], [1, 1], 0.01)
    assert np.abs(found.network.predict(X) - model.predict(X)).max() <= 0.01


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_wrong_arguments_are_named():
    module = deep(2, 3, 1, activation=nn.Tanh)
    for call, message in [
        (lambda: linear_approximation(module, [0, 0], [1, 1], 0), "tol=0"),
        (lambda: linear_approximation(module, [0], [1, 1], 0.1), "lower has shape"),
        (
            lambda: linear_approximation(deep(2, 3, 1), [0, 0], [1, 1], 0.1),
            "made of .Linear, ReLU, Linear",
        ),
        (lambda: linear_approximation(np.eye(2), [0, 0], [1, 1], 0.1), "network is a ndarray"),
        (
            lambda: linear_approximation(
                MLPRegressor(hidden_layer_sizes=(2,), max_iter=1).fit([[0.0], [1.0]], [0.0, 1.0]),
                [0],
                [1],
                1,
            ),
            "activation='relu' and 1 hidden",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
