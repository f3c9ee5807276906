"""Prices of threshold units, against every pattern there is."""

import time

import numpy as np
import pytest

from convexrelu.patterns import count_patterns, enumerate_patterns
from convexrelu.threshold import oracles
from convexrelu.threshold.oracles import (
    ThresholdPatternOracle,
    ThresholdSearchOracle,
    threshold_relaxation,
)
from tests import reference

EPS = np.finfo(np.float64).eps


def design_and_dual(seed, n, d, balanced=True):
    rng = np.random.default_rng(seed)
    design = np.column_stack([rng.standard_normal((n, d - 1)), np.ones(n)])
    v = rng.standard_normal(n)
    return design, v - v.mean() if balanced else v


def largest(design, v, masks=None):
    masks = reference.all_masks(design) if masks is None else masks
    return np.abs(masks @ v).max()


@pytest.mark.parametrize(("n", "d"), [(1, 1), (12, 2), (12, 3), (8, 4)])
@pytest.mark.parametrize("balanced", [True, False])
def test_all_cells(n, d, balanced):
    design, v = design_and_dual(n, n, d, balanced)
    report = ThresholdPatternOracle(enumerate_patterns(design), complete=True)(v)
    exact = largest(design, v)
    assert exact <= report.bound <= exact + 1e-12
    assert (report.is_proof, report.scope, report.method) == (True, "global", "cells")
    assert_witnesses(report, design, v)
    assert threshold_relaxation(v) >= exact


def assert_witnesses(report, design, v):
    np.testing.assert_array_equal(report.directions @ design.T >= 0, report.masks)
    products = report.masks @ v
    rounding = len(v) * np.finfo(float).eps * np.abs(v).sum()  # of a product, in any order
    np.testing.assert_allclose(report.signs * products, report.values, rtol=0, atol=rounding)
    assert (np.diff(report.values) <= 0).all()


def test_a_list_is_a_program():
    design, v = design_and_dual(0, 10, 3)
    patterns = enumerate_patterns(design)
    report = ThresholdPatternOracle(patterns, complete=False, n_witnesses=5)(v)
    assert (report.is_proof, report.scope, report.method) == (True, "program", "patterns")
    assert len(report.masks) == 5


def test_no_pattern():
    design, v = design_and_dual(0, 4, 2)
    patterns = enumerate_patterns(design)
    empty = type(patterns)(patterns.masks[:0], patterns.gates[:0])
    report = ThresholdPatternOracle(empty, complete=False)(v)
    assert report.bound <= 1e-12
    assert len(report.values) == 0


@pytest.mark.parametrize(("n", "d"), [(15, 2), (20, 3), (12, 4), (10, 5)])
def test_search_finds_the_maximum(n, d):
    hits = 0
    for seed in range(5):
        design, v = design_and_dual(seed, n, d)
        report = ThresholdSearchOracle(design, np.random.RandomState(0))(v)
        patterns = enumerate_patterns(design)
        assert len(patterns) == count_patterns(n, d)
        exact = largest(design, v, patterns.masks)
        assert 0.9 * exact <= report.bound <= exact * (1 + 1e-12)
        assert (report.is_proof, report.scope, report.finished) == (False, "global", True)
        assert report.proved_bound >= exact
        assert_witnesses(report, design, v)
        hits += report.bound >= exact * (1 - 1e-12)
    assert hits >= 4


def test_search_remembers():
    """With one random start it is the gates of earlier calls that find the maximum again."""
    design, v = design_and_dual(0, 30, 4)
    values = {}
    for remembers in (True, False):
        random = np.random.RandomState(0)
        oracle = ThresholdSearchOracle(design, random, n_starts=2, n_lines=6, remembers=remembers)
        values[remembers] = [oracle(v).bound for _ in range(20)]
    assert (np.diff(values[True]) >= 0).all()
    assert values[True][-1] >= max(values[False])
    assert not (np.diff(values[False]) >= 0).all()


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_search_does_not_mind_units(scale):
    design, v = design_and_dual(2, 15, 3)
    report = ThresholdSearchOracle(design * scale, np.random.RandomState(0))(v)
    assert report.bound == pytest.approx(largest(design, v))


def test_search_on_degenerate_rows():
    design = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [2.0, 2.0], [-1.0, -1.0]])
    v = np.array([1.0, 2.0, -1.0, 0.5, -4.0])
    report = ThresholdSearchOracle(design, np.random.RandomState(0))(v)
    assert report.bound == pytest.approx(3.0)  # zero rows are always on: 1 − 4, or 1 + 1.5


def test_search_ends_at_a_deadline():
    design, v = design_and_dual(3, 30, 3)
    report = ThresholdSearchOracle(design, np.random.RandomState(0), n_lines=10**6)(
        v, deadline=time.perf_counter()
    )
    assert not report.finished
    assert report.bound > 0


def test_gates_that_move_one_after_the_other_find_the_maximum(monkeypatch):
    monkeypatch.setattr("convexrelu.threshold.oracles._ENTRIES", 1)
    for seed in range(5):
        design, v = design_and_dual(seed, 12, 2)
        report = ThresholdSearchOracle(design, np.random.RandomState(0), n_starts=8)(v)
        assert report.finished
        assert report.bound == pytest.approx(largest(design, v))
        assert_witnesses(report, design, v)


def test_gates_of_many_samples_move_until_the_deadline(monkeypatch, clock):
    monkeypatch.setattr("convexrelu.threshold.oracles._ENTRIES", 60)
    moved, original = [], ThresholdSearchOracle._best_on_lines

    def recorded(self, gates, *others):
        moved.append(len(gates))
        clock.now += 1.0
        return original(self, gates, *others)

    monkeypatch.setattr(ThresholdSearchOracle, "_best_on_lines", recorded)
    design, v = design_and_dual(3, 30, 3)
    report = ThresholdSearchOracle(design, np.random.RandomState(0))(v, deadline=clock.now + 2.5)
    assert moved == [2, 2, 2]
    assert not report.finished
    assert_witnesses(report, design, v)


def test_a_search_without_time_for_factors_moves_along_plain_lines(monkeypatch):
    rng = np.random.default_rng(3)
    design, v = rng.standard_normal((12, 4)), rng.standard_normal(12)
    monkeypatch.setattr(oracles, "svd_fits", lambda shape, deadline: False)
    monkeypatch.setattr(oracles.np.linalg, "qr", None)  # a call of it fails
    report = ThresholdSearchOracle(design, np.random.RandomState(0))(v)
    masks = enumerate_patterns(design).masks
    assert 0 < report.bound <= np.abs(masks @ v).max() * (1 + 1e-12)


def test_rows_are_made_when_a_search_is_asked():
    oracle = ThresholdSearchOracle(np.eye(3), np.random.RandomState(0))
    assert "_rows" not in vars(oracle)
    oracle(np.ones(3))
    assert "_rows" in vars(oracle)
