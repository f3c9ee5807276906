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

import heapq
import itertools
import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.reached import Reached
from convexrelu.reach.sign_cores import SignCores
from convexrelu.reach.slopes import largest_eigenvalue

__all__ = ["EuclideanSearch"]

_CLOSE = 1e-11  # relative difference of bound and value at which to stop
_ROUNDING = 1e-13  # relative, of sums and eigenvalues
_RANK = 6  # of the unit vectors
_FIRST_STEPS = 100
_STEPS = 4  # of a node
_LEAST = 1e-9  # of weights, relative to their sum
_FIRST_CLIMB = 3000  # nodes after which the search for a large norm is repeated
_RARER = 10.0  # nodes until the next time, relative to those until the last time


class EuclideanSearch:
    """Best-first search.

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
        self.cores, self.reached, self.slopes = cores, reached, reached.slopes
        self.climb = climb
        self.closed, self.n_nodes = -math.inf, 0
        self.generators = self.slopes.generators.reshape(len(signs), -1)
        self.order = itertools.count()
        Z = np.random.default_rng(0).standard_normal((_RANK, self.generators.shape[1]))
        bound, Z, _ = self._bound(signs, Z, _FIRST_STEPS)
        self.open: list[tuple[float, int, NDArray, Array]] = [(-bound, next(self.order), signs, Z)]

    def run(self, deadline: float) -> None:
        """Go on until bound and value agree, or until a time of :func:`time.perf_counter`."""
        next_climb = float(_FIRST_CLIMB)
        while self.open and -self.open[0][0] > self._enough and time.perf_counter() < deadline:
            if self.n_nodes >= next_climb:
                self.climb()
                next_climb *= _RARER
            bound, _, signs, Z = heapq.heappop(self.open)
            self._divide(signs, Z, -bound)

    @property
    def bound(self) -> float:
        """Proved: no norm is larger, except where it is not larger than the value that is reached."""
        return max(self.closed, -self.open[0][0] if self.open else -math.inf)

    @property
    def _enough(self) -> float:
        return self.reached.value * (1 + _CLOSE)

    def _divide(self, signs: NDArray, Z: Array, above: float) -> None:
        self.n_nodes += 1
        price = self.cores.price(signs, np.zeros(len(signs)))
        if price.cost == math.inf:
            return
        bound, Z, weights = self._bound(signs, Z, _STEPS)
        bound = min(bound, above)
        units = np.flatnonzero(signs == 0)
        if not len(units) and self.cores.is_inside(price.point):
            self.reached.take(price.point)
        if not len(units) or bound <= self._enough:
            self.closed = max(self.closed, bound)
            return
        unit = units[weights[units].argmax()]
        for sign in (1, -1):
            child = signs.copy()
            child[unit] = sign
            heapq.heappush(self.open, (-bound, next(self.order), child, Z))

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
