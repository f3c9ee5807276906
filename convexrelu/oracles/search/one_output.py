"""Heuristic pricing: batched ascents from many starts, polished to local maxima. An estimate, never a proof."""

from __future__ import annotations

import math
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from convexrelu._utils.norms import unit_rows
from convexrelu._utils.threads import in_threads, torch_threads
from convexrelu._utils.typing import Array, Masks
from convexrelu.oracles.base import OracleReport, moments, strongest_first
from convexrelu.oracles.search.base import Search
from convexrelu.oracles.search.known_maxima import KnownMaxima
from convexrelu.oracles.search.starts import (
    apart,
    most_polished,
    random_starts,
    starts_near,
    to_numpy,
)
from convexrelu.oracles.search.walks import MOST_DIMENSIONS, Walks
from convexrelu.patterns.activation import first_of_each

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

__all__ = ["SearchOracle"]

# Maxima above the level that a walk has to find in a search for cuts, for another one to follow.
_FRUITFUL = 8
# Largest value in a search for cuts, as a part of the level, above which none walks: random starts find cuts enough
# that far from the end. With walks in all searches, objectives after 15 seconds are up to 0.7 % higher (stock,
# alpha = 0.0001); with walks below 1.02 only, fits stall that miss narrow maxima (yacht, alpha = 0.0001).
_FAR = 1.1
_Found = tuple[Masks, Array, Array]  # masks, signs and directions of maxima
# Ends that are compared with each other, of a sample, in units of the number that go on.
_COMPARED = 8
# Known maxima that climb again, in units of the number of new candidates of a sign, and samples times maxima: with 500
# samples, a thousand take a tenth of a second.
_REPEATED, _REPEATED_ENTRIES = 8, 2**19
# Ends of ascents and of Newton steps that are worth going on, as parts of the level: ascents end up to a tenth below
# the maximum, Newton steps up to a hundredth. So many of the strongest always go on, for the bound.
_WORTH_NEWTON, _WORTH_A_CLIMB, _FEWEST = 0.9, 0.985, 16
# Known maxima near which further starts are, half as many as random ones.
_MOST_CENTRES = 128
_PATTERNS = 64  # of ends that are compared with those before at a time, at least


class SearchOracle(Search):
    """Local ascents on ``h(u) = σ vᵀ relu(X̃u)`` over the unit ball, from random starts, for both signs.

    1. All starts at once, and half as many near the largest maxima of earlier calls if these climb: steps
       ``u ← normalise((1 − η) u + η g/‖g‖)`` towards the maximiser ``g/‖g‖``, ``g = σ X̃ᵀD(u)v``, of the function's
       linear piece at ``u``, with ``η`` falling geometrically (conditional gradient; the function has kinks, where
       longer steps would zigzag). With more than 16 384 samples, these are made on as many draws with probabilities
       ``|v_i|‖x̃_i‖``, and the best go on with as many steps on all samples.
    2. The best distinct patterns are improved by Newton steps, on the function with its nearest kinks smoothed.
    3. Polish: maximise over the pattern's cell exactly, cross the facets that block the ascent,
       repeat until none does. The result is a local maximum. The maxima of earlier calls that are largest now are
       polished as well. With more than 5000 samples, whose kinks are small and close together, this would gain less
       than a thousandth of the value, and is left out; then ascents start from these maxima.
    4. Walks from the largest of them along edges of their cells end near further maxima, which are improved in the
       same way; in searches for cuts only where none is far above the level.

    The numbers of starts and of polished patterns matter most for finding the maximum
    (``python -m benchmarks.pricing.bench_oracle``).

    The value found is a lower bound on ``M(v)``: ``is_proof`` is always False. It is evaluated on all samples, even if
    the ascents used a subset. After ``N`` independent starts, without those near known maxima, none of which passed a
    level, the probability that one more start passes it is at most ``3/N`` at 95 % confidence.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    n_starts : int
        Random starts per call, drawn anew each time.
    n_steps : int
        Ascent steps.
    first_step, last_step : float
        ``η`` at the beginning and at the end. Shorter first steps find more of the narrow maxima; the
        polish then takes longer.
    n_polish : int
        Number of patterns to polish per sign; fewer with more than two million / `n_polish` samples.
    n_first : int, optional
        Starts of the first call; each has four times as many as the last one, up to `n_starts`.
    random_state : int, RandomState or None
        Seed of the starts.
    device : str
        A torch device.
    polishes : bool
        Whether to improve candidates up to a local maximum; descent that follows does not need it.
    known : KnownMaxima, optional
        Maxima of earlier calls, of this search and of others on the same design; by default of its own.
    n_walks : int
        Walks along edges to further maxima, see :mod:`~convexrelu.oracles.search.walks`; none in more than 16
        dimensions, or where nothing climbs.
    screens : bool
        Whether to polish only what may well end above the `level` of a call, if it has one: for cuts, not for
        verdicts.

    Notes
    -----
    An ascent step costs ``4 n d̃`` operations for each start and sign. Memory ``16 n`` bytes for each polished
    pattern, and ``8 n d̃``.

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
        known: KnownMaxima | None = None,
        screens: bool = False,
        n_walks: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(design, n_starts=n_starts, **options)
        self.n_walks = n_walks
        self._known = KnownMaxima(design.shape[1]) if known is None else known
        self.screens = screens
        self._level = 0.0  # of the call in progress, in units of its values

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,)."""
        self._begin()
        if self._is_late(deadline):
            return self._nothing(v)
        size = self._largest_value(v)
        scaled = v / size
        scaled_level = level / (self._longest * size) if self._climbs else 0.0
        self._level = scaled_level if self.screens else 0.0
        known = self._from_before(v, level)
        with torch_threads(0):
            starts, signs = self._candidates(scaled, known, deadline)
            found = self._polish(scaled, starts, signs, known, deadline)
            masks, signs, directions = self._walked(scaled, scaled_level, found, deadline)
        values = signs * moments(self.design, v, directions)
        order = strongest_first(values)
        order = order[values[order] >= 0]
        order = order[first_of_each(np.column_stack([masks, signs > 0])[order])]
        self._known.add(directions[order], signs[order])
        return OracleReport.of_search(
            masks,
            signs,
            directions,
            values,
            order,
            n_starts=self._n_starts,
            finished=self._is_finished(deadline),
            work=self._work,
        )

    @cached_property
    def _walks(self) -> Walks:
        return Walks(self._rows)

    @property
    def _climbs(self) -> bool:
        return len(self.design) <= self.most_climbed

    @property
    def _repeats(self) -> bool:
        """Whether known maxima climb from where they were; otherwise, ascents start from them."""
        return self._climbs

    def _from_before(self, v: Array, level: float) -> tuple[Array, Array]:
        """Known maxima to begin with, and their signs."""
        if not self._repeats:
            return self._known.take_last(2 * self._n_polished)
        most = min(_REPEATED * self.n_polish, _REPEATED_ENTRIES // max(1, len(self.design)))
        return self._known.take(self.design, v, level, min(most, most_polished(self.design)))

    def _candidates(
        self, v: Array, known: tuple[Array, Array], deadline: float
    ) -> tuple[Array, Array]:
        """Ends of the best ascents of both signs on distinct patterns, and their signs."""
        starts = random_starts(self._rows, self._n_starts, self._random)
        if self._repeats:
            near = starts_near(known[0][:_MOST_CENTRES], self._n_starts // 2, self._random)
            starts = np.concatenate([starts, near])
        n_starts = len(starts)
        starts, signs = np.concatenate([starts, starts]), np.repeat([1.0, -1.0], n_starts)
        if not self._repeats:
            starts, signs = np.concatenate([starts, known[0]]), np.concatenate([signs, known[1]])
        starts = unit_rows(starts)
        ends, values = self._ascend(self._sample(v), signs, starts, deadline)
        chosen = self._chosen(signs, ends, values, starts)
        ends, signs = np.concatenate(chosen), np.repeat([1.0, -1.0], [len(c) for c in chosen])
        if not self._is_sampled:
            return ends, signs
        ends, values = self._ascend((self._rows, v), signs, ends, deadline)
        return ends, signs

    def _ascend(
        self, samples: tuple[Array, Array], signs: Array, starts: Array, deadline: float
    ) -> tuple[Array, Array]:
        from convexrelu.oracles.search.ascents import ascend

        return self._in_parts(ascend, samples, signs, starts, deadline=deadline)

    def _chosen(self, signs: Array, *candidates: Array) -> list[Array]:
        """The ends that are chosen for each sign."""

        def chosen(sign: float) -> Array:
            own = signs == sign
            return self._choose(*(each[own] for each in candidates))

        return [chosen(1.0), chosen(-1.0)]

    def _choose(self, ends: Array, values: Array, starts: Array) -> Array:
        """The strongest distinct ends of one sign, none of them negative."""
        order = strongest_first(values)
        if self._is_sampled:
            # All patterns are distinct then, and the sample may mislead: starts fill up.
            ends = ends[order[values[order] >= 0]]
            ends = np.concatenate([ends, starts])[: _COMPARED * self._n_polished]
            ends = ends[apart(ends)]
        else:
            order = order[values[order] >= 0]
            n_worth = int(np.count_nonzero(values >= _WORTH_NEWTON * self._level))
            ends = self._with_own_patterns(ends[order[: max(n_worth, _FEWEST)]])
        return ends[: self._n_polished]

    def _with_own_patterns(self, ends: Array) -> Array:
        """Ends whose patterns are those of no earlier one: some at a time, until there are enough."""
        step, found = max(self._n_polished, _PATTERNS), ends[:0]
        masks = np.zeros((0, len(self._rows)), dtype=bool)
        for start in range(0, len(ends), step):
            more = ends[start : start + step]
            masks = np.concatenate([masks, more @ self._rows.T >= 0])
            first = first_of_each(masks)
            masks, found = masks[first], np.concatenate([found, more])[first]
            if len(found) >= self._n_polished:
                break
        return found

    def _walked(self, v: Array, level: float, found: _Found, deadline: float) -> _Found:
        """Maxima with those that walks reach from them, until one of them refutes a level that is to be proved."""
        if not (self.n_walks and self._climbs) or self.design.shape[1] > MOST_DIMENSIONS:
            return found
        if not self.screens:
            self._walks.forget()
        nothing = self.design[:0], found[1][:0]
        values = found[1] * moments(self._rows, v, found[2])
        if self.screens and values.max(initial=0.0) > _FAR * level > 0:
            return found
        for _ in range(self.n_walks):
            refuted = not self.screens and values.max(initial=0.0) > level > 0
            if refuted or time.perf_counter() > deadline:
                break
            starts, sides = self._walks.starts(v, found[2], found[1], values, level)
            if len(starts) == 0:
                break
            more = self._polish(v, starts, sides, nothing, deadline)
            heights = more[1] * moments(self._rows, v, more[2])
            values = np.concatenate([values, heights])
            masks, signs, directions = (
                np.concatenate(parts) for parts in zip(found, more, strict=True)
            )
            found = masks, signs, directions
            if self.screens and np.count_nonzero(heights > level) < _FRUITFUL:
                break
        return found

    def _polish(
        self,
        v: Array,
        starts: Array,
        signs: Array,
        known: tuple[Array, Array],
        deadline: float,
    ) -> _Found:
        """Local maxima near the starts and near those that are known: masks, signs, directions."""
        self._work += len(starts) + (len(known[0]) if self._repeats else 0)
        from convexrelu._utils.torch_import import torch
        from convexrelu.oracles.search.local_maxima import climb, sharpen

        X, v_ = self._tensor(self._rows), self._tensor(v)

        def sharpened(part: tuple[Tensor, Tensor]) -> Tensor:
            return self._directions_of(sharpen(X, v_, *part, deadline))

        sides, u = self._tensor(signs), self._tensor(starts)
        together = self._polished_together
        parts = zip(sides.split(together), u.split(together), strict=True)
        if self._is_sharpened and len(u):
            u = torch.cat(in_threads(sharpened, list(parts)))
        if self._repeats:
            u = torch.cat([self._tensor(known[0]), u])
            signs = np.concatenate([known[1], signs])
            sides = self._tensor(signs)
        masks = u @ X.T >= 0
        keep = first_of_each(to_numpy(torch.column_stack([masks, sides > 0])))
        masks, u = masks[keep], u[keep]
        if self._climbs:
            sides = sides[keep]
            values = sides * (u @ X.T).clamp_(min=0.0).mv(v_)
            high = (values >= _WORTH_A_CLIMB * self._level).nonzero()[:, 0]
            if len(high) < _FEWEST:
                high = values.argsort(descending=True, stable=True)[:_FEWEST]
            masks[high], u[high], _ = climb(X, v_, sides[high], u[high], deadline)
        return to_numpy(masks), signs[keep], to_numpy(u)
