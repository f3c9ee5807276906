"""What a round claims of an estimated gap."""

import math
from dataclasses import replace

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem, train
from convexrelu.certificates.certificate import Certificate
from convexrelu.oracles import SearchOracle
from convexrelu.oracles.selection import OraclePair
from convexrelu.results.result import Round
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.training.claims import n_searches, unconfirmed
from convexrelu.training.cutting_plane import CuttingPlane
from tests import reference

PROBLEM = TrainingProblem(*reference.teacher(40, 2, 3, 0.1, 0), 0.005).condensed()


@pytest.mark.parametrize("tol", [0.0, 1e-9, 1e-6, 1e-4, 1e-3, 0.1])
def test_smaller_gaps_take_more_searches(tol):
    assert 1 <= n_searches(2 * tol) <= n_searches(tol) <= 16
    assert n_searches(tol) > 1 or tol >= 1e-3


def entry_of(certificate):
    gap = certificate.relative_gap
    return Round(0.1, certificate.objective, certificate.lower_bound, gap, False, 1, 1, 1, 0.0, "")


@pytest.mark.parametrize("seed", range(20))
def test_an_unconfirmed_estimate_claims_nothing_new(seed):
    rng = np.random.default_rng(seed)
    proved, *bounds = np.sort(rng.uniform(size=3))
    found, earlier = rng.permutation(bounds)
    certificate = Certificate(1.0, found, "global", "search", False, proved)
    before = Certificate(1.1, earlier, "global", "search", False, 0.0)
    claimed = unconfirmed(certificate, [entry_of(before)], 1e-3)
    assert claimed.lower_bound == min(bounds)
    assert replace(claimed, lower_bound=found) == certificate
    assert unconfirmed(certificate, [], 1e-3).lower_bound == proved
    # That of a round whose gap seemed closed was not confirmed, either.
    closed = replace(before, lower_bound=1.1 * (1 - 1e-4))
    assert unconfirmed(certificate, [entry_of(before), entry_of(closed)], 1e-3) == claimed


@pytest.mark.parametrize("n_looks", [320, 390, 420])
def test_a_gap_that_seemed_closed_before_a_program_is_not_claimed_at_the_end(monkeypatch, n_looks):
    """The round of descent asks no exact pricing: its program comes first, and then there is no time."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((9, 2))
    y = np.abs(X[:, 0]) - 0.5 * X[:, 1] + 0.3 * rng.standard_normal(9)
    problem = TrainingProblem(X, y, 0.05)
    looks = iter(range(10**9))
    # A jump after so many looks: somewhere within a search, a program or a confirmation.
    monkeypatch.setattr("time.perf_counter", lambda: 1e6 * (next(looks) > n_looks))
    result = train(problem, oracle="search", time_limit=1000.0, random_state=0)
    small = result.certificate.relative_gap <= 1e-3
    assert result.status is Status.CONVERGED or not small


class Blind:
    """A search that sees only the first violations: later on it finds nothing, and says that it has looked."""

    def __init__(self, oracle, n_calls):
        self.oracle, self.left = oracle, n_calls

    def __call__(self, v, *, level=0.0, deadline=math.inf):
        report, self.left = self.oracle(v), self.left - 1
        kept = slice(None) if self.left >= 0 else slice(0)
        parts = {k: getattr(report, k)[kept] for k in ("masks", "signs", "directions", "values")}
        bound = float(parts["values"].max(initial=0.0))
        return replace(report, is_proof=False, method="search", bound=bound, **parts)


class Late:
    """Exact pricing that is in the middle of its work at every deadline, with a few witnesses."""

    def __init__(self, oracle, clock, n_kept):
        self.oracle, self.clock, self.n_kept, self.calls = oracle, clock, n_kept, []

    def __call__(self, v, *, level=0.0, deadline=math.inf):
        self.clock.now = max(self.clock.now, deadline + 1e-3)
        report = self.oracle(v)
        kept = slice(-self.n_kept, None) if self.n_kept else slice(0)
        parts = {k: getattr(report, k)[kept] for k in ("masks", "signs", "directions", "values")}
        bound = float(parts["values"].max(initial=0.0))
        self.calls.append((v, parts["directions"]))
        return replace(
            report, is_proof=False, method="search", bound=bound, finished=False, **parts
        )


@pytest.mark.parametrize("n_calls", [1, 3])
@pytest.mark.parametrize("n_kept", [0, 1])
def test_a_gap_that_time_left_unconfirmed_is_not_claimed(clock, n_calls, n_kept):
    """Neither by the round in which it seems closed, nor at the end."""
    search = SearchOracle(PROBLEM.design, n_starts=32, n_polish=8, random_state=0)
    exact = Late(search, clock, n_kept)
    pair = OraclePair(Blind(search, n_calls), exact, exact_cuts=True)
    result = CuttingPlane(PROBLEM, NativeSolver(gap=1e-7), pair, time_limit=10.0, tol=1e-3).run()
    assert result.status is Status.TIME_LIMIT
    assert exact.calls  # as the gap had seemed closed
    gaps = [entry.relative_gap for entry in result.history]
    assert min(gaps) > 1e-3
    assert result.certificate.relative_gap == gaps[-1]
    *earlier, last = [entry.lower_bound for entry in result.history]
    assert last <= max(earlier)


def test_a_search_that_was_cut_short_is_no_reason_to_stall(clock):
    """It has found no cuts, but there may be some."""
    search = SearchOracle(PROBLEM.design, n_starts=32, n_polish=8, random_state=0)

    class Short(Late):
        def __call__(self, v, **options):
            now = self.clock.now
            report = super().__call__(v)
            self.clock.now = now  # a step that would end too late is not begun
            return report

    short = Short(search, clock, 0)
    pair = OraclePair(short, short, exact_cuts=True)
    result = CuttingPlane(PROBLEM, NativeSolver(gap=1e-7), pair, time_limit=10.0).run()
    assert result.status is Status.TIME_LIMIT
    assert result.certificate.is_proof and result.certificate.method == "relaxation"
