"""Directions that can be flat at a point of a loss landscape, by their cause."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from convexrelu._utils.torch_import import torch
from convexrelu._utils.typing import Array
from convexrelu.landscape.loss_landscape import LossLandscape
from convexrelu.landscape.saturation import slopes_of_units

__all__ = ["CAUSES", "Place", "candidates", "of_activation"]


class Place:
    """A point of a landscape, taken apart, with what its units do on the data."""

    def __init__(self, landscape: LossLandscape, point: Array, tol: float) -> None:
        self.landscape = landscape
        self.tol = tol
        self.hidden, self.outer, _ = landscape.parts(point)
        z = landscape.hidden_inputs(point)
        self.features = landscape.activation.value(torch.from_numpy(z)).numpy()
        self.slopes = slopes_of_units(landscape, point)

    def direction(self, j: int, hidden: Array | None = None, outer: Array | None = None) -> Array:
        """The vector that changes only unit ``j``."""
        landscape = self.landscape
        m, inputs = landscape.width, landscape.n_inputs
        vector = np.zeros(landscape.size)
        if hidden is not None:
            vector[j * inputs : (j + 1) * inputs] = hidden
        if outer is not None:
            vector[m * inputs + j : m * (inputs + landscape.n_outputs) : m] = outer
        return vector

    def hidden_directions(self, j: int, rows: Array) -> list[Array]:
        """One vector for each row, in the hidden weights of unit ``j``."""
        return [self.direction(j, hidden=row) for row in rows]

    def outer_directions(self, j: int) -> list[Array]:
        """One vector for each outer weight of unit ``j``."""
        return [self.direction(j, outer=row) for row in np.eye(self.landscape.n_outputs)]

    def is_small(self, array: Array, scale: Array) -> bool:
        """Whether an array is zero but for the tolerance."""
        return bool(np.linalg.norm(array) <= self.tol * np.linalg.norm(scale))

    def factor(self, j: int, k: int) -> float | None:
        """The ``s`` for which unit ``k`` is ``s`` times unit ``j`` everywhere; None if there is none."""
        u, v = self.hidden[j], self.hidden[k]
        activation = self.landscape.activation
        factors = [1.0, -1.0] if activation.odd else [1.0]
        if activation.homogeneous and u.any():
            factors = [float(np.linalg.norm(v) / np.linalg.norm(u))]
        close = [s for s in factors if s and self.is_small(v - s * u, v)]
        return close[0] if close else None


def _rescaling(place: Place) -> list[Array]:
    if not place.landscape.activation.homogeneous:
        return []
    units = range(place.landscape.width)
    return [place.direction(j, place.hidden[j], -place.outer[:, j]) for j in units]


def _permutation(place: Place) -> list[Array]:
    """Differences of two equal units, which their exchange reverses."""
    found = []
    for j, k in combinations(range(place.landscape.width), 2):
        outer = place.outer
        equal = place.factor(j, k) is not None and place.is_small(
            place.hidden[j] - place.hidden[k], place.hidden[j]
        )
        if equal and place.is_small(outer[:, j] - outer[:, k], outer[:, j]):
            rows = np.eye(place.landscape.n_inputs)
            first = place.hidden_directions(j, rows) + place.outer_directions(j)
            second = place.hidden_directions(k, rows) + place.outer_directions(k)
            found += [u - v for u, v in zip(first, second, strict=True)]
    return found


def _duplicate(place: Place) -> list[Array]:
    """Weight that passes from a unit to one that is a multiple of it."""
    found = []
    for j, k in combinations(range(place.landscape.width), 2):
        s = place.factor(j, k)
        if s is None:
            continue
        pairs = zip(place.outer_directions(j), place.outer_directions(k), strict=True)
        found += [s * u - v for u, v in pairs]
        _, sizes, right = np.linalg.svd(place.outer[:, [j, k]])
        for u, v in right[np.sum(sizes > place.tol * sizes[0]) :]:
            for row in np.eye(place.landscape.n_inputs):
                found.append(place.direction(j, u * row) + place.direction(k, v * row))
    return found


def _dead(place: Place) -> list[Array]:
    """Units without output on the data, or without outer weights."""
    found = []
    for j in range(place.landscape.width):
        if place.is_small(place.features[:, j], place.features):
            found += place.outer_directions(j)
            if not place.slopes[:, j].any():
                found += place.hidden_directions(j, np.eye(place.landscape.n_inputs))
        if place.is_small(place.outer[:, j], place.outer):
            found += place.hidden_directions(j, np.eye(place.landscape.n_inputs))
    return found


def _inputs(place: Place) -> list[Array]:
    rows = _null_rows(place.landscape.design, place.tol)
    return [v for j in range(place.landscape.width) for v in place.hidden_directions(j, rows)]


def _activation(place: Place) -> list[Array]:
    found = []
    for j in range(place.landscape.width):
        seen = place.slopes[:, j, None] * place.landscape.design
        rows = _null_rows(seen, place.tol, float(np.linalg.norm(place.landscape.design, 2)))
        found += place.hidden_directions(j, rows)
    return found


def _features(place: Place) -> list[Array]:
    """Outer weights that cancel on the data."""
    landscape = place.landscape
    columns = place.features
    if landscape.fit_intercept:
        columns = np.column_stack([columns, np.ones(len(columns))])
    found = []
    for row in _null_rows(columns, place.tol):
        for k in range(landscape.n_outputs):
            outer = np.zeros((landscape.n_outputs, landscape.width))
            outer[k] = row[: landscape.width]
            intercept = np.zeros(landscape.n_outputs)
            intercept[k] = row[landscape.width] if landscape.fit_intercept else 0.0
            found.append(landscape.point(np.zeros_like(place.hidden), outer, intercept))
    return found


def of_activation(place: Place) -> list[Array]:
    """Hidden weights of units whose ``φ'`` is zero, but for the tolerance, on all samples."""
    rows = np.eye(place.landscape.n_inputs)
    flat = np.flatnonzero((np.abs(place.slopes) <= place.tol).all(axis=0))
    return [v for j in flat for v in place.hidden_directions(int(j), rows)]


# In the order in which causes are looked for: a direction with two counts for the first.
CAUSES: dict[str, Callable[[Place], list[Array]]] = {
    "dead": _dead,
    "rescaling": _rescaling,
    "permutation": _permutation,
    "duplicate": _duplicate,
    "inputs": _inputs,
    "activation": _activation,
    "features": _features,
}


def candidates(place: Place, cause: str) -> Array:
    """Orthonormal columns that span the directions of a cause, flat or not, of shape (p, k)."""
    return orthonormal(CAUSES[cause](place), place.landscape.size, place.tol)


def orthonormal(vectors: list[Array], size: int, tol: float) -> Array:
    """Orthonormal columns with the span of vectors."""
    if not vectors:
        return np.zeros((size, 0))
    matrix = np.array(vectors).T
    lengths = np.linalg.norm(matrix, axis=0)
    matrix = matrix[:, lengths > 0] / lengths[lengths > 0]
    left, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
    return left[:, sizes > tol]


def _null_rows(matrix: Array, tol: float, size: float | None = None) -> Array:
    """Orthonormal rows that a matrix maps to zero, but for `tol` times `size`, by default its own largest value."""
    _, sizes, right = np.linalg.svd(matrix, full_matrices=True)
    size = sizes[0] if size is None else size
    return right[np.sum(sizes > tol * max(size, np.finfo(np.float64).tiny)) :]
