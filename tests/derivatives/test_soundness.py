"""No proved bound is above the objective of a network, on degenerate data and at extreme scales."""

from typing import ClassVar

import numpy as np
import pytest

from convexrelu import TwoLayerNetwork
from convexrelu.derivatives import DerivativeProblem, DerivativeRows, train_with_derivatives
from tests.derivatives import brute_force

SCALES = (1.0, 1e-6, 1e6, 1e-150, 1e150)


def nasty(seed):
    """Points on a grid, many equal to each other and to samples, and options of every kind."""
    rng = np.random.default_rng(seed)
    n, m, d = rng.integers(1, 5), rng.integers(1, 6), rng.integers(1, 4)
    X, points, gradient = (rng.integers(-2, 3, (k, d)).astype(float) for k in (n, m, m))
    points[0] = X[0]
    hidden_bias, intercept = rng.random(2) < 0.6
    if not hidden_bias:
        points[~points.any(axis=1)] = 1.0
    if seed % 4 == 0:
        X[:, 0] = points[:, 0] = 1.0
    scale, offset = SCALES[seed % len(SCALES)], rng.choice([0.0, 1e6])
    y = rng.integers(-2, 3, n) + offset
    value, target = rng.integers(-1, 2, m), rng.integers(-2, 3, m)
    weight = rng.choice([0.0, 1.0, 1e6])
    rows = DerivativeRows(scale * points, scale * gradient, value, target, weight)
    alpha = float(rng.choice([1e-3, 0.1, 10.0]))
    return DerivativeProblem(
        scale * X, y, alpha, rows, hidden_bias=bool(hidden_bias), fit_intercept=bool(intercept)
    )


def perturbed(network, problem, rng):
    size = 10.0 ** rng.uniform(-6, 0)
    weights, bias, outer = (
        part * (1 + size * rng.standard_normal(part.shape))
        for part in (network.hidden_weights, network.hidden_bias, network.output_weights)
    )
    changed = TwoLayerNetwork(weights, bias, outer, [0.0])
    return changed.with_output_bias(problem.best_constant(problem.outputs(changed)))


@pytest.mark.parametrize("seed", range(15))
def test_no_network_is_below_a_proved_bound(seed):
    problem = nasty(seed)
    result = train_with_derivatives(
        problem.X,
        problem.y,
        problem.alpha,
        list(problem.rows),
        hidden_bias=problem.hidden_bias,
        fit_intercept=problem.fit_intercept,
        pricing="auto" if seed % 3 else "search",
        max_iter=4,
        random_state=0,
    )
    certificate = result.certificate
    proved = certificate.proved_lower_bound
    assert not certificate.is_proof or certificate.lower_bound <= proved
    assert certificate.objective == problem.objective(result.network)
    rng = np.random.default_rng(seed)
    networks = [result.network] + [perturbed(result.network, problem, rng) for _ in range(20)]
    # Objectives round by some units of the last place, bounds are rounded down.
    assert min(map(problem.objective, networks)) >= proved * (1 - 1e-14)


class TestOppositePoints:
    """Without hidden biases no cell has both of two opposite points off, or both on."""

    data = np.array([[0.0, 1.0]]), np.array([1.0]), 0.01
    rows = DerivativeRows([[1.0, 0.0], [-1.0, 0.0]], [0.0, 1.0], weight=10.0)
    options: ClassVar[dict] = {"hidden_bias": False, "fit_intercept": False, "random_state": 0}
    optimum = brute_force.optimum(
        *data,
        [(z, [0.0, 1.0], 0.0, 0.0, 5.0) for z in ([1.0, 0.0], [-1.0, 0.0])],
        hidden_bias=False,
        intercept=False,
    )

    def test_patterns_that_no_cell_has_are_not_searched(self):
        certificate = train_with_derivatives(*self.data, self.rows, **self.options).certificate
        assert certificate.is_proof and certificate.relative_gap < 1e-4
        assert certificate.objective == pytest.approx(self.optimum, rel=1e-6)

    def test_a_start_on_kinks_is_not_better_than_the_optimum(self):
        """With both derivatives switched off at its kinks, it would fit all rows for half of the optimum."""
        start = TwoLayerNetwork([[0.0, 1.0]], [0.0], [[1.0]], [0.0])
        result = train_with_derivatives(*self.data, self.rows, start=start, **self.options)
        assert result.certificate.objective >= self.optimum * (1 - 1e-7)
