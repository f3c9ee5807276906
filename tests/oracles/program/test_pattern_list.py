"""Oracles over given patterns, against brute force."""

from itertools import combinations

import numpy as np
import pytest

from convexrelu.oracles import (
    PatternOracle,
)
from convexrelu.patterns.cone_support import PatternCones
from tests import reference
from tests.oracles.data import GAUSSIAN, RNG


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
        assert (report.is_proof, report.scope) == (True, "program")
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


def test_projections_end_at_the_deadline(clock):
    masks = reference.all_masks(GAUSSIAN)
    v = np.random.default_rng(5).standard_normal(8)
    oracle = PatternOracle(GAUSSIAN, masks)
    whole = oracle(v)
    clock.step = 1.0  # a second at each look
    early = oracle(v, deadline=clock.now + 6.0)
    assert whole.bound < early.bound < oracle(v, deadline=clock.now).bound
    assert 0 < (early.values > 0).sum() < (whole.values > 0).sum()


@pytest.mark.parametrize(("n", "d", "fits"), [(3000, 4, True), (2000, 2000, False)])
def test_tall_cones_have_few_multipliers(clock, n, d, fits):
    """A second is enough for rows of few features, whatever their number, but not for as many features."""
    cones = PatternCones(np.broadcast_to(np.ones(d), (n, d)))
    assert cones.fits(clock.now + 1.0) == fits
