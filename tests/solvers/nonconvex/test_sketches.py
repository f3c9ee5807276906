"""Networks on the way of descent."""

import numpy as np
import pytest

from convexrelu import TrainingProblem
from convexrelu.solvers.nonconvex.descent import descents
from tests import reference
from tests.honest import assert_same_network

X, Y = reference.teacher(200, 3, 3, 0.1, 0)
CLASSES = np.argsort(np.argsort(Y)) * 3 // len(Y)
PROBLEMS = {
    "one output": TrainingProblem(X, Y, 0.02),
    "classes": TrainingProblem(X, CLASSES.astype(float), 0.02, loss="multinomial"),
}


def end_of(problem, look=None):
    (end,) = descents(problem, np.random.RandomState(0), look=look)
    return end


@pytest.mark.parametrize("kind", PROBLEMS)
def test_they_come_early_and_become_better(kind):
    """The first is far from the end, the last near it, and nobody has to look for the end to be the same."""
    problem, seen = PROBLEMS[kind], []
    end = end_of(problem, seen.append)
    values = [problem.objective(network) for network in seen]
    last, constant = problem.objective(end), problem.objective(problem.zero_network())
    assert len(seen) > 4
    assert last < values[-1] < last + 0.1 * (constant - last)
    assert values[0] > last + 2 * (values[-1] - last)
    assert_same_network(end, end_of(problem))


def test_who_looks_may_end_descent():
    problem, seen = PROBLEMS["one output"], []

    def look(network):
        seen.append(network)
        return len(seen) == 3

    early = problem.objective(end_of(problem, look))
    assert len(seen) == 3
    assert problem.objective(end_of(problem)) < early <= problem.objective(seen[-1]) * (1 + 1e-9)


def test_few_samples_have_none():
    problem, seen = TrainingProblem(X[:40], Y[:40], 0.02), []
    end_of(problem, seen.append)
    assert seen == []
