"""What is said of penalties, within the time that there is."""

import numpy as np

from convexrelu import TrainingProblem
from convexrelu.training.useful_penalties import complaint_about


def test_nothing_is_said_without_the_time_to_find_out(clock, monkeypatch):
    X = np.linspace(-1, 1, 9)[:, None]
    problem = TrainingProblem(X, 1e-4 * np.abs(X[:, 0]), alpha=1e-2)
    assert "times the largest useful penalty" in complaint_about(problem, clock.now + 60.0)
    monkeypatch.setattr("convexrelu._utils.deadlines._ALWAYS", 0.0)
    monkeypatch.setattr("convexrelu.training.useful_penalties.at_least_largest_penalty", None)
    assert complaint_about(problem, clock.now - 1.0) == ""
