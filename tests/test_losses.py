import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from convexrelu.losses import LOSSES


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]()


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return 3 * rng.standard_normal(40), 3 * rng.standard_normal(40)


def test_gradient_and_curvature_are_finite_differences(loss, samples):
    f, y = samples
    h = 1e-5
    slope = (loss.value(f + h, y) - loss.value(f - h, y)) / (2 * h)
    bend = (loss.gradient(f + h, y) - loss.gradient(f - h, y)) / (2 * h)
    np.testing.assert_allclose(loss.gradient(f, y), slope, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(loss.curvature(f, y), bend, rtol=1e-7, atol=1e-8)


def test_fenchel_young(loss, samples):
    f, y = samples
    z = loss.gradient(f[::-1], y)  # a gradient is always in the conjugate's domain
    assert (loss.value(f, y) + loss.conjugate(z, y) >= z * f - 1e-12).all()
    z = loss.gradient(f, y)
    np.testing.assert_allclose(loss.value(f, y) + loss.conjugate(z, y), z * f, rtol=0, atol=1e-12)


def test_conjugate_is_the_supremum(loss, samples):
    f, y = samples[0][:5], samples[1][:5]
    z = loss.gradient(f, y)
    for z_i, y_i in zip(z, y, strict=True):
        best = minimize_scalar(lambda t, z=z_i, y=y_i: loss.value(t, y) - z * t)
        assert loss.conjugate(z_i, y_i) == pytest.approx(-best.fun, abs=1e-8)


def test_best_constant_minimises(loss, samples):
    y, weights = samples[0], np.abs(samples[1])
    c = loss.best_intercept(np.zeros_like(y), y, weights)
    assert weights @ loss.gradient(np.full_like(y, c), y) == pytest.approx(0, abs=1e-12)


def test_best_constant_of_equal_targets_is_exact(loss):
    y = np.full(7, 0.1)
    assert loss.best_intercept(np.zeros(7), y, np.full(7, 1 / 7)) == 0.1


def test_expression_is_the_weighted_sum(loss, samples):
    import cvxpy as cp

    f, y = samples
    weights = np.abs(f[::-1])
    expression = loss.expression(cp.Constant(f), y, weights)
    assert expression.is_convex()
    assert float(expression.value) == pytest.approx(weights @ loss.value(f, y), rel=1e-12)
