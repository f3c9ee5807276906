"""The rows of the design, and the way from weights for them to networks and back."""

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu.networks.activation import activate
from tests import reference

X, Y = reference.teacher(8, 2, 3, 0.1, 0)


@pytest.mark.parametrize("hidden_bias", [False, True, "free"])
def test_rows(hidden_bias):
    problem = TrainingProblem(X, Y, 0.1, hidden_bias=hidden_bias)
    if hidden_bias == "free":
        centred = X - X.mean(axis=0)
        np.testing.assert_allclose(problem.design[:, :-1], centred, atol=1e-15)
        assert set(problem.design[:, -1]) == {300 * np.linalg.norm(centred, axis=1).max()}
    else:
        np.testing.assert_array_equal(problem.design, reference.augment(X, hidden_bias))
    assert not problem.design.flags.writeable


@pytest.mark.parametrize("hidden_bias", [False, True, "free"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_a_network_does_what_its_directions_do(hidden_bias, n_outputs):
    rng = np.random.default_rng(1)
    y = Y if n_outputs == 1 else rng.standard_normal((len(X), n_outputs))
    problem = TrainingProblem(X, y, 0.1, hidden_bias=hidden_bias, activation="absolute_value")
    directions = rng.standard_normal((4, problem.design.shape[1]))
    outer = rng.standard_normal((4, n_outputs))
    outer /= np.linalg.norm(outer, axis=1, keepdims=True)
    network = problem.network(directions, outer, np.zeros(n_outputs))
    outputs = activate(problem.design @ directions.T, problem.slope) @ outer
    np.testing.assert_allclose(
        network.predict(X).reshape(len(X), -1), outputs, rtol=1e-9, atol=1e-9
    )
    back = problem.directions(network)
    cosines = np.sum(back * directions, axis=1) / (
        np.linalg.norm(back, axis=1) * np.linalg.norm(directions, axis=1)
    )
    np.testing.assert_allclose(cosines, 1.0, rtol=1e-12)


@pytest.mark.parametrize("hidden_bias", [False, True, "free"])
def test_lengths_of_rows_are_shared_along_a_path(hidden_bias):
    problem = TrainingProblem(X, Y, 0.1, hidden_bias=hidden_bias)
    np.testing.assert_allclose(problem.lengths, np.linalg.norm(problem.design, axis=1), rtol=1e-14)
    assert problem.with_alpha(0.2).lengths is problem.lengths
    assert not problem.lengths.flags.writeable
