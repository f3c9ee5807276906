"""Which witnesses become cuts: those that the tolerance asks for, and not more searches than that takes."""

import math

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu.oracles import OracleReport
from convexrelu.problem import lower_bound
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.training.cuts import are_too_few, most_cuts, new_cuts
from convexrelu.training.masters import MANY_BLOCKS, Masters
from tests import reference

RNG = np.random.default_rng(2)
X, Y = reference.teacher(60, 6, 3, 0.1, 0)
PROBLEM = TrainingProblem(X, Y, 0.01).condensed()
DIRECTIONS = RNG.standard_normal((400, 7))
BLOCKS = Blocks(DIRECTIONS @ PROBLEM.design.T >= 0, np.tile([1.0, -1.0], 200), DIRECTIONS)


def _report(violations):
    """Witnesses that violate their constraint by these parts of the penalty."""
    few = BLOCKS.select(np.arange(len(violations)))
    values = PROBLEM.alpha * (1 + np.asarray(violations))
    order = np.arange(len(values))
    return OracleReport.of_search(few.masks, few.signs, few.directions, values, order)


@pytest.mark.parametrize(
    ("tol", "n_taken"), [(0.0, 4), (1e-9, 4), (1e-4, 3), (1e-3, 2), (1e-1, 1), (1.0, 0)]
)
def test_cuts_are_violated_by_more_than_a_tenth_of_the_tolerance(tol, n_taken):
    report = _report([0.02, 2e-4, 2e-5, 2e-9, 5e-10, 0.0, -0.1])
    cuts = new_cuts(PROBLEM, BLOCKS.select([]), report, tol)
    assert set(cuts.keys()) == set(BLOCKS.select(np.arange(n_taken)).keys())


def test_what_is_a_block_already_is_no_cut():
    report = _report([0.3, 0.2, 0.1])
    cuts = new_cuts(PROBLEM, BLOCKS.select([1]), report, 1e-3)
    assert set(cuts.keys()) == set(BLOCKS.select([0, 2]).keys())


@pytest.mark.parametrize("tol", [1e-1, 1e-3])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "logistic"])
def test_violations_that_are_no_cuts_leave_a_fifth_of_the_tolerance_at_most(loss, tol):
    targets = np.sign(Y) if loss == "logistic" else Y
    problem = TrainingProblem(X, targets, 0.01, loss=loss).condensed()
    few = BLOCKS.select(np.arange(40))
    program = Masters(problem, NativeSolver(gap=1e-9), None).solve(
        few, np.zeros((40, 7)), math.inf, gap=0.0, n_new=0
    )
    bound = lower_bound(
        problem, problem.dual_point(program.outputs), problem.alpha * (1 + 0.1 * tol)
    )
    assert program.objective - bound <= 0.2 * tol * program.objective


def test_a_point_is_priced_again_where_many_cuts_became_more():
    many = BLOCKS.select(np.arange(MANY_BLOCKS))
    most = most_cuts(PROBLEM, many)
    assert are_too_few(PROBLEM, many, 0, 100)
    assert are_too_few(PROBLEM, many, 100, 111)
    assert not are_too_few(PROBLEM, many, 0, 99)  # as few as that are not worth another search
    assert not are_too_few(PROBLEM, many, 100, 110)
    assert not are_too_few(PROBLEM, many, 0, most)


def test_a_point_is_priced_once_where_programs_are_small_or_no_least_squares():
    many = BLOCKS.select(np.arange(MANY_BLOCKS))
    assert not are_too_few(PROBLEM, many.select(np.arange(MANY_BLOCKS - 1)), 0, 150)
    assert not are_too_few(TrainingProblem(X, Y, 0.01, loss="huber"), many, 0, 150)
