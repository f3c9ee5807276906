import time

import numpy as np
import pytest

from convexrelu.oracles import CellOracle, RelaxationOracle, SearchOracle, SweepOracle
from convexrelu.oracles.exact.sweep import count_arcs
from convexrelu.patterns.enumerate import RowSpace
from tests import reference


def gaussian(n, r, seed=0):
    return np.random.default_rng(seed).standard_normal((n, r))


def lattice(n, seed):
    return np.random.default_rng(seed).integers(-1, 3, (n, 3)).astype(float)


def repeated(rows, distance, seed=0):
    """Rows, then nearly the same again, then nearly opposite ones."""
    noise = distance * np.random.default_rng(seed).standard_normal((2, *rows.shape))
    return np.vstack([rows, 2.5 * rows + noise[0], -rows + noise[1]])


def concurrent(distance):
    """Circles that nearly meet in one point."""
    rows = gaussian(9, 3, 3)
    rows[:6, 2] = rows[:6, 0] + distance * rows[:6, 2]
    return rows


GRID = np.array([[i, j] for i in range(3) for j in range(3)], dtype=float)
DESIGNS = {
    "rank one": gaussian(9, 1),
    "rank one, wide": np.outer(gaussian(9, 1)[:, 0], [1.0, 2.0, -1.0, 0.5]),
    "one sample": np.array([[3.0, 4.0, 12.0]]),
    "two samples": gaussian(2, 3),
    "three samples": gaussian(3, 3),
    "plane": gaussian(30, 2),
    "plane in space": gaussian(20, 2) @ gaussian(2, 6, 1),
    "line with bias": reference.augment(gaussian(20, 1), True),
    "rank three": gaussian(14, 3),
    "rank three, wide": gaussian(14, 3) @ gaussian(3, 8, 1),
    "with bias": reference.augment(gaussian(14, 2), True),
    "integers": lattice(14, 0),
    "grid": reference.augment(GRID, True),
    "collinear": reference.augment(np.outer(np.arange(8.0), [1.0, 2.0]), True),
    "duplicates, opposites, zeros": np.vstack([repeated(gaussian(4, 3), 0.0), np.zeros((2, 3))]),
    "opposites in the plane": repeated(gaussian(4, 2), 0.0),
    "small": 1e-6 * gaussian(10, 3),
    "large": 1e6 * gaussian(10, 3),
    "rows of every size": gaussian(10, 3) * np.logspace(-6, 6, 10)[:, None],
    "all zero": np.zeros((3, 2)),
}
NEARLY_DEGENERATE = {
    f"{name} {distance:.0e}": make(distance)
    for distance in (1e-6, 1e-9, 1e-10, 1e-11, 1e-12, 1e-14, 1e-15, 1e-16)
    for name, make in {
        "repeated": lambda e: repeated(gaussian(4, 3), e),
        "repeated in the plane": lambda e: repeated(gaussian(4, 2), e),
        "concurrent": concurrent,
        "bundle": lambda e: np.array([1.0, 2.0, -1.0]) + e * gaussian(10, 3),
        "flat": lambda e: gaussian(10, 3) * [1.0, 1.0, e],
    }.items()
}


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


@pytest.fixture(params=NEARLY_DEGENERATE)
def nearly_degenerate(request):
    return NEARLY_DEGENERATE[request.param]


def dual_points(n):
    rng = np.random.default_rng(1)
    yield from rng.standard_normal((4, n))
    yield np.abs(rng.standard_normal(n))
    yield -np.abs(rng.standard_normal(n))
    yield np.where(np.arange(n) == 0, 1.0, 0.0)
    yield np.where(np.arange(n) == 0, 5.0, -rng.random(n))
    yield 1e-6 * rng.standard_normal(n)
    yield 1e6 * rng.standard_normal(n)
    yield np.zeros(n)


def points_around_vertices(design):
    """Directions at, and at many distances from, every point where two circles of three-dimensional rows meet."""
    rng = np.random.default_rng(0)
    crossings = np.cross(design[:, None], design[None]).reshape(-1, 3)
    lengths = np.linalg.norm(crossings, axis=1)
    vertices = crossings[lengths > 0] / lengths[lengths > 0, None]
    points = [np.eye(3), -np.eye(3), vertices]
    for distance in (0.1, 1e-3, 1e-6, 1e-9, 1e-12):
        points += [vertices + distance * rng.standard_normal(vertices.shape) for _ in range(3)]
    return np.vstack(points)


def best_found(design, v, points):
    """Best value at the points and where the linear pieces around them have their maxima: never above ``M(v)``."""
    gradients = (np.unique(points @ design.T >= 0, axis=0) * v) @ design
    units = design / np.linalg.norm(design, axis=1, keepdims=True)
    candidates = [points, gradients]
    candidates += [gradients - np.outer(gradients @ unit, unit) for unit in units]
    values = [reference.rectified_value(design, v, s * c) for c in candidates for s in (1, -1)]
    return max(value.max(initial=0.0) for value in values)


def size_of(design, v):
    return np.abs(v) @ np.linalg.norm(design, axis=1)


def test_equal_to_cells(design):
    oracle, cells = SweepOracle(design), CellOracle(design)
    for v in dual_points(len(design)):
        report = oracle(v)
        assert (report.is_proof, report.scope, report.method) == (True, "global", "sweep")
        assert report.bound == pytest.approx(cells(v).bound, rel=1e-10)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_equal_to_cells_on_random_data(rank, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12 if rank == 3 else 40))
    design = rng.standard_normal((n, rank)) * 10.0 ** rng.uniform(-6, 6)
    if seed % 2:
        design = np.round(2 * design / np.abs(design).max(), 0)
    oracle, cells = SweepOracle(design), CellOracle(design)
    for v in dual_points(n):
        assert oracle(v).bound == pytest.approx(cells(v).bound, rel=1e-10)


@pytest.mark.slow
def test_never_below_the_exact_value(design):
    masks = reference.all_masks(design[:10])
    oracle = SweepOracle(design[:10])
    for v in dual_points(len(design[:10])):
        exact = reference.max_rectified(design[:10], v, masks)
        assert exact <= oracle(v).bound <= exact + 1e-10 * size_of(design[:10], v)


def test_never_below_a_dense_sample(design):
    directions = np.random.default_rng(2).standard_normal((20_000, design.shape[1]))
    oracle = SweepOracle(design)
    for v in dual_points(len(design)):
        assert reference.rectified_value(design, v, directions).max() <= oracle(v).bound


def test_nearly_degenerate_data(nearly_degenerate):
    rows = np.pad(nearly_degenerate, ((0, 0), (0, 3 - nearly_degenerate.shape[1])))
    points = points_around_vertices(rows)
    oracle, cells = SweepOracle(nearly_degenerate), CellOracle(nearly_degenerate)
    for v in dual_points(len(rows)):
        report, size = oracle(v), size_of(rows, v)
        assert best_found(rows, v, points) <= report.bound
        # Cells may be unable to claim as much, but never can they claim more.
        assert report.bound <= cells(v).bound + 1e-12 * size
        assert report.bound <= report.values.max(initial=0.0) + 1e-12 * size


def test_near_duplicates_are_equal_to_cells():
    for distance in (1e-9, 1e-10, 1e-11, 1e-12):
        rows = gaussian(6, 2)
        design = np.vstack([rows, rows + distance * gaussian(6, 2, 1)])
        oracle, cells = SweepOracle(design), CellOracle(design)
        for v in dual_points(12):
            assert oracle(v).bound == pytest.approx(cells(v).bound, rel=1e-10)


@pytest.mark.parametrize("designs", [DESIGNS, NEARLY_DEGENERATE])
def test_witnesses_attain_their_values(designs):
    for design in designs.values():
        oracle = SweepOracle(design)
        for v in dual_points(len(design)):
            report, size = oracle(v), size_of(design, v)
            masks, directions = report.masks, report.directions
            assert 1 <= len(masks) == len(np.unique(masks, axis=0)) <= 64
            assert (np.diff(report.values) <= 0).all()
            outputs = directions @ design.T
            at = report.signs * (np.maximum(outputs, 0.0) @ v)
            np.testing.assert_allclose(report.values, at, rtol=1e-12, atol=1e-14 * size)
            on_mask = report.signs * ((masks * outputs) @ v)
            np.testing.assert_allclose(report.values, on_mask, rtol=1e-12, atol=1e-14 * size)
            assert (np.where(masks, outputs, -outputs) >= -1e-14 * np.abs(design).max()).all()
            unit = report.values > 0
            np.testing.assert_allclose(np.linalg.norm(directions[unit], axis=1), 1.0, rtol=1e-12)
            assert report.bound == pytest.approx(report.values[0], rel=1e-9, abs=1e-12 * size)


@pytest.mark.parametrize("rank", [2, 3])
def test_witnesses_are_local_maxima(rank):
    design, rng = gaussian(40, rank), np.random.default_rng(3)
    for v in dual_points(40):
        report = SweepOracle(design)(v)
        strong = report.values > 1e-9 * size_of(design, v)
        for sign, u, value in zip(
            report.signs[strong], report.directions[strong], report.values[strong], strict=True
        ):
            nearby = u + 1e-7 * rng.standard_normal((200, rank))
            nearby /= np.linalg.norm(nearby, axis=1, keepdims=True)
            around = sign * (np.maximum(nearby @ design.T, 0.0) @ v)
            assert around.max() <= value * (1 + 1e-12)


def test_witnesses_have_both_signs():
    report = SweepOracle(np.eye(3))(np.array([1.0, -1.0, 0.1]))
    assert report.values[:2] == pytest.approx([np.hypot(1.0, 0.1), 1.0], rel=1e-14)
    assert list(report.signs[:2]) == [1.0, -1.0]


@pytest.mark.parametrize(("n", "rank", "rel"), [(2000, 2, 1e-9), (300, 3, 1e-9), (5000, 1, 1e-9)])
def test_many_samples(n, rank, rel):
    design, v = gaussian(n, rank), np.random.default_rng(1).standard_normal(n)
    report = SweepOracle(design)(v)
    searched = SearchOracle(design, n_starts=256, random_state=0)(v)
    assert searched.bound <= report.bound
    assert report.bound == pytest.approx(searched.bound, rel=rel)


def test_work_is_the_number_of_arcs():
    oracle = SweepOracle(gaussian(50, 3))
    assert oracle(np.ones(50)).work == oracle.n_arcs == 50 * (2 * 50 + 4)
    assert SweepOracle(gaussian(50, 2))(np.ones(50)).work == 2 * 50 + 4


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_arcs_are_counted_without_a_sweep(rank):
    design = np.vstack([gaussian(20, rank), -gaussian(3, rank), np.zeros((1, rank))])
    assert count_arcs(RowSpace.of(design)) == SweepOracle(design).n_arcs


def test_kept_and_fresh_orders_agree(monkeypatch):
    design, v = gaussian(30, 3), gaussian(30, 1)[:, 0]
    kept = SweepOracle(design)(v)
    monkeypatch.setattr("convexrelu.oracles.exact.sweep._KEPT_ARCS", 0)
    monkeypatch.setattr("convexrelu.oracles.exact.sweep._CHUNK_ARCS", 200)
    fresh = SweepOracle(design)(v)
    assert fresh.bound == pytest.approx(kept.bound, rel=1e-13)
    np.testing.assert_allclose(fresh.values[0], kept.values[0], rtol=1e-13)


def test_past_the_deadline_the_relaxation_is_left():
    design, v = gaussian(30, 3), np.ones(30)
    report = SweepOracle(design)(v, deadline=time.perf_counter() - 1.0)
    assert report.is_proof
    assert report.work == len(report.values) == 0
    assert report.bound == RelaxationOracle(design)(v).bound


def test_rank_four_is_refused():
    with pytest.raises(ValueError, match=r"oracle='sweep'.* rank 4"):
        SweepOracle(gaussian(9, 4))
