"""Exact pricing: the maximum over all cells of the hyperplane arrangement."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.oracles.program.pattern_list import PatternOracle
from convexrelu.patterns.activation import ActivationPatterns
from convexrelu.patterns.enumerate import MAX_BYTES, RowSpace, enumerate_patterns

__all__ = ["CellOracle"]


class CellOracle:
    """``M(v)`` over every activation pattern: a proof for the training problem itself.

    The cells are enumerated once; pricing then works in coordinates of the row space, where cones
    have the fewest dimensions. The residual of the rows in these coordinates (rounding, directions below
    the numerical rank) and the width of cells that the enumeration may miss are added to the
    bound.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    patterns : ActivationPatterns, optional
        All cells of `design`, if they have already been enumerated.
    max_bytes : int
        Limit for the masks of all cells.
    deadline : float
        Value of :func:`time.perf_counter` at which the enumeration ends, with some cells only.

    Attributes
    ----------
    n_cells : int
        Number of cells.
    resolution : float
        Width of cells that may be missing, an angle; infinite where the data are too close to degenerate
        to distinguish cells, or cells are missing after a deadline, so that only the closed-form relaxation remains
        as a bound.

    Raises
    ------
    ValueError
        If there are too many cells.

    Examples
    --------
    >>> import numpy as np
    >>> oracle = CellOracle(np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> report = oracle(np.array([3.0, 4.0]))  # best u is (3, 4)/5
    >>> round(report.bound, 12), report.is_proof, report.scope
    (5.0, True, 'global')
    """

    def __init__(
        self,
        design: Array,
        *,
        patterns: ActivationPatterns | None = None,
        max_bytes: int = MAX_BYTES,
        deadline: float = math.inf,
    ) -> None:
        self._space = RowSpace.of(design)
        if patterns is None:
            patterns = enumerate_patterns(
                design, max_bytes=max_bytes, asked_by="oracle='cells'", deadline=deadline
            )
        self.n_cells = len(patterns)
        self.resolution = patterns.resolution
        self._relaxation = RelaxationOracle(design)
        self._patterns = PatternOracle(
            self._space.coordinates,
            patterns.masks,
            scope="global",
            method="cells",
            slack=patterns.resolution,
        )

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,)."""
        report = self._patterns(v, level=level, deadline=deadline)
        outside = float(np.abs(v) @ self._space.residual)
        directions = report.directions @ self._space.basis.T
        by_cells, relaxed = report.bound + outside, self._relaxation(v, deadline=deadline).bound
        # For nearly degenerate data the slack can be large, infinite, or (at v = 0) NaN.
        bound = by_cells if by_cells < relaxed else relaxed
        return replace(report, bound=bound, directions=directions)
