"""Groups of real processes: the same results as alone, and faults that end all of them."""

import re

import pytest

from convexrelu.chunked import Alone
from tests.chunked.processes import (
    at_once,
    counted,
    fitted,
    proved,
    together,
    trained,
    trained_on_all_losses,
    trained_slowly,
)


@pytest.fixture(scope="module")
def groups():
    """Outcomes of groups without a fault."""
    return at_once(
        {
            2: (2, trained_on_all_losses),
            4: (4, trained_on_all_losses),
            "fit": (2, fitted),
            "counts": (2, counted),
            "proof": (2, proved),
        }
    )


def test_processes_return_what_one_returns(groups):
    """To the last bit: a regression, a logistic one, and ten classes."""
    expected = trained_on_all_losses(0, 1, Alone())
    for size in (2, 4):
        assert groups[size] == [expected] * size


def test_estimators_are_those_of_one_process(groups):
    assert groups["fit"] == [fitted(0, 1, Alone())] * 2


def test_gaps_exposures_and_labels_of_all_processes_count(groups):
    first, second = groups["counts"]
    assert first == second
    assert not isinstance(first, str)


def test_processes_share_a_proof(groups):
    assert groups["proof"] == pytest.approx([proved(0, 1, Alone())] * 2, rel=2e-6)


KILLED = {
    "opening": (4, trained_slowly),
    "search": (2, trained),
    "pricing": (2, trained),
    "descent": (2, trained),
    "gaps": (2, counted),
    "the verdict": (2, trained),
    "a proof": (2, proved),
}


@pytest.fixture(scope="module", params=[1, 0])
def killed(request):
    """Outcomes of groups with a process that is killed, and its rank."""
    victim = request.param
    groups = {
        place: (size, function, {victim: f"killed in {place}"})
        for place, (size, function) in KILLED.items()
    }
    return victim, at_once(groups)


@pytest.mark.parametrize("place", KILLED)
def test_a_killed_process_ends_the_others(killed, place):
    """Also process 0, which has the store, and does the first descent alone."""
    victim, found = killed
    for rank, outcome in enumerate(found[place]):
        if rank == victim:
            assert outcome is None
        else:
            assert f"GroupError: process {victim} ended or cannot be reached" in outcome


FAULTS = {
    "raises": trained,
    "NaN": trained,
    "without memory": trained,
    "another shape": trained,
    "another dtype": trained,
    "another alpha": trained,
    "another tol": trained,
    "interrupted early": trained,
    "interrupted": trained,
    "interrupted in fit": fitted,
    "empty": fitted,
    "other labels": fitted,
    "zero exposure": counted,
    "no exposure": counted,
    "other width": counted,
}


@pytest.fixture(scope="module")
def faulty():
    """Outcomes of process 0 and process 1, which has a fault."""
    return at_once(
        {
            fault: (2, function, {1: fault.removesuffix(" in fit")})
            for fault, function in FAULTS.items()
        }
    )


@pytest.mark.parametrize(
    ("fault", "own", "cause"),
    [
        ("raises", "ZeroDivisionError: by a callback", "ZeroDivisionError: by a callback"),
        ("NaN", "ValueError: X contains NaN", "ValueError: X contains NaN"),
        ("without memory", "MemoryError", None),
        ("zero exposure", "ValueError: exposure has the entry 0", "ValueError: exposure has the"),
        ("interrupted early", "KeyboardInterrupt", "KeyboardInterrupt"),
        (
            "interrupted in fit",
            "KeyboardInterrupt: fit was interrupted: the estimator keeps the best network",
            "it was interrupted",
        ),
    ],
)
def test_an_error_of_one_process_ends_the_others(faulty, fault, own, cause):
    first, second = faulty[fault]
    assert own in second
    expected = f"process 1: {cause}" if cause else "cannot be reached"
    assert "GroupError" in first and expected in first


def test_an_interrupted_training_has_the_best_network_until_then(faulty):
    first, second = faulty["interrupted"]
    assert "process 1: it was interrupted" in first
    assert not isinstance(second, str)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("another shape", "X: process 1 has 2 features, process 0 has 3 features"),
        ("another dtype", "dtype of X: process 1 has float32, process 0 has float64"),
        ("another alpha", "alpha: process 1 has 0.03, process 0 has 0.02"),
        ("another tol", "tol: process 1 has 0.5, process 0 has 0.03"),
        ("no exposure", "exposure: process 1 has none, process 0 has some"),
        ("other width", "y: process 1 has 2 labels, process 0 has 3 labels"),
    ],
)
def test_processes_that_disagree_say_so(faulty, fault, message):
    assert faulty[fault] == [f"ValueError: {message}"] * 2


def test_a_process_without_rows_is_named(faulty):
    first, second = faulty["empty"]
    assert re.search(r"process 1: .*X has shape \(0, 3\)", first)
    assert re.search(r"ValueError.*X has shape \(0, 3\)", second)


def test_labels_of_another_kind_are_named(faulty):
    for outcome in faulty["other labels"]:
        assert "y: process 1 has numbers as labels, process 0 has other labels" in outcome


def test_a_rendezvous_has_an_end():
    first, second, third = together(3, trained, {2: "does not come"}, to_meet=2)
    for rank, outcome in enumerate((first, second)):
        assert f"process {rank} of 3 did not meet the others" in outcome
        assert "within 2 s; process 2 did not come" in outcome
    assert third is None
