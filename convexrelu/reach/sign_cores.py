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

__all__ = ["Cores", "Price", "Relaxed", "SignCores"]

_MARGIN = 1e-9  # of points, relative to their size


class Cores(NamedTuple):
    """Wishes that exclude each other where some signs are decided.

    Attributes
    ----------
    starts : array of shape (n + 1,)
        Where the members of each core begin.
    members : array of int
        Rectifiers, counted from one, with the sign that is wished.
    multipliers : array of shape (n,)
        Of each core, at first what it costs.
    """

    starts: NDArray
    members: NDArray
    multipliers: Array

    @classmethod
    def none(cls) -> Cores:
        """No cores."""
        return cls(np.zeros(1, dtype=np.int32), np.zeros(0, dtype=np.int32), np.zeros(0))

    def first(self, n: int) -> Cores:
        """A copy of the first ones."""
        starts = self.starts[: n + 1].copy()
        return Cores(starts, self.members[: starts[-1]].copy(), self.multipliers[:n].copy())

    def without_idle(self) -> Cores:
        """Those whose multipliers are not zero."""
        kept, lengths = self.multipliers > 0, np.diff(self.starts)
        starts = np.concatenate([[0], np.cumsum(lengths[kept])]).astype(np.int32)
        return Cores(starts, self.members[np.repeat(kept, lengths)], self.multipliers[kept])

    def __add__(self, other: Cores) -> Cores:  # type: ignore[override]
        return Cores(
            np.concatenate([self.starts, self.starts[-1] + other.starts[1:]]),
            np.concatenate([self.members, other.members]),
            np.concatenate([self.multipliers, other.multipliers]),
        )


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
    cores : Cores
        All of two or more wishes that the cost consists of; none unless asked for.
    """

    cost: float
    signs: NDArray
    charges: Array
    core: NDArray
    point: Array
    cores: Cores


class Relaxed(NamedTuple):
    """A bound on the square of a norm, and what it comes from.

    Attributes
    ----------
    value : float
        Proved.
    signs : array of shape (m,)
        Decided signs, and those that follow from them by cores.
    cores : Cores
        What is left of them, with better multipliers.
    Z : array of shape (d, 8)
        Where to go on from.
    wishes, weights, cosines : arrays of shape (m,)
        Of rectifiers that are not decided: gains of their signs along the main direction, weights, and alignments.
    """

    value: float
    signs: NDArray
    cores: Cores
    Z: Array
    wishes: Array
    weights: Array
    cosines: Array


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

    def price(
        self, signs: NDArray, wishes: Array, room: float = np.inf, *, n_cores: int = 0
    ) -> Price:
        """The cost of wishes, positive ones for the sign 1, where some signs are not zero; `room` is enough.

        Of the cores, at most `n_cores` are told.
        """
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
        starts = np.zeros(n_cores + 1, dtype=np.int32)
        members = np.zeros(n_cores * (d + 1), dtype=np.int32)
        cores = Cores(starts, members, np.zeros(n_cores))
        n_cores = _cores.price(
            *(self.rows, n, d, self._tableau, self._places, decided, wish, order, len(order)),
            *(room + error, charged, first, outcome, self.n_fixed, *cores),
        )
        core = first[: int(outcome[1])] - self.n_fixed
        cost = max(float(outcome[0]) - error, 0.0)
        signs = np.where(self.can_decide, decided[self.n_fixed :], signs)
        charges, point = charged[self.n_fixed :], outcome[2:]
        return Price(cost, signs, charges, core, point, cores.first(n_cores))

    @staticmethod
    def relax(
        base: Array,
        generators: Array,
        signs: NDArray,
        cores: Cores,
        Z: Array,
        sweeps: int,
        enough: float,
    ) -> Relaxed | None:
        """The bound of :mod:`convexrelu.reach.euclidean_search` where some signs are decided; None if none exist.

        Parameters
        ----------
        base : array of shape (d,)
            The Jacobian with all rectifiers active by half.
        generators : array of shape (m, d)
            What each adds to it if it is active, and takes off if not.
        signs : array of shape (m,)
            Decided ones.
        cores : Cores
            With multipliers to start from.
        Z : array of shape (d, 8)
            Where to start from.
        sweeps : int
            At most.
        enough : float
            Sharper bounds on the square of the norm do not matter.
        """
        signs, Z = signs.astype(np.int8), Z.astype(float)
        cores, told = cores.first(len(cores.multipliers)), np.zeros((3, len(signs)))
        m, d = generators.shape
        value, n_left = _cores.relax(
            *(base, generators, m, d, signs, *cores, len(cores.multipliers)),
            *(Z, sweeps, enough, told),
        )
        return None if value < 0 else Relaxed(value, signs, cores.first(n_left), Z, *told)

    def is_inside(self, point: Array) -> bool:
        """Whether a homogeneous point is clearly inside a cell: rounding does not decide the signs of rectifiers."""
        margins, size = self.rows @ point, float(np.abs(point).max())
        least = np.abs(margins[self.n_fixed :][self.can_decide]).min(initial=np.inf)
        least = min(margins[: self.n_fixed].min(initial=np.inf), least)
        return bool(np.isfinite(size) and least > _MARGIN * size)
