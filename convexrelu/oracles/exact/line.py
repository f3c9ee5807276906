"""Exact pricing of free hidden biases where all samples are on a line: one feature, or data of rank one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms, sizes
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport, strongest_first, witnesses
from convexrelu.oracles.reductions.free_bias import is_balanced

__all__ = ["Line", "LineOracle"]


_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)
_LONG_EPS = float(np.finfo(np.longdouble).eps)
# Distance from the line, in units of the longest centred sample, that counts as rounding.
_ON_THE_LINE = 1e-12
_N_WITNESSES = 64  # as for sweeps


@dataclass(frozen=True, eq=False)
class Line:
    """Samples ``x_i = origin + t_i a`` with a unit vector ``a``, up to rounding.

    Attributes
    ----------
    direction : array of shape (d,)
        ``a``.
    positions : array of shape (n,)
        ``t_i``.
    distances : array of shape (n,)
        Bounds on ``‖x_i − origin − t_i a‖``, rounded up.
    """

    direction: Array
    positions: Array
    distances: Array

    @classmethod
    def through(cls, centred: Array) -> Line | None:
        """The line of centred samples; None if they are not on one, or all are equal."""
        lengths = np.asarray(norms(centred))
        farthest = int(np.argmax(lengths))
        if not lengths[farthest] > 0:
            return None
        direction = centred[farthest] / lengths[farthest]
        direction = direction / np.linalg.norm(direction)
        positions = centred @ direction
        if np.ptp(positions) == 0:  # equal up to rounding of the origin
            return None
        residual = np.asarray(norms(centred - np.outer(positions, direction)))
        if residual.max() > _ON_THE_LINE * lengths[farthest]:
            return None
        rounding = 8 * (centred.shape[1] + 4) * _EPS * lengths
        return cls(direction, positions, residual + rounding)


class LineOracle:
    r"""``sup_{‖w‖ ≤ 1, b} ‖Vᵀ φ(Xw + b1)‖`` for samples on a line, without a penalty for ``b``.

    With ``x_i = origin + t_i a`` only ``aᵀw`` matters, and by homogeneity ``aᵀw = ±1``: neurons are ridges ``φ(t − τ)``
    and ``φ(τ − t)``. Along ``τ``, ``Vᵀ φ(t − τ)`` bends at the samples only, so that its norm, which is convex between
    them, is largest at one; outside of them it is constant up to ``|slope|``, since ``Vᵀ1 = 0``::

        M(V) = max_k max( ‖R_k − slope L_k‖, ‖L_k − slope R_k‖ )
        R_k = Σ_i V_i (t_i − t_k)₊,   L_k = Σ_i V_i (t_k − t_i)₊

    the ridge features of Ergen & Pilanci 2021 for one-dimensional and rank-one data.

    Parameters
    ----------
    design : array of shape (n, d + 1)
        Centred inputs with a last constant column ``B``, as of a
        :class:`~convexrelu.TrainingProblem` with free biases; directions of witnesses are for it.
    line : Line
        The line of the centred inputs.
    slope : float
        Negative slope of ``φ``, in ``[−1, 1]``.

    Notes
    -----
    ``O(n log n)`` once, ``O(n K)`` per call. Sums use long doubles; their rounding, and the distance of samples from
    the line, ``Σ ‖V_i‖ ‖x_i − origin − t_i a‖``, are added to the bound.

    Examples
    --------
    >>> import numpy as np
    >>> design = np.array([[-1.0, 100.0], [0.0, 100.0], [1.0, 100.0]])
    >>> oracle = LineOracle(design, Line.through(design[:, :1]))
    >>> report = oracle(np.array([1.0, -2.0, 1.0]))
    >>> round(report.bound, 12), report.is_proof  # relu(t) at -1, 0, 1 has the value 1
    (1.0, True)
    """

    def __init__(self, design: Array, line: Line, slope: float = 0.0) -> None:
        self.design = design
        self.line = line
        self.slope = slope
        self.knots, self._knot_of = np.unique(line.positions, return_inverse=True)
        self._reach = float(np.abs(line.positions).max())

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,) or (n, K); the bound is infinite where its sums are not zero."""
        rising, falling = self.ridges(v)
        values = np.concatenate([sizes(rising), sizes(falling)])
        sign = np.repeat([1.0, -1.0], len(self.knots))
        top = strongest_first(np.where(_summits(values), values, -1.0))[:_N_WITNESSES]
        bias = -sign[top] * np.tile(self.knots, 2)[top] / self.design[0, -1]
        directions = np.column_stack([np.outer(sign[top], self.line.direction), bias])
        directions /= norms(directions)[:, None]
        masks, signs, directions, found = witnesses(self.design, v, directions, self.slope)
        return OracleReport(
            bound=float(values.max()) + self._rounding(v) if is_balanced(v) else math.inf,
            is_proof=True,
            scope="global",
            method="sweep",
            masks=masks,
            signs=signs,
            directions=directions,
            values=found,
            work=len(values),
        )

    def ridges(self, v: Array) -> tuple[Array, Array]:
        """``Vᵀ φ(t − τ)`` and ``Vᵀ φ(τ − t)`` at every knot ``τ``, of shape (k,) or (k, K)."""
        mass = np.zeros((len(self.knots), *v.shape[1:]), dtype=np.longdouble)
        np.add.at(mass, self._knot_of, v)
        knots = self.knots.astype(np.longdouble).reshape(-1, *[1] * (v.ndim - 1))
        gaps = np.diff(knots, axis=0)
        nothing = np.zeros_like(mass[:1])
        # Σ_i V_i (τ_k − t_i)₊ grows by gap times the mass to the left; the other one mirrors it.
        left = np.cumsum(gaps * np.cumsum(mass, axis=0)[:-1], axis=0)
        right = np.cumsum((gaps * np.cumsum(mass[::-1], axis=0)[-2::-1])[::-1], axis=0)[::-1]
        left = np.concatenate([nothing, left])
        right = np.concatenate([right, nothing])
        slope = np.longdouble(self.slope)
        rising, falling = right - slope * left, left - slope * right
        return rising.astype(np.float64), falling.astype(np.float64)

    def _rounding(self, v: Array) -> float:
        n_outputs = v.shape[1] if v.ndim == 2 else 1
        size = float(sizes(v).sum())
        sums = (4 * (len(v) + len(self.knots)) + 16) * _LONG_EPS + 8 * _EPS
        off_the_line = float(sizes(v) @ self.line.distances)
        rounding = 4 * math.sqrt(n_outputs) * sums * size * self._reach + off_the_line
        return rounding * (1 + 8 * _EPS) + _TINY  # covers underflow


def _summits(values: Array) -> NDArray[np.bool_]:
    """Local maxima: entries at least as large as both neighbours, or at the ends as the only one."""
    padded = np.pad(values, 1, constant_values=-np.inf)
    return (values >= padded[:-2]) & (values >= padded[2:])
