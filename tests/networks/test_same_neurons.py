"""Groups of equal neurons are those of a comparison of all pairs."""

import numpy as np
import pytest

from convexrelu.networks.same_neurons import Ball, same_neurons


def by_all_pairs(weights, bias, tol, even, ball):
    """Leaders, from the inputs of unit neurons on the ball."""
    scale = np.linalg.norm(weights, axis=1)
    units, kinks = weights / scale[:, None], bias / scale
    if ball is not None:
        kinks = kinks + units @ ball.centre
    leaders = np.arange(len(units))
    for j in range(len(units)):
        reach = min(abs(kinks[j]) or 1.0, 1.0) if ball is None else ball.radius
        far = (abs(kinks[j]) or 1.0) if ball is None else ball.radius
        for k in range(j):
            apart = [
                far * np.linalg.norm(units[k] - s * units[j]) + abs(kinks[k] - s * kinks[j])
                for s in ((1, -1) if even else (1,))
            ]
            if leaders[k] == k and min(apart) <= tol * reach:
                leaders[j] = k
                break
    return leaders


@pytest.mark.parametrize("ball", [None, Ball(np.array([3.0, 0.0, -4.0]), 2.0)])
@pytest.mark.parametrize("even", [False, True])
def test_as_by_comparing_all_pairs(even, ball):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((12, 4))
    rows = centres[rng.integers(0, 12, 60)] + 1e-8 * rng.standard_normal((60, 4))
    rows *= rng.choice([-1.0, 1.0], (60, 1)) * rng.uniform(0.5, 2.0, (60, 1))
    weights, bias = rows[:, :3], rows[:, 3]
    leaders, factors = same_neurons(weights, bias, 1e-5, even=even, ball=ball)
    np.testing.assert_array_equal(leaders, by_all_pairs(weights, bias, 1e-5, even, ball))
    assert (len(np.unique(leaders)) == 12) == even
    same = rows / factors[:, None]
    np.testing.assert_allclose(same, same[leaders], atol=1e-6)
