"""Sums without rounding."""

from fractions import Fraction

import numpy as np

from convexrelu.chunked import exact_sums
from convexrelu.chunked.exact_sums import exact_totals


def test_totals_are_those_of_fractions(monkeypatch):
    monkeypatch.setattr(exact_sums, "_BLOCK", 7)
    random = np.random.RandomState(0)
    values = np.ldexp(random.standard_normal(60), random.randint(-1060, 900, 60))
    values[:3] = 0.0, 5e-324, np.finfo(float).max
    index = random.randint(3, size=60)
    expected = [
        sum(map(Fraction, values[index == group].tolist()), Fraction(0)) for group in range(4)
    ]
    assert exact_totals(index, values, 4) == expected
