"""Pricing over a list of patterns: those of a program, or of every cell."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.norms import lipschitz_constant, norms
from convexrelu._utils.typing import Array, Masks
from convexrelu.oracles.base import OracleReport, strongest_first
from convexrelu.patterns.cone_support import PatternCones

__all__ = ["PatternOracle"]


_EPS = float(np.finfo(np.float64).eps)
_CHUNK_BYTES = 2**26  # memory of a float copy of some patterns: 64 MB
_A_MOMENT = 0.01  # seconds in which projections go on even if time is up: no one notices, and the bound is far better


class PatternOracle:
    """Exact maximum over given patterns.

    For a pattern ``D`` with cone ``K = {u : (2D − I) X̃u ≥ 0}`` and a sign ``σ``::

        max_{u ∈ K, ‖u‖ ≤ 1} σ vᵀ D X̃u = ‖ projection of σ X̃ᵀ D v on K ‖  ≤  ‖X̃ᵀ D v‖

    The right-hand side costs one product for all patterns; projections are computed from the largest
    down, until the next right-hand side is below the best value found.

    Other activations have ``D + slope (I − D)`` in place of ``D``. For several outputs, a pattern comes with a unit
    vector ``g`` in place of its sign, and is priced as ``v = Vg``. Without one, the maximum over all ``g`` is at most
    the largest singular value of ``X̃ᵀ D V``; without cones it equals that value. With cones, a
    :class:`~convexrelu.oracles.FanOracle` around this one is tighter.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    masks : boolean array of shape (P, n)
        Patterns.
    signs : array of shape (P,) or (P, K), optional
        Price pattern ``i`` with this sign, or this output direction, only; ``None`` means all.
    cones : bool
        False drops the cones, for gated ReLU: the maximum is then ``max_i ‖X̃ᵀ D_i v‖``.
    scope, method : str
        Scope and method in the report.
    slack : float
        Angle by which the list may miss directions of its scope; adds ``slack · Σ|v_i|‖x̃_i‖`` to
        the bound.
    n_witnesses : int
        Largest number of patterns to return, the best ones.
    slope : float
        Negative slope of ``φ``, in ``[−1, 1]``.
    values : array of shape (n, d̃), optional
        Rows ``R`` that patterns switch on and off, where they are not those that bound the cones: the maximum is that
        of ``σ vᵀ D R u``. `slack` must then be zero, as neighbouring cells have different limits on their boundary.

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
        scope: str = "program",
        method: str = "patterns",
        slack: float = 0.0,
        n_witnesses: int = 64,
        slope: float = 0.0,
        values: Array | None = None,
    ) -> None:
        self.design = design
        self.masks = masks
        self.signs = signs
        self.values = design if values is None else values
        self.cones = cones
        self.scope = scope
        self.method = method
        self.slack = slack
        self.n_witnesses = n_witnesses
        self.slope = slope
        self._cones = PatternCones(design)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,) or (n, K)."""
        if not product_fits(
            2 * self.masks.size * sum(self.design.shape[1:] + v.shape[1:]), deadline
        ):
            return self._unpriced(v)
        if v.ndim == 2 and self.signs is None:
            return self._all_directions(v, deadline)
        pattern, sign, projections = self._candidates(v)
        bounds = norms(projections)
        bound = float(bounds.max(initial=0.0))
        if self.cones:
            bound = self._project(pattern, bounds, projections, level, deadline)
        return self._report(v, bound, pattern, sign, projections)

    def _unpriced(self, v: Array) -> OracleReport:
        """Report without a bound, and without witnesses: there is no time for a product with all patterns."""
        signs = np.zeros((0, *v.shape[1:]))
        nothing = np.zeros((0, self.design.shape[1]))
        none = np.zeros(0, dtype=np.intp)
        return self._report(v, math.inf, none, signs, nothing)

    def maps(self, v: Array) -> Array:
        """``X̃ᵀ D^φ V`` of every pattern, of shape (P, d̃, K)."""
        products = (self.values[:, :, None] * v[:, None, :]).reshape(len(v), -1)
        return self._sums(products).reshape(-1, self.design.shape[1], v.shape[1])

    def _all_directions(self, v: Array, deadline: float) -> OracleReport:
        """Bound by singular values; with cones, the witnesses are those for the best ``g`` without cones."""
        left, singular, right = np.linalg.svd(self.maps(v), full_matrices=False)
        bounds = singular.max(axis=1, initial=0.0)
        pattern = strongest_first(bounds)[: self.n_witnesses]
        sign = right[pattern, 0]
        projections = bounds[pattern, None] * left[pattern, :, 0]
        if self.cones:
            pattern, sign = np.tile(pattern, 2), np.vstack([sign, -sign])
            projections = np.vstack([projections, -projections])
            self._project(pattern, norms(projections), projections, 0.0, deadline)
        return self._report(v, float(bounds.max(initial=0.0)), pattern, sign, projections)

    def _report(
        self, v: Array, bound: float, pattern: NDArray[np.intp], sign: Array, projections: Array
    ) -> OracleReport:
        values = norms(projections)
        order = strongest_first(values)[: self.n_witnesses]
        values = values[order]
        unit = lipschitz_constant(self.values, v)
        rounding = 4 * (sum(self.design.shape) + sum(v.shape[1:])) * _EPS
        # A zero projection has only rounding errors left, which have no direction.
        values = np.where(values > rounding * unit, values, 0.0)
        directions = projections[order] / np.where(values > 0, values, np.inf)[:, None]
        return OracleReport(
            bound=bound + (rounding + self.slack) * unit,
            is_proof=True,
            scope=self.scope,
            method=self.method,
            masks=self.masks[pattern[order]],
            signs=sign[order],
            directions=directions,
            values=values,
            work=len(pattern),
        )

    def _candidates(self, v: Array) -> tuple[NDArray[np.intp], Array, Array]:
        """Patterns, signs or output directions, and ``X̃ᵀ D^φ v`` with them."""
        index = np.arange(len(self.masks))
        if v.ndim == 2:
            assert self.signs is not None
            return index, self.signs, self._sums(self.values, self.signs @ v.T)
        linear = self._sums(self.values * v[:, None])
        if self.signs is not None:
            return index, self.signs, self.signs[:, None] * linear
        if not self.cones:  # without cones, both signs have the same value
            return index, np.ones(len(index)), linear
        return np.tile(index, 2), np.repeat([1.0, -1.0], len(index)), np.vstack([linear, -linear])

    def _sums(self, terms: Array, weights: Array | None = None) -> Array:
        """``Σ_i D^φ_ii terms_i`` for every pattern, with weights (P, n) or none, without a float copy of all masks."""
        step = max(1, _CHUNK_BYTES // (8 * max(1, self.masks.shape[1])))
        parts = [np.zeros((0, terms.shape[1]))]
        for first in range(0, len(self.masks), step):
            active: Masks | Array = self.masks[first : first + step]
            if self.slope != 0.0:
                active = np.where(active, 1.0, self.slope)
            parts.append(
                (active if weights is None else active * weights[first : first + step]) @ terms
            )
        return np.vstack(parts)

    def _project(
        self,
        pattern: NDArray[np.intp],
        bounds: Array,
        projections: Array,
        level: float,
        deadline: float,
    ) -> float:
        """Replace norms by norms of projections, in place and from the largest down; return the bound on all.

        Those that are not projected, because they cannot matter or because time is up, are set to zero, so that
        they do not look like witnesses.
        """
        best = 0.0
        order = strongest_first(bounds)
        end = max(deadline, time.perf_counter() + _A_MOMENT)
        for rank, candidate in enumerate(order):
            largest_left = float(bounds[candidate])
            fits = self._cones.fits(deadline) and time.perf_counter() <= end
            if largest_left <= max(best, level) or not fits:
                rest = order[rank:]
                bounds[rest], projections[rest] = 0.0, 0.0
                return max(best, largest_left)
            bound, projection, multipliers = self._cones.support(
                projections[candidate], self.masks[pattern[candidate]]
            )
            # Forming the projection rounds in units of the multipliers, which are large for thin cones.
            bound += 4 * len(projection) * _EPS * float(multipliers.sum())
            bounds[candidate], projections[candidate] = bound, projection
            best = max(best, bound)
        return best
