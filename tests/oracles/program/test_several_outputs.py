"""Several outputs over given patterns: what a deadline leaves of the bound."""

import numpy as np
import pytest

from convexrelu.oracles.program.several_outputs import SeveralPatternsOracle
from convexrelu.patterns import sample_patterns
from convexrelu.patterns.cone_support import PatternCones


@pytest.mark.parametrize("n_outputs", [2, 5])
def test_after_the_deadline_no_cone_is_looked_at_and_the_bound_holds(clock, monkeypatch, n_outputs):
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)
    rng = np.random.default_rng(0)
    design, v = rng.standard_normal((15, 3)), rng.standard_normal((15, n_outputs))
    oracle = SeveralPatternsOracle(
        design, sample_patterns(design, 12, np.random.RandomState(0)).masks
    )
    in_time = oracle(v)
    monkeypatch.setattr(PatternCones, "support", None)
    late = oracle(v, deadline=clock.now - 1.0)
    assert late.is_proof
    assert late.bound >= in_time.bound >= in_time.values[0] > 0
    assert len(late.values) == 0
