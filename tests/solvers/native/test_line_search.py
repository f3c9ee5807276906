"""Lengths of steps, on convex functions of one variable with many kinks."""

from typing import NamedTuple

import numpy as np
import pytest

from convexrelu.solvers.native.line_search import search_line


class Value(NamedTuple):
    value: float
    length: float


def kinked(seed, scale):
    """``Σ w_i max(s − k_i, 0)² − s``, its minimum where `scale` says, and a counter of evaluations."""
    rng = np.random.default_rng(seed)
    kinks, weights = np.sort(rng.uniform(0, scale, 40)), rng.exponential(size=40) ** 3 / scale
    lengths = []

    def evaluate(s):
        lengths.append(s)
        beyond = np.maximum(s - kinks, 0)
        return Value(float(weights @ beyond**2 - s), s), float(2 * weights @ beyond - 1)

    return evaluate, lengths


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("last", [1e-5, 0.03, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_step_lowers_the_value_and_leaves_little_slope(seed, last, scale):
    evaluate, lengths = kinked(seed, scale)
    found, length, n_trials = search_line(evaluate, 0.0, -1.0, last=last, rounding=0.0, most=30)
    assert n_trials == len(lengths) <= 30
    assert found is not None and 0 < length <= 1 and found.length == length
    value, slope = evaluate(length)
    assert value.value <= -1e-4 * length
    assert value.value == min(evaluate(s)[0].value for s in lengths[:n_trials])
    if n_trials < 6:
        assert abs(slope) <= 0.3 or (length == 1 and slope < 0)


def test_the_length_of_the_last_step_saves_trials():
    trials = []
    for last in (1.0, 1e-4):
        evaluate, lengths = kinked(0, 1e-4)
        search_line(evaluate, 0.0, -1.0, last=last, rounding=0.0, most=30)
        trials.append(len(lengths))
    assert trials[1] < trials[0]


def test_without_a_lower_point_there_is_none():
    """A function that rises though its slope is said to be negative, as rounding can do."""
    found, length, n_trials = search_line(
        lambda s: (Value(1.0 + s, s), 1.0), 0.0, -1.0, last=1.0, rounding=0.0, most=7
    )
    assert found is None and length == 1 and n_trials == 7


def test_changes_of_the_size_of_rounding_end_the_search():
    found, length, n_trials = search_line(
        lambda s: (Value(1e-17, s), 1.0), 0.0, -1e-17, last=1.0, rounding=1e-15, most=30
    )
    assert found is not None and length == 1 and n_trials == 1
