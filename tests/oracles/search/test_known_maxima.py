"""Maxima that are remembered are found again, and searches of one design share them."""

import numpy as np
import pytest

from convexrelu.oracles import SearchOracle
from convexrelu.oracles.base import largest_value
from convexrelu.oracles.search import known_maxima
from convexrelu.oracles.search.known_maxima import KnownMaxima
from tests import reference

RNG = np.random.default_rng(8)
X = reference.augment(RNG.standard_normal((60, 4)), True)
POINTS = RNG.standard_normal(60) + 0.1 * RNG.standard_normal((4, 60))  # as in consecutive rounds
FEW = {"n_starts": 1, "n_steps": 2, "n_polish": 1}


def test_the_strongest_near_the_level_are_taken_once():
    design, v = np.eye(3), np.array([3.0, 2.0, 1.0])
    known = KnownMaxima(3)
    known.add(np.eye(3)[[2, 0, 1]], np.ones(3))
    directions, signs = known.take(design, v, level=2.05, most=9)  # 2 is within a twentieth
    np.testing.assert_array_equal(directions, np.eye(3)[:2])
    np.testing.assert_array_equal(signs, [1.0, 1.0])
    directions, _ = known.take(design, v, level=0.0, most=1)
    np.testing.assert_array_equal(directions, np.eye(3)[2:])
    assert len(known) == 0


def test_the_last_are_taken_without_a_look_at_samples():
    """Of which there may be a million."""
    known = KnownMaxima(2)
    known.add(np.eye(2), np.ones(2))
    known.add(-np.eye(2), np.ones(2))
    directions, _ = known.take_last(2)
    np.testing.assert_array_equal(directions, -np.eye(2))
    assert len(known) == 0


def test_only_so_many_are_kept_and_the_last_come_first(monkeypatch):
    monkeypatch.setattr(known_maxima, "_MOST", 2)
    known = KnownMaxima(2)
    known.add(np.eye(2), np.ones(2))
    known.add(-np.eye(2)[:1], np.ones(1))
    directions, _ = known.take(-np.eye(2), np.ones(2), level=0.0, most=9)
    np.testing.assert_array_equal(directions, [[-1.0, 0.0], [1.0, 0.0]])


def test_a_search_finds_what_others_found_many_calls_ago():
    known = KnownMaxima(X.shape[1])
    deep = SearchOracle(X, random_state=0, known=known)
    brief = SearchOracle(X, random_state=0, known=known, **FEW)
    first = deep(POINTS[0])
    for v in POINTS[1:]:
        brief(v)
    again = brief(POINTS[0])
    for value in np.unique(first.values.round(6))[-2:]:
        assert np.isclose(again.values, value, rtol=1e-6).any()
    assert len(SearchOracle(X, random_state=0, **FEW)(POINTS[0]).values) <= 2  # one of each sign


@pytest.mark.parametrize("share", [0.5, 1.0, 100.0])
def test_screening_leaves_the_largest_value(share):
    """However high the level is: a bound that is too small would promise too much."""
    for v in POINTS:
        whole = SearchOracle(X, random_state=0)(v)
        screened = SearchOracle(X, random_state=0, screens=True)(v, level=share * whole.bound)
        assert screened.bound == screened.values[0]
        assert screened.bound == pytest.approx(whole.bound, rel=1e-9)
        seen = largest_value(X, v, screened.directions)
        assert seen == pytest.approx(screened.bound, rel=1e-12)
