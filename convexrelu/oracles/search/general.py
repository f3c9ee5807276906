"""Heuristic pricing of several outputs, other activations and free hidden biases: an estimate, never a proof."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.threads import in_threads, torch_threads
from convexrelu._utils.typing import Array, Masks
from convexrelu.networks.activation import activate
from convexrelu.oracles.base import (
    OracleReport,
    consistent,
    distinct_pairs,
    moments,
    strongest_first,
)
from convexrelu.oracles.search.base import Search
from convexrelu.oracles.search.starts import apart, random_starts

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import Tensor

__all__ = ["GeneralSearchOracle"]


_ROUNDS = 8  # of polishing, at most; no measurement is recorded
_RISE = 1e-7  # polishing stops below this relative rise of the value
_REFINED = 16  # the strongest go on after the first round; the rest are good enough for cuts
# Weaker ones than this part of the strongest do not climb where samples are many and climbs take long: on digits, they
# raised values by up to two hundredths. And those do not go on that would stay below the strongest if they rose by ten
# times as much again: rises shrink that fast.
_WORTH_A_CLIMB, _MANY_SAMPLES, _FURTHER = 0.97, 500, 10.0
# More samples than this ascend in single precision, here with several products a step.
_MOST_IN_DOUBLE = 500
_ON_KINK = 1e-8  # relative distance of a sample from its kink that counts as rounding


class GeneralSearchOracle(Search):
    r"""Local ascents on ``h(u) = ‖Vᵀ φ(X̃u)‖₂`` over the unit ball, from random starts.

    ``h(u) = max_g gᵀVᵀφ(X̃u)`` over unit vectors ``g``, and for one ``g`` this is the scalar function of ``v = Vg``.

    1. All starts at once: ``g ← Vᵀφ(X̃u)/‖·‖``, then a step of ``u`` towards the maximiser of the linear piece of the
       scalar function (see :class:`~convexrelu.oracles.SearchOracle`), with step sizes that fall geometrically. With
       more than 16 384 samples, on as many draws with probabilities ``‖V_i‖‖x̃_i‖``; the best go on with all samples.
    2. The best distinct pairs of a pattern and a ``g`` are improved by smoothed Newton steps on the scalar function.
    3. Polish: climb to a local maximum of the scalar function, update ``g``; then, on the face of the cell where ``u``
       is, go to the singular vectors of the linear map ``u → VᵀD^φX̃u`` if that is higher. The strongest repeat this
       while they rise. With more than 5000 samples this gains too little to be done.

    One output is the same with ``g = ±1``. The value found is a lower bound on ``M(V)``: ``is_proof`` is always
    False.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    slope : float
        Negative slope of ``φ``, in ``[−1, 1]``.
    free_bias : bool
        Whether the last column is a large constant ``B``, for hidden biases that are almost free. Where a unit ball is
        so flat, ascents use the cylinder ``‖w‖ ≤ 1, |b| ≤ R = max ‖x_i‖`` instead, which contains all that matters.
    n_starts : int
        Random starts per call, drawn anew each time.
    n_steps : int
        Ascent steps.
    first_step, last_step : float
        Step sizes at the beginning and at the end.
    n_polish : int
        Number of pairs to polish; fewer with more than two million / `n_polish` samples.
    n_first : int, optional
        Starts of the first call; each has four times as many as the last one, up to `n_starts`.
    random_state : int, RandomState or None
        Seed of the starts.
    device : str
        A torch device.
    polishes : bool
        Whether to improve candidates up to a local maximum; descent that follows does not need it.

    Notes
    -----
    An ascent step costs ``4 n (d̃ + K)`` operations for each start. Memory ``16 n`` bytes for each polished
    pair.

    Examples
    --------
    >>> import numpy as np
    >>> report = GeneralSearchOracle(np.eye(2), random_state=0)(np.diag([3.0, 4.0]))
    >>> round(report.bound, 12), report.is_proof, report.signs[0].round(6).tolist()
    (4.0, False, [0.0, 1.0])
    """

    def __init__(
        self,
        design: Array,
        *,
        slope: float = 0.0,
        free_bias: bool = False,
        n_starts: int = 256,
        **options: Any,
    ) -> None:
        super().__init__(design, n_starts=n_starts, **options)
        self.slope = slope
        self._reach = _reach(design) if free_bias else None
        # Maxima of the last call: dual points of consecutive rounds are close to each other.
        self._last = np.zeros((0, design.shape[1]))

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,) or (n, K)."""
        matrix = v[:, None] if v.ndim == 1 else v
        self._begin()
        if self._is_late(deadline):
            return self._nothing(v)
        scaled = matrix / self._largest_value(matrix)
        with torch_threads(0):
            starts = self._candidates(scaled, deadline)
            masks, directions, signs = self._polish(scaled, starts, deadline)
        values = (moments(self.design, matrix, directions, self.slope) * signs).sum(axis=1)
        if v.ndim == 1:
            signs = np.where(signs[:, 0] < 0, -1.0, 1.0)
        order = strongest_first(values)
        order = order[values[order] >= 0]
        order = order[self._distinct(masks[order], signs[order])]
        self._last = directions[order]
        return OracleReport.of_search(
            masks,
            signs,
            directions,
            values,
            order,
            n_starts=self._n_starts,
            finished=self._is_finished(deadline),
            work=self._work + len(starts),
        )

    def _candidates(self, v: Array, deadline: float) -> Array:
        """Ends of the best ascents on distinct pairs of pattern and output direction."""
        ends, values = self._ascend(self._sample(v), self._starts(), deadline)
        ends = ends[strongest_first(values)]
        if self._is_sampled:  # all patterns are distinct then
            ends = ends[apart(ends)][: self._n_polished]
            return self._ascend((self._rows, v), ends, deadline)[0]
        outputs = ends @ self._rows.T
        kept = self._distinct(outputs >= 0, _along(activate(outputs, self.slope) @ v))
        return ends[kept][: self._n_polished]

    def _starts(self) -> Array:
        if self._reach is None:
            drawn = random_starts(self._rows, self._n_starts, self._random)
        else:
            drawn = self._random.standard_normal((self._n_starts, self._rows.shape[1]))
            drawn[:, :-1] /= norms(drawn[:, :-1])[:, None]
            drawn[:, -1] = self._reach * self._random.uniform(-1, 1, self._n_starts)
        return unit_rows(np.concatenate([drawn, self._last]))

    def _ascend(
        self, samples: tuple[Array, Array], starts: Array, deadline: float
    ) -> tuple[Array, Array]:
        from convexrelu.oracles.search.ascents import ascend_outputs

        ascend = partial(ascend_outputs, slope=self.slope, reach=self._reach)
        return self._in_parts(ascend, samples, starts, deadline=deadline)

    def _distinct(self, masks: Masks, signs: Array) -> NDArray[np.intp]:
        """Pairs that do not repeat; for the absolute value, the pattern of ``−u`` is that of ``u``."""
        if self.slope == -1.0:
            kinked = masks[:, self._lengths > 0]
            masks = kinked ^ ~kinked[:, :1]
        return distinct_pairs(masks, signs)

    def _polish(self, v: Array, starts: Array, deadline: float) -> tuple[Masks, Array, Array]:
        """Local maxima near the starts: masks, directions, and their output directions."""
        from convexrelu.oracles.search.local_maxima import climb

        X = self._tensor(self._rows)
        directions = self._sharpened(X, v, starts, deadline)
        plus = X.new_ones(len(directions))
        masks = directions @ self._rows.T >= 0
        signs, values = self._moments(directions, v)
        rising = self._worth_a_climb(values)
        for _ in range(_ROUNDS):
            if len(rising) == 0 or time.perf_counter() > deadline:
                break
            own, start = self._tensor(signs[rising] @ v.T), self._tensor(directions[rising])
            climbed = climb(X, own, plus[: len(rising)], start, deadline, self.slope)
            masks[rising], directions[rising] = _array(climbed[0]), _array(climbed[1])
            if v.shape[1] > 1:
                directions[rising] = self._on_faces(masks[rising], directions[rising], v)
            before = values[rising]
            signs[rising], values[rising] = self._moments(directions[rising], v)
            if v.shape[1] == 1:  # one output has only one g
                break
            now = values[rising]
            in_reach = now + _FURTHER * (now - before) >= values.max()
            rising = rising[in_reach & (now > before * (1 + _RISE))]
            rising = rising[strongest_first(values[rising])[:_REFINED]]
        return consistent(masks, directions, self.design), directions, signs

    @property
    def _most_in_double(self) -> int:
        return _MOST_IN_DOUBLE

    def _worth_a_climb(self, values: Array) -> NDArray[np.intp]:
        """Positions of candidates with these values that are to climb."""
        n_samples = len(self.design)
        if n_samples > self.most_climbed:
            return np.arange(0)
        part = _WORTH_A_CLIMB if n_samples > _MANY_SAMPLES else 0.0
        return np.flatnonzero(values >= part * values.max(initial=0.0))

    def _sharpened(self, X: Tensor, v: Array, starts: Array, deadline: float) -> Array:
        """Newton steps on the scalar functions of the starts."""
        from convexrelu.oracles.search.local_maxima import sharpen

        def sharpened(part: Array) -> Array:
            own, u = self._tensor(self._moments(part, v)[0] @ v.T), self._tensor(part)
            found = sharpen(X, own, X.new_ones(len(part)), u, deadline, self.slope)
            return _array(self._directions_of(found))

        if not self._is_sharpened:
            return starts
        step = self._polished_together
        parts = [starts[k : k + step] for k in range(0, len(starts), step)]
        return np.concatenate([starts[:0], *in_threads(sharpened, parts)])

    def _moments(self, directions: Array, v: Array) -> tuple[Array, Array]:
        """``Vᵀφ(X̃u)`` at unit length, and its length."""
        sums = moments(self._rows, v, directions, self.slope)
        return _along(sums), norms(sums)

    def _on_faces(self, masks: Masks, directions: Array, v: Array) -> Array:
        """Points of the faces on which the directions are, at the top singular vector, where that is higher."""
        outputs = directions @ self._rows.T
        moved, lengths = directions.copy(), norms(self._rows)
        for k, mask in enumerate(masks):
            matrix = self._rows.T @ ((mask + self.slope * ~mask)[:, None] * v)
            kinks = self._rows[np.abs(outputs[k]) <= _ON_KINK * lengths]
            moved[k] = _along(_top(matrix, kinks, directions[k])[None])[0]
        better = self._moments(moved, v)[1] > self._moments(directions, v)[1]
        return np.where(better[:, None], moved, directions)


def _reach(design: Array) -> float:
    """``R/B``: the largest last entry of ``u`` that matters, where its others have length one."""
    return float(norms(design[:, :-1]).max(initial=0.0) / np.abs(design[0, -1]))


def _top(matrix: Array, kinks: Array, towards: Array) -> Array:
    """Maximiser of ``‖matrixᵀu‖`` over unit vectors on which `kinks` are zero, turned towards a given one."""
    if len(kinks):
        _, singular, right = np.linalg.svd(kinks, full_matrices=False)
        normals = right[singular > 1e-10 * singular[0]] if singular[0] > 0 else right[:0]
        matrix = matrix - normals.T @ (normals @ matrix)
    left, _, _ = np.linalg.svd(matrix, full_matrices=False)
    return left[:, 0] * (1.0 if left[:, 0] @ towards >= 0 else -1.0)


def _along(rows: Array) -> Array:
    """Rows at unit length, or the first axis."""
    lengths = norms(rows)
    result = rows / np.where(lengths > 0, lengths, 1.0)[:, None]
    result[lengths == 0, 0] = 1.0
    return result


def _array(tensor: Tensor) -> NDArray:
    return tensor.cpu().numpy().copy()
