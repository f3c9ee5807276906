"""Branch and bound on tensors: as in NumPy, up to rounding."""

import math

import numpy as np
import pytest

from benchmarks.soundness.boxes import (
    BELOW,
    Blind,
    best_direction,
    instance,
    is_above,
    reached,
    version,
)
from convexrelu import TrainingProblem, certify, train
from convexrelu._utils.array_functions import on_device, on_host
from convexrelu.oracles import BranchAndBoundOracle
from convexrelu.oracles.bounds import corner_tables
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.corner_bound import CornerBound
from convexrelu.oracles.bounds.pace import ON_CPU, pace_of, pace_within
from convexrelu.oracles.selection import choose_oracles
from tests import reference


def samples(seed, n, rank):
    rng = np.random.default_rng(seed)
    rows, v = rng.standard_normal((n, rank)), rng.standard_normal(n)
    return rows, v, reached(rows, v, best_direction(rows, v, rng))


def some_boxes(rank, n_boxes, rng):
    """Boxes of many sizes on all faces."""
    faces, sides = rng.integers(rank, size=n_boxes), 10.0 ** rng.uniform(-2, 0, (n_boxes, 1))
    lower = rng.uniform(-1, 1 - sides, (n_boxes, rank))
    upper, own = lower + sides, (np.arange(n_boxes), faces)
    lower[own] = upper[own] = rng.choice([-1.0, 1.0], n_boxes)
    return Boxes(lower, upper, faces, np.full(n_boxes, math.inf))


@pytest.mark.parametrize(("n_free", "clips"), [(9, True), (2, True), (1, False), (0, True)])
def test_boxes_are_examined_alike(device, n_free, clips):
    rows, v, value = samples(n_free, 30, 5)
    target = 1.01 * value
    ours, theirs = (
        CornerBound(rows, v, n_free=n_free, clips=clips, device=each) for each in ("cpu", device)
    )
    boxes = some_boxes(5, 60, np.random.default_rng(0))
    boxes = Boxes.join([Boxes.of_cube(5, math.inf), boxes])
    expected, found = ours.examine(boxes, target), theirs.examine(boxes.on(device), target)
    assert on_host(found.closed).tolist() == expected.closed.tolist()
    assert 0 < expected.closed.sum() < len(boxes.faces)
    # Sums of tens of terms below ten, and quotients by differences of such sums.
    assert found.value == pytest.approx(expected.value, rel=1e-12)
    assert found.witness == pytest.approx(expected.witness, abs=1e-9)
    for name in ("errors", "slopes", "units"):
        mine, its = getattr(expected, name), on_host(getattr(found, name))
        assert its == pytest.approx(mine, rel=1e-7, abs=1e-9), name
    for mine, its in zip(expected.boxes, found.boxes.on_host(), strict=True):
        assert its == pytest.approx(mine, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(("n", "rank"), [(40, 4), (20, 5)])
def test_the_same_boxes_prove_a_bound_at_any_pace(device, n, rank):
    rows, v, value = samples(n, n, rank)
    cube, counts = Boxes.of_cube(rank, math.inf), []
    for each, pace in [("cpu", ON_CPU), (device, ON_CPU), (device, pace_within(1e8, n, 2**rank))]:
        bound = CornerBound(rows, v, device=each)
        bound.pace = pace
        found = bound.explore(cube, 1.05 * value, math.inf)
        assert not len(found.left.faces) and found.stuck == -math.inf
        counts.append(found.n_boxes)
    assert counts[0] == counts[1] == counts[2] > 2 * rank


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_samples_of_one_sign(device, sign):
    """There are no kinks of the other sign."""
    rows, v, _ = samples(3, 12, 4)
    v, cube = sign * np.abs(v), Boxes.of_cube(4, 9e9)
    counts = [
        CornerBound(rows, v, device=each).explore(cube, 1.0, 1e6).n_boxes
        for each in ("cpu", device)
    ]
    assert counts[0] == counts[1]


def test_no_level_below_a_value_is_proved(device):
    """Adversarial instances, directions compared in fractions."""
    proved = 0
    for seed in range(24):
        rng = np.random.default_rng([seed, 1])
        rows, v = instance(rng)
        best = best_direction(rows, v, rng)
        value = reached(rows, v, best)
        with version(device, int(rng.integers(1, 4))):
            oracle = BranchAndBoundOracle(rows, search=Blind(rows.shape[1]), max_work=1e4)
            below = oracle(v, level=value * (1 - BELOW[seed % 2]))
        assert not is_above(rows, v, best, below.bound)
        proved += below.bound <= 1.001 * value
    assert proved > 5


def test_reports_are_those_of_the_processor(device):
    rows, v, value = samples(7, 40, 4)
    here, there = (
        BranchAndBoundOracle(rows, random_state=0, device=each)(v) for each in ("cpu", device)
    )
    assert there.is_proof and there.scope == "global"
    # Both are at the goal: 1e-4 above the same largest value.
    assert there.bound == pytest.approx(here.bound, rel=1e-9)
    assert value * (1 - 1e-12) <= there.bound


def test_training_and_certify_prove_on_a_device(monkeypatch, device):
    # Compiled code is preferred.
    monkeypatch.setattr("convexrelu.oracles.selection.is_compiled", lambda: False)
    X, y = reference.teacher(10, 3, 2, 0.2, 1)
    problem = TrainingProblem(X, y, 0.05)
    results = [
        train(problem, device=each, oracle="prove", tol=1e-3, random_state=0)
        for each in ("cpu", device)
    ]
    assert choose_oracles("prove", problem.design, 0, device).exact.device == device
    for result in results:
        certificate = result.certificate
        assert certificate.is_proof and certificate.relative_gap <= 1e-3
        # Each bound is below the optimum, and each objective above.
        assert certificate.lower_bound <= min(each.certificate.objective for each in results)
    checked = certify(
        results[0].network, X, y, alpha=0.05, oracle="prove", bound="residual", device=device
    )
    assert checked.is_proof and checked.lower_bound <= results[1].certificate.objective


def test_many_kinks_of_a_box_are_taken_in_parts(device, monkeypatch):
    rows, v, value = samples(5, 50, 4)
    bound, cube = CornerBound(rows, v, n_free=2, device=device), Boxes.of_cube(4, 9e9).on(device)
    whole = bound.examine(cube, value).boxes.on_host()
    monkeypatch.setattr(corner_tables, "_MOST", 4 * 7)  # four corners, seven kinks
    parts = bound.examine(cube, value).boxes.on_host()
    assert parts.bounds == pytest.approx(whole.bounds, rel=1e-12) and whole.bounds.min() < 9e9


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="device='nothing' is not available"):
        BranchAndBoundOracle(np.eye(2), device="nothing")


@pytest.mark.parametrize("n", [1, 10**3, 10**6])
@pytest.mark.parametrize("n_bytes", [1e6, 1e10, math.inf])
def test_memory_is_bounded(n, n_bytes):
    pace = pace_within(n_bytes, n, 512)
    assert pace.boxes == 1 or 40 * 8 * pace.boxes * (n + 512) <= n_bytes
    assert pace.boxes >= 1 and pace.boxes * (n + 512) <= 2**27 and pace.entries <= 2**26
    assert pace_of("cpu:0", n, 512) == pace_of("cpu", n, 512) == ON_CPU


def test_tensors_do_not_share_memory_with_arrays(device):
    array = np.zeros(2)
    tensor = on_device(array, device)
    tensor += 1.0
    assert array.tolist() == [0.0, 0.0] and on_host(tensor).tolist() == [1.0, 1.0]
