"""Programs of every loss: optimality by weak duality, without cvxpy; and the reference besides."""

import time

import numpy as np
import pytest
from scipy.optimize import nnls

from convexrelu import Status, TrainingProblem
from convexrelu.losses import LOSSES, Huber, Quantile
from convexrelu.programs import GatedProgram, ReLUProgram
from convexrelu.programs.blocks import Blocks
from convexrelu.programs.neuron_map import blocks_of as network_blocks
from convexrelu.solvers.native import loss_interior_point as module
from convexrelu.solvers.native.loss_interior_point import loss_interior_point
from convexrelu.solvers.nonconvex.descent import descend

REAL = ("squared_error", "absolute_error", "huber", "quantile")
MARGINS = ("logistic", "hinge", "squared_hinge")
N = 40
WEIGHTS = np.random.default_rng(3).exponential(size=N)


def data(name, n_outputs=1, n=N, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    k = 3 if name == "multinomial" else n_outputs
    y = np.maximum(X @ rng.standard_normal((2, 4)), 0) @ rng.standard_normal((4, k))
    y = y / y.std() + 0.2 * rng.standard_normal((n, k))
    if name == "multinomial":
        return X, (y - y.mean(axis=0)).argmax(axis=1).astype(float)
    if name == "poisson":
        y = rng.poisson(np.exp(y.clip(-2, 2))).astype(float)
    if name in MARGINS:
        y = np.where(y > np.median(y), 1.0, -1.0)
    return X, y[:, 0] if n_outputs == 1 else y


def problem_of(name, alpha=0.01, n_outputs=1, n=N, **options):
    return TrainingProblem(*data(name, n_outputs, n), alpha, loss=name, **options)


def blocks_of(problem, count=10):
    rng = np.random.default_rng(1)
    gates = rng.standard_normal((count, problem.design.shape[1]))
    masks = np.unique(gates @ problem.design.T >= 0, axis=0)
    if problem.n_outputs == 1:
        return Blocks.both_signs(masks)
    outer = rng.standard_normal((len(masks), problem.n_outputs))
    return Blocks(masks, outer / np.linalg.norm(outer, axis=1, keepdims=True))


def maps_of(problem, blocks):
    """``A_j`` one by one, of shape (B, n, K, d̃), K = 1 for one output."""
    outer = blocks.signs.reshape(len(blocks), -1)
    slopes = np.where(blocks.masks, 1.0, problem.slope)
    return np.einsum("jn,jk,nd->jnkd", slopes, outer, problem.design)


def largest_value(problem, blocks, v, cones):
    """``max_j ‖projection of A_jᵀv on K_j‖`` by non-negative least squares."""
    values = [0.0]
    v = v.reshape(len(v), -1)
    for mask, A in zip(blocks.masks, maps_of(problem, blocks), strict=True):
        point = np.einsum("nkd,nk->d", A, v)
        sides = np.where(mask, 1.0, -1.0)[:, None] * problem.design
        sides = sides / np.linalg.norm(sides, axis=1, keepdims=True)
        values.append(nnls(sides.T, -point)[1] if cones else np.linalg.norm(point))
    return max(values)


def assert_optimal(problem, blocks, solution, cones, gap=1e-7):
    """The solution as it stands, judged by the printed formulas."""
    assert solution.status is Status.CONVERGED
    outputs = np.einsum("jnkd,jd->nk", maps_of(problem, blocks), solution.blocks)
    outputs = outputs.reshape(problem.no_outputs().shape) + solution.intercept
    np.testing.assert_allclose(solution.outputs, outputs, atol=1e-9 * (1 + np.abs(outputs).max()))
    penalty = problem.alpha * np.linalg.norm(solution.blocks, axis=1).sum()
    primal = problem.weights @ problem.loss.value(outputs, problem.y) + penalty
    assert solution.objective == pytest.approx(primal, rel=1e-9, abs=1e-12)
    if not problem.fit_intercept:
        assert np.all(solution.intercept == 0)
    if cones and len(blocks):
        sides = np.where(blocks.masks, 1.0, -1.0) * (solution.blocks @ problem.design.T)
        assert sides.min() >= -1e-7 * (1 + np.abs(sides).max())
    assert largest_value(problem, blocks, solution.dual, cones) <= problem.alpha * (1 + 1e-9)
    assert problem.dual(solution.dual) >= primal - gap * abs(primal) - 1e-12


# Every two of a loss, a penalty and a kind of program meet.
@pytest.mark.parametrize(
    ("name", "alpha", "cones"),
    [
        (name, alpha, (k + j) % 2 == 0)
        for k, name in enumerate(LOSSES)
        for j, alpha in enumerate((0.05, 0.001))
    ],
)
def test_every_loss_is_solved(name, alpha, cones):
    problem = problem_of(name, alpha)
    blocks = blocks_of(problem)
    assert_optimal(problem, blocks, loss_interior_point(problem, blocks, cones=cones), cones)


@pytest.mark.parametrize("name", ["absolute_error", "hinge", "quantile"])
@pytest.mark.parametrize("seed", [2, 3, 6, 10])
def test_programs_with_more_samples_on_kinks_than_unknowns_are_solved(name, seed):
    """Of some of their systems, the Cholesky factor does not exist in double precision."""
    X, y = data(name, seed=seed)
    problem = TrainingProblem(X, y, 0.001, loss=name, sample_weight=WEIGHTS, hidden_bias=False)
    blocks = blocks_of(problem)
    assert_optimal(problem, blocks, loss_interior_point(problem, blocks, cones=True), True)


@pytest.mark.parametrize("name", LOSSES)
def test_options(name, options):
    problem = problem_of(name, **options)
    blocks = blocks_of(problem)
    assert_optimal(problem, blocks, loss_interior_point(problem, blocks, cones=True), True)


@pytest.mark.parametrize("name", ["hinge", "absolute_error", "logistic", "multinomial"])
@pytest.mark.parametrize(
    "kind",
    [
        {"activation": "leaky_relu", "negative_slope": 0.3},
        {"activation": "absolute_value"},
        {"hidden_bias": "free"},
    ],
    ids=["leaky", "absolute", "free"],
)
def test_other_networks(name, kind):
    problem = problem_of(name, **kind)
    blocks = blocks_of(problem)
    assert_optimal(problem, blocks, loss_interior_point(problem, blocks, cones=True), True)


@pytest.mark.parametrize("name", [*REAL, "poisson"])
def test_several_outputs(name):
    problem = problem_of(name, n_outputs=3)
    blocks = blocks_of(problem)
    assert_optimal(problem, blocks, loss_interior_point(problem, blocks, cones=True), True)


@pytest.mark.parametrize("name", LOSSES)
def test_many_samples_and_few_blocks(name):
    """More outputs than entries of all blocks: the other elimination."""
    problem = problem_of(name, 0.002, n=150)
    blocks = blocks_of(problem, 3)
    assert problem.no_outputs().size > len(blocks) * 3
    assert_optimal(problem, blocks, loss_interior_point(problem, blocks, cones=True), True)


@pytest.mark.parametrize("loss", [Huber(0.1), Quantile(0.9)], ids=repr)
def test_parameters_of_losses(loss):
    X, y = data("huber")
    problem = TrainingProblem(X, y, 0.005, loss=loss)
    blocks = blocks_of(problem)
    assert_optimal(problem, blocks, loss_interior_point(problem, blocks, cones=True), True)


@pytest.mark.parametrize("name", LOSSES)
def test_the_reference_agrees(name):
    problem = problem_of(name)
    blocks = blocks_of(problem, 5)
    relu = ReLUProgram(problem, blocks.masks, blocks.signs).solve(accuracy=1e-9)
    native = loss_interior_point(problem, blocks, cones=True)
    assert native.objective == pytest.approx(relu.objective, rel=1e-5)
    if problem.n_outputs == 1:
        gates = Blocks(blocks.masks[: len(blocks) // 2], np.ones(len(blocks) // 2))
        gated = GatedProgram(problem, gates.masks).solve(accuracy=1e-9)
        native = loss_interior_point(problem, gates, cones=False)
        assert native.objective == pytest.approx(gated.objective, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_no_blocks_and_none_that_pays(name):
    problem = problem_of(name, 100.0)
    best = problem.objective(problem.zero_network())
    nothing = Blocks.none(N, problem.n_outputs)
    solution = loss_interior_point(problem, nothing, cones=True)
    assert solution.blocks.shape == (0, 3) and solution.objective == pytest.approx(best, rel=1e-6)
    blocks = blocks_of(problem)
    solution = loss_interior_point(problem, blocks, cones=True)
    assert_optimal(problem, blocks, solution, True)
    assert not solution.blocks.any() and solution.objective == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("name", ["hinge", "logistic"])
def test_blocks_without_a_use_are_zero(name):
    problem = problem_of(name, 0.05)
    blocks = blocks_of(problem)
    solution = loss_interior_point(problem, blocks, cones=True)
    lengths = np.linalg.norm(solution.blocks, axis=1)
    assert (lengths == 0).any() and (lengths[lengths > 0] > 1e-5 * lengths.max()).all()


def test_constant_targets():
    X, _ = data("absolute_error")
    problem = TrainingProblem(X, np.full(N, 0.1), 0.01, loss="absolute_error")
    solution = loss_interior_point(problem, blocks_of(problem), cones=True)
    assert solution.objective == 0 and not solution.blocks.any()
    np.testing.assert_array_equal(solution.outputs, 0.1)


def test_duplicate_and_zero_rows():
    X, y = data("hinge")
    X, y = np.vstack([X, X, np.zeros((2, 2))]), np.concatenate([y, y, [1.0, -1.0]])
    problem = TrainingProblem(X, y, 0.01, loss="hinge", hidden_bias=False)
    blocks = blocks_of(problem)
    solution = loss_interior_point(problem, blocks, cones=True)
    assert solution.status is Status.CONVERGED
    gap = solution.objective - problem.dual(solution.dual)
    assert gap <= 1e-7 * solution.objective


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("name", REAL)
def test_targets_in_other_units(name, scale):
    X, y = data(name)
    degree = {"squared_error": 2, "huber": 2}.get(name, 1)
    loss = {"huber": Huber(scale)}.get(name, name)
    problem = TrainingProblem(X, scale * y, 0.01 * scale ** (degree - 1), loss=loss)
    solution = loss_interior_point(problem, blocks_of(problem), cones=True)
    assert solution.status is Status.CONVERGED
    same = problem_of(name)
    expected = loss_interior_point(same, blocks_of(same), cones=True).objective
    assert solution.objective == pytest.approx(scale**degree * expected, rel=1e-7)


def test_time_is_up():
    problem = problem_of("hinge")
    now = time.perf_counter()
    solution = loss_interior_point(problem, blocks_of(problem), cones=True, deadline=now)
    assert solution.status is Status.USER_LIMIT and solution.usable
    assert problem.dual(solution.dual) <= solution.objective


def test_steps_that_would_end_too_late_are_not_begun(monkeypatch, clock):
    problem, steps = problem_of("hinge"), []
    original = module._advance

    def slow(*args):
        steps.append(1)
        clock.now += 1.0
        return original(*args)

    monkeypatch.setattr(module, "_advance", slow)
    loss_interior_point(problem, blocks_of(problem), cones=True, deadline=clock.now + 3.5)
    assert len(steps) == 3
    steps.clear()
    monkeypatch.setattr(module, "product_fits", lambda work, deadline: work <= 0)
    solution = loss_interior_point(problem, blocks_of(problem), cones=True, deadline=clock.now + 9)
    assert not steps
    assert solution.status is Status.USER_LIMIT
    assert problem.dual(solution.dual) <= solution.objective


@pytest.mark.parametrize("cones", [True, False])
@pytest.mark.parametrize("name", LOSSES)
def test_a_program_is_not_written_down_without_the_time_for_it(monkeypatch, name, cones):
    """What is returned is the best constant, with a dual point that bounds the optimum from below."""
    problem = problem_of(name)
    blocks = blocks_of(problem)
    optimum = loss_interior_point(problem, blocks, cones=cones).objective
    monkeypatch.setattr(module, "LossProgram", None)  # a call of it fails
    monkeypatch.setattr(module, "product_fits", lambda work, deadline: work <= 0)
    solution = loss_interior_point(problem, blocks, cones=cones)
    assert solution.status is Status.USER_LIMIT and solution.usable
    assert not solution.blocks.any() and solution.blocks.shape == (len(blocks), 3)
    network = problem.zero_network()
    assert solution.objective == pytest.approx(problem.objective(network))
    np.testing.assert_allclose(solution.outputs, network.predict(problem.X))
    scale = problem.alpha / max(largest_value(problem, blocks, solution.dual, cones), problem.alpha)
    assert problem.dual(scale * solution.dual) <= optimum * (1 + 1e-9)


def test_work_of_a_softmax_counts_the_outputs_of_its_systems():
    problem = problem_of("multinomial")
    program = module.LossProgram(problem, blocks_of(problem), True, "cpu")
    assert program.n_equations == 2 * problem.n_samples
    n, size = 2.0 * problem.n_samples, 3.0 * len(program.blocks)
    assert module._work_of_step(program) >= n * min(n, size) ** 2


def test_what_cannot_be_reached_ends_inaccurate_and_near():
    problem = problem_of("hinge")
    solution = loss_interior_point(problem, blocks_of(problem), cones=True, gap=0.0)
    assert solution.status is Status.INACCURATE
    gap = solution.objective - problem.dual(solution.dual)
    assert gap <= 1e-7 * solution.objective


@pytest.mark.parametrize("seed", range(2))
def test_uneven_weights_do_not_shorten_the_steps(monkeypatch, seed):
    """One sample weighs as much as all others: fifteen to seventeen steps, not the 21 to 27 of one length for all."""
    rng = np.random.default_rng(seed)
    n, count = 1000, 60
    X, y = rng.standard_normal((n, 4)), np.where(np.arange(n) == 0, 1.0, -1.0)
    weights = np.where(y > 0, n - 1.0, 1.0)
    problem = TrainingProblem(X, y, 0.01, loss="logistic", sample_weight=weights)
    masks = rng.standard_normal((count, 5)) @ problem.design.T >= 0
    blocks = Blocks(masks, np.where(np.arange(count) % 2, 1.0, -1.0))
    steps, advance = [], module._advance
    monkeypatch.setattr(module, "_advance", lambda *args: steps.append(0) or advance(*args))
    solution = loss_interior_point(problem, blocks, cones=True, gap=1e-5)
    assert solution.status is Status.CONVERGED and len(steps) <= 19


def test_certain_samples_do_not_shorten_the_steps_of_a_softmax(monkeypatch):
    """Patterns that fit the classes: 29 steps, not the 59 of one length for all."""
    random = np.random.RandomState(3)
    X = random.standard_normal((240, 3))
    score = np.abs(X[:, 0]) - 0.5 * X[:, 1] + 0.1 * random.standard_normal(240)
    y = np.digitize(score, [0.0, 1.0]).astype(float)
    problem = TrainingProblem(X, y, 0.01, loss="multinomial")
    blocks, _ = network_blocks(descend(problem, np.random.RandomState(0)), problem)
    steps, advance = [], module._advance
    monkeypatch.setattr(module, "_advance", lambda *args: steps.append(0) or advance(*args))
    solution = loss_interior_point(problem, blocks, cones=True, gap=1e-4)
    assert solution.status is Status.CONVERGED
    assert len(steps) <= 40
