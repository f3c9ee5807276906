"""Several outputs over a list of patterns: violated dual constraints, found by alternation."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.threads import torch_threads
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport, distinct_pairs, strongest_first
from convexrelu.oracles.program.pattern_list import PatternOracle

__all__ = ["PatternSearch"]


_SWEEPS = 6  # of the alternation, at most; no measurement is recorded
_NOTHING = 1e-8  # relative to its point: a projection this short is zero up to rounding
_ENOUGH = 1e-3  # relative gain of a sweep below which it is the last


class PatternSearch:
    """Large values of ``‖Vᵀ E_i X̃u‖`` over given patterns ``E_i``, and ``u`` in their cones with ``‖u‖ ≤ 1``.

    With ``M_i = X̃ᵀ E_i V`` and the cone ``K_i`` of the pattern, the value is also the largest ``gᵀM_iᵀu`` over unit
    vectors ``g``. Two steps alternate, and neither lowers it::

        u = projection of M_i g on K_i, at unit length;    g = M_iᵀ u, at unit length

    They start from both signs of the right singular vector of ``M_i`` that would be the best ``g`` without the cone;
    later calls start from where the last one ended, unless that leads to nothing above the level. Patterns whose
    largest singular value is not above the level are left out.

    Reports are estimates of scope ``"program"``. All projections of a step are computed at once, starting from the rows
    that were active in the last step or the last call.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    masks : boolean array of shape (P, n)
        Patterns.
    slope : float
        Slope of the activation for negative arguments.
    n_witnesses : int
        Largest number of pairs to return, the best ones.

    Examples
    --------
    >>> import numpy as np
    >>> search = PatternSearch(np.eye(2), np.array([[True, False]]))
    >>> report = search(np.array([[3.0, 4.0], [6.0, 0.0]]))  # only u = (1, 0) counts, and ‖(3, 4)‖ = 5
    >>> round(report.bound, 9), report.signs[0].round(3), report.is_proof
    (5.0, array([0.6, 0.8]), False)
    """

    def __init__(
        self,
        design: Array,
        masks: NDArray[np.bool_],
        *,
        slope: float = 0.0,
        n_witnesses: int = 64,
    ) -> None:
        from convexrelu._utils.torch_import import torch  # takes seconds
        from convexrelu.patterns.cone_projection import ConeProjector

        self.design = design
        self.masks = masks
        self.n_witnesses = n_witnesses
        self._list = PatternOracle(design, masks, slope=slope)
        both = torch.tensor(np.vstack([masks, masks]))
        self._last = np.zeros((0, 0))  # final output directions of the last call
        self._cones = ConeProjector(torch.tensor(design), both)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``V`` of shape (n, K)."""
        n_blocks, dim = 2 * len(self.masks), self.design.shape[1]
        if not product_fits(n_blocks * dim * v.size, deadline):
            nothing = _Found(np.zeros((0, dim)), np.zeros((0, v.shape[1])), np.zeros(0), False)
            return self._report(np.zeros(0, dtype=np.intp), nothing)
        maps = self._list.maps(v)
        _, singular, right = np.linalg.svd(maps, full_matrices=False)
        index = np.flatnonzero(singular.max(axis=1, initial=0.0) > level)
        index = np.concatenate([index, index + len(self.masks)])
        maps = np.concatenate([maps, maps])
        best = np.concatenate([right[:, 0], -right[:, 0]])
        known = self._last.shape == best.shape
        found = self._alternate(index, maps, self._last if known else best, deadline)
        if known and found.largest <= level:
            found = self._alternate(index, maps, best, deadline)
        self._last = best
        self._last[index] = found.g
        return self._report(index, found)

    def _alternate(self, index: NDArray[np.intp], maps: Array, g: Array, deadline: float) -> _Found:
        """Alternate until the largest value hardly increases."""
        from convexrelu._utils.torch_import import torch

        maps, g, blocks = maps[index], g[index], torch.from_numpy(index)
        found = _Found(np.zeros(maps.shape[:2]), g, np.zeros(len(maps)), finished=True)
        for _ in range(_SWEEPS):
            if time.perf_counter() > deadline:
                return replace(found, finished=False)
            points = np.einsum("pdk,pk->pd", maps, found.g)
            try:
                with torch_threads(len(points) * len(self.design)):
                    u = self._cones.project(torch.from_numpy(points), blocks, 0.0, deadline).numpy()
            except TimeoutError:
                return replace(found, finished=False)
            u = unit_rows(np.where((norms(u) > _NOTHING * norms(points))[:, None], u, 0.0))
            moments = np.einsum("pdk,pd->pk", maps, u)
            values = np.asarray(norms(moments))
            g = np.where(values[:, None] > 0, unit_rows(moments), found.g)
            before, found = found, _Found(u, g, values, finished=True)
            if found.largest <= (1 + _ENOUGH) * before.largest:
                break
        return found

    def _report(self, index: NDArray[np.intp], found: _Found) -> OracleReport:
        masks = self.masks[index % len(self.masks)]
        order = strongest_first(found.values)
        order = order[distinct_pairs(masks[order], found.g[order])][: self.n_witnesses]
        return OracleReport(
            bound=found.largest,
            is_proof=False,
            scope="program",
            method="search",
            masks=masks[order],
            signs=found.g[order],
            directions=found.u[order],
            values=found.values[order],
            finished=found.finished,
            work=len(index),
        )


@dataclass(frozen=True, eq=False)
class _Found:
    """Directions, output directions and values, one entry per block, and whether time sufficed."""

    u: Array
    g: Array
    values: Array
    finished: bool

    @property
    def largest(self) -> float:
        return float(self.values.max(initial=0.0))
