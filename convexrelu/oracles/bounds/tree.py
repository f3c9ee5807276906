"""The open boxes of branch and bound, those with the largest bounds first."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.deadlines import Deadline
from convexrelu._utils.norms import lipschitz_constant
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.oracles.bounds.affine_rules import (
    MOST_STEPS,
    affine_bound,
    n_steps_for,
    work_of_step,
)
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.compiled import corner_bound
from convexrelu.oracles.bounds.corner_bound import ABOVE, CornerBound
from convexrelu.oracles.bounds.dives import WORK_IN_A_SECOND, predicted_boxes, work_of_dives
from convexrelu.oracles.bounds.pace import Pace
from convexrelu.oracles.bounds.workers import Workers

__all__ = ["Goal", "Grown", "Tree", "rounding_of"]

_EPS = float(np.finfo(np.float64).eps)
# Affine rules take at most so many steps of descent, and at most this part of the work of the boxes: from a second on.
_MOST_STEPS, _SHARE_OF_RULES = 5000, 0.5
_NO_RULES = _MOST_STEPS + 1
_MAX_BYTES = 2**31  # memory limit of open boxes
_TURNS_APART = 5  # of each worker at most, before all meet


@dataclass
class Goal:
    """The value to which the bound is compared, and when to stop."""

    level: float
    rtol: float
    found: float
    deadline: float = math.inf

    @property
    def target(self) -> float:
        """Bound to reach: the level, or slightly above the best value found if that is larger."""
        return self.level if self.level > self.found else (1 + self.rtol) * self.found

    @property
    def refuted(self) -> bool:
        """Whether a value above the level has been found."""
        return self.level > 0 and self.found > ABOVE * self.level


class Grown(NamedTuple):
    """What has become of some boxes."""

    open: Boxes
    closed: float  # bound over all that were closed
    found: float
    witnesses: list[Array]
    n_boxes: int
    work: float


class Tree:
    """Open boxes for one sign, on ``h(u) = vᵀ relu(X̃u)`` in coordinates of the row space.

    Boxes are bounded in principal axes of ``Σ |v_i| x̃_i x̃_iᵀ``, with rows of about length one.

    Attributes
    ----------
    sign : float
        Of ``h``.
    n_boxes, work : int, float
        Number of boxes examined, and about the number of additions.
    work_of_rules : float
        About the number of additions for affine rules, see :mod:`convexrelu.oracles.bounds.affine_rules`.
    witnesses : list of arrays of shape (r,)
        Unit vectors at which larger and larger values were found.
    """

    def __init__(
        self, goal: Goal, sign: float, v: Array, rows: Array, bound: float, device: str = "cpu"
    ) -> None:
        self.sign = sign
        self.n_boxes, self.work, self.work_of_rules = 0, 0.0, 0.0
        self.witnesses: list[Array] = []
        self._goal, self._device = goal, device
        rows, v, self._unit, weights = _in_units(rows, v)
        self._axes = np.linalg.eigh((rows * weights[:, None]).T @ rows)[1]
        self._samples = rows @ self._axes, v
        self._make_tables()
        # Boxes are closed a little above the target, so that rounding keeps none open.
        self._rounding = rounding_of(rows.shape) * lipschitz_constant(rows, v)
        self._closed = 0.0  # bound over all closed boxes
        self._open = Boxes.of_cube(rows.shape[1], self._scaled(bound))
        self._by_rules, self._n_steps = math.inf, MOST_STEPS

    def _make_tables(self) -> None:
        self._bound = corner_bound(*self._samples, self._device)

    @property
    def _pace(self) -> Pace:
        return self._bound.pace

    @property
    def bound(self) -> float:
        """Bound on ``h`` over the sphere."""
        largest = max(self._closed, float(self._open.bounds.max(initial=0.0)))
        return self._unscaled(min(largest, self._by_rules))

    @property
    def is_done(self) -> bool:
        """Whether the bound is at the target, or as low as it can be."""
        return self.bound <= self._goal.target or not self.can_improve

    @property
    def can_improve(self) -> bool:
        """Whether another turn may lower the bound, and fits into memory."""
        left = float(self._open.bounds.max(initial=0.0))
        return left > self._closed and self._open.lower.nbytes < _MAX_BYTES / 8

    def grow(self, max_work: float = math.inf) -> float:
        """Explore the boxes with the largest bounds for a while; return the work done."""
        target, pace = self._target, self._pace
        order = np.argsort(-self._open.bounds, kind="stable")
        taken, rest = np.split(order, [pace.start])
        found = self._bound.explore(self._open.select(taken), target, min(max_work, pace.turn))
        self._closed = max(self._closed, target, found.stuck)
        above = found.left.bounds > target
        self._open = Boxes.join([self._open.select(rest), found.left.select(above)])
        self.n_boxes += found.n_boxes
        self.work += found.work
        value = self._unscaled(found.value)
        if value > self._goal.found:
            self._goal.found = value
            self.witnesses.append(self._axes @ found.witness)
        return found.work + self._grow_rules()

    def _grow_rules(self) -> float:
        """Bound the sphere by affine rules, with the more steps the longer boxes take; return the work done."""
        work = self._n_steps * work_of_step(*self._samples)
        spent = self.work_of_rules + work
        if self._n_steps > _MOST_STEPS or spent > _SHARE_OF_RULES * self.work:
            return 0.0
        self.relax(self._n_steps)
        self._n_steps *= 2
        return work

    def relax(self, n_steps: int) -> None:
        """Bound the sphere by affine rules, see :mod:`convexrelu.oracles.bounds.affine_rules`."""
        bound = affine_bound(*self._samples, self._target, self._goal.deadline, n_steps)
        self._by_rules = min(self._by_rules, bound)
        self.work_of_rules += n_steps * work_of_step(*self._samples)

    def relax_once(self, max_work: float) -> None:
        """The same where boxes have ended before it was due."""
        n_steps = n_steps_for(max_work, *self._samples)
        if self.work_of_rules == 0 and n_steps:
            self.relax(n_steps)

    @property
    def open_share(self) -> float:
        """Share of the surface of the cube that is in open boxes."""
        return self._open.share_of_cube

    @property
    def seconds_of_dives(self) -> float:
        """Roughly the time that :meth:`predicted_boxes` takes."""
        return (
            work_of_dives(CornerBound(*self._samples)) / WORK_IN_A_SECOND
            if len(self._open.faces)
            else 0.0
        )

    def grow_by(self, workers: Workers, max_work: float, deadline: float) -> float | None:
        """Let each worker explore some of the boxes with the largest bounds; the work done, None if a worker failed.

        Only when all outcomes are there, they replace the boxes.
        """
        n_workers, pace = workers.n_workers, self._pace
        order = np.argsort(-self._open.bounds, kind="stable")
        taken, rest = np.split(order, [pace.start * _TURNS_APART * n_workers])
        indices = [taken[k::n_workers] for k in range(min(n_workers, len(taken)))]
        n_turns = max(1, len(taken) // (pace.start * n_workers))  # few boxes: soon shared anew
        share = min(max_work / len(indices), n_turns * pace.turn)
        grown = partial(_grown, max_work=share, deadline=Deadline(deadline))
        outcomes = workers(grown, [self._part(index) for index in indices])
        if outcomes is None:
            return None
        if len(outcomes) != len(indices):
            raise RuntimeError(f"{len(indices)} parts of a proof, but {len(outcomes)} outcomes")
        self._open = Boxes.join([self._open.select(rest), *[each.open for each in outcomes]])
        self._closed = max(self._closed, *[each.closed for each in outcomes])
        self.n_boxes += sum(each.n_boxes for each in outcomes)
        work = sum(each.work for each in outcomes)
        self.work += work
        self.witnesses += [witness for each in outcomes for witness in each.witnesses]
        self._goal.found = max(self._goal.found, *[each.found for each in outcomes])
        return work + self._grow_rules()

    def _part(self, index: NDArray[np.intp]) -> Tree:
        """A tree of these open boxes."""
        part = copy.copy(self)
        part._goal, part._open, part._closed = replace(self._goal), self._open.select(index), 0.0
        part.n_boxes, part.work, part.witnesses = 0, 0.0, []
        part._n_steps = _NO_RULES  # which are for the whole sphere
        return part

    def grown(self, max_work: float, deadline: float) -> Grown:
        """What becomes of the boxes until the goal is reached or refuted, or work or time is spent."""
        left = max_work
        while left > 0 and time.perf_counter() < deadline:
            if self.is_done or self._goal.refuted:
                break
            left -= self.grow(left)
        return Grown(
            self._open, self._closed, self._goal.found, self.witnesses, self.n_boxes, self.work
        )

    def __getstate__(self) -> dict[str, Any]:
        """Without tables, which other machines make for themselves: with or without compiled code."""
        return {name: value for name, value in vars(self).items() if name != "_bound"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_tables()

    def predicted_boxes(self, deadline: float = math.inf, most: float = math.inf) -> float:
        """Estimate of the number of boxes that are left to examine; infinite after the deadline, or above `most`."""
        bound = CornerBound(*self._samples)
        return predicted_boxes(bound, self._open, self._target, deadline=deadline, most=most)

    @property
    def _target(self) -> float:
        return self._scaled(self._goal.target) + self._rounding

    def _scaled(self, value: float) -> float:
        return _shifted(value, -self._unit)

    def _unscaled(self, value: float) -> float:
        return _shifted(value, self._unit)


def _grown(part: Tree, max_work: float, deadline: float) -> Grown:
    """The task of a worker."""
    with one_blas_thread():  # which counts it among those that share the cores of this process
        return part.grown(max_work, deadline)


def rounding_of(shape: tuple[int, ...]) -> float:
    """Rounding errors of a bound, relative to ``Σ|v_i|‖x̃_i‖``: see :mod:`convexrelu.oracles.bounds.corner_bound`."""
    n, rank = shape
    return 16 * (n + rank) * max(rank, 1) ** 0.5 * _EPS


def _in_units(rows: Array, v: Array) -> tuple[Array, Array, int, Array]:
    """Rows of about length one and a dual point below one, by powers of two, so that nothing underflows that counts.

    ``v_i relu(x̃_iᵀu)`` keeps its value if a factor moves from ``x̃_i`` to ``v_i``. Returned are also the exponent of the
    common unit, and the weights of the rows in ``Σ |v_i| x̃_i x̃_iᵀ``, up to a factor.
    """
    lengths: NDArray[np.intp] = np.frexp(np.abs(rows).max(axis=1, initial=0.0))[1].astype(np.intp)
    mantissas, exponents = np.frexp(v)
    alive = (v != 0) & rows.any(axis=1)
    sizes = lengths + exponents
    unit = int(max(sizes[alive], default=0))
    scaled = np.where(alive, np.ldexp(mantissas, np.where(alive, sizes - unit, 0)), 0.0)
    longest = int(max(lengths[alive], default=0))
    weights = np.abs(scaled) * np.ldexp(1.0, np.where(alive, lengths - longest, 0))
    return np.ldexp(rows, -lengths[:, None]), scaled, unit, weights


def _shifted(value: float, exponent: int) -> float:
    """``2^exponent value``, infinite where that overflows."""
    with np.errstate(over="ignore"):
        return float(np.ldexp(value, exponent))
