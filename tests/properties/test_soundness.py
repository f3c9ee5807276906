"""The promise of the package: a proved bound is never above the optimum."""

from functools import cache

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, TwoLayerNetwork, certify, train
from convexrelu.certificates.pricing import certificate_of, price_and_certify
from convexrelu.oracles import (
    BranchAndBoundOracle,
    CellOracle,
    SearchOracle,
    SemidefiniteOracle,
    SweepOracle,
)
from tests import reference

SEEDS = range(50)
KINDS = ("plain", "duplicates", "constant column", "small", "large", "integers", "collinear")
FEW_SEEDS = SEEDS[: 4 * len(KINDS)]  # every kind in every dimension
HARD_KINDS = (
    "far away",
    "rows of every size",
    "columns of every size",
    "near duplicates",
    "nearly opposite",
    "nearly collinear",
    "squares underflow",
)
MANY_SEEDS = range(
    50, 50 + 4 * len(KINDS + HARD_KINDS)
)  # the same; benchmarks.soundness draws thousands


def small_problem(seed):
    """Data and options of a problem, and its optimum by brute force."""
    X, y, alpha, options, (optimum, *_) = solved_problem(seed)
    return X, y, alpha, options, optimum


@cache
def solved_problem(seed):
    """The same with the network that attains the optimum; beyond `SEEDS`, hard kinds as well."""
    rng = np.random.default_rng(seed)
    kinds = KINDS if seed in SEEDS else KINDS + HARD_KINDS
    kind, d = kinds[seed % len(kinds)], (1, 2, 2, 3)[seed % 4 if seed in SEEDS else seed // 14 % 4]
    n = int(rng.integers(3, 8 if d == 3 else 13 if d == 1 else 11))
    n = n if seed in SEEDS else min(n, 8)
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
        case "far away":
            X += 10 ** rng.uniform(2, 6)
        case "rows of every size":
            X *= 10 ** rng.uniform(-5, 5, (n, 1))
        case "columns of every size":
            X *= 10 ** rng.uniform(-5, 5, d)
        case "near duplicates" | "nearly opposite":
            X[n // 2 :] = X[: n - n // 2] * (1.0 if kind == "near duplicates" else -1.0)
            X += 10 ** rng.uniform(-16, -6) * rng.standard_normal(X.shape)
        case "nearly collinear":
            X[:, -1] = 0.5 * X[:, 0] + 10 ** rng.uniform(-16, -6) * X[:, -1]
        case "squares underflow":
            X, y = 1e-160 * X, 1e-120 * y
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
    largest = np.abs(design).max(), np.abs(y).max()  # whose squares may underflow
    squares = np.square(design / largest[0]).sum(axis=1), np.square(y / largest[1])
    scale = np.prod(largest) * np.sqrt(weights @ squares[0] * (weights @ squares[1]))
    alpha = float(scale * 10 ** rng.uniform(-4, -0.3))
    return X, y, alpha, options, reference.optimal_neurons(X, y, alpha, **options)


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


@pytest.mark.filterwarnings("ignore::convexrelu.results.SolverWarning")  # the gap is what counts
@pytest.mark.parametrize("patterns", ["enumerated", "cutting_plane"])
@pytest.mark.parametrize("seed", FEW_SEEDS)
def test_training_reaches_the_optimum_and_proves_it(seed, patterns):
    X, y, alpha, options, _ = small_problem(seed)
    problem = TrainingProblem(X, y, alpha, **options)
    assert_optimal(train(problem, patterns=patterns, tol=1e-7, random_state=0), seed)


@pytest.mark.parametrize("seed", FEW_SEEDS)
def test_no_bound_of_any_network_is_above_the_optimum(seed):
    X, y, alpha, options, optimum = small_problem(seed)
    rng = np.random.default_rng(seed)
    for m in ((0, 5), (1, 10), (2, 5))[seed % 3]:
        size = 10 ** rng.uniform(-2, 1) * np.sqrt(np.abs(y).max() / np.abs(X).max() / (m or 1))
        b = rng.standard_normal(m) * options["hidden_bias"]
        c = y.mean(keepdims=True) * rng.uniform(0, 2) * options["fit_intercept"]
        W, a = rng.standard_normal((m, X.shape[1])), rng.standard_normal((1, m))
        network = TwoLayerNetwork(size * W, size * b, size * a, c)
        # Residuals of random networks are dual points of all kinds; those of training are near the best. It is done
        # with one oracle; every kind of data has seeds for either.
        trained = (5, ("auto", "search")[seed // len(KINDS) % 2])
        bounds = {o: "trained" if (m, o) == trained else "residual" for o in ("auto", "search")}
        given = {"alpha": alpha, **options}
        certificate = certify(network, X, y, bound=bounds["auto"], **given)
        assert certificate.is_proof and certificate.scope == "global"
        assert certificate.objective >= optimum * (1 - 1e-9)
        assert certificate.lower_bound <= optimum * (1 + 1e-12)
        searched = certify(
            network, X, y, oracle="search", bound=bounds["search"], random_state=0, **given
        )
        assert searched.proved_lower_bound <= optimum * (1 + 1e-12)
        assert not searched.is_proof or searched.lower_bound <= optimum * (1 + 1e-12)


def some_networks(seed):
    """The zero network, a random one, the optimum, and what is left of it without some neurons."""
    X, y, _, options, (_, directions, signs, c) = solved_problem(seed)
    rng, d = np.random.default_rng(seed), X.shape[1]
    root = np.sqrt(np.linalg.norm(directions, axis=1))[:, None]
    W = np.divide(directions, root, out=np.zeros_like(directions), where=root > 0)
    b, a = W[:, d] if options["hidden_bias"] else np.zeros(len(W)), (root[:, 0] * signs)[None]
    optimum = TwoLayerNetwork(W[:, :d], b, a, np.full(1, float(c)))
    half = slice(0, None, 2)
    part = TwoLayerNetwork(W[half, :d], b[half], a[:, half], optimum.output_bias)
    size = np.sqrt(np.abs(y).max() / np.abs(X).max())
    random = TwoLayerNetwork(
        size * rng.standard_normal((3, d)), np.zeros(3), size * rng.standard_normal((1, 3)), [0.0]
    )
    return TwoLayerNetwork.constant(d, float(c)), random, optimum, part


def proving_oracles(seed, design):
    """Every oracle that can prove something about these data, some of them stopped early."""
    rng = np.random.default_rng(seed)
    yield CellOracle(design)
    search = SearchOracle(design, n_starts=4, n_steps=10, n_polish=2, random_state=seed)
    yield BranchAndBoundOracle(
        design, search=search, rtol=rng.choice([1e-2, 1e-7]), max_work=10 ** rng.uniform(1, 4.5)
    )
    if np.linalg.matrix_rank(design) <= 3:
        yield SweepOracle(design)
    if seed % 13 == 0 and len(design) < 8:
        yield SemidefiniteOracle(design)


@pytest.mark.slow
@pytest.mark.parametrize("first", MANY_SEEDS[::8])
def test_no_oracle_proves_too_much(first):
    for seed in range(first, first + 8):
        X, y, alpha, options, optimum = small_problem(seed)
        problem = TrainingProblem(X, y, alpha, **options).condensed()
        for oracle in proving_oracles(seed, problem.design):
            networks = some_networks(seed)
            found = [price_and_certify(problem, network, oracle)[0] for network in networks]
            # The same for an oracle that may stop at the level that counts.
            some = seed % len(networks)
            v = problem.dual_point(networks[some].predict(problem.X))
            report = oracle(v, level=alpha)
            found.append(certificate_of(problem, found[some].objective, v, report))
            for certificate in found:
                assert certificate.is_proof and certificate.scope == "global"
                assert certificate.objective >= optimum * (1 - 1e-9)
                assert certificate.lower_bound <= optimum * (1 + 1e-12)
                assert certificate.proved_lower_bound <= optimum * (1 + 1e-12)


@pytest.mark.filterwarnings("ignore::convexrelu.results.SolverWarning")
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
