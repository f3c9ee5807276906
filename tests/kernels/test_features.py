"""The kernel of a network's own features, and alignment."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.kernels import kernel_alignment, network_kernel
from convexrelu.kernels.ridge import kernel_ridge
from tests import reference

RNG = np.random.default_rng(0)
X, Y = reference.teacher(20, 1, 3, 0.1, 0)
NETWORK = TwoLayerNetwork(
    RNG.standard_normal((4, 3)),
    RNG.standard_normal(4),
    RNG.standard_normal((2, 4)),
    RNG.standard_normal(2),
)
ROWS, OTHERS = RNG.standard_normal((7, 3)), RNG.standard_normal((5, 3))


@pytest.mark.parametrize("free_bias", [False, True])
def test_formula(free_bias):
    """Neuron by neuron, and the same for neurons that are rescaled."""
    expected = np.zeros((7, 5))
    for w, b, a in zip(
        NETWORK.hidden_weights, NETWORK.hidden_bias, NETWORK.output_weights.T, strict=True
    ):
        length = np.sqrt(w @ w + (not free_bias) * b**2)
        phi, psi = (np.maximum(A @ w + b, 0) / length for A in (ROWS, OTHERS))
        expected += length * np.linalg.norm(a) * np.outer(phi, psi)
    rescaled = TwoLayerNetwork(
        5 * NETWORK.hidden_weights,
        5 * NETWORK.hidden_bias,
        NETWORK.output_weights / 5,
        NETWORK.output_bias,
    )
    for network in (NETWORK, rescaled):
        kernel = network_kernel(network, ROWS, OTHERS, free_bias=free_bias)
        np.testing.assert_allclose(kernel, expected, rtol=1e-12)
    square = network_kernel(NETWORK, ROWS)
    np.testing.assert_array_equal(square, square.T)
    assert np.linalg.matrix_rank(square) <= 4


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_ridge_with_the_kernel_of_an_optimal_network_gives_it_back(fit_intercept):
    problem = TrainingProblem(X, Y, 0.01, fit_intercept=fit_intercept)
    result = train(problem, tol=1e-10, max_iter=100, random_state=0)
    assert result.certificate.is_proof and result.certificate.relative_gap < 1e-8
    kernel = network_kernel(result.network, X)
    a, c = kernel_ridge(
        kernel, Y, problem.alpha, weights=problem.weights, fit_intercept=fit_intercept
    )
    np.testing.assert_allclose(kernel @ a + c, result.network.predict(X), atol=1e-4)
    # Its squared norm is the penalty.
    assert a @ kernel @ a == pytest.approx(result.network.penalty(), rel=1e-3)
    if not fit_intercept:
        ridge = KernelRidge(alpha=len(Y) * problem.alpha, kernel="precomputed").fit(kernel, Y)
        np.testing.assert_allclose(ridge.predict(kernel), kernel @ a, rtol=1e-6)


def test_alignment_is_the_cosine_of_centred_matrices():
    K, L = ROWS @ ROWS.T, np.tanh(ROWS @ ROWS.T)
    H = np.eye(7) - 1 / 7
    first, second = H @ K @ H, H @ L @ H
    expected = np.trace(first @ second) / (np.linalg.norm(first) * np.linalg.norm(second))
    assert kernel_alignment(K, L) == pytest.approx(expected, rel=1e-12)
    assert kernel_alignment(L, K) == pytest.approx(expected, rel=1e-12)
    assert kernel_alignment(K, 4 * K + 3) == pytest.approx(1.0, rel=1e-12)
    assert kernel_alignment(np.diag([1.0, 0, 0]), np.diag([0, 1.0, 0])) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("K", "L", "message"),
    [
        (np.ones((3, 2)), np.eye(3), r"K has shape \(3, 2\)"),
        (np.eye(3), np.eye(2), r"L has shape \(2, 2\), expected \(3, 3\)"),
        (np.eye(3), np.full((3, 3), np.nan), "L contains NaN"),
        (np.eye(3), np.ones((3, 3)), "L is zero when centred"),
        (np.zeros((3, 3)), np.eye(3), "K is zero when centred"),
        ([["a"]], np.eye(1), "K is not an array of numbers"),
    ],
)
def test_bad_input(K, L, message):
    with pytest.raises(ValueError, match=message):
        kernel_alignment(K, L)
