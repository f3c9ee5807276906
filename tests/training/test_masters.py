"""Programs of rounds: by which solver, and no more accurately than the gap is worth."""

import itertools
import math

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem
from convexrelu.oracles.selection import choose_oracles
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.automatic import AutomaticSolver
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.training import cuts, masters
from convexrelu.training.cutting_plane import CuttingPlane
from convexrelu.training.masters import MANY_BLOCKS, Masters
from tests import reference
from tests.honest import assert_certifies

X, Y = reference.teacher(60, 6, 3, 0.1, 0)
PROBLEM = TrainingProblem(X, Y, 0.01).condensed()
MASKS = PROBLEM.design @ np.random.default_rng(1).standard_normal((7, 12)) >= 0
BLOCKS = Blocks(np.repeat(MASKS.T, 2, axis=0), np.tile([1.0, -1.0], 12))
START = np.zeros((24, 7))


class Noting(NativeSolver):
    """Keeps the accuracies that it is asked for."""

    def __init__(self, **options):
        super().__init__(**options)
        self.asked = []

    def relu(self, *args, **options):
        self.asked.append(self.rough_gap)
        return super().relu(*args, **options)


def test_a_program_with_new_blocks_is_solved_no_better_than_the_gap_is_worth():
    solver = Noting(method="newton", gap=1e-10)
    solved = Masters(PROBLEM, solver, None)
    rough = solved.solve(BLOCKS, START, math.inf, gap=0.5, n_new=3)
    assert solved.is_rough and solver.asked == [pytest.approx(0.01)]
    assert solver.rough_gap == 0.0  # others may use it afterwards
    exact = solved.solve(BLOCKS, START, math.inf, gap=0.5, n_new=0)
    assert not solved.is_rough and solver.asked[-1] == 0.0
    assert exact.objective <= rough.objective <= exact.objective / (1 - 0.01)
    assert rough.status is exact.status is Status.CONVERGED


def test_the_automatic_solver_hands_on_how_rough_it_may_be():
    native = Noting(method="newton", gap=1e-10)
    solver = AutomaticSolver(lambda: native, lambda: native)
    Masters(PROBLEM, solver, None).solve(BLOCKS, START, math.inf, gap=0.5, n_new=3)
    assert native.asked == [pytest.approx(0.01)]


def test_many_blocks_of_least_squares_are_not_moved_by_a_warm_up():
    solved = Masters(PROBLEM, NativeSolver(), NativeSolver())
    for n_blocks, warms in [(MANY_BLOCKS - 1, True), (MANY_BLOCKS, False)]:
        solved.begin(n_blocks)
        assert solved.warming_up == warms
    other = Masters(
        TrainingProblem(X, np.sign(Y), 0.01, loss="logistic"), NativeSolver(), NativeSolver()
    )
    other.begin(MANY_BLOCKS)
    assert other.warming_up
    other.progressed(1.0, 0.999)
    assert not other.warming_up


class Counting:
    """Hands on what an oracle says, and keeps the points that it was asked for."""

    def __init__(self, oracle):
        self.oracle, self.points = oracle, []

    def __call__(self, v, **options):
        self.points.append(v)
        return self.oracle(v, **options)


@pytest.fixture(scope="module")
def trained():
    """A training that prices again from two blocks on, roughly solved to the end: points of cuts, result, solver."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuts, "MANY_BLOCKS", 2)
        patch.setattr(cuts, "_MANY", 2)
        patch.setattr(masters, "_ROUGH", 0.9)  # so roughly that rounds without cuts occur
        pair = choose_oracles("search", PROBLEM.design, 0)
        counting, solver = Counting(pair.heuristic), Noting(gap=1e-8)
        result = CuttingPlane(PROBLEM, solver, pair._replace(heuristic=counting)).run()
    return counting.points, result, solver


def test_pricing_goes_on_where_it_finds_many_more_cuts(trained):
    points, result, _ = trained
    again = sum(now is before for before, now in itertools.pairwise(points))
    assert 0 < again < len(points)
    assert_certifies(result.certificate, result.network, X, Y, 0.01)


def test_a_rough_program_without_cuts_is_solved_again_before_training_ends(trained):
    _, result, solver = trained
    assert result.status is Status.CONVERGED
    assert solver.asked[0] > 0
    assert result.certificate.relative_gap <= 1e-3
