"""A semidefinite relaxation of ``M(v)``: tighter than the closed form, for few samples, and still a proof."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from convexrelu._utils.norms import lipschitz_constant, norms
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["SemidefiniteOracle"]


_EPS = float(np.finfo(np.float64).eps)
# Rows of the semidefinite matrix, n + r, so that a program stays small; no measurement is recorded.
_MAX_SIZE = 56
_DIGITS = 13  # rows that agree to this are parallel; the difference is added to the bound


class SemidefiniteOracle:
    r"""Bound on ``M(v)`` from a doubly non-negative relaxation, repaired to hold in floating point.

    With unit rows ``a_i = x̃_i/‖x̃_i‖`` and ``w_i = σ v_i ‖x̃_i‖``, the value for the sign ``σ`` is
    the maximum of ``wᵀz`` over ``‖u‖ ≤ 1``, ``z = relu(Au)``. ReLU is described by quadratic constraints::

        z ≥ 0,     s = z − Au ≥ 0,     z_i s_i = 0,     and, where the value matters,    wᵀz ≥ 0

    For all multipliers ``t ≥ 0``, ``N, M, p, q ≥ 0``, and ``L ≥ 0`` off its diagonal (where its sign
    is free), these products give::

        (wᵀz)² ≤ t − Q(u, z)
        Q(u, z) = t ‖u‖² − (wᵀz)² − zᵀNz − sᵀMs − zᵀLs − (pᵀz + qᵀs) wᵀz

    so ``√t`` is a bound whenever the quadratic form ``Q`` is positive semidefinite. The smallest such
    ``t`` is a semidefinite program, dual to the relaxation of the moment matrix of ``(u, z)`` to
    one that is positive semidefinite with non-negative products (the completely positive
    program of Prakhya, Birdal & Yurtsever with the cone replaced by the doubly non-negative one,
    applied to pricing; the objective takes the place of the row of ones).

    The solver is not trusted. Its multipliers are clipped to their signs, ``Q`` is formed in NumPy,
    and its smallest eigenvalue is taken: if that is at least ``−δ``, then ``(wᵀz)² ≤ t + δ(‖u‖² +
    ‖z‖²) ≤ t + δ(1 + n)``, since the rows have length one. The closed-form
    :class:`RelaxationOracle` is returned where it is smaller, or where the solver gives nothing.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.

    Raises
    ------
    ValueError
        If the number of row directions plus their rank exceeds 56.

    Notes
    -----
    Tightness, measured at 10 to 30 samples of rank 3 to 8 (``python -m benchmarks.pricing.bench_relaxations``): tight
    to three digits at random ``v`` on Gaussian data, where the closed form is 1.3 to 2.4 times
    ``M(v)``. The dual points of accurate networks have many directions of almost the same value:
    there it is 1.0 to 2.8 times ``M(v)``, the closed form 1.8 to 14 times.

    One program per sign; time grows like ``(n + r)⁶``: a second or two at 30 samples, up to a minute
    at the limit. Samples with ``v_i = 0`` are left out, rows of the same direction are merged into one sample.
    `level` and `deadline` skip programs, never the closed form; `work` counts the programs that were
    solved.

    References
    ----------
    Prakhya, Birdal & Yurtsever 2024, "Convex Formulations for Training Two-Layer ReLU Neural
    Networks", arXiv:2410.22311.

    Examples
    --------
    >>> import numpy as np
    >>> design = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> v = np.array([3.0, 4.0, 1.0])  # M(v) = 5, at u = (3, 4)/5
    >>> report = SemidefiniteOracle(design)(v)
    >>> round(report.bound, 4), report.is_proof, report.work
    (5.0, True, 1)
    >>> round(RelaxationOracle(design)(v).bound, 4)
    5.1548
    """

    def __init__(self, design: Array) -> None:
        self.design = design
        self._relaxation = RelaxationOracle(design)
        self._norms = norms(design)
        self._rows = np.flatnonzero(self._norms)
        units = design[self._rows] / self._norms[self._rows, None]
        _, first, group = np.unique(
            units.round(_DIGITS) + 0.0, axis=0, return_index=True, return_inverse=True
        )
        self._group = group.reshape(-1)  # parallel rows count as one sample
        self._refuse_more_than(_MAX_SIZE, len(first))
        space = RowSpace.of(units[first])
        self._refuse_more_than(_MAX_SIZE, len(first), space.rank)
        self._coordinates = space.coordinates
        nearest = (space.coordinates @ space.basis.T)[self._group]
        self._residual = np.linalg.norm(units - nearest, axis=1)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Bound ``M(v)`` at the dual point ``v`` of shape (n,)."""
        closed = {sign: self._relaxation.one_sign(sign * v) for sign in (1.0, -1.0)}
        bound, work = 0.0, 0
        for sign in sorted(closed, key=closed.__getitem__, reverse=True):
            value = closed[sign]
            if value > max(level, bound) and time.perf_counter() < deadline:
                value = min(value, self._one_sign(sign * v, deadline))
                work += 1
            bound = max(bound, value)
        return replace(self._relaxation(v), bound=bound, method="semidefinite", work=work)

    @staticmethod
    def _refuse_more_than(limit: int, n_samples: int, rank: int = 1) -> None:
        if n_samples and n_samples + rank > limit:
            raise ValueError(
                f"{n_samples:,} samples of rank {rank:,} or more are too many for the semidefinite "
                f"relaxation: samples and rank may add up to {limit}; use RelaxationOracle"
            )

    def _one_sign(self, v: Array, deadline: float) -> float:
        """Bound ``max_{‖u‖ ≤ 1} vᵀ relu(X̃u)``; infinite or NaN if no bound was found."""
        weights = v[self._rows] * self._norms[self._rows]
        merged = np.bincount(self._group, weights, minlength=len(self._coordinates))
        total, used = float(np.abs(merged).sum()), np.flatnonzero(merged)
        square = 0.0
        if (merged > 0).any():  # otherwise the maximum is zero, at u = 0
            seconds = deadline - time.perf_counter()
            square = _bound_of_square(self._coordinates[used], merged[used] / total, seconds)
        # Residuals of merging rows and of the coordinates of their numerical row space.
        outside = float(np.abs(weights) @ self._residual)
        rounding = 8 * sum(self.design.shape) * _EPS * lipschitz_constant(self.design, v)
        bound = total * math.sqrt(square) + outside + rounding
        return bound if math.isfinite(bound) else math.inf


class _Multipliers(NamedTuple):
    """``t`` and the multipliers of ``zzᵀ, ssᵀ, zsᵀ, z wᵀz, s wᵀz``: cvxpy expressions, then arrays."""

    t: Any
    N: Any
    M: Any
    L: Any
    p: Any
    q: Any


def _quadratic_form(rows: Array, weights: Array, given: _Multipliers) -> Any:
    """The matrix of ``Q`` in the variables ``(u, z)``."""
    n, rank = rows.shape
    u = np.hstack([np.eye(rank), np.zeros((rank, n))])
    z = np.hstack([np.zeros((n, rank)), np.eye(n)])
    s = z - rows @ u
    value = (weights @ z)[None, :]
    mixed = z.T @ given.L @ s + (z.T @ given.p + s.T @ given.q) @ value
    products = z.T @ given.N @ z + s.T @ given.M @ s + (mixed + mixed.T) / 2
    return given.t * (u.T @ u) - value.T @ value - products


def _bound_of_square(rows: Array, weights: Array, seconds: float) -> float:
    """Bound the square of ``max wᵀ relu(Au)`` over the unit ball, where that is positive.

    Parameters
    ----------
    rows : array of shape (n, r)
        ``A``, of unit rows.
    weights : array of shape (n,)
        ``w``, with ``Σ|w_i| = 1``.
    seconds : float
        Limit on the time of the solver.
    """
    solved = _solve(rows, weights, seconds)
    if solved is None:
        return math.inf
    n, rank = rows.shape
    form = _quadratic_form(rows, weights, solved)
    # With unit rows and weights the norm of Q, and of every sum on the way to it, is below this.
    size = solved.t + 1 + 2 * sum(float(np.abs(part).sum()) for part in solved[1:])
    rounding = 16 * (n + rank) * _EPS * size
    deficit = max(rounding - float(np.linalg.eigvalsh(form)[0]), 0.0)
    return solved.t + deficit * (1 + n)


def _solve(rows: Array, weights: Array, seconds: float) -> _Multipliers | None:
    """Multipliers of the right signs that nearly minimise ``t`` with ``Q`` nearly semidefinite."""
    from convexrelu._utils.cvxpy_import import cp

    n = len(rows)
    upper, off_diagonal = np.triu(np.ones((n, n), dtype=bool)), ~np.eye(n, dtype=bool)
    t, p, q = cp.Variable(), cp.Variable((n, 1)), cp.Variable((n, 1))
    N, M, L = (cp.Variable((n, n), symmetric=symmetric) for symmetric in (True, True, False))
    given = _Multipliers(t, N, M, L, p, q)
    signs = [N[upper] >= 0, M[upper] >= 0, L[off_diagonal] >= 0, p >= 0, q >= 0]
    program = cp.Problem(cp.Minimize(t), [_quadratic_form(rows, weights, given) >> 0, *signs])
    options = {"time_limit": max(seconds, 1e-3)} if math.isfinite(seconds) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an inaccurate solution is good enough
        try:
            program.solve(cp.CLARABEL, accept_unknown=True, **options)
        except (cp.error.SolverError, ArithmeticError, ValueError):
            return None
    if any(part.value is None or not np.isfinite(part.value).all() for part in given):
        return None
    values = _Multipliers(*(part.value for part in given))
    clipped = _Multipliers(*(np.maximum(value, 0.0) for value in values))
    free_diagonal = np.where(off_diagonal, clipped.L, values.L)
    return clipped._replace(t=float(clipped.t), L=free_diagonal)
