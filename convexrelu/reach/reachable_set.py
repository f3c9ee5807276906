r"""The outputs of a polytope of inputs, as a union of polyhedra: one affine image for every cell.

Constraints stay in the space of inputs: a piece is ``{J x + c : A x ≤ b}``, which needs no inverse of ``J``. So it is
right also where several inputs have the same output.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.norms import unit_rows
from convexrelu._utils.typing import Array
from convexrelu.reach.cells import CellTree
from convexrelu.reach.polytope import Polytope, as_polytope
from convexrelu.reach.rectifiers import Rectifiers, as_rectifiers

__all__ = ["Piece", "ReachableSet", "reachable_set"]


@dataclass(frozen=True, eq=False)
class Piece:
    """Outputs ``jacobian x + offset`` of the inputs in a cell ``A x ≤ b``.

    Attributes
    ----------
    A, b : arrays of shapes (q, d) and (q,)
        The cell, closed.
    jacobian, offset : arrays of shapes (K, d) and (K,)
        The network on it.
    inner : array of shape (d,)
        A point of the cell.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import reachable_set
    >>> rectifier = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0])
    >>> sorted(piece.jacobian.item() for piece in reachable_set(rectifier, ([-1.0], [1.0])))
    [0.0, 1.0]
    """

    A: Array
    b: Array
    jacobian: Array
    offset: Array
    inner: Array

    def outputs(self, X: ArrayLike) -> Array:
        """Images of inputs."""
        return finite_array("X", X, "n", self.A.shape[1]) @ self.jacobian.T + self.offset

    def input_vertices(self) -> Array:
        """Vertices of the cell; for up to about eight inputs."""
        if self.A.shape[1] == 1:
            ends = self.b / self.A[:, 0]
            return np.array([[ends[self.A[:, 0] < 0].max()], [ends[self.A[:, 0] > 0].min()]])
        rows = np.column_stack([self.A, -self.b])
        points = HalfspaceIntersection(rows, self.inner).intersections
        return np.asarray(points[np.isfinite(points).all(axis=1)])

    def vertices(self) -> Array:
        """Vertices of the outputs; in the plane, in the order of the boundary."""
        images = self.outputs(self.input_vertices())
        if images.shape[1] == 1:
            return np.array([images.min(axis=0), images.max(axis=0)])
        try:
            return np.asarray(images[ConvexHull(images).vertices])
        except QhullError:  # flat
            return _ends(images)


class ReachableSet:
    """Union of the images of all cells, as a sequence.

    Attributes
    ----------
    pieces : tuple of Piece
        One for each cell that has an inside.
    n_thin : int
        Number of cells no thicker than 1e-9, which are left out: their outputs are next to those of their neighbours.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import reachable_set
    >>> outputs = reachable_set(TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0]), ([-1.0], [1.0]))
    >>> len(outputs), outputs.n_thin
    (2, 0)
    """

    def __init__(self, pieces: tuple[Piece, ...], n_thin: int) -> None:
        self.pieces, self.n_thin = pieces, n_thin

    def __len__(self) -> int:
        return len(self.pieces)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.pieces)

    def __getitem__(self, index: int) -> Piece:
        return self.pieces[index]


def reachable_set(network: Any, polytope: Any, *, max_pieces: int = 10_000) -> ReachableSet:
    """All outputs of a polytope of inputs, as a union of polyhedra.

    Parameters
    ----------
    network : TwoLayerNetwork, fitted estimator or torch ``Sequential``
        As for :func:`output_range`.
    polytope : Polytope, or pair ``(A, b)`` or ``(lower, upper)``
        Inputs; bounded, and not flat.
    max_pieces : int
        Largest number of pieces; more raise a ValueError.

    Returns
    -------
    ReachableSet
        A sequence of :class:`Piece`.

    Raises
    ------
    ValueError
        If the polytope is empty, flat or unbounded, or there are too many pieces.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import reachable_set
    >>> fold = TwoLayerNetwork([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])
    >>> outputs = reachable_set(fold, ([-1.0, -1.0], [1.0, 2.0]))
    >>> len(outputs), max(float(piece.vertices()[:, 1].max()) for piece in outputs)
    (4, 2.0)
    """
    net = as_rectifiers(network)
    inputs = as_polytope("polytope", polytope, net.n_features)
    tree = CellTree(net, inputs)
    if tree.root() is None:
        raise ValueError("polytope is flat: it has no inside, and so no cells")
    pieces, n_thin = [], 0
    for cell in tree.leaves():
        if cell.point is None:
            n_thin += 1
            continue
        pieces.append(_piece(net, tree, inputs, cell.signs, cell.point))
        if len(pieces) > max_pieces:
            raise ValueError(f"polytope has more than max_pieces={max_pieces} pieces")
    return ReachableSet(tuple(pieces), n_thin)


def _piece(
    net: Rectifiers, tree: CellTree, inputs: Polytope, signs: NDArray, point: Array
) -> Piece:
    slopes, constants = tree.affine(signs)
    A, b = inputs.rows
    rows = np.column_stack([-signs[:, None] * slopes, signs * constants])
    rows = rows[slopes.any(axis=1)]
    rows = unit_rows(np.vstack([np.column_stack([A, b]), rows]))
    active = signs > 0
    jacobian = net.gradients(active)
    offset = net.c + net.C @ (active * constants)
    return Piece(rows[:, :-1], rows[:, -1], jacobian, offset, tree.inputs(point))


def _ends(points: Array) -> Array:
    """The two ends of points on a line."""
    centred = points - points.mean(axis=0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    return np.asarray(points[[along.argmin(), along.argmax()]])
