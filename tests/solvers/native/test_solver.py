"""The native solver from the outside, against cvxpy and against the optimality conditions."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from convexrelu import Status, TrainingProblem
from convexrelu.oracles import PatternOracle
from convexrelu.problem.dual import lower_bound
from convexrelu.programs import GatedProgram, ReLUProgram
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.base import METHODS
from convexrelu.solvers.native import augmented_lagrangian, newton_systems
from convexrelu.solvers.native import solver as module
from convexrelu.solvers.native.augmented_lagrangian import AugmentedLagrangian
from convexrelu.solvers.native.newton_systems import ActiveBlocks
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.solvers.native.tensor_program import Iterate, TensorProgram
from tests import reference

X, Y = reference.teacher(18, 3, 3, 0.2, 0)
WEIGHTS = np.random.default_rng(0).exponential(size=18)
KINDS = ("relu", "gated")
METHODS_OF = {"relu": ("auto", "newton", "interior_point"), "gated": ("auto", "newton", "fista")}
WAYS = [(method, kind) for kind in KINDS for method in METHODS_OF[kind]]
# What each reaches in any case.
REACHED = {"auto": 1e-9, "newton": 1e-9, "fista": 1e-9, "interior_point": 1e-7}

both_kinds = pytest.mark.parametrize("kind", KINDS)
all_ways = pytest.mark.parametrize(("method", "kind"), WAYS)


def problem_of(alpha=0.01, X=X, y=Y, **options):
    return TrainingProblem(X, y, alpha, **options)


def blocks_of(problem, kind, count=12):
    gates = np.random.default_rng(0).standard_normal((count, problem.design.shape[1]))
    masks = np.unique(gates @ problem.design.T >= 0, axis=0)
    return Blocks.both_signs(masks) if kind == "relu" else Blocks(masks, np.ones(len(masks)))


def solve(problem, kind, method="auto", gap=1e-9, blocks=None, program_solver=None, **options):
    program_solver = program_solver or NativeSolver(method, gap)
    return getattr(program_solver, kind)(problem, blocks or blocks_of(problem, kind), **options)


@cache
def optimum_of_kind(kind, hidden_bias, fit_intercept, weighted):
    weight = WEIGHTS if weighted else None
    return optimum_of(
        problem_of(hidden_bias=hidden_bias, fit_intercept=fit_intercept, sample_weight=weight), kind
    )


@cache
def cold_solution(method, kind):
    return solve(problem_of(), kind, method, REACHED[method])


def optimum_of(problem, kind, blocks=None):
    blocks = blocks or blocks_of(problem, kind)
    if kind == "relu":
        return ReLUProgram(problem, blocks.masks, blocks.signs).solve(accuracy=1e-11).objective
    return GatedProgram(problem, blocks.masks).solve(accuracy=1e-11).objective


# The program once more, in NumPy


def signed_masks(blocks):
    return blocks.masks * blocks.signs[:, None]


def residual_of(problem, blocks, u):
    """Targets minus outputs, with the best intercept."""
    design = reference.augment(problem.inputs, bool(problem.hidden_bias))
    rest = problem.y - (signed_masks(blocks) * (u @ design.T)).sum(axis=0)
    return rest - problem.weights @ rest if problem.fit_intercept else rest


def objective_of(problem, blocks, u):
    fit = 0.5 * problem.weights @ np.square(residual_of(problem, blocks, u))
    return fit + problem.alpha * np.linalg.norm(u, axis=1).sum()


def projections_of(problem, blocks, v, kind):
    """Projections of ``A_jᵀv`` on the cones, with their length."""
    found = []
    for mask, row in zip(blocks.masks, signed_masks(blocks), strict=True):
        z = problem.design.T @ (row * v)
        if kind == "relu":
            lengths = np.linalg.norm(problem.design, axis=1)
            alive = lengths > 0
            normals = (np.where(mask, 1, -1)[:, None] * problem.design)[alive]
            normals = normals / lengths[alive, None]
            z = z + normals.T @ nnls(normals.T, -z)[0]
        found.append(z)
    return np.array(found)


def gap_of(problem, blocks, solution, kind):
    """Relative gap between the blocks and the dual point of the outputs, both recomputed."""
    v = -problem.weights * (solution.outputs - problem.y)
    if problem.fit_intercept:
        v = v - problem.weights * v.sum()
    largest = np.linalg.norm(projections_of(problem, blocks, v, kind), axis=1).max()
    square = np.sum(v**2 / problem.weights)
    t = min(problem.alpha / largest, max(v @ problem.y, 0) / square) if square > 0 else 0.0
    bound = reference.dual_value(t * v, problem.y, problem.weights)
    return 1 - bound / objective_of(problem, blocks, solution.blocks)


def assert_in_cones(problem, blocks, u):
    towards = np.where(blocks.masks, 1, -1) * (u @ problem.design.T)
    size = np.linalg.norm(u, axis=1).max(initial=0.0)
    assert (towards >= -1e-8 * size * np.linalg.norm(problem.design, axis=1)).all()


def assert_solution(problem, blocks, solution, kind, gap=None):
    """It is what it says it is: objective, intercept, cones, and the gap where it is asked for."""
    value = objective_of(problem, blocks, solution.blocks)
    assert solution.objective == pytest.approx(value, rel=1e-10)
    assert solution.blocks.shape == (len(blocks), problem.design.shape[1])
    assert solution.usable and np.isfinite(solution.outputs).all()
    fit = (signed_masks(blocks) * (solution.blocks @ problem.design.T)).sum(axis=0)
    intercept = problem.weights @ (problem.y - fit) if problem.fit_intercept else 0.0
    assert solution.intercept == pytest.approx(intercept, abs=1e-9)
    if kind == "relu":
        assert_in_cones(problem, blocks, solution.blocks)
    if gap is not None:
        assert solution.status is Status.CONVERGED
        assert gap_of(problem, blocks, solution, kind) <= gap


# Optimality


@all_ways
def test_every_kind_of_problem_is_solved_to_the_optimum_of_cvxpy(options, method, kind):
    problem = problem_of(**options)
    blocks = blocks_of(problem, kind)
    gap = REACHED[method]
    solution = solve(problem, kind, method, gap)
    assert_solution(problem, blocks, solution, kind, gap=10 * max(gap, 1e-8))
    weighted = options["sample_weight"] is not None
    expected = optimum_of_kind(kind, options["hidden_bias"], options["fit_intercept"], weighted)
    assert solution.objective == pytest.approx(expected, rel=2e-7)


@all_ways
def test_the_conditions_of_optimality_hold(options, method, kind):
    problem = problem_of(0.03, **options)
    blocks = blocks_of(problem, kind)
    u = solve(problem, kind, method, REACHED[method]).blocks
    v = problem.weights * residual_of(problem, blocks, u)
    projections = projections_of(problem, blocks, v, kind) / problem.alpha
    lengths = np.linalg.norm(u, axis=1)
    assert np.linalg.norm(projections, axis=1).max() <= 1 + 1e-3
    active = lengths > 1e-2 * lengths.max()
    assert active.any()
    directions = u[active] / lengths[active, None]
    np.testing.assert_allclose(projections[active], directions, atol=2e-3)


@all_ways
def test_outputs_have_a_dual_point_with_that_gap(method, kind):
    problem = problem_of()
    blocks = blocks_of(problem, kind)
    solution = solve(problem, kind, method)
    v = problem.dual_point(solution.outputs)
    oracle = PatternOracle(problem.design, blocks.masks, signs=blocks.signs, cones=kind == "relu")
    gap = 1 - lower_bound(problem, v, oracle(v).bound) / solution.objective
    assert gap <= (1e-7 if method == "interior_point" else 1e-8)


def test_gates_without_cones_are_below_the_neurons_of_their_patterns(options):
    problem = problem_of(**options)
    gated = solve(problem, "gated", blocks=blocks_of(problem, "relu"))
    relu = solve(problem, "relu")
    assert gated.objective <= relu.objective * (1 + 1e-9)


@both_kinds
def test_above_the_largest_gradient_every_block_is_zero(options, kind):
    problem = problem_of(**options)
    blocks = blocks_of(problem, kind)
    v = problem.weights * residual_of(
        problem, blocks, np.zeros((len(blocks), problem.design.shape[1]))
    )
    largest = np.linalg.norm(projections_of(problem, blocks, v, kind), axis=1).max()
    for factor in (1 + 1e-9, 3.0, 1e6):
        above = problem.with_alpha(factor * largest)
        solution = solve(above, kind, "newton")
        assert solution.status is Status.CONVERGED and not solution.blocks.any()
        np.testing.assert_allclose(solution.outputs, solution.intercept, atol=1e-12)
        assert_solution(above, blocks, solve(above, kind), kind, gap=1e-7)
    assert solve(problem.with_alpha(0.999 * largest), kind).blocks.any()


@both_kinds
@pytest.mark.parametrize("decade", [-8, -6, -4, -2, 0])
def test_any_alpha_converges_or_says_that_it_does_not(kind, decade):
    problem = problem_of()
    blocks = blocks_of(problem, kind, 4)
    v = problem.weights * residual_of(problem, blocks, np.zeros((len(blocks), 4)))
    largest = np.linalg.norm(projections_of(problem, blocks, v, kind), axis=1).max()
    problem = problem.with_alpha(10.0**decade * largest)
    solution = solve(problem, kind, gap=1e-6, blocks=blocks)
    assert solution.status in (Status.CONVERGED, Status.INACCURATE)
    assert_solution(problem, blocks, solution, kind)
    gap = gap_of(problem, blocks, solution, kind)
    assert np.isfinite(gap)
    if solution.status is Status.CONVERGED:
        assert gap <= 2e-6


def test_large_gated_systems_are_solved_as_small_ones(monkeypatch, options):
    monkeypatch.setattr(newton_systems, "_LARGE", 0)
    problem = problem_of(**options)
    blocks = blocks_of(problem, "gated")
    assert_solution(problem, blocks, solve(problem, "gated"), "gated", gap=1e-8)


HARD = {
    "one dimension": X[:, :1],
    "repeated rows": np.vstack([X[:9], X[:9]]),
    "mirror images": np.vstack([X[:9], -X[:9]]),
    "grid with a dead feature": np.array([[i, j, 0.0] for i in range(6) for j in range(3)]),
    "rank deficient": X[:, [0, 1, 0]],
    "zero rows": np.vstack([X[:15], np.zeros((3, 3))]),
    "far from zero": X + 100.0,
    "badly scaled": X * [1e-4, 1.0, 1e4],
    "wide": np.random.default_rng(1).standard_normal((18, 30)),
}


@both_kinds
@pytest.mark.parametrize("hidden_bias", [True, False])
@pytest.mark.parametrize("name", HARD)
def test_hard_data_are_solved(name, hidden_bias, kind):
    data = HARD[name]
    alpha = 0.01 * np.linalg.norm(data) / np.linalg.norm(X)
    problem = problem_of(alpha, X=data, hidden_bias=hidden_bias)
    blocks = blocks_of(problem, kind)
    solution = solve(problem, kind, gap=1e-7, blocks=blocks)
    assert_solution(problem, blocks, solution, kind, gap=1e-6)


@both_kinds
@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_samples_are_enough(n, kind):
    problem = problem_of(1e-3, X=X[:n], y=Y[:n], fit_intercept=False)
    blocks = Blocks(np.ones((1, n), dtype=bool), np.ones(1))
    assert_solution(problem, blocks, solve(problem, kind, blocks=blocks), kind, gap=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_masks_that_no_gate_has_are_solved_where_solvers_agree(seed):
    # Random masks mostly leave no cone but zero; a pair of the same sample on both sides, a flat one.
    data = np.vstack([X[:9], X[:9]])
    problem = problem_of(X=data)
    masks = blocks_of(problem, "gated", 6).masks.copy()
    masks[:3, seed] = ~masks[:3, seed + 9]
    masks[3] = np.random.default_rng(seed).random(18) < 0.5
    blocks = Blocks(masks, np.ones(len(masks)))
    solution = solve(problem, "relu", blocks=blocks, gap=1e-7)
    assert_solution(problem, blocks, solution, "relu", gap=1e-6)
    expected = optimum_of(problem, "relu", blocks)
    assert solution.objective == pytest.approx(expected, rel=1e-6)


@all_ways
@pytest.mark.parametrize("target", [0.0, 3.0])
def test_constant_targets_need_no_neuron(method, kind, target):
    problem = problem_of(y=np.full(18, target))
    solution = solve(problem, kind, method)
    np.testing.assert_allclose(solution.outputs, target, atol=1e-7)
    assert solution.objective == pytest.approx(0.0, abs=1e-8)
    assert solution.status is Status.CONVERGED


# What must not matter


@all_ways
def test_order_of_rows_and_blocks_does_not_matter(method, kind):
    problem = problem_of(sample_weight=WEIGHTS)
    blocks = blocks_of(problem, kind)
    rng = np.random.default_rng(3)
    rows, order = rng.permutation(18), rng.permutation(len(blocks))
    shuffled = problem_of(X=X[rows], y=Y[rows], sample_weight=WEIGHTS[rows])
    other = Blocks(blocks.masks[np.ix_(order, rows)], blocks.signs[order])
    gap = REACHED[method]
    one = solve(problem, kind, method, gap)
    two = solve(shuffled, kind, method, gap, blocks=other)
    assert two.objective == pytest.approx(one.objective, rel=2 * gap)
    np.testing.assert_allclose(two.outputs, one.outputs[rows], atol=1e-3)


@all_ways
def test_repeated_blocks_do_not_matter(method, kind):
    problem = problem_of()
    blocks = blocks_of(problem, kind)
    twice = solve(problem, kind, method, REACHED[method], blocks=blocks.join(blocks))
    assert_solution(problem, blocks.join(blocks), twice, kind, gap=1e-6)
    once = solve(problem, kind, method, REACHED[method])
    assert twice.objective == pytest.approx(once.objective, rel=2e-7)


@all_ways
def test_a_sample_twice_is_a_sample_of_twice_the_weight(method, kind):
    counts = np.arange(18) % 3 + 1
    weighted = problem_of(sample_weight=counts.astype(float))
    repeated = problem_of(X=np.repeat(X, counts, axis=0), y=np.repeat(Y, counts))
    blocks = blocks_of(weighted, kind)
    more = Blocks(np.repeat(blocks.masks, counts, axis=1), blocks.signs)
    gap = REACHED[method]
    one = solve(weighted, kind, method, gap, blocks=blocks)
    two = solve(repeated, kind, method, gap, blocks=more)
    assert two.objective == pytest.approx(one.objective, rel=2 * gap)


@both_kinds
@pytest.mark.parametrize("unit_x", [1e-6, 1e6])
@pytest.mark.parametrize("unit_y", [1e-6, 1e6])
def test_units_do_not_matter(unit_x, unit_y, kind):
    plain = problem_of(hidden_bias=False)
    scaled = problem_of(unit_x * unit_y * 0.01, X=unit_x * X, y=unit_y * Y, hidden_bias=False)
    one, two = solve(plain, kind), solve(scaled, kind)
    assert two.status is Status.CONVERGED
    assert two.objective == pytest.approx(unit_y**2 * one.objective, rel=2e-9)
    np.testing.assert_allclose(two.outputs / unit_y, one.outputs, atol=1e-3)


@both_kinds
def test_both_signs_of_a_gate_are_one_vector(kind):
    # A gated block may point anywhere, so its sign is of no account.
    problem = problem_of()
    blocks = blocks_of(problem, "gated")
    flipped = Blocks(blocks.masks, -blocks.signs)
    one, two = (solve(problem, kind, blocks=b) for b in (blocks, flipped))
    if kind == "gated":
        assert two.objective == pytest.approx(one.objective, rel=2e-9)
    else:
        assert abs(two.objective - one.objective) > 1e-3


# Starts


@all_ways
@pytest.mark.parametrize("size", [0.0, 1e-2, 10.0])
def test_starts_end_at_the_same_optimum(method, kind, size):
    problem = problem_of()
    cold = cold_solution(method, kind)
    noise = np.random.default_rng(1).standard_normal(cold.blocks.shape)
    for start in (cold.blocks + size * noise, size * noise):
        warm = solve(problem, kind, method, REACHED[method], start=start)
        assert warm.status is Status.CONVERGED
        assert warm.objective == pytest.approx(cold.objective, rel=2 * REACHED[method])


@both_kinds
def test_one_solver_solves_one_program_after_the_other(kind):
    # Each differs from the one before in one thing.
    program_solver, blocks = NativeSolver(gap=1e-9), blocks_of(problem_of(), kind)
    steps = (
        {},
        {"sample_weight": WEIGHTS},
        {"sample_weight": WEIGHTS, "y": Y**2},
        {"sample_weight": WEIGHTS, "y": Y**2, "fit_intercept": False},
        {"sample_weight": WEIGHTS, "y": Y**2, "fit_intercept": False, "X": X[::-1].copy()},
        {"sample_weight": WEIGHTS, "y": Y**2, "fit_intercept": False, "alpha": 0.1},
    )
    for options in steps:
        problem = problem_of(**options)
        found = solve(problem, kind, blocks=blocks, program_solver=program_solver)
        assert_solution(problem, blocks, found, kind, gap=1e-8)
    for other in (Blocks(blocks.masks, -blocks.signs), blocks_of(problem, kind, 5)):
        found = solve(problem, kind, blocks=other, program_solver=program_solver)
        assert_solution(problem, other, found, kind, gap=1e-8)


def test_one_solver_changes_between_kinds():
    program_solver, problem = NativeSolver(gap=1e-9), problem_of()
    blocks = blocks_of(problem, "relu")
    for kind in ("relu", "gated", "relu"):
        found = solve(problem, kind, blocks=blocks, program_solver=program_solver)
        fresh = solve(problem, kind, blocks=blocks)
        assert found.objective == pytest.approx(fresh.objective, rel=2e-9)


@all_ways
def test_a_path_ends_where_fresh_solves_do(method, kind):
    gap = max(REACHED[method], 1e-8)
    program_solver, problem = NativeSolver(method, gap), problem_of()
    blocks = blocks_of(problem, kind)
    for alpha in (0.3, 0.03, 0.003, 0.1):
        step = problem.with_alpha(alpha)
        found = solve(step, kind, program_solver=program_solver)
        assert_solution(step, blocks, found, kind, gap=20 * gap)
        assert found.objective == pytest.approx(solve(step, kind, method, gap).objective, rel=3e-7)


# Limits


@all_ways
def test_no_time_is_a_usable_point(method, kind):
    problem = problem_of(1e-3)
    blocks = blocks_of(problem, kind)
    solution = solve(problem, kind, method, 1e-9, time_limit=0.0)
    assert solution.status is Status.USER_LIMIT
    assert_solution(problem, blocks, solution, kind)
    assert np.isfinite(gap_of(problem, blocks, solution, kind))


@all_ways
def test_much_time_is_no_limit(method, kind):
    for limit in (np.inf, 1e9):
        solution = solve(problem_of(), kind, method, 1e-6, time_limit=limit)
        assert solution.status is Status.CONVERGED and 0 < solution.seconds < limit


@pytest.mark.parametrize(("method", "kind"), sorted({*WAYS} - {("interior_point", "relu")}))
def test_single_precision_reaches_a_thousandth(method, kind):
    problem = problem_of()
    blocks = blocks_of(problem, kind)
    solution = solve(problem, kind, program_solver=NativeSolver(method, 1e-3, dtype="float32"))
    assert solution.status is Status.CONVERGED
    assert solution.blocks.dtype == solution.outputs.dtype == np.float64
    value = objective_of(problem, blocks, solution.blocks)
    assert solution.objective == pytest.approx(value, rel=1e-10)
    assert value == pytest.approx(optimum_of(problem, kind), rel=1.5e-3)


# Which solver


def called(monkeypatch, fail=()):
    """Names of the solvers in the order of their calls; those in `fail` end far from the optimum."""
    names = []
    originals = {
        "newton": AugmentedLagrangian.solve,
        "interior_point": module.interior_point,
        "fista": module.proximal_gradient,
    }

    def recorded(name):
        def call(*args, **options):
            names.append(name)
            end = originals[name](*args, **(options | {"gap": 0.5} if name in fail else options))
            return end

        return call

    monkeypatch.setattr(AugmentedLagrangian, "solve", recorded("newton"))
    monkeypatch.setattr(module, "interior_point", recorded("interior_point"))
    monkeypatch.setattr(module, "proximal_gradient", recorded("fista"))
    return names


def test_auto_takes_interior_points_where_they_are_cheap(monkeypatch):
    names = called(monkeypatch)
    solve(problem_of(), "relu", gap=1e-5)
    assert names == ["interior_point"]


def test_auto_takes_newton_steps_where_interior_points_are_dear(monkeypatch):
    names = called(monkeypatch)
    monkeypatch.setattr(module, "CHEAP_ITERATION", 0)
    solve(problem_of(), "relu", gap=1e-5)
    assert names == ["newton"]


@pytest.mark.parametrize("cheap", [0, 1e9])
def test_auto_goes_on_with_the_other_where_one_ends_early(monkeypatch, cheap):
    names = called(monkeypatch, fail=("newton" if cheap == 0 else "interior_point",))
    monkeypatch.setattr(module, "CHEAP_ITERATION", cheap)
    solution = solve(problem_of(), "relu", gap=1e-6)
    assert sorted(names) == ["interior_point", "newton"]
    assert names[0] == ("newton" if cheap == 0 else "interior_point")
    assert solution.status is Status.CONVERGED


def test_auto_tries_newton_steps_from_a_warm_start_first(monkeypatch):
    problem = problem_of()
    start = solve(problem, "relu").blocks
    names = called(monkeypatch)
    solve(problem, "relu", gap=1e-5, start=start)
    assert names == ["newton"]
    names.clear()
    solve(problem, "relu", gap=1e-5, start=np.zeros_like(start))
    assert names == ["interior_point"]


@pytest.mark.parametrize("cheap", [0, 1e9])
def test_a_rough_solve_from_a_warm_start_ends_where_newton_steps_do(monkeypatch, cheap):
    problem = problem_of()
    blocks = blocks_of(problem, "relu")
    start = 0.5 * solve(problem, "relu", blocks=blocks).blocks
    names = called(monkeypatch)
    monkeypatch.setattr(module, "CHEAP_ITERATION", cheap)
    monkeypatch.setattr(module, "_MOST_OF_ROUGH", 1)
    solver = NativeSolver(gap=1e-9)
    solver.rough_gap = 1e-8
    solution = solver.relu(problem, blocks, start=start)
    assert names == ["newton"]
    assert solution.status is Status.INACCURATE  # one step is too few
    assert solution.usable
    assert_in_cones(problem, blocks, solution.blocks)


def test_a_rough_solve_without_a_start_has_interior_points(monkeypatch):
    problem = problem_of()
    names, blocks = called(monkeypatch), blocks_of(problem, "relu")
    solver = NativeSolver(gap=1e-9)
    solver.rough_gap = 1e-5
    solver.relu(problem, blocks)
    assert names[0] == "interior_point"


def test_auto_takes_newton_steps_for_gates_unless_the_system_is_large(monkeypatch):
    names = called(monkeypatch)
    solve(problem_of(), "gated", gap=1e-5)
    assert names[-1] == "newton"
    names.clear()
    monkeypatch.setattr(module, "_LARGEST_SYSTEM", 1)
    solve(problem_of(), "gated", gap=1e-5)
    assert names == ["fista"]


def test_newton_systems_take_no_room_before_newton_steps(monkeypatch):
    def refuse(program):
        raise AssertionError("a Newton system was made")

    monkeypatch.setattr(module, "AugmentedLagrangian", refuse)
    solve(problem_of(), "gated", "fista", 1e-5)
    solve(problem_of(), "relu", "interior_point", 1e-5)


@all_ways
def test_a_method_by_name_is_that_method(monkeypatch, method, kind):
    names = called(monkeypatch)
    solve(problem_of(), kind, method, 1e-5)
    if method != "auto":
        assert names[-1] == method


# Refusals


def test_unknown_names_are_in_the_message():
    with pytest.raises(ValueError, match=r"method='simplex'.*'newton'.*'fista'"):
        NativeSolver("simplex")
    with pytest.raises(ValueError, match="dtype='float16'"):
        NativeSolver(dtype="float16")
    for device in ("abacus", "cuda:99"):
        with pytest.raises(ValueError, match=f"device='{device}'"):
            NativeSolver(device=device)
    assert all(NativeSolver(method).method == method for method in METHODS)


def test_solvers_refuse_the_program_that_they_cannot_solve():
    with pytest.raises(ValueError, match=r"solver='fista'.*ReLU programs"):
        solve(problem_of(), "relu", "fista")
    with pytest.raises(ValueError, match=r"solver='interior_point'.*fixed gates"):
        solve(problem_of(), "gated", "interior_point")


@both_kinds
def test_samples_without_weight_are_refused(kind):
    """Their outputs are not determined by dual points."""
    problem = problem_of(sample_weight=np.where(np.arange(18) % 3, 1.0, 0.0))
    with pytest.raises(ValueError, match="weight zero"):
        solve(problem, kind)


def test_gradient_steps_follow_where_newton_steps_would_end_too_late(monkeypatch):
    monkeypatch.setattr(augmented_lagrangian, "product_fits", lambda work, deadline: False)
    problem = problem_of()
    solution = NativeSolver(gap=1e-6).gated(problem, blocks_of(problem, "gated"), time_limit=1e6)
    assert solution.status is Status.CONVERGED
    optimum = GatedProgram(problem, blocks_of(problem, "gated").masks).solve(accuracy=1e-11)
    assert solution.objective <= optimum.objective * (1 + 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_without_time_for_a_newton_step_blocks_stay_where_they_were(monkeypatch, kind):
    problem = problem_of()
    blocks = blocks_of(problem, kind)
    solve = getattr(NativeSolver("newton"), kind)
    best = solve(problem, blocks)
    monkeypatch.setattr(augmented_lagrangian, "product_fits", lambda work, deadline: False)
    solve = getattr(NativeSolver("newton"), kind)
    late = solve(problem, blocks, start=best.blocks, time_limit=1e6)
    assert late.status in (Status.USER_LIMIT, Status.CONVERGED)
    np.testing.assert_allclose(late.objective, best.objective, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_work_of_a_step_grows_with_active_blocks(kind):
    problem = problem_of()
    system = AugmentedLagrangian(
        TensorProgram(problem, blocks_of(problem, kind), cones=kind == "relu")
    )._system
    few, many = (
        ActiveBlocks(torch.arange(k), torch.ones(k, 4), torch.full((k,), 0.5)) for k in (1, 8)
    )
    assert 0 < system.work(few) < system.work(many)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_steps", [0, 1, 2, 4])
def test_the_end_of_time_leaves_no_blocks_that_are_worse_than_the_start(monkeypatch, kind, n_steps):
    """Subproblems raise the objective until they are near their solutions."""
    problem = problem_of(1e-4)
    blocks = blocks_of(problem, kind)
    start = 0.999 * getattr(NativeSolver("newton"), kind)(problem, blocks).blocks
    calls = iter(range(1000))
    monkeypatch.setattr(augmented_lagrangian, "product_fits", lambda *_: next(calls) < n_steps)
    late = getattr(NativeSolver("newton"), kind)(problem, blocks, start=start, time_limit=1e6)
    program = TensorProgram(problem, blocks, cones=kind == "relu")
    first = Iterate(program.from_problem(start), program.target, np.inf, Status.INACCURATE)
    before = program.to_solution(first, 0.0, 0.0).objective
    assert late.objective <= before * (1 + 1e-9)
