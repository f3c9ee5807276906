"""Candidates that climb together against candidates that climb alone, and both against what a local maximum is."""

import time
from functools import partial

import numpy as np
import pytest
import torch

from convexrelu.oracles.search import local_maxima
from convexrelu.oracles.search.ascents import ascend, unit
from convexrelu.oracles.search.climb import climb_alone
from convexrelu.oracles.search.local_maxima import climb, sharpen
from convexrelu.patterns.cone_support import PatternCones
from tests import reference

RNG = np.random.default_rng(0)
DESIGNS = {
    "three dimensions": RNG.standard_normal((30, 3)),
    "with bias": reference.augment(RNG.standard_normal((40, 5)), True),
    "zero rows": np.vstack([np.zeros((2, 4)), RNG.standard_normal((20, 4))]),
    "wide": RNG.standard_normal((4, 6)),
}
COUNT = 40


@pytest.fixture(params=DESIGNS)
def design(request):
    return torch.tensor(DESIGNS[request.param])


@pytest.fixture
def v(design):
    return torch.tensor(np.random.default_rng(1).standard_normal(len(design)))


SIGNS = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(COUNT // 2)
SHORT = [0.3, 0.1, 0.03]


def starts_of(design):
    rng = np.random.default_rng(2)
    return unit(torch.tensor(rng.standard_normal((COUNT, design.shape[1]))))


def values_of(design, v, directions):
    return SIGNS * ((directions @ design.T).clamp(min=0) @ v)


@pytest.fixture
def together(monkeypatch):
    monkeypatch.setattr(local_maxima, "_BATCH", 0.0)


def test_climbing_together_is_climbing_alone(design, v, together):
    starts, heights = ascend(design, v, SIGNS, starts_of(design), SHORT)
    masks, directions, values = climb(design, v, SIGNS, starts)
    cones = PatternCones(design.numpy())
    first = (starts @ design.T >= 0).numpy()
    assert (heights > 0).sum() > COUNT / 4
    for k in (heights > 0).nonzero()[:, 0].tolist():
        mask, projection = climb_alone(cones, design.numpy(), float(SIGNS[k]) * v.numpy(), first[k])
        length = np.linalg.norm(projection)
        assert float(values[k]) == pytest.approx(length, rel=1e-9)
        np.testing.assert_array_equal(masks[k], mask)
        np.testing.assert_allclose(directions[k], projection / length, atol=1e-9)


def test_few_climb_alone(monkeypatch, design, v):
    monkeypatch.setattr(local_maxima, "_Climbers", None)
    monkeypatch.setattr(local_maxima, "_BATCH", 1e12)
    _, directions, values = climb(design, v, SIGNS, starts_of(design))
    np.testing.assert_allclose(values, values_of(design, v, directions), atol=1e-12)


def test_nothing_near_a_local_maximum_is_higher(design, v, together):
    starts, heights = ascend(design, v, SIGNS, starts_of(design), SHORT)
    _, directions, values = climb(design, v, SIGNS, starts)
    alive = heights > 0
    rng = np.random.default_rng(3)
    for scale in (1e-4, 1e-6):
        for _ in range(50):
            noise = torch.tensor(rng.standard_normal(directions.shape))
            near = unit(directions + scale * noise)
            assert (values_of(design, v, near) <= values + 1e-9)[alive].all()


@pytest.mark.parametrize("improve", [lambda *a: sharpen(*a)[0], lambda *a: ascend(*a, SHORT)[0]])
def test_no_candidate_is_worse_than_its_start(design, v, improve):
    starts = starts_of(design)
    ends = improve(design, v, SIGNS, starts)
    np.testing.assert_allclose(ends.norm(dim=1), 1.0, rtol=1e-12)
    before, after = (values_of(design, v, u) for u in (starts, ends))
    assert (after >= before - 1e-12).all()
    assert after.mean() > before.mean()


def test_newton_steps_come_nearer_to_the_maxima_than_gradients():
    design = torch.tensor(np.random.default_rng(4).standard_normal((300, 8)))
    v = torch.tensor(np.random.default_rng(5).standard_normal(300))
    starts, _ = ascend(design, v, SIGNS, starts_of(design), np.geomspace(0.3, 0.02, 60).tolist())
    tail, _ = ascend(design, v, SIGNS, starts, np.geomspace(0.02, 1e-3, 60).tolist())
    newton, finished = sharpen(design, v, SIGNS, starts)
    assert finished
    by_gradients, by_newton = (values_of(design, v, u).mean() for u in (tail, newton))
    assert by_newton > by_gradients


def test_a_rotated_start_without_slope_stays():
    design = torch.eye(2, dtype=torch.float64)
    v, signs = torch.zeros(2, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    start = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    for improve in (sharpen, partial(ascend, step_sizes=[0.1])):
        end = improve(design, v, signs, start)[0]
        np.testing.assert_array_equal(end, start)


def test_without_time_candidates_are_where_they_started(design, v):
    starts = starts_of(design)
    masks, directions, values = climb(design, v, SIGNS, starts, deadline=0.0)
    np.testing.assert_array_equal(directions, starts)
    np.testing.assert_array_equal(masks, starts @ design.T >= 0)
    np.testing.assert_allclose(values, values_of(design, v, starts))


def test_newton_steps_that_would_end_too_late_are_not_taken(monkeypatch):
    monkeypatch.setattr(local_maxima._Kinks, "newton_step", lambda *_: pytest.fail("a step"))
    design = torch.as_tensor(np.random.default_rng(0).standard_normal((3, 4000)))
    starts = unit(design)
    v, signs = torch.ones(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    found = sharpen(
        design, v, signs, starts, time.perf_counter() + 0.5
    )  # a step takes some seconds
    assert found.directions.shape == starts.shape
    assert not found.finished


def test_projections_that_are_not_found_in_time_leave_the_starts(monkeypatch):
    rng = np.random.default_rng(0)
    design, v = torch.tensor(rng.standard_normal((30, 4))), torch.tensor(rng.standard_normal(30))
    starts, asked = torch.tensor(rng.standard_normal((5, 4))), []

    def late(self, points, index, level, deadline):
        asked.append(deadline)
        raise TimeoutError

    monkeypatch.setattr(local_maxima, "_fewest_in_a_batch", lambda design: 1)
    monkeypatch.setattr(local_maxima.ConeProjector, "project", late)
    monkeypatch.setattr(
        local_maxima, "_climb_alone", lambda *args: None
    )  # which has no time either
    masks, directions, _ = local_maxima.climb(design, v, torch.ones(5).double(), starts, 1e9)
    assert asked == [1e9]
    assert torch.equal(masks, starts @ design.T >= 0)
    torch.testing.assert_close(directions, starts)
