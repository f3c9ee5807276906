"""Open convex sets in which cells are counted: everything, a ball or a bounded polytope, and their sections.

A *row* ``(w_1, …, w_k, b)`` of integers is the hyperplane ``{x : w·x + b = 0}`` in ``k`` coordinates. A section by it
is described in the other ``k − 1`` coordinates: the one with the largest weight, the pivot, is eliminated. Nothing is
rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Protocol

__all__ = [
    "Ball",
    "Domain",
    "DomainOfPoints",
    "Everywhere",
    "Point",
    "Polytope",
    "Row",
    "pivot_of",
    "primitive",
    "restricted",
    "value",
]

Row = tuple[int, ...]
# Homogeneous coordinates (x_1, …, x_k, t), with t > 0, of the point x / t.
Point = tuple[int, ...]


class Domain(Protocol):
    """An open convex set that is not empty."""

    def meets(self, row: Row, index: int = 0) -> bool:
        """Whether the hyperplane of `row` has points in this set; its weights are not all zero.

        The index is that of the hyperplane that this is a section of, in the list that the set was made with.
        """

    def section(self, row: Row, index: int = 0, others: Sequence[int] = ()) -> Domain:
        """Intersection with the hyperplane of `row`, which meets this set, in the coordinates without the pivot.

        Later it is asked about sections of the hyperplanes `others` only.
        """


class DomainOfPoints(Domain, Protocol):
    """A set that points can be asked of, too."""

    def section(self, row: Row, index: int = 0, others: Sequence[int] = ()) -> DomainOfPoints:
        """As for every domain."""

    def contains(self, point: Point) -> bool:
        """Whether a point is in the set."""

    def centre(self, n_coordinates: int) -> Point:
        """A point in the set."""


def pivot_of(row: Row) -> int:
    """Index of the largest weight."""
    sizes = [abs(weight) for weight in row[:-1]]
    return sizes.index(max(sizes))


def restricted(row: Row, to: Row, pivot: int) -> Row:
    """`row` on the hyperplane of `to`, without the pivot coordinate: ``|w'_p| row − sign(w'_p) w_p to``."""
    factor, subtracted = abs(to[pivot]), row[pivot] if to[pivot] > 0 else -row[pivot]
    entries = [factor * a - subtracted * b for a, b in zip(row, to, strict=True)]
    del entries[pivot]
    return primitive(entries)


def value(row: Row, point: Point) -> int:
    """``w·x + b``, times the positive number ``t``."""
    return sum(map(int.__mul__, row, point))


def primitive(numbers: list[int]) -> tuple[int, ...]:
    """Integers over their greatest common divisor."""
    divisor = gcd(*numbers)
    return tuple(number // divisor for number in numbers) if divisor > 1 else tuple(numbers)


class Everywhere:
    """The whole space."""

    def meets(self, row: Row, index: int = 0) -> bool:
        """Whether the hyperplane has points: always."""
        return True

    def section(self, row: Row, index: int = 0, others: Sequence[int] = ()) -> Everywhere:
        """A space of one dimension less."""
        return self

    def contains(self, point: Point) -> bool:
        """Whether the point is in the space: always."""
        return True

    def centre(self, n_coordinates: int) -> Point:
        """The origin."""
        return (0,) * n_coordinates + (1,)


class Ball:
    """``{x : ‖x − c‖² < ρ}``, by the products ``G_ij = w_i·w_j`` of hyperplanes and ``s_i = w_i·c + b_i``.

    A hyperplane meets it iff ``s_i² < ρ G_ii``. The section by hyperplane ``j`` is a ball in that hyperplane, with the
    level ``ρ − s_j² / G_jj``, that is ``R² − dist²``. The projections of the others on it have the products ``G_ik −
    G_ij G_jk / G_jj``, and at its centre the values ``s_i − s_j G_ij / G_jj``.

    Parameters
    ----------
    products : dict of (i, k), with i ≤ k, to int
        ``G``, times a positive integer, `scale`.
    values : dict of i to int
        ``s``, times a positive integer, `unit`.
    level : Fraction
        ``ρ``.
    scale, unit : int
    """

    def __init__(
        self,
        products: dict[tuple[int, int], int],
        values: dict[int, int],
        level: Fraction,
        scale: int = 1,
        unit: int = 1,
    ) -> None:
        self._products, self._values, self._level = products, values, level
        self._scale, self._unit = scale, unit

    @classmethod
    def around(cls, centre: list[Fraction], radius: Fraction, rows: list[Row]) -> Ball:
        """The ball around a point, and rows in the coordinates of the inputs."""
        unit = lcm(*(x.denominator for x in centre))
        point = (*(int(x * unit) for x in centre), unit)
        size = range(len(rows))
        products = {
            (i, k): sum(map(int.__mul__, rows[i][:-1], rows[k][:-1]))
            for k in size
            for i in range(k + 1)
        }
        return cls(products, {i: value(rows[i], point) for i in size}, radius**2, 1, unit)

    def meets(self, row: Row, index: int = 0) -> bool:
        """Whether ``s_i² < ρ G_ii``; only the index matters."""
        s, square, level = self._values[index], self._products[index, index], self._level
        reach = level.numerator * square * self._unit**2
        return s * s * self._scale * level.denominator < reach

    def section(self, row: Row, index: int = 0, others: Sequence[int] = ()) -> Ball:
        """Section, for hyperplanes before this one."""
        G, s, square = self._products, self._values[index], self._products[index, index]
        level = self._level - Fraction(s * s * self._scale, self._unit**2 * square)
        along = {i: G[i, index] for i in others}
        products = {
            (i, k): G[i, k] * square - along[i] * along[k]
            for place, k in enumerate(others)
            for i in others[: place + 1]
        }
        values = {i: self._values[i] * square - s * along[i] for i in others}
        scale, unit = self._scale * square, self._unit * square
        divisor, common = gcd(scale, *products.values()), gcd(unit, *values.values())
        products = {pair: product // divisor for pair, product in products.items()}
        values = {i: s // common for i, s in values.items()}
        return Ball(products, values, level, scale // divisor, unit // common)


class Polytope:
    """The interior of a bounded polytope, by its vertices.

    A hyperplane meets the interior iff there are vertices strictly on both sides. The vertices of a section are those
    on the hyperplane, and one on each edge that crosses it. Two vertices are joined by an edge iff no third one
    is on all facets that both are on (Fukuda & Prodon 1996, "Double description method revisited").

    Parameters
    ----------
    vertices : list of points
    facets : list of int
        For every vertex the facets that it is on, as bits.
    sides : list of rows
        For every facet a row that is positive inside.
    """

    def __init__(self, vertices: list[Point], facets: list[int], sides: list[Row]) -> None:
        self.vertices, self._facets, self._sides = vertices, facets, sides

    @classmethod
    def box(cls, lower: list[Fraction], upper: list[Fraction]) -> Polytope:
        """The box ``lower < x < upper``."""
        vertices: list[list[Fraction]] = [[]]
        facets = [0]
        sides: list[Row] = []
        for k, ends in enumerate(zip(lower, upper, strict=True)):
            vertices = [[*vertex, end] for vertex in vertices for end in ends]
            facets = [bits | 1 << (2 * k + side) for bits in facets for side in (0, 1)]
            for sign, end in zip((1, -1), ends, strict=True):
                weights = [0] * len(lower)
                weights[k] = sign * end.denominator
                sides.append((*weights, -sign * end.numerator))
        return cls([_homogeneous(vertex) for vertex in vertices], facets, sides)

    def meets(self, row: Row, index: int = 0) -> bool:
        """Whether there are vertices strictly on both sides."""
        below = above = False
        for vertex in self.vertices:
            side = value(row, vertex)
            above, below = above or side > 0, below or side < 0
            if above and below:
                return True
        return False

    def section(self, row: Row, index: int = 0, others: Sequence[int] = ()) -> Polytope:
        """Section, in the coordinates without the pivot."""
        p, dimension = pivot_of(row), len(row) - 1
        sides = [value(row, vertex) for vertex in self.vertices]
        facets = self._facets
        above = [i for i, side in enumerate(sides) if side > 0]
        below = [i for i, side in enumerate(sides) if side < 0]
        kept = [i for i, side in enumerate(sides) if side == 0]
        points = [self.vertices[i] for i in kept]
        bits = [facets[i] for i in kept]
        for i in above:
            for j in below:
                common = facets[i] & facets[j]
                if common.bit_count() < dimension - 1 or not self._is_edge(i, j, common):
                    continue
                ends = zip(self.vertices[i], self.vertices[j], strict=True)
                points.append(primitive([-sides[j] * x + sides[i] * y for x, y in ends]))
                bits.append(common)
        points = [(*point[:p], *point[p + 1 :]) for point in points]
        return Polytope(points, bits, [restricted(side, row, p) for side in self._sides])

    def _is_edge(self, i: int, j: int, common: int) -> bool:
        return not any(
            common & ~bits == 0 for k, bits in enumerate(self._facets) if k != i and k != j
        )

    def contains(self, point: Point) -> bool:
        """Whether a point is strictly inside all facets."""
        return all(value(side, point) > 0 for side in self._sides)

    def centre(self, n_coordinates: int) -> Point:
        """Mean of the vertices."""
        n = len(self.vertices)
        exact = [[Fraction(x, vertex[-1]) for x in vertex[:-1]] for vertex in self.vertices]
        return _homogeneous([sum(column, Fraction(0)) / n for column in zip(*exact, strict=True)])


def _homogeneous(point: list[Fraction]) -> Point:
    scale = lcm(*(x.denominator for x in point)) if point else 1
    return (*(int(x * scale) for x in point), scale)
