"""Native solvers with several outputs, other activations and free biases, against cvxpy and against dense NumPy."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from convexrelu import Status, TrainingProblem
from convexrelu.patterns.cone_projection import ConeProjector
from convexrelu.programs import ReLUProgram
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.native import newton_systems
from convexrelu.solvers.native.newton_systems import ActiveBlocks, ConeSystem
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.solvers.native.tensor_program import TensorProgram

N = 18
X = np.random.default_rng(0).standard_normal((N, 3))
Y = np.maximum(X @ np.random.default_rng(1).standard_normal((3, 3)), 0) + 0.3 * np.square(X)
WEIGHTS = np.random.default_rng(2).exponential(size=N)
ACTIVATIONS = ("relu", "leaky_relu", "absolute_value")
REACHED = {"newton": 1e-8, "interior_point": 1e-6}

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def problem_of(n_outputs, alpha=0.02, **options):
    y = Y[:, 0] if n_outputs == 1 else Y[:, :n_outputs]
    return TrainingProblem(X, y, alpha, negative_slope=0.2, **options)


def blocks_of(problem, count=10, seed=0):
    rng = np.random.default_rng(seed)
    gates = rng.standard_normal((count, problem.design.shape[1]))
    if problem.free_bias:
        gates[:, -1] /= problem.bias_column
    masks = np.unique(gates @ problem.design.T >= 0, axis=0)
    outer = rng.standard_normal((2 * len(masks), problem.n_outputs))
    outer /= np.linalg.norm(outer, axis=1, keepdims=True)
    return Blocks(np.vstack([masks, masks]), outer[:, 0] if problem.n_outputs == 1 else outer)


def maps_of(problem, blocks):
    """Every ``A_j`` as a matrix from ``u`` to flat outputs, times the roots of the weights, without an intercept."""
    root = np.sqrt(problem.weights)
    centre = np.eye(N) - np.outer(root, root) if problem.fit_intercept else np.eye(N)
    outer = blocks.signs.reshape(len(blocks), -1)
    for mask, g in zip(blocks.masks, outer, strict=True):
        hidden = (root * np.where(mask, 1.0, problem.slope))[:, None] * problem.design
        yield np.einsum("nd,k->nkd", centre @ hidden, g).reshape(-1, problem.design.shape[1])


def settings():
    for bias in (True, False, "free"):
        for intercept in (True, False):
            for weight in (None, WEIGHTS):
                if intercept or bias != "free":
                    yield {"hidden_bias": bias, "fit_intercept": intercept, "sample_weight": weight}


def pairs():
    """Every two of these settings, an activation and a number of outputs meet."""
    for i, options in enumerate(settings()):
        for j, activation in enumerate(ACTIVATIONS):
            yield options, activation, 1 + (i + j) % 3


def projections_of(problem, blocks, v):
    """Of ``A_jᵀv`` on the cones."""
    lengths = np.linalg.norm(problem.design, axis=1)
    for mask, A in zip(blocks.masks, maps_of(problem, blocks), strict=True):
        normals = np.where(mask, 1, -1)[:, None] * problem.design / lengths[:, None]
        z = A.T @ v
        yield z + normals.T @ nnls(normals.T, -z)[0]


@pytest.mark.parametrize(("options", "activation", "n_outputs"), list(pairs()))
def test_every_kind_of_problem_is_solved_to_the_optimum_of_cvxpy(options, activation, n_outputs):
    problem = problem_of(n_outputs, activation=activation, **options)
    blocks = blocks_of(problem, count=6)
    accuracy = 1e-8 if problem.free_bias else 1e-10  # where biases are free, CLARABEL fails at less
    expected = ReLUProgram(problem, blocks.masks, blocks.signs).solve(accuracy=accuracy)
    for method, gap in REACHED.items():
        solution = NativeSolver(method, 0.1 * gap).relu(problem, blocks)
        assert solution.objective == pytest.approx(expected.objective, rel=gap + 2e-7)
        assert_solution(problem, blocks, solution, gap)


def assert_solution(problem, blocks, solution, gap):
    """Blocks in their cones with this objective, and outputs with a dual point of that gap."""
    towards = np.where(blocks.masks, 1, -1) * (solution.blocks @ problem.design.T)
    size = np.linalg.norm(solution.blocks, axis=1).max(initial=0.0)
    assert (towards >= -1e-8 * size * np.linalg.norm(problem.design, axis=1)).all()
    slopes = np.where(blocks.masks, 1.0, problem.slope)
    hidden = (slopes * (solution.blocks @ problem.design.T)).T @ blocks.signs
    assert np.shape(solution.intercept) == problem.y.shape[1:]
    fit = (
        0.5
        * problem.weights
        @ np.square((hidden + solution.intercept - problem.y).reshape(N, -1)).sum(axis=1)
    )
    penalty = problem.alpha * np.linalg.norm(solution.blocks, axis=1).sum()
    assert solution.objective == pytest.approx(fit + penalty, rel=1e-9)
    assert solution.outputs.shape == problem.y.shape
    root = np.sqrt(problem.weights)
    v = (root * (problem.y - solution.outputs).T).T.ravel()
    target = (root * (problem.y - problem.best_intercept(problem.no_outputs())).T).T.ravel()
    largest = max(np.linalg.norm(p) for p in projections_of(problem, blocks, v))
    t = min(problem.alpha / largest, v @ target / (v @ v))
    assert 1 - (t * v @ target - 0.5 * t**2 * v @ v) / solution.objective <= gap + 1e-8


# Pieces


@pytest.mark.parametrize("n_outputs", [2, 3])
@every_activation
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_maps_and_their_adjoints_are_those_of_dense_matrices(fit_intercept, activation, n_outputs):
    problem = problem_of(
        n_outputs, activation=activation, fit_intercept=fit_intercept, sample_weight=WEIGHTS
    )
    blocks, rng = blocks_of(problem), np.random.default_rng(0)
    program = TensorProgram(problem, blocks, cones=True)
    maps = np.stack(list(maps_of(problem, blocks))) / problem.units().rho
    u, v = rng.standard_normal((len(blocks), 4)), rng.standard_normal(N * n_outputs)
    expected = np.einsum("jmd,jd->m", maps, u)
    np.testing.assert_allclose(program.push(torch.tensor(u)), expected, atol=1e-13)
    pulled = program.pull(program.centred(torch.tensor(v)))
    np.testing.assert_allclose(pulled, np.einsum("jmd,m->jd", maps, v), atol=1e-13)
    some = torch.tensor([4, 1])
    expected = np.einsum("jmd,jd->m", maps[[4, 1]], u[:2])
    np.testing.assert_allclose(program.push(torch.tensor(u[:2]), some), expected, atol=1e-13)


@pytest.mark.parametrize("n_outputs", [2, 3])
@pytest.mark.parametrize(("count", "many_samples"), [(2, 8), (40, 8), (2, 0)])
def test_newton_directions_solve_the_dense_system(monkeypatch, many_samples, count, n_outputs):
    """On either side, and with the Gram matrix that is kept for many samples."""
    monkeypatch.setattr(newton_systems, "_MANY_SAMPLES", many_samples)
    problem = problem_of(n_outputs, activation="leaky_relu", sample_weight=WEIGHTS)
    blocks, rng = blocks_of(problem, count), np.random.default_rng(0)
    program = TensorProgram(problem, blocks, cones=True)
    cones = ConeProjector(program.rows, program.patterns())
    system = ConeSystem(program, cones)
    maps = np.stack(list(maps_of(problem, blocks))) / problem.units().rho
    gradient = program.centred(torch.tensor(rng.standard_normal(N * n_outputs)))
    everything = torch.arange(len(blocks))
    for tau, some in ((1e-2, everything[::2]), (10.0, everything[1:]), (1e3, everything)):
        points = torch.tensor(rng.standard_normal((len(blocks), 4)))
        p = cones.project(points, everything, 0.0)[some]
        lengths = p.norm(dim=1)
        level = float(lengths[lengths > 1e-6].min()) / 2
        some, p, lengths = (part[lengths > 1e-6] for part in (some, p, lengths))
        active = ActiveBlocks(some, p / lengths[:, None], 1 - level / lengths)
        matrix = np.eye(N * n_outputs)
        for j, theta, along in zip(
            *map(np.asarray, (some, active.shrink, active.directions)), strict=True
        ):
            normals = cones.normals(torch.tensor([j]))[0][0].numpy()
            on_face = np.eye(4) - np.linalg.pinv(normals) @ normals
            J = theta * on_face + (1 - theta) * np.outer(along, along)
            matrix += tau * maps[j] @ J @ maps[j].T
        step = system.direction(gradient, active, tau).numpy()
        expected = np.linalg.solve(matrix, -gradient.numpy())
        np.testing.assert_allclose(step, expected, rtol=0, atol=1e-12 * np.linalg.cond(matrix))


def test_one_output_in_a_plane_is_one_output():
    """Outputs along one axis only: the same as the program of one output."""
    single = problem_of(1)
    blocks = blocks_of(single)
    double = TrainingProblem(X, np.column_stack([Y[:, 0], np.zeros(N)]), single.alpha)
    outer = np.column_stack([blocks.signs, np.zeros(len(blocks))])
    one = NativeSolver("newton", 1e-9).relu(single, blocks)
    two = NativeSolver("newton", 1e-9).relu(double, Blocks(blocks.masks, outer))
    assert two.objective == pytest.approx(one.objective, rel=1e-8)
    np.testing.assert_allclose(two.outputs[:, 0], one.outputs, atol=1e-5)
    np.testing.assert_allclose(two.outputs[:, 1], 0.0, atol=1e-12)


def test_several_outputs_in_single_precision():
    problem = problem_of(2)
    blocks = blocks_of(problem)
    fine = NativeSolver("newton", 1e-8).relu(problem, blocks)
    rough = NativeSolver("newton", 1e-3, dtype="float32").relu(problem, blocks)
    assert rough.status is Status.CONVERGED
    assert rough.objective == pytest.approx(fine.objective, rel=1.5e-3)


def test_several_outputs_with_and_without_a_start():
    problem = problem_of(3)
    blocks, program_solver = blocks_of(problem), NativeSolver(gap=1e-8)
    cold = program_solver.relu(problem, blocks)
    for alpha in (0.05, 0.02):  # the second starts from the first
        warm = program_solver.relu(problem.with_alpha(alpha), blocks)
    assert warm.objective == pytest.approx(cold.objective, rel=2e-8)
    again = NativeSolver(gap=1e-8).relu(problem, blocks, start=cold.blocks)
    assert again.objective == pytest.approx(cold.objective, rel=2e-8)


def test_gates_have_one_output():
    with pytest.raises(ValueError, match="does not support several outputs"):
        problem_of(2, activation="gated_relu")


def test_no_blocks_is_the_best_constant():
    problem = problem_of(2)
    solution = NativeSolver().relu(problem, Blocks.none(N, 2))
    np.testing.assert_allclose(solution.intercept, Y[:, :2].mean(axis=0))
    np.testing.assert_allclose(solution.outputs, np.tile(solution.intercept, (N, 1)))
