"""Proofs where they settle the matter, estimates with a proved bound where not."""

import math

import numpy as np
import pytest

from convexrelu.certificates.pricing import certificate_of
from convexrelu.oracles import BranchAndBoundOracle, CellOracle, HybridOracle, OracleReport
from convexrelu.oracles.bounds.tree import Tree
from convexrelu.problem.dual import lower_bound
from convexrelu.problem.training_problem import TrainingProblem
from tests import reference

RNG = np.random.default_rng(0)
DESIGN, V = RNG.standard_normal((12, 4)), RNG.standard_normal(12)
WIDE, WIDE_V = RNG.standard_normal((80, 10)), RNG.standard_normal(80)


class Prover:
    """Reports a bound of choice, with a witness of value one."""

    def __init__(self, bound, finished=True):
        self.bound, self.finished, self.asked = bound, finished, []

    def __call__(self, v, *, level=0.0, deadline=math.inf):
        self.asked.append((level, deadline))
        one = np.ones(1)
        return OracleReport(
            bound=self.bound,
            is_proof=True,
            scope="global",
            method="branch_and_bound",
            masks=np.ones((1, len(v)), dtype=bool),
            signs=one,
            directions=np.eye(1, 4),
            values=one,
            n_starts=7,
            finished=self.finished,
            work=3,
        )


@pytest.mark.parametrize(
    ("bound", "level", "settled"),
    [
        (1.0, 0.0, True),
        (1.0009, 0.0, True),
        (1.0011, 0.0, False),
        (1.5, 0.0, False),
        (1.5, 1.4, False),
        (1.5, 1.5, True),
        (1.5 * (1 + 1e-10), 1.5, True),  # padded for rounding
        (1.5 * (1 + 1e-8), 1.5, False),
        (1.5, 2.0, True),
    ],
)
def test_a_proof_counts_if_it_settles_the_matter(bound, level, settled):
    prover = Prover(bound)
    report = HybridOracle(prover)(V, level=level, deadline=5.0)
    assert prover.asked == [(level, 5.0)]
    assert report.is_proof is settled
    assert report.method == ("branch_and_bound" if settled else "search")
    assert report.bound == (bound if settled else 1.0)
    assert settled or report.proved_bound == bound
    assert (report.n_starts, report.work, report.scope) == (7, 3, "global")
    np.testing.assert_array_equal(report.values, [1.0])


def test_how_far_above_is_for_the_caller_to_say():
    assert HybridOracle(Prover(1.4), rtol=0.5)(V).is_proof
    assert not HybridOracle(Prover(1.4), rtol=0.3)(V).is_proof


@pytest.mark.parametrize("bound", [1.0, 2.0])
def test_a_search_without_time_is_still_said_to_be_one(bound):
    assert not HybridOracle(Prover(bound, finished=False))(V).finished


def test_settled_by_branch_and_bound_it_is_exact():
    exact = CellOracle(DESIGN)(V).bound
    report = HybridOracle(BranchAndBoundOracle(DESIGN, random_state=0))(V)
    assert report.is_proof and exact * (1 - 1e-12) <= report.bound <= exact * (1 + 1.1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["work", "time"])
def test_not_settled_it_is_between_the_value_found_and_a_proved_bound(clock, limit):
    options = {"max_work": 1e4} if limit == "work" else {}
    # The search takes no time, and the proof, of thousands of chunks of boxes, more than there is.
    clock.charge(Tree, "grow", 0.1)
    deadline = clock.now + 0.5 if limit == "time" else math.inf
    oracle = HybridOracle(BranchAndBoundOracle(WIDE, random_state=0, **options))
    report = oracle(WIDE_V, deadline=deadline)
    assert not report.is_proof and report.method == "search" and report.finished
    best = reference.rectified_value(WIDE, WIDE_V, report.directions).max()
    assert report.bound == pytest.approx(best, rel=1e-12)
    assert report.bound * 1.001 < report.proved_bound < math.inf


def test_the_proved_bound_reaches_the_certificate():
    X, y = WIDE[:, :7], WIDE[:, 7]
    problem = TrainingProblem(X, y, 0.01)
    v = problem.dual_point(np.zeros_like(y))
    report = HybridOracle(BranchAndBoundOracle(problem.design, max_work=2e5, random_state=0))(v)
    assert not report.is_proof
    objective = problem.objective(problem.zero_network())
    certificate = certificate_of(problem, objective, v, report)
    assert not certificate.is_proof
    assert certificate.lower_bound == lower_bound(problem, v, report.bound)
    assert certificate.proved_lower_bound >= lower_bound(problem, v, report.proved_bound)
    assert 0 < certificate.proved_lower_bound < certificate.lower_bound
