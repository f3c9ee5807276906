"""The promise of the package: a proved bound is never above the optimum."""

from functools import cache

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, TwoLayerNetwork, certify, train
from tests import reference

SEEDS = range(50)
KINDS = ("plain", "duplicates", "constant column", "small", "large", "integers", "collinear")


@cache
def small_problem(seed):
    """Data and options of a problem, and its optimum by brute force."""
    rng = np.random.default_rng(seed)
    kind, d = KINDS[seed % len(KINDS)], (1, 2, 2, 3)[seed % 4]
    n = int(rng.integers(3, 8 if d == 3 else 13 if d == 1 else 11))
    X = rng.standard_normal((n, d))
    y = np.maximum(X @ rng.standard_normal((d, 3)), 0) @ rng.standard_normal(3)
    y += 0.3 * rng.standard_normal(n) + rng.choice([0.0, 5.0])
    match kind:
        case "duplicates":
            X, y = np.vstack([X, X[: n // 2]]), np.append(y, y[: n // 2] + rng.choice([0.0, 1.0]))
        case "constant column":
            X[:, 0] = 2.0
        case "small":
            X, y = 1e-3 * X, 1e-3 * y
        case "large":
            X, y = 1e3 * X, 1e3 * y
        case "integers":
            X = rng.integers(-1, 2, X.shape).astype(float)
        case "collinear":
            X[:, -1] = 0.5 * X[:, 0]
    weight = rng.exponential(size=len(y)) if seed % 3 == 0 else None
    if weight is not None and len(y) > 4:
        weight[0] = 0.0
    options = {
        "hidden_bias": bool(rng.integers(2)),
        "fit_intercept": bool(rng.integers(2)),
        "sample_weight": weight,
    }
    design = reference.augment(X, options["hidden_bias"])
    weights = reference.normalised(weight, len(y))
    scale = np.sqrt(weights @ np.square(design).sum(axis=1) * (weights @ y**2))
    alpha = float(scale * 10 ** rng.uniform(-4, -0.3))
    return X, y, alpha, options, reference.train_exactly(X, y, alpha, **options)


def assert_optimal(result, seed):
    X, y, alpha, options, optimum = small_problem(seed)
    certificate = result.certificate
    assert result.status is Status.CONVERGED
    assert (certificate.is_proof, certificate.scope) == (True, "global")
    independent = reference.network_objective(result.network, X, y, alpha, options["sample_weight"])
    assert certificate.objective == pytest.approx(independent, rel=1e-12)
    assert independent == pytest.approx(optimum, rel=1e-6)
    for bound in (certificate.lower_bound, certificate.proved_lower_bound):
        assert optimum * (1 - 1e-6) <= bound <= optimum * (1 + 1e-12)
    for entry in result.history:
        assert not entry.is_proof or entry.lower_bound <= optimum * (1 + 1e-12)


@pytest.mark.filterwarnings("ignore::convexrelu.status.SolverWarning")  # the gap is what counts
@pytest.mark.parametrize("patterns", ["enumerated", "cutting_plane"])
@pytest.mark.parametrize("seed", SEEDS)
def test_training_reaches_the_optimum_and_proves_it(seed, patterns):
    X, y, alpha, options, _ = small_problem(seed)
    problem = TrainingProblem(X, y, alpha, **options)
    assert_optimal(train(problem, patterns=patterns, tol=1e-7, random_state=0), seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_bound_of_any_network_is_above_the_optimum(seed):
    X, y, alpha, options, optimum = small_problem(seed)
    rng = np.random.default_rng(seed)
    for m in (0, 1, 2, 5, 10):
        size = 10 ** rng.uniform(-2, 1) * np.sqrt(np.abs(y).max() / np.abs(X).max() / (m or 1))
        b = rng.standard_normal(m) * options["hidden_bias"]
        c = y.mean(keepdims=True) * rng.uniform(0, 2) * options["fit_intercept"]
        W, a = rng.standard_normal((m, X.shape[1])), rng.standard_normal((1, m))
        network = TwoLayerNetwork(size * W, size * b, size * a, c)
        certificate = certify(network, X, y, alpha=alpha, **options)
        assert certificate.is_proof and certificate.scope == "global"
        assert certificate.objective >= optimum * (1 - 1e-9)
        assert certificate.lower_bound <= optimum * (1 + 1e-12)
        searched = certify(network, X, y, alpha=alpha, oracle="search", random_state=0, **options)
        assert searched.proved_lower_bound <= optimum * (1 + 1e-12)
        assert not searched.is_proof or searched.lower_bound <= optimum * (1 + 1e-12)


@pytest.mark.filterwarnings("ignore::convexrelu.status.SolverWarning")
@pytest.mark.parametrize("patterns", ["enumerated", "cutting_plane"])
def test_a_distant_grid_proves_nothing_wrong(patterns):
    # Targets of one at a large offset: one neuron that is active everywhere beats the zero network.
    grid = np.array([[3, 2], [0, 2], [3, 2], [0, 0], [3, 0], [1, 2], [1, 2], [2, 0], [0, 1]])
    order = 1e-12 * np.arange(9)  # problems are solved in lexicographic order of the rows
    X, y = np.column_stack([order, grid + np.array([0.0, 245_317.0])]), np.ones(9)
    design = reference.augment(X, True)
    mean = design.mean(axis=0)
    alpha = 0.5 * np.linalg.norm(mean)
    unit = mean / np.linalg.norm(mean)
    size = alpha / np.mean((design @ unit) ** 2)
    achieved = 0.5 * np.mean((size * design @ unit - 1.0) ** 2) + alpha * size
    result = train(
        TrainingProblem(X, y, alpha, fit_intercept=False), patterns=patterns, random_state=0
    )
    assert result.certificate.is_proof
    assert result.certificate.lower_bound <= achieved
    assert result.certificate.objective <= achieved * (1 + 1e-3)
