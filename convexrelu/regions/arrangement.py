r"""Cells of an arrangement of affine hyperplanes, counted by deletion and restriction, in integers.

**Recursion.** Let ``H_1, …, H_n`` be distinct hyperplanes that meet an open convex set ``K ≠ ∅`` of dimension ``k``.
Insert them one after the other. ``H_j`` cuts some of the cells of ``H_1, …, H_{j−1}`` in ``K`` in two, and leaves the
others as they are. A cell ``C`` is convex, so ``C ∩ H_j`` is empty or one cell, of dimension ``k − 1``, of the
arrangement that the earlier hyperplanes have on ``H_j ∩ K``; and every cell there is in one such ``C``. Therefore::

    r_k(H_1, …, H_n; K) = 1 + Σ_j r_{k−1}(H_1 ∩ H_j, …, H_{j−1} ∩ H_j; K ∩ H_j)

(Zaslavsky 1975, for ``K`` the whole space). On ``H_j ∩ K``, hyperplanes that do not meet it, as those parallel to
``H_j``, are left out, and those that are the same there are merged. On a line, ``k = 1``, cells are gaps between
points: ``1 +`` their number. In general position this is ``Σ_{i≤k} C(n, i)``, for ``K`` the whole space.

**Arithmetic.** Floats are integers times powers of two. So a hyperplane is a row of integers, its restriction to
another one is a row of integers, over their greatest common divisor, and all signs are those of exact numbers.
There is no rounding that could make or hide an intersection.

**Tolerance.** Weights themselves may be rounded: the neurons ``w`` and ``0.3 w``, in floats, are not quite parallel,
and three lines through a point do not quite meet. Exactly, that makes cells of the width of a rounding error. With
``tol > 0``, rows that differ by at most ``tol``, as points of projective space, up to sign and with their largest entry
scaled to one, count as equal at every level of the recursion; and so do a row and the hyperplane at infinity, ``(0, …,
0, 1)``, which is how parallels look. The units are those of :class:`~convexrelu.regions.hyperplanes.Hyperplanes`, so
that scaling a neuron, a feature or all inputs changes nothing. With ``tol = 0`` only equal rows count as equal.

References
----------
Zaslavsky 1975, "Facing up to arrangements: face-count formulas for partitions of space by hyperplanes".
"""

from __future__ import annotations

from functools import cache
from math import cos

from convexrelu.regions.domains import Domain, Everywhere, Row, pivot_of, restricted

__all__ = ["count_cells", "distinct_rows", "meets_in"]


def count_cells(rows: list[Row], domain: Domain, tol: float) -> int:
    """Number of cells of the hyperplanes of `rows` in `domain`; of coordinates there is at least one."""
    return _count(list(range(len(rows))), rows, domain, tol)


def _count(indices: list[int], rows: list[Row], domain: Domain, tol: float) -> int:
    """The same for sections of the hyperplanes of some indices."""
    crossing = [place for place, i in enumerate(indices) if meets_in(rows[place], domain, tol, i)]
    if not crossing:
        return 1
    rows = [rows[place] for place in crossing]
    kept = sorted({first for first, _ in distinct_rows(rows, tol)})
    rows, indices = [rows[place] for place in kept], [indices[crossing[place]] for place in kept]
    dimension = len(rows[0]) - 1
    if dimension == 1:
        return 1 + len(rows)
    if isinstance(domain, Everywhere) and len(rows) <= dimension and _are_independent(rows, tol):
        return 2 ** len(rows)
    count = 2  # of the first one
    for j, row in enumerate(rows[1:], 1):
        pivot = pivot_of(row)
        earlier = [restricted(other, row, pivot) for other in rows[:j]]
        section = domain.section(row, indices[j], indices[:j])
        count += _count(indices[:j], earlier, section, tol)
    return count


def meets_in(row: Row, domain: Domain, tol: float, index: int = 0) -> bool:
    """Whether a row is a hyperplane, and not that at infinity, and meets the domain."""
    largest, offset = max(map(abs, row[:-1])), abs(row[-1])
    # The quotient of two integers is rounded once, however long they are.
    is_far = largest < offset and largest / offset <= tol
    return largest > 0 and not is_far and domain.meets(row, index)


def distinct_rows(rows: list[Row], tol: float) -> list[tuple[int, int]]:
    """For every row the index of the first one with the same hyperplane, and 1 or -1: whether both point one way."""
    if tol == 0 or len(rows) < 2:
        return _equal_rows(rows)
    units, keys, signs = _normalised(rows)
    slack = tol * sum(map(abs, _directions(len(rows[0]))))
    order = sorted(range(len(rows)), key=keys.__getitem__)
    leaders = list(range(len(rows)))
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if keys[j] - keys[i] > slack:
                break
            if all(abs(a - b) <= tol for a, b in zip(units[i], units[j], strict=True)):
                one, other = sorted((leaders[i], leaders[j]))
                leaders = [one if leader == other else leader for leader in leaders]
    return [(leader, signs[i] * signs[leader]) for i, leader in enumerate(leaders)]


def _equal_rows(rows: list[Row]) -> list[tuple[int, int]]:
    seen: dict[Row, tuple[int, int]] = {}
    found = []
    for i, row in enumerate(rows):
        sign = 1 if next(filter(None, row)) > 0 else -1
        leader, side = seen.setdefault(row if sign > 0 else tuple(-x for x in row), (i, sign))
        found.append((leader, sign * side))
    return found


def _normalised(rows: list[Row]) -> tuple[list[list[float]], list[float], list[int]]:
    """Rows with a largest entry of one; their positive products with a generic vector; the signs that make these so."""
    units, keys, signs = [], [], []
    for row in rows:
        largest = max(map(abs, row))
        unit = [x / largest for x in row]
        key = sum(map(float.__mul__, unit, _directions(len(row))))
        if key < 0:
            unit, key = [-x for x in unit], -key
            signs.append(-1)
        else:
            signs.append(1)
        units.append(unit)
        keys.append(key)
    return units, keys, signs


@cache
def _directions(length: int) -> tuple[float, ...]:
    """A vector in general position to the rows: no simple rational numbers."""
    return tuple(cos(1.0 + 3 * k) for k in range(length))


def _are_independent(rows: list[Row], tol: float) -> bool:
    """Whether the normals are linearly independent, by eliminating one row after the other."""
    everywhere = Everywhere()
    while rows:
        if not all(meets_in(row, everywhere, tol) for row in rows):
            return False
        pivot = pivot_of(rows[0])
        rows = [restricted(row, rows[0], pivot) for row in rows[1:]]
    return True
