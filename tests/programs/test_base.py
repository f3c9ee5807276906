import cvxpy as cp
import numpy as np
import pytest

from convexrelu import Status, TrainingProblem
from convexrelu.oracles import PatternOracle
from convexrelu.problem.dual import lower_bound
from convexrelu.programs import GatedProgram, ReLUProgram, solver_options
from convexrelu.programs.blocks import Blocks
from tests import reference

SOLVERS = ("CLARABEL", "ECOS", "SCS")
X, Y = reference.teacher(12, 2, 3, 0.2, 3)
WEIGHTS = np.random.default_rng(0).exponential(size=12)


def problem_of(hidden_bias=True, fit_intercept=True, weight=None, alpha=0.03):
    return TrainingProblem(
        X, Y, alpha, hidden_bias=hidden_bias, fit_intercept=fit_intercept, sample_weight=weight
    )


@pytest.fixture(params=[(h, i, w) for h in (0, 1) for i in (0, 1) for w in (None, WEIGHTS)])
def problem(request):
    return problem_of(*request.param)


def masks_of(problem, count=12):
    gates = np.random.default_rng(0).standard_normal((count, problem.design.shape[1]))
    return np.unique(gates @ problem.design.T >= 0, axis=0)


def relu(problem):
    blocks = Blocks.both_signs(masks_of(problem))
    return ReLUProgram(problem, blocks.masks, blocks.signs)


def gated(problem):
    return GatedProgram(problem, masks_of(problem))


def printed_objective(program, solution):
    """The formula of the program at a solution, in the units of the data."""
    problem = program.problem
    terms = program.masks * (solution.blocks @ problem.design.T)
    f = (getattr(program, "signs", np.ones(len(terms))) @ terms) + solution.intercept
    np.testing.assert_allclose(solution.outputs, f, atol=1e-9 * np.abs(Y).max())
    norms = np.linalg.norm(solution.blocks, axis=1).sum()
    return 0.5 * problem.weights @ (f - problem.y) ** 2 + problem.alpha * norms


@pytest.mark.parametrize("make", [relu, gated])
def test_solutions_are_optimal_by_their_own_certificate(make, problem):
    program = make(problem)
    solution = program.solve(accuracy=1e-11)
    assert solution.status is Status.CONVERGED and solution.usable
    value = printed_objective(program, solution)
    assert solution.objective == pytest.approx(value, rel=1e-8)
    v = problem.dual_point(solution.outputs)
    signs = getattr(program, "signs", None)
    oracle = PatternOracle(problem.design, program.masks, signs=signs, cones=make is relu)
    bound = lower_bound(problem, v, oracle(v).bound)
    assert bound == pytest.approx(value, rel=1e-5)
    assert bound <= value * (1 + 1e-9)
    if make is relu:
        towards = np.where(program.masks, 1, -1) * (solution.blocks @ problem.design.T)
        assert (towards >= -1e-8 * np.abs(solution.blocks).max()).all()
    if not problem.fit_intercept:
        assert solution.intercept == 0.0


def test_relu_program_is_the_reference(problem):
    weight = None if problem.weights[0] == problem.weights[1] else WEIGHTS
    optimum = reference.train_exactly(
        X,
        Y,
        problem.alpha,
        hidden_bias=problem.hidden_bias,
        fit_intercept=problem.fit_intercept,
        sample_weight=weight,
        masks=masks_of(problem),
    )
    assert relu(problem).solve().objective == pytest.approx(optimum, rel=1e-7)


@pytest.mark.parametrize("make", [relu, gated])
def test_solvers_agree(make, problem):
    program = make(problem)
    values = [program.solve(solver, accuracy=1e-8).objective for solver in SOLVERS]
    np.testing.assert_allclose(values, values[0], rtol=1e-5)


def test_gated_is_below_relu(problem):
    assert gated(problem).solve().objective <= relu(problem).solve().objective * (1 + 1e-8)


@pytest.mark.parametrize("unit_x", [1e-6, 1e4])
@pytest.mark.parametrize("unit_y", [1e-4, 1e6])
def test_units_do_not_matter(unit_x, unit_y):
    # The rescaled problem has the same solution, in other units.
    plain = problem_of(hidden_bias=False)
    scaled = TrainingProblem(
        unit_x * X, unit_y * Y, unit_x * unit_y * plain.alpha, hidden_bias=False
    )
    for make in (relu, gated):
        expected, found = make(plain).solve(), make(scaled).solve()
        assert found.objective == pytest.approx(unit_y**2 * expected.objective, rel=1e-7)
        np.testing.assert_allclose(found.outputs / unit_y, expected.outputs, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("make", [relu, gated])
def test_alpha_is_a_parameter(make, solver):
    problem = problem_of()
    program = make(problem)
    assert program.cvxpy_problem.is_dcp(dpp=True)
    program.solve(solver)
    canonical = program.cvxpy_problem.get_problem_data(solver)[0][cp.settings.PARAM_PROB]
    for alpha in (0.3, 0.003):
        again = program.solve(solver, alpha=alpha)
        data = program.cvxpy_problem.get_problem_data(solver)[0]
        assert data[cp.settings.PARAM_PROB] is canonical  # written in conic form once
        fresh = make(problem.with_alpha(alpha)).solve(solver)
        assert again.objective == pytest.approx(fresh.objective, rel=1e-6)
        np.testing.assert_allclose(again.outputs, fresh.outputs, atol=1e-3)
    back = program.solve(solver)  # without an alpha it is the problem's own
    assert back.objective == pytest.approx(make(problem).solve(solver).objective, rel=1e-6)


@pytest.mark.parametrize(
    ("solver", "limit"),
    [("CLARABEL", {"max_iter": 1}), ("ECOS", {"max_iters": 1}), ("SCS", {"max_iters": 1})],
)
@pytest.mark.parametrize("make", [relu, gated])
def test_a_solver_that_is_cut_short_does_not_converge(make, solver, limit):
    solution = make(problem_of()).solve(solver, **limit)
    assert solution.status in (Status.USER_LIMIT, Status.INACCURATE, Status.FAILED)
    assert np.isfinite(solution.blocks).all() and np.isfinite(solution.outputs).all()
    assert solution.blocks.shape == make(problem_of())._blocks.shape[::-1]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("optimal", Status.CONVERGED),
        ("optimal_inaccurate", Status.INACCURATE),
        ("user_limit", Status.USER_LIMIT),
        ("solver_error", Status.FAILED),
        (None, Status.FAILED),
        ("infeasible", Status.INFEASIBLE),
        ("unbounded", Status.INFEASIBLE),
        ("infeasible_inaccurate", Status.INFEASIBLE),
        ("infeasible_or_unbounded", Status.INFEASIBLE),
    ],
)
def test_statuses_of_cvxpy(text, status):
    assert Status.of_cvxpy(text) is status


def test_a_solver_that_raises_has_failed(monkeypatch):
    program = relu(problem_of())
    monkeypatch.setattr(
        program.cvxpy_problem, "solve", lambda **_: (_ for _ in ()).throw(cp.error.SolverError)
    )
    solution = program.solve()
    assert solution.status is Status.FAILED and not solution.usable
    assert not solution.blocks.any()
    np.testing.assert_allclose(solution.outputs, Y.mean())


def test_a_failure_does_not_show_an_old_solution(monkeypatch):
    program = relu(problem_of())
    assert program.solve().usable
    monkeypatch.setattr(
        program.cvxpy_problem, "solve", lambda **_: (_ for _ in ()).throw(cp.error.SolverError)
    )
    assert not program.solve().usable


def test_unknown_solver():
    with pytest.raises(ValueError, match="solver='MOSEK'"):
        solver_options("MOSEK", 1e-8)


def test_constant_targets_need_no_neuron():
    problem = TrainingProblem(X, np.full(12, 3.0), 0.1)
    solution = relu(problem).solve()
    np.testing.assert_allclose(solution.outputs, 3.0, rtol=1e-9)
    assert np.abs(solution.blocks).max() < 1e-6
