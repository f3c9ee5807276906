"""Bounds on ``M(v)``, and patterns that violate it: see :mod:`convexrelu.derivatives.problem`."""

from __future__ import annotations

import math
import time

import numpy as np

from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.typing import Array, Masks
from convexrelu.certificates.certificate import Certificate
from convexrelu.derivatives.problem import DerivativeProblem
from convexrelu.oracles.base import OracleReport, strongest_first
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.oracles.exact.sweep import SweepOracle
from convexrelu.oracles.program.pattern_list import PatternOracle
from convexrelu.patterns.activation import first_of_each
from convexrelu.patterns.complete import has_every_cell
from convexrelu.patterns.enumerate import count_patterns, enumerate_patterns

__all__ = [
    "CellSearch",
    "all_cells",
    "certificate_of",
    "proof_of",
    "reached_by",
    "relaxed_bound",
    "swept_bound",
]

_SWEEPS = 30  # steps of a search from one start, at most
_MOST_SWEPT = 1500  # rows, for a second, as for training without equations
# Seconds for each entry of the gates that a projection takes, and of an inversion; with room for a slower machine.
_STEP_OF_PROJECTION, _INVERSION = 1e-8, 2e-9
_STEP = 1e-6  # angle of a step across hyperplanes: far above rounding, and below the distance of most others
_OFF = 1e-3  # random part of that step


def all_cells(
    problem: DerivativeProblem, max_cells: float, deadline: float
) -> tuple[PatternOracle | None, bool]:
    """Exact pricing over all cells, and whether their list is proved to be complete; None if it is too long."""
    design = problem.gates
    if count_patterns(len(np.unique(design, axis=0)), min(design.shape)) > max_cells:
        return None, False
    patterns = enumerate_patterns(design, deadline=deadline)
    if not math.isfinite(patterns.resolution) and time.perf_counter() > deadline:
        return None, False
    complete = has_every_cell(design, patterns, deadline=deadline)
    oracle = PatternOracle(
        design, patterns.masks, values=problem.values, scope="global", method="cells"
    )
    return oracle, complete


def relaxed_bound(problem: DerivativeProblem, v: Array) -> float:
    """Bound on ``M(v)`` over any gates, in closed form: a proof, and loose.

    Examples
    --------
    >>> from convexrelu.derivatives import DerivativeRows
    >>> problem = DerivativeProblem([[0.0]], [1.0], 0.1, DerivativeRows([[1.0]], gradient=[2.0]))
    >>> bool(relaxed_bound(problem, np.array([0.0, 1.0])) >= 2.0)  # M(v) = max of 2 u_1
    True
    """
    signs = (_any_gates(problem, sign * v) for sign in (1.0, -1.0))
    return max(RelaxationOracle(rows).one_sign(weights) for rows, weights in signs)


def swept_bound(problem: DerivativeProblem, v: Array, deadline: float) -> float:
    """The maximum over any gates, for rows of rank up to three, up to rounding; infinite for others.

    Examples
    --------
    >>> from convexrelu.derivatives import DerivativeRows
    >>> problem = DerivativeProblem([[0.0]], [1.0], 0.1, DerivativeRows([[1.0]], gradient=[2.0]))
    >>> round(swept_bound(problem, np.array([0.0, 1.0]), math.inf), 9)
    2.0
    """
    if min(problem.values.shape) > 3 or len(problem.values) > _MOST_SWEPT:
        return math.inf
    bounds = [0.0]
    for sign in (1.0, -1.0):
        rows, weights = _any_gates(problem, sign * v)
        bounds.append(SweepOracle(rows)(weights, deadline=deadline).bound)
    return max(bounds)


def _any_gates(problem: DerivativeProblem, v: Array) -> tuple[Array, Array]:
    """Rows and weights ``p`` with ``vᵀDRu ≤ pᵀ relu(rows u)`` for gates of equations that are all free."""
    samples = np.arange(len(v)) < len(problem.X)
    towards = np.where(samples | (v >= 0), 1.0, -1.0)
    return towards[:, None] * problem.values, np.where(samples, v, np.abs(v))


def certificate_of(
    problem: DerivativeProblem, objective: float, v: Array, report: OracleReport
) -> Certificate:
    """Certificate of a network with this objective, at a dual point ``v``; a search without its time proves nothing."""
    proved = problem.lower_bound(v, relaxed_bound(problem, v))
    relaxed = proof_of(objective, proved, "relaxation")
    if not (report.is_proof or report.finished):
        return relaxed
    lower = problem.lower_bound(v, report.bound)
    certificate = Certificate(
        objective=objective,
        lower_bound=lower,
        scope="global",
        method=report.method,
        is_proof=report.is_proof,
        proved_lower_bound=lower if report.is_proof else 0.0,
        n_starts=report.n_starts,
        violation=max(report.bound / problem.alpha - 1.0, 0.0),
    )
    return certificate.or_proof(relaxed)


def proof_of(objective: float, lower_bound: float, method: str) -> Certificate:
    """Certificate of an objective with a proved bound over all networks."""
    return Certificate(objective, lower_bound, "global", method, True, lower_bound)


def reached_by(problem: DerivativeProblem, v: Array, masks: Masks, directions: Array) -> float:
    """The largest ``|vᵀDRu|`` over cells and unit vectors in them: a lower bound on ``M(v)``."""
    outputs = np.where(masks, directions @ problem.values.T, 0.0)
    return float(np.abs(outputs @ v).max(initial=0.0))


class CellSearch:
    """Cells with a large ``max {σ vᵀDRu : u in the cell, ‖u‖ ≤ 1}``, found by walks from random gates: estimates.

    The maximum over a cell is a projection. Samples and points whose hyperplanes it lies on are crossed, all of them
    or the one with the largest multiplier, as long as that raises the value.

    Parameters
    ----------
    problem : DerivativeProblem
    n_starts : int
        Random gates of each search.
    random : RandomState
    n_witnesses : int
        Largest number of patterns to return, the best ones.
    """

    def __init__(
        self,
        problem: DerivativeProblem,
        n_starts: int,
        random: np.random.RandomState,
        n_witnesses: int = 32,
    ) -> None:
        self.problem = problem
        self.n_starts = n_starts
        self.random = random
        self.n_witnesses = n_witnesses
        self._known: Masks = np.zeros((0, len(problem.gates)), dtype=bool)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Search at the dual point ``v``; patterns of the last call are starts as well."""
        gates = self.random.standard_normal((self.n_starts, self.problem.gates.shape[1]))
        masks = np.vstack([gates @ self.problem.gates.T >= 0, self._known])
        masks = masks[-self._most_starts(deadline) :]
        parts = [self._walk(v, masks, sign, deadline) for sign in (1.0, -1.0)]
        masks, directions, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        signs = np.repeat([1.0, -1.0], len(masks) // 2)
        order = strongest_first(values)
        keys = np.column_stack([masks[order], signs[order] > 0])
        order = order[first_of_each(keys)][: self.n_witnesses]
        self._known = masks[order]
        return OracleReport.of_search(
            masks,
            signs,
            directions,
            values,
            order,
            n_starts=self.n_starts,
            finished=time.perf_counter() < deadline,
        )

    def _most_starts(self, deadline: float) -> int:
        """How many starts have the time for their first projections, with both signs."""
        n, dim = self.problem.gates.shape
        held = min(n, dim)
        step = 2 * (_STEP_OF_PROJECTION * n * dim + _INVERSION * dim * held**2)
        left = deadline - time.perf_counter()
        return self.n_starts + self.n_witnesses if math.isinf(left) else max(int(left / step), 1)

    def _walk(
        self, v: Array, masks: Masks, sign: float, deadline: float
    ) -> tuple[Masks, Array, Array]:
        """Cross hyperplanes as long as values rise; final patterns, unit directions, values."""
        masks = masks.copy()
        found, all_held, largest = self._project(v, masks, sign)
        walking = np.arange(len(masks))
        for _ in range(_SWEEPS):
            if not len(walking) or time.perf_counter() > deadline:
                break
            rose = np.zeros(len(walking), dtype=bool)
            for ways in (all_held, largest):
                todo = walking[~rose]
                tried = self._beyond(found[todo], ways[todo])
                points, *beyond = self._project(v, tried, sign)
                better = norms(points) > norms(found[todo]) * (1 + 1e-9)
                kept = todo[better]
                masks[kept], found[kept] = tried[better], points[better]
                all_held[kept], largest[kept] = (way[better] for way in beyond)
                rose[~rose] = better
            walking = walking[rose]
        values = np.asarray(norms(found))
        return masks, found / np.where(values > 0, values, 1.0)[:, None], values

    def _beyond(self, points: Array, ways: Array) -> Masks:
        """Patterns a small step away: of a direction, so that they exist, whatever rows are repeated.

        A random part of the step takes it off the hyperplanes that it does not cross, such as those of opposite rows.
        Their zeros would make a pattern that no cell has.
        """
        ways = unit_rows(ways) + _OFF * self.random.standard_normal(ways.shape)
        gates = unit_rows(points) + _STEP * ways
        return gates @ self.problem.gates.T >= 0

    def _project(self, v: Array, masks: Masks, sign: float) -> tuple[Array, Array, Array]:
        """Maxima over cells, and ways across all hyperplanes that hold them, and across the one that holds most."""
        from convexrelu._utils.torch_import import torch
        from convexrelu.patterns.cone_projection import ConeProjector

        linear = sign * (masks @ (v[:, None] * self.problem.values))
        if not len(masks):
            return linear, linear, linear
        cones = ConeProjector(torch.from_numpy(self.problem.gates), torch.from_numpy(masks))
        index = torch.arange(len(masks))
        points = cones.project(torch.from_numpy(linear), index, 0.0).numpy()
        held, multipliers = cones.held.numpy(), cones.multipliers.numpy()
        most = held & (multipliers == multipliers.max(axis=1, keepdims=True))
        rows, is_held = cones.rows, cones.held
        if held.shape[1] > len(self.problem.gates):  # most places are empty
            used = held.any(axis=0)
            places = torch.from_numpy(np.flatnonzero(used))
            rows, is_held = rows[:, places], is_held[:, places]
            held, most = held[:, used], most[:, used]
        inverse = np.linalg.pinv(cones.signed(index, rows, is_held).numpy())
        ways = (np.where(crossed, -1.0, 1.0) * held for crossed in (held, most))
        across, one = (np.einsum("bij,bj->bi", inverse, way) for way in ways)
        return points, across, one
