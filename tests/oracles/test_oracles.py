from itertools import combinations

import numpy as np
import pytest
import torch

from convexrelu.cones.projection import ConeProjector
from convexrelu.cones.support import PatternCones
from convexrelu.oracles import (
    CellOracle,
    PatternOracle,
    RelaxationOracle,
    SearchOracle,
    SpikeFreeOracle,
    local_maxima,
    search,
)
from convexrelu.oracles.choose import choose_oracles
from convexrelu.oracles.search import random_starts
from tests import reference

RNG = np.random.default_rng(0)
WORK_OF_SEARCH = [
    (local_maxima._Best, "update"),
    (ConeProjector, "project"),
    (PatternCones, "support"),
]
GAUSSIAN = RNG.standard_normal((8, 3))
DESIGNS = {
    "plane": GAUSSIAN[:, :2],
    "with bias": reference.augment(GAUSSIAN[:, :2], True),
    "rank three": GAUSSIAN,
    "rank four": reference.augment(GAUSSIAN[:7], True),
    "one dimension": GAUSSIAN[:, :1],
    "grid": reference.augment(np.array([[i, j] for i in range(3) for j in range(3)]), True),
    "duplicates and zeros": np.vstack([GAUSSIAN[:4], -GAUSSIAN[:2], np.zeros((1, 3))]),
    "rank deficient": GAUSSIAN[:, [0, 1, 0]],
    "wide": RNG.standard_normal((3, 5)),
    "badly scaled": GAUSSIAN * [1e-3, 1.0, 1e3],
    "all zero": np.zeros((3, 2)),
}


@pytest.fixture(params=DESIGNS)
def design(request):
    return DESIGNS[request.param]


def dual_points(n):
    rng = np.random.default_rng(1)
    yield from rng.standard_normal((4, n))
    yield np.abs(rng.standard_normal(n))
    yield np.where(np.arange(n) == 0, 1.0, 0.0)
    yield 1e-6 * rng.standard_normal(n)
    yield 1e6 * rng.standard_normal(n)
    yield np.zeros(n)


def test_cells_are_exact(design):
    oracle, masks = CellOracle(design), reference.all_masks(design)
    for v in dual_points(len(design)):
        exact = reference.max_rectified(design, v, masks)
        report = oracle(v)
        assert (report.is_proof, report.scope, report.method) == (True, "global", "cells")
        assert exact <= report.bound
        assert report.bound == pytest.approx(exact, rel=1e-9)


def test_proofs_are_above_every_sample(design):
    directions = np.random.default_rng(2).standard_normal((20_000, design.shape[1]))
    for oracle in (CellOracle(design), RelaxationOracle(design)):
        for v in dual_points(len(design)):
            report = oracle(v)
            assert report.is_proof and report.scope == "global"
            assert reference.rectified_value(design, v, directions).max() <= report.bound


def test_relaxation_is_above_the_exact_value(design):
    masks = reference.all_masks(design)
    for v in dual_points(len(design)):
        assert RelaxationOracle(design)(v).bound >= reference.max_rectified(design, v, masks)


def test_relaxation_is_sharp_for_one_sample():
    x = np.array([[3.0, 4.0]])
    assert RelaxationOracle(x)(np.array([-2.0])).bound == pytest.approx(10.0, rel=1e-12)


def test_search_is_an_estimate_from_below(design):
    oracle, masks = SearchOracle(design, random_state=0), reference.all_masks(design)
    for v in dual_points(len(design)):
        exact = reference.max_rectified(design, v, masks)
        report = oracle(v)
        assert not report.is_proof
        assert (report.scope, report.method, report.n_starts) == ("global", "search", 128)
        assert report.bound <= exact * (1 + 1e-12)
        assert report.bound == pytest.approx(exact, rel=1e-9)  # these are easy


def test_search_is_fixed_by_its_seed():
    v = RNG.standard_normal(8)
    few = {"n_starts": 2, "n_steps": 3, "n_polish": 1}
    runs = [SearchOracle(GAUSSIAN, random_state=0, **few)(v) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].directions, runs[1].directions)


def test_search_does_not_depend_on_chunks_or_threads(monkeypatch):
    X = reference.augment(np.random.default_rng(3).standard_normal((60, 4)), True)
    v = np.random.default_rng(4).standard_normal(60)
    whole = SearchOracle(X, random_state=0)(v)
    threads = torch.get_num_threads()
    torch.manual_seed(1)
    torch.set_num_threads(2)
    monkeypatch.setattr(search, "_CHUNK", 60 * 7)
    try:
        parts = SearchOracle(X, random_state=0)(v)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(whole.masks, parts.masks)
    np.testing.assert_allclose(whole.values, parts.values, rtol=1e-12)


@pytest.mark.parametrize("wait", [0.0, 0.05, 1.25, 1.345, 1.5])
def test_search_ends_at_its_deadline(clock, wait):
    """In the ascents, of 60 steps for each of two parts, in 13 of Newton, climbing together, or one by one."""
    rng = np.random.default_rng(5)
    X, v = rng.standard_normal((800, 16)), rng.standard_normal(800)
    for owner, name in WORK_OF_SEARCH:
        clock.charge(owner, name, 0.01)
    deadline = clock.now + wait
    report = SearchOracle(X, n_starts=512, n_polish=128, random_state=0)(v, deadline=deadline)
    # Each part of the ascents makes one step, as does Newton, and a hop is two projections.
    assert deadline < clock.now < deadline + 0.045
    assert not report.finished
    assert report.bound == report.values[0] > 0
    at_best = report.signs[0] * v @ np.maximum(X @ report.directions[0], 0)
    assert at_best == pytest.approx(report.bound, rel=1e-12)


def test_search_on_a_sample_reports_values_on_all(monkeypatch):
    rng = np.random.default_rng(6)
    X, v = rng.standard_normal((2000, 4)), rng.standard_normal(2000)
    whole = SearchOracle(X, random_state=0)(v)
    monkeypatch.setattr(search, "_LARGEST_SAMPLE", 1000)
    sampled = SearchOracle(X, random_state=0)(v)
    assert sampled.masks.shape[1] == 2000
    assert sampled.bound == pytest.approx(whole.bound, rel=0.05)
    at_best = sampled.signs[0] * v @ np.maximum(X @ sampled.directions[0], 0)
    assert at_best == pytest.approx(sampled.bound, rel=1e-12)


@pytest.mark.parametrize("make", [CellOracle, SearchOracle, SpikeFreeOracle])
def test_witnesses_attain_their_values(make, design):
    oracle = make(design, random_state=0) if make is SearchOracle else make(design)
    for v in dual_points(len(design)):
        report = oracle(v)
        size = np.abs(v) @ np.linalg.norm(design, axis=1)
        assert (np.diff(report.values) <= 0).all()
        if size > 0:
            assert report.values[0] == pytest.approx(report.bound, rel=1e-9, abs=1e-12 * size)
        telling = np.flatnonzero(report.values > 1e-3 * size)  # others are mostly rounding
        for i in telling:
            mask, sign, u = report.masks[i], report.signs[i], report.directions[i]
            at_u = design @ u
            assert np.linalg.norm(u) == pytest.approx(1.0, rel=1e-12)
            assert (np.where(mask, 1, -1) * at_u >= -1e-9 * np.abs(design).max()).all()
            assert sign * (v * mask) @ at_u == pytest.approx(report.values[i], rel=1e-9)
            assert sign * v @ np.maximum(at_u, 0) == pytest.approx(report.values[i], rel=1e-6)


def test_spike_free_is_at_most_exact_and_no_proof(design):
    masks = reference.all_masks(design)
    for v in dual_points(len(design)):
        report = SpikeFreeOracle(design)(v)
        size = np.abs(v) @ np.linalg.norm(design, axis=1)
        assert not report.is_proof
        assert report.bound <= reference.max_rectified(design, v, masks) + 1e-12 * size


def test_spike_free_is_exact_on_whitened_rows_only():
    whitened = np.linalg.qr(RNG.standard_normal((5, 3)))[0].T
    for v in dual_points(3):
        exact = max(np.linalg.norm(np.maximum(v, 0)), np.linalg.norm(np.maximum(-v, 0)))
        report = SpikeFreeOracle(whitened)(v)
        assert report.bound == pytest.approx(exact, rel=1e-9, abs=1e-12)
        assert not report.is_proof
    v = np.ones(8)
    exact = reference.max_rectified(GAUSSIAN, v, reference.all_masks(GAUSSIAN))
    assert SpikeFreeOracle(GAUSSIAN)(v).bound < 0.99 * exact


def brute_force_over_cone(design, mask, linear):
    """Maximum of a linear function over cone and ball, over the faces of the cone."""
    rows = np.where(mask, 1.0, -1.0)[:, None] * design
    best, d = 0.0, design.shape[1]
    for size in range(d + 1):
        for index in combinations(range(len(rows)), size):
            face = rows[list(index)]
            u = linear - np.linalg.pinv(face) @ (face @ linear)
            if (rows @ u >= -1e-12).all():
                best = max(best, np.linalg.norm(u))
    return best


@pytest.mark.parametrize("signs", [None, 1.0, -1.0])
def test_given_patterns(signs):
    masks = reference.all_masks(GAUSSIAN)[::9]
    fixed = None if signs is None else np.full(len(masks), signs)
    oracle = PatternOracle(GAUSSIAN, masks, signs=fixed)
    for v in RNG.standard_normal((4, 8)):
        exact = max(
            brute_force_over_cone(GAUSSIAN, mask, sign * ((mask * v) @ GAUSSIAN))
            for mask in masks
            for sign in ((1.0, -1.0) if signs is None else (signs,))
        )
        report = oracle(v)
        assert (report.is_proof, report.scope) == (True, "programme")
        assert exact <= report.bound == pytest.approx(exact, rel=1e-10)


def test_given_patterns_without_cones():
    masks = reference.all_masks(GAUSSIAN)[::9]
    v = RNG.standard_normal(8)
    exact = max(np.linalg.norm((mask * v) @ GAUSSIAN) for mask in masks)
    report = PatternOracle(GAUSSIAN, masks, cones=False)(v)
    assert exact <= report.bound == pytest.approx(exact, rel=1e-12)


def test_no_patterns():
    report = PatternOracle(GAUSSIAN, np.zeros((0, 8), dtype=bool))(np.ones(8))
    assert report.bound == pytest.approx(0.0, abs=1e-10)
    assert len(report.masks) == 0


@pytest.mark.parametrize(
    ("name", "n", "d", "method", "finder"),
    [
        ("auto", 8, 3, "sweep", "sweep"),
        ("auto", 300, 2, "sweep", "sweep"),
        ("auto", 500, 3, "sweep", "search"),
        ("auto", 10, 4, "branch_and_bound", "search"),
        ("auto", 300, 8, "search", "search"),  # not settled in time
        ("auto", 10, 9, "search", "search"),
        ("sweep", 8, 3, "sweep", "sweep"),
        ("cells", 8, 3, "cells", "search"),
        ("branch_and_bound", 8, 3, "branch_and_bound", "search"),
        ("semidefinite", 8, 3, "semidefinite", "search"),
        ("search", 8, 3, "search", "search"),
    ],
)
def test_verdicts(monkeypatch, name, n, d, method, finder):
    monkeypatch.setattr("convexrelu.oracles.choose._AUTO_WORK", 1e6)
    rng = np.random.default_rng(0)
    X, v = rng.standard_normal((n, d)), rng.standard_normal(n)
    pair = choose_oracles(name, X, 0)
    for oracle, expected in ((pair.verifier, method), (pair.finder, finder)):
        report = oracle(v)
        assert report.method == expected
        assert report.is_proof is (expected != "search")
    assert pair.verifier_cuts


def test_what_is_not_settled_has_a_proved_bound(monkeypatch):
    monkeypatch.setattr("convexrelu.oracles.choose._AUTO_WORK", 1e6)
    rng = np.random.default_rng(0)
    X, v = rng.standard_normal((300, 8)), rng.standard_normal(300)
    report = choose_oracles("auto", X, 0).verifier(v)
    assert report.bound < report.proved_bound <= RelaxationOracle(X)(v).bound * (1 + 1e-9)


def test_unknown_oracle():
    with pytest.raises(ValueError, match="oracle='guess'"):
        choose_oracles("guess", GAUSSIAN)


def test_starts_have_a_sample_on_their_boundary(design):
    starts = random_starts(design, 50, np.random.RandomState(0))
    if design.shape[1] > 2:
        outputs = np.abs(starts @ design.T)
        np.testing.assert_allclose(outputs.min(axis=1), 0.0, atol=1e-12 * np.abs(design).max())
    assert np.isfinite(starts).all() and starts.shape == (50, design.shape[1])


@pytest.mark.parametrize("v", [np.eye(3)[0], -np.eye(3)[1], np.array([1.0, -1.0, 0.0])])
def test_nothing_is_found_along_rounding_errors(v):
    """Starts without value, here many, are not taken for witnesses."""
    X = np.random.default_rng(0).standard_normal((3, 5))
    report = SearchOracle(X, random_state=0)(v)
    outputs = report.directions @ X.T
    positive = report.values > 0
    assert positive.any()
    sides = np.where(report.masks, 1, -1) * outputs
    assert (sides[positive] >= -1e-12).all()
