"""Problems on distinct samples, where there is time for that."""

import math

import numpy as np
import pytest

from convexrelu import TrainingProblem, TwoLayerNetwork
from convexrelu.problem import condensing
from convexrelu.problem.condensing import condensed_before, condensing_fits, with_weight
from convexrelu.problem.unread import Unread
from convexrelu.problem.unread_problem import UnreadProblem

X = np.array([[2.0], [1.0], [2.0], [5.0]])
Y = np.array([0.0, 1.0, 0.0, 3.0])
WEIGHTS = np.array([1.0, 2.0, 1.0, 0.0])
NETWORK = TwoLayerNetwork([[1.0], [-2.0]], [0.5, 0.1], [[1.0, 0.5]], [0.2])


@pytest.fixture
def sorting_is_long(monkeypatch):
    monkeypatch.setattr(condensing, "_SORTED", 1e12)


def test_with_time_equal_samples_are_joined():
    problem = TrainingProblem(X, Y, 0.1, sample_weight=WEIGHTS)
    np.testing.assert_array_equal(condensed_before(problem, math.inf).X, [[1.0], [2.0]])
    np.testing.assert_array_equal(condensed_before(problem, 0.0).X, [[1.0], [2.0]])  # in no time


@pytest.mark.usefixtures("sorting_is_long")
@pytest.mark.parametrize("late", [True, False])
def test_without_time_samples_of_no_weight_are_left_out_all_the_same(late):
    kind, inputs = (UnreadProblem, Unread(X)) if late else (TrainingProblem, X)
    problem = kind(inputs, Y, 0.1, sample_weight=WEIGHTS)
    assert not condensing_fits(problem, 0.0)
    found = condensed_before(problem, 0.0)
    assert not (late and inputs.is_read)
    np.testing.assert_array_equal(found.X, X[:3])
    np.testing.assert_array_equal(found.y, Y[:3])
    assert found.weights.sum() == pytest.approx(1.0, rel=1e-15)
    expected = problem.condensed().objective(NETWORK)
    assert found.objective(NETWORK) == pytest.approx(expected, rel=1e-12)


@pytest.mark.usefixtures("sorting_is_long")
def test_samples_that_all_have_weight_stay_as_they_are():
    problem = TrainingProblem(X, Y, 0.1)
    assert with_weight(problem) is problem
    assert condensed_before(problem, 0.0) is problem
    assert condensed_before(problem, math.inf).n_samples == 3
