"""The choice by scores, as loops over penalties make it."""

import numpy as np
import pytest

from convexrelu.estimators.penalty_choice import choose_penalty, is_past_its_best


def test_ties_go_to_the_larger_penalty():
    assert choose_penalty([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]) == 0


def test_one_standard_error_is_a_loop_over_penalties():
    rng = np.random.default_rng(0)
    for _ in range(200):
        scores = rng.standard_normal((6, 4))
        means = [row.mean() for row in scores]
        best = max(range(6), key=lambda k: means[k])
        assert choose_penalty(scores) == best
        error = np.sqrt(sum((s - means[best]) ** 2 for s in scores[best]) / 3) / np.sqrt(4)
        expected = min(k for k in range(6) if means[k] >= means[best] - error)
        assert choose_penalty(scores, one_standard_error=True) == expected


def test_one_fold_has_no_standard_error():
    assert choose_penalty([[0.0], [1.0]], one_standard_error=True) == 1


def test_scores_that_are_not_finite_lose():
    assert choose_penalty([[np.nan, 9.0], [1.0, 1.0]]) == 1
    with pytest.raises(ValueError, match="scoring is not finite"):
        choose_penalty([[np.nan, 9.0], [np.inf, 1.0]])


# Penalties that are dropped

LOSSES = np.array([[3.0, 3.2], [1.0, 1.1], [2.0, 2.2], [2.1, 2.2], [3.0, 3.1], [3.0, 3.2]])


def test_smaller_penalties_are_dropped_after_four_that_are_worse():
    assert is_past_its_best(-LOSSES, LOSSES)
    assert not is_past_its_best(-LOSSES[:5], LOSSES[:5])


def test_a_better_score_or_an_equal_loss_keeps_penalties():
    scores, losses = -LOSSES, LOSSES.copy()
    scores[-1] = 0.0
    assert not is_past_its_best(scores, LOSSES)
    losses[-1] = [0.9, 1.3]  # worse by no more than a standard error of the difference
    assert not is_past_its_best(-LOSSES, losses)


def test_nothing_is_dropped_while_the_loss_falls_or_is_not_known():
    flat = np.ones_like(LOSSES)
    assert not is_past_its_best(flat, -np.arange(12.0).reshape(6, 2))
    assert not is_past_its_best(flat, np.full_like(LOSSES, np.nan))
    assert not is_past_its_best(-LOSSES[:, :1], LOSSES[:, :1])
