"""Programs of rounds: by which solver, and no more accurately than the gap is worth."""

import itertools
import math
from dataclasses import replace
from typing import ClassVar

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


class Slow(NativeSolver):
    """Says that a program has taken ten seconds, or as it is told."""

    time_limits: ClassVar[list[float]] = []
    status = Status.CONVERGED

    def relu(self, problem, blocks, *, start, time_limit):
        self.time_limits = [*self.time_limits, time_limit]
        found = super().relu(problem, blocks, start=start)
        worse = np.zeros_like(found.blocks)
        objective = problem.objective(problem.zero_network())
        if self.status is Status.USER_LIMIT:
            found = replace(found, blocks=worse, objective=objective, outputs=0 * found.outputs)
        return replace(found, seconds=10.0, status=self.status)


@pytest.mark.parametrize(("time_limit", "n_new", "descends"), [(9, 3, 0), (7, 3, 1), (7, 0, 0)])
def test_cuts_that_come_too_late_for_a_program_are_left_to_descent(time_limit, n_new, descends):
    warm_up = Noting()
    solved = Masters(PROBLEM, Slow(), warm_up)
    solved.solve(BLOCKS, START, math.inf, gap=0.5, n_new=3)
    solved.solve(BLOCKS, START, time_limit, gap=0.5, n_new=n_new)
    assert len(warm_up.asked) == descends
    assert solved.is_rough == (n_new > 0)  # that there are no cuts proves nothing after descent


@pytest.mark.parametrize("with_descent", [False, True])
def test_descent_follows_on_a_program_that_time_ended(with_descent):
    slow, warm_up = Slow(), Noting(gap=1e-6) if with_descent else None
    solved = Masters(PROBLEM, slow, warm_up)
    solved.solve(BLOCKS, START, math.inf, gap=0.5, n_new=3)
    slow.status = Status.USER_LIMIT
    found = solved.solve(BLOCKS, START, 20, gap=0.5, n_new=3)
    assert slow.time_limits[-1] == (20 - masters._KEPT * 10 if with_descent else 20)
    nothing = PROBLEM.objective(PROBLEM.zero_network())
    assert (found.objective < 0.9 * nothing) == with_descent


class WithoutTime(NativeSolver):
    """Ends after a second without a solution, but for the first program, which has taken ten."""

    n_solved = 0

    def relu(self, problem, blocks, *, start, time_limit):
        self.n_solved += 1
        found = super().relu(problem, blocks, start=start)
        if self.n_solved == 1:
            return replace(found, seconds=10.0)
        return replace(found, seconds=1.0, objective=math.nan, status=Status.USER_LIMIT)


def test_a_program_without_a_solution_counts_neither_as_one_nor_for_how_long_one_takes():
    solver = WithoutTime()
    solved = Masters(PROBLEM, solver, Noting(gap=1e-6))
    solved.solve(BLOCKS, START, math.inf, gap=0.5, n_new=3)
    assert solved.solve(BLOCKS, START, 9, gap=0.5, n_new=3).usable
    assert solver.n_solved == 2
    assert solved.solve(BLOCKS, START, 7, gap=0.5, n_new=3).usable
    assert solver.n_solved == 2  # seven seconds are too few for another one


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
