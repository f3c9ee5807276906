"""Groups of real processes: the same results as alone, and faults that end all of them."""

import re

import pytest

from convexrelu.chunked import Alone
from tests.chunked.processes import fitted, together, trained


@pytest.mark.parametrize("size", [2, 3])
def test_processes_return_what_one_returns(size):
    assert together(size, trained) == [trained(0, 1, Alone())] * size


def test_estimators_are_those_of_one_process():
    assert together(2, fitted) == [fitted(0, 1, Alone())] * 2


@pytest.mark.parametrize("victim", [1, 0])
@pytest.mark.parametrize("place", ["opening", "search", "pricing", "descent", "the verdict"])
def test_a_killed_process_ends_the_others(place, victim):
    """Also process 0, which has the store, and does the first descent alone."""
    found = together(4 if place == "opening" else 2, trained, {victim: f"killed in {place}"})
    for rank, outcome in enumerate(found):
        if rank == victim:
            assert outcome is None
        else:
            assert f"GroupError: process {victim} ended or cannot be reached" in outcome


@pytest.mark.parametrize(
    ("fault", "own", "cause"),
    [
        ("raises", "ZeroDivisionError: by a callback", "ZeroDivisionError: by a callback"),
        ("NaN", "ValueError: X contains NaN", "ValueError: X contains NaN"),
        ("without memory", "MemoryError", None),
    ],
)
def test_an_error_of_one_process_ends_the_others(fault, own, cause):
    first, second = together(2, trained, {1: fault})
    assert own in second
    expected = f"process 1: {cause}" if cause else "cannot be reached"
    assert "GroupError" in first and expected in first


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("another shape", "X: process 1 has 2 features, process 0 has 3 features"),
        ("another dtype", "dtype of X: process 1 has float32, process 0 has float64"),
        ("another alpha", "alpha: process 1 has 0.03, process 0 has 0.02"),
        ("another tol", "tol: process 1 has 0.5, process 0 has 0.03"),
    ],
)
def test_processes_that_disagree_say_so(fault, message):
    assert together(2, trained, {1: fault}) == [f"ValueError: {message}"] * 2


def test_interruptions_end_all():
    first, second = together(2, trained, {1: "interrupted early"})
    assert "KeyboardInterrupt" in second and "process 1: KeyboardInterrupt" in first
    first, second = together(2, trained, {1: "interrupted"})
    assert "process 1: it was interrupted" in first
    assert not isinstance(second, str)  # but the best network until then
    first, second = together(2, fitted, {1: "interrupted"})
    assert "process 1: it was interrupted" in first
    assert "KeyboardInterrupt: fit was interrupted: the estimator keeps the best network" in second


def test_a_process_without_rows_is_named():
    first, second = together(2, fitted, {1: "empty"})
    assert re.search(r"process 1: .*X has shape \(0, 3\)", first)
    assert re.search(r"ValueError.*X has shape \(0, 3\)", second)


def test_labels_of_another_kind_are_named():
    for outcome in together(2, fitted, {1: "other labels"}):
        assert "y: process 1 has numbers as labels, process 0 has other labels" in outcome


def test_a_rendezvous_has_an_end():
    first, second, third = together(3, trained, {2: "does not come"}, to_meet=2)
    for rank, outcome in enumerate((first, second)):
        assert f"process {rank} of 3 did not meet the others" in outcome
        assert "within 2 s; process 2 did not come" in outcome
    assert third is None
