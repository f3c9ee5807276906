"""Counting cells in integers, and proofs that a list of patterns has them all."""

from itertools import product

import numpy as np
import pytest

from convexrelu.patterns import ActivationPatterns, count_patterns, enumerate_patterns
from convexrelu.patterns.complete import count_cells, has_every_cell, has_every_pattern
from tests import reference


def grid(k, d):
    return np.array([(*point, 1.0) for point in product(np.arange(float(k)), repeat=d)])


DEGENERATE = {
    "grid": grid(3, 2),
    "tenths": grid(4, 1) * 0.1,
    "cube": grid(2, 3),
    "duplicates": np.vstack([grid(2, 2), grid(2, 2)]),
    "opposites": np.array([[1.0, 2.0], [-1.0, -2.0], [0.5, 0.0], [3.0, 0.0]]),
    "zero rows": np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]),
    "nothing": np.zeros((2, 3)),
    "rank one": np.outer([1.0, -2.0, 3.0], [1.0, 2.0, 0.0]),
    "scales": grid(3, 2) * np.array([1e-30, 1.0, 1e20]),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_count_of_degenerate_data(name):
    assert count_cells(DEGENERATE[name]) == reference.count_cells(DEGENERATE[name])


@pytest.mark.parametrize(("n", "d"), [(1, 1), (5, 1), (6, 2), (10, 3), (7, 5), (3, 6)])
def test_count_in_general_position(n, d):
    design = np.random.default_rng(n).standard_normal((n, d))
    distinct = 1 if d == 1 else n
    assert count_cells(design) == count_patterns(distinct, min(n, d))


@pytest.mark.parametrize("name", ["grid", "tenths", "cube", "duplicates", "nothing"])
def test_enumerations_are_complete(name):
    patterns = enumerate_patterns(DEGENERATE[name])
    assert has_every_pattern(DEGENERATE[name], patterns)
    if len(patterns) > 1:
        fewer = ActivationPatterns(patterns.masks[1:], patterns.gates[1:])
        assert not has_every_pattern(DEGENERATE[name], fewer)


def test_repetitions_do_not_count():
    design = np.random.default_rng(0).standard_normal((5, 3))
    patterns = enumerate_patterns(np.column_stack([design[:, :2], np.ones(5)]))
    index = np.append(np.arange(1, len(patterns)), 1)
    twice = ActivationPatterns(patterns.masks[index], patterns.gates[index])
    assert not has_every_pattern(np.column_stack([design[:, :2], np.ones(5)]), twice)


def test_wrong_masks_do_not_count():
    design = np.column_stack([np.random.default_rng(0).standard_normal((5, 2)), np.ones(5)])
    patterns = enumerate_patterns(design)
    masks = patterns.masks.copy()
    masks[0] = [True, False, True, False, True]
    assert not has_every_pattern(design, ActivationPatterns(masks, patterns.gates))


@pytest.mark.parametrize("name", ["opposites"])
def test_gates_on_hyperplanes_may_have_patterns_of_their_own(name):
    """Without a direction in which all samples are on, the cells are not all there is."""
    design = DEGENERATE[name]
    patterns = enumerate_patterns(design)
    on = {tuple(mask) for mask in patterns.masks}
    assert (True,) * len(design) not in on  # u = 0 has this pattern
    assert not has_every_pattern(design, patterns)


def test_every_pattern_on_a_hyperplane_is_one_of_a_cell():
    """With a hidden bias: brute force over gates on the hyperplanes of a grid."""
    design = grid(3, 2)
    listed = {tuple(mask) for mask in enumerate_patterns(design).masks}
    for gate in product(np.arange(-4.0, 5.0), repeat=3):
        assert tuple(design @ gate >= 0) in listed


def test_nearly_equal_samples_prove_nothing_that_rounding_hides():
    design = np.array([[0.0, 1.0], [1.0, 1.0], [1.0 + 2e-16, 1.0], [1.0 + 1e-13, 1.0]])
    patterns = enumerate_patterns(design)
    assert len(patterns) < count_cells(design)
    assert not has_every_pattern(design, patterns)


def test_cells_of_opposite_rows_are_complete_although_patterns_are_not():
    """With x and −x, u = 0 has a pattern of no cell; leaving out one cell is noticed."""
    design = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    patterns = enumerate_patterns(design)
    assert has_every_cell(design, patterns) and not has_every_pattern(design, patterns)
    fewer = ActivationPatterns(patterns.masks[1:], patterns.gates[1:])
    assert not has_every_cell(design, fewer)
