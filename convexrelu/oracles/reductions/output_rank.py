"""Reduce the outputs to the rank of the dual point."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from convexrelu._utils.norms import lipschitz_constant, norms
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import Oracle, OracleReport
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["OutputRankOracle"]


_EPS = float(np.finfo(np.float64).eps)


class OutputRankOracle:
    """Price ``V`` in coordinates of its row space.

    With orthonormal columns ``O`` of shape (K, R) and ``V = V'Oᵀ + E``::

        M(V') − Σ ‖E_i‖ ‖x̃_i‖ ≤ M(V) ≤ M(V') + Σ ‖E_i‖ ‖x̃_i‖

    since ``‖O Vʹᵀφ‖ = ‖V'ᵀφ‖`` and ``‖φ(z)‖ ≤ |z|``. ``E`` is rounding. Rank one is a single output. The dual points
    of a multinomial loss have rows that sum to zero: rank ``K − 1``.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    scalar : Oracle
        For one output.
    several : Oracle
        For ``R ≥ 2`` outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.oracles import PlanarOracle, SweepOracle
    >>> design = np.eye(2)
    >>> oracle = OutputRankOracle(design, SweepOracle(design), PlanarOracle(design))
    >>> report = oracle(np.array([[3.0, -3.0], [4.0, -4.0]]))  # best u is (3, 4)/5
    >>> round(report.bound / 50**0.5, 12), report.method, report.signs[0].round(3)
    (1.0, 'sweep', array([ 0.707, -0.707]))
    """

    def __init__(self, design: Array, scalar: Oracle, several: Oracle) -> None:
        self.design = design
        self.scalar = scalar
        self.several = several

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,) or (n, K)."""
        if v.ndim == 1:
            return self.scalar(v, level=level, deadline=deadline)
        space = RowSpace.of(v)
        if space.rank > 1:
            report = self.several(space.coordinates, level=level, deadline=deadline)
            signs = report.signs @ space.basis.T
        else:
            axis = space.basis[:, 0] if space.rank else np.eye(v.shape[1])[0]
            report = self.scalar(space.coordinates.sum(axis=1), level=level, deadline=deadline)
            signs = report.signs[:, None] * axis
        # The basis is orthonormal up to rounding, and the remainder is known up to rounding.
        rounding = 8 * (v.shape[1] + 2) ** 1.5 * _EPS * lipschitz_constant(self.design, v)
        outside = float(space.residual @ norms(self.design)) + rounding
        return replace(
            report,
            bound=report.bound + outside * report.is_proof,
            proved_bound=report.proved_bound + outside,
            signs=signs,
        )
