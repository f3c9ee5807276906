"""What a deadline cuts short: bounds are weaker and still hold, and what is returned is valid."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from convexrelu import (
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    TrainingProblem,
    TwoLayerNetwork,
    certify,
    train,
)
from convexrelu.closed_forms import closed_form_for, train_on_line
from convexrelu.constrained import train_in_class
from convexrelu.optimal_set import minimal
from convexrelu.oracles import CellOracle, PatternOracle, RelaxationOracle, proved_length
from convexrelu.oracles.for_problem import oracles_for
from convexrelu.patterns import enumerate_patterns
from convexrelu.patterns.complete import has_every_pattern
from convexrelu.patterns.enumerate import RowSpace
from convexrelu.problem.distinct_rows import distinct_rows
from convexrelu.problem.largest_penalty import at_least_largest_penalty, at_least_or_rough
from convexrelu.programs import ReLUProgram
from convexrelu.results.status import SolverWarning, Status
from convexrelu.training.path import largest_penalty

PAST = -math.inf


@pytest.fixture(autouse=True)
def _every_computation_counts(monkeypatch):
    """Also the small ones of these examples."""
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)


def data(n=9, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n), rng


def rows_of(masks):
    return {row.tobytes() for row in masks}


# Bounds


@pytest.mark.parametrize("slope", [0.0, -1.0, 0.2])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_relaxation_without_time_is_above_the_one_with_it(slope, n_outputs):
    design, _, rng = data(20, 4)
    v = rng.standard_normal(20 if n_outputs == 1 else (20, n_outputs))
    oracle = RelaxationOracle(design, slope)
    short, full = oracle(v, deadline=PAST), oracle(v)
    assert short.is_proof
    assert short.bound >= full.bound
    assert short.bound <= 2 * np.abs(v).sum() * np.linalg.norm(design, axis=1).max()


def test_largest_singular_values_are_rounded_up():
    for scale in (1e-150, 1.0, 1e140):
        for n, d in ((5, 9), (9, 5), (200, 7)):
            design = scale * np.random.default_rng(n).standard_normal((n, d))
            weights = np.random.default_rng(d).uniform(size=n)
            oracle = RelaxationOracle(design)
            found = oracle._largest_singular_value(np.sqrt(weights)[:, None], math.inf)
            exact = np.linalg.norm(np.sqrt(weights)[:, None] * design / scale, 2) * scale
            assert exact <= found <= exact * (1 + 1e-11)


@pytest.mark.parametrize("shape", [(40, 3), (3, 40)])
def test_relaxations_in_parts_are_those_in_one(monkeypatch, clock, shape):
    design = np.random.default_rng(0).standard_normal(shape)
    v = np.random.default_rng(1).standard_normal(len(design))
    whole = RelaxationOracle(design)(v)
    monkeypatch.setattr("convexrelu.oracles.bounds.relaxation._PART", 12)
    assert_allclose(RelaxationOracle(design)(v).bound, whole.bound, rtol=1e-12)
    clock.step = 1.0
    oracle = RelaxationOracle(design)
    cut = oracle(v, deadline=clock.now + 4.0)
    clock.step = 0.0
    assert cut.is_proof
    assert whole.bound <= cut.bound < math.inf
    assert_allclose(oracle(v).bound, whole.bound, rtol=1e-12)  # asked again, with time


def test_a_relaxation_is_not_computed_twice(monkeypatch):
    design, v, _ = data(20, 4)
    oracle = RelaxationOracle(design)
    first = oracle(v)
    monkeypatch.setattr(RelaxationOracle, "_largest_singular_value", None)
    assert oracle(v.copy()) is first
    with pytest.raises(TypeError):
        oracle(2 * v)


def test_cells_after_a_deadline_prove_the_relaxation(clock):
    design, v, _ = data()
    complete = enumerate_patterns(design)
    clock.step = 1e-3
    some = enumerate_patterns(design, deadline=clock.now + 0.0055)
    clock.step = 0.0
    assert math.isinf(some.resolution)
    assert 0 < len(some) < len(complete)
    assert rows_of(some.masks) <= rows_of(complete.masks)
    assert_allclose(some.masks, some.gates @ design.T >= 0)
    report = CellOracle(design, patterns=some)(v)
    assert report.is_proof
    assert report.bound == RelaxationOracle(design)(v).bound >= CellOracle(design)(v).bound


def test_patterns_that_are_not_priced_have_no_bound(clock):
    design, v, _ = data()
    masks = enumerate_patterns(design).masks
    for point in (v, np.column_stack([v, v[::-1]])):
        report = PatternOracle(design, masks)(point, deadline=clock.now - 1.0)
        assert math.isinf(report.bound)
        assert len(report.directions) == len(report.masks) == len(report.signs) == 0


def test_structure_that_would_take_too_long_is_not_looked_for(clock):
    rows = np.eye(12)
    assert proved_length(rows) < 1 + 1e-7
    assert math.isinf(proved_length(rows, clock.now - 1.0))
    problem = TrainingProblem(rows, np.arange(12.0), 0.1).condensed()
    assert closed_form_for(problem) is not None
    assert closed_form_for(problem, clock.now - 1.0) is None


def test_a_spline_that_would_take_too_long_to_write_down_is_not(clock):
    x = np.linspace(-1, 1, 4000)[:, None]
    problem = TrainingProblem(x, np.sin(5 * x[:, 0]), 1e-3, hidden_bias="free")
    assert closed_form_for(problem, clock.now + 10.0) is not None
    assert closed_form_for(problem, clock.now + 0.01) is None


def test_full_rank_is_seen_without_singular_values(monkeypatch):
    X, y, _ = data(60, 20)

    def fails(design):
        raise AssertionError("a singular value decomposition of the design")

    monkeypatch.setattr(RowSpace, "of", fails)
    problem = TrainingProblem(X, y, 0.1).condensed()
    assert oracles_for(problem, "auto", 0).exact is not None


# Programs and networks


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
def test_conic_solvers_do_not_start_without_time(clock, solver):
    X, y, _ = data()
    problem = TrainingProblem(X, y, 0.01).condensed()
    program = ReLUProgram(problem, np.ones((1, 9), dtype=bool), np.ones(1))
    solution = program.solve(solver, time_limit=1e-9)
    assert solution.status is Status.TIME_LIMIT
    assert not solution.usable
    clock.charge(program.cvxpy_problem.__class__, "get_problem_data", 2.0)
    assert program.solve(solver, time_limit=1.0).status is Status.TIME_LIMIT
    assert program.solve(solver, time_limit=3.0).usable


def test_writing_a_program_down_counts(clock):
    X, y, _ = data()
    problem = TrainingProblem(X, y, 0.01).condensed()
    clock.charge(ReLUProgram, "__init__", 5.0)
    with pytest.warns(SolverWarning, match="TIME_LIMIT"):
        result = train(problem, patterns="sampled", solver="cvxpy:CLARABEL", time_limit=1.0)
    assert result.solver_status is Status.TIME_LIMIT
    assert result.certificate.lower_bound <= result.certificate.objective


def test_pruning_stops_with_a_network_of_the_same_outputs(clock):
    X, y, rng = data(6, 2)
    wide = TwoLayerNetwork(
        rng.standard_normal((30, 2)), rng.standard_normal(30), rng.standard_normal((1, 30)), [0.0]
    )
    problem = TrainingProblem(X, y, 0.1)
    assert minimal(wide, problem).width <= 6
    kept = minimal(wide, problem, deadline=clock.now - 1.0)
    assert kept.width == 30
    assert_allclose(kept.predict(X), wide.predict(X), rtol=1e-12)
    clock.step = 1.0
    some = minimal(wide, problem, deadline=clock.now + 10.0)
    clock.step = 0.0
    assert_allclose(some.predict(X), wide.predict(X), rtol=1e-9)
    assert problem.objective(some) <= problem.objective(wide) * (1 + 1e-9)


def test_an_estimator_prunes_in_its_time(clock, monkeypatch):
    X, y, _ = data(12, 2)
    model = ConvexReLURegressor(0.01, minimal=True, time_limit=10.0, random_state=0)
    assert model._seconds_to_train(clock.now + 10.0) == 9.0
    clock.charge(ConvexReLURegressor, "_checked", 20.0)
    left = []

    def recorded(network, problem, *, deadline):
        left.append(deadline - clock.now)
        return network

    monkeypatch.setattr("convexrelu.estimators.pruning.minimal", recorded)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model.fit(X, y)
    assert left == [-10.0]


def test_cutting_planes_do_not_take_over_after_the_deadline(clock, monkeypatch):
    x = np.linspace(-1, 1, 30)[:, None]
    problem = TrainingProblem(x, np.sin(5 * x[:, 0]), 1e-4, hidden_bias="free")

    def late(*args, **options):
        result = train_on_line(problem, tol=1e-12)
        clock.now += 9.0
        return result.__class__(**{**vars(result), "status": Status.USER_LIMIT})

    monkeypatch.setattr("convexrelu.closed_forms.structure.train_on_line", late)
    monkeypatch.setattr("convexrelu.training.session.CuttingPlane", None)
    result = train(problem, time_limit=10.0)
    assert result.status is Status.TIME_LIMIT
    assert result.certificate.is_proof


# From end to end


@pytest.mark.parametrize("options", [{"oracle": "cells"}, {"patterns": "enumerated"}], ids=str)
def test_enumeration_leaves_time_for_training(clock, options):
    X, y, _ = data(14, 4)
    problem = TrainingProblem(X, y, 0.02)
    clock.step = 1e-3
    result = train(problem, time_limit=0.2, random_state=0, **options)
    clock.step = 0.0
    certificate = result.certificate
    assert certificate.is_proof
    assert certificate.scope == "global"
    assert 0 <= certificate.lower_bound <= certificate.objective
    exact = train(problem, random_state=0, tol=1e-3).certificate
    assert certificate.lower_bound <= exact.objective


@pytest.mark.parametrize("improve", [False, True])
def test_certificates_in_no_time_hold(clock, improve):
    X, y, rng = data(15, 3)
    network = TwoLayerNetwork(
        rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal((1, 4)), [0.0]
    )
    exact = certify(network, X, y, alpha=0.05, improve=True, random_state=0)
    clock.step = 1e-3
    certificate = certify(
        network, X, y, alpha=0.05, improve=improve, time_limit=0.01, random_state=0
    )
    assert certificate.objective == exact.objective
    assert certificate.proved_lower_bound <= exact.improved.certificate.objective
    assert certificate.cell_lower_bound <= certificate.objective


def test_networks_are_not_trained_without_the_time_to_evaluate_them(clock, monkeypatch):
    X, y, rng = data(15, 3)
    network = TwoLayerNetwork(
        rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal((1, 4)), [0.0]
    )
    monkeypatch.setattr("convexrelu.certification.training.train", None)
    monkeypatch.setattr("convexrelu.certification.cell.blocks_of", None)
    late = certify(network, X, y, alpha=0.05, improve=True, time_limit=1e-9, random_state=0)
    assert late.improved.network is network
    assert late.improved.status is Status.TIME_LIMIT
    assert 0 <= late.cell_lower_bound <= late.objective


@pytest.mark.parametrize(("n", "n_outputs"), [(30_000, 1), (300, 100)])
def test_many_targets_without_time_get_a_constant(monkeypatch, n, n_outputs):
    """Even one dual point of so many would take longer."""
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.01)
    monkeypatch.setattr("convexrelu.training.session.CuttingPlane", None)
    x, rng = np.linspace(-1, 1, n)[:, None], np.random.default_rng(0)
    y = np.abs(x) + 0.1 * rng.standard_normal((n, n_outputs))
    problem = TrainingProblem(x, y if n_outputs > 1 else y[:, 0], 1e-3)
    result = train(problem, time_limit=0.0, random_state=0)
    assert result.status is Status.TIME_LIMIT and result.network.width == 0
    assert result.certificate.is_proof and result.certificate.lower_bound >= 0
    assert result.certificate.objective == pytest.approx(
        problem.objective(problem.zero_network()), rel=1e-13
    )


def test_grids_of_penalties_have_a_part_of_the_time(clock, monkeypatch):
    X, y, _ = data(12, 2)
    deadlines = []

    def recorded(estimator, problem, random, deadline):
        deadlines.append(deadline - clock.now)
        return 1.0

    monkeypatch.setattr("convexrelu.estimators.cross_validation.largest_useful_penalty", recorded)
    ConvexReLURegressorCV(n_alphas=2, cv=2, time_limit=10.0, random_state=0).fit(X, y)
    assert deadlines == [1.0]


@pytest.mark.parametrize("patterns", ["cutting_plane", "enumerated"])
def test_threshold_networks_list_no_cells_beyond_their_time(clock, patterns):
    X, y, _ = data(12, 4)
    problem = TrainingProblem(X, y, 0.01, activation="threshold")
    clock.step = 1e-3
    began = clock.now
    result = train(problem, patterns=patterns, time_limit=0.2, random_state=0)
    elapsed = clock.now - began
    clock.step = 0.0
    assert (
        elapsed < 0.4
    )  # with every look at the clock a thousandth; all cells take ten times as long
    best = train(problem, random_state=0).certificate
    assert best.is_proof
    assert result.certificate.proved_lower_bound <= best.objective
    assert (
        result.certificate.scope == "program"
        or not result.certificate.is_proof
        or (result.certificate.lower_bound <= best.objective)
    )


def test_cells_are_counted_in_time(clock):
    design = np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0], [2.0, 1.0, 1.0], [3.0, 1.0, 1.0]])
    patterns = enumerate_patterns(design)
    assert has_every_pattern(design, patterns)
    clock.step = 1.0
    assert not has_every_pattern(design, patterns, deadline=clock.now + 0.5)


def test_the_work_of_a_network_counts_its_weights():
    X = np.random.default_rng(0).standard_normal((5, 4000))
    X[:, 20:] = 0.0
    few = TrainingProblem(csr_array(X[:, :20]), np.arange(5.0), 0.1)
    many = TrainingProblem(csr_array(X), np.arange(5.0), 0.1)
    assert many.X.nnz == few.X.nnz
    assert many.work_of_outputs(10) > 100 * few.work_of_outputs(10)


def test_rational_arithmetic_has_a_time_limit(clock):
    X, y, _ = data(15, 3)
    network = TwoLayerNetwork(np.eye(3), np.zeros(3), np.ones((1, 3)), [0.0])
    clock.step = 1e-3
    certificate = certify(
        network, X, y, alpha=0.05, arithmetic="rational", time_limit=1e-3, random_state=0
    )
    assert certificate.arithmetic == "float64"


# Preparation


@pytest.mark.parametrize(
    "kind",
    ["different", "equal first columns", "repeated", "few values", "black borders", "all equal"],
)
def test_distinct_rows_are_those_of_numpy(kind):
    rng = np.random.default_rng(0)
    table = rng.standard_normal((50, 7))
    if kind == "equal first columns":
        table[:, :4] = 1.0
    if kind == "repeated":
        table = table[rng.integers(0, 20, 50)]
    if kind == "few values":
        table = rng.integers(0, 2, (50, 7)).astype(float)
    if kind == "black borders":  # rows differ in a column or two, far from the first
        table = np.zeros((50, 90))
        table[np.arange(50), rng.integers(30, 89, 50)] = rng.integers(-1, 2, 50)
    if kind == "all equal":
        table = np.ones((50, 40))
    first, inverse = distinct_rows(table[:, :-1], table[:, -1])
    _, wanted_first, wanted = np.unique(table, axis=0, return_index=True, return_inverse=True)
    assert_allclose(first, wanted_first)
    assert_allclose(inverse, wanted.ravel())
    signed = np.where(table == 0, -table, table)  # a zero is a zero
    signed[::2] = table[::2]
    again, places = distinct_rows(signed[:, :2], signed[:, 2:])
    assert_allclose(again, first)
    assert_allclose(places, inverse)


def test_rows_without_inputs_differ_by_their_targets():
    first, inverse = distinct_rows(np.zeros((4, 0)), np.array([1.0, 0.0, 1.0, 2.0]))
    assert first.tolist() == [1, 0, 3]
    assert inverse.tolist() == [1, 0, 1, 2]


def test_rough_dual_values_are_those_with_a_bound_on_rounding():
    X, y, _ = data(30, 3)
    for options in ({}, {"loss": "huber"}, {"skip": True, "skip_alpha": 0.1}):
        problem = TrainingProblem(X, y, 0.05, **options)
        v = 0.5 * problem.dual_point(problem.no_outputs())
        assert problem.dual(v) <= problem.rough_dual(v)
        assert_allclose(problem.rough_dual(v), problem.dual(v), rtol=1e-9)


@pytest.mark.parametrize("start", [None, "network"])
def test_classes_without_the_time_for_a_design_get_their_start_or_a_constant(start):
    X, y, _ = data(15, 3)
    problem = TrainingProblem(X, y, 0.01)
    if start is not None:
        start = train(problem, random_state=0).network
    result = train_in_class(problem, positive=True, time_limit=0.0, start=start, random_state=0)
    assert result.status is Status.TIME_LIMIT
    assert result.certificate.scope == "positive"
    assert (result.network.output_weights >= 0).all()
    assert result.certificate.objective <= problem.objective(problem.zero_network())
    exact = train_in_class(problem, positive=True, random_state=0).certificate
    assert result.certificate.lower_bound <= exact.objective


@pytest.fixture
def _bases_take_long(monkeypatch):
    monkeypatch.setattr("convexrelu.problem.training_problem._SECONDS_AT_ONCE", 0.0)


@pytest.mark.usefixtures("_bases_take_long")
@pytest.mark.parametrize("patterns", ["cutting_plane", "sampled"])
def test_free_skip_connections_without_the_time_for_their_basis_are_left_out(patterns):
    X, y, _ = data(15, 3)
    problem = TrainingProblem(X, y, 0.01, skip=True)
    late = train(problem, time_limit=0.0, patterns=patterns, random_state=0)
    assert "_free_basis" not in problem.__dict__
    assert late.status is Status.TIME_LIMIT
    assert late.certificate.objective == problem.objective(problem.zero_network())
    exact = train(problem, random_state=0).certificate
    assert exact.proved_lower_bound > 0
    assert 0 <= late.certificate.lower_bound <= exact.objective


@pytest.mark.parametrize("improve", [False, True])
def test_certificates_without_the_time_for_a_basis_of_a_free_skip_connection_say_what_is_known(
    monkeypatch, improve
):
    X, y, _ = data(15, 3)
    problem = TrainingProblem(X, y, 0.01, skip=True)
    network, options = problem.zero_network(), {"alpha": 0.01, "skip": True, "random_state": 0}
    exact = certify(network, X, y, improve=improve, **options)

    def takes_long(*_):
        raise AssertionError("there is no time for it")

    monkeypatch.setattr("convexrelu.problem.design.svd_fits", lambda *_: False)
    monkeypatch.setattr("convexrelu.problem.training_problem.free_basis", takes_long)
    late = certify(network, X, y, improve=improve, time_limit=60.0, **options)
    assert late.objective == exact.objective
    assert late.proved_lower_bound == 0.0 < exact.proved_lower_bound
    assert (late.improved is not None) == improve
    assert not improve or late.improved.status is Status.TIME_LIMIT


@pytest.mark.usefixtures("_bases_take_long")
def test_training_says_that_columns_are_dependent_where_the_problem_did_not():
    X, y, _ = data(15, 2)
    problem = TrainingProblem(np.column_stack([X, X[:, 0]]), y, 0.01, skip=True)
    with pytest.raises(ValueError, match="linearly dependent"):
        train(problem, random_state=0)


@pytest.mark.usefixtures("_bases_take_long")
def test_the_largest_penalty_without_the_time_for_a_basis_is_that_without_a_skip_connection():
    X, y, _ = data(15, 3)
    found = largest_penalty(
        TrainingProblem(X, y, 0.01, skip=True), np.random.RandomState(0), "cpu", PAST
    )
    plain = TrainingProblem(X, y, 0.01)
    assert found == at_least_or_rough(plain, PAST)
    usual = at_least_largest_penalty(plain)
    assert 0.5 * usual <= found <= usual * (1 + 1e-9)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_sampled_patterns_without_the_time_for_a_step_leave_the_best_constant(
    monkeypatch, n_outputs
):
    X, y, _ = data(8, 2)
    problem = TrainingProblem(X, y if n_outputs == 1 else np.column_stack([y, -y]), 0.01)
    monkeypatch.setattr("convexrelu.training.session._STEPS", 1e30)
    late = train(problem, patterns="sampled", time_limit=60.0, random_state=0)
    if n_outputs == 1:  # directions of several are generated by cutting planes
        assert late.status is Status.TIME_LIMIT and late.network.width == 0
    exact = train(problem, patterns="sampled", random_state=0).certificate
    assert 0 <= late.certificate.lower_bound <= exact.objective <= late.certificate.objective


def test_penalties_without_time_need_no_distinct_rows():
    X, y, _ = data(15, 3)
    model = ConvexReLURegressor(alpha_scale="relative", time_limit=0.0, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(np.vstack([X, X]), np.append(y, y))
    exact = ConvexReLURegressor(alpha_scale="relative", random_state=0).fit(X, y)
    assert 0.5 * exact.alpha_max_ <= model.alpha_max_ <= exact.alpha_max_ * (1 + 1e-9)
