"""Bounds on boxes, compiled, in NumPy and on tensors: they agree, and prove nothing below a known maximum."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from benchmarks.soundness.boxes import (
    BELOW,
    Blind,
    best_direction,
    instance,
    is_above,
    reached,
    version,
)
from convexrelu._utils.norms import lipschitz_constant
from convexrelu.oracles import BranchAndBoundOracle
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.compiled import CompiledBound, is_compiled
from convexrelu.oracles.bounds.corner_bound import CornerBound
from convexrelu.oracles.bounds.rational import shows_bound
from convexrelu.oracles.bounds.tree import rounding_of
from tests import reference

VERSIONS = ("compiled", "NumPy") if is_compiled() else ("NumPy",)
# Of one sample; of a line; zero rows; one sign of v; nothing.
DEGENERATE = {
    "one sample": ([[3.0, -4.0, 12.0]], [-2.0], 26.0),
    "a line": ([[1.0], [-2.0], [3.0]], [1.0, -4.0, -2.0], 8.0),
    "zero rows": ([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], [1e9, 2.0, -1e9], 10.0),
    "all positive": ([[1.0, 0.0], [0.0, 1.0]], [3.0, 4.0], 5.0),
    "all negative": ([[1.0, 0.0], [0.0, 1.0]], [-3.0, -4.0], 5.0),
    "opposite rows": ([[1.0, 0.0], [-1.0, 0.0]], [3.0, 4.0], 4.0),
    "v is zero": ([[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0], 0.0),
}


@pytest.fixture(params=["cpu:0", *VERSIONS, pytest.param("cuda", marks=pytest.mark.gpu)])
def name(request):
    """A version, or the device of another one."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return request.param


def price(name, rows, v, *, n_free=None, level=0.0, rtol=1e-6):
    with version(name, n_free):
        oracle = BranchAndBoundOracle(rows, search=Blind(rows.shape[1]), rtol=rtol, max_work=1e5)
        return oracle(v, level=level)


@pytest.mark.skipif(not is_compiled(), reason="installed without a compiler")
@pytest.mark.parametrize("n_free", [9, 2, 1])
def test_both_versions_close_the_same_boxes(n_free):
    compared = 0
    for seed in range(16):
        rng = np.random.default_rng(seed)
        rows, v = instance(rng)
        rows, v = rows / (np.abs(rows).max() or 1.0), v / (np.abs(v).max() or 1.0)
        size = lipschitz_constant(rows, v)
        if size == 0:
            continue
        target = 1.001 * reached(rows, v, best_direction(rows, v, rng))
        target += rounding_of(rows.shape) * size
        cube = Boxes.of_cube(rows.shape[1], size)
        compiled = CompiledBound(rows, v, n_free=n_free).explore(cube, target, 1e6)
        if len(compiled.left.faces) or compiled.n_boxes > 40:
            continue
        ours = CornerBound(rows, v, n_free=n_free).explore(cube, target, 1e9)
        assert ours.stuck == compiled.stuck == -np.inf and not len(ours.left.faces)
        # Sums in another order may decide a box that is on the edge, or a tie between two sides.
        assert abs(ours.n_boxes - compiled.n_boxes) <= 2 + 0.1 * compiled.n_boxes
        compared += 1
    assert compared >= 8


@pytest.mark.parametrize("seed", range(4))
def test_no_level_below_the_exact_maximum_is_proved(name, seed):
    rng = np.random.default_rng(seed)
    n, rank = int(rng.integers(2, 6)), int(rng.integers(2, 4))
    rows, v = np.round(2 * rng.standard_normal((n, rank))), np.round(3 * rng.standard_normal(n))
    square = reference.squared_max_rectified(rows, v, reference.all_masks(rows))
    largest = float(square) ** 0.5
    assert largest > 0
    for below in BELOW:
        report = price(name, rows, v, n_free=1 + seed % 2, level=largest * (1 - below))
        assert Fraction(report.bound) ** 2 >= square
    assert Fraction(price(name, rows, v, n_free=1 + seed % 2, rtol=1e-7).bound) ** 2 >= square
    assert not shows_bound(rows, v, largest * (1 - BELOW[1]), max_work=1e3)


@pytest.mark.parametrize("which", DEGENERATE)
@pytest.mark.parametrize("scale", [1.0, 1e8, 1e-8])
def test_degenerate_instances(name, which, scale):
    rows, v, largest = (np.array(part) for part in DEGENERATE[which])
    report = price(name, rows * scale, v)
    assert largest * scale <= report.bound * (1 + 1e-14)
    # Zero rows have no rounding error, whatever their v.
    assert report.bound <= 1.00001 * largest * scale + 1e-300


def test_rows_and_weights_of_every_size(name):
    """Products of about one, of which each factor alone would underflow beside the others."""
    rows, v = np.array([[1e290], [1e-290], [-1e-100]]), np.array([1e-290, 1e290, 3e100])
    report = price(name, rows, v)
    assert 3.0 <= report.bound <= 3.001
    report = price(name, rows, v, level=2.999)
    assert report.bound >= 3.0


@pytest.mark.parametrize("n_free", [1, 2])
def test_boxes_whose_corners_are_all_alike(n_free):
    rows = np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [-1.0, 0.0, -1.0]])
    v = np.array([2.0, 0.0, -1.0])
    found = CornerBound(rows, v, n_free=n_free).explore(Boxes.of_cube(3, 9.0), 1.0, 3e4)
    assert found.value <= 2.0 + 1e-12  # relu(z) ≤ 1 at the best u, twice; warnings are errors


def test_values_are_compared_in_fractions():
    rows, v, u = np.array([[3.0, 4.0], [0.1, 0.0]]), np.array([1.0, 0.0]), np.array([3.0, 4.0])
    assert is_above(rows, v, u, np.nextafter(5.0, 0.0)) and not is_above(rows, v, u, 5.0)
    assert reached(rows, v, best_direction(rows, v, np.random.default_rng(0))) == pytest.approx(5.0)
