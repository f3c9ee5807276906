"""Proximal gradient steps, on tensors and in the units of the program."""

import numpy as np
import pytest
import torch

from convexrelu import Status, TrainingProblem
from convexrelu.oracles import PatternOracle
from convexrelu.problem.dual import lower_bound
from convexrelu.programs import GatedProgram
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.native import proximal_gradient as module
from convexrelu.solvers.native.proximal_gradient import proximal_gradient
from convexrelu.solvers.native.tensor_program import TensorProgram
from tests import reference

X, Y = reference.teacher(18, 3, 3, 0.2, 0)
WEIGHTS = np.random.default_rng(0).exponential(size=18)


def masks_of(problem, count=12):
    gates = np.random.default_rng(0).standard_normal((count, problem.design.shape[1]))
    return np.unique(gates @ problem.design.T >= 0, axis=0)


def program_of(problem, **options):
    masks = masks_of(problem)
    return TensorProgram(problem, Blocks(masks, np.ones(len(masks))), cones=False, **options)


def assert_honest_gap(program, end):
    """The gap that certificates would find."""
    problem = program.problem
    solution = program.to_solution(end, 0.0, 0.0)
    v = problem.dual_point(solution.outputs)
    bound = PatternOracle(problem.design, program.blocks.masks, cones=False)(v).bound
    gap = 1 - lower_bound(problem, v, bound) / solution.objective
    assert gap <= end.gap * (1 + 1e-4) + 1e-12
    return solution


def test_every_kind_of_problem_is_solved_to_the_gap_that_is_asked_for(options):
    problem = TrainingProblem(X, Y, 0.01, **options)
    optimum = GatedProgram(problem, masks_of(problem)).solve(accuracy=1e-11).objective
    for gap in (1e-3, 1e-8):
        program = program_of(problem)
        end = proximal_gradient(program, gap=gap)
        assert end.status is Status.CONVERGED and end.gap <= gap and end.accuracy == 0.0
        solution = assert_honest_gap(program, end)
        assert optimum * (1 - 1e-7) <= solution.objective <= optimum * (1 + gap + 1e-7)


def test_blocks_that_are_not_needed_are_zero_bit_for_bit():
    end = proximal_gradient(program_of(TrainingProblem(X, Y, 0.1)))
    active = end.blocks.any(dim=1)
    assert 0 < active.sum() < len(active)


def test_a_deadline_ends_steps_and_what_prepares_them(monkeypatch):
    program, calls = program_of(TrainingProblem(X, Y, 0.01)), []
    original = program.push

    def counted(*args):
        calls.append(1)
        return original(*args)

    monkeypatch.setattr(program, "push", counted)
    end = proximal_gradient(program, deadline=0.0)
    assert end.status is Status.USER_LIMIT and np.isfinite(end.gap)
    assert len(calls) <= 5  # of some thirty for the curvature, and ten for the first steps


def test_a_start_at_the_optimum_needs_no_step():
    program = program_of(TrainingProblem(X, Y, 0.01))
    first = proximal_gradient(program, gap=1e-7)
    again = proximal_gradient(program, first.blocks, gap=1e-7, max_iter=0)
    assert again.status is Status.CONVERGED
    assert torch.equal(again.blocks, first.blocks)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_any_start_ends_at_the_optimum(size):
    program = program_of(TrainingProblem(X, Y, 0.01))
    expected = assert_honest_gap(program, proximal_gradient(program, gap=1e-8)).objective
    start = torch.tensor(size * np.random.default_rng(1).standard_normal((12, 4)))
    end = proximal_gradient(program, start, gap=1e-8)
    assert end.status is Status.CONVERGED
    assert assert_honest_gap(program, end).objective == pytest.approx(expected, rel=2e-8)


def test_a_start_is_left_as_it_was():
    program = program_of(TrainingProblem(X, Y, 0.01))
    start = torch.ones(12, 4, dtype=torch.float64)
    proximal_gradient(program, start, max_iter=20)
    assert (start == 1).all()


def test_steps_without_momentum_lower_the_objective():
    program = program_of(TrainingProblem(X, Y, 0.01))
    values, start = [], None
    for _ in range(20):
        end = proximal_gradient(program, start, gap=0.0, max_iter=1)
        start = end.blocks
        values.append(program.to_solution(end, 0.0, 0.0).objective)
    assert (np.diff(values) <= 1e-15).all() and values[-1] < 0.9 * values[0]


@pytest.mark.parametrize("max_iter", [1, 7, 25])
def test_a_limit_on_steps_is_said_to_be_one(monkeypatch, max_iter):
    program = program_of(TrainingProblem(X, Y, 1e-4))
    steps, original = [], module._shrink
    monkeypatch.setattr(module, "_shrink", lambda *args: steps.append(1) or original(*args))
    end = proximal_gradient(program, gap=1e-12, max_iter=max_iter)
    assert end.status is Status.USER_LIMIT and 1e-12 < end.gap < np.inf
    assert len(steps) == max_iter
    assert_honest_gap(program, end)


def test_no_time_is_a_usable_point():
    program = program_of(TrainingProblem(X, Y, 1e-4))
    end = proximal_gradient(program, gap=1e-12, deadline=0.0)
    assert end.status is Status.USER_LIMIT and 1e-12 < end.gap < np.inf
    assert_honest_gap(program, end)


def test_neurons_appear_at_the_largest_gradient():
    problem = TrainingProblem(X, Y, 1.0)
    v = problem.dual_point(np.zeros_like(Y))
    largest = PatternOracle(problem.design, masks_of(problem), cones=False)(v).bound
    for factor, some in ((1 + 1e-6, False), (1 - 1e-3, True)):
        end = proximal_gradient(program_of(problem.with_alpha(factor * largest)), gap=1e-8)
        assert end.status is Status.CONVERGED
        assert bool(end.blocks.any()) is some


@pytest.mark.parametrize("target", [0.0, 3.0])
def test_constant_targets_need_no_neuron(target):
    program = program_of(TrainingProblem(X, np.full(18, target), 0.01))
    end = proximal_gradient(program)
    assert end.status is Status.CONVERGED and not end.blocks.any()


def test_the_curvature_is_that_of_the_dense_map(options):
    program = program_of(TrainingProblem(X, Y, 0.01, **options))
    columns = (program.slopes.T[:, :, None] * program.rows[:, None, :]).reshape(18, -1)
    exact = np.linalg.norm(program.centred(columns).numpy(), 2) ** 2
    assert module._largest_curvature(program) == pytest.approx(exact, rel=0.05)


def test_single_precision_is_good_to_a_thousandth():
    problem = TrainingProblem(X, Y, 0.01)
    program = program_of(problem, dtype=torch.float32)
    end = proximal_gradient(program, gap=1e-3)
    assert end.status is Status.CONVERGED and end.blocks.dtype is torch.float32
    optimum = GatedProgram(problem, masks_of(problem)).solve().objective
    assert program.to_solution(end, 1e-3, 0.0).objective == pytest.approx(optimum, rel=1.1e-3)
