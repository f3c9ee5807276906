r"""The largest Euclidean norm of the Jacobians of a two-layer network, over the cells of its inputs.

With some rectifiers decided the Jacobians are in a zonotope, :math:`U^\top t` with :math:`t_0 = 1` and
:math:`t_j = \pm 1`: the rows of :math:`U` are :math:`u_0 = J_0` and the generators. No input meets all wishes
:math:`σ_j` of a core :math:`I` (:mod:`convexrelu.reach.sign_cores`), so :math:`\sum_{j \in I} σ_j t_j \le |I| - 2`. With
multipliers :math:`y_I \ge 0` these add up to :math:`2 h^\top t \le c`. Any multipliers and weights :math:`w > 0` give a
bound,

.. math::

   \| U^\top t \|_2^2 \le a \, t^\top D t \le a \Bigl( \sum_{j \ge 0} w_j + c \Bigr) , \qquad
   D = \begin{pmatrix} w_0 & h^\top \\ h & \operatorname{diag}(w_1, w_2, \dots) \end{pmatrix} \succ 0 , \quad
   a = λ_{\max}(U^\top D^{-1} U) ,

which is the dual of a semidefinite relaxation. In the relaxation unit vectors :math:`v_j` of low rank are in the place of the
:math:`t_j`. Each step sets one of them to the direction of :math:`Z u_j - h_j v_0`, less its own part, where
:math:`Z = V^\top U`; the length is the weight (``_relaxation.c``). A node goes on from the :math:`Z` and the cores of its
parent, searches for more cores of what is wished along :math:`v_0`, and decides a rectifier of large weight whose
:math:`v_j` is not along :math:`v_0`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.best_first import BestFirst
from convexrelu.reach.reached import Reached
from convexrelu.reach.rectifiers import EPS
from convexrelu.reach.sign_cores import Cores, Relaxed, SignCores

__all__ = ["EuclideanSearch"]

_Node = tuple[NDArray, Array, Cores]  # decided signs, and what its parent had

_ROUNDING = 1e-13  # relative, of roots
_RANK = 8  # of the unit vectors, as in _relaxation.c
_FIRST_SWEEPS = 100
_SWEEPS = 20  # of a node
_PROMISING = 0.97  # part of the largest norm from which on a cell leads to others
_CLOSE = 0.1  # a difference of cosines that does not matter
_DIVES = 50  # nodes from one whose likely children are divided at once, to the next one
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
    deadline : float
        When to stop, a time of :func:`time.perf_counter`.
    """

    def __init__(
        self,
        cores: SignCores,
        reached: Reached,
        signs: NDArray,
        climb: Callable[[], None],
        deadline: float = math.inf,
    ) -> None:
        super().__init__()
        self.cores, self.reached, self.slopes = cores, reached, reached.slopes
        self.climb, self._next_climb = climb, float(_FIRST_CLIMB)
        self.signs, self.deadline = signs, deadline
        none = np.zeros(len(signs), dtype=np.int8)
        generators = self.slopes.generators.reshape(len(signs), -1)
        rows = np.vstack([self.slopes.middle(none).ravel(), generators])
        self._moved = 0.0  # what coordinates of rows are wrong by, all together
        if rows.shape[1] > len(rows):  # coordinates in the span of the rows
            lengths = float(np.linalg.norm(rows, axis=1).sum())
            self._moved = 8 * rows.size * EPS * lengths
            rows = np.linalg.qr(rows.T, mode="r").T
        self.base, self.generators = rows[0].copy(), np.ascontiguousarray(rows[1:])
        Z = np.random.default_rng(0).standard_normal((rows.shape[1], _RANK))
        self._add(self._simple_bound(signs), signs, Z, Cores.none())

    def _reached(self) -> float:
        return self.reached.value

    def _simple_bound(self, signs: NDArray) -> float:
        """The bound by sizes; for more than one output the other one is of a norm that may be larger."""
        free = np.flatnonzero(signs == 0)
        if not len(free):
            return self._rounded(self.slopes.at(signs))
        return self._rounded(self.slopes.by_sizes(self.slopes.middle(signs), free))

    def _rounded(self, bound: float) -> float:
        return bound * (1 + _ROUNDING) + self.slopes.rounding

    def _divide(self, above: float, *node: Any) -> None:
        if self.n_nodes > self._next_climb:
            self.climb()
            self._next_climb *= _RARER
        dives = self.n_nodes % _DIVES == 0
        parts = self._parts(above, *node)
        while parts is not None:
            bound, child, other = parts
            self._add(bound, *other)
            if not dives or time.perf_counter() > self.deadline:
                self._add(bound, *child)
                return
            self.n_nodes += 1
            parts = self._parts(bound, *child)

    def _parts(
        self, above: float, signs: NDArray, Z: Array, cores: Cores
    ) -> tuple[float, _Node, _Node] | None:
        """Bound and children of a node, the one that is more likely to have large norms first; None if it is closed."""
        sweeps = _SWEEPS if self.n_nodes > 1 else _FIRST_SWEEPS
        relaxed = self._relax(signs, Z, cores, sweeps)
        if relaxed is None:
            return None
        bound = self._bound(relaxed, above)
        if bound <= self._enough:
            self._close(bound)
            return None
        price = self.cores.price(relaxed.signs, relaxed.wishes, n_cores=len(signs))
        if price.cost == math.inf:
            return None
        self._try(price.point)
        relaxed = self._relax(price.signs, relaxed.Z, relaxed.cores + price.cores, _SWEEPS)
        if relaxed is None:
            return None
        bound = self._bound(relaxed, bound)
        if bound <= self._enough or (relaxed.signs != 0).all():
            self._close(bound)
            return None
        return bound, *_children(relaxed)

    def _relax(self, signs: NDArray, Z: Array, cores: Cores, sweeps: int) -> Relaxed | None:
        enough = self._enough - self.slopes.rounding - 2 * self._moved
        root = max(enough, 0.0) * (1 - 2 * _ROUNDING)
        return self.cores.relax(self.base, self.generators, signs, cores, Z, sweeps, root**2)

    def _bound(self, relaxed: Relaxed, above: float) -> float:
        bound = min(self._rounded(math.sqrt(relaxed.value) + self._moved), above)
        if self.slopes.network.n_outputs > 1 or (relaxed.signs != 0).all():
            bound = min(bound, self._simple_bound(relaxed.signs))
        return bound

    def _try(self, point: Array) -> None:
        """Take a point that is clearly inside a cell, and go on to cells that its gradient asks for, as norms grow."""
        value = _PROMISING * self.reached.value
        while self.cores.is_inside(point):
            self.reached.take(point)
            active = self.reached.active(point)[None].astype(float)
            here = float(self.slopes.of_many(active)[0])
            if here <= value:
                return
            value = here
            point = self.cores.price(self.signs, self.slopes.along_steepest(active)[0]).point


def _children(relaxed: Relaxed) -> tuple[_Node, _Node]:
    """The two signs of the rectifier that matters most, as both change much; first the sign along the main direction."""
    matter = relaxed.weights**2 * ((1 + _CLOSE) ** 2 - relaxed.cosines**2)
    unit = int(np.where(relaxed.signs == 0, matter, -1.0).argmax())
    Z, cores = relaxed.Z.astype(np.float32), relaxed.cores.without_idle()
    likely, other = relaxed.signs.copy(), relaxed.signs.copy()
    likely[unit] = 1 if relaxed.cosines[unit] > 0 else -1
    other[unit] = -likely[unit]
    return (likely, Z, cores), (other, Z, cores)
