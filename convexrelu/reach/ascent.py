r"""From a cell to one with a Jacobian of larger norm, again and again.

The norm is convex: with a subgradient :math:`G` at the Jacobian :math:`J`, every other one has
:math:`\|J'\| \ge \langle G, J' \rangle`. So the cell with the largest :math:`\langle G, J' \rangle`, which is linear in
the activities, has no smaller norm. The first :math:`G` are those where the norm is largest over all activities, also
over those that no input has.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.typing import Array
from convexrelu.reach.cells import Cell
from convexrelu.reach.corner_search import CornerSearch
from convexrelu.reach.functionals import LinearFunctionals
from convexrelu.reach.reached import Reached
from convexrelu.reach.sign_cores import SignCores

__all__ = ["Ascent"]

_STARTS = 256
_STEPS = 40  # of a start, among all activities
_BEST = 4  # starts that lead to cells
_MOST_STEPS = 20  # from cell to cell
_NODES = 100  # of the search for the best cell


class Ascent:
    """Search for a large norm in a two-layer network; all points on the way are taken."""

    def __init__(self, root: Cell, cores: SignCores, reached: Reached, deadline: float) -> None:
        self.root, self.cores, self.reached, self.deadline = root, cores, reached, deadline
        self.rng = np.random.default_rng(0)

    def from_point(self, point: Array) -> None:
        """Go up from a homogeneous point, as long as norms grow."""
        value = -math.inf
        for _ in range(_MOST_STEPS):
            active = self.reached.active(point)[None]
            here = float(self.reached.slopes.of_many(active)[0])
            if here <= value or time.perf_counter() > self.deadline:
                return
            value, gains = here, self.reached.slopes.along_steepest(active.astype(float))[0]
            point = self._best(gains, point)

    def from_largest(self) -> None:
        """Go up from the directions in which all activities give large norms."""
        if time.perf_counter() > self.deadline:
            return
        for gains in self._directions():
            self.from_point(self._best(gains, np.asarray(self.root.point)))

    def _directions(self) -> Iterator[Array]:
        """Different ones, the largest norm first."""
        slopes = self.reached.slopes
        n_products = 2 * _STARTS * slopes.generators.size  # of a step
        if not product_fits(n_products, self.deadline):
            return
        parts = self.rng.integers(0, 2, (_STARTS, len(self.root.signs))).astype(float)
        for _ in range(_STEPS):
            gains = slopes.along_steepest(parts)
            parts = (gains > 0).astype(float)
            if not product_fits(n_products, self.deadline):
                break
        values, first = np.unique(slopes.of_many(parts), return_index=True)
        yield from gains[first[np.argsort(-values)[:_BEST]]]

    def _best(self, gains: Array, point: Array) -> Array:
        """A point of a cell where the sum of the gains is large, this one if no other is found."""
        best, here = float(gains[self.reached.active(point)].sum()), point

        def take(other: Array, _: int) -> float:
            nonlocal best, here
            self.reached.take(other)
            value = float(gains[self.reached.active(other)].sum())
            if value > best:
                best, here = value, other
            return value

        functions = LinearFunctionals(np.zeros(1), gains[None], 0.0)
        search = CornerSearch(self.cores, functions, self.root.signs, best, take)
        search.run(self.deadline, _NODES)
        return here
