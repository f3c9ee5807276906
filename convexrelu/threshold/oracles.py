"""Pricing of threshold units: ``max_u |vᵀ 1{X̃u ≥ 0}|``.

The value is constant on a cell, so a list of all cells gives the maximum. Without one this is the problem of
the densest hemisphere, which is NP-hard (Johnson & Preparata 1978): a search only bounds it from below.
"""

from __future__ import annotations

import math
import time
from functools import cached_property

import numpy as np

from convexrelu._utils.deadlines import svd_fits
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport, strongest_first
from convexrelu.patterns import ActivationPatterns, sample_gates
from convexrelu.patterns.activation import first_of_each, masks_of_gates

__all__ = [
    "ThresholdPatternOracle",
    "ThresholdSearchOracle",
    "threshold_relaxation",
    "work_of_search",
]


_EPS = float(np.finfo(np.float64).eps)
_ENTRIES = 2**20  # samples times gates that move together: a line takes a tenth of a second
_STARTS = 64  # random gates of a search, unless others are asked for
# What a search without time to move all of its gates takes for each gate and sample, in multiplications: for each
# feature, and besides.
_OF_A_FEATURE, _OF_A_SAMPLE = 3, 400
_CHUNK_BYTES = 2**26  # memory of a float copy of some patterns: 64 MB


def threshold_relaxation(v: Array) -> float:
    """``max(Σ_i max(v_i, 0), Σ_i max(−v_i, 0))``: over all of ``{0, 1}ⁿ``, which shattered data attain.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.threshold import threshold_relaxation
    >>> round(threshold_relaxation(np.array([1.0, 2.0, -3.0])), 9)
    3.0
    """
    return max(math.fsum(v[v > 0]), -math.fsum(v[v < 0])) + _rounding(v)


def work_of_search(n_samples: int, dimension: int) -> float:
    """Multiplications in whose time a search that is late from the beginning reports what it has.

    Examples
    --------
    >>> work_of_search(1000, 10)
    27520000.0
    """
    return float(_STARTS * n_samples) * (_OF_A_FEATURE * dimension + _OF_A_SAMPLE)


def _rounding(v: Array) -> float:
    """Bound on the rounding error of a sum of entries of ``v``."""
    return 2 * (len(v) + 1) * _EPS * float(np.abs(v).sum())


class ThresholdPatternOracle:
    """The maximum over given patterns: one product.

    Parameters
    ----------
    patterns : ActivationPatterns
    complete : bool
        Whether these are proved to be all patterns, which makes the scope global.
    n_witnesses : int
        Largest number of patterns to return, the best ones.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.threshold import ThresholdPatternOracle
    >>> from convexrelu.patterns import enumerate_patterns
    >>> oracle = ThresholdPatternOracle(enumerate_patterns(np.eye(2)), complete=True)
    >>> report = oracle(np.array([3.0, -3.0]))
    >>> round(report.bound, 9), report.scope
    (3.0, 'global')
    """

    def __init__(
        self, patterns: ActivationPatterns, *, complete: bool, n_witnesses: int = 100
    ) -> None:
        self.patterns = patterns
        self.scope, self.method = ("global", "cells") if complete else ("program", "patterns")
        self.n_witnesses = n_witnesses

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,)."""
        masks = self.patterns.masks
        step = max(1, _CHUNK_BYTES // (8 * max(1, len(v))))  # products turn masks into floats
        products = np.concatenate(
            [masks[i : i + step] @ v for i in range(0, len(masks), step)] or [np.zeros(0)]
        )
        order = strongest_first(np.abs(products))[: self.n_witnesses]
        return OracleReport(
            bound=float(np.abs(products).max(initial=0.0)) + _rounding(v),
            is_proof=True,
            scope=self.scope,
            method=self.method,
            masks=masks[order],
            signs=np.where(products[order] < 0, -1.0, 1.0),
            directions=self.patterns.gates[order],
            values=np.abs(products[order]),
            work=len(masks),
        )


class ThresholdSearchOracle:
    """A search from many gates, each improved by exact line searches. Its value is an estimate.

    Along a line ``u + t e`` sample ``i`` switches at ``t_i = −x̃_iᵀu / x̃_iᵀe``: after sorting these, the values of
    all cells that the line crosses are one cumulative sum. Lines go in random directions, in that of the gradient of
    a smoothed value, and past some samples to others that are on the wrong side.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    random : RandomState
        Source of gates and lines.
    n_starts : int
        Number of random gates to improve side by side.
    n_lines : int
        Number of lines along which to move each of them.
    remembers : bool
        Whether the best gates of a call are also starts of the next one: for dual points that change slowly.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.threshold import ThresholdSearchOracle
    >>> oracle = ThresholdSearchOracle(np.eye(3), np.random.RandomState(0))
    >>> report = oracle(np.array([3.0, -4.0, 2.0]))
    >>> round(report.bound, 9), report.is_proof
    (5.0, False)
    """

    def __init__(
        self,
        design: Array,
        random: np.random.RandomState,
        *,
        n_starts: int = _STARTS,
        n_lines: int = 90,
        remembers: bool = False,
    ) -> None:
        self.design = design
        self.random = random
        self.n_starts = n_starts
        self.n_lines = n_lines
        self.remembers = remembers
        self._found = np.zeros((0, design.shape[1]))

    @cached_property
    def _rows(self) -> Array:
        """Rows of unit length, and of zeros; not made for a search that is never asked."""
        lengths = norms(self.design)
        return self.design / np.where(lengths > 0, lengths, 1.0)[:, None]

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,)."""
        drawn = sample_gates(self._rows.shape[1], self.n_starts, self.random)
        gates = np.vstack([drawn, self._found])
        products = masks_of_gates(self._rows, gates) @ v
        # Half of the random starts look for a large value, the others for a small one.
        signs = np.where(np.arange(len(gates)) % 2 == 0, 1.0, -1.0)
        signs[self.n_starts :] = np.where(products[self.n_starts :] < 0, -1.0, 1.0)
        values = signs * products
        together = max(1, _ENTRIES // len(v))
        finished = True
        for start in range(0, len(gates), together):
            part = slice(start, start + together)
            self._improve(gates[part], values[part], signs[part], v, deadline)
            finished = time.perf_counter() <= deadline
            if not finished:
                break
        if self.remembers:
            self._found = gates[strongest_first(values)[: self.n_starts]]
        return self._report(gates, v, finished=finished)

    def _improve(
        self, gates: Array, values: Array, signs: Array, v: Array, deadline: float
    ) -> None:
        """Move these gates, and their values, along lines until the deadline."""
        for line in range(1, self.n_lines + 1):
            ahead = self._directions(gates, signs, v, deadline, kind=line % 3)
            moved = self._best_on_lines(gates, ahead, signs, v)
            found = signs * ((moved @ self._rows.T >= 0) @ v)
            better = found >= values  # accepting ties keeps the search moving
            gates[better], values[better] = moved[better], found[better]
            if time.perf_counter() > deadline:
                break

    def _directions(
        self, gates: Array, signs: Array, v: Array, deadline: float, *, kind: int
    ) -> Array:
        """Random directions (0), smoothed gradients (1), or ones that switch a sample to the better side (2)."""
        noise = self.random.standard_normal(gates.shape)
        if kind == 0:
            return noise
        sides = gates @ self._rows.T
        if kind == 1:
            # The gradient of Σ_i v_i σ(x̃_iᵀu/τ), for widths τ of all sizes.
            width = 10 ** self.random.uniform(-2, 0, (len(gates), 1))
            bells = 1 / np.square(np.cosh(np.clip(sides / width, -50, 50)))
            ahead = signs[:, None] * ((bells * v) @ self._rows)
        else:
            gain = signs[:, None] * np.where(sides >= 0, -v, v)
            wrong = (self.random.random_sample(sides.shape) * (gain > 0)).argmax(axis=1)
            ahead = self._past_others(self._rows[wrong], sides, deadline)
        length = norms(ahead)[:, None]
        return np.where(length > 1e-9, ahead / np.where(length > 0, length, 1.0), noise)

    def _past_others(self, ahead: Array, sides: Array, deadline: float) -> Array:
        """Directions that do not move samples near their switch, the same number for each gate: none without time."""
        n, dimension = self._rows.shape
        n_others = self.random.randint(0, max(1, min(n, dimension)))
        if not svd_fits((len(ahead) * dimension, n_others), deadline):
            return ahead
        nearness = np.abs(sides) * self.random.exponential(size=sides.shape)
        others = self._rows[np.argpartition(nearness, n_others - 1, axis=1)[:, :n_others]]
        basis, _ = np.linalg.qr(np.swapaxes(others, 1, 2))  # (B, d̃, n_others)
        along = basis @ (np.swapaxes(basis, 1, 2) @ ahead[:, :, None])
        return ahead - along[:, :, 0]

    def _best_on_lines(self, gates: Array, ahead: Array, signs: Array, v: Array) -> Array:
        """For every gate the middle of the best cell on its line, as a unit vector."""
        here, speed = gates @ self._rows.T, ahead @ self._rows.T
        moving = speed != 0
        crossing = np.where(moving, -here / np.where(moving, speed, 1.0), np.inf)
        # On at t = −∞: samples that the line leaves, and those on the right side that it never meets.
        first = np.where(moving, speed < 0, here >= 0) @ v
        order = np.argsort(crossing, axis=1)
        times = np.take_along_axis(crossing, order, axis=1)
        jumps = np.take_along_axis(np.sign(speed) * v, order, axis=1)
        values = signs[:, None] * np.cumsum(np.column_stack([first, jumps]), axis=1)
        # The ends of the intervals; the outer ones are cut off at a distance.
        reach = 1 + np.abs(np.where(np.isfinite(times), times, 0.0)).max(axis=1, initial=0.0)
        times = np.clip(np.column_stack([-reach, times, reach]), -reach[:, None], reach[:, None])
        values[np.diff(times, axis=1) <= 1e-12 * reach[:, None]] = -np.inf
        best = values.argmax(axis=1)
        rows = np.arange(len(gates))
        middle = (times[rows, best] + times[rows, best + 1]) / 2
        moved = gates + middle[:, None] * ahead
        length = norms(moved)[:, None]
        return np.where(length > 0, moved / np.where(length > 0, length, 1.0), gates)

    def _report(self, gates: Array, v: Array, *, finished: bool) -> OracleReport:
        """Distinct patterns found, on the original rows: rounding may make them differ from those on unit rows."""
        masks = masks_of_gates(self.design, gates)
        kept = first_of_each(masks)
        products = masks[kept] @ v
        return OracleReport.of_search(
            masks[kept],
            np.where(products < 0, -1.0, 1.0),
            gates[kept],
            np.abs(products),
            strongest_first(np.abs(products)),
            n_starts=self.n_starts,
            finished=finished,
            proved_bound=threshold_relaxation(v),
            work=self.n_starts * self.n_lines,
        )
