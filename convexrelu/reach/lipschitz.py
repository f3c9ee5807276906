r"""The Lipschitz constant of a network: the largest norm of its Jacobian over all cells of its inputs.

A network is affine on each cell, and continuous. So on a convex set with an inside, the smallest ``L`` with
``‖f(x) − f(x')‖ ≤ L ‖x − x'‖`` is the maximum of the operator norm ``‖J‖`` over the cells that have an inside in
common with the set. The tree over signs (:mod:`convexrelu.reach.cells`) leaves out signs that no input has; bounds
for undecided rectifiers (:mod:`convexrelu.reach.slopes`) leave out cells whose norm is not larger than one that is
already reached. In networks of two layers, signs that exclude each other make bounds sharper
(:mod:`convexrelu.reach.corner_search`), or cells are left out faster by them
(:mod:`convexrelu.reach.euclidean_search`), where that code has been compiled.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.deadlines import svd_fits
from convexrelu._utils.typing import Array
from convexrelu.reach.ascent import Ascent
from convexrelu.reach.cell_search import CellSearch
from convexrelu.reach.cells import Cell, CellTree
from convexrelu.reach.corner_search import CornerSearch
from convexrelu.reach.euclidean_search import EuclideanSearch
from convexrelu.reach.functionals import Functionals
from convexrelu.reach.output_range import deadline_after
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.reached import Reached
from convexrelu.reach.rectifiers import as_rectifiers
from convexrelu.reach.sign_cores import SignCores
from convexrelu.reach.slopes import Slopes, unit_of_slopes
from convexrelu.reach.steepest import Climber

__all__ = ["LipschitzConstant", "lipschitz_constant"]

_DIVES = 4  # of a search, as long as they find larger norms


@dataclass(frozen=True, eq=False)
class LipschitzConstant:
    """Bounds on a Lipschitz constant; ``float(...)`` is the upper one.

    Attributes
    ----------
    lower : float
        Norm of the Jacobian at `point`.
    upper : float
        Proved: no cell has a larger norm.
    is_exact : bool
        Whether both bounds agree to a relative 1e-9, or to rounding.
    point : array of shape (d,) or None
        An input in the interior of a cell.
    jacobian : array of shape (K, d)
        The Jacobian there.
    n_cells : int
        Cells and groups of cells that were examined; groups for the norm 2 are examined once or twice.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import lipschitz_constant
    >>> constant = lipschitz_constant(TwoLayerNetwork([[2.0]], [0.0], [[1.5]], [0.0]))
    >>> float(constant), constant.jacobian
    (3.0, array([[3.]]))
    """

    lower: float
    upper: float
    is_exact: bool
    point: Array | None
    jacobian: Array
    n_cells: int

    def __float__(self) -> float:
        return self.upper


def lipschitz_constant(
    network: Any,
    norm: float = 2,
    *,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
    A: ArrayLike | None = None,
    b: ArrayLike | None = None,
    time_limit: float | None = 50.0,
) -> LipschitzConstant:
    """Smallest ``L`` with ``‖f(x) − f(x')‖ ≤ L ‖x − x'‖``, everywhere or on a polytope, in one norm.

    For one output that is the largest dual norm of the gradient: ``max_i |g_i|`` for ``norm=1``, ``‖g‖_2`` for
    ``norm=2`` and ``Σ_i |g_i|`` for ``norm=inf``.

    Parameters
    ----------
    network : TwoLayerNetwork, fitted estimator or torch ``Sequential``
        As for :func:`output_range`.
    norm : 1, 2 or inf
        Norm of inputs and outputs.
    lower, upper, A, b : optional
        A box and linear constraints, as for :func:`output_range`. Without them, the constant is for all inputs.
    time_limit : float, optional
        Seconds. If it ends the search, the bounds differ; both are still proved.

    Returns
    -------
    LipschitzConstant
        With ``lower``, ``upper`` and ``is_exact``.

    Notes
    -----
    Cells that are no thicker than 1e-12, relative to the size of the polytope or of the weights, count as empty,
    because kinks of equal, opposite and parallel neurons are computed up to rounding.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import lipschitz_constant
    >>> tent = TwoLayerNetwork([[1.0], [1.0]], [0.0, -1.0], [[1.0, -2.0]], [0.0])
    >>> constant = lipschitz_constant(tent)
    >>> constant.lower, constant.is_exact
    (1.0, True)
    >>> opposite = TwoLayerNetwork([[1.0], [-1.0]], [0.0, 0.0], [[1.0, -1.0]], [0.0])  # a line, as (t)₊ − (−t)₊ = t
    >>> lipschitz_constant(opposite).lower
    1.0
    """
    deadline = deadline_after(time_limit)
    net = as_rectifiers(network)
    if norm not in (1, 2, math.inf):
        raise ValueError(f"norm={norm!r} is not known; available: 1, 2, inf")
    polytope = None
    if any(part is not None for part in (lower, upper, A, b)):
        polytope = Polytope(A, b, lower=lower, upper=upper, dim=net.n_features)
    unit = unit_of_slopes(net)
    net = replace(net, B=net.B / unit, C=net.C / unit)  # constants have no slopes
    found = _Search(CellTree(net, polytope, deadline), Slopes(net, norm, deadline), deadline).run()
    return replace(
        found, lower=found.lower * unit, upper=found.upper * unit, jacobian=found.jacobian * unit
    )


class _Search:
    def __init__(self, tree: CellTree, slopes: Slopes, deadline: float) -> None:
        self.tree, self.slopes, self.deadline = tree, slopes, deadline
        self.reached = Reached(tree, slopes)
        self.bound, self.n_cells = 0.0, 1
        self.cores: SignCores | None = None
        self.ascent: Ascent | None = None

    def run(self) -> LipschitzConstant:
        root = self.tree.root()
        if root is None:
            raise ValueError(
                "polytope is flat, expected one with an interior, on which the network has slopes"
            )
        layer = root.layer  # the last one if no rectifier is to be decided
        if self.slopes.is_zonotope and not layer.last and SignCores.are_available():
            self.cores = SignCores(layer.fixed, layer.rows, layer.is_constant)
            self.ascent = Ascent(root, self.cores, self.reached, self.deadline)
        climber = Climber(self.tree, self.slopes, root, self.deadline)
        self.reached.take(np.asarray(root.point))
        self._climb(climber, root)
        corners = None if self.cores is None else self.slopes.corners(self.reached.value)
        if self.cores is not None and corners is not None:
            self._search_corners(root, self.cores, corners)
        elif self.cores is not None and self.ascent is not None and self.slopes.norm == 2:
            self._search_norms(root, self.cores, self.ascent)
        else:
            self._search_cells(root, climber)
        return self._answer()

    def _search_corners(self, root: Cell, cores: SignCores, corners: Functionals) -> None:
        """Norms that are maxima of few linear functions, by what signs that no input has cost them."""
        search = CornerSearch(
            *(cores, corners, root.signs, self.reached.value),
            lambda point, _: self.reached.take(point),
        )
        search.run(self.deadline)
        self.bound = search.bound
        self.n_cells += search.n_nodes

    def _search_norms(self, root: Cell, cores: SignCores, ascent: Ascent) -> None:
        """Euclidean norms, by weights and cores that each node improves."""
        m, d = root.signs.size, self.slopes.generators[0].size
        if not svd_fits((m + 1, d), self.deadline):  # for coordinates in the span of the slopes
            self.bound = self.slopes.bound(root.signs, self.reached.value)
            return
        search = EuclideanSearch(cores, self.reached, root.signs, ascent.from_point)
        search.run(self.deadline)
        self.bound = search.bound
        self.n_cells += search.n_nodes

    def _search_cells(self, root: Cell, climber: Climber) -> None:
        """All norms, by bounds for all signs that are not decided."""
        parts = self.tree, self.slopes, self.reached, root
        search = CellSearch(*parts, lambda: self._climb(climber, root))
        search.run(self.deadline)
        self.bound, self.n_cells = search.bound, search.n_cells

    def _climb(self, climber: Climber, root: Cell) -> None:
        """Search for a larger norm: from a steep point, by the signs that its norm asks for, as far as they exist."""
        point = climber.point()
        self.reached.take(point)
        if not climber.has_gradients:
            return
        if self.ascent is not None:
            self.ascent.from_point(point)
            self.ascent.from_largest()
            return
        for _ in range(_DIVES):
            before = self.reached.value
            active = self.reached.active(point)[None].astype(float)
            cell = self._dive(root, self.slopes.along_steepest(active)[0])
            if cell is None or cell.point is None:
                break
            point = cell.point
            self.reached.take(point)
            if self.reached.value <= before:
                break

    def _dive(self, root: Cell, gains: Array) -> Cell | None:
        """A cell whose signs are those of the gains, the largest ones first, where there are inputs with them."""
        units = self.tree.undecided(root)
        cell: Cell | None = root
        for unit in units[np.argsort(-np.abs(gains[units]))].tolist():
            if cell is None or time.perf_counter() > self.deadline:
                return None
            sign = 1 if gains[unit] > 0 else -1
            cell = self.tree.child(cell, unit, sign) or self.tree.child(cell, unit, -sign)
        return cell

    def _answer(self) -> LipschitzConstant:
        jacobian = self.tree.network.gradients(self.reached.signs > 0)
        lower = max(self.reached.value, 0.0)
        upper = float(max(self.bound, lower))
        is_exact = bool(upper - lower <= 1e-9 * upper + 2 * self.slopes.rounding)
        return LipschitzConstant(lower, upper, is_exact, self.reached.point, jacobian, self.n_cells)
