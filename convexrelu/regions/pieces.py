r"""Pieces of a network of any depth on a segment and on a convex polygon in a plane, in exact arithmetic.

Restricted to a segment or a plane, each unit is affine in one or two parameters, on each piece. A layer cuts every
piece where one of its units changes sign, and makes the units affine again on the parts. Weights are integers
times powers of two, so all units of a layer are integer polynomials over a common power of two, and points where they
change sign are fractions. No tolerance is needed: the result is that of the weights as they are.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_choice, finite_array
from convexrelu._utils.typing import Array
from convexrelu.regions.domains import Point, primitive, value
from convexrelu.regions.hyperplanes import KINDS
from convexrelu.regions.layers import Layers, layers_of

__all__ = ["PlanePieces", "SegmentPieces", "pieces_on_plane", "pieces_on_segment"]


class SegmentPieces(NamedTuple):
    """Affine pieces of a network on the segment ``start + t (end − start)``, ``0 ≤ t ≤ 1``.

    Attributes
    ----------
    breakpoints : array of shape (p + 1,)
        Values of ``t``, from 0 to 1; rounded from exact ones.
    slopes : array of shape (p, K)
        Derivatives by ``t``.
    intercepts : array of shape (p, K)
        The piece is ``slopes t + intercepts``.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import pieces_on_segment
    >>> pieces_on_segment(TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0]), [-1.0], [1.0]).slopes
    array([[0.],
           [2.]])
    """

    breakpoints: Array
    slopes: Array
    intercepts: Array

    @property
    def n_pieces(self) -> int:
        """Number of pieces ``p``."""
        return len(self.slopes)


class PlanePieces(NamedTuple):
    """Affine pieces of a network on a polygon in the plane ``origin + s_1 axes_1 + s_2 axes_2``.

    Attributes
    ----------
    polygons : list of p arrays of shape (c, 2)
        Corners ``(s_1, s_2)`` of each piece, counterclockwise; rounded from exact ones.
    slopes : array of shape (p, K, 2)
        Derivatives by ``s_1`` and ``s_2``.
    intercepts : array of shape (p, K)

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import pieces_on_plane
    >>> half = TwoLayerNetwork([[1.0, 0.0]], [0.0], [[1.0]], [0.0])
    >>> sorted(pieces_on_plane(half, [[-1, -1], [1, -1], [1, 1], [-1, 1]]).slopes[:, 0].tolist())
    [[0.0, 0.0], [1.0, 0.0]]
    """

    polygons: list[Array]
    slopes: Array
    intercepts: Array

    @property
    def n_pieces(self) -> int:
        """Number of pieces ``p``."""
        return len(self.polygons)


def pieces_on_segment(
    network: Any, start: ArrayLike, end: ArrayLike, *, of: str = "neurons"
) -> SegmentPieces:
    """Exact affine pieces of a network of any depth on a segment.

    Parameters
    ----------
    network : TwoLayerNetwork or torch.nn.Sequential
        Of ``Linear`` and ``ReLU`` or ``LeakyReLU``; or a fitted estimator, whose ``network_`` is taken.
    start, end : arrays of shape (d,)
        Different points.
    of : {"neurons", "function"}
        Pieces on which no neuron changes sign, or the fewer ones on which the outputs are affine.

    Returns
    -------
    SegmentPieces

    Raises
    ------
    ValueError
        If an argument does not fit the network, or `network` is of another kind.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import pieces_on_segment
    >>> hat = TwoLayerNetwork([[1.0], [1.0], [1.0]], [1.0, 0.0, -1.0], [[1.0, -2.0, 1.0]], [0.0])
    >>> pieces = pieces_on_segment(hat, [-2.0], [2.0])
    >>> pieces.n_pieces, pieces.breakpoints
    (4, array([0.  , 0.25, 0.5 , 0.75, 1.  ]))
    """
    check_choice("of", of, KINDS)
    layers = layers_of(network)
    first = finite_array("start", start, layers.n_features)
    last = finite_array("end", end, layers.n_features)
    if (first == last).all():
        raise ValueError("start and end are the same point; a segment needs two")
    ends, bits = _integers(np.stack([last, first], axis=1))
    ends[:, 0] -= ends[:, 1]
    found, bits = _through(layers, _Piece([(0, 1), (1, 1)], ends), bits)
    found.sort(key=lambda piece: Fraction(*piece.corners[0]))
    if of == "function":
        changes = [i == 0 or (one.units != found[i - 1].units).any() for i, one in enumerate(found)]
        found = [piece for piece, changed in zip(found, changes, strict=True) if changed]
    starts = [x / t for x, t in (piece.corners[0] for piece in found)]
    maps = _floats(found, bits)
    return SegmentPieces(np.array([*starts, 1.0]), maps[:, :, 0], maps[:, :, 1])


def pieces_on_plane(
    network: Any,
    polygon: ArrayLike,
    *,
    origin: ArrayLike | None = None,
    axes: ArrayLike | None = None,
) -> PlanePieces:
    """Exact affine pieces of a network of any depth on a convex polygon in a plane: where no neuron changes sign.

    Parameters
    ----------
    network : TwoLayerNetwork or torch.nn.Sequential
        As for :func:`pieces_on_segment`.
    polygon : array of shape (c, 2)
        Corners of a convex polygon, in their order, in coordinates of the plane.
    origin : array of shape (d,), optional
    axes : array of shape (2, d), optional
        The plane ``origin + s_1 axes_1 + s_2 axes_2``. May be left out for networks with two features.

    Returns
    -------
    PlanePieces

    Raises
    ------
    ValueError
        If an argument does not fit the network, the polygon is not convex, or the axes are parallel.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.regions import pieces_on_plane
    >>> cross = TwoLayerNetwork([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> pieces = pieces_on_plane(cross, [[-1, -1], [1, -1], [1, 1], [-1, 1]])
    >>> pieces.n_pieces, sorted(map(len, pieces.polygons))
    (4, [4, 4, 4, 4])
    """
    layers = layers_of(network)
    d = layers.n_features
    if (origin is None or axes is None) and d != 2:
        raise ValueError(f"origin and axes of a plane are needed for networks with {d} features")
    point = np.zeros(2) if origin is None and d == 2 else finite_array("origin", origin, d)  # type: ignore[arg-type]
    span = np.eye(2) if axes is None else finite_array("axes", axes, 2, d)
    corners = _convex_corners(finite_array("polygon", polygon, "c", 2))
    if np.linalg.matrix_rank(span) < 2:
        raise ValueError("axes are parallel or zero; a plane needs two directions")
    units, bits = _integers(np.column_stack([span.T, point]))
    found, bits = _through(layers, _Piece(corners, units), bits)
    maps = _floats(found, bits)
    polygons = [
        np.array([[x / t, y / t] for x, y, t in piece.corners], dtype=np.float64) for piece in found
    ]
    return PlanePieces(polygons, maps[:, :, :2], maps[:, :, 2])


class _Piece(NamedTuple):
    """The ends of an interval or the corners of a polygon, and affine units, times a power of two."""

    corners: list[Point]
    units: Any  # an array of Python integers, of shape (u, p + 1), with constants last


def _through(layers: Layers, piece: _Piece, bits: int) -> tuple[list[_Piece], int]:
    """Pieces after all layers, and the bits behind the point of their units."""
    inputs, input_bits = piece.units, bits
    found = [piece]
    for layer in layers.layers:
        weights, of_weights = _integers(layer.weights)
        bias, of_bias = _integers(layer.bias)
        after = max(bits + of_weights, of_bias)
        shift, constants = 1 << (after - bits - of_weights), bias * (1 << (after - of_bias))
        moved = []
        for corners, units in found:
            outputs = weights.dot(units) * shift
            outputs[:, -1] += constants
            moved.append(_Piece(corners, outputs))
        found, bits = moved, after
        if layer.slope != 1.0:
            found, bits = _activated(found, layer.slope, bits)
    if layers.skip is not None:
        weights, of_weights = _integers(layers.skip)
        linear, of_linear = weights.dot(inputs), input_bits + of_weights
        after = max(bits, of_linear)
        linear = linear * (1 << (after - of_linear))
        found = [_Piece(c, units * (1 << (after - bits)) + linear) for c, units in found]
        bits = after
    return found, bits


def _activated(pieces: list[_Piece], slope: float, bits: int) -> tuple[list[_Piece], int]:
    """Pieces cut where units change sign, with the activation."""
    (factor,), more = _integers(np.array([slope]))
    found = []
    for corners, units in pieces:
        parts = [corners]
        for row in units:
            parts = [half for part in parts for half in _halves(part, tuple(row))]
        for part in parts:
            active = [any(value(row, corner) > 0 for corner in part) for row in map(tuple, units)]
            factors = np.array([(1 << more) if on else factor for on in active], dtype=object)
            found.append(_Piece(part, units * factors[:, None]))
    return found, bits + more


def _halves(corners: list[Point], row: tuple[int, ...]) -> list[list[Point]]:
    """The parts of an interval or of a convex polygon on both sides of ``row = 0``."""
    sides = [value(row, corner) for corner in corners]
    if min(sides) >= 0 or max(sides) <= 0:
        return [corners]
    above, below = [], []
    for i, (corner, side) in enumerate(zip(corners, sides, strict=True)):
        if side >= 0:
            above.append(corner)
        if side <= 0:
            below.append(corner)
        following = (i + 1) % len(corners)
        is_edge = following > 0 or len(corners) > 2
        if is_edge and side * sides[following] < 0:
            one, other = abs(sides[following]), abs(side)
            ends = zip(corner, corners[following], strict=True)
            crossing = primitive([one * a + other * b for a, b in ends])
            above.append(crossing)
            below.append(crossing)
    return [above, below]


def _convex_corners(polygon: Array) -> list[Point]:
    """Exact corners, counterclockwise."""
    exact, bits = _integers(polygon)
    corners = [(int(x), int(y)) for x, y in exact]
    turns = []
    for i in range(len(corners)):
        (a, b), (c, d), (e, f) = (corners[(i + k) % len(corners)] for k in range(3))
        turns.append((c - a) * (f - d) - (d - b) * (e - c))
    if len(corners) < 3 or not (min(turns) > 0 or max(turns) < 0):
        raise ValueError(
            "polygon is not convex, expected at least three corners in order, none of them on an edge"
        )
    if min(turns) < 0:
        corners.reverse()
    return [primitive([x, y, 1 << bits]) for x, y in corners]


def _integers(values: Array) -> tuple[Any, int]:
    """Floats times ``2^bits``, as an array of Python integers, and the bits, which are at least zero."""
    mantissas, exponents = np.frexp(values)
    bits = max(0, 53 - int(exponents[values != 0].min(initial=53)))
    whole = (mantissas * 2.0**53).astype(np.int64).astype(object)
    shifts = np.where(values != 0, exponents - 53 + bits, 0)
    return whole * np.array([1 << int(k) for k in shifts.ravel()], dtype=object).reshape(
        values.shape
    ), bits


def _floats(pieces: list[_Piece], bits: int) -> Array:
    one = 1 << bits
    return np.array([[[x / one for x in row] for row in piece.units] for piece in pieces])
