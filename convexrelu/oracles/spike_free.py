"""The pricing problem of the original cutting-plane algorithm."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.pattern_list import PatternOracle

__all__ = ["SpikeFreeOracle"]

Array = NDArray[np.float64]


class SpikeFreeOracle:
    """Maximum of ``|vᵀX̃u|`` over ``{u : X̃u ≥ 0, ‖u‖ ≤ 1}`` only (Ergen & Pilanci 2021, Algorithms 1 and 3).

    This replaces the rectified ellipsoid ``{relu(X̃u)}`` by its part where nothing is rectified.
    It equals ``M(v)`` when the data are spike-free (``max_{‖u‖ ≤ 1} ‖X̃† relu(X̃u)‖ ≤ 1``: for
    instance whitened rows, or very high dimension) and is below it otherwise: on ordinary data the
    loop stops early. The report is therefore never a proof.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.

    Examples
    --------
    >>> import numpy as np
    >>> report = SpikeFreeOracle(np.eye(2))(np.array([3.0, -4.0]))
    >>> round(report.bound, 12), report.is_proof  # whitened rows: exact, but not known to be
    (4.0, False)
    """

    def __init__(self, design: Array) -> None:
        all_active = np.ones((1, len(design)), dtype=bool)
        self._patterns = PatternOracle(design, all_active, scope="global", method="spike_free")

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,)."""
        return replace(self._patterns(v, level=level, deadline=deadline), is_proof=False)
