"""Dual points of every loss, judged in rational arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest

from convexrelu.losses import LOSSES, Huber, Quantile, dual_domain
from convexrelu.losses.dual_domain import accurate_sum, class_dual_point, separable_dual_point

KINDS = [*LOSSES.values(), lambda: Huber(0.3), lambda: Quantile(0.1)]
REGRESSION = ("squared_error", "absolute_error", "huber", "quantile", "poisson")


@pytest.fixture(params=KINDS, ids=[*LOSSES, "huber 0.3", "quantile 0.1"])
def loss(request):
    return request.param()


def sample(loss, seed, n=30, n_outputs=1):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.01, 1, n)
    weights /= weights.sum()
    shape = (n,) if n_outputs == 1 else (n, n_outputs)
    if loss.name == "poisson":
        y = rng.poisson(2.0, shape).astype(float)
    elif loss.name in REGRESSION:
        y = rng.standard_normal(shape)
    elif loss.name == "multinomial":
        y = np.append(np.arange(4), rng.integers(0, 4, n - 4)).astype(float)
        shape = (n, 4)
    else:
        y = rng.choice([-1.0, 1.0], n)
    return 2 * rng.standard_normal(shape), y, weights


def several(loss):
    return [1, 3] if loss.name in REGRESSION else [1]


def exact(array):
    return np.array([Fraction(x) for x in array.ravel().tolist()], dtype=object).reshape(
        array.shape
    )


def assert_in_domain(loss, v, y, weights):
    """By the printed domains, without rounding."""
    z = -exact(v) / (exact(weights)[:, None] if v.ndim == 2 else exact(weights))
    if loss.name == "multinomial":
        assert all(total == 0 for total in exact(v).sum(axis=1))
        z[np.arange(len(y)), y.astype(int)] += 1
        assert (z >= 0).all()
    else:
        low, high = loss.domain(y)
        assert (z >= low).all() and (z <= high).all()


def assert_balanced(v):
    assert all(total == 0 for total in np.atleast_1d(exact(v).sum(axis=0)))
    assert np.all(v.sum(axis=0) == 0)
    order = np.random.default_rng(0).permutation(len(v))
    assert np.all(np.cumsum(v[order], axis=0)[-1] == 0)


def gradients(loss, f, y, weights):
    return -(weights[:, None] if f.ndim == 2 else weights) * loss.gradient(f, y)


@pytest.mark.parametrize("seed", range(3))
def test_points_are_in_the_domain_and_balanced(loss, seed):
    for k in several(loss):
        f, y, weights = sample(loss, seed, n_outputs=k)
        wild = 10 * np.random.default_rng(seed).standard_normal(f.shape) * weights.max()
        for v in (gradients(loss, f, y, weights), wild, 1e-9 * wild, np.zeros_like(f)):
            assert_in_domain(loss, loss.dual_point(v, y, weights, False), y, weights)
            balanced = loss.dual_point(v, y, weights, True)
            assert_in_domain(loss, balanced, y, weights)
            assert_balanced(balanced)
            again = loss.dual_point(balanced, y, weights, True)
            np.testing.assert_allclose(again, balanced, rtol=0, atol=1e-12 * np.abs(v).sum())


def test_points_of_best_intercepts_stay(loss):
    for k in several(loss):
        f, y, weights = sample(loss, 5, n_outputs=k)
        v = gradients(loss, f, y, weights)
        np.testing.assert_allclose(loss.dual_point(v, y, weights, False), v, rtol=0, atol=1e-15)
        if loss.smooth:
            f = f + loss.best_intercept(f, y, weights)
            v = gradients(loss, f, y, weights)
            np.testing.assert_allclose(loss.dual_point(v, y, weights, True), v, atol=1e-13)


def test_the_conjugate_is_finite_there(loss):
    f, y, weights = sample(loss, 7)
    v = loss.dual_point(3 * gradients(loss, f, y, weights), y, weights, True)
    z = -v / (weights[:, None] if v.ndim == 2 else weights)
    assert np.isfinite(loss.conjugate(z, y)).all()


def test_weightless_samples_are_left_out(loss):
    f, y, weights = sample(loss, 9)
    weights[::3] = 0.0
    v = loss.dual_point(np.ones_like(f), y, weights, True)
    assert not v[::3].any() and np.isfinite(v).all()
    assert_balanced(v)


def test_nearest_point_of_a_box():
    import cvxpy as cp

    rng = np.random.default_rng(0)
    v, weights = rng.standard_normal(20), rng.uniform(0.1, 1, 20)
    low, high = -rng.uniform(0, 1, 20), rng.uniform(0, 1, 20)
    x = cp.Variable(20)
    distance = cp.sum_squares(cp.multiply(1 / np.sqrt(weights), x - v))
    box = [x >= -weights * high, x <= -weights * low, cp.sum(x) == 0]
    cp.Problem(cp.Minimize(distance), box).solve(solver="CLARABEL")
    result = separable_dual_point(v, weights, low, high, True)
    np.testing.assert_allclose(result, x.value, atol=1e-6)


def test_one_sided_domains_leave_only_zero():
    v, ends = np.array([1.0, 2.0]), np.full(2, np.inf)
    np.testing.assert_array_equal(separable_dual_point(v, np.ones(2), -ends, np.zeros(2), True), 0)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_extreme_scales(scale):
    rng = np.random.default_rng(1)
    v, ends = scale * rng.standard_normal(9), np.full(9, np.inf)
    result = separable_dual_point(v, np.full(9, 1 / 9), -ends, ends, True)
    assert_balanced(result)
    np.testing.assert_allclose(result, v - v.mean(), rtol=0, atol=1e-13 * scale)


def test_weights_of_many_magnitudes():
    rng = np.random.default_rng(2)
    weights = 10.0 ** rng.uniform(-12, 0, 50)
    v = weights * rng.standard_normal(50)
    result = separable_dual_point(v, weights, -np.ones(50), np.ones(50), True)
    assert_balanced(result)
    assert (np.abs(exact(result)) <= exact(weights)).all()


@pytest.mark.parametrize("seed", range(20))
def test_flows_between_classes_always_balance(seed):
    """Sparse and far from balanced: amounts go along paths, at worst all of them."""
    rng = np.random.default_rng(seed)
    n, n_classes = int(rng.integers(2, 12)), int(rng.integers(2, 6))
    labels = rng.integers(0, n_classes, n)
    weights = rng.uniform(0.1, 1, n)
    v = -rng.exponential(1, (n, n_classes)) * (rng.uniform(size=(n, n_classes)) < 0.4)
    result = class_dual_point(v, labels, weights, True)
    assert_balanced(result)
    assert all(total == 0 for total in exact(result).sum(axis=1))
    off = result.copy()
    off[np.arange(n), labels] = 0
    assert (off <= 0).all() and (exact(result)[np.arange(n), labels] <= exact(weights)).all()


def test_a_cycle_is_kept():
    labels = np.array([0, 1, 2])
    v = np.array([[0.5, -0.5, 0.0], [0.0, 0.5, -0.5], [-0.5, 0.0, 0.5]])
    result = class_dual_point(v, labels, np.ones(3), True)
    np.testing.assert_array_equal(result, v)


def test_an_amount_on_the_way_is_taken_off_both_edges():
    labels = np.array([0, 1, 2])  # 0 gives 0.5 to 1, and 1 gives it to 2: nothing comes back
    v = np.array([[0.5, -0.5, 0.0], [0.0, 0.75, -0.75], [0.0, -0.25, 0.25]])
    result = class_dual_point(v, labels, np.ones(3), True)
    expected = [[0.0, 0.0, 0.0], [0.0, 0.25, -0.25], [0.0, -0.25, 0.25]]
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("exponents", [0.0, 5.0, 100.0])
@pytest.mark.parametrize("n", [0, 1, 2, 1000, 100_003])
def test_accurate_sums_are_those_of_fractions_but_for_a_rounding(n, exponents):
    """Of terms of all sizes that nearly cancel each other."""
    rng = np.random.default_rng(n)
    terms = rng.standard_normal(n) * np.exp(exponents * rng.standard_normal(n))
    terms[n // 2 : 2 * (n // 2)] = -terms[: n // 2] * (1 + 1e-9 * rng.standard_normal(n // 2))
    total = float(np.abs(terms).sum())
    found = accurate_sum(rng.permutation(terms), total)
    assert abs(found - math.fsum(terms)) <= 2.0**-52 * total


def test_sums_of_more_terms_than_the_bound_is_proved_for_are_exact(monkeypatch):
    monkeypatch.setattr(dual_domain, "_MOST_TERMS", 9)
    monkeypatch.setattr(dual_domain, "on_grid", None)
    assert accurate_sum(np.array([1.0, *[2.0**-60] * 8, -1.0]), 2.0) == 2.0**-57


def test_accurate_sums_are_finite_up_to_half_of_the_largest_float():
    largest = np.finfo(np.float64).max / 2
    assert accurate_sum(np.array([largest]), largest) == largest
    assert accurate_sum(np.array([2.0**1022, -(2.0**1021)]), 1.5 * 2.0**1022) == 2.0**1021
