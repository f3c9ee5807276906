"""The dual side of the loop."""

from dataclasses import replace

import numpy as np
import pytest

from convexrelu import TrainingProblem, train
from convexrelu.certificates import certificate_of, pricing
from convexrelu.oracles import OracleReport, RelaxationOracle, SearchOracle
from convexrelu.oracles.base import largest_value
from convexrelu.problem.dual import lower_bound
from convexrelu.training.dual_state import DualPoint, DualState
from tests import reference

PROBLEM = TrainingProblem(*reference.teacher(40, 3, 3, 0.1, 0), 0.005).condensed()


def test_bounds_of_a_dual_point_are_computed_once(monkeypatch):
    calls = []

    def counted(problem, v, bound):
        calls.append((v.tobytes(), bound))
        return lower_bound(problem, v, bound)

    monkeypatch.setattr(pricing, "lower_bound", counted)
    search = SearchOracle(PROBLEM.design, random_state=0)
    network = PROBLEM.zero_network()
    state = DualState(PROBLEM)
    rng = np.random.default_rng(0)
    for size in (0.0, 0.1, 0.2):
        v = PROBLEM.dual_point(size * rng.standard_normal(PROBLEM.n_samples))
        state.consider(DualPoint(PROBLEM, v, search(v), False), network)
        certificates = [state.certify(PROBLEM.objective(network)) for _ in range(3)]
        assert certificates == certificates[:1] * 3
    assert calls and len(set(calls)) == len(calls)
    monkeypatch.undo()
    best = certificate_of(PROBLEM, PROBLEM.objective(network), state.best.v, state.best.report)
    assert certificates[0].lower_bound == best.lower_bound


def test_a_point_is_replaced_only_where_more_is_known():
    v = PROBLEM.dual_point(np.zeros(PROBLEM.n_samples))
    point = DualPoint(PROBLEM, v, SearchOracle(PROBLEM.design, random_state=0)(v), False)
    bound = point.report.bound
    assert point.at_least(0.5 * bound) is point
    assert point.at_least(np.nan) is point
    assert point.at_least(2 * bound).report.bound == 2 * bound
    assert point.at_least(2 * bound).bounds.lower_bound < point.bounds.lower_bound


def test_an_estimate_claims_no_less_than_its_resolution():
    network = PROBLEM.zero_network()
    objective = PROBLEM.objective(network)
    v = PROBLEM.dual_point(np.zeros(PROBLEM.n_samples))
    report = SearchOracle(PROBLEM.design, random_state=0)(v)
    state = DualState(PROBLEM, resolution=0.1)
    state.consider(DualPoint(PROBLEM, v, report, True), network)
    computed = state.best.bounds.lower_bound
    close = computed * (1 + 1e-3)  # an objective that is as near as this to the estimate
    certificate = state.certify(close)
    assert not certificate.is_proof
    assert certificate.relative_gap == pytest.approx(0.1, rel=1e-9)
    assert state.certify(2 * computed).lower_bound == computed  # the computed gap is larger
    assert objective > computed


def test_a_proof_claims_what_it_shows():
    v = PROBLEM.dual_point(np.zeros(PROBLEM.n_samples))
    report = replace(SearchOracle(PROBLEM.design, random_state=0)(v), is_proof=True)
    state = DualState(PROBLEM, resolution=0.1)
    state.consider(DualPoint(PROBLEM, v, report, True), PROBLEM.zero_network())
    assert state.certify(state.best.bounds.lower_bound * (1 + 1e-3)).relative_gap < 2e-3


def test_searches_at_one_point_count_together():
    v = PROBLEM.dual_point(np.zeros(PROBLEM.n_samples))
    report = SearchOracle(PROBLEM.design, random_state=0)(v)
    low = replace(report, bound=0.5 * report.bound, proved_bound=9.0, n_starts=5)
    state = DualState(PROBLEM)
    for found, verified in ((report, False), (low, True), (low, False)):
        state.consider(DualPoint(PROBLEM, v, found, verified), PROBLEM.zero_network())
    best = state.best
    assert (best.report.bound, best.report.proved_bound) == (report.bound, 9.0)
    assert (best.report.n_starts, best.verified) == (report.n_starts + 10, True)


def test_a_proof_is_as_strong_as_the_best_that_was_proved():
    """An estimate comes with something proved; a later proof, at a deadline say, may be weaker."""
    v = PROBLEM.dual_point(np.zeros(PROBLEM.n_samples))
    weak, network = RelaxationOracle(PROBLEM.design)(v), PROBLEM.zero_network()
    values = vars(weak) | {"is_proof": False, "method": "search", "bound": 0.5 * weak.bound}
    estimate = OracleReport(**values | {"proved_bound": 0.75 * weak.bound})
    state = DualState(PROBLEM)
    state.consider(DualPoint(PROBLEM, v, estimate, False), network)
    proved = state.certify(1.0).proved_lower_bound
    state.consider(DualPoint(PROBLEM, v, weak, True), network)
    certificate = state.certify(1.0)
    assert lower_bound(PROBLEM, v, weak.bound) < proved
    assert certificate.is_proof and certificate.scope == "global"
    assert certificate.lower_bound == certificate.proved_lower_bound == proved


def test_a_later_network_of_descent_does_not_lose_the_bound_of_an_earlier_one():
    """The dual point of random outputs has a bound far below that of the constant."""
    state, objective = DualState(PROBLEM), PROBLEM.objective(PROBLEM.zero_network())
    first = state.begin(objective, PROBLEM.dual_point(PROBLEM.no_outputs()))
    noise = 3 * np.random.default_rng(0).standard_normal(PROBLEM.n_samples)
    alone = DualState(PROBLEM).begin(objective, PROBLEM.dual_point(noise))
    assert alone.lower_bound < first.lower_bound
    later = state.begin(0.9 * objective, PROBLEM.dual_point(noise))
    assert later.lower_bound == first.lower_bound == state.begun(objective).lower_bound
    assert later.objective == 0.9 * objective and later.is_proof


def cut_short(report, share):
    """The report as of a search that was cut short, at a value that is this part of what a whole one finds."""
    return replace(report, bound=share * report.bound, finished=False)


@pytest.mark.parametrize("same", [True, False])
def test_a_search_that_was_cut_short_makes_no_estimate_but_refutes(same):
    """Its low value would be a high bound; its witnesses are true wherever they are evaluated."""
    rng = np.random.default_rng(1)
    points = [
        PROBLEM.dual_point(size * rng.standard_normal(PROBLEM.n_samples)) for size in (0.0, 0.02)
    ]
    network = PROBLEM.zero_network()
    reports = [SearchOracle(PROBLEM.design, random_state=0)(v) for v in points]
    low = replace(reports[0], bound=0.9 * reports[0].bound)
    state = DualState(PROBLEM)
    state.consider(DualPoint(PROBLEM, points[0], low, False), network)
    before = state.certify(1.0).lower_bound
    k = 0 if same else 1
    state.consider(DualPoint(PROBLEM, points[k], cut_short(reports[k], 0.1), True), network)
    assert state.best.v is points[0] and not state.best.verified
    seen = largest_value(PROBLEM.design, points[0], reports[k].directions)
    expected = max(seen, low.bound)
    assert state.best.report.bound == pytest.approx(expected, rel=1e-12)
    assert state.best.report.n_starts == low.n_starts
    assert state.certify(1.0).lower_bound <= before
    if same:
        assert state.certify(1.0).lower_bound < before


def test_a_proof_counts_though_the_search_before_it_was_cut_short():
    v = PROBLEM.dual_point(np.zeros(PROBLEM.n_samples))
    found = SearchOracle(PROBLEM.design, random_state=0)(v)
    high = replace(found, bound=3.0 * found.bound)
    proof = replace(found, bound=1.1 * found.bound, is_proof=True, finished=False)
    state = DualState(PROBLEM)
    state.consider(DualPoint(PROBLEM, v, high, False), PROBLEM.zero_network())
    state.consider(DualPoint(PROBLEM, v, proof, True), PROBLEM.zero_network())
    assert state.certify(1.0).is_proof
    assert state.certify(1.0).lower_bound == lower_bound(PROBLEM, v, proof.bound)


def test_an_estimate_is_not_above_a_network_that_is_met():
    """By weak duality over its neurons."""
    result = train(PROBLEM, random_state=0, tol=1e-4)
    v = PROBLEM.dual_point(np.zeros(PROBLEM.n_samples))
    blind = replace(SearchOracle(PROBLEM.design, random_state=0)(v), bound=0.0)
    state = DualState(PROBLEM)
    state.consider(DualPoint(PROBLEM, v, blind, False), PROBLEM.zero_network())
    objective = PROBLEM.objective(result.network)
    assert state.best.bounds.lower_bound > objective
    state.meet(result.network)
    assert state.best.bounds.lower_bound <= objective * (1 + 1e-12)


@pytest.mark.parametrize("how", ["meet", "certified"])
def test_neurons_of_the_network_count_against_an_estimate(how):
    """No estimate is above the network, though the search has seen none of its neurons."""
    network = train(PROBLEM, random_state=0).network
    v = PROBLEM.dual_point(np.zeros(PROBLEM.n_samples))
    report = replace(SearchOracle(PROBLEM.design, random_state=0)(v), bound=1e-9)
    state = DualState(PROBLEM)
    state.consider(DualPoint(PROBLEM, v, report, True), PROBLEM.zero_network())
    objective = PROBLEM.objective(network)
    much = 1e3 * objective  # does not limit the bound
    assert state.certify(much).lower_bound > objective
    if how == "meet":
        state.meet(network)
        certificate = state.certify(much)
    else:
        certificate = state.certified(much, network)
    assert not certificate.is_proof
    assert certificate.lower_bound <= objective
