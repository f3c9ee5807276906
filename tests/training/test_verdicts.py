"""What the loop believes: dual points, estimates, and searches that had no time."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, train
from convexrelu.oracles import (
    AffineOracle,
    RelaxationOracle,
    SearchOracle,
    SweepOracle,
)
from convexrelu.oracles.base import largest_value
from convexrelu.oracles.selection import OraclePair
from convexrelu.problem.dual import lower_bound
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.training.cutting_plane import CuttingPlane
from convexrelu.training.easing import Easing
from tests import reference
from tests.honest import assert_certifies

X, Y = reference.teacher(40, 2, 3, 0.1, 0)
PROBLEM = TrainingProblem(X, Y, 0.005).condensed()
WEIGHTS = np.random.default_rng(0).exponential(size=10)
NOISY = TrainingProblem(*reference.teacher(60, 6, 3, 1.0, 0), 0.01).condensed()


def run(problem, heuristic, exact, *, exact_cuts=True, **options):
    pair = OraclePair(heuristic, exact, exact_cuts)
    result = CuttingPlane(problem, NativeSolver(gap=1e-7), pair, **options).run()
    assert_certifies(result.certificate, result.network, problem.X, problem.y, problem.alpha)
    assert result.history[-1].relative_gap == result.certificate.relative_gap
    return result


class Recorder:
    """Hands on what an oracle says, and remembers it."""

    def __init__(self, oracle):
        self.oracle, self.calls = oracle, []

    def __call__(self, v, **options):
        report = self.oracle(v, **options)
        self.calls.append((v, report, options))
        return report


class Liar:
    """Says that it searched and found nothing, or only so much."""

    def __init__(self, oracle, *, share=0.0, finished=True):
        self.oracle, self.share, self.finished = oracle, share, finished

    def __call__(self, v, *, level=0.0, deadline=math.inf):
        report = self.oracle(v)
        few = slice(0, 0)
        return replace(
            report,
            bound=self.share * report.bound,
            is_proof=False,
            method="search",
            masks=report.masks[few],
            signs=report.signs[few],
            directions=report.directions[few],
            values=report.values[few],
            finished=self.finished,
        )


class Sleeper(Liar):
    """A search that is cut short by every deadline."""

    def __init__(self, clock, oracle):
        super().__init__(oracle, finished=False)
        self.clock = clock

    def __call__(self, v, *, level=0.0, deadline=math.inf):
        self.clock.now = max(self.clock.now, deadline)
        return super().__call__(v)


# Dual points


def test_proofs_of_a_history_never_get_worse():
    sweep = SweepOracle(PROBLEM.design)
    history = run(PROBLEM, sweep, sweep, tol=1e-8).history
    assert len(history) > 4 and all(entry.is_proof for entry in history)
    bounds = [entry.lower_bound for entry in history]
    assert bounds == sorted(bounds)


@pytest.mark.slow
@pytest.mark.parametrize("n_starts", [2, 64])
def test_an_estimate_gets_worse_only_where_it_is_refuted(n_starts):
    heuristic = Recorder(SearchOracle(NOISY.design, n_starts=n_starts, n_polish=8, random_state=0))
    exact = Recorder(SearchOracle(NOISY.design, n_starts=512, random_state=1))
    history = run(NOISY, heuristic, exact, max_iter=9).history
    estimates = [entry.lower_bound for entry in history]
    points = [(v, report.bound) for v, report, _ in heuristic.calls]
    witnesses = [report.directions[report.values > 0] for _, report, _ in heuristic.calls]
    n_rounds = min(len(history), len(points))
    assert n_rounds > 5
    for k in range(1, n_rounds):
        # The point of the round is no better than what is kept.
        assert lower_bound(NOISY, *points[k]) <= max(estimates[k], estimates[k - 1]) + 1e-12
        if estimates[k] < estimates[k - 1]:
            against = np.vstack(witnesses[: k + 1])
            earlier = [
                lower_bound(NOISY, v, max(bound, largest_value(NOISY.design, v, against)))
                for v, bound in points[:k]
                if lower_bound(NOISY, v, bound) >= estimates[k - 1] * (1 - 1e-9)
            ]
            assert earlier and min(earlier) <= estimates[k] * (1 + 1e-9)


@pytest.mark.slow
def test_no_round_is_worse_than_the_one_before_and_no_estimate_above_it():
    for seed in range(3):
        data = reference.teacher(40, 5, 3, 0.5, seed)
        problem = TrainingProblem(*data, 0.01).condensed()
        heuristic = SearchOracle(problem.design, n_starts=4, n_polish=4, random_state=seed)
        history = run(problem, heuristic, heuristic, max_iter=6).history
        objectives = [entry.objective for entry in history]
        assert objectives == sorted(objectives, reverse=True)
        assert all(entry.lower_bound <= entry.objective * (1 + 1e-12) for entry in history)


# Estimates


@pytest.mark.parametrize(("tol", "n_searches"), [(1e-2, 1), (1e-3, 1), (1e-4, 3), (1e-6, 10)])
def test_a_finer_verdict_takes_more_searches(tol, n_searches):
    """And claims no less than a fifth of the tolerance."""
    exact = Recorder(SearchOracle(PROBLEM.design, n_starts=64, n_polish=16, random_state=1))
    heuristic = SearchOracle(PROBLEM.design, n_starts=32, n_polish=8, random_state=0)
    result = run(PROBLEM, heuristic, exact, tol=tol)
    assert result.status is Status.CONVERGED and not result.certificate.is_proof
    last = exact.calls[-1][0]
    assert sum(v is last for v, *_ in exact.calls) == n_searches
    assert result.certificate.n_starts >= 64 * n_searches
    assert result.certificate.relative_gap >= 0.2 * tol * (1 - 1e-9)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_an_estimate_is_verified_before_it_ends_the_loop(share):
    sweep = SweepOracle(PROBLEM.design)
    exact = Recorder(sweep)
    result = run(PROBLEM, Liar(sweep, share=share), exact)
    assert result.status is Status.CONVERGED
    assert result.certificate.is_proof and result.certificate.method == "sweep"
    optimum = train(PROBLEM, tol=1e-6, random_state=0).certificate
    assert result.certificate.objective <= optimum.objective * (1 + 1e-3)
    assert result.n_iter > 2  # by the cuts of exact pricing
    assert all(options["level"] > 0 for _, _, options in exact.calls[1:])


def test_an_oracle_that_finds_no_cut_ends_with_its_gap():
    sweep = SweepOracle(PROBLEM.design)
    result = run(PROBLEM, Liar(sweep), sweep, exact_cuts=False)
    assert (result.status, result.n_iter) == (Status.STALLED, 0)
    assert result.certificate.is_proof and result.certificate.relative_gap > 0.5


def test_the_last_verdict_is_asked_for_whatever_ended_the_loop():
    search = SearchOracle(PROBLEM.design, random_state=0)
    exact = Recorder(SweepOracle(PROBLEM.design))
    result = run(PROBLEM, search, exact, max_iter=2)
    assert result.status is Status.MAX_ITER
    assert result.certificate.is_proof and result.certificate.method == "sweep"
    ((_, _, options),) = exact.calls
    assert options["level"] == 0.0  # sharply


@pytest.mark.slow
def test_without_a_verdict_an_estimate_is_no_convergence(clock):
    """Heuristic pricing sees the gap closed, and exact pricing has no time to say anything."""
    sweep = SweepOracle(PROBLEM.design)
    truth = run(PROBLEM, sweep, sweep, max_iter=1)

    class Wrong(Liar):
        def __call__(self, v, **options):
            report = super().__call__(v)
            keep = sweep(v) if self.first else report
            self.first = False
            return replace(keep, is_proof=False, method="search")

    heuristic = Wrong(sweep)
    heuristic.first = True
    options = {"time_limit": 1.0, "tol": 0.1 * truth.certificate.relative_gap}
    started = clock.now
    result = run(PROBLEM, heuristic, Sleeper(clock, sweep), **options)
    assert clock.now == started + 1.0  # the last verdict has the last tenth
    assert result.status is Status.TIME_LIMIT
    assert not result.certificate.is_proof
    assert result.certificate.objective == truth.certificate.objective


# Searches without time


@pytest.mark.parametrize("time_limit", [0.0, 1e-3])
def test_a_search_without_time_is_not_believed(clock, time_limit):
    clock.step = 1e-3
    data = reference.teacher(2000, 12, 3, 0.1, 0)
    problem = TrainingProblem(*data, 0.01)
    result = train(problem, oracle="search", time_limit=time_limit, random_state=0)
    certificate = result.certificate
    assert (result.status, result.n_iter, result.network.width) == (Status.TIME_LIMIT, 0, 0)
    assert certificate.is_proof and certificate.method == "relaxation"
    assert certificate.relative_gap > 0.5
    v = problem.dual_point(np.zeros_like(problem.y))
    bound = lower_bound(problem, v, RelaxationOracle(problem.design)(v).bound)
    assert certificate.lower_bound == pytest.approx(bound, rel=1e-6)
    assert_certifies(certificate, result.network, *data, 0.01)


def test_a_search_cut_short_refutes_nothing_and_is_not_kept(clock):
    sweep = SweepOracle(PROBLEM.design)
    result = run(PROBLEM, sweep, Sleeper(clock, sweep), time_limit=0.3, tol=1e-9)
    # The sweep proves every round; the sleeper's word never replaces that.
    assert result.certificate.is_proof and result.certificate.method == "sweep"
    bounds = [entry.lower_bound for entry in result.history]
    assert bounds == sorted(bounds)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::convexrelu.results.SolverWarning")  # a solver may be cut short
def test_the_time_limit_is_kept(clock, monkeypatch):
    # Each part of a search looks at the clock, which is slow here.
    monkeypatch.setattr("convexrelu.oracles.search.base._TOGETHER", 5000)
    monkeypatch.setattr("convexrelu.oracles.search.base._POLISHED_TOGETHER", 5000)
    data = reference.teacher(300, 10, 5, 0.5, 0)
    clock.step = 0.003
    started = clock.now
    result = train(TrainingProblem(*data, 2e-4), time_limit=2.0, random_state=0)
    # Once time is over, every loop looks at the clock once more.
    assert started + 2.0 < clock.now < started + 2.1
    assert result.status is Status.TIME_LIMIT
    assert result.history[-1].objective < result.history[0].objective
    assert_certifies(result.certificate, result.network, *data, 2e-4)


@pytest.mark.filterwarnings("ignore::convexrelu.results.SolverWarning")  # a solver may be cut short
def test_the_time_limit_is_kept_in_seconds():
    """By the real clock: nothing that takes long is done without a look at it."""
    data = reference.teacher(300, 10, 5, 0.5, 0)
    started = time.perf_counter()
    result = train(TrainingProblem(*data, 2e-4), time_limit=0.5, random_state=0)
    # Without a limit it takes half a minute of a processor of its own, and then the status is another one. With it
    # the end is a fraction of a second late, and a hundred times as late on a machine that is as busy as that.
    assert time.perf_counter() - started < 60
    assert result.status is Status.TIME_LIMIT
    assert_certifies(result.certificate, result.network, *data, 2e-4)


# Proofs


@pytest.mark.slow
def test_an_estimate_keeps_the_margin_that_proofs_are_asked_for():
    """A verdict that refutes the level is no end, even if its estimate is within the tolerance."""
    problem = TrainingProblem(*reference.teacher(40, 4, 3, 0.1, 1), 0.003)
    for seed in range(2):
        result = train(problem, random_state=seed)
        assert result.status is Status.CONVERGED and result.certificate.is_proof
        searched = train(problem, oracle="search", random_state=seed)
        assert searched.status is Status.CONVERGED
        assert searched.certificate.relative_gap <= 0.95e-3


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "seed"), [(0.01, 0), (0.003, 1)])
def test_branch_and_bound_proves_what_nobody_can_enumerate(alpha, seed):
    data = reference.teacher(50, 4, 3, 0.1, seed)
    result = train(TrainingProblem(*data, alpha), random_state=0)
    certificate = result.certificate
    assert result.status is Status.CONVERGED
    assert (certificate.is_proof, certificate.scope) == (True, "global")
    assert certificate.method == "branch_and_bound" and certificate.relative_gap <= 1e-3
    assert certificate.proved_lower_bound == certificate.lower_bound
    # A proof at a smaller tolerance does not contradict it.
    sharper = train(TrainingProblem(*data, alpha), tol=1e-5, random_state=1).certificate
    assert sharper.is_proof and sharper.relative_gap <= 1e-5
    assert certificate.lower_bound <= sharper.objective
    assert sharper.lower_bound <= certificate.objective


def test_a_semidefinite_verdict_on_ten_samples(options):
    data = reference.teacher(10, 2, 2, 0.1, 0)
    problem = TrainingProblem(*data, 0.02, **options)
    optimum = train(problem, patterns="enumerated", tol=1e-7).certificate
    result = train(problem, oracle="semidefinite", random_state=0)
    certificate = result.certificate
    assert certificate.is_proof and certificate.scope == "global"
    assert certificate.method == "semidefinite"
    assert 0 < certificate.lower_bound <= optimum.objective
    assert certificate.objective == pytest.approx(optimum.objective, rel=1e-3)
    assert (result.status is Status.CONVERGED) is (certificate.relative_gap <= 1e-3)
    assert all(entry.lower_bound <= optimum.objective for entry in result.history if entry.is_proof)


# Easier dual points


WIDE = TrainingProblem(*reference.teacher(30, 9, 3, 0.1, 0), 0.1).condensed()


@pytest.fixture(scope="module")
def estimated():
    search = SearchOracle(WIDE.design, n_starts=32, n_polish=8, random_state=0)
    return search, run(WIDE, search, search)


def test_an_easier_dual_point_may_prove_the_gap_before_exact_pricing(estimated):
    search, plain = estimated
    exact = Recorder(search)
    easing = Easing(400, precedes_proofs=True)
    result = run(WIDE, search, exact, tol=0.05, easing=easing)
    certificate = result.certificate
    assert result.status is Status.CONVERGED and certificate.is_proof
    assert certificate.method == "affine" and not exact.calls
    assert certificate.relative_gap <= 0.05
    assert certificate.lower_bound <= plain.certificate.objective
    # What is returned is the dual point of the proof.
    report = AffineOracle(WIDE.design)(result.dual)
    assert lower_bound(WIDE, result.dual, report.bound) > 0.9 * certificate.lower_bound
    # Where it is out of reach, exact pricing decides.
    result = run(WIDE, search, exact, tol=1e-3, easing=easing)
    assert exact.calls and not (result.certificate.is_proof or easing.precedes_proofs)


def test_an_estimate_comes_with_what_is_proved_at_an_easier_dual_point(estimated):
    search, plain = estimated
    certificate = run(WIDE, search, search, easing=Easing(400)).certificate
    assert not certificate.is_proof
    assert certificate.lower_bound == pytest.approx(plain.certificate.lower_bound, rel=2e-3)
    known = lower_bound(WIDE, plain.dual, AffineOracle(WIDE.design)(plain.dual).bound)
    assert known < certificate.proved_lower_bound <= plain.certificate.objective


def test_easing_is_for_what_affine_rules_bound():
    for oracle in ("auto", "affine", "prove"):
        assert Easing.for_oracle(WIDE, oracle) is not None
        assert Easing.for_oracle(PROBLEM, oracle) is None  # of low rank
    for oracle in ("search", "quick", "branch_and_bound", SearchOracle(WIDE.design)):
        assert Easing.for_oracle(WIDE, oracle) is None
    for options in ({"activation": "absolute_value"}, {"hidden_bias": "free"}, {"skip": True}):
        other = TrainingProblem(WIDE.X, WIDE.y, 0.05, **options).condensed()
        assert Easing.for_oracle(other, "prove") is None
    # At rank 10 proofs take seconds, at rank 12 minutes.
    assert not Easing.for_oracle(WIDE, "prove").precedes_proofs
    wider = TrainingProblem(np.hstack([WIDE.X, WIDE.X[:, :2] ** 2]), WIDE.y, 0.1).condensed()
    assert Easing.for_oracle(wider, "prove").precedes_proofs
