"""The search over given patterns with several outputs, against a grid of output directions and against proofs."""

import math
import time

import numpy as np
import pytest

from convexrelu.oracles import PatternOracle
from convexrelu.oracles.program.pattern_search import PatternSearch
from convexrelu.oracles.selection import program_oracle
from convexrelu.patterns import sample_patterns


def instance(seed, n_outputs=2):
    rng = np.random.default_rng(seed)
    design = rng.standard_normal((rng.integers(4, 16), rng.integers(2, 5)))
    patterns = sample_patterns(design, 12, np.random.RandomState(seed))
    return design, patterns.masks, rng.standard_normal((len(design), n_outputs))


def assert_attained(report, design, V, slope, masks):
    """Witnesses are unit vectors in cones of the list, and worth what the report says."""
    known = {mask.tobytes() for mask in masks}
    for mask, g, u, value in zip(
        report.masks, report.signs, report.directions, report.values, strict=True
    ):
        assert mask.tobytes() in known
        assert np.linalg.norm(g) == pytest.approx(1)
        if value > 0:
            assert np.linalg.norm(u) == pytest.approx(1)
            assert (np.where(mask, 1, -1) * (design @ u)).min() >= -1e-8
        outputs = np.where(mask, 1.0, slope) * (design @ u)
        assert g @ V.T @ outputs == pytest.approx(value, abs=1e-9)
    assert report.values[0] == report.bound and not report.is_proof
    assert (np.diff(report.values) <= 0).all()


@pytest.mark.parametrize("slope", [0.0, 0.1, -1.0])
@pytest.mark.parametrize("seed", range(6))
def test_finds_nearly_what_a_grid_of_output_directions_finds(seed, slope):
    design, masks, V = instance(seed)
    report = PatternSearch(design, masks, slope=slope)(V)
    assert_attained(report, design, V, slope, masks)
    scalar = PatternOracle(design, masks, slope=slope)
    angles = np.linspace(0, math.pi, 200)
    best = max(scalar(V @ [math.cos(a), math.sin(a)]).bound for a in angles)
    assert report.bound >= 0.99 * best


@pytest.mark.parametrize("n_outputs", [2, 3, 6])
@pytest.mark.parametrize("seed", range(8))
def test_is_below_what_is_proved(seed, n_outputs):
    design, masks, V = instance(100 + seed, n_outputs)
    found = PatternSearch(design, masks)(V)
    assert_attained(found, design, V, 0.0, masks)
    proof = program_oracle(design, masks, n_outputs=n_outputs)(V)
    assert proof.is_proof and proof.scope == "program"
    assert found.bound <= proof.bound
    if n_outputs <= 3:
        assert proof.bound <= 1.002 * proof.values[0]


def test_later_calls_go_on_from_the_last_and_find_no_less():
    design, masks, V = instance(7, 5)
    search = PatternSearch(design, masks)
    first, second = search(V), search(V)
    assert second.bound >= first.bound * (1 - 1e-9)
    moved = V + 0.01 * np.random.default_rng(1).standard_normal(V.shape)
    fresh = PatternSearch(design, masks)(moved)
    assert search(moved).bound >= 0.99 * fresh.bound


def test_patterns_below_the_level_are_left_out():
    design, masks, V = instance(3)
    search = PatternSearch(design, masks)
    largest = search(V).bound
    assert search(V, level=2 * 1e3 * largest).bound == 0.0
    assert search(V, level=0.5 * largest).bound == pytest.approx(largest)


def test_no_time():
    design, masks, V = instance(3)
    report = PatternSearch(design, masks)(V, deadline=time.perf_counter() - 1)
    assert not report.finished and report.bound == 0.0


def test_nothing_to_price():
    design, masks, V = instance(3)
    report = PatternSearch(design, masks)(0 * V)
    assert report.bound == 0.0 and not report.directions.any()


def test_without_time_nothing_is_searched(clock, monkeypatch):
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)
    design, masks, V = instance(0)
    search = PatternSearch(design, masks)
    monkeypatch.setattr(PatternOracle, "maps", None)
    report = search(V, deadline=clock.now - 1.0)
    assert not report.finished and not report.is_proof
    assert report.bound == 0.0 and len(report.values) == 0


def test_a_search_ends_in_its_projections(clock):
    design, masks, V = instance(0)
    clock.step = 1.0
    report = PatternSearch(design, masks)(V, deadline=clock.now + 3.5)
    assert not report.finished
