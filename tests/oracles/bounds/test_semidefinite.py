import math

import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.oracles import CellOracle, RelaxationOracle, SemidefiniteOracle
from convexrelu.oracles.bounds import semidefinite
from tests import reference

KINDS = (
    "plain",
    "bias",
    "duplicates",
    "opposites",
    "zero rows",
    "small",
    "large",
    "integers",
    "rank one",
    "wide",
    "mixed scales",
    "trained",
)


def instance(seed):
    """A tiny design and a dual point."""
    rng = np.random.default_rng(seed)
    kind, n, d = KINDS[seed % len(KINDS)], int(rng.integers(3, 9)), int(rng.integers(2, 4))
    X, v = rng.standard_normal((n, d)), rng.standard_normal(n)
    match kind:
        case "bias":
            X = reference.augment(X[:, :-1], True)
        case "duplicates":
            X = X[rng.integers(0, n, n)]
        case "opposites":
            X[n // 2 :] = -2.0 * X[: n - n // 2]
        case "zero rows":
            X[::3] = 0.0
        case "small":
            X, v = 1e-6 * X, 1e-6 * v
        case "large":
            X, v = 1e6 * X, 1e6 * v
        case "integers":
            X, v = rng.integers(-1, 2, X.shape).astype(float), rng.integers(-1, 2, n).astype(float)
        case "rank one":
            X = np.outer(X[:, 0], X[0])
        case "wide":
            X, v = rng.standard_normal((3, 6)), v[:3]
        case "mixed scales":
            X *= 10.0 ** rng.uniform(-6, 6, (n, 1))
        case "trained":
            X, v = trained(8, 2, seed)
    return X, v


def trained(n, d, seed):
    """Design and dual point of an accurate network: many directions are almost the best one."""
    X, y = reference.teacher(n, d, 3, 0.1, seed)
    problem = TrainingProblem(X, y, 1e-3)
    return problem.design, problem.dual_point(train(problem, random_state=0).network.predict(X))


@pytest.mark.parametrize("seed", range(3 * len(KINDS)))
def test_between_the_exact_value_and_the_closed_form(seed):
    design, v = instance(seed)
    report = SemidefiniteOracle(design)(v)
    assert (report.is_proof, report.scope, report.method) == (True, "global", "semidefinite")
    masks = reference.all_masks(design)
    assert reference.max_rectified(design, v, masks) <= report.bound
    # Cells are padded for rounding on the scale of the longest rows; so is the other bound.
    assert CellOracle(design)(v).bound <= report.bound * (1 + 1e-12)
    assert report.bound <= RelaxationOracle(design)(v).bound
    assert len(report.masks) == len(report.directions) == 0


@pytest.mark.parametrize("seed", range(5))
def test_tight_at_random_points(seed):
    rng = np.random.default_rng(seed)
    design, v = rng.standard_normal((10, 3)), rng.standard_normal(10)
    exact = CellOracle(design)(v).bound
    assert SemidefiniteOracle(design)(v).bound == pytest.approx(exact, rel=1e-5)
    assert RelaxationOracle(design)(v).bound > 1.05 * exact


def test_sharper_than_the_closed_form_at_a_trained_network():
    design, v = trained(15, 2, 0)
    exact, sharp = CellOracle(design)(v).bound, SemidefiniteOracle(design)(v).bound
    assert exact <= sharp < 0.5 * RelaxationOracle(design)(v).bound


def test_whitened_rows():
    rows = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 4)))[0].T
    v = np.array([3.0, -1.0, 4.0, -2.0])
    assert SemidefiniteOracle(rows)(v).bound == pytest.approx(5.0, rel=1e-6)


def test_parallel_rows_are_one_sample():
    rng = np.random.default_rng(0)
    design, v = rng.standard_normal((5, 3)), rng.standard_normal((20, 5))
    factors = rng.exponential(size=(20, 5))
    repeated = (factors[:, :, None] * design).reshape(-1, 3)
    merged = SemidefiniteOracle(design)((factors * v).sum(axis=0)).bound
    assert SemidefiniteOracle(repeated)(v.ravel()).bound == pytest.approx(merged, rel=1e-6)
    v[1:] = -v[0] / 19
    cancelling = SemidefiniteOracle(np.tile(design, (20, 1)))(v.ravel())
    assert 0 <= cancelling.bound < 1e-10


def test_both_signs_and_scale():
    design, v = instance(0)
    oracle = SemidefiniteOracle(design)
    bound = oracle(v).bound
    assert oracle(-v).bound == pytest.approx(bound, rel=1e-6)
    assert oracle(1e3 * v).bound == pytest.approx(1e3 * bound, rel=1e-6)
    assert SemidefiniteOracle(-1e3 * design)(v).bound > 0


def test_nothing_to_bound():
    for design, v in [(np.zeros((3, 2)), np.ones(3)), (np.eye(2), np.zeros(2))]:
        report = SemidefiniteOracle(design)(v)
        assert (report.bound, report.work) == (0.0, 0)


def test_programs_are_solved_only_where_they_can_matter():
    design, v = instance(0)
    oracle, closed = SemidefiniteOracle(design), RelaxationOracle(design)(v).bound
    assert 1 <= oracle(v).work <= 2
    for skipped in (oracle(v, level=closed), oracle(v, deadline=-math.inf)):
        assert (skipped.bound, skipped.work, skipped.is_proof) == (closed, 0, True)
    positive = oracle(np.abs(v))  # the other sign is bounded by zero
    assert positive.work == 1


@pytest.mark.parametrize("error", [None, 1e-3, 1.0, 1e3])
def test_wrong_multipliers_never_make_a_wrong_bound(error, monkeypatch):
    solve = semidefinite._solve

    def spoiled(rows, weights, seconds):
        if error is None:
            return None
        rng = np.random.default_rng(0)
        parts = solve(rows, weights, seconds)
        noisy = [abs(part + error * rng.standard_normal(np.shape(part))) for part in parts]
        return semidefinite._Multipliers(*noisy)._replace(t=abs(1 - error) * parts.t)

    monkeypatch.setattr(semidefinite, "_solve", spoiled)
    for seed in range(len(KINDS) - 1):
        design, v = instance(seed)
        bound = SemidefiniteOracle(design)(v).bound
        assert CellOracle(design)(v).bound <= bound * (1 + 1e-12)
        assert bound <= RelaxationOracle(design)(v).bound


def test_a_solver_cut_short_gives_a_bound_or_nothing():
    design, v = instance(0)
    norms = np.linalg.norm(design, axis=1)
    rows, weights = design / norms[:, None], v * norms / np.abs(v * norms).sum()
    squares = [semidefinite._bound_of_square(rows, sign * weights, 0.0) for sign in (1, -1)]
    assert math.sqrt(max(squares)) * np.abs(v * norms).sum() >= CellOracle(design)(v).bound


@pytest.mark.parametrize("shape", [(55, 2), (29, 40), (10_000, 3)])
def test_too_many_samples(shape):
    design = np.random.default_rng(0).standard_normal(shape)
    with pytest.raises(ValueError, match="may add up to 56"):
        SemidefiniteOracle(design)
