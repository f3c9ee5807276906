"""Exponents of growth: least squares in logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np


class Growth(NamedTuple):
    """``seconds ≈ c · size^exponent``.

    The exponent is fitted to the medians of the repeats; `lowest` and `highest` are those of single repeats.
    `factor` is by how much the worst median is off the line.
    """

    exponent: float
    lowest: float
    highest: float
    factor: float


def growth(sizes: Sequence[float], runs: Sequence[Sequence[float]]) -> Growth:
    """Fit the repeated `runs` at each of the sizes; one with fewer repeats takes part with its last in the others."""
    repeats = max(map(len, runs))
    single = [[run[min(k, len(run) - 1)] for run in runs] for k in range(repeats)]
    x, medians = np.log(sizes), np.log([median(run) for run in runs])
    slope, offset = np.polyfit(x, medians, 1)
    slopes = [slope, *(np.polyfit(x, np.log(seconds), 1)[0] for seconds in single)]
    worst = np.abs(medians - slope * x - offset).max()
    return Growth(float(slope), float(min(slopes)), float(max(slopes)), float(np.exp(worst)))
