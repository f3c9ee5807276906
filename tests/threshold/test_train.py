"""Threshold networks, against lassos in cvxpy, the shattered form and straight-through gradients."""

from fractions import Fraction
from itertools import product

import cvxpy as cp
import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, train
from convexrelu.patterns import (
    ActivationPatterns,
    count_patterns,
    enumerate_patterns,
    sample_patterns,
)
from convexrelu.threshold import selection
from convexrelu.threshold.train import train_threshold
from tests import reference


def data(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def objective_of(network, X, y, alpha, sample_weight=None):
    """From the definition: unit by unit."""
    weights = reference.normalised(sample_weight, len(y))
    design = reference.augment(X, network.hidden_bias)
    f = np.full(len(y), network.intercept)
    for u, w in zip(network.gates, network.weights, strict=True):
        f += w * (design @ u >= 0)
    return 0.5 * weights @ (f - y) ** 2 + alpha * np.abs(network.weights).sum()


def lasso_value(masks, y, alpha, fit_intercept=True, sample_weight=None):
    """Optimal value of the lasso over patterns, by cvxpy."""
    weights = reference.normalised(sample_weight, len(y))
    w, c = cp.Variable(len(masks)), cp.Variable() if fit_intercept else 0.0
    residual = cp.multiply(np.sqrt(weights), masks.T.astype(float) @ w + c - y)
    program = cp.Problem(cp.Minimize(cp.sum_squares(residual) / 2 + alpha * cp.norm1(w)))
    return program.solve(cp.CLARABEL)


def assert_proved(result, problem, tol=1e-9):
    certificate = result.certificate
    assert result.status is Status.CONVERGED
    assert certificate.is_proof and certificate.scope == "global"
    assert certificate.relative_gap <= tol
    assert certificate.objective == pytest.approx(
        objective_of(result.network, problem.X, problem.y, problem.alpha, problem.weights),
        rel=1e-13,
    )
    assert certificate.proved_lower_bound == certificate.lower_bound
    assert result.history[-1].objective == certificate.objective
    assert result.history[-1].lower_bound == certificate.lower_bound
    assert result.history[-1].width == result.network.width


@pytest.mark.parametrize("hidden_bias", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.2, 0.02, 0.002])
def test_optimum_over_all_patterns(hidden_bias, fit_intercept, alpha):
    X, y = data(10, 2)
    options = {"hidden_bias": hidden_bias, "fit_intercept": fit_intercept}
    problem = TrainingProblem(X, y, alpha, **options)
    masks = reference.all_masks(problem.design)
    if not hidden_bias:
        masks = np.vstack([masks, np.ones((1, 10), dtype=bool)])  # u = 0
    result = train_threshold(problem, enumerate_patterns(problem.design), complete=True, tol=1e-9)
    expected = lasso_value(masks, y, alpha, fit_intercept)
    if hidden_bias:
        assert_proved(result, problem)
        assert result.certificate.objective == pytest.approx(expected, rel=1e-6)
    assert result.certificate.objective >= expected * (1 - 1e-7)


def test_sample_weights():
    X, y = data(9, 2, seed=1)
    weights = np.array([1.0, 2.0, 3.0, 1.0, 0.5, 0.25, 4.0, 1.0, 1.0])
    problem = TrainingProblem(X, y, 0.01, sample_weight=weights)
    result = train_threshold(problem, None, tol=1e-9)
    assert_proved(result, problem)
    masks = reference.all_masks(problem.design)
    expected = lasso_value(masks, y, 0.01, sample_weight=weights)
    assert result.certificate.objective == pytest.approx(expected, rel=1e-6)


def test_weights_are_repetitions():
    X, y = data(8, 2, seed=2)
    times = np.array([1, 3, 1, 2, 1, 1, 2, 1])
    weighted = TrainingProblem(X, y, 0.01, sample_weight=times)
    repeated = TrainingProblem(np.repeat(X, times, axis=0), np.repeat(y, times), 0.01)
    one, other = (train_threshold(problem, None, tol=1e-10) for problem in (weighted, repeated))
    assert_proved(other, repeated)
    assert one.certificate.objective == pytest.approx(other.certificate.objective, rel=1e-9)


def shattered_value(y, beta):
    """``min_δ ½‖δ − y‖² + β (‖δ₊‖_∞ + ‖(−δ)₊‖_∞)``: what the lasso is where every pattern occurs."""
    delta = cp.Variable(len(y))
    penalty = cp.max(cp.pos(delta)) + cp.max(cp.neg(delta))
    tight = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}
    return cp.Problem(cp.Minimize(cp.sum_squares(delta - y) / 2 + beta * penalty)).solve(
        cp.CLARABEL, **tight
    )


@pytest.mark.parametrize("seed", range(4))
def test_shattered_data(seed):
    """Six samples in general position in six dimensions: 64 patterns, and a program in the outputs alone."""
    X, y = data(6, 5, seed)
    beta = 0.1
    problem = TrainingProblem(X, y, beta / 6, fit_intercept=False)
    patterns = enumerate_patterns(problem.design)
    assert len(patterns) == 64
    result = train_threshold(problem, patterns, complete=True, tol=1e-10)
    assert_proved(result, problem, tol=1e-10)
    assert 6 * result.certificate.objective == pytest.approx(shattered_value(y, beta), rel=1e-7)


def test_shattered_data_in_numbers():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((6, 7)), rng.standard_normal(6)
    kind = {"activation": "threshold", "hidden_bias": False, "fit_intercept": False}
    problem = TrainingProblem(X, y, 0.3 / 6, **kind)
    result = train_threshold(problem, None, tol=1e-10)
    assert_proved(result, problem, tol=1e-10)
    assert 6 * result.certificate.objective == pytest.approx(0.243617181, abs=1e-9)
    assert shattered_value(y, 0.3) == pytest.approx(0.243617181, abs=1e-9)


def test_ten_samples_in_three_dimensions():
    """92 patterns; and the optimality conditions ``|d_kᵀv| ≤ alpha``, with equality for the units."""
    X, y = data(10, 2, seed=3)
    problem = TrainingProblem(X, y, 0.05)
    patterns = enumerate_patterns(problem.design)
    assert len(patterns) == 92 == count_patterns(10, 3)
    result = train_threshold(problem, patterns, complete=True, tol=1e-12)
    network = result.network
    v = (y - network.predict(X)) / 10
    prices = patterns.masks @ v / problem.alpha
    assert np.abs(prices).max() == pytest.approx(1.0, abs=1e-9)
    own = network.active(X).T @ v / problem.alpha
    np.testing.assert_allclose(own, np.sign(network.weights), atol=1e-9)
    assert v.sum() == pytest.approx(0.0, abs=1e-14)


def straight_through(X, y, alpha, seed, width=30, steps=1500):
    """Adam on gates and weights; the derivative of a step is taken to be that of a sigmoid. The best objective."""
    rng = np.random.default_rng(seed)
    design, n = reference.augment(X, True), len(y)
    gates, w, c = (
        rng.standard_normal((width, design.shape[1])),
        rng.standard_normal(width) / width,
        y.mean(),
    )
    parameters = np.concatenate([gates.ravel(), w, [c]])
    first, second, best = np.zeros_like(parameters), np.zeros_like(parameters), np.inf
    for step in range(1, steps + 1):
        gates = parameters[: gates.size].reshape(gates.shape)
        w, c = parameters[gates.size : -1], parameters[-1]
        inner = design @ gates.T
        on = inner >= 0
        residual = on @ w + c - y
        best = min(best, 0.5 * np.mean(residual**2) + alpha * np.abs(w).sum())
        bell = 0.25 / np.cosh(np.clip(inner / 2, -50, 50)) ** 2
        slope = (bell * residual[:, None] * w).T @ design / n
        gradient = np.concatenate(
            [slope.ravel(), on.T @ residual / n + alpha * np.sign(w), [residual.mean()]]
        )
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        ahead = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        parameters = parameters - 0.02 * ahead
    return best


def test_at_most_the_best_of_twenty_straight_through_runs():
    X, y = data(20, 2, seed=4)
    alpha = 0.01
    best = min(straight_through(X, y, alpha, seed, steps=300) for seed in range(20))
    result = train_threshold(TrainingProblem(X, y, alpha), None, tol=1e-6)
    assert result.certificate.is_proof
    assert result.certificate.objective <= best


def test_lower_bound_in_rational_arithmetic():
    """The dual value of a feasible point, computed in fractions from the optimum, is what the proof says."""
    X, y = data(8, 1, seed=5)
    problem = TrainingProblem(X, y, 0.03)
    result = train_threshold(problem, None, tol=1e-9)
    assert_proved(result, problem)
    v = [Fraction(float(t)) for t in problem.dual_point(result.network.predict(X))]
    v = [t - sum(v) / 8 for t in v]
    masks = reference.all_masks(problem.design)
    largest = max(abs(sum(t for t, on in zip(v, mask, strict=True) if on)) for mask in masks)
    scale = min(Fraction(0.03) / largest, 1)
    exact = sum(
        scale * t * Fraction(float(s)) - 4 * (scale * t) ** 2 for t, s in zip(v, y, strict=True)
    )
    objective = objective_of(result.network, X, y, 0.03)
    assert result.certificate.lower_bound <= objective
    assert float(exact) == pytest.approx(result.certificate.lower_bound, rel=1e-8)


class TestPatterns:
    def test_given_patterns_are_a_program(self):
        X, y = data(12, 3)
        problem = TrainingProblem(X, y, 0.02)
        patterns = sample_patterns(problem.design, 40, random_state=0)
        result = train_threshold(problem, patterns, tol=1e-9)
        assert result.status is Status.CONVERGED
        assert result.certificate.scope == "program"
        assert result.certificate.is_proof
        expected = lasso_value(patterns.masks, y, 0.02)
        assert result.certificate.objective == pytest.approx(expected, rel=1e-6)
        everywhere = train_threshold(problem, None, tol=1e-9)
        assert_proved(everywhere, problem)
        assert result.certificate.proved_lower_bound <= everywhere.certificate.objective
        assert everywhere.certificate.objective <= result.certificate.objective

    def test_an_incomplete_enumeration_is_a_program(self):
        X, y = data(8, 2)
        problem = TrainingProblem(X, y, 0.02)
        patterns = enumerate_patterns(problem.design)
        fewer = ActivationPatterns(patterns.masks[2:], patterns.gates[2:])
        result = train_threshold(problem, fewer, complete=True, tol=1e-9)
        assert result.certificate.scope == "program"

    def test_gates_on_hyperplanes(self):
        """Opposite samples without a bias: ``u = 0`` has both on, so that the two cells are not everything."""
        problem = TrainingProblem(
            np.array([[1.0], [-1.0]]), np.ones(2), 0.1, hidden_bias=False, fit_intercept=False
        )
        result = train_threshold(problem, enumerate_patterns(problem.design), complete=True)
        assert result.certificate.scope == "program"
        both_on = 0.5 * 0.1**2 + 0.1 * 0.9
        assert both_on < result.certificate.objective
        assert result.certificate.proved_lower_bound <= both_on

    def test_grid(self):
        """Degenerate data, with cells counted in integers."""
        X = np.array([[i, j] for i in range(4) for j in range(4)], dtype=float)
        y = np.random.default_rng(0).standard_normal(16)
        problem = TrainingProblem(X, y, 0.01)
        result = train_threshold(problem, None, tol=1e-9)
        assert_proved(result, problem)
        masks = reference.all_masks(problem.design)
        expected = lasso_value(masks, y, 0.01)
        assert result.certificate.objective == pytest.approx(expected, rel=1e-6)

    def test_search(self, monkeypatch):
        X, y = data(14, 3, seed=6)
        problem = TrainingProblem(X, y, 0.02)
        proved = train_threshold(problem, None, tol=1e-9)
        assert_proved(proved, problem)
        monkeypatch.setattr(selection, "_LIST_BYTES", {"planar": 0, "more": 0})
        random = np.random.RandomState(0)
        searched = train_threshold(problem, None, tol=1e-9, random=random)
        certificate = searched.certificate
        assert not certificate.is_proof
        assert certificate.n_starts > 0
        assert certificate.proved_lower_bound <= proved.certificate.objective
        assert certificate.objective == pytest.approx(proved.certificate.objective, rel=1e-6)

    def test_sweep(self, monkeypatch):
        X, y = data(40, 2, seed=7)
        problem = TrainingProblem(X, y, 0.01)
        listed = train_threshold(problem, None, tol=1e-9)
        assert_proved(listed, problem)
        monkeypatch.setattr(selection, "_LIST_BYTES", {"planar": 0, "more": 0})
        swept = train_threshold(problem, None, tol=1e-9)
        assert_proved(swept, problem)
        assert (listed.certificate.method, swept.certificate.method) == ("cells", "sweep")
        one, other = listed.certificate.objective, swept.certificate.objective
        assert one == pytest.approx(other, rel=1e-9)

    def test_sweep_of_a_grid(self, monkeypatch):
        """Not sharp, but a proof: the optimum is between its bound and its objective."""
        X = np.array([[i, j] for i in range(4) for j in range(4)], dtype=float)
        problem = TrainingProblem(X, np.random.default_rng(0).standard_normal(16), 0.01)
        optimum = train_threshold(problem, None, tol=1e-9).certificate
        monkeypatch.setattr(selection, "_LIST_BYTES", {"planar": 0, "more": 0})
        swept = train_threshold(problem, None, tol=1e-9).certificate
        assert swept.is_proof and swept.scope == "global"
        assert swept.lower_bound <= optimum.objective
        assert optimum.lower_bound <= swept.objective

    def test_gates_are_centres(self):
        X, y = data(10, 2)
        problem = TrainingProblem(X, y, 0.05)
        network = train_threshold(problem, None, tol=1e-9).network
        units = problem.design / np.linalg.norm(problem.design, axis=1, keepdims=True)
        rng = np.random.default_rng(0)
        for gate in network.gates:
            assert np.linalg.norm(gate) == pytest.approx(1.0)
            depth = np.abs(units @ gate).min()
            for other in gate + 0.1 * rng.standard_normal((200, 3)):
                other /= np.linalg.norm(other)
                if ((units @ other > 0) == (units @ gate > 0)).all():
                    assert np.abs(units @ other).min() <= depth + 1e-12


@pytest.mark.parametrize("seed", range(24))
def test_sound_on_degenerate_data(seed, monkeypatch):
    """No proof is above the objective of networks with many other gates, on and off the hyperplanes."""
    rng = np.random.default_rng(seed)
    n, d = rng.integers(2, 9), rng.integers(1, 3)
    X = rng.integers(-2, 3, (n, d)) * rng.choice([0.1, 1.0, 1e8]) + rng.choice([0, 1e6])
    options = {"hidden_bias": bool(seed & 1), "fit_intercept": bool(seed & 2)}
    alpha = 10 ** rng.uniform(-3, 0)
    problem = TrainingProblem(X, rng.standard_normal(n), alpha, **options).condensed()
    dimension = problem.design.shape[1]
    lattice = np.array(list(product(range(-3, 4), repeat=dimension)), dtype=float)
    gates = np.vstack([lattice, rng.standard_normal((100, dimension))])
    masks = np.unique(gates @ problem.design.T >= 0, axis=0)
    arguments = masks, problem.y, alpha, problem.fit_intercept, problem.weights
    upper = lasso_value(*arguments) * (1 + 1e-6) + 1e-9
    if seed & 4:
        monkeypatch.setattr(selection, "_LIST_BYTES", {"planar": 0, "more": 0})
    result = train_threshold(problem, None, max_iter=2, random=np.random.RandomState(0))
    certificate = result.certificate
    assert certificate.proved_lower_bound <= upper
    assert certificate.lower_bound <= certificate.objective * (1 + 1e-12)
    if certificate.is_proof and certificate.scope == "global":
        assert certificate.lower_bound == certificate.proved_lower_bound


class TestLimits:
    def test_large_penalty(self):
        X, y = data(30, 6)
        problem = TrainingProblem(X, y, 10.0)
        result = train_threshold(problem, None)
        assert result.network.width == 0
        assert result.certificate.is_proof
        assert result.certificate.relative_gap <= 1e-9
        np.testing.assert_allclose(result.network.predict(X), y.mean())

    def test_constant_targets(self):
        result = train_threshold(TrainingProblem(np.eye(4), np.full(4, 3.0), 0.1), None)
        assert (result.network.width, result.certificate.objective) == (0, 0.0)
        assert result.status is Status.CONVERGED

    def test_one_sample(self):
        problem = TrainingProblem([[2.0]], [3.0], 0.5, fit_intercept=False)
        result = train_threshold(problem, None, tol=1e-9)
        assert_proved(result, problem)
        assert result.certificate.objective == pytest.approx(0.5 * 0.5**2 + 0.5 * 2.5)

    def test_zero_inputs(self):
        problem = TrainingProblem(np.zeros((3, 2)), [1.0, 2.0, 3.0], 0.1, hidden_bias=False)
        result = train_threshold(problem, None)
        assert result.network.width == 0
        assert result.certificate.relative_gap <= 1e-9

    def test_rounds(self, monkeypatch):
        monkeypatch.setattr(selection, "_LIST_BYTES", {"planar": 0, "more": 0})
        X, y = data(40, 3)
        rounds = []
        result = train_threshold(
            TrainingProblem(X, y, 0.001),
            None,
            tol=1e-9,
            max_iter=2,
            random=np.random.RandomState(0),
            progress=rounds.append,
        )
        assert result.status is Status.MAX_ITER
        assert (result.n_iter, len(rounds)) == (2, 3)
        # Columns at hand are among the directions that were priced: no estimate is above the objective.
        assert all(entry.lower_bound <= entry.objective for entry in rounds)
        assert rounds[0].objective > rounds[-1].objective

    def test_time(self):
        X, y = data(40, 2)
        result = train_threshold(TrainingProblem(X, y, 0.001), None, tol=0, time_limit=0)
        assert result.status is Status.TIME_LIMIT
        assert result.network.width == 0
        assert 0 < result.certificate.relative_gap <= 1

    def test_interruption(self):
        X, y = data(40, 2)

        def interrupt(entry):
            if entry.n_blocks:
                raise KeyboardInterrupt

        result = train_threshold(TrainingProblem(X, y, 0.001), None, progress=interrupt)
        assert result.status is Status.INTERRUPTED
        assert result.network.width > 0

    @pytest.mark.parametrize("scale", [1e-100, 1e100])
    def test_units(self, scale):
        X, y = data(10, 2)
        plain = train_threshold(TrainingProblem(X, y, 0.01), None, tol=1e-9)
        problem = TrainingProblem(X, y * scale, 0.01 * scale)
        scaled = train_threshold(problem, None, tol=1e-9)
        assert_proved(scaled, problem)
        assert scaled.certificate.objective == pytest.approx(
            plain.certificate.objective * scale**2, rel=1e-8
        )


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (
            [1.0, -1.0],
            {"loss": "hinge"},
            "does not support loss='hinge'; it is a lasso, use loss='squared",
        ),
        (np.eye(2), {}, "does not support several outputs"),
        ([1.0, -1.0], {"hidden_bias": "free"}, "does not support hidden_bias='free'"),
    ],
)
def test_other_problems(y, options, message):
    with pytest.raises(ValueError, match=f"activation='threshold'.*{message}"):
        train_threshold(TrainingProblem(np.eye(2), y, 0.1, **options), None)


@pytest.mark.slow
def test_predictions_need_few_lassos():
    X, y = reference.teacher(80, 3, 4, 0.3, 0)
    problem = TrainingProblem(X, y, 1e-3, activation="threshold")
    full = train(problem, effort="certify", random_state=0)
    quick = train(problem, effort="predict", random_state=0)
    assert quick.status is Status.SETTLED
    assert quick.n_iter < full.n_iter
    assert quick.certificate.objective <= 1.1 * full.certificate.objective
    assert quick.certificate.proved_lower_bound <= full.certificate.objective
    assert quick.certificate.objective == quick.history[-1].objective
    assert quick.certificate.objective == pytest.approx(objective_of(quick.network, X, y, 1e-3))
