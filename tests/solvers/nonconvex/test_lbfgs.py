"""L-BFGS: directions, steps, and ends."""

import numpy as np
import pytest

from convexrelu.solvers.nonconvex.lbfgs import CurvaturePairs, lbfgs
from convexrelu.solvers.nonconvex.wolfe import search_wolfe


def never(z, value):
    return False


def quadratic(n, condition, seed=0):
    """Value and gradient of ``½ (z − c)ᵀ A (z − c)``, and its minimum ``c``."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.standard_normal((n, n)))
    matrix = (basis * np.geomspace(1.0, condition, n)) @ basis.T
    center = rng.standard_normal(n)

    def value_and_gradient(z):
        pull = matrix @ (z - center)
        return float(0.5 * (z - center) @ pull), pull

    return value_and_gradient, center


def rosenbrock(z):
    a, b = z[:-1], z[1:]
    gradient = np.zeros_like(z)
    gradient[:-1] = -400 * a * (b - a**2) - 2 * (1 - a)
    gradient[1:] += 200 * (b - a**2)
    return float((100 * (b - a**2) ** 2 + (1 - a) ** 2).sum()), gradient


# Directions


def by_two_loops(pairs, gradient):
    """``−H g`` as in Algorithm 7.4 of Nocedal and Wright (2006)."""
    q, alphas = gradient.copy(), []
    for s, y in reversed(pairs):
        alphas.append(s @ q / (s @ y))
        q -= alphas[-1] * y
    s, y = pairs[-1]
    r = q * (s @ y) / (y @ y)
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        r += s * (alpha - y @ r / (s @ y))
    return -r


@pytest.mark.parametrize("n_steps", [1, 3, 4, 5, 11])
def test_directions_are_those_of_two_loops_over_the_last_pairs(n_steps):
    value_and_gradient, _ = quadratic(30, 100.0)
    rng = np.random.default_rng(1)
    pairs, last = CurvaturePairs(4, 30), []
    z = rng.standard_normal(30)
    _, gradient = value_and_gradient(z)
    np.testing.assert_array_equal(pairs.direction(gradient), -gradient)
    for _ in range(n_steps):
        step = 0.01 * pairs.direction(gradient) + 0.01 * rng.standard_normal(30)
        z = z + step
        _, following = value_and_gradient(z)
        pairs.add(step, gradient, following)
        last = [*last, (step, following - gradient)][-4:]
        gradient = following
    expected = by_two_loops(last, gradient)
    error = np.linalg.norm(pairs.direction(gradient) - expected)
    assert pairs.n_pairs == min(n_steps, 4) and error < 1e-9 * np.linalg.norm(expected)


def test_steps_without_upward_curvature_are_not_remembered_and_spoil_nothing():
    """The function bends downwards along the second step."""
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((4, 6))
    first, third = 0.1 * (gradients[1] - gradients[0]), 0.2 * (gradients[3] - gradients[2])
    pairs = CurvaturePairs(3, 6)
    pairs.add(first, gradients[0], gradients[1])
    pairs.add(gradients[1] - gradients[2], gradients[1], gradients[2])
    assert pairs.n_pairs == 1
    pairs.add(third, gradients[2], gradients[3])
    last = [(first, gradients[1] - gradients[0]), (third, gradients[3] - gradients[2])]
    np.testing.assert_allclose(
        pairs.direction(gradients[3]), by_two_loops(last, gradients[3]), rtol=1e-8, atol=1e-10
    )


# Minimisation


@pytest.mark.parametrize("memory", [1, 5, 20])
@pytest.mark.parametrize("condition", [1.0, 1e4])
def test_it_ends_at_the_minimum_of_a_quadratic(memory, condition):
    value_and_gradient, center = quadratic(12, condition)
    found = lbfgs(value_and_gradient, np.zeros(12), memory=memory, most_steps=5000, ends_at=never)
    np.testing.assert_allclose(found, center, atol=1e-5)


def test_it_follows_a_curved_valley():
    start = np.tile([-1.2, 1.0], 5)
    found = lbfgs(rosenbrock, start, memory=10, most_steps=2000, ends_at=never)
    # Sums of squares with the minimum 0; there is a second local minimum near (−1, 1, …, 1).
    value, gradient = rosenbrock(found)
    assert np.linalg.norm(gradient) < 1e-4
    assert value < 1e-8 or value == pytest.approx(3.9866, abs=1e-3)


def test_values_never_rise_and_each_step_is_shown():
    shown = []

    def ends_at(z, value):
        assert value == rosenbrock(z)[0]
        shown.append(value)
        return len(shown) == 40

    start = np.full(8, -1.0)
    found = lbfgs(rosenbrock, start, memory=5, most_steps=1000, ends_at=ends_at)
    assert len(shown) == 40 and rosenbrock(found)[0] == shown[-1]
    assert (np.diff([rosenbrock(start)[0], *shown]) <= 0).all()


def test_it_takes_no_more_steps_than_are_allowed():
    shown = []
    lbfgs(
        rosenbrock,
        np.full(8, -1.0),
        memory=5,
        most_steps=7,
        ends_at=lambda z, value: shown.append(value),
    )
    assert len(shown) == 7


def test_at_a_minimum_it_stays():
    value_and_gradient, center = quadratic(5, 10.0)
    found = lbfgs(value_and_gradient, center, memory=5, most_steps=10, ends_at=never)
    np.testing.assert_array_equal(found, center)


@pytest.mark.parametrize("noise", [1e-3, 1e-6])
def test_noise_of_values_and_gradients_ends_it(noise):
    """As rounding does: it ends by itself, about as low as the noise allows."""
    value_and_gradient, _ = quadratic(10, 100.0)
    rng = np.random.default_rng(0)

    def noisy(z):
        value, gradient = value_and_gradient(z)
        return value + noise * rng.random(), gradient + noise * rng.standard_normal(10)

    shown = []
    found = lbfgs(
        noisy,
        np.zeros(10),
        memory=5,
        most_steps=10**5,
        ends_at=lambda z, value: shown.append(value),
    )
    assert len(shown) < 10**4
    assert value_and_gradient(found)[0] < 10 * noise


def test_values_that_are_no_numbers_are_no_steps():
    """The logarithm's domain ends at 0, beyond which the first trials lie."""

    def barrier(z):
        with np.errstate(invalid="ignore", divide="ignore"):
            return float((z - 1e-3 * np.log(z)).sum()), 1 - 1e-3 / z

    found = lbfgs(barrier, np.full(3, 0.5), memory=5, most_steps=100, ends_at=never)
    np.testing.assert_allclose(found, 1e-3, rtol=1e-2)

    def nowhere(z):
        return np.nan, np.full_like(z, np.nan)

    start = np.ones(3)
    assert lbfgs(nowhere, start, memory=5, most_steps=100, ends_at=never) is start


# Lengths of steps


@pytest.mark.parametrize("first", [1e-6, 0.1, 1.0, 1e4])
def test_steps_satisfy_both_conditions(first):
    z = np.array([-1.2, 1.0, 0.5])
    value, gradient = rosenbrock(z)
    direction = -gradient / np.linalg.norm(gradient)
    slope = gradient @ direction
    step = search_wolfe(rosenbrock, z, value, direction, slope, first)
    np.testing.assert_array_equal(step.point, z + step.length * direction)
    now, there = rosenbrock(step.point)
    assert now == step.value and np.array_equal(there, step.gradient)
    assert now <= value + 1e-3 * step.length * slope
    assert abs(there @ direction) <= 0.9 * abs(slope)


def test_no_step_goes_up():
    z = np.array([1.0, 2.0])
    value, gradient = rosenbrock(z)
    assert search_wolfe(rosenbrock, z, value, gradient, gradient @ gradient, 1.0) is None


def test_the_lower_end_of_a_narrow_interval_will_do():
    """A kink, where no slope is small: the value falls to it and rises after it."""

    def kink(z):
        return float(abs(z[0])), np.where(z < 0, -1.0, 1.0)

    step = search_wolfe(kink, np.array([-1.0]), 1.0, np.array([1.0]), -1.0, 3.0)
    assert step.value <= 0.1 and step.length <= 1.0
