"""Bounds for widths: published values, Zaslavsky's sum, their order, and histograms of random arrangements."""

from itertools import product
from math import comb

import numpy as np
import pytest

from convexrelu.regions import list_regions, region_bound
from convexrelu.regions.bounds import METHODS, _histograms
from tests.regions.brute_force import network


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ([2, 4, 4], [256, 121, 121, 109]),
        ([4, 4, 4], [256, 256, 163, 163]),
        ([4, 6, 3, 6], [32768, 19152, 7095, 6933]),
    ],
)
def test_published_values(widths, expected):
    assert [region_bound(widths, method) for method in METHODS] == expected


@pytest.mark.parametrize(("d", "m"), [(1, 5), (2, 100), (6, 20), (7, 3), (3, 1), (40, 40)])
def test_one_hidden_layer_has_zaslavskys_sum(d, m):
    expected = sum(comb(m, j) for j in range(d + 1))
    for method in METHODS[1:]:
        assert region_bound([d, m], method) == expected
    assert region_bound([d, m], "naive") == 2**m


def test_tighter_bounds_are_not_above_looser_ones_and_grow_with_the_widths():
    for widths in product((1, 2, 3), (1, 3, 6), (2, 5), (1, 4)):
        values = [region_bound(widths, method) for method in METHODS]
        assert values == sorted(values, reverse=True)
        for k in range(4):
            wider = [width + (i == k) for i, width in enumerate(widths)]
            assert all(region_bound(wider, m) >= v for m, v in zip(METHODS, values, strict=True))


def test_integers_are_exact_and_numpy_integers_are_taken():
    assert region_bound([784, 100], "naive") == 2**100
    # All 2^m patterns of the first layer; the second one cuts where i units are active Σ_{j≤i} C(m, j) times.
    expected = sum(comb(9, i) * sum(comb(9, j) for j in range(i + 1)) for i in range(10))
    assert region_bound([20, 9, 9]) == region_bound([20, 9, 9], "serra") == expected
    assert region_bound(np.array([2, 100])) == 5051


@pytest.mark.parametrize(("d", "m"), [(1, 6), (2, 6), (3, 5)])
@pytest.mark.parametrize("method", METHODS)
def test_no_arrangement_has_more_active_units(d, m, method):
    """With at least ``k`` active units, for all ``k``, no more cells than the histogram says."""
    bound = np.cumsum(_histograms(method, d, m)[d][::-1])
    rng = np.random.default_rng(d)
    for _ in range(5):
        net = network(rng.standard_normal((m, d)), rng.uniform(0, 1, m))
        active = [int((region.signs > 0).sum()) for region in list_regions(net)]
        assert (np.cumsum(np.bincount(active, minlength=m + 1)[::-1]) <= bound).all()


@pytest.mark.parametrize(
    "widths", [[], [3], [2, 0], [2, -1, 3], [2, 2.5], "24", 7, [2, True], None, [2, [3]]]
)
def test_bad_widths(widths):
    with pytest.raises(ValueError, match="widths="):
        region_bound(widths)


def test_bad_method():
    with pytest.raises(ValueError, match="method='zaslavsky' is not known"):
        region_bound([2, 4], "zaslavsky")
