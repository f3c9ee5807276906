"""Lists of cells, against every pattern there is."""

import numpy as np
import pytest

from convexrelu.oracles import (
    CellOracle,
    SearchOracle,
    SpikeFreeOracle,
)
from tests import reference
from tests.oracles.data import dual_points


def test_cells_are_exact(design):
    oracle, masks = CellOracle(design), reference.all_masks(design)
    for v in dual_points(len(design)):
        exact = reference.max_rectified(design, v, masks)
        report = oracle(v)
        assert (report.is_proof, report.scope, report.method) == (True, "global", "cells")
        assert exact <= report.bound
        assert report.bound == pytest.approx(exact, rel=1e-9)


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
