"""Branch and bound: valid wherever it stops, and as sharp as it says."""

import numpy as np
import pytest

from convexrelu.oracles import BranchAndBoundOracle, CellOracle, SearchOracle
from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.corner_bound import CornerBound
from convexrelu.oracles.bounds.tree import Tree


class Blind:
    """A search that finds nothing: the tree has to find everything itself."""

    def __call__(self, v, *, level=0.0, deadline=np.inf):
        dim = self.dim
        none = np.zeros((0, len(v)), dtype=bool), np.zeros(0), np.zeros((0, dim)), np.zeros(0)
        return OracleReport(0.0, False, "global", "blind", *none)

    def __init__(self, dim):
        self.dim = dim


def h(design, v, u):
    return np.maximum(design @ u, 0.0) @ v


def instance(seed):
    """Small data of any kind, with a dual point."""
    rng = np.random.default_rng(seed)
    n, dim = int(rng.integers(1, 13)), int(rng.integers(1, 5))
    design = rng.standard_normal((n, dim))
    kind = seed % 6
    if kind == 1:  # lattice: many kinks through one point, repeated rows
        design = np.round(design)
    if kind == 2:
        design[rng.integers(n, size=n // 2)] = design[0]
        design[rng.integers(n, size=n // 3)] *= -1
    if kind == 3:  # rank-deficient, with zero rows
        design[:, -1] = design[:, 0]
        design[: n // 4] = 0.0
    if kind == 4:
        design = design * 10.0 ** rng.integers(-6, 7, size=(n, 1))
    if kind == 5:  # near duplicates
        design[n // 2 :] = design[: n - n // 2] + 1e-9 * rng.standard_normal((n - n // 2, dim))
    return design, rng.standard_normal(n) * 10.0 ** rng.integers(-6, 7)


@pytest.mark.parametrize("seed", range(120))
def test_meets_the_enumeration(seed):
    design, v = instance(seed)
    exact = CellOracle(design)(v)
    report = BranchAndBoundOracle(design, search=Blind(design.shape[1]), rtol=1e-6)(v)
    assert report.is_proof
    largest = exact.values.max(initial=0.0)
    assert report.bound >= largest * (1 - 1e-13)
    # As sharp as asked for, where rounding allows it: on its own witnesses, without a search.
    slack = 1e-9 * (np.abs(v) @ np.linalg.norm(design, axis=1))
    assert report.bound <= 1.00001 * largest + slack


@pytest.mark.parametrize("max_work", [0, 500, 50_000, 5_000_000])
def test_is_valid_wherever_it_stops(max_work):
    rng = np.random.default_rng(3)
    design, v = rng.standard_normal((40, 4)), rng.standard_normal(40)
    largest = BranchAndBoundOracle(design, rtol=1e-9, random_state=0)(v).bound
    stopped = BranchAndBoundOracle(design, max_work=max_work, random_state=0)(v)
    assert stopped.bound >= largest * (1 - 1e-9)
    assert stopped.work <= max(1.1 * max_work, 2e6)  # a batch of boxes is always finished


def test_bounds_fall_with_work():
    rng = np.random.default_rng(4)
    design, v = rng.standard_normal((60, 6)), rng.standard_normal(60)
    works = (0, 1e4, 1e5, 1e6, 1e7)
    bounds = [BranchAndBoundOracle(design, max_work=w, random_state=0)(v).bound for w in works]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] < 0.9 * bounds[0]


def test_stops_at_a_level_that_holds():
    rng = np.random.default_rng(5)
    design, v = rng.standard_normal((50, 5)), rng.standard_normal(50)
    sharp = BranchAndBoundOracle(design, rtol=1e-6, random_state=0)(v)
    level = 1.2 * sharp.bound
    report = BranchAndBoundOracle(design, rtol=1e-6, random_state=0)(v, level=level)
    assert sharp.bound * (1 - 2e-6) <= report.bound <= level * (1 + 1e-9)
    assert report.work < sharp.work


def test_stops_at_a_witness_above_the_level():
    rng = np.random.default_rng(6)
    design, v = rng.standard_normal((50, 5)), rng.standard_normal(50)
    sharp = BranchAndBoundOracle(design, random_state=0)(v)
    level = 0.5 * sharp.bound
    report = BranchAndBoundOracle(design, search=Blind(5), random_state=0)(v, level=level)
    assert report.values[0] > level
    assert report.bound >= sharp.values[0]
    assert report.work < sharp.work


def test_stops_at_the_deadline(clock):
    rng = np.random.default_rng(7)
    design, v = rng.standard_normal((100, 12)), rng.standard_normal(100)
    clock.charge(Tree, "grow", 0.15)
    deadline = clock.now + 0.5
    report = BranchAndBoundOracle(design, random_state=0)(v, deadline=deadline)
    assert deadline < clock.now < deadline + 0.15  # no chunk of boxes is begun afterwards
    assert report.is_proof
    assert report.bound >= SearchOracle(design, random_state=1)(v).bound


def test_witnesses_are_what_they_say():
    rng = np.random.default_rng(8)
    design, v = rng.standard_normal((80, 5)), rng.standard_normal(80)
    report = BranchAndBoundOracle(design, search=Blind(5))(v)
    assert len(report.values)
    for mask, sign, u, value in zip(
        report.masks, report.signs, report.directions, report.values, strict=True
    ):
        assert np.linalg.norm(u) == pytest.approx(1)
        assert value == pytest.approx(sign * h(design, v, u))
        np.testing.assert_array_equal(mask, design @ u >= 0)
    assert report.values[0] >= report.bound / 1.001


@pytest.mark.parametrize("design", [np.zeros((3, 2)), np.eye(2), np.ones((4, 1)), -np.ones((1, 1))])
@pytest.mark.parametrize("scale", [0.0, 1.0, -1.0, 1e-120, 1e120])
def test_degenerate_sizes(design, scale):
    v = scale * np.ones(len(design))
    report = BranchAndBoundOracle(design)(v)
    exact = CellOracle(design)(v).values.max(initial=0.0)
    assert exact <= report.bound <= exact * 1.001


@pytest.mark.parametrize("seed", range(20))
def test_ends_where_no_sweep_can_lower_the_bound(clock, seed):
    # Boxes that are too narrow to be halved leave a bound above a target that allows for no rounding.
    rng = np.random.default_rng(seed)
    design, v = rng.standard_normal((6, 2)), rng.standard_normal(6)
    clock.step = 1.0
    deadline = clock.now + 500  # looks at the clock, two or three a sweep
    report = BranchAndBoundOracle(design, search=Blind(2), rtol=0.0)(v, deadline=deadline)
    assert clock.now < deadline
    assert report.values[0] <= report.bound <= report.values[0] * (1 + 1e-10)


@pytest.mark.parametrize("n_free", [9, 1])
@pytest.mark.parametrize("seed", range(60))
def test_no_point_of_a_box_is_above_its_bound(seed, n_free):
    design, v = instance(seed)
    rng, rank = np.random.default_rng(seed), design.shape[1]
    size = np.abs(v) @ np.linalg.norm(design, axis=1)
    target = size * rng.uniform(0.01, 1)
    bound = CornerBound(design, v, n_free=n_free)
    boxes = Boxes.of_cube(rank, np.inf)
    for _ in range(6 * (rank > 1)):
        across = (boxes.faces + rng.integers(1, rank, len(boxes.faces))) % rank
        boxes = boxes.halved(across).select(rng.permutation(2 * len(across))[:200])
    found = bound.examine(boxes, target)
    bounds = np.where(found.closed, target, found.boxes.bounds)
    for corners in (False, True):
        for _ in range(20):
            where = rng.uniform(-1, 1, boxes.lower.shape)
            u = boxes.centres + boxes.halves * (np.sign(where) if corners else where)
            value = np.maximum(u @ design.T, 0.0) @ v / np.linalg.norm(u, axis=1)
            assert (value <= bounds + 1e-13 * size).all()
            # What clipping has cut off is below the target.
            inside = (found.boxes.lower <= u) & (u <= found.boxes.upper)
            assert (value <= target + 1e-13 * size)[~inside.all(axis=1)].all()
