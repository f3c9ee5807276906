"""The largest norm of the Jacobian over the cells of a tree, best first, for all norms and depths.

A cell is divided at the undecided rectifier that moves its bound most, into the inputs where it is active and those
where it is not. Bounds are for all signs that are not decided (:mod:`convexrelu.reach.slopes`).
"""

from __future__ import annotations

from collections.abc import Callable

from convexrelu.reach.best_first import BestFirst
from convexrelu.reach.cells import Cell, CellTree
from convexrelu.reach.reached import Reached
from convexrelu.reach.slopes import Slopes

__all__ = ["CellSearch"]

_FIRST_CLIMB = 32  # cells after which the search for a large norm is repeated
_RARER = 2.0  # cells until the next time, relative to those until the last time


class CellSearch(BestFirst):
    """Search for the largest norm.

    Parameters
    ----------
    tree : CellTree
    slopes : Slopes
    reached : Reached
        Norms that are reached.
    root : Cell
    climb : callable
        Searches for larger norms; called again and again, less and less often.

    Attributes
    ----------
    n_cells : int
        Cells that have been examined, with the root.
    """

    def __init__(
        self,
        tree: CellTree,
        slopes: Slopes,
        reached: Reached,
        root: Cell,
        climb: Callable[[], None],
    ) -> None:
        super().__init__()
        self.tree, self.slopes, self.reached, self.climb = tree, slopes, reached, climb
        self.n_cells, self._next_climb = 1, float(_FIRST_CLIMB)
        for bound, corner in slopes.questions(root.signs, reached.value):
            self._add_cell(bound, root, corner)

    def _reached(self) -> float:
        return self.reached.value

    def _divide(self, above: float, cell: Cell, corner: int | None) -> None:
        if self.n_cells >= self._next_climb:
            self.climb()
            self._next_climb *= _RARER
        units = self.tree.undecided(cell)
        unit = int(units[self.slopes.influence(cell.signs, units, corner).argmax()])
        for sign in (1, -1):
            self._take_side(above, cell, corner, unit, sign)

    def _take_side(
        self, above: float, cell: Cell, corner: int | None, unit: int, sign: int
    ) -> None:
        """Add one side of a rectifier in a cell, unless its bound is too low or it is empty."""
        self.n_cells += 1
        signs = cell.signs.copy()
        signs[unit] = sign
        bound = min(self.slopes.bound(signs, self._enough, corner), above)
        if bound <= self._enough:  # whether it is empty does not matter
            self._close(bound)
            return
        child = self.tree.child(cell, unit, sign)
        if child is None:
            return
        if child.point is not None:
            self.reached.take(child.point)
        if (child.signs != signs).any():
            bound = min(self.slopes.bound(child.signs, self._enough, corner), bound)
        self._add_cell(bound, child, corner)

    def _add_cell(self, bound: float, cell: Cell, corner: int | None) -> None:
        if len(self.tree.undecided(cell)):
            self._add(bound, cell, corner)
        else:
            self._close(bound)
