"""Boxes that cover the sphere, and the tree of open boxes in branch and bound."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array

__all__ = ["NARROWEST", "Boxes", "Examined", "Goal", "Tree"]

_CHUNK = 2**17  # entries of an array of boxes × samples, so that it fits in a cache
_MAX_BYTES = 2**31  # memory limit of open boxes
# Steps that improve a bound and a point; bounds hold after any number, and no measurement is recorded.
_SLOPE_STEPS = 3
_POINT_STEPS = 3
NARROWEST = 2.0**-40  # side of a box; dyadic corners are exact in float64 down to this size


@dataclass
class Goal:
    """The value to which the bound is compared."""

    level: float
    rtol: float
    found: float

    @property
    def target(self) -> float:
        """Bound to reach: the level, or slightly above the best value found if that is larger."""
        return self.level if self.level > self.found else (1 + self.rtol) * self.found

    @property
    def refuted(self) -> bool:
        """Whether a value above the level has been found."""
        return self.level > 0 and self.found > self.level * (1 + 1e-9)


class Boxes(NamedTuple):
    """Boxes on faces of the cube, one per row."""

    centres: Array  # (k, r); ±1 at the face's own coordinate
    sides: Array  # (k, r), half lengths; 0 at the face's own coordinate
    faces: NDArray[np.intp]  # (k,)
    bounds: Array  # (k,), on h(u)/‖u‖

    @classmethod
    def of_cube(cls, rank: int, bound: float) -> Boxes:
        """One box per face."""
        centres = np.vstack([np.eye(rank), -np.eye(rank)])
        faces = np.tile(np.arange(rank), 2)
        return cls(centres, 1.0 - np.abs(centres), faces, np.full(2 * rank, bound))

    def select(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Boxes:
        """The boxes at these positions."""
        return Boxes(self.centres[index], self.sides[index], self.faces[index], self.bounds[index])

    @classmethod
    def join(cls, parts: list[Boxes]) -> Boxes:
        """All boxes of all parts."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def halved(self, across: NDArray[np.intp]) -> Boxes:
        """Both halves of every box."""
        rows = np.arange(len(across))
        sides = self.sides.copy()
        sides[rows, across] *= 0.5
        step = np.zeros_like(sides)
        step[rows, across] = sides[rows, across]
        half = self._replace(centres=self.centres - step, sides=sides)
        return Boxes.join([half, half._replace(centres=self.centres + step)])


class _Kinks(NamedTuple):
    """The samples with one sign of ``v``."""

    rows: Array  # (k, r)
    sizes: Array  # (k,), |v_i|
    weighted: Array  # (k, r), |v_i| x̃_i

    @classmethod
    def of(cls, rows: Array, v: Array) -> _Kinks:
        """The samples with ``v_i > 0``."""
        rows, sizes = rows[v > 0], v[v > 0]
        return cls(rows, sizes, rows * sizes[:, None])

    def slopes(self, boxes: Boxes) -> tuple[Array, Array, Array]:
        """Slopes of the chords, in ``[0, 1]``, and the middles and half lengths of the intervals; each (boxes, k)."""
        middle, half = boxes.centres @ self.rows.T, boxes.sides @ np.abs(self.rows).T
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = np.where(np.abs(middle) < half, 0.5 + 0.5 * middle / half, middle > 0)
        return slopes, middle, half

    def value(self, directions: Array) -> Array:
        """``Σ |v_i| relu(x̃_iᵀu)``."""
        return np.maximum(directions @ self.rows.T, 0.0) @ self.sizes


class Examined(NamedTuple):
    """Data of the bounds on boxes, one row per box."""

    excess: Array  # (k,), excess over the target
    units: Array  # (k, r), the û
    chords: Array  # (k, samples with v_i > 0), slopes
    slopes: Array  # (k, samples with v_i < 0)
    undecided: Array  # (k, r), the error across each side


class Tree:
    """Open boxes for one sign, on ``h(u) = vᵀ relu(X̃u)`` in coordinates of the row space."""

    def __init__(self, goal: Goal, sign: float, v: Array, rows: Array, bound: float) -> None:
        self.sign = sign
        self.n_boxes = 0
        self.witnesses: list[Array] = []
        self._goal = goal
        self._convex, self._concave = _Kinks.of(rows, v), _Kinks.of(rows, -v)
        self._chunk = max(16, _CHUNK // max(1, len(rows)))
        self._closed = 0.0  # bound over all closed boxes
        self._open = Boxes.of_cube(rows.shape[1], bound)

    @property
    def bound(self) -> float:
        """Bound on ``h`` over the sphere."""
        return max(self._closed, float(self._open.bounds.max(initial=0.0)))

    @property
    def can_improve(self) -> bool:
        """Whether another sweep may lower the bound, and fits into memory."""
        return self.bound > self._closed and self._open.centres.nbytes < _MAX_BYTES / 8

    def sweep(self, allowed: float, deadline: float) -> int:
        """Halve every open box above the target, or as many as time allows; return the number of boxes examined."""
        boxes, self._open = self._open, Boxes.of_cube(self._open.centres.shape[1], 0.0)
        parts, done = [], 0
        while done < min(len(boxes.faces), allowed):
            if time.perf_counter() > deadline or self._goal.refuted:
                break
            parts.append(self._halve(boxes.select(slice(done, done + self._chunk))))
            done += self._chunk
        self._open = Boxes.join([*parts, boxes.select(slice(done, None))])
        done = min(done, len(boxes.faces))
        self.n_boxes += done
        return done

    def _halve(self, boxes: Boxes) -> Boxes:
        """Bound the boxes; return both halves of those that stay open."""
        excess, units, _, _, undecided = self.examine(boxes)
        target = self._goal.target
        # gᵀu ≤ target · ûᵀu + excess on the box.
        least = (boxes.centres * units).sum(axis=1) - (boxes.sides * np.abs(units)).sum(axis=1)
        ratio = excess / np.where(least > 0, least, np.inf)
        bounds = np.where(least > 0, target + np.maximum(ratio, 0.0), np.inf)
        boxes = boxes._replace(bounds=np.fmin(bounds, boxes.bounds))
        self.note(units)
        good = excess <= 0  # NaN is not good
        split = ~good & (boxes.sides.max(axis=1) > NARROWEST)
        done = np.where(good, target, boxes.bounds)[~split]
        self._closed = max(self._closed, float(done.max(initial=0.0)))
        return boxes.select(split).halved(undecided[split].argmax(axis=1))

    def examine(self, boxes: Boxes) -> Examined:
        """Bound the boxes, with slopes and ``û`` improved by a few steps."""
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
        return Examined(excess, units, chords, slopes, boxes.sides * undecided)

    def _excess(self, boxes: Boxes, g: Array) -> tuple[Array, Array]:
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

    def note(self, units: Array) -> None:
        """Keep the best direction if it is new."""
        values = self._convex.value(units) - self._concave.value(units)
        best = int(values.argmax())
        if values[best] > self._goal.found:
            self._goal.found = float(values[best])
            self.witnesses.append(units[best])
