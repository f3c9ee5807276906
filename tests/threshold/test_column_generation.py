"""Estimates of the loop over patterns, where time cuts searches short."""

from dataclasses import replace

import numpy as np
import pytest

from convexrelu import Status, TrainingProblem
from convexrelu.problem.dual import lower_bound
from convexrelu.threshold.column_generation import LassoByPatterns
from convexrelu.threshold.oracles import ThresholdSearchOracle, threshold_relaxation

RNG = np.random.default_rng(0)
PROBLEM = TrainingProblem(
    RNG.standard_normal((30, 3)), RNG.standard_normal(30), 0.02, activation="threshold"
).condensed()


class CutShort:
    """A search that has the time for its first calls; later ones find one pattern, and say that time is up."""

    def __init__(self, n_whole):
        self.oracle = ThresholdSearchOracle(PROBLEM.design, np.random.RandomState(0))
        self.left, self.calls = n_whole, []

    def __call__(self, v, **options):
        report, self.left = self.oracle(v), self.left - 1
        if self.left < 0:
            one = slice(len(report.values) - 1, None)
            parts = {k: getattr(report, k)[one] for k in ("masks", "signs", "directions", "values")}
            bound = float(parts["values"].max())
            report = replace(report, bound=bound, finished=False, **parts)
        self.calls.append((v, report))
        return report


def run(oracle, thorough=None, **options):
    loop = LassoByPatterns(PROBLEM, oracle, thorough, tol=1e-9, max_iter=4, **options)
    return loop, loop.run()


@pytest.mark.parametrize("n_whole", [1, 2, 3])
def test_the_estimate_is_that_of_the_last_whole_search(n_whole):
    oracle = CutShort(n_whole)
    loop, result = run(oracle)
    certificate = result.certificate
    assert len(oracle.calls) > n_whole
    assert not certificate.is_proof and certificate.method == "search"
    v, report = oracle.calls[n_whole - 1]
    masks = [loop._units.masks, *(later.masks for _, later in oracle.calls[n_whole:])]
    seen = np.abs(np.vstack(masks) @ v).max()
    # No later dual point is believed, and what was seen since then counts against it.
    assert certificate.lower_bound <= lower_bound(PROBLEM, v, max(report.bound, seen)) + 1e-12
    assert certificate.lower_bound <= certificate.objective * (1 + 1e-12)
    assert certificate.relative_gap > 1e-9


def test_without_a_whole_search_only_what_is_proved_is_said():
    oracle = CutShort(0)
    _, result = run(oracle)
    certificate = result.certificate
    assert certificate.is_proof and certificate.method == "relaxation"
    proofs = [lower_bound(PROBLEM, v, threshold_relaxation(v)) for v, _ in oracle.calls]
    assert certificate.lower_bound == pytest.approx(max(proofs), rel=1e-12)
    assert result.status is not Status.CONVERGED


def test_a_second_search_that_is_cut_short_adds_what_it_has_found():
    first, second = CutShort(100), CutShort(0)
    _, result = run(first, second)
    certificate = result.certificate
    assert not certificate.is_proof
    assert certificate.n_starts == first.oracle.n_starts
    assert certificate.relative_gap > 1e-9 or result.status is Status.CONVERGED


def test_columns_and_what_is_found_count_against_the_last_whole_search():
    loop, _ = run(CutShort(1))
    v, report = loop.oracle.calls[0]
    blind, later = replace(report, bound=0.0), replace(report, finished=False)
    nothing = replace(later, masks=later.masks[:0])
    for found, masks in ((nothing, loop._best.masks), (later, report.masks)):
        loop._searched.last = v, blind
        at, lowered = loop._whole(v + 1.0, found)
        assert at is v and lowered.n_starts == blind.n_starts
        assert lowered.bound >= np.abs(masks @ v).max() > 0
        assert loop._searched.last[1].bound == lowered.bound  # remembered
