"""Proof by counting that a list of patterns is complete."""

from __future__ import annotations

import math
import time
from math import gcd

import numpy as np

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.patterns.activation import ActivationPatterns, first_of_each
from convexrelu.patterns.cell_centre import cell_centre, decides
from convexrelu.patterns.enumerate import count_patterns

__all__ = ["count_cells", "has_every_cell", "has_every_pattern"]

Line = tuple[int, ...]

_CHUNK_BYTES = 2**26  # memory of a float copy of some patterns: 64 MB


def has_every_pattern(
    design: Array, patterns: ActivationPatterns, *, deadline: float = math.inf
) -> bool:
    """Whether `patterns` are proved to be all ``1{X̃u ≥ 0}``, over every ``u``.

    Three facts prove it. Every gate has its pattern beyond rounding, so that distinct patterns are distinct cells.
    There are no more cells: by the bound for general position, or else by a count in integers. And some
    ``e`` has ``X̃e > 0``, as with a hidden bias: then ``u + εe``, for ``u`` on a hyperplane, has the pattern of
    ``u`` and lies in a cell. (Zero rows are on in every pattern.)

    Parameters
    ----------
    design : array of shape (n, d̃)
    patterns : ActivationPatterns
    deadline : float
        Value of :func:`time.perf_counter` at which to stop counting: then nothing is proved.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.patterns import enumerate_patterns
    >>> from convexrelu.patterns.complete import has_every_pattern
    >>> design = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> has_every_pattern(design, enumerate_patterns(design))
    True
    >>> opposite = np.array([[1.0], [-1.0]])  # u = 0 has both on, which no cell has
    >>> has_every_pattern(opposite, enumerate_patterns(opposite))
    False
    """
    if norms(design).any() and cell_centre(design, np.ones(len(design), dtype=bool)) is None:
        return False
    return has_every_cell(design, patterns, deadline=deadline)


def has_every_cell(
    design: Array, patterns: ActivationPatterns, *, deadline: float = math.inf
) -> bool:
    """Whether `patterns` are proved to be those of all open cells: the first two facts of :func:`has_every_pattern`.

    Limits from inside of cells are then covered, too, but not every pattern of a vector on some hyperplanes.

    Parameters
    ----------
    design, patterns, deadline
        As for :func:`has_every_pattern`.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.patterns import enumerate_patterns
    >>> from convexrelu.patterns.complete import has_every_cell
    >>> opposite = np.array([[1.0], [-1.0]])
    >>> has_every_cell(opposite, enumerate_patterns(opposite))
    True
    """
    alive = norms(design) > 0
    if not alive.any():
        return len(patterns) > 0
    step = max(1, _CHUNK_BYTES // (8 * len(design)))
    for i in range(0, len(patterns), step):
        if not decides(design, patterns.masks[i : i + step], patterns.gates[i : i + step]).all():
            return False
    n_found = len(first_of_each(patterns.masks))
    n_rows, rank = int(alive.sum()), min(int(alive.sum()), design.shape[1])
    if n_found == count_patterns(n_rows, rank):
        return True
    try:
        return n_found == count_cells(design, deadline=deadline)
    except TimeoutError:
        return False


def count_cells(design: Array, *, deadline: float = math.inf) -> int:
    """Number of cells of the hyperplanes ``{g : x̃_iᵀ g = 0}``, in integers: no rounding.

    Every hyperplane adds as many cells as the earlier ones cut on it (Zaslavsky 1975). About ``C(n, r−1)``
    operations on integers of 53 bits, or of as many as the exponents in a row differ.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``, of any position.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop.

    Raises
    ------
    TimeoutError
        At the deadline.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.patterns.complete import count_cells
    >>> count_cells(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0], [0.1, 0.1]]))
    6
    """
    lines = _distinct_lines([_integers(row) for row in design])
    return _count(lines, design.shape[1], deadline)


def _integers(row: Array) -> Line:
    """A multiple of the row in integers."""
    ratios = [float(entry).as_integer_ratio() for entry in row]
    denominator = max(bottom for _, bottom in ratios)  # powers of two
    return tuple(top * (denominator // bottom) for top, bottom in ratios)


def _distinct_lines(rows: list[Line]) -> list[Line]:
    """One multiple per line: without common divisors, the first nonzero entry positive."""
    lines: dict[Line, None] = {}
    for row in rows:
        divisor = gcd(*row)
        if divisor:
            lead = next(entry for entry in row if entry)
            divisor = divisor if lead > 0 else -divisor
            lines[tuple(entry // divisor for entry in row)] = None
    return list(lines)


def _count(lines: list[Line], dimension: int, deadline: float) -> int:
    if not lines or dimension <= 2:
        return 2 * len(lines) or 1  # in the plane, and on a line, where there is one at most
    total = 1
    for j, line in enumerate(lines):
        if time.perf_counter() > deadline:
            raise TimeoutError("cells are still being counted")
        pivot = next(i for i, entry in enumerate(line) if entry)
        others = [i for i in range(dimension) if i != pivot]
        # The lines that the earlier hyperplanes cut on this one, in all coordinates but the pivot.
        restricted = [
            tuple(other[i] * line[pivot] - other[pivot] * line[i] for i in others)
            for other in lines[:j]
        ]
        total += _count(_distinct_lines(restricted), dimension - 1, deadline)
    return total
