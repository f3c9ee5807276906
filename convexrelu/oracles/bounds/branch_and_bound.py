"""Branch and bound: proofs of ``M(v) ≤ M̂`` where the cells are too many to list."""

from __future__ import annotations

import math
import numbers
import sys
import time

import numpy as np

from convexrelu._utils.arguments import check_number
from convexrelu._utils.norms import lipschitz_constant
from convexrelu._utils.typing import Array
from convexrelu.oracles.base import Oracle, OracleReport, strongest_first
from convexrelu.oracles.bounds.growth import grow_all
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.oracles.bounds.tree import Goal, Tree, rounding_of
from convexrelu.oracles.search.one_output import SearchOracle
from convexrelu.patterns.activation import first_of_each
from convexrelu.patterns.enumerate import RowSpace

__all__ = ["BranchAndBoundOracle"]

_TINY = float(np.finfo(np.float64).tiny)

_N_WITNESSES = 64  # as for sweeps


class BranchAndBoundOracle:
    r"""Upper bounds on ``M(v)`` from boxes that cover the sphere: valid whenever the search stops.

    ``h(u) = vᵀ relu(X̃u)`` is positively homogeneous, so that ``M(v) ≤ T`` if ``h(u) ≤ T‖u‖`` on the faces ``u_k =
    ±1`` of the cube. ``h = P − N`` is a difference of convex functions. On a box of a face, ``N(u) + T‖u‖`` is at least
    a linear function ``pᵀu``, and the convex ``P(u) − pᵀu`` is largest at a corner: a box where it is negative at all
    corners is closed. Among many ``p`` a good one is found by a few steps; what the tables of corners exclude is cut
    off; the others are halved. :mod:`convexrelu.oracles.bounds.corner_bound` has the derivation.

    In proofs that take longer than a second, affine rules (:class:`~convexrelu.oracles.AffineOracle`) bound the whole
    sphere as well, again and again with more steps: the bound of a proof that stops early is the smaller one.

    The boxes with the largest bounds come first, so that the bound falls all the time. It is compared to the level, or
    to the largest value found. The points where boxes stay open are tried as witnesses.

    Parameters
    ----------
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    search : Oracle, optional
        Finds cuts, and the value to which the bound is compared. By default a
        :class:`~convexrelu.oracles.SearchOracle`.
    rtol : float
        Stop where the bound is below ``1 + rtol`` times the largest value found, unless a level is given.
    max_work : float
        Work after which to stop, about the number of additions; compiled code does some 10⁹ in a second, NumPy a tenth.
        Where random dives predict that it does not suffice, it stops after a twentieth.
    random_state : int, RandomState or None
        Seed of the default search.
    device : str
        Device that bounds the boxes: ``"cpu"`` for compiled code or NumPy, or else any device of torch, such as
        ``"cuda"``, in double precision.
    n_jobs : int, optional
        Workers of joblib that share long proofs. By default as many as :func:`joblib.parallel_config` says, and this
        process alone outside of it. See :doc:`/processes`.

    Notes
    -----
    The number of boxes grows exponentially with the rank, and with ``Σ|v_i|‖x̃_i‖ / M(v)``: see ``python -m
    benchmarks.pricing.bench_proofs``. Boxes are explored in compiled code, on all cores, where the package was
    installed with a compiler, and in NumPy otherwise.

    In floating point: boxes, slopes and ``û`` are valid as they are stored, and the rounding errors of all tables and
    products are below ``16 (n + r) √r ε Σ|v_i|‖x̃_i‖``, which is added to the bound, as is the residual of the rows
    outside their row space.

    References
    ----------
    The problem is that of Ergen & Pilanci 2021, "Convex Geometry and Duality of Over-parameterized Neural Networks",
    section 2, NP-hard by Remark 3. Covering the sphere by faces of a cube and bounding homogeneous functions on their
    boxes follows the conical algorithms of Tuy 1964 and Horst & Tuy, "Global Optimization", chapter VII.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> design, v = rng.standard_normal((30, 4)), rng.standard_normal(30)
    >>> report = BranchAndBoundOracle(design, random_state=0)(v)
    >>> report.is_proof, bool(report.bound < 1.0002 * report.values[0])
    (True, True)
    """

    def __init__(
        self,
        design: Array,
        *,
        search: Oracle | None = None,
        rtol: float = 1e-4,
        max_work: float = math.inf,
        random_state: int | np.random.RandomState | None = None,
        device: str = "cpu",
        n_jobs: int | None = None,
    ) -> None:
        self.design = design
        if search is None:
            search = SearchOracle(design, random_state=random_state, device=device)
        self.search = search
        self.rtol = rtol
        self.max_work = max_work
        if device != "cpu":
            from convexrelu._utils.torch_import import check_device  # torch takes seconds to import

            check_device(device)
        self.device = device
        if n_jobs is not None:
            check_number("n_jobs", n_jobs, numbers.Integral, -sys.maxsize)
            if n_jobs == 0:
                raise ValueError("n_jobs=0 is not a number of workers; -1 stands for all cores")
        self.n_jobs = n_jobs
        self._space = RowSpace.of(design)
        self._relaxation = RelaxationOracle(design)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``v`` of shape (n,). With a `level`, a witness above it ends the search as well."""
        found = self.search(v, level=level, deadline=deadline)
        floor = max(1e-12 * self._relaxation(v).bound, _TINY)
        largest = max(float(found.values.max(initial=0.0)), floor)
        goal, rows = Goal(level, self.rtol, largest, deadline), self._space.coordinates
        trees = [
            Tree(goal, sign, sign * v, rows, self._relaxation.one_sign(sign * v), self.device)
            for sign in (1.0, -1.0)
        ]
        grow_all(trees, goal, self.max_work, deadline, self.n_jobs)
        self._relax(trees, goal)
        return self._report(v, found, trees)

    def _relax(self, trees: list[Tree], goal: Goal) -> None:
        """Lower the bounds of trees that were left early, for as much work as before, if there is time for it."""
        spent = sum(tree.work + tree.work_of_rules for tree in trees)
        share = min(spent, self.max_work - spent) / len(trees)
        left_early = max(trees, key=lambda tree: tree.bound).can_improve and not goal.refuted
        for tree in trees:
            if left_early and tree.bound > goal.target and time.perf_counter() < goal.deadline:
                tree.relax_once(share)

    def _report(self, v: Array, found: OracleReport, trees: list[Tree]) -> OracleReport:
        rank = self._space.rank
        points = [np.reshape(tree.witnesses, (len(tree.witnesses), rank)) for tree in trees]
        own_signs = [np.full(len(part), t.sign) for part, t in zip(points, trees, strict=True)]
        directions = np.vstack([found.directions, np.vstack(points) @ self._space.basis.T])
        signs = np.concatenate([found.signs, *own_signs])
        outputs = directions @ self.design.T
        values = signs * (np.maximum(outputs, 0.0) @ v)
        order = strongest_first(values)
        order = order[first_of_each(np.column_stack([outputs >= 0, signs > 0])[order])]
        order = order[:_N_WITNESSES]
        return OracleReport(
            bound=max(tree.bound for tree in trees) + self._padding(v),
            is_proof=True,
            scope="global",
            method="branch_and_bound",
            masks=outputs[order] >= 0,
            signs=signs[order],
            directions=directions[order],
            values=values[order],
            n_starts=found.n_starts,
            finished=found.finished,
            work=int(sum(tree.work + tree.work_of_rules for tree in trees)),
        )

    def _padding(self, v: Array) -> float:
        rounding = rounding_of(self._space.coordinates.shape) * lipschitz_constant(self.design, v)
        return rounding + float(np.abs(v) @ self._space.residual)
