"""Interpolation at the smallest norm: splines, two neurons, and all patterns of tiny problems."""

import warnings

import cvxpy as cp
import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.interpolation import minimum_norm
from convexrelu.interpolation.column_generation import InterpolationProgram
from convexrelu.results.status import Status
from tests import reference
from tests.closed_forms.test_spike_free import spike_free_rows
from tests.closed_forms.test_whitened import orthogonal_rows


def enumerated_norm(X, y, *, loss, hidden_bias, fit_intercept):
    """The program of interpolation over all patterns."""
    design = reference.augment(X, hidden_bias)
    masks = reference.all_masks(design)
    plus, minus = (cp.Variable((len(masks), design.shape[1])) for _ in range(2))
    seen = [design @ block.T for block in (plus, minus)]
    c = cp.Variable() if fit_intercept else 0.0
    f = cp.sum(cp.multiply(masks.T.astype(float), seen[0] - seen[1]), axis=1) + c
    cones = [cp.multiply(2.0 * masks.T - 1, part) >= 0 for part in seen]
    cones.append(cp.multiply(y, f) >= 1 if loss == "hinge" else f == y)
    norm = cp.sum(cp.norm(plus, axis=1)) + cp.sum(cp.norm(minus, axis=1))
    problem = cp.Problem(cp.Minimize(norm), cones)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # short of these tolerances is good enough
        problem.solve(cp.CLARABEL, tol_gap_rel=1e-10, tol_feas=1e-10)
    return problem.value


def check(result, X, y, loss, free_bias=False):
    network, certificate = result.network, result.certificate
    assert result.status.name == "CONVERGED", result.status
    assert certificate.is_proof and certificate.relative_gap <= 1e-6
    lengths = np.linalg.norm(network.hidden_weights, axis=1)
    if not free_bias:
        lengths = np.hypot(lengths, network.hidden_bias)
    norm = lengths @ np.abs(network.output_weights[0])
    assert norm == pytest.approx(certificate.objective, rel=1e-9)
    f = reference.outputs(
        X,
        network.hidden_weights,
        network.hidden_bias,
        network.output_weights[0],
        network.output_bias[0],
    )
    if loss == "hinge":
        assert (y * f).min() >= 1 - 1e-9
    else:
        np.testing.assert_allclose(f, y, atol=1e-6 * np.abs(y).max())
    return norm


@pytest.mark.parametrize("seed", range(40))
def test_splines_of_one_feature(seed):
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.uniform(-3, 3, 8)), rng.standard_normal(8)
    result = minimum_norm(x[:, None], y, hidden_bias="free")
    slopes = np.diff(y) / np.diff(x)
    bends = np.abs(np.diff(slopes)).sum()
    expected = max(bends, 0.5 * (bends + abs(slopes[0] + slopes[-1])))
    assert check(result, x[:, None], y, "squared_error", free_bias=True) == pytest.approx(
        expected, rel=1e-6
    )
    assert result.network.width <= 8


@pytest.mark.parametrize("seed", range(10))
def test_margins_of_one_feature(seed):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-3, 3, 9))
    y = np.where(rng.permutation(9) < 4, 1.0, -1.0)
    X = np.outer(x, [0.6, 0.8])  # of rank one
    result = minimum_norm(X, y, loss="hinge", hidden_bias="free")
    ridges = np.maximum(np.hstack([x[:, None] - x, x - x[:, None]]), 0.0)
    z, c = cp.Variable(18), cp.Variable()
    problem = cp.Problem(cp.Minimize(cp.norm1(z)), [cp.multiply(y, ridges @ z + c) >= 1])
    problem.solve(cp.CLARABEL, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert check(result, X, y, "hinge", free_bias=True) == pytest.approx(problem.value, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_margins_keep_small_kinks_in_all_units(scale):
    """Classes that alternate over a short stretch and over a long one: slopes differ by a factor of 2000."""
    x = np.concatenate([1e-3 * np.arange(5), 2.0 + 2.0 * np.arange(5)])[:, None]
    y = np.where(np.arange(10) % 2, 1.0, -1.0)
    norms = [
        check(
            minimum_norm(unit * x, y, loss="hinge", hidden_bias="free"), unit * x, y, "hinge", True
        )
        for unit in (1.0, scale)
    ]
    assert norms[1] * scale == pytest.approx(norms[0], rel=1e-5)


@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
def test_whitened_rows_have_a_formula(loss):
    X = orthogonal_rows(6, 8, 0, whitened=True)
    y = np.array([1.0, -2.0, 0.5, 3.0, -1.0, 0.2])
    y = np.sign(y) if loss == "hinge" else y
    result = minimum_norm(X, y, loss=loss, hidden_bias=False, fit_intercept=False)
    expected = np.linalg.norm(np.maximum(y, 0)) + np.linalg.norm(np.minimum(y, 0))
    assert check(result, X, y, loss) == pytest.approx(expected, rel=1e-6)
    assert result.certificate.method == "spike_free"


@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
@pytest.mark.parametrize("seed", range(12))  # every kind of data
def test_equals_enumeration(seed, loss):
    rng = np.random.default_rng(seed)
    options = {"hidden_bias": seed % 2 == 0, "fit_intercept": seed % 4 < 2}
    n, d = (6, 2) if seed % 3 else (4, 5)
    X = rng.standard_normal((n, d)) if seed % 3 else spike_free_rows(n, d, seed)
    if seed % 3 == 0:
        options["hidden_bias"] = False
    y = rng.standard_normal(n)
    if loss == "hinge":
        y = np.where(np.arange(n) % 2, 1.0, -1.0)
    result = minimum_norm(X, y, loss=loss, random_state=0, **options)
    norm = check(result, X, y, loss)
    assert norm == pytest.approx(enumerated_norm(X, y, loss=loss, **options), rel=1e-6)


@pytest.mark.parametrize("left_out", [1, 3, 5])
def test_small_neurons_of_the_solver_count_together(left_out):
    """Each is a rounding error, but without all of them the targets are missed."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-1, 1, 12))
    y = np.delete(np.sin(3 * x) + 0.1 * rng.standard_normal(12), left_out)
    x = np.delete(x, left_out)
    result = minimum_norm(x[:, None], y, hidden_bias=True, tol=1e-4)
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-4
    np.testing.assert_allclose(result.network.predict(x[:, None]), y, atol=1e-6 * np.ptp(y))


def test_training_tends_to_it():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((5, 2)), rng.standard_normal(5)
    norm = minimum_norm(X, y, random_state=0).certificate.objective
    for alpha in (1e-5, 1e-6):
        result = train(TrainingProblem(X, y, alpha), tol=1e-4, random_state=0)
        assert result.certificate.lower_bound <= alpha * norm
        assert result.certificate.objective == pytest.approx(alpha * norm, rel=2e3 * alpha)


def test_a_constant_costs_nothing():
    result = minimum_norm([[0.0], [1.0]], [2.0, 2.0])
    assert result.network.width == 0 and result.certificate.relative_gap == 0


@pytest.mark.parametrize(
    ("X", "y", "options", "message"),
    [
        ([[1.0], [1.0]], [0.0, 1.0], {}, "different targets for equal rows"),
        ([[0.0], [1.0]], [[0.0, 1.0], [1.0, 0.0]], {}, "several outputs are not supported"),
        ([[0.0], [1.0]], [0.0, 1.0], {"loss": "huber"}, "loss='huber' is not known"),
        (np.eye(3), [0.0, 1.0, 2.0], {"hidden_bias": "free"}, "is not on a line"),
        (
            [[1.0], [2.0]],
            [1.0, 1.0],
            {"hidden_bias": False, "fit_intercept": False},
            "no network was found",
        ),
        (  # the best network of any patterns is zero
            [[0.0], [1.0]],
            [1.0, 0.0],
            {"hidden_bias": False, "fit_intercept": False},
            "no network was found",
        ),
    ],
)
def test_refuses_what_has_no_such_network(X, y, options, message):
    with pytest.raises(ValueError, match=message):
        minimum_norm(X, y, random_state=0, **options)


@pytest.mark.parametrize("call", [1, 3])
def test_an_interruption_leaves_the_best_network(monkeypatch, call):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 3)), rng.standard_normal(30)
    original, calls = InterpolationProgram.solve, []

    def solve(self, deadline):
        calls.append(self)
        if len(calls) == call:
            raise KeyboardInterrupt
        return original(self, deadline)

    monkeypatch.setattr(InterpolationProgram, "solve", solve)
    if call == 1:
        with pytest.raises(KeyboardInterrupt):
            minimum_norm(X, y, random_state=0)
        return
    result = minimum_norm(X, y, random_state=0)
    assert result.status.name == "INTERRUPTED"
    # A program whose solution misses the targets has no certificate.
    assert 1 <= len(result.history) <= result.n_iter == 2
    np.testing.assert_allclose(result.network.predict(X), y, atol=1e-5)
    assert result.certificate.lower_bound <= result.certificate.objective


def test_programs_that_would_end_too_late_are_not_begun(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 8)), rng.standard_normal(60)
    monkeypatch.setattr(
        "convexrelu.programs.base.call_solver", lambda *_, **__: pytest.fail("a solver")
    )
    with pytest.raises(ValueError, match=r"no network was found that meets it .*time_limit"):
        minimum_norm(X, y, time_limit=1e-3, random_state=0)


def test_a_solver_that_ends_for_its_iterations_is_not_late(monkeypatch):
    """The program at a price follows, as after any other failure."""
    calls = []
    monkeypatch.setattr(
        "convexrelu.programs.base.call_solver",
        lambda *_, **__: calls.append(1) or Status.USER_LIMIT,
    )
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no network was found") as refused:
        minimum_norm(rng.standard_normal((20, 3)), rng.standard_normal(20), random_state=0)
    assert len(calls) == 2 and "time_limit" not in str(refused.value)
