"""Branch and bound over the signs of rectifiers: a value that is reached, and a bound that is proved.

Every node fixes some signs, and its linear program bounds all inputs with these signs. At the input that the program finds, the
network itself is evaluated, which gives a value that is reached. The open node of the largest bound is divided at the
rectifier whose relaxation is worst. The largest bound of all open nodes is a bound for the whole question at any time.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from dataclasses import dataclass

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.reach.network_program import NetworkProgram
from convexrelu.reach.sharpening import sharpened

__all__ = ["Maximum", "maximise"]

_ROUNDS = 5  # of leaving out inputs, at most
_WORTHWHILE = 0.9  # part of the undecided rectifiers that a round may leave if there is to be another


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


class _Tree:
    def __init__(
        self, program: NetworkProgram, tol: float, deadline: float, enough: float, too_low: float
    ) -> None:
        self.program, self.tol, self.deadline = program, tol, deadline
        self.enough, self.too_low = enough, too_low
        self.value, self.point = -math.inf, None
        self.nodes, self.order = 0, itertools.count()
        self.open: list[tuple[float, int, Array, Array]] = []
        self.closed = -math.inf  # largest bound of the nodes that cannot be divided

    def run(self) -> Maximum:
        root = np.zeros(self.program.m, dtype=np.int8)
        self._add(root, math.inf)
        self._sharpen(root)
        scale = self.bound - self.value if np.isfinite(self.value) else 0.0
        while self.open and not self._done(scale):
            bound, _, signs, point = heapq.heappop(self.open)
            branch = self.program.branch(point, signs)
            for sign in (1, -1):
                child = signs.copy()
                child[branch] = sign
                self._add(child, -bound)
        bound = max(self.bound, self.value)
        return Maximum(self.value, self.point, bound, self.nodes)

    def _sharpen(self, root: Array) -> None:
        """Leave out inputs whose bound is below the value that is reached, as long as that decides rectifiers."""
        for _ in range(_ROUNDS):
            if not self.open or not np.isfinite(self.value) or self._done(0.0):
                return
            before = self.program.decides.sum()
            domain = sharpened(self.program, self.value)
            if domain is None:  # nothing is better
                self.open = []
                return
            self.program, (above, *_) = self.program.over(domain), self.open.pop()
            self._add(root, -above)
            if self.program.decides.sum() > _WORTHWHILE * before:
                return

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
        )

    def _add(self, signs: Array, above: float) -> None:
        answer = self.program.solve(signs)
        self.nodes += 1
        bound = min(answer.bound, above)
        if bound == -math.inf:
            return
        if answer.point is not None:
            self._try(answer.point[: self.program.d])
        if bound <= self.value:
            self.closed = max(self.closed, bound)
            return
        if (self.program.decides & (signs == 0)).any():
            point = answer.point
            if point is None:
                point = np.zeros(self.program.objective.size)
            heapq.heappush(self.open, (-bound, next(self.order), signs, point))
        else:
            self.closed = max(self.closed, bound)

    def _try(self, x: Array) -> None:
        """Take a point if it is better, and then the best one with its signs, as long as that improves."""
        while self._better(x):
            z = self.program.domain.network.arguments(self.point[None, :])[0]
            signs = np.where(self.program.decides, np.where(z > 0, 1, -1), 0).astype(np.int8)
            answer = self.program.solve(signs)
            self.nodes += 1
            if answer.point is None:
                return
            x = answer.point[: self.program.d]

    def _better(self, x: Array) -> bool:
        x = self.program.domain.polytope.inside(x)
        value = self.program.value(x)
        if not value > self.value:
            return False
        self.value, self.point = value, x
        return True
