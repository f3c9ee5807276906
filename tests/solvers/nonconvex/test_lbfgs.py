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
    for _ in range(n_steps):
        step = 0.01 * rng.standard_normal(30)
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


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e100])
def test_units_of_values_do_not_matter(unit):
    value_and_gradient, center = quadratic(6, 100.0)

    def scaled(z):
        value, gradient = value_and_gradient(z)
        return unit * value, unit * gradient

    found = lbfgs(scaled, np.zeros(6), memory=5, most_steps=100, ends_at=never)
    np.testing.assert_allclose(found, center, atol=1e-4)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_it_ends_where_rounding_hides_the_rest(precision):
    """About as low as rounding allows, and soon after the last step that can be seen."""
    value_and_gradient, _ = quadratic(10, 100.0)
    evaluated, shown = [], []

    def rounded(z):
        value, gradient = value_and_gradient(z)
        evaluated.append(float(precision(1.0 + value)))
        return evaluated[-1], gradient.astype(precision).astype(float)

    eps = float(np.finfo(precision).eps)
    found = lbfgs(
        rounded,
        np.zeros(10),
        memory=5,
        most_steps=10**5,
        ends_at=lambda z, value: shown.append(value),
        rounding=0.1 * eps,
    )
    assert (np.diff(shown) < 0).all()
    assert value_and_gradient(found)[0] < 100 * eps
    assert len(evaluated) < 3 * len(shown) + 20


def test_noise_that_differs_from_call_to_call_ends_it():
    value_and_gradient, _ = quadratic(10, 100.0)
    rng, evaluated = np.random.default_rng(0), []

    def noisy(z):
        value, gradient = value_and_gradient(z)
        evaluated.append(value)
        return value + 1e-3 * rng.random(), gradient + 1e-3 * rng.standard_normal(10)

    found = lbfgs(noisy, np.zeros(10), memory=5, most_steps=10**5, ends_at=never)
    assert len(evaluated) < 10**4 and value_and_gradient(found)[0] < 1e-2


def test_a_failed_search_is_followed_by_one_along_the_gradient():
    """For a while no trial counts, as if all went too far; then descent goes on to the minimum."""
    value_and_gradient, center = quadratic(8, 10.0)
    n_calls = 0

    def failing(z):
        nonlocal n_calls
        n_calls += 1
        value, gradient = value_and_gradient(z)
        return (np.inf if 5 <= n_calls < 25 else value), gradient

    found = lbfgs(failing, np.zeros(8), memory=5, most_steps=1000, ends_at=never)
    np.testing.assert_allclose(found, center, atol=1e-5)


@pytest.mark.parametrize(("size", "expected"), [(1e4, 1.0), (1e-3, 1e-3)])
def test_the_first_step_is_along_the_gradient_and_no_longer_than_one(size, expected):
    points = []

    def linear(z):
        points.append(z)
        return size * float(z[0]), np.array([size, 0.0])

    lbfgs(linear, np.zeros(2), memory=5, most_steps=1, ends_at=never)
    np.testing.assert_allclose(points[1], [-expected, 0.0], rtol=1e-12)


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


def along_a_line(phi):
    """A function of one variable as one of points, and the lengths at which it is asked for."""
    asked = []

    def value_and_gradient(z):
        asked.append(float(z[0]))
        value, slope = phi(float(z[0]))
        return value, np.array([slope])

    return value_and_gradient, asked


def search(phi, first, **options):
    value_and_gradient, asked = along_a_line(phi)
    value, slope = phi(0.0)
    origin, direction = np.zeros(1), np.ones(1)
    return search_wolfe(
        value_and_gradient, origin, value, direction, slope, first, **options
    ), asked


def test_the_lower_end_of_a_narrow_interval_will_do():
    """At a kink no slope is small; twenty trials would come much nearer to it."""
    step, asked = search(lambda s: (abs(s - 1), -1.0 if s < 1 else 1.0), 3.0)
    assert 0.5 < step.length <= 1.0 and len(asked) < 15


def test_second_trials_are_at_minima_of_cubics():
    step, asked = search(lambda s: ((s - 0.3) ** 2, 2 * (s - 0.3)), 1.0)
    np.testing.assert_allclose(asked, [1.0, 0.3], rtol=1e-12)
    assert step.length == asked[-1]


def test_a_flat_place_far_away_has_to_be_low_enough():
    step, asked = search(lambda s: (-s * np.exp(-s), (s - 1) * np.exp(-s)), 10.0)
    assert asked[0] == 10.0 and step.length < 10.0 and step.value <= -1e-3 * step.length


def test_a_step_is_not_higher_than_what_was_seen_before_it():
    """Beyond a steep descent to -1 there is a flat place at -0.5, which satisfies both conditions."""
    step, asked = search(lambda s: (-s, -1.0) if s <= 1 else (-0.5, 0.0), 1.0)
    assert asked[:2] == [1.0, 4.0] and step.value <= -1.0


def test_no_trial_is_shorter_than_rounding_can_show():
    def constant(s):
        return 1.0, -1e-12

    assert search(constant, 1.0)[0] is None and len(search(constant, 1.0)[1]) == 1

    def noisy(s):
        return 1.0 + 1e-8 * (s > 0), -1e-3

    found, asked = search(noisy, 1.0, rounding=1e-5)
    assert found is None and len(asked) <= 8


@pytest.mark.parametrize("slope", [-np.inf, np.nan, 0.0])
def test_slopes_that_lead_nowhere_are_no_search(slope):
    value_and_gradient, asked = along_a_line(lambda s: (0.0, 0.0))
    assert search_wolfe(value_and_gradient, np.zeros(1), 0.0, np.ones(1), slope, 1.0) is None
    assert not asked
