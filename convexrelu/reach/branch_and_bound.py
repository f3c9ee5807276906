"""Branch and bound over the signs of rectifiers: a value that is reached, and a bound that is proved.

Every node fixes some signs, and its linear program bounds all inputs with these signs. At the input that the program
finds, the network itself is evaluated, which gives a value that is reached. Cuts are added at the root only. The open
node of the largest bound is divided at the rectifier that promises to lower the bounds of both children most: by the
width of its relaxation, and by what it was worth before. The largest bound of all open nodes is a bound for the whole
question at any time.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.network_program import NetworkProgram

__all__ = ["Maximum", "maximise"]

_ROUNDS = 20  # of cuts
_WORTH = 0.01  # part of the gap that a round of cuts is to close
_LEAST_GAIN = 1e-6  # per width, so that products of gains are not zero


@dataclass(frozen=True)
class Maximum:
    """Largest value found, where it is reached, and the bound that is proved; ``nodes`` are linear programs solved."""

    value: float
    point: Array | None
    bound: float
    nodes: int


def maximise(
    program: NetworkProgram,
    *,
    tol: float,
    deadline: float = math.inf,
    enough: float = math.inf,
    too_low: float = -math.inf,
) -> Maximum:
    """Maximise until bound and value differ by `tol` times their scale, a relative one.

    Parameters
    ----------
    program : NetworkProgram
        The question.
    tol : float
        Relative to the larger of the value's size and the distance of the first bound from the first value.
    deadline : float
        Of :func:`time.perf_counter`.
    enough : float
        Stop as soon as this value is reached.
    too_low : float
        Stop as soon as the bound is below it.
    """
    return _Tree(program, tol, deadline, enough, too_low).run()


class _Node(NamedTuple):
    """Decided signs, and the relaxation's point and basis."""

    signs: NDArray
    point: Array
    basis: Any


class _Gains:
    """How far decisions have lowered bounds, per width of the rectifier, for both signs."""

    def __init__(self, widths: Array) -> None:
        # Relative ones, which are neither too small nor too large for their squares.
        self.widths = widths / max(float(widths.max(initial=0.0)), np.finfo(float).tiny)
        self.sums, self.counts = np.zeros((2, len(widths))), np.zeros((2, len(widths)))

    def learn(self, side: int, unit: int, gain: float) -> None:
        if math.isfinite(gain) and self.widths[unit] > 0:
            self.sums[side, unit] += max(gain, 0.0) / self.widths[unit]
            self.counts[side, unit] += 1

    def promise(self) -> Array:
        """Products of the gains to be expected; as good as the mean where nothing was learnt."""
        total = self.counts.sum(axis=1)
        mean = np.where(total > 0, self.sums.sum(axis=1) / np.maximum(total, 1), 1.0)
        own = self.sums / np.maximum(self.counts, 1)
        gains = np.where(self.counts > 0, own, mean[:, None])
        return np.asarray(np.maximum(gains, _LEAST_GAIN).prod(axis=0) * self.widths**2)


class _Tree:
    def __init__(
        self, program: NetworkProgram, tol: float, deadline: float, enough: float, too_low: float
    ) -> None:
        self.program, self.tol, self.deadline = program, tol, deadline
        self.enough, self.too_low = enough, too_low
        self.value = -math.inf
        self.point: Array | None = None
        self.nodes, self.order = 0, itertools.count()
        self.open: list[tuple[float, int, _Node]] = []
        self.gains = _Gains(program.widths)
        self.closed = -math.inf  # largest bound of the nodes that cannot be divided

    def run(self) -> Maximum:
        scale = self._start()
        while self.open and not self._done(scale):
            bound, _, node = heapq.heappop(self.open)
            branch = self.program.branch(node.point, node.signs, self.gains.promise())
            for side, sign in enumerate((1, -1)):
                child = node.signs.copy()
                child[branch] = sign
                below = self._add(child, -bound, node.basis)
                self.gains.learn(side, branch, -bound - max(below, self.value))
        if self.point is None and self.bound > -math.inf:  # no time for the solver
            self._better(self.program.domain.polytope.middle)
        return Maximum(self.value, self.point, max(self.bound, self.value), self.nodes)

    def _start(self) -> float:
        """Add the root, with cuts as long as they are worth it; the distance of its first bound and value."""
        root = np.zeros(self.program.m, dtype=np.int8)
        self._add(root, math.inf)
        scale = self.bound - self.value if np.isfinite(self.value) else 0.0
        for _ in range(_ROUNDS):
            if not self.open or self._done(scale):
                break
            before = self.bound
            if not self.program.cut(self.open[0][2].point):
                break
            self.open.clear()
            self._add(root, before)
            if before - self.bound <= _WORTH * (before - self.value):
                break
        return scale

    @property
    def bound(self) -> float:
        return max(self.closed, -self.open[0][0] if self.open else -math.inf)

    def _done(self, scale: float) -> bool:
        slack = self.tol * max(abs(self.value), scale) if np.isfinite(self.value) else 0.0
        return (
            self.bound <= self.value + slack
            or self.value >= self.enough
            or self.bound < self.too_low
            or time.perf_counter() > self.deadline
            or not self.program.is_written_before(self.deadline)
        )

    def _add(self, signs: NDArray, above: float, basis: Any = None) -> float:
        """Bound a node, and keep it open if its inputs may be better than the best one."""
        program = self.program
        answer = program.solve(signs, basis, self.deadline)
        self.nodes += 1
        bound = min(answer.bound, above)
        if bound == -math.inf:
            return bound
        if answer.point is not None:
            self._try(answer.point[: program.d])
        if bound <= self.value or not (program.decides & (signs == 0)).any():
            self.closed = max(self.closed, bound)
            return bound
        point = np.zeros(program.objective.size) if answer.point is None else answer.point
        heapq.heappush(self.open, (-bound, next(self.order), _Node(signs, point, answer.basis)))
        return bound

    def _try(self, x: Array) -> None:
        """Take a point if it is better, and then the best one with its signs, as long as that improves, in time."""
        while self._better(x) and time.perf_counter() <= self.deadline:
            z = self.program.domain.network.arguments(np.array([self.point]))[0]
            signs = np.where(self.program.decides, np.where(z > 0, 1, -1), 0).astype(np.int8)
            answer = self.program.solve(signs, deadline=self.deadline)
            self.nodes += 1
            if answer.point is None:
                return
            x = answer.point[: self.program.d]

    def _better(self, x: Array) -> bool:
        value, x = self.program.candidate(self.program.domain.polytope.inside(x))
        if not value > self.value:
            return False
        self.value, self.point = value, x
        return True
