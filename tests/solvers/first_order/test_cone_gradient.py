"""The first-order solver for fixed patterns, against interior points on the same programs."""

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, train
from convexrelu.oracles.program.pattern_search import PatternSearch
from convexrelu.patterns import sample_patterns
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers import automatic
from convexrelu.solvers.first_order.cone_gradient import ConeGradientSolver
from convexrelu.solvers.native.solver import NativeSolver

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 3))
LABELS = (X @ RNG.standard_normal((3, 3)) + 0.3 * RNG.standard_normal((24, 3))).argmax(axis=1)
COUNTS = np.exp(0.3 * X[:, :2])
LOSSES = {
    "multinomial": LABELS.astype(float),
    "squared_error": X[:, :2] * X[:, 1:],
    "poisson": COUNTS,
    "huber": X[:, :2] * X[:, 1:],
}


def program(loss="multinomial", **options):
    """A problem, and blocks that violate the dual constraints of the constant network."""
    problem = TrainingProblem(X, LOSSES[loss], 0.1, loss=loss, **options).condensed()
    patterns = sample_patterns(problem.design, 6, np.random.RandomState(0))
    v = problem.dual_point(problem.no_outputs())
    report = PatternSearch(problem.design, patterns.masks, slope=problem.slope)(v)
    return problem, Blocks(report.masks, report.signs, report.directions)


def solved(problem, blocks):
    """Calls that start from each other, until the last settles."""
    program_solver, start = ConeGradientSolver(), None
    for _ in range(200):
        solution = program_solver.relu(problem, blocks, start=start)
        if solution.status is Status.CONVERGED:
            return solution
        start = solution.blocks
    raise AssertionError("it does not settle")


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        *({"loss": loss} for loss in LOSSES),
        {"activation": "leaky_relu"},
        {"hidden_bias": False, "fit_intercept": False},
        {"sample_weight": np.arange(1.0, 25.0)},
    ],
)
def test_optimum_is_that_of_interior_points(options):
    problem, blocks = program(**options)
    expected = NativeSolver("auto", gap=1e-8).relu(problem, blocks)
    solution = solved(problem, blocks)
    assert solution.objective == pytest.approx(expected.objective, rel=1e-4)
    towards = np.where(blocks.masks, 1.0, -1.0) * (solution.blocks @ problem.design.T)
    assert towards.min() >= -1e-8
    slopes = np.where(blocks.masks, 1.0, problem.slope)
    outputs = (slopes * (solution.blocks @ problem.design.T)).T @ blocks.signs
    np.testing.assert_allclose(solution.outputs, outputs + solution.intercept)
    penalty = problem.alpha * np.linalg.norm(solution.blocks, axis=1).sum()
    assert solution.objective == pytest.approx(problem.data_fit(solution.outputs) + penalty)


def test_blocks_of_no_use_are_zero():
    problem, blocks = program()
    solution = ConeGradientSolver().relu(problem.with_alpha(10.0), blocks)
    assert solution.status is Status.CONVERGED and not solution.blocks.any()


@pytest.mark.slow
def test_a_start_is_not_lost_when_there_is_no_time():
    problem, blocks = program("squared_error")
    good = solved(problem, blocks)
    solution = ConeGradientSolver().relu(problem, blocks, start=good.blocks, time_limit=0.0)
    assert solution.status in (Status.TIME_LIMIT, Status.CONVERGED)
    assert solution.objective <= good.objective * (1 + 1e-6)


@pytest.mark.parametrize("options", [{"loss": "absolute_error"}, {"skip": True}, {"y": X[:, 0]}])
def test_refuses_what_it_lacks(options):
    options = {"y": X[:, :2], **options}
    if options.get("skip"):
        options["skip_alpha"] = 0.1
    problem = TrainingProblem(X, options.pop("y"), 0.1, **options)
    blocks = Blocks.none(len(X), problem.n_outputs)
    with pytest.raises(ValueError, match="does not support"):
        ConeGradientSolver().relu(problem, blocks)
    with pytest.raises(ValueError, match="does not support gated"):
        ConeGradientSolver().gated(problem, blocks)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::convexrelu.results.SolverWarning")  # the gap is what counts
def test_training_with_it_ends_near_training_without(monkeypatch):
    labels = np.r_[np.arange(5), (X @ RNG.standard_normal((3, 5))).argmax(axis=1)[5:]]
    problem = TrainingProblem(X, labels.astype(float), 0.2, loss="multinomial")
    options = {"patterns": "sampled", "n_patterns": 5, "random_state": 0}
    exact = train(problem, **options)
    calls, relu = [], ConeGradientSolver.relu

    def counted(*args, **options):
        calls.append(args)
        return relu(*args, **options)

    monkeypatch.setattr(ConeGradientSolver, "relu", counted)
    monkeypatch.setattr(automatic, "_SLOW_ITERATION", 0.0)
    result = train(problem, **options)
    assert calls and result.network.width
    assert result.certificate.scope == "program"
    assert result.certificate.objective == pytest.approx(exact.certificate.objective, rel=0.01)
    assert result.certificate.lower_bound <= exact.certificate.objective
    assert result.certificate.objective == pytest.approx(problem.objective(result.network))
