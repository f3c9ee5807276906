"""Sums that do not depend on who adds up which terms."""

from itertools import pairwise

import numpy as np
import pytest

from convexrelu.chunked.ordered_sums import subtrees, sum_of_subtrees, tree_sum


@pytest.mark.parametrize("n", [1, 2, 5, 8, 13, 64, 77])
def test_any_split_gives_the_same_bits(n):
    random = np.random.RandomState(n)
    terms = random.standard_normal(n) * 10.0 ** random.randint(-12, 12, n)
    whole = tree_sum(terms)
    assert abs(whole - np.sum(terms)) <= 1e-12 * np.abs(terms).sum()
    for parts in range(1, min(n, 5) + 1):
        ends = np.sort(np.append(random.randint(0, n + 1, parts - 1), [0, n]))
        sums = {}
        for first, last in pairwise(ends):
            for start, size in subtrees(int(first), int(last)):
                sums[start, size] = tree_sum(terms[start : start + size])
        assert sum_of_subtrees(sums) == whole


@pytest.mark.parametrize(("first", "last"), [(0, 1), (0, 7), (3, 12), (5, 5), (16, 31)])
def test_subtrees_have_every_leaf_once_and_are_aligned(first, last):
    nodes = subtrees(first, last)
    assert [k for start, size in nodes for k in range(start, start + size)] == list(
        range(first, last)
    )
    assert all(start % size == 0 and size & (size - 1) == 0 for start, size in nodes)
