"""The pricing problem of the original cutting-plane algorithm, and the data for which it is exact."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from sklearn.utils import check_random_state

from convexrelu._utils.deadlines import product_fits, svd_fits
from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.program.pattern_list import PatternOracle

__all__ = [
    "LONGEST",
    "ORTHOGONAL",
    "SpikeFreeOracle",
    "SpikeFreeTest",
    "orthogonality_error",
    "proved_length",
    "spike_free_margin",
]


_EPS = float(np.finfo(np.float64).eps)
_TOLERANCE = 1e-9  # of cosines and lengths, for rounding
# Largest proved length for data that count as spike-free.
LONGEST = 1 + 1e-7
# Largest `orthogonality_error` that counts as rounding.
ORTHOGONAL = 1e-8
# Cosines and entries of inverses above this are not rounding.
_CLEARLY = 1e-6
_DIGITS = 13  # unit rows that agree to this count as one direction
_ASCENT_STEPS = 50  # power iterations towards a witness; no measurement is recorded


class SpikeFreeOracle:
    """Maximum of ``|vᵀX̃u|`` over ``{u : X̃u ≥ 0, ‖u‖ ≤ 1}`` only (Ergen & Pilanci 2021, Algorithms 1 and 3).

    This replaces the rectified ellipsoid ``{relu(X̃u)}`` by its part where nothing is rectified.
    It equals ``M(v)`` when the data are spike-free (:func:`spike_free_margin`), for instance
    whitened rows, nearly so in very high dimension, and is below it otherwise: on ordinary data the
    loop stops early. The report is a proof only with a finite `length`: then every ``relu(X̃u)``, ``‖u‖ ≤ 1``, is
    ``X̃w`` with ``X̃w ≥ 0`` and ``‖w‖ ≤ length``, so that ``M(v)`` is at most `length` times this maximum.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    length : float
        A proved bound, such as that of :func:`proved_length`; infinite if there is none.

    Examples
    --------
    >>> import numpy as np
    >>> report = SpikeFreeOracle(np.eye(2))(np.array([3.0, -4.0]))
    >>> round(report.bound, 12), report.is_proof  # whitened rows: exact, but not known to be
    (4.0, False)
    """

    def __init__(self, design: Array, length: float = math.inf) -> None:
        all_active = np.ones((1, len(design)), dtype=bool)
        self._patterns = PatternOracle(design, all_active, scope="global", method="spike_free")
        self._length = length

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,)."""
        report = self._patterns(v, level=level, deadline=deadline)
        if not math.isfinite(self._length):
            return replace(report, is_proof=False)
        return replace(report, bound=self._length * report.bound * (1 + 4 * _EPS))


@dataclass(frozen=True, eq=False)
class SpikeFreeTest:
    """Result of testing whether data are spike-free, with the evidence.

    Attributes
    ----------
    largest : float
        The longest ``w`` found to be needed for ``X̃w = relu(X̃u)``, ``‖u‖ = 1``, rounded
        down: at most 1 for spike-free data; 1e10 or more where there is no such ``w``.
    is_spike_free : bool
        False only where `largest` is above 1.
    is_proof : bool
        Whether the answer is proved. A "no" always is. A "yes" is proved up to rounding: ``w`` of
        length ``1 + 1e-9`` suffices for every ``u``, and unit rows that agree to 13 digits count as
        equal. An unproved "yes" means that no counterexample was found.
    witness : array of shape (d̃,) or None
        The ``u`` of `largest`, a unit vector, if `largest` is above 1.
    """

    largest: float
    is_spike_free: bool
    is_proof: bool
    witness: Array | None = None


def spike_free_margin(
    design: Array,
    *,
    n_starts: int = 64,
    random_state: int | np.random.RandomState | None = 0,
) -> SpikeFreeTest:
    r"""Test whether data are spike-free, so that :class:`SpikeFreeOracle` is exact on them.

    They are spike-free if rectifying the ellipsoid ``{X̃u : ‖u‖ ≤ 1}`` stays inside it (Ergen & Pilanci
    2021): every ``relu(X̃u)``, ``‖u‖ ≤ 1``, is ``X̃w`` with ``‖w‖ ≤ 1``. In terms of the
    pseudo-inverse, ``max_{‖u‖ ≤ 1} ‖X̃† relu(X̃u)‖ ≤ 1``, and all ``relu(X̃u)`` are in the range of
    ``X̃``.

    **Yes.** Take one row of each direction, and let these be linearly independent. Then ``x = X̃u``
    can be anything, and the shortest ``u`` for it has ``‖u‖² = xᵀHx``, ``H = (X̃X̃ᵀ)⁻¹``. With ``x = a −
    b``, ``a = relu(x)``, ``b = relu(−x)``::

        xᵀHx − aᵀHa = bᵀHb − 2 aᵀHb

    This is non-negative for all ``x`` if and only if ``H`` has no positive entry off its diagonal (for
    small ``b`` the last term decides). Where the positive entries, ``P``, are rounding errors,
    ``‖w‖² ≤ 1 + ‖P‖ ‖X̃X̃ᵀ‖``.

    **No.** If ``X̃w = relu(X̃u)`` then, for every ``y``, ``yᵀ relu(X̃u) = yᵀX̃w ≤ ‖X̃ᵀy‖ ‖w‖``. So ``u``
    is a counterexample where ``yᵀ relu(X̃u) > ‖X̃ᵀy‖ ‖u‖`` for some ``y``, with a margin for the rounding of
    three products. Candidates for ``u``: the pairs with ``H_ij > 0``, whose ``X̃u = e_i − (H_ij/H_jj) e_j``
    gives ``1/√(1 − H_ij²/(H_ii H_jj))``, and ascents from random starts. Rows of distinct directions
    that are linearly dependent, in particular more than ``d̃`` of them, are never spike-free.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    n_starts : int
        Random starts.
    random_state : int, RandomState or None
        Seed of the starts.

    Returns
    -------
    SpikeFreeTest

    References
    ----------
    Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks", JMLR 22.

    Examples
    --------
    >>> import numpy as np
    >>> test = spike_free_margin(np.eye(3))  # whitened rows
    >>> test.is_spike_free, test.is_proof
    (True, True)
    >>> test = spike_free_margin(np.array([[1.0, 0.0], [-0.6, 0.8]]))  # an obtuse angle
    >>> test.is_spike_free, test.is_proof, round(test.largest, 6)
    (False, True, 1.25)
    """
    units = _directions(design)
    if len(units) == 0:
        return SpikeFreeTest(0.0, True, True)
    inverse = np.asarray(np.linalg.pinv(units), dtype=np.float64)
    starts = check_random_state(random_state).standard_normal((n_starts, units.shape[1]))
    starts = np.vstack([starts @ units.T @ inverse.T, _pair(inverse)])
    candidates = unit_rows(np.vstack([starts, _ascend(units, inverse, starts)]))
    needed = [_length_needed(units, inverse, u) for u in candidates]
    best = int(np.argmax(needed))
    if needed[best] > 1 + 4 * _EPS:
        return SpikeFreeTest(needed[best], False, True, candidates[best])
    return SpikeFreeTest(needed[best], True, _length_enough(units, inverse) <= 1 + _TOLERANCE)


def proved_length(design: Array, deadline: float = math.inf) -> float:
    """A proved bound on the ``w`` that are needed for ``X̃w = relu(X̃u)``, ``‖u‖ ≤ 1``.

    It is 1 up to rounding for spike-free data with independent rows, see :func:`spike_free_margin`; infinite where that
    is not proved, or not before the deadline. Unlike there, no two rows count as equal, and nothing is searched:
    ``O(n² d̃)``.

    Examples
    --------
    >>> import numpy as np
    >>> bool(proved_length(np.eye(3)) < 1 + 1e-9)
    True
    """
    if not _may_be_independent(design) or _cosines_with_first(design).min() < -_CLEARLY:
        return math.inf  # as for most data: neither orthogonal nor spike-free
    units = _units(design)
    error = orthogonality_error(units, deadline)
    # ‖relu(X̃u)‖ ≤ ‖X̃u‖, and squares of singular values are within `error` of one.
    if error <= ORTHOGONAL:
        return math.sqrt((1 + error) / (1 - error)) * (1 + 4 * _EPS)
    if not product_fits(3 * len(units) ** 3, deadline) or not _may_be_spike_free(units):
        return math.inf
    if not svd_fits(units.shape, deadline):
        return math.inf
    return _length_enough(units, np.asarray(np.linalg.pinv(units), dtype=np.float64))


def orthogonality_error(X: Array, deadline: float = math.inf) -> float:
    """Bound on the norm of ``QQᵀ − I`` for rows ``Q`` of length one along those of `X`.

    Infinite where rows are zero, outnumber the columns, or are clearly not orthogonal, or where the product would not
    end before the deadline.
    """
    if not _may_be_independent(X) or not product_fits(len(X) * X.size, deadline):
        return math.inf
    if np.abs(_cosines_with_first(X)[1:]).max(initial=0.0) > _CLEARLY:  # rejects most data
        return math.inf
    units = _units(X)
    if len(units) < len(X):
        return math.inf
    cosines = units @ units.T - np.eye(len(X))
    return float(np.linalg.norm(cosines)) + 2 * _EPS * len(X) * (X.shape[1] + 8)


def _may_be_independent(rows: Array) -> bool:
    """Whether some rows are nonzero, and no more than there are columns."""
    return 0 < np.count_nonzero(rows.any(axis=1)) <= rows.shape[1]


def _cosines_with_first(rows: Array) -> Array:
    """Of the nonzero rows with the first of them, without a copy of all rows."""
    lengths = np.asarray(norms(rows))
    alive = lengths > 0
    first = int(np.argmax(alive))
    return (rows @ (rows[first] / lengths[first]))[alive] / lengths[alive]


def _may_be_spike_free(units: Array) -> bool:
    """False if signs of the Gram matrix or its inverse show that data are not spike-free, without a decomposition.

    An inverse without positive entries off its diagonal is an M-matrix, and its inverse, the Gram matrix, has no
    negative entry.
    """
    if (units @ units[0]).min() < -_TOLERANCE:
        return False
    gram = units @ units.T
    try:
        inverse = np.linalg.inv(gram)
    except np.linalg.LinAlgError:
        return False
    np.fill_diagonal(inverse, 0.0)
    return bool(gram.min() >= -_TOLERANCE and inverse.max() <= _CLEARLY)


def _directions(design: Array) -> Array:
    """Unit vectors along the rows, one per direction: zero rows and positive factors change nothing."""
    units = _units(design)
    _, first = np.unique(units.round(_DIGITS) + 0.0, axis=0, return_index=True)
    return units[np.sort(first)]


def _units(design: Array) -> Array:
    """The nonzero rows, scaled to length one."""
    lengths = np.asarray(norms(design))
    return design[lengths > 0] / lengths[lengths > 0, None]


def _pair(inverse: Array) -> Array:
    """Direction ``X̃†(e_i − (H_ij/H_jj) e_j)`` of the most positively correlated pair in ``H = X̃†ᵀX̃†``."""
    lengths = np.linalg.norm(inverse, axis=0)
    correlation = (inverse.T @ inverse) / np.outer(lengths, lengths)
    np.fill_diagonal(correlation, -np.inf)
    i, j = np.unravel_index(np.argmax(correlation), correlation.shape)
    if i == j:  # one row
        return inverse[:, i]
    return inverse[:, i] - correlation[i, j] * lengths[i] / lengths[j] * inverse[:, j]


def _ascend(units: Array, inverse: Array, starts: Array) -> Array:
    """Best point of every power iteration on ``‖X̃† D(u) X̃u‖`` where ``u`` is a unit vector."""
    u = starts
    best, best_value = np.zeros_like(u), np.full(len(u), -np.inf)
    for _ in range(_ASCENT_STEPS):
        u = unit_rows(u)
        outputs = u @ units.T
        w = np.maximum(outputs, 0.0) @ inverse.T
        value = np.linalg.norm(w, axis=1)
        better = value > best_value
        best_value = np.where(better, value, best_value)
        best = np.where(better[:, None], u, best)
        u = ((w @ inverse) * (outputs > 0)) @ units
    return best


def _length_needed(units: Array, inverse: Array, u: Array) -> float:
    """Lower bound on ``‖w‖`` for all ``w`` with ``X̃w = relu(X̃u)``, rounded down; ``u`` is a unit vector."""
    z = np.maximum(units @ u, 0.0)
    w = inverse @ z
    needed = 0.0
    for y in (w @ inverse, z - units @ w):  # best in the range of X̃, and orthogonal to it
        rounding = 8 * sum(units.shape) * _EPS * float(np.abs(y).sum())
        length = np.linalg.norm(y @ units) + rounding
        if length > 0:
            needed = max(needed, float((y @ z - rounding) / length))
    return needed


def _length_enough(units: Array, inverse: Array) -> float:
    """Upper bound on the ``‖w‖`` that suffices for all unit ``u``, infinite where the rows may be dependent.

    With the computed ``H``, and ``HG = I + E`` for the Gram matrix ``G``, the exact inverse is within
    ``‖E‖‖H‖/(1 − ‖E‖)``.
    """
    n = len(units)
    H, gram = inverse.T @ inverse, units @ units.T
    size = np.linalg.norm(H)
    # Of the product, and of the Gram matrix, whose entries are off by up to d̃ roundings.
    rounding = 8 * _EPS * size * (n * np.linalg.norm(gram) + units.size)
    error = np.linalg.norm(H @ gram - np.eye(n)) + rounding
    if error > 0.5:
        return np.inf
    positive = np.maximum(H - np.diag(np.diag(H)), 0.0)
    excess = np.linalg.norm(positive) + 2 * error * size
    return float(np.sqrt(1 + excess * np.linalg.norm(gram, 2)))
