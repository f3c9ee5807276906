"""Branch and bound: proofs of ``M(v) ≤ M̂`` where the cells are too many to list."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu.oracles.base import Oracle, OracleReport, lipschitz_constant, strongest_first
from convexrelu.oracles.relaxation import RelaxationOracle
from convexrelu.oracles.search import SearchOracle
from convexrelu.patterns.activation import first_of_each
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["BranchAndBoundOracle"]

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)
_CHUNK = 2**17  # entries of an array of boxes × samples: what stays in a cache
_MAX_BYTES = 2**31  # of open boxes
_SLOPE_STEPS = 3
_POINT_STEPS = 3
_NARROWEST = 2.0**-40
_N_WITNESSES = 64


class BranchAndBoundOracle:
    r"""Upper bounds on ``M(v)`` from boxes that cover the sphere: valid whenever they are stopped.

    ``h(u) = vᵀ relu(X̃u)`` is positively homogeneous, so that ``M(v) ≤ T`` if ``h(u) ≤ T‖u‖`` on the faces ``u_k =
    ±1`` of the cube. On a box of a face ``t_i = x̃_iᵀu`` lies in an interval ``[l_i, r_i]``, and where that contains
    zero in its interior::

        v_i > 0:   v_i relu(t) ≤ v_i (t − l_i) r_i/(r_i − l_i)         (the chord: its concave envelope)
        v_i < 0:   v_i relu(t) ≤ v_i m_i t      for any  m_i ∈ [0, 1]

    Together ``h(u) ≤ gᵀu`` with one ``g`` for the box, and ``‖u‖ ≥ ûᵀu`` for any unit vector ``û`` leaves a linear
    function, whose maximum over the box is a sum of absolute values. A box on which it is not positive is done; the
    others are halved across the side that contributes most to the error, all of them in one sweep, which may stop
    anywhere. The ``m_i`` and ``û`` come from a few steps towards their best values.

    The convex kinks (``v_i > 0``) are the reason to branch. Local maxima sit on concave kinks, where the right ``m_i``
    make the bound exact: a box around a maximum needs to be small enough to be free of convex kinks, no smaller.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    search : Oracle, optional
        Finds the value that the bound is compared with, and cuts. By default a
        :class:`~convexrelu.oracles.SearchOracle`.
    rtol : float
        Stop where the bound is below ``1 + rtol`` times the largest value found, unless a level is asked for.
    max_work : float
        Boxes times samples after which to stop.
    random_state : int, RandomState or None
        Seed of the default search.

    Notes
    -----
    One box costs some ten operations for each entry of the design. How many there are grows exponentially with the
    rank: for a hundred Gaussian samples see ``benchmarks/bench_proofs.py``.

    In floating point: corners of boxes are dyadic, thus exact; what all products round is below ``16 (n + r) √r ε
    Σ|v_i|‖x̃_i‖``, which is added to the bound, as is what the coordinates of the row space leave of the rows.

    References
    ----------
    The problem is that of Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks",
    section 2, NP-hard by Remark 3. Covering the sphere by faces of a cube and bounding homogeneous functions on their
    boxes follows the conical algorithms of Tuy 1964 and Horst & Tuy, "Global Optimization", chapter VII.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> design, v = rng.standard_normal((30, 4)), rng.standard_normal(30)
    >>> report = BranchAndBoundOracle(design, random_state=0)(v)
    >>> report.is_proof, bool(report.bound < 1.0002 * report.values[0])
    (True, True)
    """

    def __init__(
        self,
        design: Array,
        *,
        search: Oracle | None = None,
        rtol: float = 1e-4,
        max_work: float = math.inf,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.design = design
        self.search = SearchOracle(design, random_state=random_state) if search is None else search
        self.rtol = rtol
        self.max_work = max_work
        self._space = RowSpace.of(design)
        self._relaxation = RelaxationOracle(design)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,). With a `level`, a witness above it ends the search as well."""
        found = self.search(v, level=level, deadline=deadline)
        floor = max(1e-12 * self._relaxation(v).bound, _TINY)
        largest = max(float(found.values.max(initial=0.0)), floor)
        goal, rows = _Goal(level, self.rtol, largest), self._space.coordinates
        trees = [
            _Tree(goal, sign, sign * v, rows, self._relaxation.one_sign(sign * v))
            for sign in (1.0, -1.0)
        ]
        left = self.max_work / max(1, len(v))
        while not goal.refuted and left > 0 and time.perf_counter() < deadline:
            tree = max(trees, key=lambda tree: tree.bound)
            if tree.bound <= goal.target or not tree.can_improve:
                break
            left -= tree.sweep(left, deadline)
        return self._report(v, found, trees)

    def _report(self, v: Array, found: OracleReport, trees: list[_Tree]) -> OracleReport:
        rank = self._space.rank
        points = [np.reshape(tree.witnesses, (len(tree.witnesses), rank)) for tree in trees]
        own_signs = [np.full(len(part), t.sign) for part, t in zip(points, trees, strict=True)]
        directions = np.vstack([found.directions, np.vstack(points) @ self._space.basis.T])
        signs = np.concatenate([found.signs, *own_signs])
        outputs = directions @ self.design.T
        values = signs * (np.maximum(outputs, 0.0) @ v)
        order = strongest_first(values)
        order = order[first_of_each(np.column_stack([outputs >= 0, signs > 0])[order])]
        order = order[:_N_WITNESSES]
        return OracleReport(
            bound=max(tree.bound for tree in trees) + self._padding(v),
            is_proof=True,
            scope="global",
            method="branch_and_bound",
            masks=outputs[order] >= 0,
            signs=signs[order],
            directions=directions[order],
            values=values[order],
            n_starts=found.n_starts,
            finished=found.finished,
            work=sum(tree.n_boxes for tree in trees),
        )

    def _padding(self, v: Array) -> float:
        n, rank = self._space.coordinates.shape
        rounding = 16 * (n + rank) * max(rank, 1) ** 0.5 * _EPS
        outside = float(np.abs(v) @ self._space.residual)
        return rounding * lipschitz_constant(self.design, v) + outside


@dataclass
class _Goal:
    """What the bound is to be compared with."""

    level: float
    rtol: float
    found: float

    @property
    def target(self) -> float:
        """The bound that is good enough: the level, or nearly what has been found where that is above."""
        return self.level if self.level > self.found else (1 + self.rtol) * self.found

    @property
    def refuted(self) -> bool:
        """Whether something above the level has been found."""
        return self.level > 0 and self.found > self.level * (1 + 1e-9)


class _Boxes(NamedTuple):
    """Boxes on faces of the cube, one a row."""

    centres: Array  # (k, r); ±1 at the face's own coordinate
    sides: Array  # (k, r), half of them; 0 at the face's own coordinate
    faces: NDArray[np.intp]  # (k,)
    bounds: Array  # (k,), on h(u)/‖u‖

    @classmethod
    def of_cube(cls, rank: int, bound: float) -> _Boxes:
        """One box for every face."""
        centres = np.vstack([np.eye(rank), -np.eye(rank)])
        faces = np.tile(np.arange(rank), 2)
        return cls(centres, 1.0 - np.abs(centres), faces, np.full(2 * rank, bound))

    def select(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> _Boxes:
        """Those at these positions."""
        return _Boxes(self.centres[index], self.sides[index], self.faces[index], self.bounds[index])

    @classmethod
    def join(cls, parts: list[_Boxes]) -> _Boxes:
        """All boxes of all parts."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def halved(self, across: NDArray[np.intp]) -> _Boxes:
        """Both halves of every box."""
        rows = np.arange(len(across))
        sides = self.sides.copy()
        sides[rows, across] *= 0.5
        step = np.zeros_like(sides)
        step[rows, across] = sides[rows, across]
        half = self._replace(centres=self.centres - step, sides=sides)
        return _Boxes.join([half, half._replace(centres=self.centres + step)])


class _Kinks(NamedTuple):
    """The samples of one sign of ``v``."""

    rows: Array  # (k, r)
    sizes: Array  # (k,), |v_i|
    weighted: Array  # (k, r), |v_i| x̃_i

    @classmethod
    def of(cls, rows: Array, v: Array) -> _Kinks:
        """Those with ``v_i > 0``."""
        rows, sizes = rows[v > 0], v[v > 0]
        return cls(rows, sizes, rows * sizes[:, None])

    def slopes(self, boxes: _Boxes) -> tuple[Array, Array, Array]:
        """Slopes of the chords, in ``[0, 1]``, and the middles and half lengths of the intervals; each (boxes, k)."""
        middle, half = boxes.centres @ self.rows.T, boxes.sides @ np.abs(self.rows).T
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = np.where(np.abs(middle) < half, 0.5 + 0.5 * middle / half, middle > 0)
        return slopes, middle, half

    def value(self, directions: Array) -> Array:
        """``Σ |v_i| relu(x̃_iᵀu)``."""
        return np.maximum(directions @ self.rows.T, 0.0) @ self.sizes


class _Examined(NamedTuple):
    """What bounds boxes, one a row."""

    excess: Array  # (k,), by how much they miss the target
    units: Array  # (k, r), the û
    chords: Array  # (k, samples with v_i > 0), slopes
    slopes: Array  # (k, samples with v_i < 0)
    undecided: Array  # (k, r), the error across each side


class _Tree:
    """The boxes of one sign that are still open, on ``h(u) = vᵀ relu(X̃u)`` in coordinates of the row space."""

    def __init__(self, goal: _Goal, sign: float, v: Array, rows: Array, bound: float) -> None:
        self.sign = sign
        self.n_boxes = 0
        self.witnesses: list[Array] = []
        self._goal = goal
        self._convex, self._concave = _Kinks.of(rows, v), _Kinks.of(rows, -v)
        self._chunk = max(16, _CHUNK // max(1, len(rows)))
        self._closed = 0.0  # bound on all boxes that are done
        self._open = _Boxes.of_cube(rows.shape[1], bound)

    @property
    def bound(self) -> float:
        """Bound on ``h`` over the sphere."""
        return max(self._closed, float(self._open.bounds.max(initial=0.0)))

    @property
    def can_improve(self) -> bool:
        """Whether another sweep may lower the bound, and fits into memory."""
        return self.bound > self._closed and self._open.centres.nbytes < _MAX_BYTES / 8

    def sweep(self, allowed: float, deadline: float) -> int:
        """Halve every open box that is not good enough, or as many as allowed in time; return how many were seen."""
        boxes, self._open = self._open, _Boxes.of_cube(self._open.centres.shape[1], 0.0)
        parts, done = [], 0
        while done < min(len(boxes.faces), allowed):
            if time.perf_counter() > deadline or self._goal.refuted:
                break
            parts.append(self._halve(boxes.select(slice(done, done + self._chunk))))
            done += self._chunk
        self._open = _Boxes.join([*parts, boxes.select(slice(done, None))])
        done = min(done, len(boxes.faces))
        self.n_boxes += done
        return done

    def _halve(self, boxes: _Boxes) -> _Boxes:
        """Bound the boxes; both halves of those that stay open."""
        excess, units, _, _, undecided = self._examine(boxes)
        target = self._goal.target
        # gᵀu ≤ target · ûᵀu + excess on the box.
        least = (boxes.centres * units).sum(axis=1) - (boxes.sides * np.abs(units)).sum(axis=1)
        ratio = excess / np.where(least > 0, least, np.inf)
        bounds = np.where(least > 0, target + np.maximum(ratio, 0.0), np.inf)
        boxes = boxes._replace(bounds=np.fmin(bounds, boxes.bounds))
        self._note(units)
        good = excess <= 0  # not a number is not good
        split = ~good & (boxes.sides.max(axis=1) > _NARROWEST)
        done = np.where(good, target, boxes.bounds)[~split]
        self._closed = max(self._closed, float(done.max(initial=0.0)))
        return boxes.select(split).halved(undecided[split].argmax(axis=1))

    def _examine(self, boxes: _Boxes) -> _Examined:
        """Bound the boxes, with slopes and ``û`` from a few steps towards their best values."""
        chords, middle, half = self._convex.slopes(boxes)
        constants = (chords * (half - middle) * (chords < 1)) @ self._convex.sizes
        g = chords @ self._convex.weighted
        own = np.arange(len(g)), boxes.faces
        g[own] += constants * boxes.centres[own]
        slopes, _, half = self._concave.slopes(boxes)
        free = (slopes > 0) & (slopes < 1)
        excess, units = self._excess(boxes, g - slopes @ self._concave.weighted)
        for _ in range(_SLOPE_STEPS):
            moved = units @ self._concave.rows.T / np.where(free, 2 * half, np.inf)
            trial = np.clip(slopes + moved, 0.0, 1.0)
            trial_excess, trial_units = self._excess(boxes, g - trial @ self._concave.weighted)
            better = trial_excess < excess
            excess = np.where(better, trial_excess, excess)
            slopes[better], units[better] = trial[better], trial_units[better]
        undecided = (chords * (1 - chords)) @ np.abs(self._convex.weighted)
        undecided += 0.5 * (slopes * (1 - slopes)) @ np.abs(self._concave.weighted)
        undecided = np.where(undecided.any(axis=1, keepdims=True), undecided, 1.0)
        return _Examined(excess, units, chords, slopes, boxes.sides * undecided)

    def _excess(self, boxes: _Boxes, g: Array) -> tuple[Array, Array]:
        """Maximum of ``(g − target û)ᵀu`` over each box, with ``û`` near the direction where ``gᵀu/‖u‖`` is largest."""
        target = self._goal.target
        lower, upper = boxes.centres - boxes.sides, boxes.centres + boxes.sides
        u = boxes.centres
        for _ in range(_POINT_STEPS):
            u = np.clip(np.linalg.norm(u, axis=1, keepdims=True) * g / target, lower, upper)
        units = u / np.linalg.norm(u, axis=1, keepdims=True)
        linear = g - target * units
        excess = (linear * boxes.centres).sum(axis=1) + (np.abs(linear) * boxes.sides).sum(axis=1)
        return excess, units

    def _note(self, units: Array) -> None:
        """Keep the best direction if it is news."""
        values = self._convex.value(units) - self._concave.value(units)
        best = int(values.argmax())
        if values[best] > self._goal.found:
            self._goal.found = float(values[best])
            self.witnesses.append(units[best])
