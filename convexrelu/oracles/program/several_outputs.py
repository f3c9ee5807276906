"""Several outputs over a list of patterns: all output directions, but only these patterns."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport, strongest_first
from convexrelu.oracles.program.pattern_list import PatternOracle
from convexrelu.oracles.program.pattern_search import PatternSearch
from convexrelu.oracles.reductions.fan import FanOracle
from convexrelu.oracles.reductions.output_rank import OutputRankOracle
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["MAX_PROVED_OUTPUTS", "SeveralPatternsOracle"]


MAX_PROVED_OUTPUTS = 4  # a fan proves up to this number; beyond, the bound is spectral
_N_DIRECTIONS = 16  # output directions at which the list is priced for witnesses
_STEPS = 3  # of the alternation for witnesses; no measurement is recorded


class SeveralPatternsOracle:
    """``max ‖Vᵀ E_i X̃u‖`` over given patterns ``E_i``, and ``u`` in their cones with ``‖u‖ ≤ 1``.

    This is the maximum over unit vectors ``g`` of the list's value for the single output ``Vg``, which
    :class:`~convexrelu.oracles.PatternOracle` computes. For dual points of rank up to 4,
    :class:`~convexrelu.oracles.FanOracle` proves it. Beyond, the bound is spectral, without the cones, and witnesses
    come from a :class:`~convexrelu.oracles.program.pattern_search.PatternSearch`.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    masks : boolean array of shape (P, n)
        Patterns.
    slope : float
        Slope of the activation for negative arguments.

    Examples
    --------
    >>> import numpy as np
    >>> oracle = SeveralPatternsOracle(np.eye(2), np.array([[True, False]]))
    >>> report = oracle(np.array([[3.0, 4.0], [6.0, 0.0]]))  # only u = (1, 0) counts, and ‖(3, 4)‖ = 5
    >>> bool(5.0 <= report.bound <= 5.005), report.scope, report.masks[0]
    (True, 'program', array([ True, False]))
    """

    def __init__(self, design: Array, masks: NDArray[np.bool_], *, slope: float = 0.0) -> None:
        self._scalar = PatternOracle(design, masks, slope=slope)
        self._spectral = PatternOracle(design, masks, cones=False, slope=slope)
        fan = FanOracle(
            self._scalar, self._search, design, slope=slope, max_outputs=MAX_PROVED_OUTPUTS
        )
        self._several = OutputRankOracle(design, self._scalar, fan)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``V`` of shape (n, K)."""
        if RowSpace.of(v).rank > MAX_PROVED_OUTPUTS:
            found = self._all_at_once(v, level=level, deadline=deadline)
            proof = self._spectral(v, deadline=deadline)
            return replace(found, bound=proof.bound, is_proof=True, method=proof.method)
        report = self._several(v, level=level, deadline=deadline)
        # On a boundary a direction does not determine its pattern: the list does.
        bound = min(report.bound, self._spectral(v, deadline=deadline).bound)
        return replace(self._priced(v, report.signs[:_N_DIRECTIONS], deadline), bound=bound)

    @cached_property
    def _all_at_once(self) -> PatternSearch:
        """Created on first use: it copies all patterns and loads torch."""
        scalar = self._scalar
        return PatternSearch(scalar.design, scalar.masks, slope=scalar.slope)

    def _search(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Alternate between the best ``u`` for some ``g`` and the best ``g`` for these ``u``."""
        directions: Iterable[Array] = np.linalg.svd(v, full_matrices=False)[2]
        for _ in range(_STEPS):
            found = self._priced(v, directions, deadline)
            moments = self._moments(v, found)[:_N_DIRECTIONS]
            lengths = np.linalg.norm(moments, axis=1, keepdims=True)
            directions = (moments / np.where(lengths > 0, lengths, 1.0))[lengths[:, 0] > 0]
            if time.perf_counter() > deadline:
                break
        return replace(found, is_proof=False)

    def _priced(self, v: Array, directions: Iterable[Array], deadline: float) -> OracleReport:
        """Report of the list at some output directions."""
        reports = [(self._scalar(v @ g, deadline=deadline), g) for g in directions]
        first = reports[0][0] if reports else self._scalar(v[:, 0] * 0.0, deadline=deadline)
        pairs = reports or [(first, np.eye(v.shape[1])[0])]
        values = np.concatenate([report.values for report, _ in pairs])
        order = strongest_first(values)
        return replace(
            first,
            bound=float(values.max(initial=0.0)),
            masks=np.concatenate([report.masks for report, _ in pairs])[order],
            signs=np.concatenate([report.signs[:, None] * g for report, g in pairs])[order],
            directions=np.concatenate([report.directions for report, _ in pairs])[order],
            values=values[order],
        )

    def _moments(self, v: Array, report: OracleReport) -> Array:
        """``Vᵀ E X̃u`` of the witnesses."""
        slopes = np.where(report.masks, 1.0, self._scalar.slope)
        return (slopes * (report.directions @ self._scalar.design.T)) @ v
