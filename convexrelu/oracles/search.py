"""Searched pricing: batched ascents from many starts, polished to local maxima. An estimate, never a proof."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from convexrelu.norms import norms
from convexrelu.oracles.base import OracleReport, strongest_first
from convexrelu.oracles.cones import PatternCones
from convexrelu.patterns.activation import first_of_each

__all__ = ["SearchOracle"]

Array = NDArray[np.float64]
Masks = NDArray[np.bool_]


class SearchOracle:
    """Local ascents on ``h(u) = σ vᵀ relu(X̃u)`` over the unit ball, from random starts, for both signs.

    1. All starts at once: steps ``u ← normalise((1 − η) u + η g/‖g‖)`` towards the maximiser ``g/‖g‖``,
       ``g = σ X̃ᵀD(u)v``, of the function's linear piece at ``u``, with ``η`` falling geometrically
       (conditional gradient; the function has kinks, where longer steps would zigzag).
    2. The best distinct patterns are polished: maximise over the pattern's cell exactly, cross the facets
       that are in the way of the ascent, repeat until none is.

    What matters most for finding the maximum is how many starts there are and how many are polished
    (``benchmarks/bench_oracle.py``).

    The value found is a lower bound on ``M(v)``: ``is_proof`` is always False. After ``N``
    independent starts none of which passed a level, the probability that one more start passes it
    is at most ``3/N`` at 95 % confidence.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    n_starts : int
        Random starts a call, drawn anew each time.
    n_steps : int
        Ascent steps.
    first_step, last_step : float
        ``η`` at the beginning and at the end. Short first steps find more of the narrow maxima; the
        polish then takes longer.
    n_polish : int
        How many patterns a sign are polished.
    random_state : int, RandomState or None
        Seed of the starts.

    Examples
    --------
    >>> import numpy as np
    >>> report = SearchOracle(np.eye(2), random_state=0)(np.array([3.0, 4.0]))
    >>> round(report.bound, 12), report.is_proof
    (5.0, False)
    """

    def __init__(
        self,
        design: Array,
        *,
        n_starts: int = 128,
        n_steps: int = 60,
        first_step: float = 0.3,
        last_step: float = 0.02,
        n_polish: int = 64,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.design = design
        self.n_starts = n_starts
        self.n_polish = n_polish
        self.step_sizes = np.geomspace(first_step, last_step, n_steps)
        self._random = check_random_state(random_state)
        self._cones = PatternCones(design)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,)."""
        dim = self.design.shape[1]
        starts = self._random.standard_normal((self.n_starts, dim))
        found = [self._one_sign(sign, v, starts) for sign in (1.0, -1.0)]
        masks, directions, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
        signs = np.repeat([1.0, -1.0], [len(found[0][0]), len(found[1][0])])
        order = strongest_first(values)
        return OracleReport(
            bound=float(values.max(initial=0.0)),
            is_proof=False,
            scope="global",
            method="search",
            masks=masks[order],
            signs=signs[order],
            directions=directions[order],
            values=values[order],
            n_starts=self.n_starts,
            work=2 * self.n_starts,
        )

    def _one_sign(self, sign: float, v: Array, starts: Array) -> tuple[Masks, Array, Array]:
        """Distinct local maxima of ``sign · vᵀ relu(X̃u)``: masks, directions, values."""
        directions = self._ascend(sign * v, starts)
        masks = directions @ self.design.T >= 0
        chosen = first_of_each(masks)[: self.n_polish]
        polished = [self._polish(sign * v, mask) for mask in masks[chosen]]
        masks = np.array([mask for mask, _, _ in polished])
        keep = first_of_each(masks)
        return (
            masks[keep],
            np.array([direction for _, direction, _ in polished])[keep],
            np.array([value for _, _, value in polished])[keep],
        )

    def _ascend(self, v: Array, starts: Array) -> Array:
        """Best point of every ascent, strongest first."""
        u = _unit(starts)
        best, best_value = u, np.full(len(u), -np.inf)
        for step in self.step_sizes:
            outputs = u @ self.design.T
            active = outputs > 0
            value = (outputs * active) @ v
            better = value > best_value
            best_value = np.where(better, value, best_value)
            best = np.where(better[:, None], u, best)
            u = _unit((1 - step) * u + step * _unit((active * v) @ self.design))
        return best[strongest_first(best_value)]

    def _polish(self, v: Array, mask: Masks) -> tuple[Masks, Array, float]:
        """Hop from cell to cell until the maximum over the cell is a local maximum of the function."""
        value, projection, excess = self._maximise_over_cell(v, mask)
        while (blocked := excess > 0).any():
            # All blocked facets at once is the long step; the worst one alone always leads upwards.
            for crossed in (np.flatnonzero(blocked), [np.argmax(excess)]):
                trial = mask.copy()
                trial[self._cones.rows[crossed]] ^= True
                outcome = self._maximise_over_cell(v, trial)
                if outcome[0] > value * (1 + 1e-12):
                    break
            else:
                break
            mask, (value, projection, excess) = trial, outcome
        return mask, _unit(projection[None, :])[0], value

    def _maximise_over_cell(self, v: Array, mask: Masks) -> tuple[float, Array, Array]:
        """Maximum over the cell of `mask`, its projection, and how far each facet is from holding the ascent back.

        A facet with multiplier ``μ`` is stationary as a kink of the function only if ``v_i < 0``
        and ``μ ≤ |v_i|‖x̃_i‖``; where the excess is positive the function goes on rising on the
        other side.
        """
        value, projection, multipliers = self._cones.support((mask * v) @ self.design, mask)
        kink = np.maximum(-v[self._cones.rows], 0.0) * self._cones.norms
        return value, projection, np.where(multipliers > 0, multipliers - kink * (1 + 1e-9), 0.0)


def _unit(rows: Array) -> Array:
    lengths = norms(rows)[:, None]
    return rows / np.where(lengths > 0, lengths, 1.0)
