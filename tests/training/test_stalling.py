"""Gaps that will not close, and those that will."""

import numpy as np

from convexrelu import TrainingProblem, train
from convexrelu.results import Status
from convexrelu.results.result import Round
from convexrelu.training import cutting_plane
from convexrelu.training.stalling import (
    AFTER_CHOICE,
    AFTER_CHOICE_OF_MANY,
    PATIENT,
    will_not_close,
)
from tests import reference
from tests.honest import assert_certifies


def rounds_until_stalled(objectives, gaps, tol=1e-3, max_iter=30, patience=PATIENT):
    entries = [
        Round(0.0, objective, objective * (1 - gap), gap, False, 1, 1, 1, 0.0, "")
        for objective, gap in zip(objectives, gaps, strict=True)
    ]
    for k in range(1, len(entries) + 1):
        if will_not_close(entries[:k], tol, max_iter, patience):
            return k
    return None


def test_a_settled_objective_with_an_open_gap_stalls():
    assert rounds_until_stalled([1.0] * 9, [0.5] + [0.01] * 8) == 7


def test_a_gap_that_closes_in_time_does_not_stall():
    """It halves in five rounds: from 0.01 below 0.001 after 17 of 30."""
    gaps = 0.01 * 0.5 ** (np.arange(15) / 5)
    assert rounds_until_stalled([1.0] * 15, gaps) is None
    assert rounds_until_stalled([1.0] * 15, gaps, max_iter=10) is not None


def test_an_objective_that_falls_does_not_stall():
    assert rounds_until_stalled(1.0 - 1e-3 * np.arange(9), [0.01] * 9) is None


def test_after_a_choice_of_the_penalty_a_slow_fall_is_enough():
    """By less than the tolerance in three rounds; gaps that close are still waited for."""
    slow, fast = 1.0 - 2e-4 * np.arange(9), 1.0 - 4e-4 * np.arange(9)
    assert rounds_until_stalled(slow, [0.01] * 9) is None
    assert rounds_until_stalled(slow, [0.01] * 9, patience=AFTER_CHOICE) == 5
    assert rounds_until_stalled(fast, [0.01] * 9, patience=AFTER_CHOICE) is None
    assert rounds_until_stalled(slow, 0.01 * 0.8 ** np.arange(9), patience=AFTER_CHOICE) is None


def test_with_many_outputs_one_slow_round_is_enough():
    slow = 1.0 - 8e-4 * np.arange(9)
    assert rounds_until_stalled(slow, [0.01] * 9, patience=AFTER_CHOICE) is None
    for gaps, wanted in ((0.01, 3), (0.004, None)):  # far above tol, and not
        gaps = gaps * 0.9 ** np.arange(9)
        stalled = rounds_until_stalled(slow, gaps, patience=AFTER_CHOICE_OF_MANY)
        assert stalled == wanted
        assert rounds_until_stalled(slow, gaps, patience=AFTER_CHOICE) is None


def test_without_a_limit_on_rounds_nothing_is_given_up():
    assert rounds_until_stalled([1.0] * 99, [0.01] * 99, max_iter=None) is None


def test_a_training_that_stalls_has_a_true_certificate(monkeypatch):
    data = reference.teacher(40, 5, 3, 0.1, 1)
    monkeypatch.setattr(cutting_plane, "will_not_close", lambda rounds, *_: len(rounds) == 3)
    result = train(TrainingProblem(*data, 1e-3), tol=1e-9, random_state=0)
    assert result.status is Status.STALLED
    assert 3 <= len(result.history) <= 4  # exact pricing at the end adds one
    assert_certifies(result.certificate, result.network, *data, 1e-3)
