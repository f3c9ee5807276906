"""Half-planes, against every pattern there is."""

from itertools import combinations

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu.patterns import enumerate_patterns
from convexrelu.patterns.complete import has_every_pattern
from convexrelu.threshold import selection
from convexrelu.threshold.oracles import ThresholdSearchOracle
from convexrelu.threshold.sweep import ThresholdSweepOracle


def largest(X, v, complete=True):
    design = np.column_stack([X, np.ones(len(X))])
    patterns = enumerate_patterns(design)
    assert has_every_pattern(design, patterns) == complete
    return np.abs(patterns.masks @ v).max()


def assert_witnesses(report, X, v):
    design = np.column_stack([X, np.ones(len(X))])
    np.testing.assert_array_equal(report.directions @ design.T >= 0, report.masks)
    np.testing.assert_allclose(np.abs(report.masks @ v), report.values, atol=1e-13)
    assert report.values.max() <= report.bound


@pytest.mark.parametrize("n", [1, 2, 3, 4, 10, 40])
@pytest.mark.parametrize("balanced", [True, False])
def test_general_position(n, balanced):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, v = rng.standard_normal((n, 2)), rng.standard_normal(n)
        v -= v.mean() * balanced
        report = ThresholdSweepOracle(X)(v)
        assert report.bound == pytest.approx(largest(X, v), rel=1e-11, abs=1e-12)
        assert report.bound >= largest(X, v)
        assert (report.is_proof, report.scope) == (True, "global")
        assert_witnesses(report, X, v)
        assert report.values[0] == pytest.approx(report.bound, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_scales_and_offsets(scale, offset):
    rng = np.random.default_rng(0)
    X, v = rng.standard_normal((20, 2)) + offset, rng.standard_normal(20)
    X = np.round(X * 2**20) / 2**20  # so that the offset can be taken off again
    expected = largest(X - offset, v)
    report = ThresholdSweepOracle(X * scale)(v)
    assert report.bound == pytest.approx(expected, rel=1e-11)
    assert report.bound >= expected


DEGENERATE = {
    "grid": np.array([[i, j] for i in range(5) for j in range(5)], dtype=float),
    "line": np.column_stack([np.arange(12.0), 3 * np.arange(12.0)]),
    "tenths": np.array([[0.1 * i, 0.1 * j] for i in range(4) for j in range(6)]),
    "twice": np.repeat(np.random.default_rng(0).standard_normal((9, 2)), 2, axis=0),
    "signed zeros": np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, -0.0], [1.0, 0.0], [0.0, 0.0]]),
    "one point": np.ones((5, 2)),
    "two points": np.repeat(np.eye(2), 3, axis=0),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_positions(name):
    """Never below the maximum; at most what counting samples on a line one by one could add."""
    X = DEGENERATE[name]
    for seed in range(5):
        v = np.random.default_rng(seed).standard_normal(len(X))
        report = ThresholdSweepOracle(X)(v)
        # Multiples of a tenth are not on common lines, but too nearly to tell all of their cells apart.
        exact = largest(X, v, complete=name != "tenths")
        assert report.bound >= exact
        assert report.bound <= exact + np.abs(v).sum()
        if name in ("twice", "signed zeros", "one point", "two points"):
            assert report.bound == pytest.approx(exact, rel=1e-11)
        assert_witnesses(report, X, v)


def test_nearly_on_a_line():
    """Triangles that are thinner than rounding: in any order of the switches the bound holds."""
    rng = np.random.default_rng(1)
    t = rng.uniform(-1, 1, 8)
    for thickness in (1e-12, 1e-14, 1e-15, 1e-16, 0.0):
        X = np.column_stack([t, 0.3 * t + thickness * rng.standard_normal(8)])
        v = rng.standard_normal(8)
        report = ThresholdSweepOracle(X)(v)
        # Every split of the samples by a line through two of them, with these on any side.
        best = 0.0
        for i, j in combinations(range(8), 2):
            normal = np.array([X[i, 1] - X[j, 1], X[j, 0] - X[i, 0]])
            sides = (X - X[i]) @ normal
            on = sides > 0
            for own in ([], [i], [j], [i, j]):
                mask = on.copy()
                mask[[i, j]] = False
                mask[own] = True
                if thickness >= 1e-12:
                    best = max(best, abs(v[mask].sum()), abs(v[~mask].sum()))
        assert report.bound >= best


def test_witnesses_are_few():
    rng = np.random.default_rng(2)
    X, v = rng.standard_normal((50, 2)), rng.standard_normal(50)
    report = ThresholdSweepOracle(X, n_witnesses=3)(v)
    assert len(report.masks) <= 6


def test_after_the_deadline_the_bound_is_a_looser_proof(clock):
    rng = np.random.default_rng(0)
    X, v = rng.standard_normal((12, 2)), rng.standard_normal(12)
    oracle = ThresholdSweepOracle(X)
    exact, late = oracle(v), oracle(v, deadline=clock.now - 1.0)
    assert late.is_proof and late.bound >= exact.bound
    assert late.bound <= np.abs(v).sum() * (1 + 1e-9)
    assert len(late.values) == 0


def test_no_sweep_is_prepared_without_the_time_for_it(clock, monkeypatch):
    monkeypatch.setattr(selection, "_LIST_BYTES", {"planar": 0, "more": 0})
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)
    X = np.random.default_rng(0).standard_normal((12, 2))
    problem = TrainingProblem(X, X[:, 0], 0.1, activation="threshold")
    random = np.random.RandomState(0)
    chosen = [
        type(selection.choose_threshold_oracle(problem, None, False, random, clock.now + seconds))
        for seconds in (60.0, -1.0)
    ]
    assert chosen == [ThresholdSweepOracle, ThresholdSearchOracle]
