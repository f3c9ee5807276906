r"""The largest Euclidean norm of the Jacobians of a two-layer network, over the cells of its inputs.

With some rectifiers decided the Jacobians are in a zonotope, :math:`U^\top t` with :math:`t_0 = 1` and
:math:`t_j = \pm 1`: the rows of :math:`U` are :math:`u_0 = J_0` and the generators. No input meets all wishes
:math:`σ_j` of a core :math:`I` (:mod:`convexrelu.reach.sign_cores`), so
:math:`\sum_{j \in I} σ_j t_j \le |I| - 2`. With multipliers :math:`y_I \ge 0` these add up to
:math:`2 h^\top t \le c`. Any multipliers and weights :math:`w > 0` give a bound,

.. math::

   \| U^\top t \|_2^2 \le a \, t^\top D t \le a \Bigl( \sum_{j \ge 0} w_j + c \Bigr) , \qquad
   D = \begin{pmatrix} w_0 & h^\top \\ h & \operatorname{diag}(w_1, w_2, \dots) \end{pmatrix} \succ 0 , \quad
   a = λ_{\max}(U^\top D^{-1} U) ,

which is the dual of a semidefinite relaxation. In the relaxation unit vectors :math:`v_j` of low rank are in the
place of the :math:`t_j`. Each step sets one of them to the direction of :math:`Z u_j - h_j v_0`, less its own part,
where :math:`Z = V^\top U`; the length gives the weight (``_relaxation.c``). A node goes on from the :math:`Z` and the
cores of its parent, searches for more cores of what is wished along :math:`v_0`, and decides a rectifier of large
weight whose :math:`v_j` is not along :math:`v_0`. The search takes as long as two bounds: a node whose bound is below
that of another one waits for its turn first, which may never come.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.typing import Array
from convexrelu.reach.best_first import BestFirst
from convexrelu.reach.reached import Reached
from convexrelu.reach.rectifiers import EPS
from convexrelu.reach.sign_cores import Cores, Relaxed, SignCores

__all__ = ["EuclideanSearch"]

_ROUNDING = 1e-13  # relative, of roots
_RANK = 8  # of the unit vectors, as in _relaxation.c
_FIRST_SWEEPS = 100
_SWEEPS = 20  # of a node
_NEAR = 0.1  # a difference of cosines that does not matter
_MOST_POINTS = 50
_BETTER = 1e-9  # relative difference of norms that are looked at again
_FIRST_ASCENT = 50  # nodes after which the search for a large norm goes on from the best point
_RARER = 1.15  # nodes until the next time, relative to those until the last time


class _Child(NamedTuple):
    """Decided signs, and where to start from."""

    signs: NDArray
    Z: NDArray
    cores: Cores


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
    ascend : callable
        Searches for larger norms, from a homogeneous point.
    """

    def __init__(
        self,
        cores: SignCores,
        reached: Reached,
        signs: NDArray,
        ascend: Callable[[Array], None],
    ) -> None:
        super().__init__()
        self.cores, self.reached, self.slopes = cores, reached, reached.slopes
        self.ascend, self._next_ascent = ascend, float(_FIRST_ASCENT)
        self._points: dict[float, Array] = {}  # by their norms
        none = np.zeros(len(signs), dtype=np.int8)
        generators = self.slopes.generators.reshape(len(signs), -1)
        rows = np.vstack([self.slopes.middle(none).ravel(), generators])
        self._moved = 0.0  # what coordinates of rows are wrong by, all together
        if rows.shape[1] > len(rows):  # coordinates in the span of the rows
            lengths = float(np.linalg.norm(rows, axis=1).sum())
            self._moved = 8 * rows.size * EPS * lengths
            rows = np.asarray(np.linalg.qr(rows.T, mode="r")).T
        self.base, self.generators = rows[0].copy(), np.ascontiguousarray(rows[1:])
        Z = np.random.default_rng(0).standard_normal((rows.shape[1], _RANK))
        self._add(self._simple_bound(signs), _Child(signs, Z, Cores.none()))

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

    def _divide(self, above: float, node: _Child | Relaxed) -> None:
        if self.n_nodes > self._next_ascent and self._points:
            self.ascend(self._points.pop(max(self._points)))
            self._next_ascent = self.n_nodes * _RARER
        if isinstance(node, Relaxed):
            self._search_for_cores(above, node)
            return
        relaxed = self._relax(*node, _SWEEPS if self.n_nodes > 1 else _FIRST_SWEEPS)
        if relaxed is not None:
            bound = self._bound(relaxed, above)
            if bound < self._next_bound:
                self._add(bound, relaxed)
            else:
                self._search_for_cores(bound, relaxed)

    def _search_for_cores(self, above: float, node: Relaxed) -> None:
        """Lower the bound of a node by cores of its own, and add its children."""
        price = self.cores.price(node.signs, node.wishes, n_cores=len(node.signs))
        if price.cost == math.inf:
            return
        self._try(price.point)
        relaxed = self._relax(price.signs, node.Z, node.cores + price.cores, _SWEEPS)
        if relaxed is None:
            return
        bound = self._bound(relaxed, above)
        if bound <= self._enough or (relaxed.signs != 0).all():
            self._close(bound)
        else:
            self._add_children(bound, relaxed)

    @property
    def _next_bound(self) -> float:
        """The largest one of open nodes, or what is enough."""
        return max(-self._open[0][0] if self._open else -math.inf, self._enough)

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
        """Take a point that is clearly inside a cell, and keep it if it is one of the best."""
        if not self.cores.is_inside(point):
            return
        value = float(self.slopes.of_many(self.reached.active(point)[None])[0])
        if value > self.reached.value * (1 - _BETTER):
            self.reached.take(point)
        self._points[value] = point  # one of each cell
        if len(self._points) > _MOST_POINTS:
            del self._points[min(self._points)]

    def _add_children(self, bound: float, relaxed: Relaxed) -> None:
        """The two signs of the rectifier that matters most: both change much."""
        matter = relaxed.weights**2 * ((1 + _NEAR) ** 2 - relaxed.cosines**2)
        unit = int(np.where(relaxed.signs == 0, matter, -1.0).argmax())
        Z, cores = relaxed.Z.astype(np.float32), relaxed.cores.without_idle()
        for sign in (1, -1):
            child = relaxed.signs.copy()
            child[unit] = sign
            self._add(bound, _Child(child, Z, cores))
