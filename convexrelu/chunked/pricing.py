"""The search for neurons that lower the objective, on the rows of all chunks.

Candidates are local maxima of ``‖Vᵀ φ(X̃u)‖`` on a sample of rows, drawn with probabilities proportional to
``‖v_i‖ ‖x̃_i‖`` and weighted such that its mean is the function. They ascend on all rows, by conditional gradient steps
(:mod:`convexrelu.oracles.search.ascents`), and their values are computed on all rows in float64.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from convexrelu._utils.deadlines import EarlyDeadline, product_fits
from convexrelu._utils.norms import norms, sizes, unit_rows
from convexrelu._utils.typing import Array
from convexrelu.chunked.dual import DualPoint
from convexrelu.chunked.rows import Rows
from convexrelu.oracles.base import Oracle
from convexrelu.oracles.for_problem import oracles_for, rough_search_for
from convexrelu.oracles.search.base import MOST_CLIMBED
from convexrelu.oracles.search.starts import apart
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["Candidates", "Search"]

# Rows of the sample: as many as searches on one machine use.
_DRAWN = 2**14
# Candidates that ascend on all rows, and their steps, each of which is two passes over the rows.
_CANDIDATES, _STEPS = 16, np.geomspace(0.1, 0.01, 20).tolist()
_SEARCHED = 1500  # a search takes as long as so many multiplications for each entry of the sample
_SAME = 1 - 1e-6  # cosine of directions that count as equal


@dataclass(frozen=True, eq=False)
class Candidates:
    """Directions of neurons, strongest first.

    Attributes
    ----------
    directions : array of shape (k, d̃)
        Unit vectors, for the design.
    outer : array of shape (k, K)
        Unit vectors: the directions of the outer weights.
    values : array of shape (k,)
        ``‖Vᵀ φ(X̃u)‖``.
    n_starts : int
        Independent starts of the search.
    finished : bool
        Whether the search had the time that it needs: otherwise no estimate follows from it.
    """

    directions: Array
    outer: Array
    values: Array
    n_starts: int
    finished: bool = True

    @property
    def bound(self) -> float:
        """The largest value found, a lower bound on ``M(v)``."""
        return float(self.values.max(initial=0.0))

    def __len__(self) -> int:
        return len(self.values)

    def above(self, level: float, own: Array) -> Candidates:
        """Those with larger values that are not among a network's own neurons, given as rows."""
        known = (self.directions @ unit_rows(own[norms(own) > 0]).T).max(axis=1, initial=-1.0)
        kept = (self.values > level) & (known < _SAME)
        return replace(
            self,
            directions=self.directions[kept],
            outer=self.outer[kept],
            values=self.values[kept],
        )


class Search:
    """Searches of one training; the maxima of the last one are among the candidates of the next.

    Parameters
    ----------
    rows : Rows
    random : RandomState
        The same on all processes.
    device : str
        Torch device of the searches on a sample.
    """

    def __init__(self, rows: Rows, random: np.random.RandomState, device: str = "cpu") -> None:
        self._rows = rows
        self._random = random
        self._device = device
        self._last = np.zeros((0, rows.template.design.shape[1]))

    def __call__(self, v: DualPoint, own: Array, end: float = math.inf) -> Candidates:
        """Search at a dual point until the processes' clock shows `end`.

        `own` are directions of the network's neurons, whose values count, too.
        """
        found, n_starts, finished = self._on_a_sample(v, end)
        starts = np.concatenate([self._last, found])
        ends = self._ascended(v, starts, end) if len(starts) else starts
        finished = finished and self._rows.seconds <= end
        directions = unit_rows(np.concatenate([ends, own[norms(own) > 0]]))
        sums = self._moments(v, directions)
        values = sizes(sums)
        outer = sums / np.where(values > 0, values, 1.0)[:, None]
        order = np.argsort(-values[: len(ends)], kind="stable")
        chosen = order[apart(directions[order])]
        rest = np.setdiff1d(np.arange(len(values)), chosen)
        best = np.concatenate([chosen, rest])
        self._last = directions[chosen]
        return Candidates(directions[best], outer[best], values[best], n_starts, finished)

    def largest(self, v: DualPoint, directions: Array) -> float:
        """The largest value at some directions."""
        return float(sizes(self._moments(v, directions)).max(initial=0.0))

    def _on_a_sample(self, v: DualPoint, end: float) -> tuple[Array, int, bool]:
        """Local maxima on a sample, the number of starts, and whether there was time; found by process 0."""
        rows = self._rows
        X, y, own = self._drawn(v)
        none = np.zeros((0, rows.template.design.shape[1])), 0, True
        found = None
        if rows.group.rank == 0 and len(X):
            problem = rows.template._replace(X=X, y=y, weights=np.full(len(X), 1.0 / len(X)))
            problem = problem.in_features()
            deadline = time.perf_counter() + end - rows.seconds
            if not product_fits(_SEARCHED * float(X.size), deadline):
                return rows.group.of_first((none[0], 0, False))
            report = self._oracle(problem)(
                own, deadline=EarlyDeadline(deadline, rows.group.has_lost)
            )
            directions = report.directions[apart(report.directions)[:_CANDIDATES]]
            found = directions, report.n_starts, report.finished
        return rows.group.of_first(found) or none

    def _oracle(self, problem: TrainingProblem) -> Oracle:
        """The search of a sample; few rows are all there, or nearly so, and have kinks that count."""
        if problem.n_samples > MOST_CLIMBED:
            return rough_search_for(problem, self._random, self._device)
        return oracles_for(problem, "search", self._random, self._device).heuristic

    def _drawn(self, v: DualPoint) -> tuple[Array, Array, Array]:
        """Inputs, targets and dual entries of the sample."""
        rows = self._rows
        sizes_of = rows.each(lambda k, own: sizes(own) * rows.chunk(k).problem.lengths, v)
        totals = rows.numbers(lambda k, size: size.sum(), sizes_of)
        total = float(totals.sum())
        seed = self._random.randint(2**31)
        shares = totals / (total or 1.0)
        n_drawn = rows.sampled_rows(_DRAWN)
        counts = np.random.RandomState(seed).multinomial(n_drawn if total else 0, shares)

        def drawn(k: int, size: Array, own: Array) -> tuple[Array, Array, Array]:
            random = np.random.RandomState((seed + 1 + k) % 2**32)
            index = np.zeros(0, dtype=np.intp)
            if counts[k]:
                index = random.choice(len(size), counts[k], p=size / size.sum())
            index, count = np.unique(index, return_counts=True)
            share = count * total / (n_drawn * size[index])
            y = rows.chunk(k).problem.y
            return rows.products(k).inputs(index), y[index], (share * own[index].T).T

        X, y, own = rows.collected(drawn, sizes_of, v)
        return X, y, own

    def _ascended(self, v: DualPoint, u: Array, end: float) -> Array:
        """The best points of conditional gradient ascents on all rows, which end in time."""
        best, values = u, np.full(len(u), -np.inf)
        for step in _STEPS:
            if self._rows.seconds > end:
                break
            gradient = self._gradients(v, u)
            now = np.einsum("ij,ij->i", u, gradient)
            best = np.where((now > values)[:, None], u, best)
            values = np.maximum(now, values)
            u = unit_rows((1 - step) * u + step * unit_rows(gradient))
        return best

    def _gradients(self, v: DualPoint, u: Array) -> Array:
        """``X̃ᵀ D(u) V g`` with ``g`` along ``Vᵀ φ(X̃u)``, of shape (k, d̃)."""
        towards, rows = unit_rows(self._moments(v, u)), self._rows

        def part(k: int, own: Array) -> list[Array]:
            return [rows.products(k).gradients(own.reshape(len(own), -1), u, towards)]

        return rows.total(part, u.shape, arrays=[v], columns=len(u))[0]

    def _moments(self, v: DualPoint, u: Array) -> Array:
        """``Vᵀ φ(X̃u)``, of shape (k, K)."""
        rows = self._rows

        def part(k: int, own: Array) -> list[Array]:
            return [rows.products(k).moments(own.reshape(len(own), -1), u)]

        shape = len(u), rows.template.n_outputs
        return rows.total(part, shape, arrays=[v], columns=len(u))[0]
