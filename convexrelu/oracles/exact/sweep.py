"""Exact pricing in up to three dimensions, by sweeping along the great circles of the samples."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import lipschitz_constant, norms
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport, strongest_first
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.oracles.exact.sums import block_size, running_sums, sum_in_blocks
from convexrelu.patterns.activation import first_of_each
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["SweepOracle"]

Indices = NDArray[np.intp]

_EPS = float(np.finfo(np.float64).eps)
# Height of the sweep above its circle. The side of a line that a point is on can be mistaken within 23 eps:
# 8 for coordinates in the frame of a circle, 15 for the angle of a crossing.
_HEIGHT = 64 * _EPS
_QUARTERS = 0.5 * np.pi * np.arange(4)
_CHUNK_ARCS = 2**16
_KEPT_ARCS = 2**18
_BATCH_ENTRIES = 2**20
# Lines that sort out most of the points that are not in the cell they should be in.
_PROBES = 32
# Local maxima of this part of the highest value are worth handing out.
_FRACTION = 0.9


class SweepOracle:
    r"""``M(v)`` for data of rank at most three, whose thousands of cells are visited but never stored.

    On the unit sphere every sample draws a great circle ``{x̃_iᵀu = 0}``; ``h(u) = vᵀ relu(X̃u)`` is
    linear, ``gᵀu``, on each cell that the circles leave, ``g = X̃ᵀDv``. A maximum of ``|h|`` is either

    * on some circle: there ``h`` is a planar function, and between two crossings its maximum is ``‖g‖``
      (``g`` projected on the circle's plane) or at an end; or
    * inside a cell: then it is at ``u = g/‖g‖``, with the value ``‖g‖``. The cell has an edge on some
      circle, so that its ``g`` is met on the way along that circle.

    Sorting the crossings of a circle and adding ``±v_j x̃_j`` at each gives all ``g``. Rank two is one
    circle, the whole sphere, and is swept with an order sorted once; rank three has a circle for every
    sample. Few ``g/‖g‖`` are on the right side of the three circles at hand, and ``h`` is evaluated at
    those.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``, of numerical rank at most three.
    n_witnesses : int
        How many of the best local maxima are handed out at most.

    Attributes
    ----------
    rank : int
        Numerical rank of the rows.
    n_arcs : int
        How many arcs a call sweeps.

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
    where ``u`` is: all signs are told rightly there, and the ``g`` of that arc is the one of the cell,
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
        missing = ((0, 0), (0, 3 - space.rank))
        self._basis = np.pad(space.basis, missing)
        self._lines = _Lines.of(np.pad(space.coordinates, missing))
        # Data of lower rank lie in the plane of one circle.
        plane = np.array([[0.0, 0.0, 1.0]])
        self._axes = self._lines.normals if self.rank == 3 else plane
        self._relaxation = RelaxationOracle(design)
        arcs_per_circle = 2 * len(self._lines.normals) + len(_QUARTERS)
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

    def _sort(self) -> Iterator[_Arcs]:
        """Arcs of all circles, chunk by chunk."""
        height = _HEIGHT if self.rank == 3 else 0.0
        kinked = np.arange(len(self._axes)) if self.rank == 3 else np.full(1, -1)
        for first in range(0, len(self._axes), self._per_chunk):
            chunk = slice(first, first + self._per_chunk)
            yield _Arcs.of(self._lines.normals, self._axes[chunk], kinked[chunk], height)

    def _sweep(self, arcs: _Arcs, function: _Kinked, found: _Found) -> None:
        pieces = _Pieces.of(arcs, function)
        found.raise_to(*pieces.best_on_circles())
        found.add(*pieces.local_maxima_on_circles(_FRACTION * found.best))
        if self.rank == 3:
            self._enter_cells(pieces, function, found)

    def _enter_cells(self, pieces: _Pieces, function: _Kinked, found: _Found) -> None:
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
            # Outside their cell, points are no local maxima; the function is as large as it is there, though.
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
        """What rounding, the height of the sweep and the row space can hide.

        Sums in blocks have errors of ``√k eps L``. A piece has four: its start, what is odd in the
        function, the blocks and their totals. On a circle, it counts once for the values and once for
        missing their maximum; in a cell, once more, and so does the value of the function.
        """
        n_terms = max(2 * len(self._lines.normals) + len(_QUARTERS), len(self._residual))
        sums = (2 if self.rank < 3 else 4) * (4 * block_size(n_terms) + self._lines.multiplicity)
        relative = (sums + 16 * (self.design.shape[1] + 8)) * _EPS + 2 * _HEIGHT
        return relative * lipschitz_constant(self.design, v) + float(np.abs(v) @ self._residual)


@dataclass(frozen=True, eq=False)
class _Kinked:
    """``h(u) = Σ_l kinks_l relu(normals_lᵀ u) + linearᵀ u``."""

    normals: Array
    kinks: Array
    linear: Array

    def __call__(self, points: Array) -> Array:
        bent = sum_in_blocks(np.maximum(points @ self.normals.T, 0.0) * self.kinks)
        return bent + points @ self.linear

    @property
    def odd(self) -> Array:
        """The vector ``s`` of ``h(u) − h(−u) = sᵀu``."""
        return sum_in_blocks(self.normals.T * self.kinks) + 2 * self.linear


@dataclass(frozen=True, eq=False)
class _Lines:
    """The distinct lines through the origin that the rows span, with their unit vectors.

    Rows that are equal up to rounding stay apart, which is safe, only more work.
    """

    normals: Array
    rows: Indices
    norms: Array
    line_of: Indices
    opposite: NDArray[np.bool_]

    @classmethod
    def of(cls, coordinates: Array) -> _Lines:
        lengths = norms(coordinates)
        rows = np.flatnonzero(lengths)
        units = coordinates[rows] / lengths[rows, None]
        leading = np.argmax(units != 0, axis=1)
        opposite = units[np.arange(len(units)), leading] < 0
        units = np.where(opposite[:, None], -units, units) + 0.0  # no negative zeros
        normals, line_of = np.unique(units, axis=0, return_inverse=True)
        return cls(normals, rows, lengths[rows], line_of.reshape(-1), opposite)

    def function(self, v: Array, unit: float) -> _Kinked:
        """``u → vᵀ relu(X̃u)/unit`` in terms of the lines."""
        weights = v[self.rows] * self.norms / unit
        kinks = np.bincount(self.line_of, weights, len(self.normals)).astype(np.float64)
        odd = np.where(self.opposite, weights, 0.0) * self.normals[self.line_of].T
        return _Kinked(self.normals, kinks, -sum_in_blocks(odd))

    @property
    def multiplicity(self) -> int:
        """Most rows that any line has."""
        return int(np.bincount(self.line_of).max(initial=0))


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


@dataclass(frozen=True, eq=False)
class _Arcs:
    """Arcs of some circles, in the order of their angle; the last one ends where the first begins.

    Vectors are written in the frame of their circle: two axes in its plane, and its own normal.

    Attributes
    ----------
    frames : array of shape (B, 3, 3)
        Axes of each circle, as rows.
    kinked : array of shape (B,)
        Line to which a circle belongs; -1 for none.
    line : array of shape (B, E)
        Line that is crossed where an arc begins.
    crossed : array of shape (3, B, E)
        Its normal, turned to the side of the arc; zero where nothing is crossed.
    cosine, sine : arrays of shape (B, E)
        Where the arc begins.
    active : boolean array of shape (B, m)
        Lines whose positive side the angle zero lies on.
    """

    frames: Array
    kinked: Indices
    line: Indices
    crossed: Array
    cosine: Array
    sine: Array
    active: NDArray[np.bool_]

    @classmethod
    def of(cls, normals: Array, axes: Array, kinked: Indices, height: float) -> _Arcs:
        """Arcs along the circles around `axes`, at the given height above them."""
        frames = _frames(axes)
        local = np.moveaxis(frames @ normals.T, 1, 0)  # (3, B, m)
        size, direction = np.hypot(local[0], local[1]), np.arctan2(local[1], local[0])
        rise = height * local[2]
        crosses = np.abs(rise) < size
        half_width = np.arccos(-rise / np.where(crosses, size, 1.0))
        enter = (direction - half_width) % (2 * np.pi)
        leave = (direction + half_width) % (2 * np.pi)
        # Stops at every quarter turn keep arcs short enough to have one maximum at most.
        quarters = np.broadcast_to(_QUARTERS, (len(axes), len(_QUARTERS)))
        angles = np.hstack([enter, leave, quarters])
        turned = np.where(crosses, local, 0.0)
        nothing = np.zeros((3, *quarters.shape))
        crossed = np.concatenate([turned, -turned, nothing], axis=2)
        order = np.argsort(angles, axis=1)
        angles = np.take_along_axis(angles, order, axis=1)
        crossed = np.take_along_axis(crossed, order[None], axis=2)
        line = np.concatenate([np.tile(np.arange(len(normals)), 2), np.full(len(_QUARTERS), -1)])
        active = np.where(crosses, leave < enter, rise > 0)
        return cls(frames, kinked, line[order], crossed, np.cos(angles), np.sin(angles), active)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The linear pieces ``g`` of a function along arcs.

    Attributes
    ----------
    g : array of shape (3, B, E)
        The piece above each arc, in the frame of its circle.
    kink : array of shape (B, 1)
        By how much the slope of the function across a circle changes on it.
    odd : array of shape (3, B, 1)
        ``g − odd`` is the piece on the far side of the sphere.
    slope, end_slope : arrays of shape (B, E)
        Derivative along the circle where the arc begins and where it ends.
    value : array of shape (B, E)
        The function where the arc begins.
    square : array of shape (B, E)
        Square of the maximum of the piece along the whole circle.
    """

    arcs: _Arcs
    g: Array
    kink: Array
    odd: Array
    slope: Array
    end_slope: Array
    value: Array
    square: Array

    @classmethod
    def of(cls, arcs: _Arcs, function: _Kinked) -> _Pieces:
        kinks = np.append(function.kinks, 0.0)  # index -1: no line, no kink
        active = arcs.active * function.kinks
        start = np.stack([sum_in_blocks(active * axis) for axis in function.normals.T], axis=1)
        start += function.linear
        steps = arcs.crossed * kinks[arcs.line]
        steps[:, :, 0] += np.einsum("bij,bj->ib", arcs.frames, start)
        g = running_sums(steps)
        odd = (arcs.frames @ function.odd).T[:, :, None]
        cosine, sine = arcs.cosine, arcs.sine
        slope = g[1] * cosine - g[0] * sine
        end_slope = g[1] * np.roll(cosine, -1, axis=1) - g[0] * np.roll(sine, -1, axis=1)
        value = g[0] * cosine + g[1] * sine
        square = np.square(g[0]) + np.square(g[1])
        return cls(arcs, g, kinks[arcs.kinked][:, None], odd, slope, end_slope, value, square)

    @property
    def _tops(self) -> NDArray[np.bool_]:
        """Arcs with a maximum or minimum of the piece on them."""
        return self.slope * self.end_slope <= 0

    def best_on_circles(self) -> tuple[Array, Array]:
        """The point of all circles where the function is largest, and its absolute value there."""
        at_start = np.argmax(np.abs(self.value))
        on_top = np.argmax(np.where(self._tops, self.square, 0.0))
        if math.sqrt(self.square.flat[on_top]) * self._tops.flat[on_top] > abs(
            self.value.flat[at_start]
        ):
            return self._tops_at(np.array([on_top]))
        return self._starts_at(np.array([at_start]))

    def local_maxima_on_circles(self, floor: float) -> tuple[Array, Array]:
        """Points on circles above `floor` from where the function falls to all sides, with their values.

        Up to degenerate positions: these are for witnesses, where missing one is no matter.
        """
        above = self.g[2]
        high = self._tops & (self.square > floor**2)
        sign = np.sign(self.slope)
        tops = high & (sign * above <= 0) & (sign * (above - self.kink) >= 0)

        before = np.roll(self.end_slope, 1, axis=1)
        kinks = np.flatnonzero((np.abs(self.value) > floor) & (before * self.slope < 0))
        sign = np.sign(self.value.flat[kinks])
        # Off the circle, the way leads along the line that is crossed there.
        normal = self.arcs.crossed.reshape(3, -1)[:, kinks]
        forward = normal[1] * self.arcs.cosine.flat[kinks] - normal[0] * self.arcs.sine.flat[kinks]
        rise = forward * above.flat[kinks] - normal[2] * self.slope.flat[kinks]
        rise_below = rise - forward * self.kink[kinks // self.value.shape[1], 0]
        peak = (sign * self.slope.flat[kinks] <= 0) & (sign * rise <= 0) & (sign * rise_below >= 0)
        found = self._tops_at(np.flatnonzero(tops)), self._starts_at(kinks[peak])
        return np.vstack([found[0][0], found[1][0]]), np.append(found[0][1], found[1][1])

    def cell_candidates(self, floor: float, probes: Array) -> tuple[Array, Array]:
        """Where cells beside the arcs can have a maximum above `floor`; values there if they do.

        On the other side of the circle, the cells are those on the far side of the sphere. `probes` are
        some of the lines, to sort out most of the points that are in other cells.
        """
        near, near_norms = self._inside(self.g, floor, probes)
        far, far_norms = self._inside(self.g - self.odd, floor, probes)
        norms = np.append(near_norms, far_norms)
        order = strongest_first(norms)
        return np.vstack([near, -far])[order], norms[order]

    def _inside(self, g: Array, floor: float, probes: Array) -> tuple[Array, Array]:
        """Unit vectors ``± g/‖g‖`` that may lie in the cell above their arc, and ``‖g‖``."""
        square = np.square(g[0]) + np.square(g[1]) + np.square(g[2])
        high = np.flatnonzero(square > floor**2)
        size = self.value.shape[1]
        following = high + 1 - size * (high % size == size - 1)
        g = g.reshape(3, -1)[:, high]
        g = np.where(g[2] < 0, -g, g)
        crossed = self.arcs.crossed.reshape(3, -1)
        right = (crossed[:, high] * g).sum(axis=0) >= 0
        right &= (crossed[:, following] * g).sum(axis=0) <= 0
        index = high[right]
        norms = np.sqrt(square.flat[index])
        points = self._globally(g[:, right] / norms, index)
        inside = ~_apart(points, self._starts_at(index)[0], probes)
        return points[inside], norms[inside]

    def _tops_at(self, index: Indices) -> tuple[Array, Array]:
        norms = np.sqrt(self.square.flat[index])
        sign = np.where(self.slope.flat[index] < 0, -1.0, 1.0)
        local = sign * self.g.reshape(3, -1)[:, index] / np.where(norms > 0, norms, 1.0)
        local[2] = 0.0
        return self._globally(local, index), norms

    def _starts_at(self, index: Indices) -> tuple[Array, Array]:
        cosine, sine = self.arcs.cosine.flat[index], self.arcs.sine.flat[index]
        local = np.array([cosine, sine, np.zeros(len(index))])
        return self._globally(local, index), np.abs(self.value.flat[index])

    def _globally(self, local: Array, index: Indices) -> Array:
        """Vectors (3, k) in the frames of the circles of the arcs `index`, as rows in common coordinates."""
        return np.einsum("ik,kij->kj", local, self.arcs.frames[index // self.value.shape[1]])


def _apart(points: Array, others: Array, normals: Array) -> NDArray[np.bool_]:
    """Whether one of the lines is clearly between a point and its other."""
    sides = others @ normals.T
    sides[np.abs(sides) < 8 * _HEIGHT] = 0.0
    return np.logical_or.reduce((points @ normals.T) * sides < 0, axis=1)


def _frames(axes: Array) -> Array:
    """Orthonormal frames (B, 3, 3) whose last row is the given unit vector."""
    across = np.eye(3)[np.argmin(np.abs(axes), axis=1)]
    first = np.cross(axes, across)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(axes, first), axes], axis=1)
