"""Exact pricing of several outputs on data of rank two, by one sweep around the circle."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import lipschitz_constant, norms, sizes
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport, strongest_first, witnesses
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.oracles.exact.sums import block_size, running_sums, sum_in_blocks
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["PlanarOracle"]


_EPS = float(np.finfo(np.float64).eps)
_N_WITNESSES = 64  # as for sweeps


class PlanarOracle:
    r"""``M(V) = max_{‖u‖ ≤ 1} ‖Vᵀ relu(X̃u)‖`` for data of rank at most two and any number of outputs.

    In coordinates of the row space ``u = (cos θ, sin θ)``, and sample ``i`` is active on a half circle around the
    angle of ``x̃_i``. The ends of all half circles cut the circle into arcs; on each ``Vᵀ relu(X̃u) = G u`` with one
    ``G`` of shape (K, 2), and adding ``±V_i x̃_iᵀ`` at each end gives all ``G``. With ``B = GᵀG``::

        ‖Gu‖² = a + b cos 2(θ − ψ),   a = (B₁₁ + B₂₂)/2,   b e^{2iψ} = (B₁₁ − B₂₂)/2 + i B₁₂

    so that the maximum over an arc is at its point nearest to ``ψ + kπ``.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``, of numerical rank at most two.

    Raises
    ------
    ValueError
        If the rank is above two.

    Notes
    -----
    ``O(n log n)`` once, ``O(n K)`` per call. `level` and `deadline` are not used.

    In floating point the ends of an arc are wrong by a few roundings ``t``, whatever their order; a sample that is
    misclassified at ``u`` therefore has ``|x̃_iᵀu| ≤ t‖x̃_i‖``, and ``‖Gu‖`` is wrong by ``t L`` at most, ``L =
    Σ‖V_i‖‖x̃_i‖``. Sums in blocks add ``O(√n)`` roundings of ``L``. All of this is added to the bound.

    Examples
    --------
    >>> import numpy as np
    >>> report = PlanarOracle(np.eye(2))(np.array([[3.0, 0.0], [0.0, 4.0]]))
    >>> round(report.bound, 12), report.is_proof, report.signs[0].round(6)
    (4.0, True, array([0., 1.]))
    """

    def __init__(self, design: Array) -> None:
        space = RowSpace.of(design)
        if space.rank > 2:
            raise ValueError(
                "oracle='sweep' prices several outputs on data of rank at most 2 in one sweep, "
                f"and these have rank {space.rank}"
            )
        self.design = design
        self._basis, self._residual = space.basis, space.residual
        rows = np.pad(space.coordinates, ((0, 0), (0, 2 - space.rank)))
        self._lengths = norms(rows)
        self._units = rows / np.where(self._lengths > 0, self._lengths, 1.0)[:, None]
        self._relaxation = RelaxationOracle(design)
        angle = np.arctan2(rows[:, 1], rows[:, 0])
        enter, leave = (angle - 0.5 * np.pi) % (2 * np.pi), (angle + 0.5 * np.pi) % (2 * np.pi)
        self._at_zero = leave < enter
        ends = np.concatenate([[0.0], enter, leave])
        self._order = np.argsort(ends, kind="stable")
        self._ends = np.append(ends[self._order], 2 * np.pi)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``V`` of shape (n, K)."""
        unit = lipschitz_constant(self.design, v) or 1.0
        values, angles = self._maxima(v * (self._lengths / unit)[:, None])
        summits = np.flatnonzero(_is_summit(values))
        top = summits[strongest_first(values[summits])[: 2 * _N_WITNESSES]]
        points = np.column_stack([np.cos(angles[top]), np.sin(angles[top])])
        directions = points[:, : self._basis.shape[1]] @ self._basis.T
        lengths = norms(directions)
        directions = directions / np.where(lengths > 0, lengths, 1.0)[:, None]
        masks, signs, directions, found = witnesses(self.design, v, directions)
        bound = float(values.max()) * unit + self._rounding(v)
        return OracleReport(
            bound=min(bound, self._relaxation(v).bound),
            is_proof=True,
            scope="global",
            method="sweep",
            masks=masks[:_N_WITNESSES],
            signs=signs[:_N_WITNESSES],
            directions=directions[:_N_WITNESSES],
            values=found[:_N_WITNESSES],
            work=len(values),
        )

    def _maxima(self, weights: Array) -> tuple[Array, Array]:
        """The largest ``‖Gu‖`` on every arc, and the angle that attains it."""
        steps = (weights[:, :, None] * self._units[:, None, :]).reshape(len(weights), -1)
        start = sum_in_blocks((self._at_zero[:, None] * steps).T)
        ordered = np.vstack([start, steps, -steps])[self._order]
        pieces = running_sums(ordered.T).reshape(-1, 2, len(ordered))
        across = (pieces[:, 0] * pieces[:, 1]).sum(axis=0)
        first, second = np.square(pieces).sum(axis=0)
        angles = self._nearest(0.5 * np.arctan2(across, 0.5 * (first - second)))
        # From the point itself: the sum of the two terms in the formula may cancel.
        return norms((pieces[:, 0] * np.cos(angles) + pieces[:, 1] * np.sin(angles)).T), angles

    def _nearest(self, peak: Array) -> Array:
        """The angle on each arc closest to a peak, which repeats at every half turn."""
        begin, end = self._ends[:-1], self._ends[1:]
        peak = peak + np.pi * np.ceil((begin - peak) / np.pi)
        nearest = np.where(peak - end < begin - (peak - np.pi), end, begin)
        return np.where(peak <= end, peak, nearest)

    def _rounding(self, v: Array) -> float:
        n = len(self._lengths)
        relative = (4 * block_size(2 * n + 1) + n**0.5 + 16 * self.design.shape[1] + 512) * _EPS
        return relative * lipschitz_constant(self.design, v) + float(sizes(v) @ self._residual)


def _is_summit(values: Array) -> NDArray[np.bool_]:
    """Local maxima around the circle: arcs at least as high as both neighbours."""
    least = np.maximum(np.roll(values, 1), np.roll(values, -1)) * (1 - 1e-12)
    return values >= least
