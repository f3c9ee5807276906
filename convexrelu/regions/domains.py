"""Open convex sets in which cells are counted: everything, a ball or a bounded polytope, and their sections.

A *row* ``(w_1, …, w_k, b)`` of integers is the hyperplane ``{x : w·x + b = 0}`` in ``k`` coordinates. A section by it
is described in the other ``k − 1`` coordinates: the one with the largest weight, the pivot, is eliminated. Nothing is
rounded.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm
from typing import Protocol

__all__ = [
    "Domain",
    "DomainOfPoints",
    "Ellipsoid",
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

    def meets(self, row: Row) -> bool:
        """Whether the hyperplane of `row` has points in this set; its weights are not all zero."""

    def section(self, row: Row) -> Domain:
        """Intersection with the hyperplane of `row`, which meets this set, in the coordinates without the pivot."""


class DomainOfPoints(Domain, Protocol):
    """A set that points can be asked of, too."""

    def section(self, row: Row) -> DomainOfPoints:
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

    def meets(self, row: Row) -> bool:
        """Whether the hyperplane has points: always."""
        return True

    def section(self, row: Row) -> Everywhere:
        """A space of one dimension less."""
        return self

    def contains(self, point: Point) -> bool:
        """Whether the point is in the space: always."""
        return True

    def centre(self, n_coordinates: int) -> Point:
        """The origin."""
        return (0,) * n_coordinates + (1,)


class Ellipsoid:
    """``{x : (x − c)ᵀ P⁻¹ (x − c) < ρ}``.

    A hyperplane at ``s = w·c + b`` meets it iff ``s² < ρ wᵀPw``. The section has the centre ``c − Pw s / wᵀPw``, the
    matrix ``P − Pw wᵀP / wᵀPw`` and the level ``ρ − s² / wᵀPw``; for a ball, the last one is ``R² − dist²``.

    Parameters
    ----------
    centre : homogeneous coordinates of ``c``
    matrix : rows of ``P``, times the positive number `scale`
    scale : int
    level : Fraction
        ``ρ``.
    """

    def __init__(self, centre: Point, matrix: list[list[int]], scale: int, level: Fraction) -> None:
        self._centre, self._matrix, self._scale, self.level = centre, matrix, scale, level

    @classmethod
    def ball(cls, radii: list[Fraction]) -> Ellipsoid:
        """The ball ``Σ_k (x_k / radii_k)² < 1`` around the origin, in coordinates with units of their own."""
        squares = [radius**2 for radius in radii]
        scale = lcm(*(square.denominator for square in squares))
        size = len(radii)
        matrix = [
            [int(squares[i] * scale) if i == j else 0 for j in range(size)] for i in range(size)
        ]
        return cls((0,) * size + (1,), matrix, scale, Fraction(1))

    def _image(self, row: Row) -> tuple[list[int], int]:
        """``Pw`` and ``wᵀPw``, both times the scale."""
        weights = row[:-1]
        image = [sum(map(int.__mul__, line, weights)) for line in self._matrix]
        return image, sum(map(int.__mul__, image, weights))

    def meets(self, row: Row) -> bool:
        """Whether ``s² < ρ wᵀPw``."""
        s, t, level = value(row, self._centre), self._centre[-1], self.level
        if s == 0:
            return True
        square = self._image(row)[1]
        return s * s * self._scale * level.denominator < level.numerator * square * t * t

    def section(self, row: Row) -> Ellipsoid:
        """Section, in the coordinates without the pivot."""
        image, square = self._image(row)
        s, t, p = value(row, self._centre), self._centre[-1], pivot_of(row)
        level = self.level - Fraction(s * s * self._scale, t * t * square)
        centre = [
            x * square - u * s
            for k, (x, u) in enumerate(zip(self._centre[:-1], image, strict=True))
            if k != p
        ]
        kept = [k for k in range(len(image)) if k != p]
        matrix = [[self._matrix[i][j] * square - image[i] * image[j] for j in kept] for i in kept]
        scale = self._scale * square
        divisor = gcd(scale, *(entry for line in matrix for entry in line))
        matrix = [[entry // divisor for entry in line] for line in matrix]
        return Ellipsoid(primitive([*centre, t * square]), matrix, scale // divisor, level)


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

    def meets(self, row: Row) -> bool:
        """Whether there are vertices strictly on both sides."""
        below = above = False
        for vertex in self.vertices:
            side = value(row, vertex)
            above, below = above or side > 0, below or side < 0
            if above and below:
                return True
        return False

    def section(self, row: Row) -> Polytope:
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
