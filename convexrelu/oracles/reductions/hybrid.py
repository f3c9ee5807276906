"""A proof if there is time for one, otherwise an estimate with the best proved bound."""

from __future__ import annotations

import math
from dataclasses import replace

from convexrelu._utils.typing import Array
from convexrelu.oracles.base import Oracle, OracleReport

__all__ = ["HybridOracle"]


class HybridOracle:
    """Pass on proofs that are tight enough, and turn all others into estimates.

    A proof decides it if its bound is at most `level`, or only slightly above the largest value found. If the bound
    is far above, the value found is the better guess: the report is then an estimate, and the bound is
    kept as ``proved_bound``.

    Parameters
    ----------
    prover : Oracle
        Oracle whose reports are proofs, with the best witnesses that it found.
    rtol : float
        Largest relative distance of a bound above the largest value found.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.oracles import BranchAndBoundOracle
    >>> rng = np.random.default_rng(0)
    >>> design, v = rng.standard_normal((60, 8)), rng.standard_normal(60)
    >>> report = HybridOracle(BranchAndBoundOracle(design, max_work=1e4, random_state=0))(v)
    >>> report.is_proof, bool(report.bound == report.values[0] < report.proved_bound)
    (False, True)
    """

    def __init__(self, prover: Oracle, rtol: float = 1e-3) -> None:
        self.prover = prover
        self.rtol = rtol

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,), or (n, K) if the prover does."""
        report = self.prover(v, level=level, deadline=deadline)
        found = float(report.values.max(initial=0.0))
        # Oracles pad their bounds for rounding after comparing them.
        if report.bound <= max(level * (1 + 1e-9), found * (1 + self.rtol)):
            return report
        return replace(
            report, bound=found, is_proof=False, method="search", proved_bound=report.bound
        )
