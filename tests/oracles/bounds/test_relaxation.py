"""The bound in closed form."""

import numpy as np
import pytest

from convexrelu.oracles import (
    CellOracle,
    RelaxationOracle,
)
from tests import reference
from tests.oracles.data import dual_points


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
