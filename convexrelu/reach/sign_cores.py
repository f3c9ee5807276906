r"""Signs of rectifiers that no input has, and what they cost.

A *core* is a set of signs that exclude each other: with multipliers :math:`λ_k \ge 0` that are not all zero,
:math:`\sum_k λ_k s_k ρ_k = 0` for the rows :math:`ρ_k` of :mod:`convexrelu.reach.cells`. So each input has another sign
for one of them at least. Let each rectifier have a *wish*, a sign with a weight, and let every input pay the weights of
the wishes that it does not meet. From the disjoint parts :math:`m_I` of the weights that cores :math:`I` are given,

.. math::

   \sum_{j \text{ not met}} |w_j| \ge \sum_I m_I \qquad \text{if} \qquad \sum_{I \ni j} m_I \le |w_j| ,

which is how solvers of weighted satisfiability bound their costs. Cores are searched where some signs are decided
already: these belong to cores for nothing, so that the bound is sharp in small parts of the input space.

The search is compiled (``_cores.c``): about ten steps of a simplex method for each core, a microsecond each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.rectifiers import EPS

try:
    from convexrelu.reach import _cores
except ImportError:  # installed without a compiler
    _cores = None  # type: ignore[assignment]

__all__ = ["Price", "SignCores"]

_MARGIN = 1e-9  # of points, relative to their size


class Price(NamedTuple):
    """What wishes cost.

    Attributes
    ----------
    cost : float
        All inputs with the decided signs pay at least this; infinite where there are none.
    signs : array of shape (m,)
        Decided signs, and those that follow from them.
    charges : array of shape (m,)
        What of each weight the cost consists of.
    core : array of int
        Rectifiers whose wishes exclude each other; empty where no such core is known.
    point : array of shape (d + 1,)
        A homogeneous point that meets the wishes of positive weight after the charges, up to the solver's tolerances.
    """

    cost: float
    signs: NDArray
    charges: Array
    core: NDArray
    point: Array


class SignCores:
    """Cores for the rows of a layer of rectifiers.

    Parameters
    ----------
    fixed : array of shape (n, d)
        Rows that are positive at all inputs.
    rows : array of shape (m, d)
        Rows of the rectifiers.
    is_constant : boolean array of shape (m,), optional
        Rectifiers whose signs are the same at all inputs, whatever their rows say: they are in no core.

    Examples
    --------
    >>> import numpy as np
    >>> if SignCores.are_available():  # x ≥ 1, x ≤ 0 and x ≤ 2, as rows of (x, τ)
    ...     cores = SignCores(np.array([[0.0, 1.0]]), np.array([[1.0, -1.0], [-1.0, 0.0], [-1.0, 2.0]]))
    ...     price = cores.price(np.zeros(3, dtype=np.int8), np.array([3.0, 2.0, 1.0]))
    ...     assert round(price.cost, 12) == 2.0 and set(price.core) == {0, 1}
    """

    def __init__(self, fixed: Array, rows: Array, is_constant: NDArray | None = None) -> None:
        self.n_fixed = len(fixed)
        constant = np.zeros(len(rows), dtype=bool) if is_constant is None else is_constant
        self.can_decide = np.logical_not(constant)
        self.rows = np.ascontiguousarray(np.vstack([fixed, rows]), dtype=float)
        n, d = self.rows.shape
        self._tableau = np.concatenate([self.rows.ravel(), np.zeros(n + d)])
        self._places = np.arange(n + d, dtype=np.int32)

    @staticmethod
    def are_available() -> bool:
        """Whether the extension has been built."""
        return _cores is not None

    def price(self, signs: NDArray, wishes: Array, room: float = np.inf) -> Price:
        """The cost of wishes, positive ones for the sign 1, where some signs are not zero; `room` is enough."""
        n, d = self.rows.shape
        # A constant of zero has a sign and a row of zeros, which would exclude all inputs.
        signs_here, wishes = np.where(self.can_decide, [signs, wishes], 0.0)
        decided = np.concatenate([np.ones(self.n_fixed), signs_here]).astype(np.int8)
        wish = np.concatenate([np.zeros(self.n_fixed), wishes])
        order = np.flatnonzero((decided == 0) & (wish != 0))
        order = order[np.argsort(-np.abs(wish[order]), kind="stable")].astype(np.int32)
        # At most one core for each wish, each with a rounding error of its weight.
        error = 4 * n * EPS * np.abs(wish[order]).sum()
        charged, first, outcome = np.zeros(n), np.zeros(d + 1, dtype=np.int32), np.zeros(2 + d)
        _cores.price(
            *(self.rows, n, d, self._tableau, self._places, decided, wish, order, len(order)),
            *(room + error, charged, first, outcome),
        )
        core = first[: int(outcome[1])] - self.n_fixed
        cost = max(float(outcome[0]) - error, 0.0)
        signs = np.where(self.can_decide, decided[self.n_fixed :], signs)
        return Price(cost, signs, charged[self.n_fixed :], core, outcome[2:])

    def is_inside(self, point: Array) -> bool:
        """Whether a homogeneous point is clearly inside a cell: rounding does not decide the signs of rectifiers."""
        margins, size = self.rows @ point, float(np.abs(point).max())
        least = np.abs(margins[self.n_fixed :][self.can_decide]).min(initial=np.inf)
        least = min(margins[: self.n_fixed].min(initial=np.inf), least)
        return bool(np.isfinite(size) and least > _MARGIN * size)
