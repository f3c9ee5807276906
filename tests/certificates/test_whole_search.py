"""Which search counts where time cuts some short."""

from dataclasses import replace

import pytest

from convexrelu.certificates.whole_search import WholeSearch
from convexrelu.oracles import SearchOracle
from tests import reference

DESIGN, Y = reference.teacher(20, 2, 2, 0.1, 0)
REPORT = SearchOracle(DESIGN, random_state=0)(Y)
LATE = replace(REPORT, finished=False)


def nothing(v):
    return 0.0


def test_whole_searches_and_proofs_count_themselves():
    whole = WholeSearch()
    proof = replace(LATE, is_proof=True)
    for v, report in [(Y, REPORT), (2 * Y, proof), (3 * Y, REPORT)]:
        counts = whole.or_last(v, report, nothing)
        assert counts[0] is v and counts[1] is report
        assert whole.last[1] is REPORT  # a proof is no search to fall back on


def test_without_a_whole_search_nothing_stands_in_for_one_that_was_cut_short():
    whole = WholeSearch()
    assert whole.or_last(Y, LATE, nothing) == (Y, LATE)
    assert whole.last is None


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_later_searches_only_raise_the_maximum_of_the_last_whole_one(factor):
    whole, asked = WholeSearch(), []

    def reached(v):
        asked.append(v)
        return factor * REPORT.bound

    whole.or_last(Y, REPORT, reached)
    assert asked == []
    v, lowered = whole.or_last(2 * Y, LATE, reached)
    assert v is Y and asked == [Y]
    assert lowered.bound == max(1.0, factor) * REPORT.bound
    assert lowered.finished and lowered.values is REPORT.values
    assert whole.or_last(2 * Y, LATE, nothing)[1].bound == lowered.bound  # remembered
