"""No closed form claims more than there is: bounds are below the objective of every network found without it."""

import warnings
from fractions import Fraction

import cvxpy as cp
import numpy as np
import pytest
from scipy.sparse import csr_array

from convexrelu import TrainingProblem, train
from convexrelu.closed_forms import (
    OrthogonalRowsOracle,
    closed_form_for,
    structure_of,
    train_on_line,
    train_spike_free,
    train_whitened,
)
from convexrelu.interpolation import minimum_norm
from convexrelu.losses import LOSSES
from convexrelu.losses.dual_domain import separable_dual_point
from convexrelu.oracles import Line, LineOracle, SpikeFreeOracle, proved_length
from tests import reference
from tests.closed_forms.test_spike_free import spike_free_rows
from tests.closed_forms.test_whitened import orthogonal_rows

PLAIN = {"hidden_bias": False, "fit_intercept": False}
SCALAR_LOSSES = [name for name in LOSSES if name != "multinomial"]


# Networks that are found without closed forms


def solve(objective, constraints=()):
    problem = cp.Problem(cp.Minimize(objective), list(constraints))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # what comes back is the objective of a network, accurate or not
        problem.solve(cp.CLARABEL, tol_gap_rel=1e-11, tol_gap_abs=1e-14, tol_feas=1e-11)


def ridges_of(X):
    """``(t − t_k)₊`` and ``(t_k − t)₊`` for samples on a line, of shape (n, 2n)."""
    centred = X - X.mean(axis=0)
    farthest = centred[np.argmax(np.linalg.norm(centred, axis=1))]
    t = centred @ (farthest / np.linalg.norm(farthest))
    return np.maximum(np.hstack([t[:, None] - t, t - t[:, None]]), 0.0)


def dense_lasso(X, y, alpha, weights, loss):
    """Objective of the network that a dense lasso over all ridges finds."""
    s = reference.normalised(weights, len(y))
    n_outputs = y.shape[1] if np.ndim(y) == 2 else 1
    if loss == "multinomial":
        n_outputs = int(np.max(y)) + 1
    ridges = ridges_of(X)
    scale = ridges.max()
    z, c = cp.Variable((ridges.shape[1], n_outputs)), cp.Variable((1, n_outputs))
    f = (ridges / scale) @ z + np.ones((len(y), 1)) @ c
    f_ = f if n_outputs > 1 else f[:, 0]
    solve(
        LOSSES[loss]().expression(f_, np.asarray(y, dtype=float), s)
        + alpha / scale * cp.sum(cp.norm(z, 2, axis=1))
    )
    outer = z.value / scale
    outputs = ridges @ outer + c.value
    value = reference.mean_loss(loss, outputs, y, weights)
    return value + alpha * np.linalg.norm(outer, axis=1).sum()


def over_all_patterns(X, y, alpha, weights, loss, *, hidden_bias, fit_intercept):
    """Objective of the network that the program of all patterns finds, for one output and any loss."""
    design, s = reference.augment(X, hidden_bias), reference.normalised(weights, len(y))
    masks = reference.all_masks(design)
    scale = np.abs(design).max()
    parts = [cp.Variable((design.shape[1], len(masks))) for _ in range(2)]
    seen = [design / scale @ part for part in parts]
    c = cp.Variable() if fit_intercept else 0.0
    f = cp.sum(cp.multiply(masks.T.astype(float), seen[0] - seen[1]), axis=1) + c
    norms = sum(cp.sum(cp.norm(part, 2, axis=0)) for part in parts)
    cones = [cp.multiply(2.0 * masks.T - 1, part) >= 0 for part in seen]
    solve(LOSSES[loss]().expression(f, y, s) + alpha / scale * norms, cones)
    u = np.hstack([part.value for part in parts]) / scale
    signs = np.repeat([1.0, -1.0], len(masks))
    outputs = np.maximum(design @ u, 0.0) @ signs + (c.value if fit_intercept else 0.0)
    fit = reference.mean_loss(loss, outputs[:, None], y, weights)
    return fit + alpha * np.linalg.norm(u, axis=0).sum()


# What every result must be


def assert_sound(result, X, y, alpha, best, *, loss="squared_error", weights=None, free_bias=False):
    """A proof, of this network, and of nothing better than there is."""
    certificate = result.certificate
    own = reference.regularised_loss(
        result.network, X, y, alpha, loss=loss, free_bias=free_bias, weights=weights
    )
    assert certificate.is_proof and certificate.scope == "global"
    assert certificate.objective == pytest.approx(own, rel=1e-9)
    # Losses without a scale are differences of terms of about one, and in float64 off by roundings of these.
    slack = 1e-12 * abs(best) + (1e-15 if LOSSES[loss]().degree is None else 0.0)
    assert certificate.lower_bound <= min(own, best) + slack
    assert certificate.proved_lower_bound <= min(own, best) + slack


def targets_for(loss, n, rng):
    if loss == "poisson":
        return rng.integers(1, 5, n).astype(float)
    if loss == "multinomial":
        return rng.permutation(np.arange(n) % 3).astype(float)
    if loss in ("logistic", "hinge", "squared_hinge"):
        return rng.permutation(np.where(np.arange(n) % 2, 1.0, -1.0))
    return rng.standard_normal(n)


# Samples on a line


def line_data(seed):
    """Ties, near-duplicates, offsets, mixed scales; a line in several dimensions, or nearly one."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    t = rng.standard_normal(n)
    match seed % 5:
        case 1:
            t = np.append(rng.integers(0, 3, n - 1), 3)
        case 2:
            t[1:] = t[0] + np.geomspace(1e-7, 1.0, n - 1)
        case 3:
            t = 1e3 + t
        case 4:
            t = t * 10.0 ** rng.uniform(-4, 1, n)
    X = t[:, None].astype(float)
    if seed % 2:
        X = np.outer(t, [3.0, 4.0, 12.0]) + rng.standard_normal(3)
        X += rng.choice([0.0, 1e-14, 1e-13]) * rng.standard_normal(X.shape)
    weights = 10.0 ** rng.uniform(-6, 0, n) if seed % 3 == 0 else None
    if weights is not None and seed % 6 == 0 and n > 3:
        weights[-1] = 0.0
    return X, weights, float(10.0 ** rng.uniform(-4, 0.5)), rng


@pytest.mark.parametrize("loss", SCALAR_LOSSES)
@pytest.mark.parametrize("seed", range(6))
def test_line(loss, seed):
    X, weights, alpha, rng = line_data(100 * SCALAR_LOSSES.index(loss) + seed)
    y = targets_for(loss, len(X), rng)
    if loss in ("logistic", "hinge", "squared_hinge"):
        weights = None  # both classes must count
    problem = TrainingProblem(X, y, alpha, loss=loss, hidden_bias="free", sample_weight=weights)
    if structure_of(X, hidden_bias="free") == "general":
        with pytest.raises(ValueError, match="is not on a line"):
            train_on_line(problem)
        return
    result = train_on_line(problem, tol=1e-6)
    best = dense_lasso(X, y, alpha, weights, loss)
    assert_sound(result, X, y, alpha, best, loss=loss, weights=weights, free_bias=True)


@pytest.mark.parametrize("seed", range(5))
def test_line_with_several_outputs(seed):
    X, weights, alpha, rng = line_data(5 * seed)
    y = rng.standard_normal((len(X), 2 + seed % 2))
    problem = TrainingProblem(X, y, alpha, hidden_bias="free", sample_weight=weights)
    result = train_on_line(problem, tol=1e-6)
    best = dense_lasso(X, y, alpha, weights, "squared_error")
    assert_sound(result, X, y, alpha, best, weights=weights, free_bias=True)


@pytest.mark.parametrize("seed", range(4))
def test_line_with_classes(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((7, 1)), targets_for("multinomial", 7, rng)
    problem = TrainingProblem(X, y, 1e-2, loss="multinomial", hidden_bias="free")
    best = dense_lasso(X, y, 1e-2, None, "multinomial")
    result = train_on_line(problem, tol=1e-6)
    assert_sound(result, X, y, 1e-2, best, loss="multinomial", free_bias=True)
    assert train(problem, tol=1e-5).certificate.relative_gap <= 1e-5


@pytest.mark.parametrize("seed", range(100))
def test_line_oracle_in_rational_arithmetic(seed):
    """For every kink at a sample, on either side, ``‖Vᵀ φ‖² ≤ bound²`` as fractions."""
    rng = np.random.default_rng(seed)
    n, n_outputs, slope = int(rng.integers(2, 7)), 1 + seed % 3, (0.0, 0.25, -1.0)[seed % 3]
    t = rng.standard_normal(n) * 10.0 ** rng.uniform(-8, 8, n)
    if seed % 4 == 1:
        t = np.append(rng.integers(0, 2, n - 1), 2) + 1e8
    if seed % 4 == 2:
        t = t * rng.choice([1e-150, 1e140])
    weights = 10.0 ** rng.uniform(-9, 0, n)
    V = rng.standard_normal((n, n_outputs)) * 10.0 ** rng.uniform(-9, 9, (n, 1))
    V = separable_dual_point(
        V, weights / weights.sum(), *(s * np.inf * np.ones(V.shape) for s in (-1, 1)), True
    )
    V = V[:, 0] if n_outputs == 1 else V
    design = TrainingProblem(t[:, None], np.zeros(n), 1.0, hidden_bias="free").design
    report = LineOracle(design, Line.through(design[:, :1]), slope)(V)
    exact, slope = [Fraction(x) for x in t.tolist()], Fraction(slope)
    rows = [[Fraction(x) for x in np.atleast_1d(row).tolist()] for row in V]
    for kink in exact:
        for side in (1, -1):
            outputs = [side * (x - kink) for x in exact]
            hidden = [z if z > 0 else slope * z for z in outputs]
            sums = [
                sum(h * row[k] for h, row in zip(hidden, rows, strict=True))
                for k in range(n_outputs)
            ]
            assert sum(s * s for s in sums) <= Fraction(report.bound) ** 2


def test_line_oracle_with_many_samples_at_one_place():
    """Entries that are below the last bit of a sum, each for itself, add up: nothing of them is lost."""
    n, small = 500_000, 5e-20
    t = np.concatenate([[0.0, 1.0], np.zeros(n), np.ones(n)]) - 0.5
    v = np.concatenate([[-1.0, 1.0], np.full(n, -small), np.full(n, small)])
    design = np.column_stack([t, np.full(len(t), 300.0)])
    report = LineOracle(design, Line.through(design[:, :1]))(v)
    assert Fraction(report.bound) >= 1 + n * Fraction(small)  # relu(t + 0.5)


def test_samples_that_are_all_equal_are_on_no_line():
    """The mean of equal numbers may be off by a rounding error, which is no direction."""
    for n in range(2, 12):
        X, y = np.full((n, 2), 0.1), np.arange(n) - 0.5 * (n - 1)
        assert structure_of(X, hidden_bias="free") == "general"
    result = train(TrainingProblem(X, y, 0.1, hidden_bias="free"), random_state=0)
    assert result.certificate.objective == pytest.approx(0.5 * np.mean(y**2))


# Orthogonal rows


@pytest.mark.parametrize("seed", range(40))
def test_whitened(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    X = orthogonal_rows(n, n + seed % 2, seed, whitened=seed % 3 == 0)
    X = X * 10.0 ** rng.uniform(-3, 3, (n, 1)) if seed % 4 == 1 else X
    X = X + 10.0 ** rng.uniform(-16, -8) * np.abs(X).min() * rng.standard_normal(X.shape)
    y, weights = rng.standard_normal(n), 10.0 ** rng.uniform(-4, 0, n) if seed % 2 else None
    s = reference.normalised(weights, n)
    largest = np.linalg.norm(s * y * np.linalg.norm(X, axis=1))
    alpha = largest * 10.0 ** rng.uniform(-4, 0.1)
    problem = TrainingProblem(X, y, alpha, sample_weight=weights, **PLAIN)
    if structure_of(X, hidden_bias=False) != "whitened":
        with pytest.raises(ValueError, match="zero or not orthogonal"):
            train_whitened(problem)
        return
    best = over_all_patterns(X, y, alpha, weights, "squared_error", **PLAIN)
    result = train_whitened(problem, tol=1e-9)
    assert_sound(result, X, y, alpha, best, weights=weights)
    assert result.certificate.relative_gap <= 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_whitened_with_several_outputs(seed):
    rng = np.random.default_rng(seed)
    X = orthogonal_rows(5, 6, seed, whitened=False)
    Y = np.zeros((5, 3))
    Y[np.arange(5), rng.integers(0, 3, 5)] = rng.standard_normal(5)
    result = train_whitened(TrainingProblem(X, Y, 0.01, **PLAIN), tol=1e-9)
    best = reference.descended_objective(X, Y, 0.01, n_neurons=6, seeds=range(1), **PLAIN)
    assert_sound(result, X, Y, 0.01, best)


@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
@pytest.mark.parametrize("off", [1e-15, 1e-13, 1e-9])
def test_whitened_just_below_the_largest_alpha(loss, off):
    X, y = np.diag([2.0, 1.0, 1.0]), np.array([1.0, -1.0, 1.0])
    alpha = np.sqrt(5) / 3 * (1 - off)
    result = train(TrainingProblem(X, y, alpha, loss=loss, **PLAIN), tol=1e-9)
    nothing = 0.5 if loss == "squared_error" else 1.0
    assert_sound(result, X, y, alpha, nothing, loss=loss)
    assert result.certificate.relative_gap <= 1e-9


@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
def test_whitened_rows_of_very_different_lengths(loss):
    X, y = np.diag([1.0, 1e-14, 1.0]), np.array([1.0, 1.0, -1.0])
    result = train(TrainingProblem(X, y, 0.1, loss=loss, **PLAIN), tol=1e-9)
    assert_sound(result, X, y, 0.1, np.inf, loss=loss)
    assert result.certificate.relative_gap <= 1e-9


@pytest.mark.parametrize("seed", range(60))
def test_orthogonal_rows_oracle(seed):
    """Above the value at the directions that are best without the perturbation, and at any other."""
    rng = np.random.default_rng(seed)
    n, n_outputs = int(rng.integers(1, 5)), 1 + seed % 3
    X = orthogonal_rows(n, n + seed % 2, seed, whitened=False) * 10.0 ** rng.uniform(-2, 2, (n, 1))
    X = X + 10.0 ** rng.uniform(-16, -11) * np.abs(X).min() * rng.standard_normal(X.shape)
    V = np.zeros((n, n_outputs))
    V[np.arange(n), rng.integers(0, n_outputs, n)] = rng.standard_normal(n)
    report = OrthogonalRowsOracle(X)(V)
    pulls = np.vstack([np.maximum(V.T, 0.0), np.maximum(-V.T, 0.0)]) * np.sum(X**2, axis=1)
    directions = np.vstack([pulls @ np.linalg.pinv(X).T, rng.standard_normal((200, X.shape[1]))])
    reached = reference.value_at(X, V, directions).max()
    assert report.is_proof and reached <= report.bound * (1 + 1e-15)
    assert report.bound <= reached * (1 + 1e-7)


# Spike-free rows


@pytest.mark.parametrize("loss", SCALAR_LOSSES)
@pytest.mark.parametrize("seed", range(4))
def test_spike_free(loss, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    X = spike_free_rows(n, n + seed % 2, seed)
    if seed == 3:
        X[-1] = 0.0
    y, weights = targets_for(loss, n, rng), 10.0 ** rng.uniform(-4, 0, n) if seed % 2 else None
    alpha, options = float(10.0 ** rng.uniform(-4, -0.5)), PLAIN | {"fit_intercept": bool(seed % 3)}
    problem = TrainingProblem(X, y, alpha, loss=loss, sample_weight=weights, **options)
    best = over_all_patterns(X, y, alpha, weights, loss, **options)
    result = train_spike_free(problem, tol=1e-6)
    assert_sound(result, X, y, alpha, best, loss=loss, weights=weights)


@pytest.mark.parametrize("seed", range(60))
def test_spike_free_oracle_on_rows_that_nearly_are(seed):
    """With a length that is proved the bound is one, however little the rows miss being spike-free."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    X = spike_free_rows(n, n + seed % 2, seed)
    X = X + 10.0 ** rng.uniform(-16, -2) * rng.standard_normal(X.shape)
    if seed % 3 == 0:
        X[0] = X[1] * (1 + 1e-3) + 10.0 ** rng.uniform(-9, -3) * rng.standard_normal(X.shape[1])
    length, v = proved_length(X), rng.standard_normal(n)
    report = SpikeFreeOracle(X, length)(v)
    assert report.is_proof is np.isfinite(length).item()
    if report.is_proof:
        reached = reference.max_rectified(X, v, reference.all_masks(X))
        assert reached <= report.bound * (1 + 1e-14)


def test_rows_whose_squares_underflow_count():
    """At an obtuse angle to another one, a sample of length 1e-163 is as good a counterexample as any."""
    unit, size, target = np.array([-0.6, 0.8]), 1e-163, 1e-30
    X, y = np.array([[1.0, 0.0], size * unit]), np.array([0.0, target])
    report = SpikeFreeOracle(X, proved_length(X))(np.array([0.0, 1 / size]))
    assert not report.is_proof or report.bound >= 1  # the value at `unit`
    assert structure_of(X, hidden_bias=False) == "general"
    alpha = 0.45 * size * target
    part = 1 - 2 * alpha / (size * target)  # of the target that one neuron along `unit` meets
    reached = 0.25 * target**2 * (1 - part) ** 2 + alpha * part * target / size
    certificate = train(TrainingProblem(X, y, alpha, **PLAIN), random_state=0).certificate
    assert certificate.proved_lower_bound <= reached
    assert not certificate.is_proof or certificate.lower_bound <= reached


def test_orthogonal_rows_are_spike_free_however_many_they_are():
    """Problems without the formula for orthogonal rows, such as those with an intercept, take this one."""
    X = orthogonal_rows(200, 200, 0, whitened=True)
    y = np.random.default_rng(0).standard_normal(200)
    assert structure_of(X, hidden_bias=False) == "whitened"
    problem = TrainingProblem(X, y, 1e-3, hidden_bias=False)
    result = train(problem, max_iter=1, random_state=0)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-3


def test_training_keeps_what_a_closed_form_has_proved():
    """Where the solver of a closed form ends early, cutting planes go on: their certificate is no weaker."""
    X = np.eye(20, 30)
    X[0, 1], X[2, 3] = 0.3, 0.5
    y = np.random.default_rng(0).integers(1, 4, 20).astype(float)
    problem = TrainingProblem(X, y, 1e-2, loss="poisson", hidden_bias=False)
    # As training calls it: in other coordinates of the samples it is rounded differently.
    closed = closed_form_for(problem.condensed())(tol=1e-12).certificate
    trained = train(problem, tol=1e-12, max_iter=2, random_state=0).certificate
    assert trained.proved_lower_bound >= closed.proved_lower_bound


# Interpolation


def smallest_slope_changes(X, y, loss):
    """Smallest norm of ridges that meet the targets, as a dense program."""
    ridges = ridges_of(X)
    z, c = cp.Variable(ridges.shape[1]), cp.Variable()
    f = ridges / ridges.max() @ z + c
    spread = np.ptp(y) if loss == "squared_error" else 1.0
    meets = cp.multiply(y, f) >= 1 if loss == "hinge" else f == y / spread
    solve(cp.norm1(z), [meets])
    return spread / ridges.max() * np.abs(z.value).sum()


@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_interpolation_on_a_line_in_all_units(loss, spread, size):
    """Small changes of slope are needed, too, whatever the units of inputs and targets are."""
    t = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 40.0, 80.0])
    y = np.array([0.0, 1.0, 0.0, 5e-4, 0.0, 0.0, 0.0]) * spread
    if loss == "hinge":
        y = np.array([1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0])
    X = size * t[:, None]
    result = minimum_norm(X, y, loss=loss, hidden_bias="free")
    certificate, expected = result.certificate, smallest_slope_changes(X, y, loss)
    assert certificate.is_proof and certificate.lower_bound <= expected * (1 + 1e-8)
    assert certificate.objective == pytest.approx(expected, rel=1e-6)
    assert result.status.name == "CONVERGED"


@pytest.mark.parametrize("hidden_bias", [True, "free"])
@pytest.mark.parametrize("target", [0.0, 0.1, -7.3])
def test_constant_targets_take_no_neuron(hidden_bias, target):
    X = np.array([[0.0], [1.0], [3.0]])
    result = minimum_norm(X, np.full(3, target), hidden_bias=hidden_bias, random_state=0)
    assert result.certificate.is_proof and result.certificate.lower_bound <= 0
    assert result.certificate.objective <= 1e-12 * abs(target)
    assert result.status.name == "CONVERGED"


def test_equal_sparse_rows_with_different_targets():
    X = csr_array(np.vstack([np.eye(3, 6), np.eye(3, 6)[:1]]))
    with pytest.raises(ValueError, match="different targets for equal rows"):
        minimum_norm(X, [1.0, 2.0, -3.0, 5.0], random_state=0)
