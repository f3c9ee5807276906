"""Pricing over a list of patterns: the programme's own, or every cell."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from convexrelu.cones.support import PatternCones
from convexrelu.norms import norms
from convexrelu.oracles.base import OracleReport, lipschitz_constant, strongest_first

__all__ = ["PatternOracle"]

Array = NDArray[np.float64]
Masks = NDArray[np.bool_]

_EPS = float(np.finfo(np.float64).eps)
_CHUNK_BYTES = 2**26


class PatternOracle:
    """Exact maximum over given patterns.

    For a pattern ``D`` with cone ``K = {u : (2D − I) X̃u ≥ 0}`` and a sign ``σ``::

        max_{u ∈ K, ‖u‖ ≤ 1} σ vᵀ D X̃u = ‖ projection of σ X̃ᵀ D v on K ‖  ≤  ‖X̃ᵀ D v‖

    The right-hand side costs one product for all patterns; projections are made from the largest
    down, until the next right-hand side is below what has been found.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    masks : boolean array of shape (P, n)
        Patterns.
    signs : array of shape (P,), optional
        Price pattern ``i`` with this sign only; ``None`` means both.
    cones : bool
        False drops the cones, for gated ReLU: the maximum is then ``max_i ‖X̃ᵀ D_i v‖``.
    scope, method : str
        What the report says of itself.
    slack : float
        Angle by which the list may miss directions of its scope; adds ``slack · Σ|v_i|‖x̃_i‖`` to
        the bound.
    n_witnesses : int
        How many of the best patterns are handed out at most.

    Notes
    -----
    The bound holds in floating point: it comes from multipliers that are valid whatever their
    accuracy, plus a bound on the rounding of the products.
    """

    def __init__(
        self,
        design: Array,
        masks: Masks,
        *,
        signs: Array | None = None,
        cones: bool = True,
        scope: str = "programme",
        method: str = "patterns",
        slack: float = 0.0,
        n_witnesses: int = 64,
    ) -> None:
        self.design = design
        self.masks = masks
        self.signs = signs
        self.cones = cones
        self.scope = scope
        self.method = method
        self.slack = slack
        self.n_witnesses = n_witnesses
        self._cones = PatternCones(design)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,)."""
        linear = self._linear_parts(v)
        pattern, sign = self._candidates()
        bounds, projections = norms(linear)[pattern], sign[:, None] * linear[pattern]
        bound = float(bounds.max(initial=0.0))
        if self.cones:
            bound = self._project(pattern, bounds, projections, level, deadline)
        values = norms(projections)
        order = strongest_first(values)[: self.n_witnesses]
        values = values[order]
        directions = projections[order] / np.where(values > 0, values, 1.0)[:, None]
        n, dim = self.design.shape
        rounding = (4 * (n + dim) * _EPS + self.slack) * lipschitz_constant(self.design, v)
        return OracleReport(
            bound=bound + rounding,
            is_proof=True,
            scope=self.scope,
            method=self.method,
            masks=self.masks[pattern[order]],
            signs=sign[order],
            directions=directions,
            values=values,
            work=len(pattern),
        )

    def _candidates(self) -> tuple[NDArray[np.intp], Array]:
        index = np.arange(len(self.masks))
        if self.signs is not None:
            return index, self.signs
        if not self.cones:  # without cones, both signs have the same value
            return index, np.ones(len(index))
        return np.tile(index, 2), np.repeat([1.0, -1.0], len(index))

    def _linear_parts(self, v: Array) -> Array:
        """``X̃ᵀ D_i v`` for every pattern, (P, d̃), without a float copy of all masks."""
        weighted = self.design * v[:, None]
        step = max(1, _CHUNK_BYTES // (8 * max(1, self.masks.shape[1])))
        parts = [self.masks[i : i + step] @ weighted for i in range(0, len(self.masks), step)]
        return np.vstack(parts) if parts else np.zeros((0, self.design.shape[1]))

    def _project(
        self,
        pattern: NDArray[np.intp],
        bounds: Array,
        projections: Array,
        level: float,
        deadline: float,
    ) -> float:
        """Replace norms by norms of projections, in place and from the largest down; return the bound on all.

        Those that are not projected, because they cannot matter or because time is up, are set to zero, lest
        they look like witnesses.
        """
        best = 0.0
        order = strongest_first(bounds)
        for rank, candidate in enumerate(order):
            largest_left = float(bounds[candidate])
            if largest_left <= max(best, level) or time.perf_counter() > deadline:
                rest = order[rank:]
                bounds[rest], projections[rest] = 0.0, 0.0
                return max(best, largest_left)
            bound, projection, multipliers = self._cones.support(
                projections[candidate], self.masks[pattern[candidate]]
            )
            # Forming the projection rounds in the unit of the multipliers, which thin cones make large.
            bound += 4 * len(projection) * _EPS * float(multipliers.sum())
            bounds[candidate], projections[candidate] = bound, projection
            best = max(best, bound)
        return best
