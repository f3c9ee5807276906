"""Interior points, on tensors and in the units of the program."""

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem
from convexrelu.oracles import PatternOracle
from convexrelu.problem.dual import lower_bound
from convexrelu.programs import ReLUProgram
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.native import interior_point as module
from convexrelu.solvers.native.augmented_lagrangian import AugmentedLagrangian
from convexrelu.solvers.native.interior_point import interior_point
from convexrelu.solvers.native.tensor_program import TensorProgram
from tests import reference

X, Y = reference.teacher(18, 3, 3, 0.2, 0)
WEIGHTS = np.random.default_rng(0).exponential(size=18)
GRID = np.array([[i, j, 0.0] for i in range(6) for j in range(3)])
DATA = {
    "repeated rows": np.vstack([X[:9], X[:9]]),
    "mirror images": np.vstack([X[:9], -X[:9]]),
    "rank deficient": X[:, [0, 1, 0]],
    "grid with a dead feature": GRID,
    "zero rows": np.vstack([X[:15], np.zeros((3, 3))]),
    "badly scaled features": X * [1e-4, 1.0, 1e4],
    "badly scaled rows": X * np.logspace(-4, 4, 18)[:, None],
    "wide": np.random.default_rng(1).standard_normal((18, 30)),
}


def blocks_of(problem, count=12):
    gates = np.random.default_rng(0).standard_normal((count, problem.design.shape[1]))
    return Blocks.both_signs(np.unique(gates @ problem.design.T >= 0, axis=0))


def solve(problem, blocks=None, **options):
    program = TensorProgram(problem, blocks or blocks_of(problem), cones=True)
    return program, interior_point(program, **options)


def optimum_of(problem, blocks=None):
    blocks = blocks or blocks_of(problem)
    return ReLUProgram(problem, blocks.masks, blocks.signs).solve(accuracy=1e-11).objective


def assert_honest_gap(program, end):
    """Blocks in their cones, and the gap that certificates would find."""
    problem, blocks = program.problem, program.blocks
    solution = program.to_solution(end, 0.0, 0.0)
    v = problem.dual_point(solution.outputs)
    bound = PatternOracle(problem.design, blocks.masks, signs=blocks.signs)(v).bound
    gap = 1 - lower_bound(problem, v, bound) / solution.objective
    rounding = 1e-13 * problem.weights @ np.square(problem.y) / solution.objective
    assert gap <= end.gap * (1 + 1e-4) + rounding
    towards = np.where(blocks.masks, 1, -1) * (solution.blocks @ problem.design.T)
    size = np.linalg.norm(solution.blocks, axis=1).sum()
    assert (towards >= -1e-8 * size * np.linalg.norm(problem.design, axis=1)).all()
    return solution


# Optimality


def test_every_kind_of_problem_is_solved_to_the_gap_that_is_asked_for(options):
    problem = TrainingProblem(X, Y, 0.01, **options)
    optimum = optimum_of(problem)
    for gap in (1e-4, 1e-7):
        program, end = solve(problem, gap=gap)
        assert end.status is Status.CONVERGED and 0 <= end.gap <= gap
        solution = assert_honest_gap(program, end)
        assert optimum * (1 - 1e-7) <= solution.objective <= optimum * (1 + gap + 1e-7)


@pytest.mark.parametrize("name", DATA)
def test_hard_data_are_solved(name):
    problem = TrainingProblem(DATA[name], Y, 0.01 * np.linalg.norm(DATA[name]) / np.linalg.norm(X))
    program, end = solve(problem, gap=1e-6)
    assert end.status is Status.CONVERGED and end.gap <= 1e-6
    assert_honest_gap(program, end)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_both_ways_to_eliminate_are_solved(count):
    # 18 samples: one or six blocks of 4 entries are eliminated by sample or by block.
    problem = TrainingProblem(X, Y, 0.01)
    blocks = blocks_of(problem, count)
    assert (len(blocks) * 4 < 18) is (count == 1)
    program, end = solve(problem, blocks, gap=1e-5)
    assert end.status is Status.CONVERGED
    found = assert_honest_gap(program, end).objective
    assert found == pytest.approx(optimum_of(problem, blocks), rel=1.1e-5)


@pytest.mark.parametrize("alpha", [1e-7, 1e-5, 1e-3, 0.1, 10.0])
def test_any_alpha_ends_with_an_honest_gap(alpha):
    """What the native solver asks for is had at every ordinary alpha; how many digits more is up to rounding."""
    for seed in range(6):
        X, Y = reference.teacher(18, 3, 3, 0.2, seed)
        program, end = solve(TrainingProblem(X, Y, alpha), gap=1e-6)
        assert end.status is (Status.CONVERGED if end.gap <= 1e-6 else Status.INACCURATE)
        solution = assert_honest_gap(program, end)
        if alpha >= 1e-3:
            assert end.status is Status.CONVERGED
        if alpha == 10.0:
            assert solution.objective == pytest.approx(0.5 * np.var(Y), rel=1e-6)
            assert np.linalg.norm(solution.blocks, axis=1).max() <= 1e-5


def test_blocks_that_are_not_needed_are_zero_if_the_gap_allows():
    problem = TrainingProblem(X, Y, 0.1)
    program, end = solve(problem, gap=1e-7)
    lengths = end.blocks.norm(dim=1)
    assert end.accuracy == program.to_solution(end, 1e-7, 0.0).accuracy == 0.0
    assert 0 < (lengths == 0).sum() < len(lengths)
    assert (lengths[lengths > 0] > 1e-3 * lengths.max()).all()
    solution = assert_honest_gap(program, end)
    assert solution.objective == pytest.approx(optimum_of(problem), rel=2e-7)
    # The blocks that are left are those of the exact solution.
    exact = AugmentedLagrangian(program).solve(gap=1e-10).blocks
    assert ((lengths > 0) == exact.any(dim=1)).all()


def test_blocks_are_nearly_zero_and_said_to_be_where_the_gap_is_open():
    program, end = solve(TrainingProblem(X, Y, 0.1), gap=0.0)
    lengths = end.blocks.norm(dim=1)
    assert end.status is Status.INACCURATE
    assert 0 < end.accuracy == program.to_solution(end, 1e-7, 0.0).accuracy <= 1e-7
    assert 0 < (lengths < 1e-5 * lengths.max()).sum() < len(lengths)
    assert (lengths > 0).all()


def test_a_large_matrix_in_pieces_is_the_same(monkeypatch):
    problem = TrainingProblem(X, Y, 0.01)
    _, whole = solve(problem, gap=1e-6)
    monkeypatch.setattr(module, "_CHUNK", 1)
    _, pieces = solve(problem, gap=1e-6)
    np.testing.assert_allclose(pieces.blocks.numpy(), whole.blocks.numpy(), atol=1e-8)
    assert pieces.status is Status.CONVERGED


def test_one_row_on_both_sides_leaves_a_gap_that_holds():
    # Every cone is flat: the method has no interior to be in, and must say how far it came.
    problem = TrainingProblem(np.vstack([X[:9], X[:9]]), Y, 0.01)
    blocks = blocks_of(problem, 4)
    masks = blocks.masks.copy()
    masks[:, 0] = ~masks[:, 9]
    program, end = solve(problem, Blocks(masks, blocks.signs))
    assert (end.gap <= 1e-8) is (end.status is Status.CONVERGED)
    assert np.isfinite(end.gap) and end.blocks.isfinite().all()
    assert_honest_gap(program, end)


@pytest.mark.parametrize("target", [0.0, 3.0])
def test_constant_targets_need_no_neuron(target):
    program, end = solve(TrainingProblem(X, np.full(18, target), 0.01))
    assert end.status is Status.CONVERGED
    solution = program.to_solution(end, 1e-8, 0.0)
    np.testing.assert_allclose(solution.outputs, target, atol=1e-7)
    assert solution.objective == pytest.approx(0.0, abs=1e-8)


# Limits


def test_no_time_is_a_usable_point():
    program, end = solve(TrainingProblem(X, Y, 0.01), deadline=0.0)
    assert end.status is Status.USER_LIMIT and 1e-8 < end.gap < np.inf
    assert_honest_gap(program, end)


def test_what_cannot_be_reached_ends_inaccurate_and_near():
    program, end = solve(TrainingProblem(X, Y, 0.01), gap=0.0)
    assert end.status is Status.INACCURATE and 0 < end.gap <= 1e-7
    assert_honest_gap(program, end)
