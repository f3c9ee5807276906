"""Several outputs over a list of patterns: every output direction, but no other pattern."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convexrelu.oracles.base import OracleReport, strongest_first
from convexrelu.oracles.fan import FanOracle
from convexrelu.oracles.pattern_list import PatternOracle
from convexrelu.oracles.pattern_search import PatternSearch
from convexrelu.oracles.reduced import ReducedOracle
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["SeveralPatternsOracle"]

Array = NDArray[np.float64]

_MAX_OUTPUTS = 4  # up to which a fan proves; the bound is spectral beyond
_N_DIRECTIONS = 16  # output directions at which the list is priced for witnesses
_TIGHT = 1 + 1e-3  # a bound this close to what has been found is not worth a fan


class SeveralPatternsOracle:
    """``max ‖Vᵀ E_i X̃u‖`` over given patterns ``E_i``, and ``u`` in their cones with ``‖u‖ ≤ 1``.

    Witnesses are those of a :class:`~convexrelu.oracles.pattern_search.PatternSearch`. The bound is spectral, without
    the cones, where that suffices, and for dual points of rank above 4. Otherwise a
    :class:`~convexrelu.oracles.FanOracle` proves one: the maximum over unit vectors ``g`` of what the list is worth for
    the single output ``Vg``, known to :class:`~convexrelu.oracles.PatternOracle`.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    masks : boolean array of shape (P, n)
        Patterns.
    slope : float
        Of the activation on the left.

    Examples
    --------
    >>> import numpy as np
    >>> oracle = SeveralPatternsOracle(np.eye(2), np.array([[True, False]]))
    >>> report = oracle(np.array([[3.0, 4.0], [6.0, 0.0]]))  # only u = (1, 0) counts, and ‖(3, 4)‖ = 5
    >>> bool(5.0 <= report.bound <= 5.005), report.scope, report.masks[0]
    (True, 'programme', array([ True, False]))
    """

    def __init__(self, design: Array, masks: NDArray[np.bool_], *, slope: float = 0.0) -> None:
        self._scalar = PatternOracle(design, masks, slope=slope)
        self._search = PatternSearch(design, masks, slope=slope)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``V`` of shape (n, K)."""
        found = self._search(v, level=level, deadline=deadline)
        bound = self._scalar.spectral_bound(v)
        if bound > max(level, _TIGHT * found.bound) and RowSpace.of(v).rank <= _MAX_OUTPUTS:
            proof = self._fan(found)(v, level=level, deadline=deadline)
            bound = min(bound, proof.bound)
            found = self._better(v, found, proof)
        return replace(found, bound=bound, is_proof=True, method=self._scalar.method)

    def _fan(self, found: OracleReport) -> ReducedOracle:
        """Proofs that begin with what has been found."""
        design, slope = self._scalar.design, self._scalar.slope
        fan = FanOracle(self._scalar, lambda *_, **__: found, design, slope=slope)
        return ReducedOracle(design, self._scalar, fan)

    def _better(self, v: Array, found: OracleReport, proof: OracleReport) -> OracleReport:
        """Witnesses at the output directions of a proof, where it came upon larger values than the search."""
        if proof.values.max(initial=0.0) <= found.bound:
            return found
        # On a boundary a direction does not tell its pattern: the list does.
        reports = [(self._scalar(v @ g), g) for g in proof.signs[:_N_DIRECTIONS]]
        values = np.concatenate([report.values for report, _ in reports])
        order = strongest_first(values)
        return replace(
            found,
            masks=np.concatenate([report.masks for report, _ in reports])[order],
            signs=np.concatenate([report.signs[:, None] * g for report, g in reports])[order],
            directions=np.concatenate([report.directions for report, _ in reports])[order],
            values=values[order],
        )
