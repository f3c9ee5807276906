r"""Linear programs whose bounds hold despite rounding and despite the tolerances of the solver.

For ``max cᵀv`` subject to ``g⁻ ≤ G v ≤ g⁺`` and ``lower ≤ v ≤ upper``, weak duality holds for ANY multipliers ``y``:

.. math::

   c^\top v &\le \sum_i \max(y_i g^-_i, y_i g^+_i) + \sum_j \max(ρ_j \, lower_j, ρ_j \, upper_j), \\
   ρ &= c - G^\top y .

So the solver, HiGHS, is asked only for good multipliers. The right side is evaluated here, with the rounding errors
of that evaluation added (Neumaier & Shcherbina 2004). With ``c = 0``, a right side below zero proves that there is no
``v`` at all.

Programs that differ in their bounds or objective only are solved from the basis of one another, several times as fast
as afresh. As any multipliers are good enough, the solver can be stopped at a deadline: the bound is then less sharp.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import highspy
import numpy as np
from highspy.highs import _Highs  # `Highs` prints a banner when it is made
from scipy.sparse import csr_array

from convexrelu._utils.deadlines import product_fits, svd_fits
from convexrelu._utils.typing import Array
from convexrelu.reach.rectifiers import EPS

__all__ = ["Answer", "Bounds", "LinearProgram", "safe_bound", "writing_fits"]

# Multiplications that take as long as handing one entry of a program to the solver.
_WRITING = 1000
# Tolerances of the solver: the smallest that HiGHS accepts.
_TIGHT = 1e-10
# Constraints that leave no room are relaxed by this, so that the solver finds a point.
_SLACK = 1e-9
# Multipliers are refined if bound and value differ by more than this, relative to their size.
_CLOSE = 1e-13
_OPTIONS: dict[str, Any] = {
    "output_flag": False,
    "presolve": "off",  # it would discard the basis
    "solver": "simplex",
    "threads": 1,
    "primal_feasibility_tolerance": _TIGHT,
    "dual_feasibility_tolerance": _TIGHT,
}


class Bounds(NamedTuple):
    """``row_lower ≤ G v ≤ row_upper`` and ``lower ≤ v ≤ upper``."""

    row_lower: Array
    row_upper: Array
    lower: Array
    upper: Array


class Answer(NamedTuple):
    """A point of a program up to the solver's tolerances, and an upper bound that is proved.

    The bound is −∞ where it is proved that there is no point. Similar programs are solved faster from the basis.
    """

    point: Array | None
    bound: float
    basis: Any = None


class LinearProgram:
    """``max cᵀv`` over the ``v`` within bounds on ``v`` and on ``G v``, for several objectives or bounds.

    Examples
    --------
    >>> import numpy as np
    >>> sum_of_two = LinearProgram(np.array([[1.0, 1.0]]))
    >>> square = Bounds(np.array([-np.inf]), np.array([1.5]), np.zeros(2), np.ones(2))
    >>> answer = sum_of_two.maximise(np.array([2.0, 1.0]), square)
    >>> answer.point, round(answer.bound, 9)
    (array([1. , 0.5]), 2.5)
    >>> sum_of_two.maximise(np.ones(2), square._replace(row_upper=np.array([-1.0]))).bound
    -inf
    """

    def __init__(self, G: Array) -> None:
        self.G = G
        self.n_rows, self.n_columns = G.shape
        self._rows = np.arange(self.n_rows, dtype=np.int32)
        self._columns = np.arange(self.n_columns, dtype=np.int32)
        self._highs: Any = _Highs()
        for name, value in _OPTIONS.items():
            self._highs.setOptionValue(name, value)
        self._highs.passModel(self._model())
        self._objective: Array | None = None

    def _model(self) -> Any:
        model = highspy.HighsLp()
        model.num_row_, model.num_col_ = self.n_rows, self.n_columns
        model.col_cost_ = np.zeros(self.n_columns)
        model.col_lower_, model.col_upper_ = np.zeros((2, self.n_columns))
        model.row_lower_, model.row_upper_ = np.zeros((2, self.n_rows))
        sparse = csr_array(self.G)
        matrix = model.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kRowwise
        matrix.start_, matrix.index_, matrix.value_ = sparse.indptr, sparse.indices, sparse.data
        return model

    def maximise(
        self,
        c: Array,
        bounds: Bounds,
        basis: Any = None,
        *,
        sharp_below: float = np.inf,
        deadline: float = math.inf,
    ) -> Answer:
        """The maximum, with a proved bound. A program is called empty only with a proof.

        Bounds of `sharp_below` and more are as good as the solver's tolerances are; others are refined. At the
        deadline, of :func:`time.perf_counter`, the solver stops, and there is a bound without a point.
        """
        if (bounds.lower > bounds.upper).any() or (bounds.row_lower > bounds.row_upper).any():
            return Answer(None, -np.inf)
        if basis is not None:
            self._highs.setBasis(basis)
        status, multipliers, point = self._run(c, bounds, deadline)
        if status == highspy.HighsModelStatus.kOptimal:
            bound = safe_bound(c, self.G, bounds, multipliers)
            close = _CLOSE * (np.abs(c).max(initial=0.0) + abs(bound))
            if bound < sharp_below and bound - c @ point > close:
                bound = min(bound, self._refined(c, bounds, multipliers, point, deadline))
            return Answer(point, bound, self._highs.getBasis())
        if status == highspy.HighsModelStatus.kInfeasible:
            return self._where_infeasible(c, bounds, deadline)
        # Numerical trouble, or no more time: without multipliers, only the bounds on v prove something.
        return Answer(None, safe_bound(c, self.G, bounds, np.zeros(self.n_rows)))

    def _refined(
        self, c: Array, bounds: Bounds, multipliers: Array, point: Array, deadline: float
    ) -> float:
        """The bound after a step towards multipliers without residual at variables between their bounds."""
        inner = (point > bounds.lower) & (point < bounds.upper)
        used = np.flatnonzero(multipliers)
        if not svd_fits((len(used), int(inner.sum())), deadline):
            return math.inf
        residual = (c - multipliers @ self.G)[inner]
        step = np.linalg.lstsq(self.G[np.ix_(used, inner)].T, residual)[0]
        better = multipliers.copy()
        better[used] += step
        return safe_bound(c, self.G, bounds, better)

    def _where_infeasible(self, c: Array, bounds: Bounds, deadline: float) -> Answer:
        """−∞ where the solver's ray is a proof. Otherwise constraints touch: widened, they have a point."""
        nothing = np.zeros(self.n_columns)
        _, has_ray, ray = self._highs.getDualRay()
        for sign in (1.0, -1.0) if has_ray else ():
            if safe_bound(nothing, self.G, bounds, sign * np.asarray(ray)) < 0:
                return Answer(None, -np.inf)
        room = _SLACK * np.abs(self.G).sum(axis=1)
        for _ in range(4):
            wide = bounds._replace(
                row_lower=bounds.row_lower - room, row_upper=bounds.row_upper + room
            )
            status, multipliers, point = self._run(c, wide, deadline)
            if status == highspy.HighsModelStatus.kOptimal:
                return Answer(point, safe_bound(c, self.G, bounds, multipliers))
            room *= 10
        return Answer(None, safe_bound(c, self.G, bounds, np.zeros(self.n_rows)))

    def _run(self, c: Array, bounds: Bounds, deadline: float) -> tuple[Any, Array, Array]:
        highs = self._highs
        largest = float(np.abs(c).max(initial=0.0))
        # Tolerances are absolute, so objectives are scaled to size one; powers of two do not round.
        scale = 2.0 ** np.floor(np.log2(largest)) if largest > 0 else 1.0
        c = c / scale
        if self._objective is None or not np.array_equal(c, self._objective):
            highs.changeColsCost(self.n_columns, self._columns, -c)
            self._objective = c.copy()
        highs.changeRowsBounds(self.n_rows, self._rows, bounds.row_lower, bounds.row_upper)
        highs.changeColsBounds(self.n_columns, self._columns, bounds.lower, bounds.upper)
        left = max(deadline - time.perf_counter(), 0.0)
        # The solver counts the time of all its runs.
        highs.setOptionValue("time_limit", highs.getRunTime() + left)
        highs.run()
        solution = highs.getSolution()
        multipliers = -scale * np.asarray(solution.row_dual, dtype=float)
        point = np.clip(np.asarray(solution.col_value, dtype=float), bounds.lower, bounds.upper)
        return highs.getModelStatus(), multipliers, point


def safe_bound(c: Array, G: Array, bounds: Bounds, multipliers: Array) -> float:
    """Weak duality for any multipliers; those of sides that are not bounded count as zero.

    Examples
    --------
    >>> import numpy as np
    >>> square = Bounds(np.array([-np.inf]), np.ones(1), np.zeros(2), np.ones(2))
    >>> [round(safe_bound(np.ones(2), np.ones((1, 2)), square, np.array([y])), 9) for y in (-1, 0, 0.5, 1, 2)]
    [2.0, 2.0, 1.5, 1.0, 2.0]
    """
    y = np.nan_to_num(multipliers)
    side = np.where(y > 0, bounds.row_upper, bounds.row_lower)
    used = (y != 0) & np.isfinite(side)
    y, G, side = y[used], G[used], side[used]
    residual = c - y @ G
    size = np.abs(c) + np.abs(y) @ np.abs(G)
    eps = 2 * (len(y) + len(c) + 4) * EPS  # four times what sums of so many terms are wrong by
    ends = np.maximum(residual * bounds.lower, residual * bounds.upper)
    reach = np.maximum(np.abs(bounds.lower), np.abs(bounds.upper))
    return float(y @ side + ends.sum() + eps * (np.abs(y) @ np.abs(side) + size @ reach))


def writing_fits(n_entries: int, deadline: float) -> bool:
    """Whether a program of so many entries can be put together before the deadline."""
    return product_fits(_WRITING * n_entries, deadline)
