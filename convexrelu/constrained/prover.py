"""Proofs of ``M(v) ≤ M̂`` over a class, by branch and bound on its penalised functions."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property

import numpy as np

from convexrelu._utils.deadlines import svd_fits
from convexrelu._utils.norms import lipschitz_constant
from convexrelu._utils.typing import Array
from convexrelu.constrained.penalised import Penalised
from convexrelu.oracles.base import Oracle, OracleReport
from convexrelu.oracles.bounds.growth import grow_all
from convexrelu.oracles.bounds.tree import Goal, Tree, rounding_of
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["ClassProver"]

_RTOL = 1e-4  # as for BranchAndBoundOracle
_TINY = float(np.finfo(np.float64).tiny)


class ClassProver:
    """Upper bounds on ``M(v)`` over a class, valid whenever they end.

    One tree of boxes for each sign bounds ``h_s``, which is at least the function of the class: see
    :mod:`convexrelu.constrained.penalised`. Rounding errors are bounded for the rows and the entries of ``h_s``, with
    the penalties, as in :class:`~convexrelu.oracles.BranchAndBoundOracle`.

    Parameters
    ----------
    penalised : Penalised
    search : Oracle
        Finds cuts, and the value to which the bound is compared.
    max_work : float
        Work after which to stop.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.constrained.neuron_class import NeuronClass
    >>> from convexrelu.constrained.search import ClassSearch
    >>> penalised = Penalised(np.eye(2), NeuronClass([1, 0], positive=True), 0.0)
    >>> search = ClassSearch(penalised, n_starts=8, n_polish=4, random=np.random.RandomState(0))
    >>> report = ClassProver(penalised, search)(np.array([3.0, 4.0]))
    >>> round(report.bound, 3), report.is_proof, report.scope
    (5.0, True, 'monotone_positive')
    """

    def __init__(self, penalised: Penalised, search: Oracle, *, max_work: float = math.inf) -> None:
        self.penalised = penalised
        self.search = search
        self.max_work = max_work
        self._rows = [penalised.rows(sign) for sign in penalised.signs]

    @cached_property
    def _spaces(self) -> list[RowSpace]:
        return [RowSpace.of(rows) for rows in self._rows]

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,). With a `level`, a witness above it ends the search as well.

        Where the boxes have no time before the deadline, the bound is that in closed form.
        """
        penalised = self.penalised
        found = self.search(v, level=level, deadline=deadline)
        points = [penalised.weights(sign, v) for sign in penalised.signs]
        closed = [penalised.closed_form(sign, v, deadline) for sign in penalised.signs]
        largest = max(float(found.values.max(initial=0.0)), 1e-12 * max(closed), _TINY)
        n_rows, dim = (
            sum(sizes) for sizes in zip(*(rows.shape for rows in self._rows), strict=True)
        )
        if not svd_fits((n_rows, dim), deadline):
            return replace(self._report(v, found, [], max(closed)), method="relaxation")
        padding = max(map(self._padding, self._rows, self._spaces, points)) + penalised.rounding(v)
        # Bounds are to be at most the level after they have been padded.
        goal = Goal(max(level - 2 * padding, 0.0), _RTOL, largest, deadline)
        trees = [
            Tree(goal, sign, point, space.coordinates, bound)
            for sign, point, space, bound in zip(
                penalised.signs, points, self._spaces, closed, strict=True
            )
        ]
        grow_all(trees, goal, self.max_work, deadline)
        bound = max(tree.bound for tree in trees) + padding
        return self._report(v, found, trees, min(bound, max(closed)))

    def _padding(self, rows: Array, space: RowSpace, v: Array) -> float:
        """Of rounding, as :class:`~convexrelu.oracles.BranchAndBoundOracle` has it, for a penalised function."""
        rounding = rounding_of(space.coordinates.shape) * lipschitz_constant(rows, v)
        return rounding + float(np.abs(v) @ space.residual)

    def _report(
        self, v: Array, found: OracleReport, trees: list[Tree], bound: float
    ) -> OracleReport:
        points = [
            np.reshape(tree.witnesses, (len(tree.witnesses), space.rank)) @ space.basis.T
            for tree, space in zip(trees, self._spaces if trees else [], strict=True)
        ]
        signs = [np.full(len(part), tree.sign) for part, tree in zip(points, trees, strict=True)]
        report = self.penalised.report(
            v, np.vstack([found.directions, *points]), np.concatenate([found.signs, *signs])
        )
        return replace(
            report,
            bound=bound,
            is_proof=True,
            method="branch_and_bound",
            n_starts=found.n_starts,
            finished=found.finished,
            work=int(sum(tree.work + tree.work_of_rules for tree in trees)),
        )
