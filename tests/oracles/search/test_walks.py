"""Circles through a maximum stay on its other kinks, and their maxima are those of a fine grid; walks reach others."""

import numpy as np
import pytest

from convexrelu._utils.norms import unit_rows
from convexrelu.oracles import CellOracle, SearchOracle
from convexrelu.oracles.search.walks import MOST_DIMENSIONS, Circles, Walks, circles_of, maxima_on
from tests import reference

RNG = np.random.default_rng(3)
X = reference.augment(RNG.standard_normal((24, 3)), True)
V = RNG.standard_normal(24)
NOTHING = np.zeros((0, 4)), np.zeros(0), np.zeros(0)


def _values(design, heights, directions):
    return np.maximum(directions @ design.T, 0.0) @ heights


def _vertex(design, kinks):
    """The unit vector that is orthogonal to some rows."""
    return np.linalg.svd(design[kinks])[2][-1]


def test_each_circle_leaves_one_kink_and_stays_on_the_others():
    normals, kinks = unit_rows(X), [2, 5, 11]
    u = _vertex(normals, kinks)
    circles = circles_of(normals, u[None])
    assert len(circles.u) == len(kinks)
    outside = np.abs(circles.w @ normals[kinks].T)
    assert (np.count_nonzero(outside > 1e-9, axis=1) == 1).all()
    np.testing.assert_allclose(circles.w @ u, 0.0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(circles.w, axis=1), 1.0)


def test_rows_that_repeat_are_one_kink_and_directions_without_kinks_have_no_circle():
    normals = unit_rows(np.concatenate([X, 2 * X[:12], np.zeros((1, 4))]))
    u = np.stack([_vertex(normals, [2, 5, 11]), unit_rows(RNG.standard_normal((1, 4)))[0]])
    circles = circles_of(normals, u)
    np.testing.assert_array_equal(circles.maximum, [0, 0, 0])


@pytest.mark.parametrize("design", [X, np.concatenate([X, X[:9], np.zeros((1, 4))])])
def test_maxima_on_circles_are_those_of_a_fine_grid(design):
    rng = np.random.default_rng(1)
    heights = rng.standard_normal((6, len(design)))
    u, w = (q for q in np.linalg.qr(rng.standard_normal((6, 4, 2)))[0].transpose(2, 0, 1))
    # Some begin on kinks.
    u[0] = _vertex(design, [1, 2, 3])
    w[0] = unit_rows((w[0] - (w[0] @ u[0]) * u[0])[None])[0]
    circle, angles, values = maxima_on(Circles(u, w, np.arange(6)), design, heights)
    grid = np.linspace(-np.pi, np.pi, 20_000, endpoint=False)
    for c in range(6):
        own = circle == c
        ends = np.outer(np.cos(angles[own]), u[c]) + np.outer(np.sin(angles[own]), w[c])
        np.testing.assert_allclose(_values(design, heights[c], ends), values[own], atol=1e-9)
        points = np.outer(np.cos(grid), u[c]) + np.outer(np.sin(grid), w[c])
        everywhere = _values(design, heights[c], points)
        peaks = (everywhere >= np.roll(everywhere, 1)) & (everywhere >= np.roll(everywhere, -1))
        peaks &= everywhere != 0  # no sample is active
        for angle in grid[peaks & (np.abs(grid) > 0.03)]:
            assert (np.abs(np.exp(1j * angles[own]) - np.exp(1j * angle)) < 1e-3).any()


def test_walks_leave_each_maximum_once_until_they_forget():
    report = SearchOracle(X, n_starts=4, n_polish=4, random_state=0)(V)
    walks = Walks(X)
    maxima = report.directions[:1], report.signs[:1], report.values[:1]
    level = 0.01 * report.bound
    assert len(walks.starts(V, *maxima, level)[0]) > 0
    while len(walks.starts(V, *maxima, level)[0]) > 0:
        pass
    walks.forget()
    assert len(walks.starts(V, *maxima, level)[0]) > 0


def test_there_are_no_starts_without_maxima_or_at_zero():
    walks = Walks(X)
    assert len(walks.starts(V, *NOTHING, 0.0)[0]) == 0
    assert len(walks.starts(np.zeros(24), X[:3], np.ones(3), np.zeros(3), 0.0)[0]) == 0


FEW = {"n_starts": 1, "n_polish": 1, "n_steps": 2, "random_state": 0}


@pytest.mark.parametrize("seed", range(3))
def test_values_found_by_walks_are_reached_and_no_larger_than_the_largest(seed):
    v = np.random.default_rng(seed).standard_normal(len(X))
    report = SearchOracle(X, n_walks=4, **FEW)(v)
    assert report.bound <= CellOracle(X)(v).bound * (1 + 1e-9)
    reached = report.signs * _values(X, v, report.directions)
    np.testing.assert_allclose(report.values, reached, atol=1e-9)


def test_walks_find_more_maxima_than_the_starts_alone_and_none_is_lost():
    rng = np.random.default_rng(0)
    design, gained = rng.standard_normal((120, 8)), 0
    for _ in range(6):
        v = rng.standard_normal(120)
        level = 0.99 * SearchOracle(design, **FEW)(v).bound
        alone, walked = (
            SearchOracle(design, n_walks=n, screens=True, **FEW)(v, level=level) for n in (0, 4)
        )
        assert walked.bound >= alone.bound * (1 - 1e-9)  # the starts are the same
        gained += len(walked.values) - len(alone.values)
    assert gained > 0


def _noting(monkeypatch):
    """The levels with which walks are asked for starts."""
    asked, starts = [], Walks.starts

    def noted(self, *args):
        asked.append(args[-1])
        return starts(self, *args)

    monkeypatch.setattr(Walks, "starts", noted)
    return asked


def test_verdicts_walk_only_until_the_level_is_refuted(monkeypatch):
    asked = _noting(monkeypatch)
    alone = SearchOracle(X, **FEW)(V)
    refuted = SearchOracle(X, n_walks=4, **FEW)(V, level=0.9 * alone.bound)
    assert asked == [] and refuted.bound == alone.bound
    np.testing.assert_array_equal(refuted.directions, alone.directions)
    SearchOracle(X, n_walks=4, **FEW)(V, level=1.01 * alone.bound)
    assert len(asked) >= 1


@pytest.mark.parametrize(("share", "n_walks"), [(0.99, 1), (0.8, 0)])
def test_searches_for_cuts_walk_on_from_what_violates_the_level_by_little(
    monkeypatch, share, n_walks
):
    asked = _noting(monkeypatch)
    bound = SearchOracle(X, **FEW)(V).bound
    SearchOracle(X, n_walks=1, screens=True, **FEW)(V, level=share * bound)
    assert len(asked) == n_walks


@pytest.mark.parametrize("options", [{"polishes": False}, {"n_walks": 0}])
def test_nothing_walks_where_nothing_climbs_or_nobody_asks(monkeypatch, options):
    asked = _noting(monkeypatch)
    SearchOracle(X, **{"n_walks": 4, **FEW, **options})(V)
    assert asked == []


def test_many_dimensions_have_no_walks(monkeypatch):
    asked, rng = _noting(monkeypatch), np.random.default_rng(0)
    SearchOracle(rng.standard_normal((40, MOST_DIMENSIONS + 1)), n_walks=4, **FEW)(
        rng.standard_normal(40)
    )
    assert asked == []
