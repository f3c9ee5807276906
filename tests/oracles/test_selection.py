"""Which oracles a design gets."""

import numpy as np
import pytest

from convexrelu.oracles import RelaxationOracle
from convexrelu.oracles.search import local_maxima
from convexrelu.oracles.selection import choose_oracles
from convexrelu.patterns.cone_projection import ConeProjector
from convexrelu.patterns.cone_support import PatternCones
from tests.oracles.data import GAUSSIAN

WORK_OF_SEARCH = [
    (local_maxima._Best, "update"),
    (ConeProjector, "project"),
    (PatternCones, "support"),
]


@pytest.mark.parametrize(
    ("name", "n", "d", "method", "heuristic"),
    [
        ("auto", 8, 3, "sweep", "sweep"),
        ("auto", 300, 2, "sweep", "sweep"),
        ("auto", 500, 3, "sweep", "search"),
        ("auto", 10, 4, "branch_and_bound", "search"),
        ("auto", 300, 8, "search", "search"),  # not settled in time
        ("auto", 10, 9, "search", "search"),
        ("sweep", 8, 3, "sweep", "sweep"),
        ("cells", 8, 3, "cells", "search"),
        ("branch_and_bound", 8, 3, "branch_and_bound", "search"),
        ("semidefinite", 8, 3, "semidefinite", "search"),
        ("search", 8, 3, "search", "search"),
    ],
)
def test_verdicts(monkeypatch, name, n, d, method, heuristic):
    monkeypatch.setattr("convexrelu.oracles.selection._AUTO_WORK", 1e6)
    rng = np.random.default_rng(0)
    X, v = rng.standard_normal((n, d)), rng.standard_normal(n)
    pair = choose_oracles(name, X, 0)
    for oracle, expected in ((pair.exact, method), (pair.heuristic, heuristic)):
        report = oracle(v)
        assert report.method == expected
        assert report.is_proof is (expected != "search")
    assert pair.exact_cuts


def test_what_is_not_settled_has_a_proved_bound(monkeypatch):
    monkeypatch.setattr("convexrelu.oracles.selection._AUTO_WORK", 1e6)
    rng = np.random.default_rng(0)
    X, v = rng.standard_normal((300, 8)), rng.standard_normal(300)
    report = choose_oracles("auto", X, 0).exact(v)
    assert report.bound < report.proved_bound <= RelaxationOracle(X)(v).bound * (1 + 1e-9)


def test_unknown_oracle():
    with pytest.raises(ValueError, match="oracle='guess'"):
        choose_oracles("guess", GAUSSIAN)
