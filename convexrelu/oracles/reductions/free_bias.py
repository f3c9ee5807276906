"""Unpenalised hidden biases, priced with a very small penalty."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from convexrelu._utils.norms import norms, sizes
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import Oracle, OracleReport
from convexrelu.oracles.bounds.relaxation import RelaxationOracle

__all__ = ["FreeBiasOracle", "free_bias_factor", "is_balanced"]


_EPS = float(np.finfo(np.float64).eps)
# Column sums below this fraction of Σ‖V_i‖ are rounding.
_BALANCED = 1e-9


def free_bias_factor(design: Array) -> float:
    """``√(1 + (R/B)²)``, rounded up, with ``R = max ‖x_i‖`` and the constant last column ``B`` of `design`."""
    reach = float(norms(design[:, :-1]).max(initial=0.0))
    return math.hypot(1.0, reach / float(np.abs(design[0, -1]))) * (1 + 32 * _EPS)


def is_balanced(v: Array) -> bool:
    """Whether the column sums of ``V`` are zero up to rounding. Otherwise free biases have no bound."""
    return bool(norms(np.atleast_1d(v.sum(axis=0))) <= _BALANCED * sizes(v).sum())


class FreeBiasOracle:
    r"""``sup_{‖w‖ ≤ 1, b} ‖Vᵀ φ(Xw + b1)‖``, from an oracle on the design ``[X, B1]``.

    Let ``h(w, b)`` be that norm, ``R = max ‖x_i‖``, and ``Vᵀ1 = 0``, as the output intercept demands. For ``‖w‖ ≤ 1``
    and ``b ≥ R`` every ``x_iᵀw + b`` is non-negative, so that ``h = ‖VᵀXw + bVᵀ1‖ = ‖VᵀXw‖`` whatever ``b`` is. For
    ``b ≤ −R`` none is positive, and ``h = |slope| ‖VᵀXw‖``. So the supremum is reached at ``|b| ≤ R``, where ``u = (w,
    b/B)`` has ``X̃u = Xw + b1`` and ``‖u‖ ≤ √(1 + (R/B)²)``::

        M(V) ≤ sup h ≤ √(1 + (R/B)²) M(V)

    with ``M`` of the design. This holds for every ``B``: closed-form bounds, which add up the lengths of rows, are
    better at ``B = R``, and what an oracle proves is replaced by such a bound where that is smaller.

    An estimate gets the factor as well: it is then an estimate of the right-hand side, above the
    value of any neuron with ``|b| ≤ R‖w‖`` that is among its directions.

    Where ``Vᵀ1`` is not zero the supremum is infinite, and so is the bound. Sums that are zero up to rounding are
    accepted: the bound is then that of the nearest ``V`` with sums of zero, up to ``‖Vᵀ1‖`` times the mean length
    of the rows.

    Parameters
    ----------
    oracle : Oracle
        For `design`.
    design : array of shape (n, d + 1)
        Its last column is the constant ``B``; the closer ``R/B`` is to zero, the less is lost. Centred data have a
        smaller ``R``.
    slope : float
        Negative slope of ``φ``.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.oracles import SweepOracle
    >>> design = np.array([[-1.0, 100.0], [0.0, 100.0], [1.0, 100.0]])
    >>> report = FreeBiasOracle(SweepOracle(design), design)(np.array([1.0, -2.0, 1.0]))
    >>> round(report.bound, 3), report.is_proof  # relu(x) at -1, 0, 1 has the value 1
    (1.0, True)
    """

    def __init__(self, oracle: Oracle, design: Array, slope: float = 0.0) -> None:
        self.oracle = oracle
        self.factor = free_bias_factor(design)
        short = design.copy()
        short[:, -1] = float(norms(design[:, :-1]).max(initial=0.0)) or 1.0
        self._relaxation = RelaxationOracle(short, slope)
        self._short_factor = free_bias_factor(short)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,) or (n, K), whose sums are zero."""
        report = self.oracle(v, level=level / self.factor, deadline=deadline)
        if not is_balanced(v):
            return replace(report, bound=math.inf, proved_bound=math.inf)
        bound, proved = report.bound * self.factor, report.proved_bound * self.factor
        relaxed = self._relaxation(v, deadline=deadline).bound * self._short_factor
        if report.is_proof:
            bound = min(bound, relaxed)
        return replace(report, bound=bound, proved_bound=min(proved, relaxed))
