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

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.norms import norms, unit_rows
from convexrelu._utils.typing import Array
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.rectifiers import Rectifiers
from convexrelu.reach.safe_program import Answer, Bounds, LinearProgram, writing_fits

__all__ = ["Cell", "CellTree"]

_EMPTY = 1e-12  # above the rounding errors of unit rows, which are about 1e-15
_FARTHEST = 1e15  # distances of kinks, as large as entries of programs may be
_ROUNDED = 1e-14  # part of the terms of a slope that may be rounding
_THIN = 1e-9  # from here on a point is clearly inside despite the solver's tolerances, 1e-10


@dataclass(frozen=True, eq=False)
class Cell:
    """Inputs with these signs: 1 for active rectifiers, −1 for inactive ones, 0 for those that are not decided.

    ``point`` is inside, in the homogeneous coordinates of the tree; None if the cell is thin.
    """

    signs: NDArray
    point: Array | None
    layer: _Layer
    basis: Any = None  # of the program that found a point in this cell, or in one around it


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
        slopes, constants = (part[self.units] for part in tree.affine(signs))
        rows = tree.homogeneous(slopes, constants)
        self.is_constant = norms(slopes * tree.scale) <= _ROUNDED * tree.sizes[self.units]
        self.signs_of_constants = np.where(constants + slopes @ tree.centre > 0, 1, -1)
        # In the whole space only directions count: a kink that is far away is no thinner for it.
        lengths = norms(rows if tree.is_bounded else rows[:, :-1])
        self.rows = rows / np.where(self.is_constant, 1.0, lengths)[:, None]
        if not (np.abs(self.rows[:, -1:]) <= _FARTHEST).all():
            raise ValueError(
                f"network has a neuron whose bias is more than {_FARTHEST:.0e} times its weights: its kink is too far "
                "away to search the whole space; give a box, by lower and upper"
            )

    @cached_property
    def program(self) -> LinearProgram:
        """Rows of the cell so far, and both sides of each rectifier, over ``(y, t)``."""
        parts = [(self.fixed, -1.0), (self.rows, -1.0), (self.rows, 1.0)]
        G = np.vstack([np.column_stack([rows, np.full(len(rows), t)]) for rows, t in parts])
        G[0, -1] = 0.0  # τ ≥ 0
        return LinearProgram(G)

    def inside(self, signs: NDArray, basis: Any = None, deadline: float = math.inf) -> Answer:
        """A point with these signs in the layer, and the proved bound on its margin ``t``.

        Without the time for the program there is no point, and the bound is that of all ``y``.
        """
        size = (len(self.fixed) + 2 * len(self.rows)) * self.fixed.shape[1]
        if not writing_fits(size, deadline):
            return Answer(None, 1.0)
        signs = np.where(self.is_constant, 0, signs)
        n_fixed, n, size = len(self.fixed), len(self.rows), self.fixed.shape[1]
        open_ = np.full(n, np.inf)
        row_lower = np.concatenate([np.zeros(n_fixed), np.where(signs > 0, 0.0, -open_), -open_])
        row_upper = np.concatenate(
            [np.full(n_fixed, np.inf), open_, np.where(signs < 0, 0.0, open_)]
        )
        least = np.append(-np.ones(size), 0.0)  # y = 0, t = 0 satisfies all constraints
        objective = np.append(np.zeros(size), 1.0)
        bounds = Bounds(row_lower, row_upper, least, np.ones(size + 1))
        answer = self.program.maximise(
            objective, bounds, basis, sharp_below=_THIN, deadline=deadline
        )
        if answer.point is None:
            return answer
        point = answer.point[:-1].copy()
        # Inputs are finite where τ > 0; this takes at most a quarter of the margin.
        farthest = np.abs(np.vstack([self.fixed, self.rows])[:, -1]).max()
        point[-1] = max(point[-1], abs(answer.point[-1]) / (4 * farthest), np.finfo(float).tiny)
        return answer._replace(point=point)

    def margin(self, point: Array, signs: NDArray) -> float:
        """Smallest constraint at a point."""
        inner = (self.rows @ point * signs)[(signs != 0) & ~self.is_constant]
        outer = self.fixed[1:] @ point
        return float(min(outer.min(initial=np.inf), inner.min(initial=np.inf)))


class CellTree:
    """The tree over the cells in a polytope, or in the whole space if that is None.

    Cells for which there is no time before the deadline are taken for thin ones.
    """

    def __init__(
        self, network: Rectifiers, polytope: Polytope | None, deadline: float = math.inf
    ) -> None:
        self.network, self.polytope, self.deadline = network, polytope, deadline
        d = network.n_features
        self.centre, self.scale = np.zeros(d), np.ones(d)
        domain = np.zeros((0, d + 1))
        self.is_bounded = polytope is not None
        if polytope is not None:
            lower, upper = polytope.box(deadline)
            self.centre = lower + (upper - lower) / 2
            width = (upper - lower) / 2
            self.scale = np.where(width > 0, width, 1.0)
            A, b = polytope.rows
            domain = unit_rows(-self.homogeneous(A, -b))
        positive = np.eye(d + 1)[d:]
        self.domain = np.vstack([positive, domain])
        self.sizes = np.zeros(network.n_units)  # of slopes
        for layer in network.layers():
            through = np.abs(network.Q[layer, : layer.start]) @ self.sizes[: layer.start]
            self.sizes[layer] = np.abs(network.P[layer]) @ self.scale + through

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
        nothing = np.zeros(len(layer.units), dtype=np.int8)
        point, bound, basis = layer.inside(nothing, deadline=self.deadline)
        if point is None and bound > _THIN and self._has_ball:  # no time
            point = self._middle()
        elif point is None or layer.margin(point, np.zeros(len(layer.units))) <= _THIN:
            return None
        return self._settled(Cell(signs, point, layer, basis))

    @property
    def _has_ball(self) -> bool:
        """Whether there clearly is a ball inside, which the box around it may dwarf where it could not be tightened."""
        if self.polytope is None:
            return True
        ball = self.polytope.ball
        return ball.radius > _THIN * (1.0 + float(np.abs(ball.centre).max(initial=0.0)))

    def _middle(self) -> Array:
        """A homogeneous point inside."""
        middle = self.centre if self.polytope is None else self.polytope.middle
        return np.append((middle - self.centre) / self.scale, 1.0)

    def undecided(self, cell: Cell) -> NDArray:
        """Rectifiers of the cell's layer that are not decided."""
        return cell.layer.units[cell.signs[cell.layer.units] == 0]

    def children(self, cell: Cell, unit: int) -> Iterator[Cell]:
        """The cells that a rectifier divides this one into: one or two."""
        for sign in (1, -1):
            child = self.child(cell, unit, sign)
            if child is not None:
                yield child

    def child(self, cell: Cell, unit: int, sign: int) -> Cell | None:
        """The part of a cell where a rectifier has this sign; None if it is empty."""
        layer = cell.layer
        index = unit - layer.units[0]
        signs = cell.signs.copy()
        signs[unit] = sign
        point, basis = cell.point, cell.basis
        if point is None or sign * (layer.rows[index] @ point) <= _THIN:
            point, bound, basis = layer.inside(signs[layer.units], basis, self.deadline)
            if bound <= _EMPTY:
                return None
            if point is None or layer.margin(point, signs[layer.units]) <= _THIN:
                point = None
        return self._settled(Cell(signs, point, layer, basis))

    def _settled(self, cell: Cell) -> Cell:
        """The cell in the next layer, once all rectifiers of its own are decided; constants have their sign."""
        while not cell.layer.last:
            layer = cell.layer
            constant = layer.is_constant
            cell.signs[layer.units[constant]] = layer.signs_of_constants[constant]
            if len(self.undecided(cell)):
                break
            signs = cell.signs[layer.units]
            rows = (layer.rows * signs[:, None])[~layer.is_constant]
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
