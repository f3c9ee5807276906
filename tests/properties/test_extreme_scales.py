"""Proofs where squares and products leave the range of floating point."""

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, train
from convexrelu.oracles import (
    BranchAndBoundOracle,
    CellOracle,
    RelaxationOracle,
    SemidefiniteOracle,
    SweepOracle,
)
from tests import reference

ORACLES = BranchAndBoundOracle, CellOracle, RelaxationOracle, SemidefiniteOracle, SweepOracle


@pytest.mark.parametrize("make", ORACLES)
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("of_rows", "of_v"),
    [(1e-200, 1e200), (1e-162, 1e10), (1.0, 1e-155), (1.0, 1e-290), (1e150, 1e-300)],
)
def test_bounds_scale_with_the_data(make, rank, of_rows, of_v):
    rng = np.random.default_rng(rank)
    design, v = rng.standard_normal((6, rank)), rng.standard_normal(6)
    bound = make(of_rows * design)(of_v * v).bound
    assert bound / (of_rows * of_v) == pytest.approx(make(design)(v).bound, rel=1e-3)


@pytest.mark.parametrize("make", ORACLES)
def test_short_rows_count_with_large_values(make):
    rng = np.random.default_rng(0)
    design, v = rng.standard_normal((6, 3)), rng.standard_normal(6)
    short = 10.0 ** np.array([0, 0, 0, -170, -170, -170])
    masks = reference.all_masks(design)
    exact = reference.max_rectified(design, v, masks)
    assert make(short[:, None] * design)(v / short).bound >= exact


@pytest.mark.parametrize("v", [1e-310, 1e-320])
def test_values_without_all_their_digits(v):
    report = BranchAndBoundOracle(np.eye(2))(np.array([v, -v]))
    assert report.bound >= v


def test_rows_whose_squares_underflow_are_trained():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 2)), rng.standard_normal(6)
    units = 1e-160, 1.0  # of the inputs, and so of the penalty
    small, usual = (
        train(TrainingProblem(unit * X, y, unit * 1e-3, hidden_bias="free"), random_state=0)
        for unit in units
    )
    assert small.status is usual.status is Status.CONVERGED
    assert small.certificate.objective == pytest.approx(usual.certificate.objective, rel=2e-3)
    assert small.certificate.lower_bound <= usual.certificate.objective
    assert usual.certificate.lower_bound <= small.certificate.objective
