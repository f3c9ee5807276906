"""Inputs that are copied when something asks for them."""

import math
import pickle
import time

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu._utils.arguments import finite_array
from convexrelu.problem import unread
from convexrelu.problem.unread import Unread, box_around, read_when_needed
from convexrelu.problem.unread_problem import UnreadProblem, problem_on
from tests.reference import teacher

X, Y = teacher(40, 3, 2, 0.1, 0)
SINGLE = X.astype(np.float32)
LATER = 1e6  # seconds


@pytest.fixture
def every_copy_is_long(monkeypatch):
    monkeypatch.setattr(unread, "COPY", 1e12)


@pytest.mark.parametrize("given", [X, SINGLE, np.asfortranarray(SINGLE)], ids=["64", "32", "F"])
def test_the_copy_has_the_entries_in_double_precision_and_cannot_be_changed(given):
    inputs = Unread(given)
    assert not inputs.is_read
    assert inputs.read.dtype == np.float64
    assert inputs.read.flags.c_contiguous
    np.testing.assert_array_equal(inputs.read, np.asarray(given, dtype=np.float64))
    assert not np.shares_memory(inputs.read, given)
    assert inputs.read is inputs.read
    with pytest.raises(ValueError, match="read-only"):
        inputs.read[0, 0] = 1.0


def test_after_the_copy_what_was_given_is_forgotten():
    given = np.tile(SINGLE, (50, 1))
    inputs = Unread(given)
    problem = UnreadProblem(inputs, np.tile(Y, 50), 0.1)
    kept = problem.X.copy()
    given[:] = 7.0
    np.testing.assert_array_equal(inputs[0:5], kept[:5])
    np.testing.assert_array_equal(inputs.taken(np.array([3])).read, kept[[3]])
    again = pickle.loads(pickle.dumps(inputs))
    np.testing.assert_array_equal(again.read, kept)
    assert len(pickle.dumps(inputs)) < 1.1 * kept.nbytes  # not both


def test_some_rows_of_some_rows():
    inputs = Unread(SINGLE).taken(np.arange(30, 0, -1)).taken(np.array([0, 5]))
    assert inputs.shape == (2, 3)
    np.testing.assert_array_equal(inputs[0:1], SINGLE[[30]])
    np.testing.assert_array_equal(inputs.read, SINGLE[[30, 25]].astype(np.float64))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
@pytest.mark.parametrize("part", [2, 2**18])
def test_what_is_not_expected_is_refused_as_for_arrays(monkeypatch, value, part):
    monkeypatch.setattr(unread, "_PART", part)
    bad = X.copy()
    bad[-1, 1] = value
    with pytest.raises(ValueError, match="X ") as plain:
        finite_array("X", bad)
    with pytest.raises(ValueError, match="X ") as late:
        UnreadProblem(Unread(bad), Y, 0.1)
    assert str(late.value) == str(plain.value)


def test_large_entries_in_single_precision_are_accepted():
    large = (SINGLE * np.float32(1e30)).astype(np.float32)
    assert UnreadProblem(Unread(large), Y, 0.1).n_samples == len(large)


@pytest.mark.parametrize("part", [2, 7, 2**18])
def test_the_box_is_that_of_all_rows(monkeypatch, part):
    monkeypatch.setattr(unread, "_PART", part)
    expected = [SINGLE.min(axis=0), SINGLE.max(axis=0)]
    np.testing.assert_array_equal(box_around(SINGLE), expected)
    np.testing.assert_array_equal(box_around(Unread(SINGLE)), expected)


def test_inputs_are_read_at_once_without_a_time_limit_or_where_that_is_brief():
    rows = np.array([3, 1])
    assert read_when_needed(SINGLE, math.inf) is SINGLE
    assert read_when_needed(SINGLE, LATER) is SINGLE
    np.testing.assert_array_equal(read_when_needed(SINGLE, LATER, rows), SINGLE[rows])


@pytest.mark.usefixtures("every_copy_is_long")
def test_what_is_no_plain_array_is_read_at_once():
    assert isinstance(read_when_needed(SINGLE, LATER), Unread)
    for given in (np.ma.masked_invalid(X), X.astype(np.float16), X[:, 0], X.tolist()):
        assert read_when_needed(given, LATER) is given


def test_a_constant_needs_no_copy():
    inputs = Unread(SINGLE)
    problem, plain = UnreadProblem(inputs, Y, 0.1), TrainingProblem(SINGLE, Y, 0.1)
    constant = problem.zero_network()
    assert constant.n_features == 3
    assert problem.objective(constant) == plain.objective(plain.zero_network())
    assert problem.with_alpha(0.2).alpha == 0.2
    assert not (problem.is_sparse or problem.stays_sparse or inputs.is_read)


def test_problems_on_the_same_inputs_share_the_copy():
    problem = UnreadProblem(Unread(SINGLE), Y, 0.1)
    other = problem.with_alpha(0.2)
    assert isinstance(other, UnreadProblem)
    assert other.X is problem.X
    assert problem.with_alpha(0.1) is problem


@pytest.mark.parametrize("bias", [True, False, "free"])
def test_it_is_the_same_problem(bias):
    plain = TrainingProblem(SINGLE, Y, 0.1, hidden_bias=bias)
    late = UnreadProblem(Unread(SINGLE), Y, 0.1, hidden_bias=bias)
    assert plain.equals_but_for_alpha(late)
    np.testing.assert_array_equal(plain.design, late.design)
    np.testing.assert_array_equal(plain.condensed().X, late.condensed().X)
    again = pickle.loads(pickle.dumps(late))
    assert plain.equals_but_for_alpha(again)


def test_the_time_for_a_copy_counts_until_there_is_one(monkeypatch):
    problem = UnreadProblem(Unread(SINGLE), Y, 0.1)
    assert problem.work_of_reading > 0
    soon = time.perf_counter() + 1.0
    assert problem.design_fits(soon)
    monkeypatch.setattr("convexrelu.problem.unread_problem.COPY", 1e12)
    assert not problem.design_fits(soon)
    assert problem.X.shape == (40, 3)
    assert problem.design_fits(soon)
    assert problem.work_of_reading == 0


def test_the_kind_of_problem_is_that_of_its_inputs():
    assert type(problem_on(X, Y, 0.1)) is TrainingProblem
    assert type(problem_on(Unread(X), Y, 0.1)) is UnreadProblem
