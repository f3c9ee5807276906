"""Projections on cones, in compiled code and in torch, against non-negative least squares, one at a time (Moreau)."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from convexrelu.patterns import cone_projection as module
from convexrelu.patterns.cone_projection import ConeProjector
from tests import reference

COMPILED = module._cones
needs_compiled = pytest.mark.skipif(not COMPILED, reason="not compiled")
RNG = np.random.default_rng(0)
GAUSSIAN = RNG.standard_normal((20, 4))
GRID = np.array([[i, j] for i in range(4) for j in range(4)])
DESIGNS = {
    "one dimension": GAUSSIAN[:, :1],
    "plane": GAUSSIAN[:, :2],
    "four dimensions": GAUSSIAN,
    "with bias": reference.augment(GAUSSIAN, True),
    "wide": GAUSSIAN[:3],
    "one row": GAUSSIAN[:1],
    "grid": reference.augment(GRID, True),
    "duplicates and mirror images": np.vstack([GAUSSIAN, GAUSSIAN[:9], -3 * GAUSSIAN[:5]]),
    "zero rows": np.vstack([np.zeros((2, 4)), GAUSSIAN, np.zeros((1, 4))]),
    "rank deficient": GAUSSIAN[:, [0, 1, 0, 1]] @ np.diag([1, 1, 2, -1]),
    "badly scaled rows": GAUSSIAN * np.logspace(-8, 8, 20)[:, None],
    "badly scaled columns": GAUSSIAN * [1e-2, 1.0, 1.0, 1e2],
    "all zero": np.zeros((3, 2)),
}
COUNT = 24
ROUNDING = 1e-10


@pytest.fixture(
    params=["torch", pytest.param("compiled", marks=needs_compiled)], autouse=True, scope="module"
)
def kind(request):
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "torch":
            patch.setattr(module, "_cones", None)
        yield request.param


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


def cells_and_noise(design, seed=0):
    """Patterns of gates, whose cones have an interior, and random ones, whose cones are mostly thin."""
    rng = np.random.default_rng(seed)
    gates = rng.standard_normal((COUNT // 2, design.shape[1]))
    return np.vstack([gates @ design.T >= 0, rng.random((COUNT // 2, len(design))) < 0.5])


def points_of(design, seed=1):
    return np.random.default_rng(seed).standard_normal((COUNT, design.shape[1]))


def normals_of(design, mask):
    """Unit normals that point into the cone."""
    alive = design.any(axis=1)
    rows = np.where(mask[alive, None], 1.0, -1.0) * design[alive]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def exact(design, masks, points):
    found = []
    for mask, z in zip(masks, points, strict=True):
        normals = normals_of(design, mask)
        found.append(z + normals.T @ nnls(normals.T, -z)[0] if len(normals) else z)
    return np.array(found)


def projector(design, masks):
    return ConeProjector(torch.tensor(design, dtype=torch.float64), torch.tensor(masks))


def project(cones, points, level=0.0, index=None):
    index = torch.arange(len(points)) if index is None else torch.as_tensor(index)
    return cones.project(torch.tensor(points), index, level).numpy()


def assert_projections(found, design, masks, points):
    """The same to rounding, in the unit of the points: some projections are zero."""
    lengths = np.linalg.norm(points, axis=1)
    errors = np.linalg.norm(found - exact(design, masks, points), axis=1)
    assert (errors <= 1e-10 * lengths).all()
    for mask, p, length in zip(masks, found, lengths, strict=True):
        assert (normals_of(design, mask) @ p >= -1e-10 * length).all()


def test_projections_are_those_of_nonnegative_least_squares(design):
    masks, points = cells_and_noise(design), points_of(design)
    assert_projections(project(projector(design, masks), points), design, masks, points)


def test_the_reference_projects():
    # What these tests compare with, against a projection that anybody can do.
    points = np.array([[1.0, -2.0], [-3.0, -1.0], [2.0, 1.0]])
    masks = np.array([[True, True], [False, True], [False, False]])
    found = exact(np.diag([5.0, 1e-3]), masks, points)
    np.testing.assert_allclose(found, [[1, 0], [-3, 0], [0, 0]], atol=1e-15)


@pytest.mark.parametrize("step", [0.0, 1e-9, 0.1, 10.0])
def test_calls_that_start_from_the_last_one_are_as_exact(design, step):
    masks, points = cells_and_noise(design), points_of(design)
    cones, rng = projector(design, masks), np.random.default_rng(2)
    for _ in range(4):
        assert_projections(project(cones, points), design, masks, points)
        points = points + step * rng.standard_normal(points.shape)


def test_a_start_from_the_opposite_side_is_as_exact(design):
    masks, points = cells_and_noise(design), points_of(design)
    cones = projector(design, masks)
    for sign in (1.0, -1.0, 1.0):
        assert_projections(project(cones, sign * points), design, masks, sign * points)


def test_only_the_blocks_that_are_asked_for_are_projected(design):
    masks, points = cells_and_noise(design), points_of(design)
    cones = projector(design, masks)
    before = cones.held.clone()
    some = [7, 2, 15]
    assert_projections(project(cones, points[some], index=some), design, masks[some], points[some])
    others = np.setdiff1d(np.arange(COUNT), some)
    assert torch.equal(cones.held[others], before[others])
    assert_projections(project(cones, points), design, masks, points)


def test_the_unit_of_points_does_not_matter(design):
    masks, points = cells_and_noise(design), points_of(design)
    for unit in (1e-12, 1e12):
        found = project(projector(design, masks), unit * points)
        assert_projections(found, design, masks, unit * points)


@pytest.mark.parametrize("distance", [1e-4, 1e-7, 1e-9, 1e-12, 1e-15])
def test_nearly_equal_rows_cost_no_more_than_their_distance(distance):
    noise = np.random.default_rng(5).standard_normal((3, *GAUSSIAN.shape))
    design = np.vstack([GAUSSIAN, *(GAUSSIAN + distance * part for part in noise)])
    masks, points = cells_and_noise(design), points_of(design)
    cones = projector(design, masks)
    for _ in range(3):
        errors = np.linalg.norm(project(cones, points) - exact(design, masks, points), axis=1)
        assert errors.max() <= 1e-7
        points = points + 0.3 * noise[0][:1]


def test_points_inside_stay_where_they_are_bit_for_bit():
    gates = np.random.default_rng(3).standard_normal((10, 4))
    found = project(projector(GAUSSIAN, gates @ GAUSSIAN.T >= 0), gates)
    np.testing.assert_array_equal(found, gates)


def test_projections_on_contradictory_rows_are_on_their_common_line():
    # The same row on both sides leaves a line, and three such rows in three dimensions leave zero.
    design = np.repeat(np.eye(3), 2, axis=0)
    mask = np.array([True, False, True, False, True, True])
    points = np.array([[1.0, -2.0, 3.0], [1.0, 2.0, -3.0]])
    found = project(projector(design, np.array([mask, mask])), points)
    np.testing.assert_allclose(found, [[0, 0, 3], [0, 0, 0]], atol=1e-14)
    mask[5] = False
    assert np.abs(project(projector(design, np.array([mask, mask])), points)).max() < 1e-14


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0, 2.0])
def test_what_is_above_the_level_is_exact_and_the_rest_is_no_shorter(design, level):
    masks, points = cells_and_noise(design), points_of(design)
    cones, rng = projector(design, masks), np.random.default_rng(4)
    for _ in range(3):
        found, wanted = project(cones, points, level), exact(design, masks, points)
        length, exact_length = np.linalg.norm(found, axis=1), np.linalg.norm(wanted, axis=1)
        # Both solve least squares with the active rows, whose condition is up to 1e4 here.
        assert (length >= exact_length - ROUNDING).all()
        above = length > level
        np.testing.assert_allclose(found[above], wanted[above], atol=1e-9)
        # Below it is still z + Nᵀμ with μ ≥ 0, on which bounds of the dual rest.
        for mask, z, p in zip(masks, points, found, strict=True):
            normals = normals_of(design, mask)
            apart = nnls(normals.T, p - z)[1] if len(normals) else np.linalg.norm(p - z)
            assert apart <= ROUNDING
        points = points + 0.3 * rng.standard_normal(points.shape)


def test_levels_between_calls_leave_no_trace(design):
    masks, points = cells_and_noise(design), points_of(design)
    cones = projector(design, masks)
    for level in (3.0, 0.7, 0.0):
        project(cones, points, level)
    assert_projections(project(cones, points), design, masks, points)


@pytest.mark.parametrize("name", sorted(DESIGNS.keys() - {"all zero"}))
def test_active_normals_carry_the_projection(name):
    design = DESIGNS[name]
    masks, points = cells_and_noise(design), points_of(design)
    cones = projector(design, masks)
    found = project(cones, points)
    normals, counts = (array.numpy() for array in cones.normals(torch.arange(COUNT)))
    assert counts.max(initial=0) <= np.linalg.matrix_rank(design)
    for k in range(COUNT):
        active = normals[k, : counts[k]]
        assert cones.n_dimensions(torch.tensor([k])) == design.shape[1] - counts[k]
        assert not normals[k, counts[k] :].any()
        np.testing.assert_allclose(np.linalg.norm(active, axis=1), 1.0, rtol=1e-12)
        into_cone = normals_of(design, masks[k])
        assert all(np.abs(into_cone - row).max(axis=1).min() < 1e-12 for row in active)
        np.testing.assert_allclose(active @ found[k], 0.0, atol=1e-10)
        multipliers = np.linalg.lstsq(active.T, found[k] - points[k])[0]
        assert (multipliers >= -1e-10).all()
        np.testing.assert_allclose(active.T @ multipliers, found[k] - points[k], atol=1e-10)


def test_cones_without_rows_have_no_normals():
    design = torch.zeros((3, 2), dtype=torch.float64)
    cones = ConeProjector(design, torch.zeros((4, 3), dtype=torch.bool))
    normals, count = cones.normals(torch.arange(4))
    assert normals.shape == (4, 2, 2)
    assert not normals.any() and not count.any()


def test_no_points_are_no_projections():
    cones = projector(GAUSSIAN, np.zeros((0, len(GAUSSIAN)), dtype=bool))
    assert project(cones, np.zeros((0, 4))).shape == (0, 4)


def test_single_precision_is_good_to_single_precision():
    masks, points = cells_and_noise(GAUSSIAN), points_of(GAUSSIAN)
    design = torch.tensor(GAUSSIAN, dtype=torch.float32)
    cones = ConeProjector(design, torch.tensor(masks))
    found = cones.project(torch.tensor(points, dtype=torch.float32), torch.arange(COUNT), 0.0)
    assert found.dtype is torch.float32
    np.testing.assert_allclose(found.numpy(), exact(GAUSSIAN, masks, points), atol=1e-4)


def test_projections_end_at_the_deadline(clock):
    cones = ConeProjector(torch.eye(2, dtype=torch.float64), torch.tensor([[True, True]]))
    inside = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    outside = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    block, late = torch.tensor([0]), clock.now - 1.0
    assert torch.equal(cones.project(inside, block, 0.0, late), inside)  # which needs no row
    with pytest.raises(TimeoutError, match="time"):
        cones.project(outside, block, 0.0, late)
    found = cones.project(outside, block, 0.0, clock.now + 1.0)
    assert torch.allclose(found, torch.tensor([[1.0, 0.0]], dtype=torch.float64))


@needs_compiled
def test_compiled_projections_look_at_the_time_between_rows(monkeypatch, clock):
    masks, points = cells_and_noise(GAUSSIAN), points_of(GAUSSIAN)
    monkeypatch.setattr(module, "_cones", COMPILED)
    whole = project(projector(GAUSSIAN, masks), points)
    calls = []

    class Counted:
        LANES = COMPILED.LANES

        @staticmethod
        def project(*args):
            calls.append(args[-2])
            clock.now += 1.0
            return COMPILED.project(*args)

    monkeypatch.setattr(module, "_cones", Counted)
    monkeypatch.setattr(module, "_BETWEEN_LOOKS", 0)
    cones = projector(GAUSSIAN, masks)
    everything, limit = torch.arange(COUNT), clock.now + 1e6
    found = cones.project(torch.tensor(points), everything, 0.0, limit)
    assert len(calls) > 2 and max(calls) == 1
    np.testing.assert_allclose(found.numpy(), whole, atol=1e-10)
    calls.clear()
    with pytest.raises(TimeoutError, match="time"):
        projector(GAUSSIAN, masks).project(torch.tensor(points), everything, 0.0, clock.now + 0.5)
    assert calls == [1, 0]


@needs_compiled
def test_compiled_projections_take_blocks_in_parts(monkeypatch):
    masks, points = cells_and_noise(GAUSSIAN), points_of(GAUSSIAN)
    monkeypatch.setattr(module, "_cones", COMPILED)
    whole = project(projector(GAUSSIAN, masks), points)
    monkeypatch.setattr(module, "_TOGETHER", 5 * GAUSSIAN.size)
    parts = project(projector(GAUSSIAN, masks), points)
    np.testing.assert_array_equal(parts, whole)


@needs_compiled
def test_points_in_the_order_of_fortran_are_projected_all_the_same():
    masks, points = cells_and_noise(GAUSSIAN), points_of(GAUSSIAN)
    turned = torch.tensor(points.T.copy()).T
    found = projector(GAUSSIAN, masks).project(turned, torch.arange(COUNT), 0.0).numpy()
    assert_projections(found, GAUSSIAN, masks, points)


@needs_compiled
@pytest.mark.parametrize(
    "n, d", [(1, 1), (31, 2), (32, 3), (33, 8), (64, 9), (65, 17), (200, 40)], ids=str
)
def test_compiled_projections_at_the_ends_of_lanes(n, d):
    rng = np.random.default_rng(n)
    design = rng.standard_normal((n, d))
    masks = np.vstack([rng.standard_normal((6, d)) @ design.T >= 0, rng.random((6, n)) < 0.5])
    points = rng.standard_normal((12, d))
    assert_projections(project(projector(design, masks), points), design, masks, points)


@needs_compiled
def test_compiled_code_takes_no_arrays_that_do_not_fit():
    def arrays():
        eye, zeros = np.eye(2), np.zeros((2, COMPILED.LANES))
        state = np.zeros((3, 2), np.int64), np.zeros((3, 2), np.uint8), np.zeros((3, 2))
        block, point = np.array([2]), np.ones((1, 2))
        return [eye, zeros, np.zeros((3, 2), np.uint8), block, point, np.ones(1), *state, point + 0]

    assert COMPILED.project(2, 2, *arrays(), 10, 1e-11) == 0
    for k in range(10):
        wrong = arrays()
        wrong[k] = np.zeros(7, wrong[k].dtype)
        with pytest.raises(ValueError, match="shapes"):
            COMPILED.project(2, 2, *wrong, 10, 1e-11)
    for k, value in ((3, 3), (3, -1), (6, 2), (6, -1)):  # blocks and rows that are not there
        wrong = arrays()
        wrong[k][...] = value
        with pytest.raises(ValueError, match="shapes"):
            COMPILED.project(2, 2, *wrong, 10, 1e-11)
    with pytest.raises(ValueError, match="shapes"):
        COMPILED.project(0, 2, *arrays(), 10, 1e-11)


@pytest.mark.parametrize("deadline", [math.inf, 1e9])
def test_blocks_that_stay_undecided_end_after_so_many_rows(monkeypatch, deadline):
    """However many looks at the time they take."""
    asked = []

    def undecided(most):
        asked.append(most)
        return 1

    monkeypatch.setattr("time.perf_counter", lambda: 0.0)
    module._sweep(undecided, 3, module._BETWEEN_LOOKS // 6, deadline)
    assert sum(asked) == module._most_sweeps(3)
    assert len(asked) == 1 if deadline == math.inf else max(asked) <= 7
