"""Descents end at minima, on kinks as well."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.landscape import LossLandscape, Minima, find_minima
from convexrelu.landscape.descents import descents
from convexrelu.landscape.minima import _shortest

X = np.linspace(-1, 1, 20)[:, None]
Y = np.sin(4 * X[:, 0]) + 0.1 * np.random.RandomState(0).normal(size=20)
PROBLEM = TrainingProblem(X, Y, alpha=1e-3)


@pytest.fixture(scope="module")
def optimum():
    return train(PROBLEM, tol=1e-6, random_state=0)


@pytest.fixture(scope="module")
def ends():
    """A landscape with kinks, and where descents on it end."""
    landscape = LossLandscape.from_problem(PROBLEM, 2)
    return landscape, find_minima(landscape, 6, max_iter=300, random_state=0)


def test_a_quadratic_needs_few_steps():
    curvatures = np.array([1.0, 10.0, 1e4])
    calls = []

    def gradients(x):
        calls.append(len(x))
        return 0.5 * (curvatures * x**2).sum(axis=1), curvatures * x

    ends = descents(
        gradients, np.array([[1.0, 1.0, 1.0], [5.0, -3.0, 0.2]]), gtol=1e-9, max_iter=200
    )
    np.testing.assert_allclose(ends, 0.0, atol=1e-9)
    assert len(calls) < 100


def test_a_kink_does_not_stop_a_descent():
    """``|x| + 2|y − x|``: steepest descent zigzags; the minimum at (0, 0) is on both kinks."""

    def gradients(z):
        x, y = z.T
        signs = np.sign(x), np.sign(y - x)
        slope = np.column_stack([signs[0] - 2 * signs[1], 2 * signs[1]])
        return np.abs(x) + 2 * np.abs(y - x), slope

    ends = descents(gradients, np.array([[1.0, 0.3], [-2.0, 5.0]]), gtol=1e-9, max_iter=500)
    np.testing.assert_allclose(ends, 0.0, atol=1e-6)


def test_a_stationary_start_stays():
    start = np.ones((1, 2))
    ends = descents(lambda x: (x[:, 0], 0 * x), start, gtol=1e-9, max_iter=5)
    np.testing.assert_array_equal(ends, start)


def test_ends_are_lower_than_starts_but_not_than_the_certified_optimum(optimum, ends):
    landscape, minima = ends
    assert optimum.certificate.is_proof
    assert (np.diff(minima.losses) >= 0).all()
    assert minima.losses[0] >= optimum.certificate.lower_bound
    starts = landscape.start(6, np.random.RandomState(0))
    assert (minima.losses < np.sort(landscape.losses(starts))).all()


def test_a_descent_from_near_the_optimum_leads_back(optimum):
    network = optimum.network.merge().balance()
    landscape = LossLandscape.from_problem(PROBLEM, network.width)
    start = landscape.point_of(network) + 3e-3 * np.random.RandomState(0).normal(
        size=landscape.size
    )
    best = optimum.certificate.objective
    assert landscape.losses(start) > 1.0005 * best
    minima = find_minima(landscape, starts=start, max_iter=200)
    assert best * (1 - 1e-6) <= minima.losses[0] <= 1.0001 * best


def test_minima_on_kinks_are_stationary_although_gradients_are_not_small(ends):
    landscape, minima = ends
    _, gradients = landscape.gradients(minima.points)
    assert np.linalg.norm(gradients, axis=1).max() > 1e-4  # some are on kinks
    # The hull of gradients sees what moves of 1e-6 show: about that, times the curvature of about one.
    assert np.median(minima.stationarity) < 1e-5


def test_shortest_combinations():
    assert _shortest(np.array([[1.0, 1.0], [1.0, -3.0]])) == pytest.approx(1.0)
    assert _shortest(np.array([[2.0, 0.0], [-1.0, 0.0]])) == pytest.approx(0.0, abs=1e-12)
    assert _shortest(np.array([[3.0, 4.0]])) == pytest.approx(5.0)
    assert _shortest(np.zeros((2, 2))) == 0.0


def test_distinct_minima_have_other_outputs():
    landscape = LossLandscape([[0.0], [1.0]], [0.0, 1.0], 2, hidden_bias=False)
    point = landscape.point([[1.0], [2.0]], [1.0, -1.0], 0.3)
    swapped = landscape.point([[2.0], [1.0]], [-1.0, 1.0], 0.3)
    other = landscape.point([[2.0], [1.0]], [1.0, -1.0], 0.3)
    minima = Minima(np.array([point, swapped, other]), np.arange(3.0), np.zeros(3))
    np.testing.assert_array_equal(minima.distinct(landscape).points, [point, other])
    assert len(minima[:2]) == 2


def test_progress_and_seeds():
    landscape = LossLandscape(X, Y, 2, activation="tanh")
    seen = []
    first = find_minima(
        landscape, 2, max_iter=5, random_state=1, progress=lambda t, l: seen.append(t)
    )
    second = find_minima(landscape, 2, max_iter=5, random_state=1)
    assert seen == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(first.points, second.points)
