import time
from itertools import product

import numpy as np
import pytest

from convexrelu.patterns import count_patterns, enumerate_patterns
from convexrelu.patterns import enumerate as enumerate_module
from convexrelu.patterns.enumerate import _at_least_hyperplanes, _distinct_hyperplanes
from tests import reference

RNG = np.random.default_rng(0)
GAUSSIAN = RNG.standard_normal((7, 3))
INTEGERS = RNG.integers(-1, 2, (8, 3)).astype(float)
GRID = np.array(list(product((-1.0, 0.0, 1.0), repeat=2)))

DEGENERATE = {
    "duplicate rows": GAUSSIAN[[0, 1, 1, 2, 3, 0, 4]],
    "rows of other lengths": GAUSSIAN[[0, 1, 2, 1, 0]] * np.array([[1], [1], [1], [3e5], [1e-7]]),
    "opposite rows": np.vstack([GAUSSIAN[:4], -2 * GAUSSIAN[:3]]),
    "zero rows": np.vstack([GAUSSIAN[:3], np.zeros((2, 3)), GAUSSIAN[3:5]]),
    "negative zeros": np.vstack([GAUSSIAN[:3], np.full((1, 3), -0.0)]),
    "collinear features": GAUSSIAN[:, :2] @ np.array([[1.0, 2.0, -1.0], [0.0, 1.0, 3.0]]),
    "equal columns": GAUSSIAN[:, [0, 0, 1]],
    "constant column": reference.augment(GAUSSIAN[:, :2], True),
    "two constant columns": reference.augment(reference.augment(GAUSSIAN[:, :2], True), True),
    "zero column": GAUSSIAN * [1.0, 0.0, 1.0],
    "points on a line": reference.augment(
        np.arange(6.0)[:, None] * [1.0, 2.0] + np.array([0.1, 0.3]), True
    ),
    "one-hot": np.eye(4)[[0, 1, 2, 3, 1]],
    "integers": INTEGERS,
    "grid with bias": reference.augment(GRID, True),
    "cube": np.array(list(product((-1.0, 1.0), repeat=3))),
    "binary, rank four": reference.augment(np.array(list(product((0.0, 1.0), repeat=3))), True),
    "integers, rank four": RNG.integers(-1, 2, (7, 4)).astype(float),
    "fewer rows than columns": GAUSSIAN[:3] @ RNG.standard_normal((3, 5)),
    "rank one": np.outer([1.0, -2.0, 0.0, 3.0], [1.0, 2.0]),
    "one column": np.array([[1.0], [-1.0], [2.0]]),
    "a single row": np.array([[1.0, 2.0, 3.0]]),
    "a single zero row": np.zeros((1, 2)),
    "all zero": np.zeros((3, 2)),
    "scaled columns": GAUSSIAN * [1e-5, 1.0, 1e5],
    "tiny": GAUSSIAN * 1e-150,
    "huge": GAUSSIAN * 1e150,
}


def as_set(masks):
    return {row.tobytes() for row in masks}


@pytest.mark.parametrize("rank", range(1, 6))
@pytest.mark.parametrize("n", [1, 2, 4, 9, 12])
def test_number_of_cells_in_general_position(n, rank):
    design = np.random.default_rng(n).standard_normal((n, rank))
    patterns = enumerate_patterns(design)
    assert len(as_set(patterns.masks)) == len(patterns) == count_patterns(n, min(n, rank))


@pytest.mark.parametrize(("n", "rank"), [(300, 2), (40, 3), (16, 4)])
def test_number_of_cells_of_larger_data(n, rank):
    X = np.random.default_rng(n).standard_normal((n, rank - 1))
    patterns = enumerate_patterns(reference.augment(X, True))
    assert len(as_set(patterns.masks)) == len(patterns) == count_patterns(n, rank)


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_data_have_the_cells_of_brute_force(name):
    design = DEGENERATE[name]
    patterns = enumerate_patterns(design)
    column_sizes = np.abs(design).max(axis=0)
    expected = reference.all_masks(design / np.where(column_sizes > 0, column_sizes, 1.0))
    assert as_set(patterns.masks) == as_set(expected)
    assert len(patterns) == len(expected)
    assert patterns.resolution <= (1e-8 if name == "scaled columns" else 1e-12)


@pytest.mark.parametrize("name", DEGENERATE)
def test_gates_reproduce_the_masks(name):
    patterns = enumerate_patterns(DEGENERATE[name])
    alive = DEGENERATE[name].any(axis=1)
    np.testing.assert_array_equal(
        (patterns.gates @ DEGENERATE[name].T > 0)[:, alive], patterns.masks[:, alive]
    )
    assert patterns.masks[:, ~alive].all()


@pytest.mark.parametrize("unit", [1.0, 0.1, 1e-9])
@pytest.mark.parametrize(
    "points",
    [
        reference.augment(np.array(list(product(range(5), repeat=2))), True),
        np.array(list(product((-1, 0, 1), repeat=3))),
        reference.augment(RNG.integers(0, 4, (30, 2)), True),
        reference.augment(np.array(list(product((0, 1, 2), (0, 1), (0, 1)))), True),
    ],
    ids=["5×5 points", "3×3×3 normals", "repeated points", "3×2×2 points"],
)
def test_many_concurrent_hyperplanes_against_exact_arithmetic(points, unit):
    design = points * np.append(np.full(points.shape[1] - 1, unit), 1.0)  # 0.1 is inexact
    patterns = enumerate_patterns(design)
    assert len(as_set(patterns.masks)) == len(patterns) == reference.count_cells(points)


# A grid far from the origin, in an unlucky order: rows nearly parallel, many hyperplanes concurrent.
DISTANT_GRID = [[3, 2], [0, 2], [3, 2], [0, 0], [3, 0], [1, 2], [1, 2], [2, 0], [0, 1]]


@pytest.mark.parametrize("offset", [46_500.0, 114_500.0, 245_317.0, 307_500.0])
def test_wide_cells_are_never_lost(offset):
    design = reference.augment(np.array(DISTANT_GRID) + np.array([0.0, offset]), True)
    masks = enumerate_patterns(design).masks
    assert masks.all(axis=1).any() and (~masks).all(axis=1).any()


def test_too_many_patterns():
    design = np.random.default_rng(0).standard_normal((100, 6))
    with pytest.raises(ValueError) as caught:
        enumerate_patterns(design)
    message = str(caught.value)
    assert f"{count_patterns(100, 6):,}" in message
    assert "patterns='enumerated'" in message and "patterns='cutting_plane'" in message


def test_the_limit_counts_bytes_of_distinct_hyperplanes():
    design = np.repeat(GAUSSIAN, 4, axis=0)
    needed = count_patterns(7, 3) * len(design)
    assert len(enumerate_patterns(design, max_bytes=needed)) == count_patterns(7, 3)
    with pytest.raises(ValueError, match="activation patterns"):
        enumerate_patterns(design, max_bytes=needed - 1)


def test_no_more_hyperplanes_are_counted_at_once_than_there_are():
    rng = np.random.default_rng(0)
    for n, rank in [(1, 1), (30, 1), (40, 3), (25, 6)]:
        rows = rng.standard_normal((n, rank))
        rows = np.vstack([rows, -2.0 * rows, rows * (1 + 1e-15), np.zeros((2, rank))])
        exact = len(_distinct_hyperplanes(rows)[0])
        assert 1 <= _at_least_hyperplanes(rows) <= exact
        assert _at_least_hyperplanes(rows) >= (1 if rank == 1 else 0.9 * n)
    assert _at_least_hyperplanes(np.zeros((3, 2))) == 0


def test_in_the_plane_the_list_is_cut_off_where_it_would_take_too_long(monkeypatch):
    monkeypatch.setattr(enumerate_module, "_OF_A_SIDE", 1e6)
    design = np.random.default_rng(0).standard_normal((40, 2))
    whole = enumerate_patterns(design)
    assert len(whole) == 80
    some = enumerate_patterns(design, deadline=time.perf_counter())
    assert 0 < len(some) < 80
    assert some.resolution == np.inf  # no claim of completeness
    rows = {mask.tobytes() for mask in whole.masks}
    assert {mask.tobytes() for mask in some.masks} <= rows
    later = enumerate_patterns(design, deadline=time.perf_counter() + 1e6)
    np.testing.assert_array_equal(later.masks, whole.masks)
    assert later.resolution == whole.resolution
