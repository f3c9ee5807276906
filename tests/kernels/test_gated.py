"""From the gated tangent kernel to the gated program."""

import cvxpy as cp
import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from convexrelu import Status, TrainingProblem, train
from convexrelu.kernels import gated_kernel, reweighted_kernel
from convexrelu.patterns import ActivationPatterns
from tests import reference

X, Y = reference.teacher(20, 2, 2, 0.2, 0)
GATES = np.random.default_rng(2).standard_normal((12, 3))  # no two of one pattern
WEIGHTS = np.random.default_rng(1).integers(0, 4, len(Y))


def problem_of(X=X, y=Y, alpha=0.02, **options):
    return TrainingProblem(X, y, alpha, activation="gated_relu", **options)


def gates_for(problem):
    return GATES[:, : 2 + problem.hidden_bias]


def objective(problem, network):
    """The gated program's, block by block."""
    design = reference.augment(problem.X, problem.hidden_bias)
    f = np.full(len(design), network.intercept)
    for g, u in zip(network.gates, network.weights, strict=True):
        f += (design @ g >= 0) * (design @ u)
    fit = 0.5 * problem.weights @ (f - problem.y) ** 2
    return fit + problem.alpha * np.linalg.norm(network.weights, axis=1).sum()


# The optimum


@pytest.mark.parametrize("seed", range(10))
def test_reaches_the_optimum_of_the_program(seed):
    n, d = [(20, 2), (15, 4), (25, 1), (20, 3), (12, 6)][seed % 5]
    X, y = reference.teacher(n, d, 2, 0.2, seed)
    gates = np.random.default_rng(seed).standard_normal((12, d + 1))
    problem = problem_of(X, y, 0.03, fit_intercept=seed % 2 == 0)
    optimum = train(problem, patterns=gates, tol=1e-8).certificate
    result = reweighted_kernel(problem, gates, n_iter=2000, tol=1e-5)
    assert result.status is Status.CONVERGED
    assert result.objectives[-1] == pytest.approx(optimum.objective, rel=1e-5)
    assert result.objectives[-1] >= optimum.lower_bound
    assert result.objectives[0] > 1.05 * optimum.objective
    # Smoothing adds less than a hundredth of a gap, and gaps are above what objectives have left.
    rises = np.diff(result.objectives)
    assert rises.max() <= 0.01 * (result.objectives[:-1].max() - optimum.lower_bound)
    assert (rises[:20] < 0).all()


def test_certificate_is_that_of_the_network(options):
    problem = problem_of(**options)
    result = reweighted_kernel(problem, gates_for(problem), n_iter=50)
    certificate = result.certificate
    assert objective(problem, result.network) == pytest.approx(certificate.objective, rel=1e-12)
    assert certificate.objective == result.objectives[-1]
    assert (certificate.scope, certificate.method, certificate.is_proof) == (
        "program",
        "gates",
        True,
    )
    optimum = train(problem, patterns=gates_for(problem), tol=1e-8)
    assert certificate.lower_bound <= optimum.certificate.objective <= certificate.objective


def test_gaps_of_iterates_go_to_zero():
    gaps = [
        reweighted_kernel(problem_of(), GATES, n_iter=k, tol=0.0).certificate.relative_gap
        for k in (0, 10, 100, 300)
    ]
    assert (np.array(gaps) < [0.5, 0.05, 1e-4, 1e-9]).all()
    assert (np.array(gaps) > [0.1, 0.01, 1e-6, 0.0]).all()


# One step


def test_networks_are_ridge_regression_with_their_kernel():
    """With scikit-learn's own, on the samples and elsewhere: the loss there is ``n`` times that of two."""
    problem = problem_of(fit_intercept=False)
    new = np.random.default_rng(3).standard_normal((9, 2))
    for n_iter in (0, 1, 7):
        result = reweighted_kernel(problem, GATES, n_iter=n_iter)
        assert len(result.objectives) == n_iter + 1
        ridge = KernelRidge(alpha=len(Y) * problem.alpha, kernel="precomputed")
        ridge.fit(result.kernel(X), Y)
        np.testing.assert_allclose(result.network.predict(X), ridge.predict(result.kernel(X)))
        np.testing.assert_allclose(
            result.network.predict(new), ridge.predict(result.kernel(new, X))
        )


def test_conditions_of_ridge_regression(options):
    """``(K_η + alpha S⁻¹) a + c1 = y`` with ``S⁻¹ alpha a = y − f``, and ``1ᵀa = 0`` with an intercept."""
    problem = problem_of(**options)
    result = reweighted_kernel(problem, gates_for(problem), n_iter=3)
    network, design = result.network, problem.design
    residual = Y - network.predict(X)
    a = problem.weights * residual / problem.alpha
    kernel = result.kernel(X)
    np.testing.assert_allclose(kernel @ a + residual + network.intercept, Y, atol=1e-10)
    if problem.fit_intercept:
        assert abs(a.sum()) < 1e-9 * np.abs(a).sum()
    masks = design @ result.patterns.gates.T >= 0
    blocks = result.eta[:, None] * ((masks.T * a) @ design)
    np.testing.assert_allclose(network.weights, blocks, atol=1e-10)


def test_next_weights_are_the_norms():
    before = reweighted_kernel(problem_of(), GATES, n_iter=0)
    after = reweighted_kernel(problem_of(), GATES, n_iter=1)
    norms = np.linalg.norm(before.network.weights, axis=1)
    epsilon = 0.01 * before.certificate.gap / (0.02 * len(norms))
    np.testing.assert_allclose(after.eta, np.sqrt(norms**2 + epsilon**2), rtol=1e-10)


# The first kernel


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_scale_of_the_first_weights_is_the_best_bound(fit_intercept):
    """Solved by cvxpy with ``alpha √(Σw) √(Σ ‖u‖²/w)`` for a penalty."""
    problem = problem_of(fit_intercept=fit_intercept)
    w = np.random.default_rng(2).uniform(0.5, 2.0, len(GATES))
    result = reweighted_kernel(problem, GATES, weights=w, n_iter=0)
    design = problem.design
    w = w[[np.flatnonzero((g == GATES).all(axis=1))[0] for g in result.patterns.gates]]
    assert len(w) == len(GATES)  # all patterns differ
    masks = (design @ result.patterns.gates.T >= 0).astype(float)
    U, c = cp.Variable((3, len(w))), cp.Variable() if fit_intercept else 0.0
    f = cp.sum(cp.multiply(masks, design @ U), axis=1) + c
    length = cp.norm(cp.multiply(U, np.sqrt(1 / w)[None, :]), "fro")
    cost = problem.weights @ cp.square(f - Y) / 2
    cp.Problem(cp.Minimize(cost + problem.alpha * np.sqrt(w.sum()) * length)).solve(
        solver="CLARABEL"
    )
    np.testing.assert_allclose(result.network.weights, U.value.T, atol=1e-5)
    np.testing.assert_allclose(result.eta / w, result.eta[0] / w[0])
    tau = np.sqrt((np.linalg.norm(U.value, axis=0) ** 2 / w).sum() / w.sum())
    assert result.eta[0] / w[0] == pytest.approx(tau, rel=1e-5)


def test_weights_of_gates_with_one_pattern_are_added():
    repeated = np.vstack([GATES, 2 * GATES[:3], 5 * GATES[:1]])
    counts = np.ones(len(GATES))
    counts[:3] += 1
    counts[0] += 1
    first = reweighted_kernel(problem_of(), repeated, n_iter=2)
    second = reweighted_kernel(problem_of(), GATES, weights=7 * counts, n_iter=2)
    np.testing.assert_allclose(first.eta, second.eta, rtol=1e-9)
    np.testing.assert_allclose(first.objectives, second.objectives, rtol=1e-12)


def test_patterns_are_taken_for_their_gates():
    patterns = ActivationPatterns.of_gates(problem_of().design, GATES)
    first, second = (reweighted_kernel(problem_of(), p, n_iter=2) for p in (patterns, GATES))
    np.testing.assert_array_equal(first.objectives, second.objectives)


def test_gates_that_start_without_weight_come_back():
    """Without smoothing, zeros would stay."""
    weights = np.zeros(len(GATES))
    weights[0] = 1.0
    optimum = train(problem_of(), patterns=GATES, tol=1e-8).certificate.objective
    result = reweighted_kernel(problem_of(), GATES, weights=weights, n_iter=5000)
    assert result.objectives[-1] == pytest.approx(optimum, rel=1e-5)


def test_where_no_scale_of_the_tangent_kernel_is_better_than_zero():
    """The mean of ``‖X̃ᵀD_i v‖²`` is below ``alpha²``, the largest is above: first the constant, then the optimum."""
    constant = problem_of().dual_point(np.zeros(len(Y)))
    design = problem_of().design
    masks = GATES @ design.T >= 0
    sizes = np.linalg.norm((masks * constant) @ design, axis=1)
    alpha = 0.5 * (np.sqrt((sizes**2).mean()) + sizes.max())
    problem = problem_of(alpha=alpha)
    result = reweighted_kernel(problem, GATES, n_iter=5000, tol=1e-6)
    assert result.objectives[0] == pytest.approx(0.5 * Y.var(), rel=1e-12)
    optimum = train(problem, patterns=GATES, tol=1e-8).certificate.objective
    assert optimum < 0.9999 * result.objectives[0]
    assert result.objectives[-1] == pytest.approx(optimum, rel=1e-6)


def test_targets_that_are_constant():
    result = reweighted_kernel(problem_of(y=np.full(len(Y), 3.0)), GATES)
    assert result.objectives.tolist() == [0.0] and result.status is Status.CONVERGED


def test_limit_on_reweightings():
    result = reweighted_kernel(problem_of(), GATES, n_iter=3, tol=1e-9)
    assert (result.status, len(result.objectives)) == (Status.MAX_ITER, 4)


# Arguments


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem": TrainingProblem(X, Y, 0.1)}, "activation='relu'"),
        ({"problem": problem_of(loss="huber")}, "loss='huber'"),
        ({"problem": "diabetes"}, "problem is a str"),
        (
            {"patterns": GATES[:, :2]},
            r"patterns has shape \(12, 2\), expected \(P, 3\)",
        ),
        ({"patterns": np.nan * GATES}, "patterns contains NaN"),
        ({"patterns": "sampled"}, "patterns is not an array of numbers"),
        ({"weights": np.ones(3)}, r"weights has shape \(3,\), expected \(12,\)"),
        ({"weights": -np.ones(12)}, "weights must be non-negative"),
        ({"weights": np.full(12, np.inf)}, "weights contains NaN or infinity"),
        ({"weights": np.zeros(12)}, "at least one positive"),
        ({"weights": ["a"] * 12}, "weights is not an array of numbers"),
        ({"n_iter": -1}, "n_iter=-1"),
        ({"n_iter": 2.5}, "n_iter=2.5"),
        ({"tol": -1e-3}, "tol=-0.001"),
        ({"tol": np.nan}, "tol=nan"),
    ],
)
def test_bad_input(change, message):
    arguments = {"problem": problem_of(), "patterns": GATES, **change}
    with pytest.raises(ValueError, match=message):
        reweighted_kernel(arguments.pop("problem"), arguments.pop("patterns"), **arguments)


def test_gated_kernel_is_a_sum_over_gates():
    new, eta = np.random.default_rng(4).standard_normal((6, 2)), np.arange(12.0)
    design, other = reference.augment(X, True), reference.augment(new, True)
    expected = np.zeros((len(X), 6))
    for weight, g in zip(eta, GATES, strict=True):
        D, E = np.diag(design @ g >= 0).astype(float), np.diag(other @ g >= 0).astype(float)
        expected += weight * D @ design @ other.T @ E
    np.testing.assert_allclose(gated_kernel(X, new, gates=GATES, weights=eta), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gates": GATES[:, 0]}, r"gates has shape \(12,\)"),
        ({"weights": np.ones(2)}, "weights has shape"),
        ({"X": X[:, :1]}, r"gates has shape \(12, 3\), expected \(P, 2\)"),
    ],
)
def test_bad_input_of_the_gated_kernel(change, message):
    arguments = {"X": X, "gates": GATES, "weights": np.ones(12), **change}
    with pytest.raises(ValueError, match=message):
        gated_kernel(**arguments)
