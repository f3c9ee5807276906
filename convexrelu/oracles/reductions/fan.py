"""Proofs for several outputs from proofs for one."""

from __future__ import annotations

import heapq
import math
import time
from itertools import product

import numpy as np

from convexrelu._utils.norms import lipschitz_constant, norms
from convexrelu._utils.typing import Array
from convexrelu.networks.activation import activate
from convexrelu.oracles.base import Oracle, OracleReport, witnesses
from convexrelu.oracles.bounds.relaxation import RelaxationOracle
from convexrelu.patterns.cone_support import cone_support

__all__ = ["FanOracle"]


_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)
_DIGITS = 12  # rays that differ by rounding share a proof
_FLATTEST = 1e-9  # heights below this fraction of the largest are raised to it
_NARROWEST = 1e-5  # angle below which no cone is split
_ATTEMPTS = 4  # proofs at one ray: a refuted level is raised; no measurement is recorded
# Where proofs at rays have ended above the target, no cone of these rays gets below them. Cones are then split until
# the bound exceeds the target by so many times as much as the highest ray: more splitting gains less and less.
_OUT_OF_REACH = 2.0
_NOTED = 4  # witnesses of each proof that are kept
_N_WITNESSES = 64  # as for sweeps


class FanOracle:
    r"""``M(V)`` for ``R`` outputs, from bounds on the scalar ``H(g) = M(Vg)`` at some directions ``g``.

    ``H(g) = max_{‖u‖ ≤ 1} |gᵀVᵀφ(X̃u)|`` is convex, positively homogeneous and even, and its maximum over the unit
    sphere is ``M(V)``. On the cone of rays ``g_1, …, g_R``::

        H(Σ λ_j g_j) ≤ Σ λ_j H(g_j) ≤ Σ λ_j H_j = cᵀg        with  cᵀg_j = H_j

    for any proved ``H_j ≥ H(g_j)``. Over unit vectors of the cone, ``cᵀg`` is at most the length of the projection of
    ``c`` on it. A fan of such cones covers half the sphere, initially one per orthant; the cone with the largest
    bound is halved across its longest edge until none is above the target. Around a maximum, a cone of width
    ``δ`` overshoots by about ``δ²/8``.

    Parameters
    ----------
    prover : Oracle
        For one output; its reports should be proofs. An unproved bound is replaced by its `proved_bound`.
    search : Oracle
        Finds cuts, and the value of ``M(V)`` to which the bound is compared. Its proofs are used.
    design : array of shape (n, d̃)
        The rows ``x̃_i``.
    slope : float
        Negative slope of ``φ``.
    rtol : float
        Stop where the bound is below ``1 + rtol`` times the largest value found, unless a level is given.
    max_work : float
        Work of the prover, as it reports it, after which to stop.
    max_outputs : int
        With more outputs the prover is not called, and the bound is that of
        :class:`~convexrelu.oracles.RelaxationOracle`.

    Notes
    -----
    At ``R = 2`` about 10 to 40 scalar proofs suffice, at ``R = 3`` about a hundred; the number grows exponentially with
    ``R``. At every ray the prover receives the level that would be good enough there: its edge ``δ`` was split in the
    middle, and ``cos(δ/2)`` times the target keeps both halves below the target.

    In floating point, ``c`` is checked against all ``H_j`` and scaled to be above them, and errors of the product
    ``Vg`` are added to each.

    Where the prover gives up at a ray, with a bound above the target there, the target is out of reach. The bound of
    the cones is then driven down to twice the excess of the highest ray only.

    References
    ----------
    Conical subdivision is that of Tuy 1964; see Horst & Tuy, "Global Optimization", chapter VII.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.oracles import GeneralSearchOracle, SweepOracle
    >>> rng = np.random.default_rng(0)
    >>> design, V = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    >>> search = GeneralSearchOracle(design, random_state=0)
    >>> report = FanOracle(SweepOracle(design), search, design)(V)
    >>> report.is_proof, bool(report.values[0] <= report.bound < 1.001 * report.values[0])
    (True, True)
    """

    def __init__(
        self,
        prover: Oracle,
        search: Oracle,
        design: Array,
        *,
        slope: float = 0.0,
        rtol: float = 5e-4,
        max_work: float = math.inf,
        max_outputs: int = 8,
    ) -> None:
        self.prover = prover
        self.search = search
        self.design = design
        self.slope = slope
        self.rtol = rtol
        self.max_work = max_work
        self.max_outputs = max_outputs
        self._relaxation = RelaxationOracle(design, slope)

    def __call__(self, v: Array, *, level: float = 0.0, deadline: float = math.inf) -> OracleReport:
        """Price the dual point ``V`` of shape (n, R). With a `level`, a witness above it ends the proof as well."""
        found = self.search(v, level=level, deadline=deadline)
        rays = _Rays(self, v, level, found)
        largest = min(
            self._relaxation(v, deadline=deadline).bound,
            found.bound if found.is_proof else math.inf,
        )
        cones = [_Cone(np.eye(v.shape[1]), largest)]
        if v.shape[1] <= self.max_outputs:
            cones = [_Cone(np.eye(v.shape[1]) * signs, largest) for signs in _half_of_orthants(v)]
            rays.raise_all(cones, deadline)
        heapq.heapify(cones)
        while cones[0].bound > rays.target and not rays.refuted:
            if rays.work >= self.max_work or time.perf_counter() > deadline:
                break
            if not cones[0].can_improve or rays.are_close_to(cones[0].bound):
                break
            halves = heapq.heappop(cones).halved()
            rays.raise_all(halves, deadline)
            for half in halves:
                heapq.heappush(cones, half)
        masks, signs, directions, values = witnesses(self.design, v, rays.directions, self.slope)
        return OracleReport(
            bound=max(cone.bound for cone in cones),
            is_proof=True,
            scope=rays.scope,
            method=rays.method,
            masks=masks[:_N_WITNESSES],
            signs=signs[:_N_WITNESSES],
            directions=directions[:_N_WITNESSES],
            values=values[:_N_WITNESSES],
            n_starts=found.n_starts,
            finished=found.finished,
            work=rays.work,
        )


def _half_of_orthants(v: Array) -> list[Array]:
    """Signs of the orthants that cover the half-space ``g_1 ≥ 0``."""
    return [np.array([1.0, *signs]) for signs in product([1.0, -1.0], repeat=v.shape[1] - 1)]


class _Rays:
    """Proved heights ``H_j`` of the requested rays, and the values found on the way.

    Attributes
    ----------
    found : float
        The largest value of ``‖Vᵀφ(X̃u)‖`` so far.
    directions : array of shape (k, d̃)
        Directions with large values.
    """

    def __init__(self, oracle: FanOracle, v: Array, level: float, found: OracleReport) -> None:
        self.directions = found.directions[:0]
        self.work = 0
        self.scope, self.method = "global", "relaxation"
        self._oracle = oracle
        self._v = v
        self._level = level
        self._moments = np.zeros((0, v.shape[1]))
        self._heights: dict[tuple[float, ...], float] = {}
        self._rounding = 4 * v.shape[1] * _EPS * lipschitz_constant(oracle.design, v)
        self.found = _TINY
        self._note(found.directions)

    @property
    def target(self) -> float:
        """Bound to reach: the level, or slightly above the best value found if that is larger."""
        return self._level if self._level > self.found else (1 + self._oracle.rtol) * self.found

    def are_close_to(self, bound: float) -> bool:
        """Whether the target is out of reach, and the bound is not far above the rays that keep it there."""
        excess = max(self._heights.values(), default=0.0) - self.target
        return excess > 0 and bound - self.target <= _OUT_OF_REACH * excess

    @property
    def refuted(self) -> bool:
        """Whether a value above the level has been found."""
        return 0 < self._level * (1 + 1e-9) < self.found

    def raise_all(self, cones: list[_Cone], deadline: float) -> None:
        """Set the heights of some cones from those of their rays."""
        for cone in cones:
            cone.set_heights([self._height(ray, cone.share, deadline) for ray in cone.rays])

    def _height(self, ray: Array, share: float, deadline: float) -> float:
        """Proved bound on ``H``, from memory if available; infinite when time is up."""
        turned = ray if ray[np.argmax(ray != 0)] > 0 else -ray
        key = tuple((turned.round(_DIGITS) + 0.0).tolist())
        if key not in self._heights:
            if time.perf_counter() > deadline:
                return math.inf
            self._heights[key] = self._ask(turned, share, deadline) + self._rounding
        return self._heights[key]

    def _ask(self, ray: Array, share: float, deadline: float) -> float:
        """Let the prover bound ``H`` at a ray, at a level that it cannot refute."""
        height = math.inf
        for _ in range(_ATTEMPTS):
            known = float(np.abs(self._moments @ ray).max(initial=0.0))
            level = max(share * self.target, (1 + 0.25 * self._oracle.rtol) * known)
            report = self._oracle.prover(self._v @ ray, level=level, deadline=deadline)
            self.work += report.work
            self.scope, self.method = report.scope, report.method
            self._note(report.directions[:_NOTED])
            height = min(height, report.bound if report.is_proof else report.proved_bound)
            if np.abs(self._moments @ ray).max(initial=0.0) <= level or height <= level:
                break
        return height

    def _note(self, directions: Array) -> None:
        """Keep directions, which give lower bounds at other rays."""
        outputs = activate(directions @ self._oracle.design.T, self._oracle.slope)
        moments = outputs @ self._v
        self.found = max(self.found, float(norms(moments).max(initial=0.0)))
        self._moments = np.vstack([self._moments, moments])
        self.directions = np.vstack([self.directions, directions])


class _Cone:
    """The cone of some rays, the rows of a square matrix, and a bound on ``H`` over its unit vectors."""

    def __init__(self, rays: Array, bound: float, share: float | None = None) -> None:
        self.rays = rays
        self.bound = bound
        # Rays of an orthant at 1/√R of the target keep it below the target.
        self.share = (1 - 1e-6) * len(rays) ** -0.5 if share is None else share
        self.can_improve = False  # before there are heights

    def __lt__(self, other: _Cone) -> bool:
        return self.bound > other.bound

    def set_heights(self, heights: list[float]) -> None:
        """Bound ``H`` by a linear function that is above it on all rays."""
        highest = max(heights)
        self.bound = min(self.bound, _largest_on_cone(self.rays, np.array(heights)))
        products = self.rays @ self.rays.T
        self._edge = np.unravel_index(products.argmin(), products.shape)
        self._angle = math.acos(min(1.0, max(-1.0, float(products[self._edge]))))
        self.can_improve = self.bound > highest * (1 + 1e-12) and self._angle > _NARROWEST

    def halved(self) -> list[_Cone]:
        """Both halves across the longest edge."""
        middle = self.rays[self._edge[0]] + self.rays[self._edge[1]]
        middle /= np.linalg.norm(middle)
        share = math.cos(0.5 * self._angle)
        halves = []
        for end in self._edge:
            rays = self.rays.copy()
            rays[end] = middle
            halves.append(_Cone(rays, self.bound, share))
        return halves


def _largest_on_cone(rays: Array, heights: Array) -> float:
    """Maximum over unit vectors of the cone of a linear function that is at least `heights` on its rays."""
    highest = float(heights.max())
    if not 0 < highest < math.inf:
        return highest
    c = np.asarray(
        np.linalg.solve(rays, np.maximum(heights / highest, _FLATTEST)), dtype=np.float64
    )
    products = rays @ c
    if not (products > 0).all():
        return math.inf
    c *= (heights / highest / products).max() * (1 + 16 * len(c) * _EPS)
    walls = np.asarray(np.linalg.inv(rays).T, dtype=np.float64)
    walls /= norms(walls)[:, None]
    bound, _, multipliers = cone_support(c, walls)
    # By how much a unit vector of the cone can be outside a wall: its coefficients sum to √R at most.
    outside = len(c) ** 0.5 * max(0.0, -float((walls @ rays.T).min())) + 8 * len(c) * _EPS
    return highest * (bound + outside * float(multipliers.sum())) * (1 + 16 * len(c) * _EPS)
