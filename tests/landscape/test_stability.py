import numpy as np
import pytest

from convexrelu import TwoLayerNetwork
from convexrelu.landscape import interpolating_fit, leave_one_out, penalised_fit


def mean_of_targets(X, y):
    return TwoLayerNetwork.constant(X.shape[1], y.mean())


def test_the_mean_by_hand():
    y = np.array([0.0, 1.0, 5.0])
    found = leave_one_out(mean_of_targets, np.zeros((3, 1)), y)
    np.testing.assert_allclose(found.fitted, 2.0)
    np.testing.assert_allclose(found.left_out, [3.0, 2.5, 0.5])
    np.testing.assert_allclose(found.change, np.mean([1, 0.5, 1.5]))
    np.testing.assert_allclose(found.error, np.mean([9, 1.5**2, 4.5**2]))
    losses = 0.5 * np.array([[9, 2.25, 20.25], [4, 1, 9]])
    np.testing.assert_allclose(found.stability, np.abs(losses[0] - losses[1]).mean())


def test_small_penalties_tend_to_the_interpolant():
    X = np.array([-1.0, 0.1, 0.9])[:, None]
    y = np.sin(3 * X[:, 0])
    limit = leave_one_out(interpolating_fit(random_state=0), X, y)
    np.testing.assert_allclose(limit.fitted, y, atol=1e-5)
    small = leave_one_out(penalised_fit(1e-5, random_state=0), X, y)
    assert abs(small.change - limit.change) < 0.05 * limit.change


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="y"):
        leave_one_out(mean_of_targets, np.zeros((3, 1)), np.zeros(2))
