"""Piecewise-linear activations as ReLU on mirrored samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from convexrelu._utils.norms import lipschitz_constant, norms
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import Oracle, OracleReport, consistent, distinct_pairs

__all__ = ["MirroredOracle", "UnmirroredOracle"]


_EPS = float(np.finfo(np.float64).eps)


class MirroredOracle:
    r"""``M(V)`` for other activations, by any oracle for ReLU.

    With ``φ(t) = t`` for ``t ≥ 0`` and ``slope·t`` for ``t < 0``::

        φ(t)      = relu(t) − slope relu(−t)
        Vᵀ φ(X̃u) = [V; −slope V]ᵀ relu([X̃; −X̃] u)

    so that a bound for the mirrored samples is a bound here, proved or estimated alike. The pattern of a
    witness is the first half of the mirrored one. For the absolute value ``u`` and ``−u`` are the same neuron,
    and only the stronger of the two is returned.

    Parameters
    ----------
    make : callable
        Takes a matrix of shape (2n, d̃) and returns an oracle for ReLU on its rows.
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    slope : float
        In ``[−1, 1]``.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.oracles import SweepOracle
    >>> absolute = MirroredOracle(SweepOracle, np.eye(2), slope=-1.0)
    >>> report = absolute(np.array([3.0, -4.0]))  # |3 |u_1| − 4 |u_2||
    >>> round(report.bound, 12), report.is_proof
    (4.0, True)
    """

    def __init__(self, make: Callable[[Array], Oracle], design: Array, slope: float) -> None:
        self.design = design
        self.slope = slope
        self.oracle = make(np.vstack([design, -design]))
        self._lengths = norms(design)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,), or (n, K) if the oracle supports it."""
        both = np.concatenate([v, -self.slope * v])
        report = self.oracle(both, level=level, deadline=deadline)
        masks = consistent(report.masks[:, : len(v)], report.directions, self.design)
        folded = masks
        if self.slope == -1.0:
            kinked = masks[:, self._lengths > 0]
            folded = kinked ^ ~kinked[:, :1]
        kept = distinct_pairs(folded, report.signs)
        rounding = _EPS * lipschitz_constant(self.design, v)  # of the products slope · v
        return replace(
            report,
            bound=report.bound + rounding * report.is_proof,
            proved_bound=report.proved_bound + rounding,
            masks=masks[kept],
            signs=report.signs[kept],
            directions=report.directions[kept],
            values=report.values[kept],
        )


class UnmirroredOracle:
    """An oracle for ``φ`` on the samples, called with mirrored dual points: the search of a prover for these.

    Parameters
    ----------
    oracle : Oracle
        For ``φ`` and the samples themselves.
    """

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``[v; −slope v]``."""
        report = self.oracle(v[: len(v) // 2], level=level, deadline=deadline)
        return replace(report, masks=np.hstack([report.masks, ~report.masks]))
