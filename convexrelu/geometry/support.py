"""Support functions of the rectified ellipsoid: its extent in a direction, on one side or on both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import lipschitz_constant
from convexrelu._utils.typing import Array
from convexrelu.oracles import Oracle, OracleReport, PatternOracle, RelaxationOracle, proved_length
from convexrelu.oracles.selection import choose_oracles
from convexrelu.patterns import count_patterns, enumerate_patterns
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["SupportFunctions", "SupportPoint"]


# Listing this many cells takes about a second.
_MAX_CELLS = 10_000
# Bounds this close to a value settle it, relative to the value and to Σ|v_i|‖x̃_i‖.
_SETTLED, _ROUNDING = 1e-3, 1e-9


@dataclass(frozen=True, eq=False)
class SupportPoint:
    """The farthest point in some direction ``v``, with bounds: ``value ≤ max vᵀz ≤ bound``.

    Attributes
    ----------
    value : float
        ``vᵀ point``.
    bound : float
        A proved upper bound on the maximum, with allowance for rounding.
    is_proof : bool
        Whether the two agree, up to 0.1 % of the value (and 1e-9 of ``Σ|v_i|‖x̃_i‖``), so that `value` is proved to be
        the maximum to that accuracy. Otherwise it is an estimate: the largest value that a search found.
    direction : array of shape (d̃,)
        ``u``, a unit vector, or zero.
    sign : float
        1 for a point of ``Q``, −1 for one of ``−Q``.
    point : array of shape (n,)
        ``sign · relu(X̃u)``.
    pattern : boolean array of shape (n,)
        ``X̃u ≥ 0``; samples on a kink are on either side.
    """

    value: float
    bound: float
    is_proof: bool
    direction: Array
    sign: float
    point: Array
    pattern: NDArray[np.bool_]


class _List(NamedTuple):
    """An oracle for one sign, and the largest factor by which ``h_Q`` may exceed the value of its patterns."""

    oracle: Oracle
    factor: float


class SupportFunctions:
    """``h_Q(v) = max_{‖u‖ ≤ 1} vᵀ relu(X̃u)`` and ``M(v) = max(h_Q(v), h_Q(−v))``, with proofs where possible.

    Oracles price ``M(v)``. A single sign can be bounded in two ways only. A list of patterns can be priced with the
    sign 1 alone: of all cells, or of the one where nothing is rectified if the data are spike-free. And a bound on
    ``M(v)`` settles ``h_Q(v)`` where that is the larger side.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    random_state : int, RandomState or None
        Seed of the searches.

    Attributes
    ----------
    space : RowSpace
        Coordinates of the row space.

    Examples
    --------
    >>> import numpy as np
    >>> functions = SupportFunctions(np.eye(2))
    >>> v = np.array([-3.0, 2.0])
    >>> round(functions.one_sided(v).value, 9), round(functions.symmetric(v).value, 9)
    (2.0, 3.0)
    """

    def __init__(self, design: Array, random_state: int | np.random.RandomState | None = 0) -> None:
        self.design = design
        self.space = RowSpace.of(design)
        self._random_state = random_state
        self._relaxation = RelaxationOracle(design)

    def one_sided(self, v: Array) -> SupportPoint:
        """``h_Q(v)``, for ``v`` of shape (n,)."""
        bound = self._relaxation.one_sign(v)
        if self._list is not None:
            report = self._list.oracle(v)
            # For nearly degenerate data, the bound may be infinite or NaN: then it is not the smaller one.
            listed = self._list.factor * (report.bound + float(np.abs(v) @ self.space.residual))
            return self._farthest(v, report.directions @ self.space.basis.T, min(bound, listed))
        if not (v > 0).any():  # zero is the farthest point
            return self._farthest(v, np.zeros((0, self.design.shape[1])), bound)
        found = self._search(v)
        directions = found.directions
        if len(found.signs) and found.signs[0] > 0:  # the larger side
            report = self._prover(v)
            directions = np.vstack([directions, report.directions])
            bound = min(bound, _proved(report))
        return self._farthest(v, directions, bound)

    def symmetric(self, v: Array, level: float = 0.0) -> SupportPoint:
        """``M(v)``; a bound of `level` is as good as any smaller one."""
        if self._list is not None and self.space.rank > 3:  # below, sweeps are faster
            sides = [self.one_sided(v), _mirrored(self.one_sided(-v))]
            bound = max(side.bound for side in sides)
        else:
            report = self._prover(v, level=level)
            bound = min(self._relaxation(v).bound, _proved(report))
            sides = [
                self._farthest(v, report.directions, bound),
                _mirrored(self._farthest(-v, report.directions, bound)),
            ]
        largest = max(sides, key=lambda side: side.value)
        return replace(largest, bound=bound, is_proof=self._settles(v, largest.value, bound))

    @cached_property
    def _list(self) -> _List | None:
        """Patterns that price one sign, in coordinates of the row space as in `CellOracle`."""
        masks, slack = np.ones((1, len(self.design)), dtype=bool), 0.0
        factor = proved_length(self.design)
        if factor > 1 + 0.5 * _SETTLED:
            if count_patterns(len(self.design), self.space.rank) > _MAX_CELLS:
                return None
            cells = enumerate_patterns(self.design)
            masks, slack, factor = cells.masks, cells.resolution, 1.0
        signs = np.ones(len(masks))
        oracle = PatternOracle(
            self.space.coordinates, masks, signs=signs, scope="global", slack=slack
        )
        return _List(oracle, factor)

    @cached_property
    def _search(self) -> Oracle:
        return choose_oracles("search", self.design, self._random_state).exact

    @cached_property
    def _prover(self) -> Oracle:
        """Both signs, with a proof where possible."""
        return choose_oracles("auto", self.design, self._random_state).exact

    def _farthest(self, v: Array, directions: Array, bound: float) -> SupportPoint:
        """The best of some unit vectors and zero."""
        values = np.maximum(directions @ self.design.T, 0.0) @ v
        u = np.zeros(self.design.shape[1])
        if values.max(initial=0.0) > 0:
            u = directions[values.argmax()]
        outputs = self.design @ u
        point = np.maximum(outputs, 0.0)
        value = float(v @ point)
        is_proof = self._settles(v, value, bound)
        return SupportPoint(value, bound, is_proof, u, 1.0, point, outputs >= 0)

    def _settles(self, v: Array, value: float, bound: float) -> bool:
        near = _SETTLED * value + _ROUNDING * lipschitz_constant(self.design, v)
        return bound <= value + near


def _mirrored(side: SupportPoint) -> SupportPoint:
    """The same point for ``−Q``."""
    return replace(side, sign=-1.0, point=-side.point)


def _proved(report: OracleReport) -> float:
    return report.bound if report.is_proof else report.proved_bound
