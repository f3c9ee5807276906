"""A valid upper bound on ``M(v)`` in closed form, for any dimension: loose, cheap, a proof."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from convexrelu.norms import norms
from convexrelu.oracles.base import OracleReport, lipschitz_constant

__all__ = ["RelaxationOracle"]

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)


class RelaxationOracle:
    r"""Smallest of three closed-form bounds on ``M(v)``.

    For one sign, with ``p = max(v, 0)``; leaving out the negative ``v_i`` can only raise ``vᵀ
    relu(X̃u)``::

        vᵀ relu(X̃u) ≤ Σ p_i ‖x̃_i‖                                          (every sample at its
        own best u) vᵀ relu(X̃u) ≤ √(Σ p_i) · √λ_max(X̃ᵀ diag(p) X̃)                      (Cauchy
        and Schwarz, weights p) vᵀ relu(X̃u) ≤ ½ ‖X̃ᵀv‖ + ½ √(Σ p_i) · √λ_max(X̃ᵀ diag(p) X̃)
        (relu(z) = ½ z + ½ |z|)

    The other sign is the same for ``−v``. It hands out no witnesses. Its use: a proof that the
    zero network is optimal at large `alpha`, and a proved, loose, lower bound where the sharp one
    is only an estimate.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.

    Examples
    --------
    >>> import numpy as np
    >>> report = RelaxationOracle(np.eye(2))(np.array([3.0, -4.0]))
    >>> report.is_proof and report.bound >= 4.0  # M(v) = 4
    True
    """

    def __init__(self, design: Array) -> None:
        self.design = design
        self._norms = norms(design)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Bound the dual point ``v`` of shape (n,)."""
        n, dim = self.design.shape
        return OracleReport(
            bound=max(self.one_sign(v), self.one_sign(-v)),
            is_proof=True,
            scope="global",
            method="relaxation",
            masks=np.zeros((0, n), dtype=bool),
            signs=np.zeros(0),
            directions=np.zeros((0, dim)),
            values=np.zeros(0),
        )

    def one_sign(self, v: Array) -> float:
        """Bound ``max_{‖u‖ ≤ 1} vᵀ relu(X̃u)``, without the absolute value."""
        positive = np.maximum(v, 0.0)
        scaled = np.sqrt(positive)[:, None] * self.design
        spectral = np.sqrt(positive.sum()) * np.linalg.norm(scaled, 2)
        halved = 0.5 * norms(v @ self.design) + 0.5 * spectral
        rounding = 8 * sum(self.design.shape) * _EPS * lipschitz_constant(self.design, v)
        return float(min(positive @ self._norms, spectral, halved)) + rounding
