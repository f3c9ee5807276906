"""Semismooth Newton steps, on tensors and in the units of the program."""

from itertools import cycle

import numpy as np
import pytest
import torch

from convexrelu import Status, TrainingProblem
from convexrelu.oracles import PatternOracle
from convexrelu.patterns.cone_projection import ConeProjector
from convexrelu.problem.dual import lower_bound
from convexrelu.programs import GatedProgram, ReLUProgram
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.native.augmented_lagrangian import (
    _MAX_HALVINGS,
    _MAX_NEWTON,
    _MAX_TRIALS,
    AugmentedLagrangian,
)
from convexrelu.solvers.native.tensor_program import TensorProgram
from tests import reference

X, Y = reference.teacher(12, 3, 3, 0.2, 0)
WEIGHTS = np.random.default_rng(0).exponential(size=12)
BOTH = pytest.mark.parametrize("cones", [True, False])


def problem_of(alpha=0.01, **options):
    return TrainingProblem(X, Y, alpha, **options)


def blocks_of(problem, cones, count=12):
    gates = np.random.default_rng(0).standard_normal((count, problem.design.shape[1]))
    masks = np.unique(gates @ problem.design.T >= 0, axis=0)
    return Blocks.both_signs(masks) if cones else Blocks(masks, np.ones(len(masks)))


def program_of(problem, cones, **options):
    return TensorProgram(problem, blocks_of(problem, cones), cones=cones, **options)


def optimum_of(problem, cones):
    blocks = blocks_of(problem, cones)
    if cones:
        return ReLUProgram(problem, blocks.masks, blocks.signs).solve(accuracy=1e-11).objective
    return GatedProgram(problem, blocks.masks).solve(accuracy=1e-11).objective


def assert_honest_gap(program, end):
    """The gap is that of the blocks and the dual point, by the oracle that certificates rest on."""
    problem, blocks = program.problem, program.blocks
    solution = program.to_solution(end, 0.0, 0.0)
    v = problem.dual_point(solution.outputs)
    oracle = PatternOracle(problem.design, blocks.masks, signs=blocks.signs, cones=program.cones)
    gap = 1 - lower_bound(problem, v, oracle(v).bound) / solution.objective
    rounding = 1e-13 * problem.weights @ np.square(problem.y) / solution.objective
    assert gap <= end.gap * (1 + 1e-4) + rounding
    if program.cones:
        towards = np.where(blocks.masks, 1, -1) * (solution.blocks @ problem.design.T)
        size = np.linalg.norm(solution.blocks, axis=1).max(initial=0.0)
        lengths = np.linalg.norm(problem.design, axis=1)
        assert (towards >= -1e-9 * size * lengths).all()
    return solution


def count_directions(monkeypatch, solver):
    calls, original = [], solver._system.direction

    def counted(*args):
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(solver._system, "direction", counted)
    return calls


# Optimality


@BOTH
def test_every_kind_of_problem_is_solved_to_the_gap_that_is_asked_for(options, cones):
    problem = problem_of(**options)
    optimum = optimum_of(problem, cones)
    program = program_of(problem, cones)
    for gap in (1e-4, 1e-9):
        end = AugmentedLagrangian(program).solve(gap=gap)
        assert end.status is Status.CONVERGED and end.gap <= gap and end.accuracy == 0.0
        solution = assert_honest_gap(program, end)
        assert optimum * (1 - 1e-8) <= solution.objective <= optimum * (1 + gap + 1e-7)


@BOTH
def test_blocks_that_are_not_needed_are_zero_bit_for_bit(cones):
    program = program_of(problem_of(0.1), cones)
    end = AugmentedLagrangian(program).solve(gap=1e-10)
    active = end.blocks.any(dim=1)
    assert 0 < active.sum() < len(active)
    assert end.blocks[active].norm(dim=1).min() > 1e-6


@BOTH
def test_the_gradient_is_that_of_the_value(options, cones):
    program = program_of(problem_of(**options), cones)
    solver, rng = AugmentedLagrangian(program), np.random.default_rng(0)
    v = program.centred(torch.tensor(rng.standard_normal(12)))
    direction = program.centred(torch.tensor(rng.standard_normal(12)))
    centre = torch.tensor(0.1 * rng.standard_normal(program.blocks.masks.shape))[:, : X.shape[1]]
    centre = torch.cat([centre, centre], 1)[:, : program.rows.shape[1]]
    for tau in (0.5, 20.0):
        point = solver._evaluate(v, centre, tau)
        assert len(point.active) > 0
        ahead, behind = (solver._evaluate(v + h * direction, centre, tau) for h in (1e-6, -1e-6))
        slope = (ahead.value - behind.value) / 2e-6
        assert float(point.gradient @ direction) == pytest.approx(slope, rel=1e-6)


@BOTH
@pytest.mark.parametrize("alpha", [1e-5, 1e-3, 10.0])
def test_any_alpha_ends_with_an_honest_gap(alpha, cones):
    program = program_of(problem_of(alpha), cones)
    end = AugmentedLagrangian(program).solve(gap=1e-8)
    assert end.status in (Status.CONVERGED, Status.INACCURATE)
    assert (end.gap <= 1e-8) is (end.status is Status.CONVERGED)
    assert_honest_gap(program, end)


@BOTH
def test_neurons_appear_at_the_largest_gradient(cones):
    problem = problem_of()
    v, blocks = problem.dual_point(np.zeros_like(Y)), blocks_of(problem, cones)
    oracle = PatternOracle(problem.design, blocks.masks, signs=blocks.signs, cones=cones)
    largest = oracle(v).bound
    for factor, some in ((1 + 1e-6, False), (1 - 1e-3, True)):
        end = AugmentedLagrangian(program_of(problem_of(factor * largest), cones)).solve()
        assert end.status is Status.CONVERGED
        assert bool(end.blocks.any()) is some


# Starts


@BOTH
def test_a_start_at_the_optimum_needs_little(monkeypatch, cones):
    """On several data sets, at a gap that rounding is far from."""
    cold = warm = 0
    for seed in range(8):
        problem = TrainingProblem(*reference.teacher(12, 3, 3, 0.2, seed), 0.01)
        solver = AugmentedLagrangian(program_of(problem, cones))
        calls = count_directions(monkeypatch, solver)
        first = solver.solve(gap=1e-6)
        cold += len(calls)
        again = solver.solve(first.blocks, v=first.v, gap=1e-6)
        warm += len(calls)
        assert first.status is again.status is Status.CONVERGED
    assert warm - cold < cold / 4


@BOTH
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_any_start_ends_at_the_optimum(size, cones):
    program = program_of(problem_of(), cones)
    expected = AugmentedLagrangian(program).solve(gap=1e-9)
    rng = np.random.default_rng(1)
    start = torch.tensor(size * rng.standard_normal(expected.blocks.shape))
    for v in (None, program.centred(torch.tensor(size * rng.standard_normal(12)))):
        end = AugmentedLagrangian(program).solve(start, v=v, gap=1e-9)
        assert end.status is Status.CONVERGED
        found = assert_honest_gap(program, end).objective
        objective = program.to_solution(expected, 0.0, 0.0).objective
        assert found == pytest.approx(objective, rel=2e-9)


@pytest.mark.slow
@BOTH
def test_one_solver_follows_a_path(cones):
    program = program_of(problem_of(), cones)
    solver, end, last = AugmentedLagrangian(program), None, program.alpha
    for alpha in (0.1, 0.03, 0.01, 0.001, 0.05, 1e-4):
        program.set_alpha(alpha)
        v = None if end is None else end.v * (program.alpha / last)
        end = solver.solve(None if end is None else end.blocks, v=v, gap=1e-9)
        last = program.alpha
        assert end.status is Status.CONVERGED
        found = assert_honest_gap(program, end).objective
        assert found == pytest.approx(optimum_of(problem_of(alpha), cones), rel=1e-7)


# Limits


@BOTH
@pytest.mark.parametrize("max_steps", [1, 4, 7])
def test_a_limit_on_steps_leaves_the_best_point(monkeypatch, max_steps, cones):
    program = program_of(problem_of(), cones)
    solver = AugmentedLagrangian(program)
    calls = count_directions(monkeypatch, solver)
    end = solver.solve(gap=1e-10, max_steps=max_steps)
    assert len(calls) == max_steps
    assert end.status is Status.INACCURATE and 1e-10 < end.gap < np.inf
    assert_honest_gap(program, end)


@BOTH
def test_no_time_is_a_usable_point(cones):
    program = program_of(problem_of(1e-4), cones)
    end = AugmentedLagrangian(program).solve(gap=1e-12, deadline=0.0)
    assert end.status is Status.USER_LIMIT and 1e-12 < end.gap < np.inf
    assert_honest_gap(program, end)


@pytest.mark.slow
@BOTH
def test_what_cannot_be_reached_ends_inaccurate_and_near(cones):
    program = program_of(problem_of(), cones)
    end = AugmentedLagrangian(program).solve(gap=0.0)
    assert end.status is Status.INACCURATE or end.gap == 0.0
    assert end.gap <= 1e-11
    assert_honest_gap(program, end)


@BOTH
@pytest.mark.parametrize("target", [0.0, 3.0])
def test_constant_targets_need_no_neuron(target, cones):
    problem = TrainingProblem(X, np.full(12, target), 0.01)
    program = program_of(problem, cones)
    end = AugmentedLagrangian(program).solve()
    assert end.status is Status.CONVERGED and not end.blocks.any()
    solution = program.to_solution(end, 1e-8, 0.0)
    assert solution.intercept == pytest.approx(target, rel=1e-15)
    assert solution.objective == pytest.approx(0.0, abs=1e-25)


@BOTH
def test_single_precision_is_good_to_a_thousandth(cones):
    problem = problem_of()
    program = program_of(problem, cones, dtype=torch.float32)
    end = AugmentedLagrangian(program).solve(gap=1e-3)
    assert end.status is Status.CONVERGED and end.blocks.dtype is torch.float32
    solution = program.to_solution(end, 1e-3, 0.0)
    assert solution.blocks.dtype == np.float64
    assert solution.objective == pytest.approx(optimum_of(problem, cones), rel=1.1e-3)


def test_other_losses_are_refused_by_name():
    problem = problem_of(loss="huber")
    with pytest.raises(ValueError, match="loss='huber'"):
        program_of(problem, True)


def test_projections_that_take_too_long_leave_the_point_before(clock, monkeypatch):
    program = program_of(problem_of(), True)
    calls, original = [], ConeProjector.project

    def slow(self, *arguments):
        calls.append(len(calls))
        if len(calls) > 3:
            raise TimeoutError
        return original(self, *arguments)

    monkeypatch.setattr(ConeProjector, "project", slow)
    end = AugmentedLagrangian(program).solve(deadline=clock.now + 1.0)
    assert len(calls) > 3
    assert_honest_gap(program, end)


def test_a_solve_without_time_projects_nothing(clock, monkeypatch):
    program = program_of(problem_of(), True)
    monkeypatch.setattr("convexrelu.patterns.cone_projection._Search._settle", None)
    end = AugmentedLagrangian(program).solve(deadline=clock.now - 1.0)
    assert end.status is Status.USER_LIMIT
    assert not end.blocks.any()
    assert_honest_gap(program, end)


def test_tiny_steps_end_a_subproblem_soon(monkeypatch):
    """Steepest descent in steps of any size, much too long, stands in for directions that rounding has spoilt."""
    program = program_of(problem_of(), True)
    solver, points = AugmentedLagrangian(program), []
    evaluate = solver._evaluate
    monkeypatch.setattr(solver, "_evaluate", lambda *args: points.append(args) or evaluate(*args))
    sizes = cycle([2.0**8, 2.0**48])
    monkeypatch.setattr(solver._system, "direction", lambda gradient, *_: -next(sizes) * gradient)
    _, n_steps = solver._minimise(program.target, program.no_blocks(), 1e5, _MAX_NEWTON)
    assert n_steps == _MAX_NEWTON  # not solved: the next subproblem is an easier one
    assert _MAX_TRIALS < len(points) <= _MAX_TRIALS + _MAX_HALVINGS + 1
