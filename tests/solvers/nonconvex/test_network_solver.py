"""The solver that trains the network itself."""

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.oracles import OracleReport
from convexrelu.programs.blocks import Blocks
from convexrelu.programs.neuron_map import blocks_of, recover_relu
from convexrelu.solvers.nonconvex import network_solver
from convexrelu.solvers.nonconvex.descent import RoundedObjective
from convexrelu.solvers.nonconvex.network_solver import NetworkSolver, best_length
from convexrelu.training.cuts import oriented
from tests import reference

X, Y = reference.teacher(40, 3, 3, 0.1, 0)
TWO = np.column_stack([Y, np.abs(X[:, 0])])
CLASSES = np.digitize(Y, np.quantile(Y, [1 / 3, 2 / 3])).astype(float)
RNG = np.random.default_rng(0)


def problem_of(loss="squared_error", y=Y, alpha=0.01, **options):
    return TrainingProblem(X, y, alpha, loss=loss, **options)


PROBLEMS = {
    "one output": problem_of(),
    "two outputs": problem_of(y=TWO),
    "classes": problem_of("multinomial", CLASSES),
    "poisson, leaky": problem_of("poisson", np.floor(np.abs(3 * Y)), activation="leaky_relu"),
    "absolute values, no bias": problem_of(activation="absolute_value", hidden_bias=False),
    "free biases": problem_of("multinomial", CLASSES, hidden_bias="free"),
    "no intercept": problem_of("logistic", np.sign(Y), fit_intercept=False),
}


@pytest.fixture(params=PROBLEMS)
def problem(request):
    return PROBLEMS[request.param]


def some_network(problem, width=6):
    rng = np.random.default_rng(1)
    bias = rng.standard_normal(width) if problem.hidden_bias else np.zeros(width)
    parts = rng.standard_normal((width, 3)), bias, rng.standard_normal((problem.n_outputs, width))
    outer = 0.1 * parts[2]
    c = np.zeros(problem.n_outputs)
    network = TwoLayerNetwork(*parts[:2], outer, c, negative_slope=problem.slope)
    return problem.balanced(network)


def cuts_of(problem, number=5):
    """Blocks of which there is a direction only, with the outer weights that lower the loss of a constant."""
    rng = np.random.default_rng(2)
    directions = rng.standard_normal((number, 3)) @ np.eye(3, problem.design.shape[1])
    seen = problem.design @ directions.T
    v = problem.dual_point(problem.no_outputs()).reshape(len(X), -1)
    outer = np.where(seen > 0, seen, problem.slope * seen).T @ v
    outer /= np.linalg.norm(outer, axis=1, keepdims=True)
    return Blocks(seen.T >= 0, outer[:, 0] if problem.n_outputs == 1 else outer, directions)


def test_the_solution_is_a_network_in_its_own_blocks(problem):
    blocks, values = blocks_of(some_network(problem), problem)
    solution = NetworkSolver().relu(problem, blocks, start=values)
    network = recover_relu(problem, solution, solution.moved)
    # Neurons are balanced anew, which may gain a part of what descent left: it ends at a drop of 1e-5.
    assert problem.objective(network) <= solution.objective * (1 + 1e-9)
    assert problem.objective(network) == pytest.approx(solution.objective, rel=1e-5)
    np.testing.assert_allclose(network.predict(X), solution.outputs, rtol=0, atol=1e-5)
    assert problem.objective(network) < problem.objective(some_network(problem))


def test_new_directions_lower_the_objective(problem):
    blocks, values = blocks_of(some_network(problem, 1), problem)
    program_solver, cuts = NetworkSolver(), cuts_of(problem)
    alone = program_solver.relu(problem, blocks, start=values)
    start = np.vstack([values, np.zeros((len(cuts), values.shape[1]))])
    together = program_solver.relu(problem, blocks.join(cuts), start=start)
    assert together.objective < alone.objective
    # From no neuron at all:
    fresh = program_solver.relu(problem, cuts)
    assert fresh.objective < problem.objective(problem.zero_network())


def test_the_first_length_is_the_best(problem):
    network = problem.zero_network()
    cuts = cuts_of(problem)
    units = cuts.directions / np.linalg.norm(cuts.directions, axis=1)[:, None]
    best = best_length(problem, network, units, cuts.signs)
    assert best >= 0
    zero = np.zeros(problem.n_outputs)
    outputs = network.predict(X)
    added = problem.network(units, cuts.signs, zero).predict(X)
    objectives = [
        problem.data_fit(outputs + t * added) + problem.alpha * t * len(units)
        for t in (best, 0.0, 0.9 * best, 1.1 * best)
    ]
    assert objectives[0] <= min(objectives) + 1e-5


def test_cutting_planes_close_the_gap_with_it(problem):
    result = train(problem, solver=NetworkSolver(), oracle="search", tol=0.01, random_state=0)
    assert result.certificate.relative_gap < 0.05
    objectives = [entry.objective for entry in result.history]
    assert (np.diff(objectives) <= 0).all()
    assert problem.objective(result.network) == pytest.approx(objectives[-1])


def test_it_is_as_good_as_a_convex_program():
    problem = problem_of()
    convex = train(problem, oracle="search", random_state=0)
    local = train(problem, solver=NetworkSolver(), oracle="search", random_state=0)
    assert local.certificate.objective <= 1.01 * convex.certificate.objective
    assert convex.certificate.lower_bound <= local.certificate.objective * (1 + 1e-9)


def test_the_time_limit_is_kept(clock):
    inputs, targets = reference.teacher(2000, 20, 5, 0.1, 0)
    problem = TrainingProblem(inputs, targets, 1e-4)
    blocks, values = blocks_of(
        TwoLayerNetwork(RNG.standard_normal((80, 20)), np.zeros(80), np.ones((1, 80)), [0.0]),
        problem,
    )
    clock.charge(RoundedObjective, "__call__", 0.01)
    deadline = clock.now + 0.2
    solution = NetworkSolver().relu(problem, blocks, start=values, time_limit=0.2)
    # The step that is under way is finished, with a search of at most twenty values along a line.
    assert deadline < clock.now < deadline + 0.21
    assert solution.objective < problem.objective(problem.network(values, blocks.signs, 0.0))
    assert solution.usable and solution.status.name == "TIME_LIMIT"


def test_what_is_missing_is_said():
    blocks = Blocks(np.ones((1, 40), dtype=bool), np.ones(1))
    with pytest.raises(ValueError, match="does not support loss='absolute_error'"):
        NetworkSolver().relu(problem_of("absolute_error"), blocks)
    with pytest.raises(ValueError, match="does not support gated programs"):
        NetworkSolver().gated(problem_of(), blocks)


def test_no_witness_is_no_cut():
    """What an oracle without time reports."""
    none = OracleReport(
        bound=np.inf,
        is_proof=False,
        scope="global",
        method="",
        directions=np.zeros((0, 4)),
        signs=np.zeros((0, 2)),
        values=np.zeros(0),
        masks=np.zeros((0, 40), dtype=bool),
    )
    assert oriented(none).shape == (0, 8)


# Blocks with directions


def test_blocks_keep_their_directions():
    masks, signs = np.eye(3, dtype=bool), np.ones(3)
    bare, known = Blocks(masks, signs), Blocks(masks, -signs, np.arange(6.0).reshape(3, 2))
    joined = bare.join(known)
    np.testing.assert_array_equal(
        joined.directions, np.vstack([np.zeros((3, 2)), known.directions])
    )
    np.testing.assert_array_equal(joined.select([4]).directions, [[2.0, 3.0]])
    np.testing.assert_array_equal(joined.join(known).directions[3:6], known.directions)
    assert bare.join(bare).directions is None and known.join(bare).directions is None
    assert bare.select([0]).directions is None


@pytest.mark.parametrize(("kind", "part"), [("one output", 0.03), ("classes", 1.0)])
def test_new_neurons_of_several_outputs_are_as_long_as_others(monkeypatch, kind, part):
    """Shorter ones stand still until descent ends."""
    problem, given = PROBLEMS[kind], []
    monkeypatch.setattr(
        network_solver, "polish", lambda problem, network, *a, **k: given.append(network) or network
    )
    blocks, values = blocks_of(some_network(problem), problem)
    cuts = cuts_of(problem)
    start = np.vstack([values, np.zeros((len(cuts), values.shape[1]))])
    NetworkSolver().relu(problem, blocks.join(cuts), start=start)
    mean = np.linalg.norm(values, axis=1).mean()
    _, grown = blocks_of(given[0], problem)
    lengths = np.linalg.norm(grown, axis=1)
    assert len(lengths) == len(values) + len(cuts)
    assert lengths.min() >= min(part * mean, np.linalg.norm(values, axis=1).min()) * (1 - 1e-9)
    own = np.linalg.norm(values, axis=1)
    new = [length for length in lengths if np.abs(length / own - 1).min() > 1e-9]
    assert min(new) >= part * mean * (1 - 1e-9)
