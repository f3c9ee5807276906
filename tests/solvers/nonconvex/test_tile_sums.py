"""Sums over tiles do not depend on the cores that share them."""

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu._utils import threads
from convexrelu.solvers.nonconvex import rounded_objective, tile_sums


@pytest.fixture
def objective(monkeypatch):
    monkeypatch.setattr(rounded_objective, "_TILE", 2**11)
    random = np.random.RandomState(0)
    X = random.standard_normal((500, 4))
    return rounded_objective.RoundedObjective(TrainingProblem(X, np.abs(X[:, 0]), alpha=0.01), 20)


@pytest.mark.parametrize("together", [2**9, 2**13, 2**30])
def test_sums_are_the_same_on_several_cores(monkeypatch, objective, together):
    z = objective.random_point(np.random.RandomState(1))
    assert len(objective.tiles) > 4
    found = []
    monkeypatch.setattr(tile_sums, "_TOGETHER", together)
    monkeypatch.setattr(tile_sums, "_SHARED", 0)
    for n_cores in (1, 3):
        for module in (threads, tile_sums):
            monkeypatch.setattr(module, "free_cores", lambda n=n_cores: n)
        found += [objective(z, width) for width in (0.3, 0.01)]
    for (value, gradient), (again, other) in zip(found[:2], found[2:], strict=True):
        assert value == again
        np.testing.assert_array_equal(gradient, other)


def test_memory_is_kept():
    scratch = tile_sums.Scratch()
    first, second = scratch.matrices([3, 2], 4, np.float32)
    assert first.shape == (3, 4) and second.shape == (2, 4)
    assert not np.shares_memory(first, second)
    (again,) = scratch.matrices([5], 2, np.float32)
    assert np.shares_memory(again, first)
    (other,) = scratch.matrices([5], 2, np.float64)
    assert other.dtype == np.float64 and not np.shares_memory(other, first)


def test_no_tiles_have_no_sums(objective):
    assert objective.tile_sums([], objective.random_point(np.random.RandomState(0)), 0.1) == []
