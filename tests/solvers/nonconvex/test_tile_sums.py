"""Sums over tiles do not depend on the cores that share them."""

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu._utils import threads
from convexrelu.solvers.nonconvex import rounded_objective, tile_sums


def objective_of(monkeypatch, loss="squared_error"):
    monkeypatch.setattr(rounded_objective, "_TILE", 2**11)
    random = np.random.RandomState(0)
    X = random.standard_normal((500, 4))
    y = np.abs(X[:, 0])
    problem = TrainingProblem(
        X, np.where(y > 1, 1.0, -1.0) if loss == "logistic" else y, alpha=0.01, loss=loss
    )
    return rounded_objective.RoundedObjective(problem, 20)


@pytest.mark.parametrize("loss", ["squared_error", "logistic"])
def test_sums_are_the_same_on_several_cores(monkeypatch, loss):
    objective = objective_of(monkeypatch, loss)
    z = objective.random_point(np.random.RandomState(1))
    assert len(objective.tiles) > 4
    found = []
    monkeypatch.setattr(tile_sums, "_SHARED", 0)
    for n_cores in (1, 2, 3):
        monkeypatch.setattr(threads, "free_cores", lambda n=n_cores: n)
        found.append([objective(z, width) for width in (0.3, 0.01)])
    for other in found[1:]:
        for (value, gradient), (again, moved) in zip(found[0], other, strict=True):
            assert value == again
            np.testing.assert_array_equal(gradient, moved)


def test_memory_is_kept():
    scratch = tile_sums.Scratch()
    with scratch.matrix(3, 4, np.float32) as first, scratch.matrix(2, 4, np.float32) as second:
        assert first.shape == (3, 4) and second.shape == (2, 4)
        assert not np.shares_memory(first, second)
    with scratch.matrix(2, 4, np.float32) as again:
        assert np.shares_memory(again, first) or np.shares_memory(again, second)
    with scratch.matrix(5, 2, np.float64) as other:
        assert other.dtype == np.float64 and other.shape == (5, 2)
        assert not np.shares_memory(other, first) and not np.shares_memory(other, second)


def test_memory_that_another_thread_has_just_taken_is_not_waited_for():
    class Taken(list):
        """Empty, after it was seen to be full."""

        def __bool__(self):
            return True

    scratch = tile_sums.Scratch()
    scratch._free = Taken()
    with scratch.matrix(2, 3, np.float32) as matrix:
        assert matrix.shape == (2, 3)


def test_no_tiles_have_no_sums(monkeypatch):
    objective = objective_of(monkeypatch)
    z = objective.random_point(np.random.RandomState(0))
    assert objective.tile_sums([], z, 0.1, np.ones(objective.n_neurons)) == []
