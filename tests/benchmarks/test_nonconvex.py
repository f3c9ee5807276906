"""The hand-made gradient, and whitened rows, whose optimum is known in closed form."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from benchmarks.paper.nonconvex import Case, Training, descend
from convexrelu import TrainingProblem, TwoLayerNetwork


@pytest.mark.parametrize("has_bias", [False, True])
def test_gradient(has_bias):
    rng = np.random.default_rng(0)
    case = Case("any", rng.standard_normal((8, 3)), rng.standard_normal(8), 0.1, has_bias)
    training = Training(case, 4)
    z = rng.standard_normal(training.penalised.shape)
    error = check_grad(
        lambda z: training.rounded(z, 0.3)[0], lambda z: training.rounded(z, 0.3)[1], z
    )
    assert error < 1e-6


def test_objective_is_that_of_the_library():
    rng = np.random.default_rng(0)
    case = Case("any", rng.standard_normal((8, 3)), rng.standard_normal(8), 0.1, True)
    training = Training(case, 4)
    z = rng.standard_normal(training.penalised.shape)
    inner, outer, intercept = training._parts(z)
    network = TwoLayerNetwork(inner[:3].T, inner[3], outer[None], intercept)
    problem = TrainingProblem(case.X, case.y, case.alpha, hidden_bias="free")
    assert training.objective(z) == pytest.approx(
        problem.objective(network.balance(free_bias=True)), rel=1e-12
    )


def test_two_neurons_suffice_for_whitened_rows():
    rng = np.random.default_rng(0)
    left, _, right = np.linalg.svd(rng.standard_normal((6, 9)), full_matrices=False)
    case = Case("whitened", left @ right, rng.standard_normal(6), 1e-2, False)
    optimum = _whitened_optimum(case.y, case.alpha)
    reached = min(descend(case, 2, np.random.default_rng(seed), 1.0) for seed in range(4))
    assert optimum * (1 - 1e-9) < reached < optimum * (1 + 1e-6)


def _whitened_optimum(y, alpha):
    """``Σ_± min_t (‖y_±‖ − t)²/2n + alpha t`` over ``t ≥ 0``, with the parts ``y_±`` of either sign."""
    n = len(y)
    norms = np.linalg.norm([np.maximum(y, 0), np.maximum(-y, 0)], axis=1)
    t = np.maximum(norms - alpha * n, 0)
    return float(np.sum((norms - t) ** 2 / (2 * n) + alpha * t))
