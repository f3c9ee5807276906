"""Bounds on ``M(v)`` for any rank, by slopes that are affine functions of signs."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.oracles.base import Oracle, OracleReport
from convexrelu.oracles.bounds.affine_rules import MOST_STEPS, affine_bound, n_steps_for
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["AffineOracle"]


class AffineOracle:
    """Upper bounds on ``M(v)`` that are proofs, for any rank, in seconds; where branch and bound would take too long.

    ``h(u) = vᵀ relu(X̃u)`` is at most a linear function of ``u`` for each pattern of the samples with ``v_i > 0`` and
    any slopes in ``[0, 1]`` for the others. The slopes may depend on the pattern: here they are affine functions of
    its signs, found by gradient descent. :mod:`convexrelu.oracles.bounds.affine_rules` has the derivation, and the
    argument for rounding.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    search : Oracle, optional
        Finds the witnesses of the report, and a value below which no bound can be; by default there are none.
    max_work : float
        Of each sign; 10⁹ take about a second. Steps of descent are left out beyond it, and all where fewer than 30
        would be left, or where ``n₊ n₋ > 5·10⁷``, for the sake of memory: there the report is that of the search, an
        estimate, or of :class:`RelaxationOracle`.
    n_steps : int
        Largest number of steps. The bound falls slowly with more.

    Notes
    -----
    Tightness (``python -m benchmarks.pricing.bench_relaxations``), at dual points of accurate networks on real data:
    1.03 to 1.2 times ``M(v)`` for large ``alpha``, where the closed form is 2 to 4 times it; 1.5 to 4 times for small
    ``alpha``, where the closed form is 7 to 30 times it.

    A step takes about ``n₊ n₋ (r + 8) + r² (r/4 + n/10)`` operations, with ``n₊`` positive and ``n₋`` negative ``v_i``.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.oracles import RelaxationOracle, SearchOracle
    >>> rng = np.random.default_rng(0)
    >>> design, v = rng.standard_normal((60, 20)), rng.standard_normal(60)
    >>> found = SearchOracle(design, random_state=0)(v).bound
    >>> closed, affine = RelaxationOracle(design)(v).bound, AffineOracle(design)(v).bound
    >>> bool(found <= affine < 1.1 * found < closed)
    True
    """

    def __init__(
        self,
        design: Array,
        *,
        search: Oracle | None = None,
        max_work: float = math.inf,
        n_steps: int = MOST_STEPS,
    ) -> None:
        self.design = design
        self.search = search
        self.max_work = max_work
        self.n_steps = n_steps
        self._relaxation = RelaxationOracle(design)
        self._space: RowSpace | None = None  # made when it is needed

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Bound ``M(v)`` at the dual point ``v`` of shape (n,); steps end at `deadline`, or at the `level`."""
        if self.search is None:
            report = self._relaxation(v, deadline=deadline)
        else:
            report = self.search(v, level=level, deadline=deadline)
            if not self._n_steps(v):
                return report  # many samples, where even the closed form takes long
        level = max(level, float(report.values.max(initial=0.0)))
        closed = {s: self._relaxation.one_sign(s * v, deadline) for s in (1.0, -1.0)}
        bound, work = 0.0, 0
        for sign in sorted(closed, key=closed.__getitem__, reverse=True):
            value = closed[sign]
            if value > max(level, bound) and time.perf_counter() < deadline:
                improved, steps = self._one_sign(sign * v, max(level, bound), deadline)
                value, work = min(value, improved), work + steps
            bound = max(bound, value)
        return replace(report, bound=bound, is_proof=True, method="affine", work=work)

    def _one_sign(self, v: Array, level: float, deadline: float) -> tuple[float, int]:
        """Bound on one sign, infinite if there is none, and the number of steps."""
        n_steps = self._n_steps(v)
        if not n_steps:
            return math.inf, 0
        if self._space is None:
            self._space = RowSpace.of(self.design)
        outside = float(np.abs(v) @ self._space.residual)
        # What is left of the level for the directions of the row space
        inside = affine_bound(self._space.coordinates, v, level - outside, deadline, n_steps)
        return inside + outside, n_steps

    def _n_steps(self, v: Array) -> int:
        return n_steps_for(self.max_work, self.design, v, self.n_steps)
