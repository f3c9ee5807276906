r"""The largest Euclidean norm of the Jacobians of a two-layer network, over the cells of its inputs.

With some rectifiers decided the Jacobians are a zonotope, :math:`J_0 + \sum_j t_j U_j` with :math:`|t_j| \le 1`. Let
the generators, :math:`J_0` among them, be the rows :math:`u_j` of :math:`U`. Any weights give a bound, see
:mod:`convexrelu.reach.slopes`,

.. math::

   \max_{|t_j| \le 1} \| U^\top t \|_2 \le \Bigl( \sum_j w_j \; λ_{\max}(U^\top W^{-1} U) \Bigr)^{1/2} ,

and the best ones are :math:`w_j = \|Z u_j\|` where :math:`Z = V^\top U` is the largest sum for unit vectors
:math:`v_j` in the place of the :math:`t_j`. Each step :math:`v_j = Z u_j / \|Z u_j\|` makes it larger, and takes two
products of matrices. A node goes on from the :math:`Z` of its parent, decides the rectifier of the largest weight, and
leaves out signs that no input has (:mod:`convexrelu.reach.sign_cores`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.best_first import BestFirst
from convexrelu.reach.reached import Reached
from convexrelu.reach.sign_cores import SignCores
from convexrelu.reach.slopes import largest_eigenvalue

__all__ = ["EuclideanSearch"]

_ROUNDING = 1e-13  # relative, of sums and eigenvalues
_RANK = 6  # of the unit vectors
_FIRST_STEPS = 100
_STEPS = 4  # of a node
_LEAST = 1e-9  # of weights, relative to their sum
_FIRST_CLIMB = 3000  # nodes after which the search for a large norm is repeated
_RARER = 10.0  # nodes until the next time, relative to those until the last time


class EuclideanSearch(BestFirst):
    """Search for the largest norm.

    Parameters
    ----------
    cores : SignCores
        Of the rectifiers.
    reached : Reached
        Norms that are reached.
    signs : array of shape (m,)
        Decided ones, among them those of all rectifiers that are constant.
    climb : callable
        Searches for larger norms.
    """

    def __init__(
        self,
        cores: SignCores,
        reached: Reached,
        signs: NDArray,
        climb: Callable[[], None],
    ) -> None:
        super().__init__()
        self.cores, self.reached, self.slopes = cores, reached, reached.slopes
        self.climb, self._next_climb = climb, float(_FIRST_CLIMB)
        self.generators = self.slopes.generators.reshape(len(signs), -1)
        Z = np.random.default_rng(0).standard_normal((_RANK, self.generators.shape[1]))
        bound, Z, _ = self._bound(signs, Z, _FIRST_STEPS)
        self._add(bound, signs, Z)

    def _reached(self) -> float:
        return self.reached.value

    def _divide(self, above: float, signs: NDArray, Z: Array) -> None:
        if self.n_nodes > self._next_climb:
            self.climb()
            self._next_climb *= _RARER
        price = self.cores.price(signs, np.zeros(len(signs)))
        if price.cost == math.inf:
            return
        bound, Z, weights = self._bound(signs, Z, _STEPS)
        bound = min(bound, above)
        units = np.flatnonzero(signs == 0)
        if not len(units) and self.cores.is_inside(price.point):
            self.reached.take(price.point)
        if not len(units) or bound <= self._enough:
            self._close(bound)
            return
        unit = units[weights[units].argmax()]
        for sign in (1, -1):
            child = signs.copy()
            child[unit] = sign
            self._add(bound, child, Z)

    def _bound(self, signs: NDArray, Z: Array, steps: int) -> tuple[float, Array, Array]:
        """The bound where some signs are decided, the next ``Z``, and the weights of all rectifiers."""
        free, weights = np.flatnonzero(signs == 0), np.zeros(len(signs))
        middle = self.slopes.middle(signs)
        bound = self.slopes.at(signs) if not len(free) else math.inf
        if self.slopes.network.n_outputs > 1:
            bound = min(bound, self.slopes.by_sizes(middle, free))
        U = np.vstack([self.generators[free], middle.ravel()])
        for _ in range(steps):
            V = U @ Z.T
            w = np.sqrt(np.einsum("ij,ij->i", V, V))
            Z = (V / np.maximum(w, np.finfo(float).tiny)[:, None]).T @ U
        w = np.linalg.norm(U @ Z.T, axis=1)
        total = float(w.sum())
        if total > 0 and math.isfinite(total):
            w = np.maximum(w / total, _LEAST)
            scaled = U / np.sqrt(w)[:, None]
            bound = min(bound, math.sqrt(float(w.sum()) * largest_eigenvalue(scaled)))
            weights[free] = w[:-1]
        if not math.isfinite(bound):
            bound = self.slopes.by_sizes(middle, free)
        Z = Z / max(float(np.abs(Z).max()), np.finfo(float).tiny)  # only its direction matters
        return bound * (1 + _ROUNDING) + self.slopes.rounding, Z.astype(np.float32), weights
