"""Search with several outputs: which candidates climb, and that the others do not matter."""

import numpy as np
import pytest

from convexrelu.oracles import GeneralSearchOracle
from convexrelu.oracles.search import general, local_maxima

RNG = np.random.default_rng(0)
DESIGN = RNG.standard_normal((600, 4))
V = RNG.standard_normal((600, 3))


@pytest.fixture
def climbed(monkeypatch):
    """The values at which candidates begin to climb, one array a round."""
    begun, original = [], local_maxima.climb

    def kept(design, v, signs, starts, deadline, slope):
        begun.append(((starts @ design.T).clamp(min=0) * v).sum(dim=1).numpy())
        return original(design, v, signs, starts, deadline, slope)

    monkeypatch.setattr(local_maxima, "climb", kept)
    return begun


def search():
    return GeneralSearchOracle(DESIGN, n_starts=64, n_polish=32, random_state=0)


def test_weak_candidates_do_not_climb_where_samples_are_many(climbed, monkeypatch):
    report = search()(V)
    first = climbed[0]
    assert first.min() >= 0.97 * first.max()
    climbed.clear()
    monkeypatch.setattr(general, "_MANY_SAMPLES", len(DESIGN))
    everything = search()(V)
    assert len(climbed[0]) >= len(first)
    # All that climb here climb there, and none of the rest rises by three hundredths.
    assert report.bound == pytest.approx(everything.bound, rel=1e-6)


def test_those_out_of_reach_do_not_go_on(climbed, monkeypatch):
    report = search()(V)
    n_climbs = sum(map(len, climbed[1:]))
    climbed.clear()
    monkeypatch.setattr(general, "_FURTHER", 1e9)
    everything = search()(V)
    assert n_climbs < sum(map(len, climbed[1:]))
    assert report.bound == pytest.approx(everything.bound, rel=1e-6)
