"""Sums of groups of numbers without rounding, which therefore do not depend on who has which of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array

__all__ = ["exact_totals"]

_BLOCK = 2**20  # numbers at a time: sums of so many halves of mantissas are exact in float64
_BITS = 27  # of such a half


def exact_totals(index: NDArray[np.intp], values: Array, n_groups: int) -> list[Fraction]:
    """Sums of the values of each group, as fractions.

    Parameters
    ----------
    index : array of int of shape (n,)
        Groups, from zero on.
    values : array of shape (n,)
        Finite.
    n_groups : int

    Examples
    --------
    >>> totals = exact_totals(np.array([0, 1, 0, 0]), np.array([1e300, 0.5, 1.0, -1e300]), 2)
    >>> [float(total) for total in totals]
    [1.0, 0.5]
    """
    totals = [Fraction(0)] * n_groups
    for start in range(0, len(values), _BLOCK):
        part = slice(start, start + _BLOCK)
        mantissas, exponents = np.frexp(values[part])
        found, kinds = np.unique(exponents, return_inverse=True)
        places = index[part] * len(found) + kinds
        for scale, half in _halves(mantissas):
            sums = np.bincount(places, half, minlength=n_groups * len(found))
            for place in np.flatnonzero(sums).tolist():
                group, kind = divmod(place, len(found))
                power: Any = Fraction(2) ** (int(found[kind]) - scale)
                totals[group] += int(sums[place]) * power
    return totals


def _halves(mantissas: Array) -> list[tuple[int, Array]]:
    """Whole numbers ``a, b`` and scales with ``mantissa = a 2⁻²⁷ + b 2⁻⁵⁴``."""
    high = np.trunc(np.ldexp(mantissas, _BITS))
    return [(_BITS, high), (2 * _BITS, np.ldexp(np.ldexp(mantissas, _BITS) - high, _BITS))]
