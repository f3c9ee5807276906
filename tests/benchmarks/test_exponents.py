import numpy as np
import pytest

from benchmarks.scaling.exponents import growth


def test_power_law_is_recovered_whatever_the_repeats():
    sizes = [10, 20, 40, 80]
    runs = [[3 * n**1.5] * (3 if n < 80 else 1) for n in sizes]
    assert growth(sizes, runs) == pytest.approx((1.5, 1.5, 1.5, 1.0))


def test_repeats_span_the_exponents():
    runs = [[1.0, 1.0, 1.0], [2.0, 4.0, 8.0]]
    assert growth([1, 2], runs) == pytest.approx((2.0, 1.0, 3.0, 1.0))


def test_factor_is_the_worst_distance_from_the_line():
    runs = [[1.0], [np.e], [1.0]]
    assert growth([1, 2, 4], runs).factor == pytest.approx(np.exp(2 / 3))
