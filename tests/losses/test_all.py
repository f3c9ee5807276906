"""What holds for every loss."""

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pytest
from scipy.optimize import minimize

from convexrelu.losses import LOSSES, Huber, Quantile

KINDS = [*LOSSES.values(), lambda: Huber(0.3), lambda: Quantile(0.9)]
N = 40


@pytest.fixture(params=KINDS, ids=[*LOSSES, "huber 0.3", "quantile 0.9"])
def loss(request):
    return request.param()


class Samples:
    """Outputs, targets and weights that suit a loss."""

    regression: ClassVar = ("squared_error", "absolute_error", "huber", "quantile", "poisson")

    def __init__(self, loss, n_outputs=1, seed=0):
        rng = np.random.default_rng(seed)
        self.weights = rng.uniform(0.1, 1, N)
        self.weights /= self.weights.sum()
        shape = (N,) if n_outputs == 1 else (N, n_outputs)
        if loss.name == "poisson":
            self.y = rng.poisson(2.0, shape).astype(float)
        elif loss.name in self.regression:
            self.y = 3 * rng.standard_normal(shape)
        elif loss.name == "multinomial":
            self.y = rng.integers(0, 3, N).astype(float)
            shape = (N, 3)
        else:
            self.y = rng.choice([-1.0, 1.0], shape)
        self.f = 2 * rng.standard_normal(shape)
        self.direction = rng.standard_normal(shape)


def several(loss):
    return [1] if loss.name == "multinomial" else [1, 3]


def inner(a, b):
    return a * b if a.ndim == 1 else (a * b).sum(axis=1)


def test_names_and_equality(loss):
    assert LOSSES[loss.name] is type(loss)
    assert loss == type(loss)(**loss.__dict__)
    assert Huber(1.0) != Huber(2.0)


def test_targets_are_taken(loss):
    for k in several(loss):
        data = Samples(loss, k)
        np.testing.assert_array_equal(loss.checked_targets(data.y), data.y)
        assert loss.n_outputs(data.y) == (3 if loss.name == "multinomial" else k)


def test_gradient_is_a_finite_difference(loss):
    for k in several(loss):
        data, h = Samples(loss, k), 1e-6
        ahead, behind = data.f + h * data.direction, data.f - h * data.direction
        slope = (loss.value(ahead, data.y) - loss.value(behind, data.y)) / (2 * h)
        expected = inner(loss.gradient(data.f, data.y), data.direction)
        np.testing.assert_allclose(expected, slope, rtol=1e-6, atol=1e-8)


def test_curvature_is_a_finite_difference(loss):
    for k in several(loss):
        data, h = Samples(loss, k), 1e-6
        ahead, behind = data.f + h * data.direction, data.f - h * data.direction
        bend = (loss.gradient(ahead, data.y) - loss.gradient(behind, data.y)) / (2 * h)
        curvature = loss.curvature(data.f, data.y)
        if curvature.ndim == 3:
            expected = np.einsum("ikl,il->ik", curvature, data.direction)
        else:
            expected = curvature * data.direction
        np.testing.assert_allclose(expected, bend, rtol=1e-6, atol=1e-8)


def test_values_are_convex_and_not_negative(loss):
    for k in several(loss):
        data, other = Samples(loss, k), Samples(loss, k, seed=1).f
        value = loss.value(data.f, data.y)
        tangent = value + inner(loss.gradient(data.f, data.y), other - data.f)
        assert (value >= 0).all() and (loss.value(other, data.y) >= tangent - 1e-12).all()


def test_fenchel_young(loss):
    for k in several(loss):
        data, other = Samples(loss, k), Samples(loss, k, seed=1).f
        z = loss.gradient(other, data.y)  # a gradient is always in the conjugate's domain
        value, conjugate = loss.value(data.f, data.y), loss.conjugate(z, data.y)
        assert (value + conjugate >= inner(z, data.f) - 1e-12).all()
        at_other = loss.value(other, data.y) + conjugate
        np.testing.assert_allclose(at_other, inner(z, other), rtol=0, atol=1e-12)


def test_conjugate_is_the_supremum(loss):
    data = Samples(loss)
    z = 0.9 * loss.gradient(data.f, data.y)
    for i in range(8):
        y = data.y[i : i + 1]

        def lost(f, i=i, y=y):
            f = f.reshape(data.f[:1].shape)
            return float(loss.value(f, y)[0] - np.sum(z[i] * f))

        best = min(
            minimize(lost, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).fun
            for start in (np.ravel(data.f[i]), np.ravel(data.f[i]) + 0.5)
        )
        assert loss.conjugate(z[i : i + 1], y)[0] == pytest.approx(-best, abs=1e-7)


def test_derivatives_of_the_conjugate(loss):
    if loss.name == "multinomial":
        return
    data, h = Samples(loss), 1e-6
    low, high = loss.domain(data.y)
    inside = np.random.default_rng(5).uniform(0.2, 0.8, N)
    z = np.where(np.isfinite(low), low, -3.0) * (1 - inside)
    z = z + np.where(np.isfinite(high), high, 3.0) * inside
    ahead, behind = z + h, z - h
    slope = (loss.conjugate(ahead, data.y) - loss.conjugate(behind, data.y)) / (2 * h)
    np.testing.assert_allclose(loss.conjugate_gradient(z, data.y), slope, rtol=1e-6, atol=1e-7)
    bend = loss.conjugate_gradient(ahead, data.y) - loss.conjugate_gradient(behind, data.y)
    np.testing.assert_allclose(
        loss.conjugate_curvature(z, data.y), bend / (2 * h), rtol=1e-6, atol=1e-7
    )
    if loss.smooth and loss.name not in ("huber", "squared_hinge"):
        back = loss.gradient(loss.conjugate_gradient(z, data.y), data.y)
        np.testing.assert_allclose(back, z, rtol=1e-12, atol=1e-12)


def test_conjugate_is_infinite_outside(loss):
    data = Samples(loss)
    if loss.name == "multinomial":
        z = loss.gradient(data.f, data.y)
        z[:, 0] += 1e-9  # does not sum to zero
        assert np.isinf(loss.conjugate(z, data.y)).all()
        z = 3 * loss.gradient(data.f, data.y)
        assert np.isinf(loss.conjugate(z, data.y)).any()
        return
    low, high = loss.domain(data.y)
    assert (low <= 0).all() and (high >= 0).all()
    for end, sign in ((low, -1), (high, 1)):
        some = np.isfinite(end)
        z, y = end[some], data.y[some]
        assert np.isfinite(loss.conjugate(z, y)).all()
        assert np.isinf(loss.conjugate(z + sign * 1e-9, y)).all()
        near = np.isfinite(loss.conjugate(np.nextafter(z, sign * np.inf), y))
        assert (near | (z == 0)).all()


def test_conjugate_vanishes_at_zero(loss):
    data = Samples(loss)  # so that scaling a point towards zero cannot cost much
    assert (loss.conjugate(np.zeros_like(data.f), data.y) == 0).all()


def test_conjugates_error_is_bounded(loss):
    data = Samples(loss, seed=3)
    steep = loss.gradient(np.clip(np.exp(4 * data.direction) * data.f, -50, 50), data.y)
    for scale in (1.0, 1 - 1e-15, 0.5, 1e-3, 1e-9):
        z = scale * steep
        conjugate, error = loss.conjugate(z, data.y), loss.conjugate_error(z, data.y)
        size = np.square(z).reshape(N, -1).sum(axis=1) + np.abs(z).reshape(N, -1).sum(axis=1)
        assert (error <= 1e-12 * size * (1 + np.abs(data.y))).all()
        for i in range(N):
            exact = exact_conjugate(loss, z[i], data.y[i])
            assert abs(exact - Decimal(conjugate[i])) <= Decimal(error[i])


def test_conjugates_error_covers_rounded_points(loss):
    data = Samples(loss, seed=4)
    z = loss.gradient(np.clip(10 * data.f, -50, 50), data.y)
    for factor in (1 + 4e-16, 1 - 4e-16):
        moved = loss.conjugate(factor * z, data.y)
        inside = np.isfinite(moved)
        distance = np.abs(moved - loss.conjugate(z, data.y))[inside]
        assert inside.any() and (distance <= loss.conjugate_error(z, data.y)[inside]).all()


def exact_conjugate(loss, z, y):
    """The printed formulas with fifty digits."""
    with localcontext(prec=50):
        y = Decimal(y)
        if loss.name == "multinomial":
            others = [Decimal(p) for k, p in enumerate(z) if k != y]
            return sum(map(entropy, [*others, 1 - sum(others)]))
        z = Decimal(z)
        return {
            "squared_error": lambda: z * y + z**2 / 2,
            "huber": lambda: z * y + z**2 / 2,
            "absolute_error": lambda: z * y,
            "quantile": lambda: z * y,
            "poisson": lambda: entropy(z + y) - entropy(y) - z,
            "logistic": lambda: entropy(-y * z) + entropy(1 + y * z),
            "hinge": lambda: y * z,
            "squared_hinge": lambda: z**2 / 2 + y * z,
        }[loss.name]()


def entropy(p):
    return p * p.ln() if p > 0 else Decimal(0)


@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "hinge", "squared_hinge"])
def test_fractions_stay_fractions(name):
    loss = LOSSES[name]()
    f, y = np.array([Fraction(1, 3), Fraction(-2, 7)]), np.array([Fraction(1), Fraction(-1)])
    z = -y * Fraction(1, 3)
    value, conjugate = loss.value(f, y), loss.conjugate(z, y)
    assert all(isinstance(number, Fraction) for number in [*value, *conjugate])
    expected = {
        "squared_error": ([Fraction(2, 9), Fraction(25, 98)], Fraction(-5, 18)),
        "absolute_error": ([Fraction(2, 3), Fraction(5, 7)], Fraction(-1, 3)),
        "hinge": ([Fraction(2, 3), Fraction(5, 7)], Fraction(-1, 3)),
        "squared_hinge": ([Fraction(2, 9), Fraction(25, 98)], Fraction(-5, 18)),
    }[name]
    assert list(value) == expected[0] and list(conjugate) == [expected[1]] * 2


@pytest.mark.parametrize("name", ["absolute_error", "hinge"])
def test_fractions_have_no_tolerance(name):
    loss, y = LOSSES[name](), np.array([Fraction(1)])
    outside = np.array([-Fraction(1) - Fraction(1, 10**30)])
    assert np.isinf(loss.conjugate(outside, y).astype(float)).all()


def test_best_intercept_minimises(loss):
    for k in several(loss):
        data = Samples(loss, k)
        c = np.atleast_1d(loss.best_intercept(data.f, data.y, data.weights))

        def total(c, data=data):
            return float(data.weights @ loss.value(data.f + (c if len(c) > 1 else c[0]), data.y))

        found = minimize(
            total,
            c + 0.1,
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000},
        )
        assert total(c) <= found.fun + 1e-12
        if loss.smooth:
            gradient = loss.gradient(data.f + (c if len(c) > 1 else c[0]), data.y)
            np.testing.assert_allclose(data.weights @ gradient, 0, atol=1e-13)


def test_best_intercept_of_far_outputs(loss):
    data = Samples(loss)
    for scale in (1e-9, 1e2):
        f = scale * data.f
        c = loss.best_intercept(f, data.y, data.weights)
        at = data.weights @ loss.value(f + c, data.y)
        for direction in np.eye(3) if loss.name == "multinomial" else [1.0]:
            for step in (1e-3, -1e-3, 1.0, -1.0):
                assert at <= data.weights @ loss.value(f + c + step * direction, data.y) + 1e-12


def test_expression_is_the_weighted_sum(loss):
    import cvxpy as cp

    for k in several(loss):
        data = Samples(loss, k)
        expression = loss.expression(cp.Constant(data.f), data.y, data.weights)
        assert expression.is_convex() and expression.shape == ()
        expected = data.weights @ loss.value(data.f, data.y)
        assert float(expression.value) == pytest.approx(expected, rel=1e-12)


def test_expression_of_a_variable_is_a_convex_program(loss):
    import cvxpy as cp

    data = Samples(loss)
    c = cp.Variable(3 if loss.name == "multinomial" else ())
    shift = cp.reshape(c, (1, 3), order="C") if loss.name == "multinomial" else c
    ones = np.ones((N, 1)) if loss.name == "multinomial" else np.ones(N)
    f = cp.Constant(data.f) + (ones @ shift if loss.name == "multinomial" else ones * shift)
    problem = cp.Problem(cp.Minimize(loss.expression(f, data.y, data.weights)))
    problem.solve(solver="CLARABEL")
    best = loss.best_intercept(data.f, data.y, data.weights)
    expected = data.weights @ loss.value(data.f + best, data.y)
    assert problem.value == pytest.approx(expected, abs=1e-6)


def test_degree_of_homogeneity(loss):
    data = Samples(loss)
    values = loss.value(data.f, data.y)
    if loss.degree is None:
        return
    np.testing.assert_allclose(loss.value(3 * data.f, 3 * data.y), 3**loss.degree * values)
