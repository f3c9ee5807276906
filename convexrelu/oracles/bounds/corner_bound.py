r"""Bounds on boxes with the convex part exact at the corners, in NumPy or on tensors of any device.

**The bound.** ``h(u) = vᵀ relu(X̃u) = P(u) − N(u)`` with the convex functions ``P(u) = Σ_{v_i>0} v_i relu(x̃_iᵀu)`` and
``N(u) = Σ_{v_i<0} |v_i| relu(x̃_iᵀu)``. For slopes ``m_i ∈ [0, 1]`` and ``‖û‖ ≤ 1``::

    p = Σ_{v_i<0} |v_i| m_i x̃_i + T û        satisfies        pᵀu ≤ N(u) + T‖u‖   for all u.

Hence ``h(u) − T‖u‖ ≤ P(u) − pᵀu``, which is convex and largest at a corner ``s`` of the box: the box is closed if
``φ(p) = max_s P(s) − pᵀs ≤ 0``. ``P`` is tabulated once per box; every further ``p`` costs about as many operations as
there are corners. As ``‖u‖ ≥ 1`` on the faces of the cube, ``h(u)/‖u‖ ≤ T + φ(p)`` on a box that stays open.

**Steps.** (1) Chords above the kinks of ``P`` give a linear bound for few operations, and a first ``p``. (2) ``p`` is
moved towards its response to the mean ``z`` of the corners where ``P(s) − pᵀs`` is large: slopes as at ``z``, and ``û =
z/‖z‖``, with a line search on the tables. If the mean of ``P`` over these corners exceeds ``N(z) + T‖z‖``, no ``p``
closes the box. (3) Every table clips the box: if its maximum ``φ₊`` over the corners on one side is negative, and
``φ₋`` over those on the other side is positive, then directions with ``h(u) > T‖u‖`` have ``θ ≤ (φ₋ + φ₊)/(φ₋ − φ₊)``
there, where ``θ`` runs from −1 to 1 across the side. A box that has become much smaller is bounded again. (4) Boxes
that stay open are halved across the side with the largest error of the chords and slopes.

**Many coordinates.** Only the ends of the `n_free` coordinates with the largest errors are enumerated. Along the
others, ``t_i`` differs from its value in the middle by at most ``b_i``, and with ``0 ≤ μ_i ≤ 1`` ::

    relu(t + δ) ≤ max(relu(t + b_i) − μ_i b_i, relu(t − b_i) + μ_i b_i) + μ_i δ      for |δ| ≤ b_i,

as the left side is convex in ``δ``.

**Rounding.** All steps are valid for boxes, slopes and ``û`` as they are stored, whatever their own errors: clipped
ends are rounded outwards, slopes are in ``[0, 1]``, and ``û`` is a unit vector up to ``3ε``. What is left are the
errors of the tables, of ``p``, and of the intervals by which kinks are decided. Each is a sum of at most ``n + r``
terms, each a product with at most ``r + 3`` roundings, and all points have ``‖u‖ ≤ √r``: together less than ``16 (n
+ r) √r ε L`` with ``L = Σ|v_i|‖x̃_i‖ ≥ T``. Tables are made by doubling, with at most ``r`` additions to each
entry, so that no error grows with the number of corners. This holds for sums in any order and with fused
multiplications, and so for every device: it adds and multiplies float64 as IEEE 754 has it, in products of matrices
as well. The oracle adds this number to its bound: a box that was closed by mistake has ``h(u) ≤ (T + 16 (n + r) √r
ε L)‖u‖``. Comparisons with values that are not numbers are false and leave boxes open.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.array_functions import functions_for, on_device, on_host, positions
from convexrelu._utils.typing import Array
from convexrelu.oracles.bounds.boxes import NARROWEST, Boxes
from convexrelu.oracles.bounds.corner_tables import CornerTables, lengths
from convexrelu.oracles.bounds.kinks import Kinks
from convexrelu.oracles.bounds.pace import pace_of

__all__ = ["ABOVE", "N_FREE", "CornerBound", "Examined", "Explored"]

# Measured on recorded dual points (`benchmarks.pricing.bench_real_proofs`); bounds hold for any numbers.
N_FREE = 9  # coordinates whose ends are enumerated
_CHORD_STEPS = 2
_POINT_STEPS = 3
_PASSES = 3
_SHRINKAGE = 0.3  # of the logarithm of the volume, from which on a clipped box is bounded again
_OVERHEAD = 1000.0  # work of a box without any kinks
ABOVE = 1 + 1e-9  # ratio to the target from which on a value refutes it


class Examined(NamedTuple):
    """Bounds on boxes, one row per box."""

    closed: NDArray[np.bool_]  # (k,)
    boxes: Boxes  # clipped, with better bounds
    errors: Array  # (k, r), the error across each side
    slopes: Array  # (k, samples with v_i < 0), the m_i
    units: Array  # (k, r), the û
    value: float  # the largest value of h(u)/‖u‖ that was met
    witness: Array  # (r,), where


class Explored(NamedTuple):
    """Result of branching on some boxes for a while."""

    left: Boxes  # open ones
    stuck: float  # bound over boxes that are too narrow to be halved
    n_boxes: int  # number of boxes examined
    work: float  # about the number of additions
    value: float  # the largest value of h(u)/‖u‖ that was met
    witness: Array  # (r,), where


class CornerBound:
    """Bounds on ``h(u) = vᵀ relu(X̃u)`` over boxes, see the module.

    Parameters
    ----------
    rows : array of shape (n, r)
        The rows ``x̃_i`` in coordinates of the row space; boxes close fastest in the principal axes of ``Σ |v_i| x̃_i
        x̃_iᵀ``.
    v : array of shape (n,)
        Dual point.
    n_free : int
        Number of coordinates whose ends are enumerated.
    clips : bool
        Whether boxes are narrowed.
    device : str
        ``"cpu"`` for NumPy, or else the device of torch that bounds the boxes.

    Attributes
    ----------
    pace : Pace
        How much is done at a time.
    work_of_one : float
        About the number of additions for one box.
    """

    def __init__(
        self,
        rows: Array,
        v: Array,
        *,
        n_free: int = N_FREE,
        clips: bool = True,
        device: str = "cpu",
    ) -> None:
        self.convex, self.concave = (
            Kinks.of(on_device(rows, device), on_device(part, device)) for part in (v, -v)
        )
        self.n_free = max(0, min(n_free, rows.shape[1] - 1))
        self.clips = clips
        self.pace = pace_of(device, len(rows), 2**self.n_free)
        self._device = device
        corners = (len(self.convex.sizes) + 1) * 2.0**self.n_free
        self.work_of_one = _OVERHEAD + rows.size + corners

    def explore(self, boxes: Boxes, target: float, max_work: float) -> Explored:
        """Examine and halve boxes, the last ones first, until all are closed or the work is done."""
        rank, at_once = boxes.lower.shape[1], self.pace.boxes
        stuck, n_boxes, work, value, witness = -np.inf, 0, 0.0, 0.0, np.zeros(rank)
        boxes = boxes.on(self._device)
        while len(boxes.faces) and work < max_work and value <= ABOVE * target:
            last = boxes.select(slice(-at_once, None))
            found = self.examine(last, target)
            if found.value > value:
                value, witness = found.value, found.witness
            rest = boxes.select(slice(None, -at_once))
            left = positions(~found.closed)
            n_boxes += len(found.closed)
            work += len(found.closed) * self.work_of_one
            last, errors = found.boxes.select(left), found.errors[left]
            across = errors.argmax(axis=1)
            sides = _entries(last.upper - last.lower, across)
            wide = positions(sides > 2 * NARROWEST)
            if len(wide) < len(left):
                stuck = max(stuck, float(last.bounds[positions(sides <= 2 * NARROWEST)].max()))
            boxes = Boxes.join([rest, last.select(wide).halved(across[wide])])
        return Explored(boxes.on_host(), stuck, n_boxes, work, value, witness)

    def examine(self, boxes: Boxes, target: float) -> Examined:
        """Bound the boxes, and clip those that stay open."""
        k, rank = boxes.lower.shape
        xp, boxes = functions_for(boxes.lower), boxes.copied()
        value, witness = 0.0, np.zeros(rank)
        errors, units = xp.zeros_like(boxes.lower), xp.zeros_like(boxes.lower)
        closed = xp.zeros_like(boxes.faces, dtype=xp.bool)
        slopes = xp.zeros((k, len(self.concave.sizes)), dtype=xp.float64, device=closed.device)
        left = xp.arange(k, device=closed.device)
        for _ in range(_PASSES):
            once = _Pass(self, boxes.select(left), target)
            closed[left] = once.closed
            errors[left], units[left] = once.errors, once.units
            slopes[left] = once.slopes + once.down.active
            for ours, its in zip(boxes, once.boxes, strict=True):
                ours[left] = its
            if once.found is not None and float(once.found[0]) > value:
                value, witness = float(once.found[0]), on_host(once.found[1])
            left = left[positions(~once.closed & (once.gained > _SHRINKAGE))]
            if not len(left):
                break
        sides = boxes.upper - boxes.lower
        # Without any error, the widest side.
        errors = xp.where(errors > 0, errors * sides, 1e-300 * sides)
        errors = xp.where(sides <= 2 * NARROWEST, 0.0, errors)
        return Examined(closed, boxes, errors, slopes, units, value, witness)


class _Pass:
    """One pass over boxes: chords first, then corner tables for those that chords leave open."""

    def __init__(self, bound: CornerBound, boxes: Boxes, target: float) -> None:
        self.bound, self.boxes, self.target = bound, boxes, target
        self.up, self.down = bound.convex.crossings(boxes), bound.concave.crossings(boxes)
        self._xp = xp = functions_for(boxes.lower)
        self.decided = self.up.active @ bound.convex.weighted
        self.decided -= self.down.active @ bound.concave.weighted
        self.errors = self._chords()
        self.closed = self.excess <= 0  # NaN is not closed
        self.gained = xp.zeros_like(self.excess)
        self.found: tuple[Any, Any] | None = None
        left = positions(~self.closed)
        if len(left):
            self._corners(left)

    def _chords(self) -> Array:
        """Linear bounds by chords, with slopes and ``û`` improved by a step; returns the errors across unit sides."""
        xp, convex, concave = self._xp, self.bound.convex, self.bound.concave
        chords = self.up.slopes
        constants = -(chords * xp.where(self.up.crosses, self.up.low, 0.0)) @ convex.sizes
        g = self.decided + chords @ convex.weighted
        trial = self.down.slopes
        self.slopes, self.excess = xp.asarray(trial, copy=True), xp.full_like(constants, np.inf)
        self.units = xp.zeros_like(g)
        left, u = xp.arange(len(g), device=g.device), self.boxes.centres
        for step in range(_CHORD_STEPS):
            if step:
                sizes, t = lengths(u), u @ concave.rows.T
                here = (xp.clip(t, 0.0, None) * self.down.crosses[left]) @ concave.sizes
                here = constants[left] + (g[left] * u).sum(axis=1) - here - self.target * sizes
                # Otherwise no slopes close the box with these chords.
                hopeful = positions(~(here > 0))
                left, u, t, sizes = left[hopeful], u[hopeful], t[hopeful], sizes[hopeful]
                moved = trial[left] + t / (sizes[:, None] * self.down.widths[left])
                trial[left] = xp.clip(moved, 0.0, 1.0) * self.down.crosses[left]
            linear = g[left] - trial[left] @ concave.weighted
            u = self._near_largest(left, linear, constants[left])
            units = u / lengths(u)[:, None]
            excess = self._largest(left, linear - self.target * units) + constants[left]
            better = positions(excess < self.excess[left])
            into = left[better]
            self.excess[into], self.units[into] = excess[better], units[better]
            self.slopes[into] = trial[into]
            going = positions(excess > 0)
            left, u = left[going], u[going]
        errors = (chords * (1 - chords)) @ xp.abs(convex.weighted)
        return errors + 0.5 * (trial * (1 - trial)) @ xp.abs(concave.weighted)

    def _near_largest(self, left: NDArray[np.intp], linear: Array, constants: Array) -> Array:
        """Points of the boxes near where ``(linearᵀu + constant)/‖u‖`` is largest."""
        xp, boxes = self._xp, self.boxes.select(left)
        own = xp.arange(len(left), device=left.device), boxes.faces
        linear = xp.asarray(linear, copy=True)
        linear[own] += constants / boxes.lower[own]
        u = boxes.centres
        for _ in range(_POINT_STEPS):
            u = xp.clip(lengths(u)[:, None] / self.target * linear, boxes.lower, boxes.upper)
        return u

    def _largest(self, left: NDArray[np.intp], linear: Array) -> Array:
        """Maximum of ``linearᵀu`` over each box."""
        boxes = self.boxes.select(left)
        across = self._xp.abs(linear) * boxes.halves
        return (linear * boxes.centres).sum(axis=1) + across.sum(axis=1)

    def _corners(self, left: NDArray[np.intp]) -> None:
        """Improve the bounds of these boxes by tables of their corners, and clip them."""
        xp, boxes = self._xp, self.boxes.select(left)
        tables = CornerTables(
            self.bound.convex,
            self.bound.concave,
            boxes,
            self.up.select(left),
            self.down.select(left),
            self.decided[left],
            self.errors[left] * boxes.halves,
            self.target,
            self.bound.n_free,
            self.bound.pace.entries,
        )
        tables.improve(self.slopes[left], self.units[left])
        self.slopes[left], self.units[left] = tables.slopes, tables.units
        self.excess[left] = xp.fmin(self.excess[left], tables.excess)
        self.closed[left] = self.excess[left] <= 0
        self.found = tables.found
        bounds = xp.fmin(boxes.bounds, self.target + self.excess[left])
        self.boxes.bounds[left] = bounds
        if self.bound.clips:
            self.closed[left] |= tables.empty
            self.boxes.lower[left], self.boxes.upper[left] = tables.clipped()
            self.gained[left] = tables.gained


def _entries(rows: Array, columns: NDArray[np.intp]) -> Array:
    """One entry of each row."""
    return rows[functions_for(rows).arange(len(rows), device=rows.device), columns]
