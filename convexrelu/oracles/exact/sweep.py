"""Exact pricing in up to three dimensions, by sweeping along the great circles of the samples."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import lipschitz_constant
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport, strongest_first
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.oracles.exact.arcs import HEIGHT, QUARTERS, Arcs, Kinked, Lines, Pieces
from convexrelu.oracles.exact.sums import block_size
from convexrelu.patterns.activation import first_of_each
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["SweepOracle", "count_arcs"]

_EPS = float(np.finfo(np.float64).eps)
# Limits of memory: arcs swept at a time, sorted arcs kept between calls, points times lines evaluated at a time.
_CHUNK_ARCS = 2**16
_KEPT_ARCS = 2**18
_BATCH_ENTRIES = 2**20
# Lines that reject most candidates outside their cell before the exact test; no measurement is recorded.
_PROBES = 32
# Local maxima above this fraction of the highest value are returned as witnesses; no measurement is recorded.
_FRACTION = 0.9


class SweepOracle:
    r"""``M(v)`` for data of rank at most three, whose cells are visited but never stored.

    On the unit sphere every sample defines a great circle ``{x̃_iᵀu = 0}``; ``h(u) = vᵀ relu(X̃u)`` is
    linear, ``gᵀu``, on each cell between the circles, ``g = X̃ᵀDv``. A maximum of ``|h|`` is either

    * on some circle: there ``h`` is a planar function, and between two crossings its maximum is ``‖g‖``
      (``g`` projected on the circle's plane) or at an end; or
    * inside a cell: then it is at ``u = g/‖g‖``, with the value ``‖g‖``. The cell has an edge on some
      circle, so the sweep along that circle finds its ``g``.

    Sorting the crossings of a circle and adding ``±v_j x̃_j`` at each gives all ``g``. Rank two is one
    circle, the whole sphere, and is swept with an order sorted once; rank three has a circle for every
    sample. Few ``g/‖g‖`` are on the right side of the three circles next to them, and ``h`` is evaluated
    at those.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``, of numerical rank at most three.
    n_witnesses : int
        Largest number of local maxima to return, the best first.

    Attributes
    ----------
    rank : int
        Numerical rank of the rows.
    n_arcs : int
        Number of arcs that a call sweeps.

    Raises
    ------
    ValueError
        If the rank is above three.

    Notes
    -----
    A call takes ``O(n)`` at rank two (after ``O(n log n)`` once) and ``O(n² log n)`` at rank three; memory
    is ``O(n)``, in chunks of circles. The order of the crossings is kept at rank two and for a few hundred
    samples at rank three. `level` is not used.

    The bound is the largest value found, plus ``O(√n)`` roundings in the unit ``L = Σ|v_i|‖x̃_i‖``. No
    tolerance decides about degenerate positions, because of the following.

    *The circles are swept at a small height.* ``g`` is collected along ``w(φ) = u(φ) + η x̂_i``,
    normalised, with ``u(φ)`` on the circle of ``i`` and ``η`` above the error ``t`` with which a sign of
    ``x̂_jᵀw`` can be told; the crossings are at ``φ = θ_j ± arccos(−η x̂_jᵀx̂_i / a_j)``, where ``(a_j,
    θ_j)`` are the polar coordinates of ``x̂_j`` in the plane of the circle. Their errors are small as
    values (``|x̂_jᵀw| ≤ t`` at a computed crossing), whatever they are as angles; whatever the order in which
    they are sorted, the arcs between them cover the circle.

    *Maxima on circles.* At any ``u(φ)``, sample ``j`` can be counted wrongly only where ``|x̂_jᵀu| ≤ η +
    t``. So ``gᵀu`` is ``h(u)`` up to ``(η + t) L``.

    *Maxima in cells.* Let ``u`` be the maximum ``H``, ``i`` its nearest circle, at an angle ``ρ``. The
    nearest point of that circle has the value ``H cos ρ``, which covers every ``ρ`` that is not far above
    rounding level. Otherwise consider the point at height ``η`` on the way from the circle to ``u``.
    Every circle is at least ``ρ`` from ``u``, so this point is at least ``η`` from every circle, on the side
    where ``u`` is: all signs are computed correctly there, and the ``g`` of that arc is the one of the cell,
    however many circles meet, nearly meet, or coincide around it. If rounding makes ``g/‖g‖`` seem to lie
    outside the cell, then ``ρ`` is of the order of that rounding ``κ``, and the circle's own value is short
    of ``H`` by ``O(κ²/H)`` only.

    Samples on one line through the origin share a circle: ``relu(−z) = relu(z) − z`` turns them into one
    kink and a linear term.

    Examples
    --------
    >>> import numpy as np
    >>> oracle = SweepOracle(np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> report = oracle(np.array([3.0, 4.0]))  # best u is (3, 4)/5
    >>> round(report.bound, 12), report.is_proof, report.scope
    (5.0, True, 'global')
    """

    def __init__(self, design: Array, *, n_witnesses: int = 64) -> None:
        space = RowSpace.of(design)
        if space.rank > 3:
            raise ValueError(
                f"oracle='sweep' prices data of rank at most 3, and these have rank {space.rank}; "
                "use oracle='search'"
            )
        self.design = design
        self.rank = space.rank
        self.n_witnesses = n_witnesses
        self._residual = space.residual
        self._basis = _in_three_dimensions(space.basis)
        self._lines = Lines.of(_in_three_dimensions(space.coordinates))
        # Data of lower rank lie in the plane of one circle.
        plane = np.array([[0.0, 0.0, 1.0]])
        self._axes = self._lines.normals if self.rank == 3 else plane
        self._relaxation = RelaxationOracle(design)
        arcs_per_circle = _arcs_per_circle(self._lines)
        self.n_arcs = len(self._axes) * arcs_per_circle
        self._per_chunk = max(1, _CHUNK_ARCS // arcs_per_circle)
        kept = self.rank < 3 or self.n_arcs <= _KEPT_ARCS
        self._kept = list(self._sort()) if kept else None

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,); past `deadline` the bound is the relaxation's."""
        # In this unit no square of a value overflows or underflows.
        unit = lipschitz_constant(self.design, v) or 1.0
        function = self._lines.function(v, unit)
        found, work, finished = _Found(4 * self.n_witnesses), 0, True
        for arcs in self._kept or self._sort():
            if time.perf_counter() > deadline:
                finished = False
                break
            self._sweep(arcs, function, found)
            work += arcs.line.size
        points, values, signs, masks = self._witnesses(found.points, v)
        relaxed = self._relaxation(v).bound
        bound = min(relaxed, found.best * unit + self._rounding(v)) if finished else relaxed
        return OracleReport(
            bound=float(bound),
            is_proof=True,
            scope="global",
            method="sweep",
            masks=masks,
            signs=signs,
            directions=points,
            values=values,
            work=work,
        )

    def _sort(self) -> Iterator[Arcs]:
        """Arcs of all circles, chunk by chunk."""
        height = HEIGHT if self.rank == 3 else 0.0
        kinked = np.arange(len(self._axes)) if self.rank == 3 else np.full(1, -1)
        for first in range(0, len(self._axes), self._per_chunk):
            chunk = slice(first, first + self._per_chunk)
            yield Arcs.of(self._lines.normals, self._axes[chunk], kinked[chunk], height)

    def _sweep(self, arcs: Arcs, function: Kinked, found: _Found) -> None:
        pieces = Pieces.of(arcs, function)
        found.raise_to(*pieces.best_on_circles())
        found.add(*pieces.local_maxima_on_circles(_FRACTION * found.best))
        if self.rank == 3:
            self._enter_cells(pieces, function, found)

    def _enter_cells(self, pieces: Pieces, function: Kinked, found: _Found) -> None:
        """Evaluate the function where cells that touch the arcs may have maxima, the highest first."""
        probes = function.normals[:: max(1, len(function.normals) // _PROBES)]
        points, norms = pieces.cell_candidates(_FRACTION * found.best, probes)
        batch = max(1, _BATCH_ENTRIES // max(1, len(function.kinks)))
        for first in range(0, len(points), batch):
            if norms[first] <= _FRACTION * found.best:
                break
            some = slice(first, first + batch)
            values = np.abs(function(points[some]))
            inside = values >= (1 - 1e-9) * norms[some]
            # Points outside their cell are no local maxima, but their values are valid lower bounds.
            found.raise_to(points[some], values)
            found.add(points[some][inside], values[inside])

    def _witnesses(self, points: Array, v: Array) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
        """Directions, values, signs and masks of the strongest points with distinct patterns."""
        directions = points @ self._basis.T
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        directions /= np.where(lengths > 0, lengths, 1.0)
        outputs = directions @ self.design.T
        values = np.maximum(outputs, 0.0) @ v
        order = strongest_first(np.abs(values))
        masks = outputs[order] >= 0
        keep = first_of_each(masks)[: self.n_witnesses]
        order = order[keep]
        signs = np.where(values[order] < 0, -1.0, 1.0)
        return directions[order], np.abs(values[order]), signs, masks[keep]

    def _rounding(self, v: Array) -> float:
        """Bound on the errors from rounding, the height of the sweep and the row space.

        Sums in blocks have errors of ``√k eps L``. A piece has four: its start, what is odd in the
        function, the blocks and their totals. On a circle, it counts once for the values and once for
        missing their maximum; in a cell, once more, and so does the value of the function.
        """
        n_terms = max(_arcs_per_circle(self._lines), len(self._residual))
        sums = (2 if self.rank < 3 else 4) * (4 * block_size(n_terms) + self._lines.multiplicity)
        relative = (sums + 16 * (self.design.shape[1] + 8)) * _EPS + 2 * HEIGHT
        return relative * lipschitz_constant(self.design, v) + float(np.abs(v) @ self._residual)


class _Found:
    """The highest point so far, and the highest local maxima."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.best = 0.0
        self._summit = np.zeros((0, 3))
        self._points = np.zeros((0, 3))
        self._values = np.zeros(0)

    @property
    def points(self) -> Array:
        return np.vstack([self._summit, self._points])

    def raise_to(self, points: Array, values: Array) -> None:
        """Note the highest of some points, if it is higher than all before."""
        top = int(np.argmax(values))
        if not len(self._summit) or values[top] > self.best:
            self.best, self._summit = float(values[top]), points[top : top + 1]

    def add(self, points: Array, values: Array) -> None:
        """Note local maxima."""
        values = np.concatenate([self._values, values])
        keep = strongest_first(values)[: self.size]
        self._points = np.vstack([self._points, points])[keep]
        self._values = values[keep]


def count_arcs(space: RowSpace) -> int:
    """Number of arcs in a sweep of rows with this row space, of rank at most three; counted without sorting."""
    lines = Lines.of(_in_three_dimensions(space.coordinates))
    return (len(lines.normals) if space.rank == 3 else 1) * _arcs_per_circle(lines)


def _arcs_per_circle(lines: Lines) -> int:
    return 2 * len(lines.normals) + len(QUARTERS)


def _in_three_dimensions(rows: Array) -> Array:
    """The rows, with columns of zeros up to three."""
    return np.pad(rows, ((0, 0), (0, 3 - rows.shape[1])))
