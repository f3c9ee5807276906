"""Every activation pattern: the cells of the arrangement of hyperplanes ``{g : x̃_iᵀ g = 0}``.

Hyperplanes are inserted one after the other. The cells that a new one cuts in two correspond to
the cells that the earlier ones cut on it, an arrangement of one dimension less: find those, and
step off them to both sides. In the plane the cells are the gaps between sorted angles.

Degenerate data reduce to the general case: zero rows are ignored, parallel rows share one
hyperplane, and data of lower rank are written in coordinates of their row space.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from convexrelu._utils.deadlines import n_products_before
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.patterns.activation import ActivationPatterns, first_of_each, row_keys

__all__ = ["RowSpace", "count_patterns", "enumerate_patterns"]


# Smaller angles count as zero. The effect of merging on completeness is recorded in `resolution`.
_SAME_ANGLE = 1e-11
_EPS = float(np.finfo(np.float64).eps)

MAX_BYTES = 2**30  # default limit for the masks of all patterns: 1 GB
# Multiplications for each sample and cell, in a list and in programs with its patterns.
_OF_A_SIDE = 1000
_NO_PAIRS = np.empty((0, 2), dtype=np.intp)


@dataclass(frozen=True, eq=False)
class RowSpace:
    """Orthonormal coordinates of the row space of a matrix.

    Attributes
    ----------
    basis : array of shape (d̃, r)
        Orthonormal columns.
    coordinates : array of shape (n, r)
        ``X̃ basis``.
    residual : array of shape (n,)
        ``‖x̃_i − basis coordinates_i‖``: residual of the rows, zero up to rounding.
    """

    basis: Array
    coordinates: Array
    residual: Array

    @classmethod
    def of(cls, design: Array) -> RowSpace:
        """Row space by singular values, truncated at rounding level."""
        _, singular, right = np.linalg.svd(design, full_matrices=False)
        cutoff = max(design.shape) * _EPS * (singular[0] if singular.size else 0.0)
        basis = right[singular > cutoff].T
        coordinates = design @ basis
        residual = norms(design - coordinates @ basis.T)
        return cls(basis, coordinates, residual)

    @property
    def rank(self) -> int:
        """The rank ``r``."""
        return self.basis.shape[1]


def count_patterns(n_hyperplanes: int, rank: int) -> int:
    """Number of cells of `n_hyperplanes` central hyperplanes in general position in `rank` dimensions.

    ``2 Σ_{k<r} C(n−1, k)`` (Cover 1965); never fewer than any special position has.

    Examples
    --------
    >>> count_patterns(12, 3)
    134
    """
    if n_hyperplanes == 0 or rank == 0:
        return 1
    return 2 * sum(comb(n_hyperplanes - 1, k) for k in range(rank))


def enumerate_patterns(
    design: Array,
    *,
    max_bytes: int = MAX_BYTES,
    asked_by: str = "patterns='enumerated'",
    deadline: float = math.inf,
) -> ActivationPatterns:
    """All activation patterns of the rows of `design` that gates in general position produce.

    Patterns of gates that lie on some hyperplane add nothing to the convex programs: their cones
    are faces of the cones returned here, where the program's terms agree.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``. Zero, repeated, parallel and linearly dependent rows and columns are all
        allowed.
    max_bytes : int
        Raise an error if the masks could need more memory than this.
    asked_by : str
        Argument to name in an error message.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop, with the patterns so far.

    Returns
    -------
    ActivationPatterns
        Complete, except for cells narrower than its `resolution`, an angle, about 1e-12 for ordinary data.
        It is infinite after a deadline, and where hyperplanes nearly meet, so that float64 cannot distinguish their
        cells: the list then makes no claim of completeness.

    Raises
    ------
    ValueError
        If there may be too many patterns for `max_bytes`; the message gives their number.

    Notes
    -----
    Every cell is found once for each insertion that cuts it; ``C(n, r−2)`` planar arrangements are
    sorted. Memory ``P n`` bytes for ``P = O(n^{r−1})`` patterns and twice that at the peak.

    Examples
    --------
    >>> import numpy as np
    >>> design = np.random.default_rng(0).standard_normal((12, 3))
    >>> len(enumerate_patterns(design)) == count_patterns(12, 3)
    True
    """
    space = RowSpace.of(design)
    # Rows of many dimensions take long to compare, and most often a few of their numbers say that there are too many.
    _refuse(_at_least_hyperplanes(space.coordinates), space.rank, len(design), max_bytes, asked_by)
    normals, plane_of, side_of, merged = _distinct_hyperplanes(space.coordinates)
    _refuse(len(normals), space.rank, len(design), max_bytes, asked_by)
    points, resolution = _cell_points(normals, deadline=deadline)
    points = _deepest_of_each(points, normals)
    signs = (points @ normals.T > 0) if len(normals) else np.zeros((len(points), 0), dtype=bool)
    masks = np.ones((len(points), len(design)), dtype=bool)  # zero rows: 0 ≥ 0
    known = plane_of >= 0
    masks[:, known] = signs[:, plane_of[known]] ^ (side_of[known] < 0)
    return ActivationPatterns(masks, points @ space.basis.T, max(resolution, merged))


def _refuse(n_planes: int, rank: int, n_samples: int, max_bytes: int, asked_by: str) -> None:
    """Raise an error where the masks of so many hyperplanes may not fit."""
    count = count_patterns(n_planes, rank)
    if count * n_samples > max_bytes:
        raise ValueError(
            f"{asked_by} would list up to {count:,} activation patterns of {n_samples:,} "
            f"samples ({n_planes:,} distinct hyperplanes, rank {rank}), more than fit in "
            f"{max_bytes / 2**20:,.0f} MiB; use patterns='cutting_plane', which generates those that "
            "the optimum needs, with oracle='search', or patterns='sampled'"
        )


def _at_least_hyperplanes(rows: Array) -> int:
    """No more than the distinct hyperplanes of rows: groups of their unit normals by length along one direction.

    Normals that are joined by steps of at most ``_SAME_ANGLE`` are in one group, as lengths along a unit vector are no
    further apart.
    """
    lengths = norms(rows)
    units = rows[lengths > 0] / lengths[lengths > 0, None]
    if not len(units):
        return 0
    direction = np.random.default_rng(0).standard_normal((rows.shape[1],))
    along = np.sort(np.abs(units @ (direction / norms(direction))))
    return 1 + int(np.count_nonzero(np.diff(along) > 2 * _SAME_ANGLE))


def _distinct_hyperplanes(
    rows: Array,
) -> tuple[Array, NDArray[np.intp], NDArray[np.int8], float]:
    """Unit normals of the distinct hyperplanes among ``{g : rowᵀ g = 0}``.

    Returns
    -------
    normals : array of shape (m, r)
    plane_of : array of shape (n,)
        Hyperplane of each row, -1 for zero rows.
    side_of : array of shape (n,)
        1 where the row points along its normal, -1 where against it.
    merged : float
        Largest angle between a row and the normal that represents it.
    """
    lengths = norms(rows)
    nonzero = np.flatnonzero(lengths)
    units = rows[nonzero] / lengths[nonzero, None]
    # A hyperplane has two normals: with both in the tree, rows that point in opposite directions meet as
    # well.
    both = np.vstack([units, -units])
    near = cKDTree(both).query_pairs(_SAME_ANGLE, output_type="ndarray") if len(both) else _NO_PAIRS
    _, component = connected_components(
        coo_array((np.ones(len(near)), near.T), shape=(len(both), len(both))), directed=False
    )
    m = len(units)
    # A unit and its opposite lie in two mirrored components; the pair of them is one hyperplane.
    plane = np.minimum(component[:m], component[m:])
    _, first, plane = np.unique(plane, return_index=True, return_inverse=True)
    side = np.where(component[:m] == component[first[plane]], 1, -1)
    normals = units[first]
    merged = np.linalg.norm(units - side[:, None] * normals[plane], axis=1).max(initial=0.0)

    plane_of = np.full(len(rows), -1)
    side_of = np.ones(len(rows), dtype=np.int8)
    plane_of[nonzero], side_of[nonzero] = plane, side
    return normals, plane_of, side_of, float(merged)


def _cell_points(
    normals: Array, error: float = _EPS, *, deadline: float = math.inf
) -> tuple[Array, float]:
    """One interior point for every cell of distinct central hyperplanes, and the resolution.

    Parameters
    ----------
    normals : array of shape (m, r)
        Unit normals, no two parallel.
    error : float
        Bound on the angle by which the normals may be off.
    deadline : float
        Then the points so far are returned, with an infinite resolution.
    """
    m, rank = normals.shape
    if m == 0:
        return np.ones((1, rank)), 0.0
    if rank == 1:
        return np.array([[1.0], [-1.0]]), 0.0
    if rank == 2:
        points, resolution = _planar_cell_points(normals)
        n_fit = max(n_products_before(deadline) / (_OF_A_SIDE * m), 1.0)
        if len(points) > n_fit:  # what follows looks at every line from every point
            spread = np.linspace(0, len(points), int(n_fit), endpoint=False)
            return points[spread.astype(np.intp)], np.inf
    else:
        points, resolution = _cell_points_by_insertion(normals, error, deadline)
    # A point closer to a hyperplane than the accuracy of the hyperplane may be on the wrong side of it.
    depth = np.abs(points @ normals.T).min(initial=np.inf)
    return points, max(resolution, error) if depth > 8 * error else np.inf


def _cell_points_by_insertion(normals: Array, error: float, deadline: float) -> tuple[Array, float]:
    """Insert one hyperplane after the other. The cells it cuts are those that the earlier ones cut on it.

    By the concavity of cross-sections, a cell that is cut through a narrow facet is narrow on one side of
    it. So only narrow cells can be missed, as long as the point that represents a cell is a deep one.
    """
    points, resolution = np.ones((1, normals.shape[1])), 0.0
    for j, normal in enumerate(normals):
        if time.perf_counter() > deadline:
            return points, np.inf
        earlier = normals[:j]
        facets, coarseness = _facet_points(earlier, normal, error, deadline)
        cut = np.isin(row_keys(points @ earlier.T > 0), row_keys(facets @ earlier.T > 0))
        beside = np.vstack([points[cut], _step_off(facets, earlier, normal)])
        points = np.vstack([points[~cut], _deepest_of_each(beside, normals[: j + 1])])
        resolution = max(resolution, coarseness)
    return points, resolution


def _deepest_of_each(points: Array, normals: Array) -> Array:
    """Of the points in one cell, the one farthest from the hyperplanes."""
    sides = points @ normals.T
    deepest_first = np.argsort(-np.abs(sides).min(axis=1, initial=np.inf), kind="stable")
    return points[deepest_first[first_of_each(sides[deepest_first] > 0)]]


def _planar_cell_points(normals: Array) -> tuple[Array, float]:
    """Midpoints of the gaps between sorted lines in the plane."""
    angles = np.sort(np.arctan2(normals[:, 0], -normals[:, 1]) % np.pi)
    gaps = np.diff(angles, append=angles[0] + np.pi)
    open_gap = gaps > _SAME_ANGLE
    merged = gaps[~open_gap].sum()
    middle = (angles + 0.5 * gaps)[open_gap]
    half = np.column_stack([np.cos(middle), np.sin(middle)])
    return np.vstack([half, -half]), float(merged)


def _facet_points(
    others: Array, normal: Array, error: float, deadline: float
) -> tuple[Array, float]:
    """Interior points of the cells that the hyperplanes `others` cut on the hyperplane of `normal`."""
    in_plane = np.linalg.svd(normal[None, :])[2][1:].T  # (r, r-1), orthonormal
    restricted = others @ in_plane
    lengths = np.linalg.norm(restricted, axis=1)
    # Normalising magnifies the error of those that are nearly parallel to the hyperplane.
    restricted_error = 4 * (error + _EPS) / lengths.min(initial=1.0)
    restricted = restricted / lengths[:, None]
    merged = 0.0
    if len(normal) > 3:  # in the plane, sorting the angles finds the parallel ones anyway
        restricted, _, _, merged = _distinct_hyperplanes(restricted)
    points, resolution = _cell_points(restricted, restricted_error, deadline=deadline)
    return points @ in_plane.T, max(resolution, merged)


def _step_off(facets: Array, others: Array, normal: Array) -> Array:
    """Points on both sides of the facets, half the way to the first other hyperplane."""
    with np.errstate(divide="ignore"):
        step = 0.5 * (np.abs(facets @ others.T) / np.abs(others @ normal)).min(axis=1, initial=1.0)
    offset = step[:, None] * normal
    points = np.vstack([facets + offset, facets - offset])
    return points / np.linalg.norm(points, axis=1, keepdims=True)
