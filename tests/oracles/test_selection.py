"""Which oracles a design gets."""

import numpy as np
import pytest

from convexrelu.oracles import RelaxationOracle, SweepOracle
from convexrelu.oracles.selection import choose_oracles
from tests.oracles.data import GAUSSIAN

RNG = np.random.default_rng(0)
PLANE, SPACE, MANY = (RNG.standard_normal(shape) for shape in ((8, 2), (8, 3), (500, 3)))
TOO_MANY, FOUR, HIGH = (RNG.standard_normal(shape) for shape in ((1600, 3), (10, 4), (20, 13)))
SPIKE_FREE = np.eye(4)
ON_LINE = np.column_stack([np.linspace(-1.0, 1.0, 7), np.full(7, 300.0)])
TWO_FEATURES = np.column_stack([PLANE - PLANE.mean(axis=0), np.full(8, 300.0)])

LEAKY, TWO, FREE = {"slope": 0.01}, {"n_outputs": 2}, {"free_bias": True}
SEVERAL_BY_FAN = "OutputRank(Sweep, Hybrid(Fan(Sweep)))"


def structure(oracle):
    """Names of an oracle and of those that it is made of, searches of provers left out."""
    parts = (vars(oracle).get(part) for part in ("oracle", "prover", "scalar", "several"))
    inner = ", ".join(structure(part) for part in parts if part is not None)
    name = type(oracle).__name__.removesuffix("Oracle")
    return f"{name}({inner})" if inner else name


@pytest.mark.parametrize(
    ("name", "design", "options", "exact", "heuristic"),
    [
        ("auto", PLANE, {}, "Sweep", "same"),
        ("auto", SPACE, {}, "Sweep", "same"),
        ("auto", MANY, {}, "Sweep", "Search"),
        ("auto", TOO_MANY, {}, "Hybrid(BranchAndBound)", "Search"),
        ("auto", FOUR, {}, "Hybrid(BranchAndBound)", "Search"),
        ("auto", HIGH, {}, "Hybrid(Affine)", "Search"),
        ("auto", SPIKE_FREE, {}, "SpikeFree", "same"),
        ("auto", SPIKE_FREE, LEAKY, "Hybrid(Mirrored(BranchAndBound))", "GeneralSearch"),
        ("auto", SPACE, LEAKY, "Mirrored(Sweep)", "same"),
        ("auto", MANY, LEAKY, "Mirrored(Sweep)", "GeneralSearch"),
        ("auto", HIGH, LEAKY, "GeneralSearch", "GeneralSearch"),
        ("auto", PLANE, TWO, "OutputRank(Sweep, Planar)", "same"),
        ("auto", SPACE, TWO, SEVERAL_BY_FAN, "GeneralSearch"),
        (
            "auto",
            FOUR,
            TWO,
            "OutputRank(Hybrid(BranchAndBound), Hybrid(Fan(BranchAndBound)))",
            "GeneralSearch",
        ),
        ("auto", HIGH, TWO, "OutputRank(GeneralSearch, GeneralSearch)", "GeneralSearch"),
        ("auto", ON_LINE, FREE, "Line", "same"),
        ("auto", ON_LINE, FREE | TWO | LEAKY, "Line", "same"),
        ("auto", ON_LINE, {}, "Sweep", "same"),
        ("auto", TWO_FEATURES, FREE, "FreeBias(Sweep)", "same"),
        (
            "auto",
            TWO_FEATURES,
            FREE | TWO | LEAKY,
            "FreeBias(OutputRank(Mirrored(Sweep), Hybrid(Fan(Mirrored(Sweep)))))",
            "FreeBias(GeneralSearch)",
        ),
        ("sweep", TOO_MANY, {}, "Sweep", "Search"),
        ("sweep", PLANE, TWO, "OutputRank(Sweep, Planar)", "same"),
        ("sweep", SPACE, TWO, "OutputRank(Sweep, Fan(Sweep))", "GeneralSearch"),
        ("sweep", ON_LINE, FREE, "Line", "same"),
        ("cells", ON_LINE, FREE, "FreeBias(Cell)", "FreeBias(GeneralSearch)"),
        ("cells", SPACE, TWO, "OutputRank(Cell, Fan(Cell))", "GeneralSearch"),
        ("cells", SPIKE_FREE, {}, "Cell", "Search"),
        ("semidefinite", SPACE, LEAKY, "Mirrored(Semidefinite)", "GeneralSearch"),
        ("affine", SPACE, {}, "Affine", "Search"),
        ("affine", SPACE, LEAKY, "Mirrored(Affine)", "GeneralSearch"),
        ("branch_and_bound", SPACE, {}, "BranchAndBound", "Search"),
        (
            "branch_and_bound",
            PLANE,
            TWO,
            "OutputRank(BranchAndBound, Fan(BranchAndBound))",
            "GeneralSearch",
        ),
        ("search", SPACE, {}, "Search", "Search"),
        ("spike_free", SPACE, {}, "Sweep", "SpikeFree"),
        ("spike_free", SPIKE_FREE, {}, "SpikeFree", "SpikeFree"),
        ("quick", SPACE, {}, "Sweep", "same"),
        ("quick", MANY, {}, "Search", "same"),
        ("quick", SPIKE_FREE, {}, "Search", "same"),
        ("quick", SPACE, LEAKY, "Mirrored(Sweep)", "same"),
        ("quick", SPACE, TWO, "GeneralSearch", "same"),
        ("quick", PLANE, TWO, SEVERAL_BY_FAN, "same"),
        ("quick", ON_LINE, FREE, "Line", "same"),
        ("quick", FOUR, FREE, "FreeBias(GeneralSearch)", "same"),
    ],
)
def test_which_oracles(name, design, options, exact, heuristic):
    pair = choose_oracles(name, design, 0, **options)
    assert structure(pair.exact) == exact
    if heuristic == "same":
        assert pair.heuristic is pair.exact
    else:
        assert structure(pair.heuristic) == heuristic and pair.heuristic is not pair.exact
    assert pair.exact_cuts == (name != "spike_free")


@pytest.mark.parametrize("options", [{}, LEAKY, TWO, LEAKY | TWO])
@pytest.mark.parametrize("design", [SPACE, MANY])
def test_one_sweep_is_built(monkeypatch, design, options):
    built = []
    init = SweepOracle.__init__
    monkeypatch.setattr(
        SweepOracle, "__init__", lambda self, rows: (built.append(rows), init(self, rows))[1]
    )
    choose_oracles("auto", design, 0, **options)
    assert len(built) == 1


@pytest.mark.parametrize(
    ("name", "n", "d", "method", "heuristic"),
    [
        ("auto", 8, 3, "sweep", "sweep"),
        ("auto", 300, 2, "sweep", "sweep"),
        ("auto", 500, 3, "sweep", "search"),
        ("auto", 10, 4, "branch_and_bound", "search"),
        ("auto", 300, 8, "search", "search"),  # not settled in time
        ("auto", 20, 13, "search", "search"),
        ("sweep", 8, 3, "sweep", "sweep"),
        ("cells", 8, 3, "cells", "search"),
        ("branch_and_bound", 8, 3, "branch_and_bound", "search"),
        ("affine", 8, 3, "affine", "search"),
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


@pytest.mark.parametrize(("n", "d"), [(300, 8), (60, 13)])
def test_what_is_not_settled_has_a_proved_bound(monkeypatch, n, d):
    monkeypatch.setattr("convexrelu.oracles.selection._AUTO_WORK", 1e6)
    rng = np.random.default_rng(0)
    X, v = rng.standard_normal((n, d)), rng.standard_normal(n)
    report = choose_oracles("auto", X, 0).exact(v)
    assert report.bound < report.proved_bound <= RelaxationOracle(X)(v).bound * (1 + 1e-9)


def test_unknown_oracle():
    with pytest.raises(ValueError, match="oracle='guess'"):
        choose_oracles("guess", GAUSSIAN)
