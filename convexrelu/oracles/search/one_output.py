"""Heuristic pricing: batched ascents from many starts, polished to local maxima. An estimate, never a proof."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_random_state

from convexrelu._utils.norms import norms
from convexrelu._utils.threads import torch_threads
from convexrelu._utils.typing import Array, Masks
from convexrelu.oracles.base import OracleReport, strongest_first
from convexrelu.oracles.search.starts import apart, most_polished, random_starts, to_numpy
from convexrelu.patterns.activation import first_of_each

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

__all__ = ["SearchOracle"]

_LARGEST_SAMPLE = 20_000  # number of samples for the ascents from all starts

_CHUNK = 2**19  # entries of an array of candidates by samples


class SearchOracle:
    """Local ascents on ``h(u) = σ vᵀ relu(X̃u)`` over the unit ball, from random starts, for both signs.

    1. All starts at once: steps ``u ← normalise((1 − η) u + η g/‖g‖)`` towards the maximiser ``g/‖g‖``,
       ``g = σ X̃ᵀD(u)v``, of the function's linear piece at ``u``, with ``η`` falling geometrically
       (conditional gradient; the function has kinks, where longer steps would zigzag). With more than 20 000
       samples, these are made on 20 000 draws with probabilities ``|v_i|‖x̃_i‖``, and the best go on with as many
       steps on all samples.
    2. The best distinct patterns are improved by Newton steps, on the function with its nearest kinks smoothed.
    3. Polish: maximise over the pattern's cell exactly, cross the facets that block the ascent,
       repeat until none does. The result is a local maximum; with very many samples, whose kinks are small and
       close together, the number of repetitions is limited.

    The numbers of starts and of polished patterns matter most for finding the maximum
    (``python -m benchmarks.pricing.bench_oracle``).

    The value found is a lower bound on ``M(v)``: ``is_proof`` is always False. It is evaluated on all samples, even if
    the ascents used a subset. After ``N`` independent starts none of which passed a level, the probability that
    one more start passes it is at most ``3/N`` at 95 % confidence.

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
    random_state : int, RandomState or None
        Seed of the starts.
    device : str
        A torch device.

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
        n_steps: int = 60,
        first_step: float = 0.3,
        last_step: float = 0.02,
        n_polish: int = 64,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
    ) -> None:
        self.design = design
        self.n_starts = n_starts
        self.n_polish = n_polish
        self.step_sizes = np.geomspace(first_step, last_step, n_steps).tolist()
        self.device = device
        self._random = check_random_state(random_state)
        self._lengths = norms(design)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,)."""
        with torch_threads(len(v) * self.n_polish):
            starts, signs = self._candidates(v, deadline)
            masks, signs, directions, values = self._polish(v, starts, signs, deadline)
        order = strongest_first(values)
        order = order[values[order] >= 0]
        order = order[first_of_each(np.column_stack([masks, signs > 0])[order])]
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
            finished=time.perf_counter() <= deadline,
            work=2 * self.n_starts,
        )

    def _candidates(self, v: Array, deadline: float) -> tuple[Array, Array]:
        """Ends of the best ascents of both signs on distinct patterns, and their signs."""
        from convexrelu.oracles.search.local_maxima import ascend, unit

        drawn = random_starts(self.design, self.n_starts, self._random)
        design, v = self._sample(v)
        X, v_, starts = self._tensor(design), self._tensor(v), unit(self._tensor(drawn))
        signs = self._tensor(np.repeat([1.0, -1.0], self.n_starts))
        size = max(1, _CHUNK // len(design))
        parts = [
            ascend(X, v_, sign, part, self.step_sizes, deadline)
            for part, sign in zip(starts.repeat(2, 1).split(size), signs.split(size), strict=True)
        ]
        ends, values = (np.concatenate([to_numpy(part[k]) for part in parts]) for k in (0, 1))
        chosen = [
            self._choose(design, *half, to_numpy(starts))
            for half in zip(np.split(ends, 2), np.split(values, 2), strict=True)
        ]
        return np.concatenate(chosen), np.repeat([1.0, -1.0], [len(half) for half in chosen])

    def _sample(self, v: Array) -> tuple[Array, Array]:
        """The samples for the ascents, reweighted so that the mean of the function over draws is the function."""
        weights = np.abs(v) * self._lengths
        total = weights.sum()
        if len(v) <= _LARGEST_SAMPLE or total == 0:
            return self.design, v
        drawn = self._random.choice(len(v), _LARGEST_SAMPLE, p=weights / total)
        index, count = np.unique(drawn, return_counts=True)
        share = count * total / (_LARGEST_SAMPLE * weights[index])
        return self.design[index], v[index] * share

    def _choose(self, design: Array, ends: Array, values: Array, starts: Array) -> Array:
        """The strongest distinct ends of one sign, none of them negative."""
        order = strongest_first(values)
        ends = ends[order[values[order] >= 0]]
        if len(design) == len(self.design):
            ends = ends[first_of_each(ends @ design.T >= 0)]
        else:  # all patterns are distinct then, and the sample may mislead: starts fill up
            ends = np.concatenate([ends, starts])
            ends = ends[apart(ends)]
        return ends[: min(self.n_polish, most_polished(self.design))]

    def _polish(
        self, v: Array, starts: Array, signs: Array, deadline: float
    ) -> tuple[Masks, Array, Array, Array]:
        """Local maxima near the starts: masks, signs, directions, values."""
        from convexrelu._utils.torch_import import torch
        from convexrelu.oracles.search.local_maxima import ascend, climb, sharpen

        X, v_, signs_ = self._tensor(self.design), self._tensor(v), self._tensor(signs)
        u = self._tensor(starts)
        if len(v) > _LARGEST_SAMPLE:
            u, _ = ascend(X, v_, signs_, u, self.step_sizes, deadline)
        u = sharpen(X, v_, signs_, u, deadline)
        keep = first_of_each(to_numpy(torch.column_stack([u @ X.T >= 0, signs_ > 0])))
        masks, directions, values = climb(X, v_, signs_[keep], u[keep], deadline)
        return to_numpy(masks), signs[keep], to_numpy(directions), to_numpy(values)

    def _tensor(self, array: Array) -> Tensor:
        from convexrelu._utils.torch_import import torch

        return torch.as_tensor(np.array(array), dtype=torch.float64, device=self.device)
