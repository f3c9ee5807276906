"""The cutting-plane loop, from the outside."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from convexrelu import SolverWarning, Status, TrainingProblem, TwoLayerNetwork, train
from convexrelu.oracles.for_problem import oracles_for
from convexrelu.oracles.selection import OraclePair
from convexrelu.programs import ReLUProgram
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.solvers.nonconvex.descent import descend
from convexrelu.solvers.nonconvex.network_solver import NetworkSolver
from convexrelu.training.cutting_plane import CuttingPlane
from tests import reference
from tests.honest import assert_certifies

X, Y = reference.teacher(30, 2, 3, 0.1, 0)
WIDE_X, WIDE_Y = reference.teacher(60, 5, 3, 0.1, 1)


REFERENCE = "cvxpy:CLARABEL"


def small(d=2, alpha=0.01, **options):
    inputs, targets = reference.teacher(14, d, 2, 0.2, d)
    return TrainingProblem(inputs, targets, alpha, **options)


def assert_result(problem, result):
    assert_certifies(result.certificate, result.network, problem.X, problem.y, problem.alpha)


# History


@pytest.mark.parametrize("start", [None, "descent"])
@pytest.mark.parametrize("data", [(X, Y), (WIDE_X, WIDE_Y)])
def test_history(data, start):
    seen = []
    problem = TrainingProblem(*data, 0.02)
    result = train(problem, start=start, random_state=0, progress=seen.append)
    history = result.history
    assert seen == history
    shown = 0 if start is None else 1  # descent, before anything is solved or priced
    assert result.n_iter == len(history) - 1 - shown > (2 if start is None else 0)
    assert_result(problem, result)

    objectives = [entry.objective for entry in history]
    assert objectives == sorted(objectives, reverse=True)
    if start is None:
        assert objectives[0] == pytest.approx(0.5 * np.var(data[1]), rel=1e-12)
    seconds = [entry.seconds for entry in history]
    assert seconds == sorted(seconds) and seconds[0] > 0
    for entry in seen:
        gap = (entry.objective - entry.lower_bound) / entry.objective
        assert entry.relative_gap == pytest.approx(max(gap, 0.0), abs=1e-15)
        assert entry.violation >= 0
        assert entry.width >= 0 and entry.n_blocks >= 0
        assert entry.width == entry.network.width
        assert entry.objective == pytest.approx(problem.objective(entry.network), rel=1e-12)
    first, last = history[0], history[-1]
    assert (first.width, first.n_blocks) == (0, 0) or start == "descent"
    assert first.solver_status == ""
    assert start == "descent" or all(entry.n_cuts > 0 for entry in history[:-1])
    assert {entry.solver_status for entry in history[1 + shown :]} <= {
        status.name for status in Status
    }
    assert seen[-1].network is result.network and last.network is None
    assert last.objective == result.certificate.objective
    assert last.lower_bound == result.certificate.lower_bound
    assert last.relative_gap == result.certificate.relative_gap
    assert last.is_proof == result.certificate.is_proof
    assert last.violation == result.certificate.violation
    assert last.width == result.network.width
    assert last.solver_status == result.solver_status.name


# Optimality


@pytest.mark.parametrize("hidden_bias", [True, False])
@pytest.mark.parametrize(
    ("d", "fit_intercept"), [(1, True), (1, False), (2, True), (2, False), (3, True)]
)
def test_small_problems_are_solved_and_proved(d, hidden_bias, fit_intercept):
    problem = small(d, hidden_bias=hidden_bias, fit_intercept=fit_intercept)
    result = train(problem, tol=1e-6, random_state=0)
    enumerated = train(problem, patterns="enumerated", tol=1e-6)
    for one in (result, enumerated):
        assert one.status is Status.CONVERGED
        assert (one.certificate.is_proof, one.certificate.scope) == (True, "global")
        assert one.certificate.relative_gap <= 1e-6
        assert_result(problem, one)
    best = enumerated.certificate.objective
    assert result.certificate.objective == pytest.approx(best, rel=2e-6)
    assert result.certificate.lower_bound <= best
    assert enumerated.certificate.lower_bound <= result.certificate.objective


@pytest.mark.parametrize("d", [1, 2, 8])
def test_searched_certificates_are_estimates(d):
    inputs, targets = reference.teacher(30, d, 2, 0.1, d)
    problem = TrainingProblem(inputs, targets, 0.01)
    result = train(problem, oracle="search", random_state=0)
    certificate = result.certificate
    assert result.status is Status.CONVERGED
    assert not certificate.is_proof
    # The bound of the first round is in closed form.
    assert not any(entry.is_proof for entry in result.history[1:])
    assert (certificate.method, certificate.scope) == ("search", "global")
    assert certificate.n_starts > 0
    assert certificate.proved_lower_bound <= certificate.lower_bound
    assert "(estimated by search" in str(certificate)
    assert_result(problem, result)


def test_every_bound_on_the_way_is_below_the_optimum():
    problem = small()
    optimum = train(problem, patterns="enumerated", tol=1e-8).certificate.objective
    result = train(problem, oracle="cells", random_state=0)
    proved = [entry for entry in result.history if entry.is_proof]
    assert proved
    assert all(entry.lower_bound <= optimum for entry in proved)


def test_the_dual_point_of_the_optimum_is_feasible():
    result = train(small(), tol=1e-6, random_state=0)
    assert 0 <= result.certificate.violation < 1e-3
    assert result.history[0].violation > 0.1


# The original algorithm's oracle


def test_spike_free_stops_early_on_ordinary_data_and_says_so():
    problem = TrainingProblem(X, Y, 0.01)
    best = train(problem, random_state=0).certificate
    result = train(problem, oracle="spike_free", start=None, random_state=0)
    assert result.status is Status.STALLED
    assert result.certificate.is_proof and result.certificate.method == "sweep"
    assert result.certificate.relative_gap > 0.05
    assert result.certificate.lower_bound <= best.lower_bound <= best.objective
    assert best.objective < 0.95 * result.certificate.objective
    assert_result(problem, result)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_spike_free_is_optimal_on_whitened_rows(fit_intercept):
    rows = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0][:4]
    targets = np.array([1.0, -0.5, 2.0, 0.3])
    problem = TrainingProblem(rows, targets, 0.02, hidden_bias=False, fit_intercept=fit_intercept)
    result = train(problem, oracle="spike_free", tol=1e-6, random_state=0)
    assert result.status is Status.CONVERGED
    assert result.certificate.is_proof and result.certificate.relative_gap <= 1e-6
    assert result.network.width > 0
    enumerated = train(problem, patterns="enumerated", tol=1e-6).certificate
    assert result.certificate.objective == pytest.approx(enumerated.objective, rel=2e-6)


# Limits


@pytest.mark.slow
@pytest.mark.parametrize("start", [None, "descent"])
def test_max_iter_is_the_number_of_programs(monkeypatch, start):
    """On data for which three programs leave gaps of some thousandths and more, with any seed."""
    calls = count_calls(monkeypatch)
    problem = TrainingProblem(*reference.teacher(60, 6, 10, 0.1, 0), 3e-4)
    for max_iter in (1, 3):
        calls.clear()
        options = {"max_iter": max_iter, "start": start, "tol": 1e-6, "oracle": "search"}
        result = train(problem, random_state=0, **options)
        assert result.status is Status.MAX_ITER
        assert result.n_iter == len(calls) == max_iter
        assert result.certificate.relative_gap > 1e-6


def test_no_time_is_no_program(monkeypatch):
    calls = count_calls(monkeypatch)
    result = train(TrainingProblem(WIDE_X, WIDE_Y, 0.02), time_limit=0, random_state=0)
    assert (result.status, result.n_iter, result.network.width) == (Status.TIME_LIMIT, 0, 0)
    assert not calls
    assert_certifies(result.certificate, result.network, WIDE_X, WIDE_Y, 0.02)


def test_the_time_that_is_left_goes_to_the_solver(monkeypatch, clock):
    clock.step = 1e-3
    calls = count_calls(monkeypatch)
    train(small(), time_limit=1000.0, start=None, random_state=0)
    limits = [options["time_limit"] for options in calls]
    assert 0 < limits[-1] < limits[0] < 1000.0
    calls.clear()
    train(small(), random_state=0)
    assert all(not np.isfinite(options["time_limit"]) for options in calls)


def test_the_loop_ends_when_time_is_over(clock):
    clock.charge(NativeSolver, "relu", 10.0)
    problem = TrainingProblem(WIDE_X, WIDE_Y, 0.002)
    result = train(problem, time_limit=25.0, start=None, random_state=0)
    assert (result.status, result.n_iter) == (Status.TIME_LIMIT, 3)
    assert result.history[-1].seconds == 30.0
    assert_result(problem, result)


def count_calls(monkeypatch):
    """The keyword arguments of every call of a solver."""
    calls = []

    def count(program_solver):
        original = program_solver.relu

        def counted(self, problem, blocks, **options):
            calls.append(options)
            return original(self, problem, blocks, **options)

        monkeypatch.setattr(program_solver, "relu", counted)

    count(NativeSolver)
    count(NetworkSolver)
    return calls


# Failing solvers


def fail_from(monkeypatch, call, status):
    """From the given program on, the solver returns nothing."""
    original, count = ReLUProgram._call, 0

    def failing(self, solver, options):
        nonlocal count
        count += 1
        return status if count >= call else original(self, solver, options)

    monkeypatch.setattr(ReLUProgram, "_call", failing)


@pytest.mark.parametrize("status", [Status.FAILED, Status.INFEASIBLE])
@pytest.mark.parametrize("call", [1, 3])
def test_a_failing_solver_leaves_the_best_network(monkeypatch, call, status):
    problem = TrainingProblem(X, Y, 0.01)
    options = {"solver": REFERENCE, "start": None, "random_state": 0}
    before = train(problem, **options).history[call - 1]
    fail_from(monkeypatch, call, status)
    with pytest.warns(SolverWarning, match=f"solver='{REFERENCE}'.*{status.name}") as record:
        result = train(problem, **options)
    assert len(record) == 1 and record[0].filename == __file__
    assert result.status is result.solver_status is status
    assert result.n_iter == call
    assert result.certificate.objective == before.objective
    assert f"relative gap of {result.certificate.relative_gap:.1e}" in str(record[0].message)
    assert result.certificate.is_proof  # exact pricing has the last word, failure or not
    assert_result(problem, result)


@pytest.mark.parametrize("call", [1, 3])
def test_a_worse_network_does_not_replace_the_best(monkeypatch, call):
    problem, original, count = TrainingProblem(X, Y, 0.01), NativeSolver.relu, 0

    def worse(self, *args, **options):
        nonlocal count
        count += 1
        solution = original(self, *args, **options)
        if count != call:
            return solution
        return replace(solution, blocks=30.0 * solution.blocks, status=Status.INACCURATE)

    monkeypatch.setattr(NativeSolver, "relu", worse)
    result = train(problem, start=None, random_state=0)
    objectives = [entry.objective for entry in result.history]
    assert objectives[call] == objectives[call - 1]
    assert objectives == sorted(objectives, reverse=True)
    assert result.history[call].solver_status == "INACCURATE"
    assert result.status is Status.CONVERGED
    assert_result(problem, result)


@pytest.mark.parametrize("patterns", ["sampled", "enumerated"])
def test_a_failing_solver_of_fixed_patterns_leaves_the_constant(monkeypatch, patterns):
    fail_from(monkeypatch, 1, Status.FAILED)
    problem = TrainingProblem(X, Y, 0.01)
    with pytest.warns(SolverWarning, match="FAILED"):
        result = train(problem, patterns=patterns, solver=REFERENCE, random_state=0)
    assert (result.status, result.network.width) == (Status.FAILED, 0)
    assert result.certificate.objective == pytest.approx(0.5 * np.var(Y), rel=1e-12)
    assert result.certificate.relative_gap > 1e-3
    assert_result(problem, result)


def test_a_solver_that_raises_has_failed(monkeypatch):
    def raising(self, **options):
        raise ArithmeticError("no factorisation")

    monkeypatch.setattr("cvxpy.Problem.solve", raising)
    with pytest.warns(SolverWarning, match="FAILED"):
        result = train(TrainingProblem(X, Y, 0.01), solver=REFERENCE, random_state=0)
    assert result.status is Status.FAILED


# Start


def test_start_from_the_optimum_needs_little():
    problem = TrainingProblem(X, Y, 0.01)
    cold = train(problem, start=None, random_state=0)
    warm = train(problem, start=cold.network, random_state=0)
    assert warm.n_iter <= 2 < cold.n_iter
    assert warm.status is Status.CONVERGED
    assert warm.certificate.objective == pytest.approx(cold.certificate.objective, rel=1e-3)
    assert_result(problem, warm)


def test_start_takes_the_biases_into_account():
    inputs = np.linspace(-1, 1, 20)[:, None]
    problem = TrainingProblem(inputs, np.abs(inputs[:, 0] - 0.5), 1e-3)
    cold = train(problem, random_state=0)
    warm = train(problem, start=cold.network, random_state=0)
    objective = pytest.approx(cold.certificate.objective, rel=1e-3)
    assert warm.history[0].objective == objective


@pytest.mark.parametrize("width", [0, 1, 40])
def test_start_from_any_network_ends_at_the_optimum(width):
    rng = np.random.default_rng(width)
    weights = rng.standard_normal((width, 2)), rng.standard_normal(width)
    start = TwoLayerNetwork(*weights, rng.standard_normal((1, width)), [5.0])
    problem = TrainingProblem(X, Y, 0.01)
    optimum = train(problem, tol=1e-5, random_state=0).certificate.objective
    result = train(problem, start=start, tol=1e-5, random_state=0)
    assert result.certificate.objective == pytest.approx(optimum, rel=2e-5)
    assert_result(problem, result)


@pytest.mark.parametrize("hidden_bias", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_start_lends_no_bias_that_the_problem_forbids(hidden_bias, fit_intercept):
    """Such a network may be better than the optimum; it must be neither returned nor certified."""
    better = train(TrainingProblem(X, Y + 3.0, 0.01), random_state=0)
    options = {"hidden_bias": hidden_bias, "fit_intercept": fit_intercept}
    problem = TrainingProblem(X, Y + 3.0, 0.01, **options)
    optimum = train(problem, patterns="enumerated", tol=1e-6).certificate
    assert better.certificate.objective <= optimum.objective * (1 + 1e-3)
    result = train(problem, start=better.network, random_state=0)
    assert hidden_bias or not result.network.hidden_bias.any()
    assert fit_intercept or not result.network.output_bias.any()
    assert result.certificate.is_proof
    assert result.certificate.lower_bound <= optimum.objective
    assert optimum.lower_bound <= min(entry.objective for entry in result.history)
    assert_result(problem, result)


def test_start_must_fit():
    problem = TrainingProblem(X, Y, 0.01)
    with pytest.raises(ValueError, match="start takes 3 features, expected 2"):
        train(problem, start=TwoLayerNetwork.constant(3))
    with pytest.raises(ValueError, match="start has 2 outputs"):
        train(problem, start=TwoLayerNetwork.constant(2, [0.0, 0.0]))


def test_nothing_is_said_when_all_is_well():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = train(small(), random_state=0)
    assert result.solver_status is result.status is Status.CONVERGED


# Without time


def no_oracle(v, **options):
    raise AssertionError("there is no time for pricing")


def late(monkeypatch, problem, **options):
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)
    return CuttingPlane(
        problem,
        NativeSolver(),
        OraclePair(no_oracle, no_oracle, exact_cuts=True),
        time_limit=0.0,
        **options,
    )


def test_no_time_for_pricing_leaves_the_bound_in_closed_form(clock, monkeypatch):
    problem = TrainingProblem(WIDE_X, WIDE_Y, 0.01).condensed()
    clock.step = 1e-3
    result = late(monkeypatch, problem).run()
    assert result.status is Status.TIME_LIMIT
    assert result.certificate.method == "relaxation" and result.certificate.is_proof
    assert_certifies(result.certificate, result.network, problem.X, problem.y, problem.alpha)
    start = descend(problem, np.random.RandomState(0))
    result = late(monkeypatch, problem).run(start)
    assert result.status is Status.TIME_LIMIT and result.network.width > 0
    assert_certifies(result.certificate, result.network, problem.X, problem.y, problem.alpha)


def test_descent_does_not_begin_without_the_time_to_evaluate_its_network(clock, monkeypatch):
    problem = TrainingProblem(WIDE_X, WIDE_Y, 0.01).condensed()
    monkeypatch.setattr("convexrelu._utils.deadlines._PRODUCT", 1.0)  # seconds: nothing fits
    clock.step = 1e-3
    result = late(monkeypatch, problem, descend=lambda deadline, look: no_oracle(None)).run()
    assert result.status is Status.TIME_LIMIT
    assert result.network.width == 0


def test_a_start_is_evaluated_once_as_it_is_and_once_with_joined_neurons(monkeypatch):
    problem = TrainingProblem(WIDE_X, WIDE_Y, 0.01).condensed()
    start = problem.merged(descend(problem, np.random.RandomState(0)))
    predicted, original = [], TwoLayerNetwork.predict
    monkeypatch.setattr(
        TwoLayerNetwork,
        "predict",
        lambda self, X: predicted.append(self.width) or original(self, X),
    )
    late(monkeypatch, problem).run(start)
    widths = [width for width in predicted if width]
    # For its outputs, and around the centre of the data for its objective.
    assert widths[:2] == [start.width] * 2
    assert len(widths) == 4 and widths[2] == widths[3] < start.width


def without_cuts(report):
    none = slice(0, 0)
    return replace(
        report,
        masks=report.masks[none],
        signs=report.signs[none],
        directions=report.directions[none],
        values=report.values[none],
    )


def test_a_verified_point_is_not_priced_again_when_time_is_up(clock):
    problem = TrainingProblem(X, Y, 0.05)
    exact, asked = oracles_for(problem, "quick", 0).exact, []

    def slow(v, **options):
        asked.append(v)
        report = without_cuts(exact(v, **options))
        clock.now += 10.0
        return report

    pair = OraclePair(slow, slow, exact_cuts=True)
    result = CuttingPlane(problem, NativeSolver("auto", 1e-3), pair, time_limit=5.0).run()
    assert result.status is Status.TIME_LIMIT and len(asked) == 1
    assert_result(problem, result)


def test_exact_pricing_waits_for_the_program_of_the_first_blocks(monkeypatch):
    """Blocks of a start are those of descent: what is proved before their program is solved is proved twice."""
    problem = TrainingProblem(X, Y, 0.05)
    start = descend(problem, np.random.RandomState(0))
    oracles = oracles_for(problem, "quick", 0)
    solved, asked = [], []
    original = CuttingPlane._solve_program

    def kept(self, blocks, values):
        solved.append(len(blocks))
        return original(self, blocks, values)

    def exact(v, **options):
        asked.append(len(solved))
        return oracles.exact(v, **options)

    def nothing(v, **options):
        return without_cuts(oracles.heuristic(v, **options))

    monkeypatch.setattr(CuttingPlane, "_solve_program", kept)
    pair = OraclePair(nothing, exact, exact_cuts=True)
    result = CuttingPlane(problem, NativeSolver("auto", 1e-3), pair).run(start)
    assert asked and min(asked) >= 1
    assert_result(problem, result)
