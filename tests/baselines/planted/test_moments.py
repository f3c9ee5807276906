import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermeval
from scipy.integrate import quad

from convexrelu import TwoLayerNetwork
from convexrelu.baselines.planted import (
    hermite_coefficients,
    planted_network,
    population_moments,
    sample_moments,
)


@pytest.mark.parametrize("degree", range(5))
@pytest.mark.parametrize("bias", [-1.3, 0.0, 0.7])
def test_coefficients_are_gaussian_integrals(degree, bias):
    def integrand(t):
        return (
            (t + bias) * hermeval(t, np.eye(5)[degree]) * np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi)
        )

    expected, _ = quad(integrand, -bias, 12.0, epsabs=1e-12)
    assert hermite_coefficients(bias, degree) == pytest.approx(expected, abs=1e-10)


def along(tensor, direction):
    for _ in range(tensor.ndim):
        tensor = tensor @ direction
    return tensor


def test_population_moments_along_a_direction_are_those_in_one_dimension():
    teacher = planted_network(5, 3, random_state=0)
    moments = population_moments(teacher)
    s = np.random.default_rng(1).standard_normal(3)
    outer, bias = teacher.output_weights[0], teacher.hidden_bias
    inside = teacher.hidden_weights @ moments.basis @ s
    for degree, tensor in ((3, moments.third), (4, moments.fourth)):
        expected = (outer * hermite_coefficients(bias, degree) * inside**degree).sum()
        assert along(tensor, s) == pytest.approx(expected, rel=1e-12)
    assert np.linalg.norm(moments.basis @ moments.basis.T @ moments.first - moments.first) < 1e-14


def test_sample_moments_are_means_of_hermite_polynomials():
    """Along unit vectors, ``He_k(x)`` is the polynomial of ``sᵀx``; targets without what lower moments explain."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 3)), rng.standard_normal(50)
    moments = sample_moments(X, y, 3)
    assert moments.zeroth == pytest.approx(y.mean())
    rest = y - y.mean()
    np.testing.assert_allclose(moments.first, X.T @ rest / 50, atol=1e-15)
    rest = rest - X @ moments.first
    unit = rng.standard_normal(3)
    unit /= np.linalg.norm(unit)
    second = np.mean(rest * hermeval(X @ unit, [0, 0, 1]))
    assert along(moments.second, unit) == pytest.approx(second, abs=1e-13)
    quadratic = np.array([x @ moments.second @ x for x in X]) - np.trace(moments.second)
    rest = rest - quadratic / 2
    inside = moments.basis.T @ unit
    for degree, tensor in ((3, moments.third), (4, moments.fourth)):
        expected = np.mean(rest * hermeval(X @ unit, np.eye(5)[degree]))
        assert along(tensor, inside) == pytest.approx(expected, abs=1e-13)


def test_sample_moments_approach_those_of_the_population():
    teacher = planted_network(4, 2, random_state=0)
    X = np.random.default_rng(0).standard_normal((100_000, 4))
    found, exact = sample_moments(X, teacher.predict(X), 2), population_moments(teacher)
    # Standard errors are about 1/√n = 0.003 times moments of the Hermite tensors, a few units.
    assert found.zeroth == pytest.approx(exact.zeroth, abs=0.03)
    np.testing.assert_allclose(found.first, exact.first, atol=0.03)
    np.testing.assert_allclose(found.second, exact.second, atol=0.05)
    turn = exact.basis.T @ found.basis
    third = np.einsum("abc,ai,bj,ck->ijk", exact.third, turn, turn, turn)
    np.testing.assert_allclose(found.third, third, atol=0.1)


@pytest.mark.parametrize(
    "network",
    [
        TwoLayerNetwork([[1.0]], [0.0], [[1.0], [1.0]], [0.0, 0.0]),
        TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0], negative_slope=0.1),
        TwoLayerNetwork([[0.0]], [1.0], [[1.0]], [0.0]),
    ],
)
def test_unsupported_networks_are_refused(network):
    with pytest.raises(ValueError, match="network"):
        population_moments(network)


@pytest.mark.parametrize("width", [0, 4, 1.0])
def test_unsupported_widths_are_refused(width):
    with pytest.raises(ValueError, match="width="):
        sample_moments(np.ones((5, 3)), np.ones(5), width)
