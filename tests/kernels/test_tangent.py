"""The tangent kernel against integrals, simulations, and its closed form in extended precision."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import eigvalsh

from convexrelu.kernels import gated_kernel, tangent_kernel

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 4))
Z = RNG.standard_normal((5, 4))


def by_integral(x, z):
    """Both expectations over ``w = r (cos s, sin s)``, of which the radius contributes ``E r² = 2`` and 1."""
    start, end = sorted((np.arctan2(x[1], x[0]), np.arctan2(z[1], z[0])))
    if end - start > np.pi:
        start, end = end, start + 2 * np.pi
    low, high = end - np.pi / 2, start + np.pi / 2  # where both neurons are active
    product = quad(
        lambda s: 2 * (x @ [np.cos(s), np.sin(s)]) * (z @ [np.cos(s), np.sin(s)]), low, high
    )[0]
    return (product + x @ z * max(high - low, 0.0)) / (2 * np.pi)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 0.3, np.pi / 2, 2.5, np.pi - 1e-3, np.pi])
def test_in_the_plane_it_is_an_integral_over_directions(angle):
    x, z = 1.7 * np.array([1.0, 0.0]), 0.6 * np.array([np.cos(angle), np.sin(angle)])
    value = tangent_kernel([x], [z], hidden_bias=False)[0, 0]
    assert value == pytest.approx(by_integral(x, z), rel=1e-12, abs=1e-15)


def test_random_pairs_in_the_plane_with_and_without_bias():
    for x, z in RNG.standard_normal((20, 2, 2)):
        value = tangent_kernel([x], [z], hidden_bias=False)[0, 0]
        assert value == pytest.approx(by_integral(x, z), rel=1e-10)
    for x, z in RNG.standard_normal((20, 2)):
        value = tangent_kernel([[x]], [[z]])[0, 0]
        assert value == pytest.approx(by_integral(np.array([x, 1]), np.array([z, 1])), rel=1e-10)


@pytest.mark.parametrize("hidden_bias", [True, False])
def test_kernel_of_a_wide_random_network(hidden_bias):
    """Gradients of ``m^{-1/2} Σ_j a_j relu(w̃_jᵀx̃)``: their products are means over neurons, with a standard error."""
    rng, width = np.random.default_rng(1), 100_000
    rows, others = (np.column_stack([A, np.ones(len(A))]) if hidden_bias else A for A in (X, Z))
    W, a = rng.standard_normal((rows.shape[1], width)), rng.standard_normal(width)
    kernel = tangent_kernel(X, Z, hidden_bias=hidden_bias)
    for i, x in enumerate(rows):
        for j, z in enumerate(others):
            seen, other = x @ W, z @ W
            both = (seen > 0) & (other > 0)
            terms = both * (seen * other + a**2 * (x @ z))
            error = terms.std() / np.sqrt(width)
            assert abs(terms.mean() - kernel[i, j]) < 4.5 * error  # one of 120 pairs: P < 1e-3


def test_a_few_ulps_near_zero_and_pi():
    """The slope in the angle is −1/2π at zero and 1/2π at π: the arc cosine would be off by up to 1e-8."""
    for t in (1e-3, 1e-5, 1e-7, 1e-9):
        z = np.array([np.cos(t), np.sin(t)])
        near, far = tangent_kernel([[1.0, 0.0]], [z, -z], hidden_bias=False)[0]
        # Series of (sin δ − 2δ cos δ)/2π at δ = π − t, and at δ = t.
        at_zero = (2 * np.pi - t - np.pi * t**2 + 5 * t**3 / 6 + np.pi * t**4 / 12) / (2 * np.pi)
        at_pi = (-t + 5 * t**3 / 6) / (2 * np.pi)
        assert near == pytest.approx(at_zero, rel=0, abs=2e-13 * t + 4e-16)
        assert far == pytest.approx(at_pi, rel=2e-13)


def test_diagonal_is_exact():
    for scale in (1e-100, 1.0, 1e100):
        squares = (scale * np.linalg.norm(X, axis=1)) ** 2
        diagonal = np.diag(tangent_kernel(scale * X, hidden_bias=False))
        np.testing.assert_allclose(diagonal, squares, rtol=1e-15)
        copied = np.diag(tangent_kernel(scale * X, scale * X.copy(), hidden_bias=False))
        np.testing.assert_array_equal(copied, diagonal)


@pytest.mark.parametrize("hidden_bias", [True, False])
def test_symmetric_and_positive_semidefinite(hidden_bias):
    rows = np.vstack([X, -X, X[:3] * (1 + 1e-9), np.zeros((1, 4))])
    kernel = tangent_kernel(rows, hidden_bias=hidden_bias)
    np.testing.assert_array_equal(kernel, kernel.T)
    assert eigvalsh(kernel)[0] >= -1e-13 * np.trace(kernel)
    np.testing.assert_array_equal(tangent_kernel(rows, rows, hidden_bias=hidden_bias), kernel)


def test_rows_of_zeros():
    rows = np.array([[0.0, 0.0], [1.0, 2.0]])
    np.testing.assert_array_equal(tangent_kernel(rows, hidden_bias=False)[0], [0.0, 0.0])
    assert tangent_kernel(rows)[0, 0] == 1.0  # x̃ = (0, 0, 1)


def test_homogeneous_without_bias():
    kernel = tangent_kernel(X, Z, hidden_bias=False)
    scaled = tangent_kernel(3 * X, 0.1 * Z, hidden_bias=False)
    np.testing.assert_allclose(scaled, 0.3 * kernel, rtol=1e-12, atol=1e-15)


def test_gates_make_the_second_term():
    """``x̃ᵀz̃ (π − t)/2π`` is what random gates share: a mean of zeros and ones, with a standard error."""
    gates = np.random.default_rng(2).standard_normal((100_000, 4))
    weights = np.full(len(gates), 1 / len(gates))
    kernel = gated_kernel(X, Z, gates=gates, weights=weights, hidden_bias=False)
    cosine = X @ Z.T / np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(Z, axis=1))
    share = (np.pi - np.arccos(cosine)) / (2 * np.pi)
    error = np.sqrt(share * (1 - share) / len(gates))
    assert (np.abs(kernel / (X @ Z.T) - share) < 4.5 * error).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[np.nan]],), "X contains NaN"),
        (([1.0, 2.0],), r"X has shape \(2,\), expected \(n, d\)"),
        (([["one"]],), "X is not an array of numbers"),
        ((X, Z[:, :3]), r"Z has shape \(5, 3\), expected \(m, 4\)"),
        ((X, [[np.inf] * 4]), "Z contains NaN or infinity"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        tangent_kernel(*arguments)
