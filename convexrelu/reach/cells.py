r"""Cells of a network's inputs, on which it is affine: a tree of signs in the space of inputs.

A cell is the set of inputs where rectifiers have given signs. It is not empty inside if there is a ``y`` with all
constraints strictly satisfied. With inputs shifted and scaled, and homogeneous, ``y = (x, τ)``, all constraints have
unit rows ``ρ_k y ≥ 0``, and the program

.. math::  \max t \quad \text{s.t.} \quad s_k ρ_k y \ge t, \quad \|y\|_\infty \le 1

decides that, also for cells that are unbounded. A sign that an inner point of the parent has needs no program.

Cells with ``t ≤ 1e-12`` count as empty. These are the places where kinks meet or coincide, as those of equal,
opposite and parallel neurons do, up to the rounding of their weights. Cells up to 1e-9 are kept and called *thin*:
they count for bounds that are proved, and not for values that are reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.typing import Array
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.rectifiers import Rectifiers
from convexrelu.reach.safe_program import Bounds, LinearProgram

__all__ = ["Cell", "CellTree"]

_EMPTY = 1e-12  # above the rounding errors of unit rows, which are about 1e-15
_THIN = 1e-9  # from here on a point is clearly inside despite the solver's tolerances, 1e-10


@dataclass(frozen=True, eq=False)
class Cell:
    """Inputs with these signs: 1 for active rectifiers, −1 for inactive ones, 0 for those that are not decided.

    ``point`` is inside, in the homogeneous coordinates of the tree; None if the cell is thin.
    """

    signs: NDArray
    point: Array | None
    layer: _Layer


class _Layer:
    """Rectifiers of one layer over the cells of the layers before: their arguments are affine there."""

    def __init__(self, tree: CellTree, number: int, signs: NDArray, fixed: Array) -> None:
        self.number, self.fixed = number, fixed
        net = tree.network
        self.units = np.zeros(0, dtype=int)
        self.last = number == len(net.widths)
        if not self.last:
            units = list(net.layers())[number]
            self.units = np.arange(units.start, units.stop)
        slopes, constants = tree.affine(signs)
        rows = tree.homogeneous(slopes[self.units], constants[self.units])
        self.is_zero = norms(rows) <= _EMPTY * tree.sizes[self.units]
        self.rows = unit_rows(rows)

    @cached_property
    def program(self) -> LinearProgram:
        """Rows of the cell so far, and both sides of each rectifier, over ``(y, t)``."""
        parts = [(self.fixed, -1.0), (self.rows, -1.0), (self.rows, 1.0)]
        return LinearProgram(
            np.vstack([np.column_stack([rows, np.full(len(rows), t)]) for rows, t in parts])
        )

    def inside(self, signs: NDArray) -> tuple[Array | None, float]:
        """A point with these signs in the layer, and the proved bound on its margin ``t``."""
        signs = np.where(self.is_zero, 0, signs)
        n_fixed, n, size = len(self.fixed), len(self.rows), self.fixed.shape[1]
        open_ = np.full(n, np.inf)
        row_lower = np.concatenate([np.zeros(n_fixed), np.where(signs > 0, 0.0, -open_), -open_])
        row_upper = np.concatenate(
            [np.full(n_fixed, np.inf), open_, np.where(signs < 0, 0.0, open_)]
        )
        far = np.append(np.ones(size), float(size))
        objective = np.append(np.zeros(size), 1.0)
        bounds = Bounds(row_lower, row_upper, -far, np.append(np.ones(size), 1.0))
        answer = self.program.maximise(objective, bounds)
        return (None if answer.point is None else answer.point[:-1]), answer.bound

    def margin(self, point: Array, signs: NDArray) -> float:
        """Smallest constraint at a point."""
        inner = (self.rows @ point * signs)[(signs != 0) & ~self.is_zero]
        return float(min((self.fixed @ point).min(), inner.min(initial=np.inf)))


class CellTree:
    """The tree over the cells in a polytope, or in the whole space if that is None."""

    def __init__(self, network: Rectifiers, polytope: Polytope | None) -> None:
        self.network = network
        d = network.n_features
        self.centre, self.scale = np.zeros(d), np.ones(d)
        domain = np.zeros((0, d + 1))
        if polytope is not None:
            lower, upper = polytope.box()
            self.centre = lower + (upper - lower) / 2
            width = (upper - lower) / 2
            self.scale = np.where(width > 0, width, 1.0)
            A, b = polytope.rows
            domain = unit_rows(-self.homogeneous(A, -b))
        positive = np.eye(d + 1)[d:]
        self.domain = np.vstack([domain, positive])
        reach = np.abs(self.centre) + self.scale
        sizes = np.zeros(network.n_units)
        for layer in network.layers():
            before = slice(0, layer.start)
            sizes[layer] = np.abs(network.P[layer]) @ reach + np.abs(network.p[layer])
            sizes[layer] += np.abs(network.Q[layer, before]) @ sizes[before]
        self.sizes = sizes

    def homogeneous(self, rows: Array, constants: Array) -> Array:
        """``rows x + constants`` as rows of ``y = (u, τ)`` with ``x = centre + scale u``."""
        return np.column_stack([rows * self.scale, constants + rows @ self.centre])

    def inputs(self, point: Array) -> Array:
        """Inputs of homogeneous points."""
        return self.centre + self.scale * point[..., :-1] / point[..., -1:]

    def affine(self, signs: NDArray) -> tuple[Array, Array]:
        """``z`` as affine functions of the inputs where rectifiers have these signs."""
        net, active = self.network, signs > 0
        slopes, constants = net.P.copy(), net.p.copy()
        for layer in list(net.layers())[1:]:
            before = slice(0, layer.start)
            through = net.Q[layer, before] * active[before]
            slopes[layer] += through @ slopes[before]
            constants[layer] += through @ constants[before]
        return slopes, constants

    def root(self) -> Cell | None:
        """The cell without decisions; None if the polytope is flat, so that it has no inside."""
        signs = np.zeros(self.network.n_units, dtype=np.int8)
        layer = _Layer(self, 0, signs, self.domain)
        point, _ = layer.inside(np.zeros(len(layer.units), dtype=np.int8))
        if point is None or layer.margin(point, np.zeros(len(layer.units))) <= _THIN:
            return None
        return self._settled(Cell(signs, point, layer))

    def undecided(self, cell: Cell) -> NDArray:
        """Rectifiers of the cell's layer that are not decided."""
        return cell.layer.units[cell.signs[cell.layer.units] == 0]

    def children(self, cell: Cell, unit: int) -> Iterator[Cell]:
        """The cells that a rectifier divides this one into: one or two."""
        layer = cell.layer
        index = unit - layer.units[0]
        for sign in (1, -1):
            signs = cell.signs.copy()
            signs[unit] = sign
            point = cell.point
            if point is None or sign * (layer.rows[index] @ point) <= _THIN:
                point, bound = layer.inside(signs[layer.units])
                if bound <= _EMPTY:
                    continue
                if point is None or layer.margin(point, signs[layer.units]) <= _THIN:
                    point = None
            yield self._settled(Cell(signs, point, layer))

    def _settled(self, cell: Cell) -> Cell:
        """The cell in the next layer, once all rectifiers of its own are decided; zero ones are inactive."""
        while not cell.layer.last:
            layer = cell.layer
            cell.signs[layer.units[layer.is_zero]] = -1
            if len(self.undecided(cell)):
                break
            signs = cell.signs[layer.units]
            rows = (layer.rows * signs[:, None])[~layer.is_zero]
            fixed = np.vstack([layer.fixed, rows])
            cell = Cell(cell.signs, cell.point, _Layer(self, layer.number + 1, cell.signs, fixed))
        return cell

    def leaves(self) -> Iterator[Cell]:
        """All cells, of which thin ones have no point."""
        root = self.root()
        stack = [] if root is None else [root]
        while stack:
            cell = stack.pop()
            undecided = self.undecided(cell)
            if len(undecided):
                stack.extend(self.children(cell, int(undecided[0])))
            else:
                yield cell
