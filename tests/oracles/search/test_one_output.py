"""Searches are estimates from below, fixed by their seed and their time."""

import time

import numpy as np
import pytest
import torch

from convexrelu.oracles import SearchOracle
from convexrelu.oracles.search import ascents, base, local_maxima
from convexrelu.oracles.search.general import GeneralSearchOracle
from convexrelu.patterns.cone_projection import ConeProjector
from convexrelu.patterns.cone_support import PatternCones
from tests import reference
from tests.oracles.data import GAUSSIAN, RNG, dual_points

WORK_OF_SEARCH = [
    (ascents.Best, "update"),
    (ConeProjector, "project"),
    (PatternCones, "support"),
]


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
    monkeypatch.setattr(base, "_TOGETHER", 7)
    monkeypatch.setattr(base, "_ENTRIES", 1)
    monkeypatch.setattr(ascents, "_ROWS", 11)
    try:
        parts = SearchOracle(X, random_state=0)(v)
    finally:
        torch.set_num_threads(threads)
    # A maximum lies on kinks, whose sides are a matter of rounding: it may be reported with several patterns.
    assert parts.bound == pytest.approx(whole.bound, rel=1e-12)
    for one, other in ((whole, parts), (parts, whole)):
        high = one.values > 0.9 * one.bound
        alike = one.directions[high] @ other.directions.T
        alike = np.where(one.signs[high, None] == other.signs, alike, -1.0)
        assert (alike.max(axis=1) > 1 - 1e-9).all()
        values = other.values[alike.argmax(axis=1)]
        np.testing.assert_allclose(values, one.values[high], rtol=1e-12)


def test_first_steps_on_some_of_many_samples_lead_to_the_same_maxima(monkeypatch):
    rng = np.random.default_rng(3)
    X, v = rng.standard_normal((1000, 5)), rng.standard_normal(1000)
    all_steps = SearchOracle(X, random_state=0)(v)
    seen, ascended = [], SearchOracle._ascended

    def noted(self, ascend, samples, *candidates, steps, deadline):
        seen.append((len(samples[0]), len(steps)))
        return ascended(self, ascend, samples, *candidates, steps=steps, deadline=deadline)

    monkeypatch.setattr(SearchOracle, "_ascended", noted)
    monkeypatch.setattr(base, "_LEFT", 50)
    monkeypatch.setattr(base, "_LEFT_IN_ALL", 250)
    some = SearchOracle(X, random_state=0)(v)
    assert seen == [(250, 40), (1000, 20)]
    assert some.bound == pytest.approx(all_steps.bound, rel=1e-3)
    values = (v @ np.maximum(X @ some.directions.T, 0.0)) * some.signs
    np.testing.assert_allclose(some.values, values, rtol=1e-9)  # on all samples


@pytest.mark.parametrize("wait", [0.0, 0.05, 0.65, 0.745, 0.9])
def test_search_ends_at_its_deadline(clock, monkeypatch, wait):
    """In the ascents, of 60 steps, in 13 of Newton, climbing together, or one by one."""
    monkeypatch.setattr(base, "_TOGETHER", 1024)  # in one part each: every part makes a step
    monkeypatch.setattr(base, "_POLISHED_TOGETHER", 1024)
    rng = np.random.default_rng(5)
    X, v = rng.standard_normal((800, 16)), rng.standard_normal(800)
    for owner, name in WORK_OF_SEARCH:
        clock.charge(owner, name, 0.01)
    deadline = clock.now + wait
    report = SearchOracle(X, n_starts=512, n_polish=128, random_state=0)(v, deadline=deadline)
    # The ascents make one step, as does Newton, and a hop is two projections.
    assert deadline < clock.now < deadline + 0.045
    assert not report.finished
    assert report.bound == report.values[0] > 0
    at_best = report.signs[0] * v @ np.maximum(X @ report.directions[0], 0)
    assert at_best == pytest.approx(report.bound, rel=1e-12)


def test_search_on_a_sample_reports_values_on_all(monkeypatch):
    rng = np.random.default_rng(6)
    X, v = rng.standard_normal((2000, 4)), rng.standard_normal(2000)
    whole = SearchOracle(X, random_state=0)(v)
    monkeypatch.setattr(base, "LARGEST_SAMPLE", 1000)
    sampled = SearchOracle(X, random_state=0)(v)
    assert sampled.masks.shape[1] == 2000
    assert sampled.bound == pytest.approx(whole.bound, rel=0.05)
    at_best = sampled.signs[0] * v @ np.maximum(X @ sampled.directions[0], 0)
    assert at_best == pytest.approx(sampled.bound, rel=1e-12)


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


@pytest.mark.parametrize("make", [SearchOracle, GeneralSearchOracle])
def test_searches_begin_with_few_starts(make):
    design = np.random.default_rng(0).standard_normal((30, 4))
    v = np.random.default_rng(1).standard_normal(30)
    search = make(design, n_starts=100, n_first=10, random_state=0)
    assert [search(v).n_starts for _ in range(4)] == [10, 40, 100, 100]


@pytest.mark.parametrize("make", [SearchOracle, GeneralSearchOracle])
def test_a_search_does_not_forget_what_it_has_found(make):
    """Dual points of consecutive rounds are close to each other, and so are their maxima."""
    design = np.random.default_rng(0).standard_normal((200, 8))
    v = np.random.default_rng(1).standard_normal(200)
    best = make(design, n_starts=400, random_state=0)(v).bound
    search = make(design, n_starts=2, n_polish=64, random_state=0)
    bounds = [search(v).bound for _ in range(30)]
    assert bounds == sorted(bounds) or np.diff(bounds).min() > -1e-9 * best
    assert bounds[-1] == pytest.approx(best, rel=0.02)


def test_many_samples_are_searched_in_single_precision_and_valued_in_double(monkeypatch):
    rng = np.random.default_rng(6)
    X, v = rng.standard_normal((3000, 4)), rng.standard_normal(3000)
    report = SearchOracle(X, random_state=0)(v)
    values = report.signs * (np.maximum(report.directions @ X.T, 0.0) @ v)
    np.testing.assert_allclose(report.values, values, rtol=1e-12)
    monkeypatch.setattr(base, "MOST_IN_DOUBLE", 10_000)
    assert report.bound == pytest.approx(SearchOracle(X, random_state=0)(v).bound, rel=1e-3)


def test_a_search_without_time_does_not_touch_the_rows(clock, monkeypatch):
    design = GAUSSIAN
    monkeypatch.setattr(base.Search, "_rows", property(lambda self: pytest.fail("rows are copied")))
    for search in (SearchOracle(design), GeneralSearchOracle(design)):
        report = search(np.ones(len(design)), deadline=clock.now - 1.0)
        assert not report.finished


@pytest.mark.parametrize("make", [SearchOracle, GeneralSearchOracle])
def test_the_work_of_a_search_counts_all_ascents(monkeypatch, make):
    """Also those from maxima of earlier calls, and near them."""
    name = "ascend" if make is SearchOracle else "ascend_outputs"
    original, starts = getattr(ascents, name), []

    def counted(*args, **options):
        starts.append(len(args[-1]))
        return original(*args, **options)

    monkeypatch.setattr(ascents, name, counted)
    oracle = make(GAUSSIAN, n_starts=16, n_polish=4, random_state=0)
    v = np.random.default_rng(1).standard_normal(len(GAUSSIAN))
    for _ in range(2):
        starts.clear()
        report = oracle(v)
        assert sum(starts) <= report.work <= sum(starts) + 200
    assert sum(starts) > 16 * (2 if make is SearchOracle else 1)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_a_search_without_time_for_newton_steps_is_not_finished(monkeypatch, n_outputs):
    """Though it ends before its deadline, as a step would not."""
    rng = np.random.default_rng(7)
    X, v = rng.standard_normal((60, 5)), rng.standard_normal((60, n_outputs))
    v = v[:, 0] if n_outputs == 1 else v
    search = SearchOracle if n_outputs == 1 else GeneralSearchOracle

    def report():
        oracle = search(X, n_starts=16, n_polish=8, random_state=0)
        return oracle(v, deadline=time.perf_counter() + 1e6), oracle

    whole, _ = report()
    assert whole.finished
    monkeypatch.setattr(local_maxima, "product_fits", lambda *_: False)
    short, oracle = report()
    assert not short.finished
    monkeypatch.undo()
    assert oracle(v).finished  # the next one, which has its time
