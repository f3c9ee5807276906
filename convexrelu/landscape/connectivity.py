"""Whether the optimal networks of a given width are connected, from the vertices of the optimal set."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, shortest_path

from convexrelu._utils.arguments import check_number, check_type
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.polytope import OptimalPolytope

__all__ = ["Connectivity", "optimal_connectivity"]


@dataclass(frozen=True, eq=False)
class Connectivity:
    """Connected components of the optimal networks with a given number of neurons.

    Returned by :func:`optimal_connectivity`. A network of width ``m`` has ``m`` places, some of which may be empty. Two
    networks that differ in the order of their neurons are different points.

    Attributes
    ----------
    optima : OptimalPolytope
    scales : array of shape (k, q)
        The vertices of the optimal set: scales of its candidates.
    intercepts : array of shape (k,)
        Intercepts of the vertices.
    is_complete : bool
        Whether `optima` has all optimal networks, up to its tolerance. Otherwise all answers are about the networks
        that were found: ``m*`` may be smaller, ``M*`` larger, and components may hang together through others.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, train
    >>> from convexrelu.landscape import optimal_connectivity
    >>> from convexrelu.optimal_set import optimal_polytope
    >>> X = np.array([[-np.sqrt(3), 1.0], [np.sqrt(3), 1.0]])
    >>> problem = TrainingProblem(X, np.ones(2), 0.1, hidden_bias=False, fit_intercept=False)
    >>> found = optimal_connectivity(optimal_polytope(train(problem, tol=1e-9, random_state=0).network, problem))
    >>> found.widths.tolist(), [found.is_connected(width) for width in (1, 2, 3)]
    ([1, 2], [True, False, True])
    """

    optima: OptimalPolytope
    scales: Array
    intercepts: Array
    is_complete: bool

    @property
    def supports(self) -> NDArray[np.bool_]:
        """Which candidates each vertex has, of shape (k, q)."""
        return self.scales > 0

    @property
    def widths(self) -> NDArray[np.intp]:
        """Number of neurons of each vertex, of shape (k,)."""
        return self.supports.sum(axis=1)

    @property
    def fewest(self) -> int:
        """``m*``: fewest neurons of an optimal network."""
        return int(self.widths.min())

    @property
    def most(self) -> int:
        """``M*``: most neurons of an optimal network from which none can be dropped by rescaling the others."""
        return int(self.widths.max())

    @property
    def guaranteed(self) -> int:
        """``min(m* + M*, n + 1)``: from this width on the set is connected, see :func:`optimal_connectivity`."""
        return min(self.fewest + self.most, self.optima.problem.n_samples + 1)

    @cached_property
    def connected_from(self) -> int:
        """The smallest width from which on the set is connected; at most `guaranteed`."""
        width = self.guaranteed
        while width > self.fewest and self.is_connected(width - 1):
            width -= 1
        return width

    def vertex(self, k: int) -> TwoLayerNetwork:
        """The network of a vertex."""
        return self.optima.member(self.scales[k], float(self.intercepts[k]))

    def is_connected(self, width: int) -> bool:
        """Whether the optimal networks with `width` neurons are one piece; False if there is none."""
        return self.n_components(width) == 1

    def n_isolated(self, width: int) -> int:
        """Number of optimal networks with `width` neurons near which there is no other."""
        orders = math.factorial(width)
        if self.optima.problem.slope == -1.0:
            orders *= 2**width  # w and −w are the same neuron
        return int((self.widths == width).sum()) * orders

    def n_components(self, width: int) -> int:
        """Number of pieces of the set of optimal networks with `width` neurons; zero where the width is too small."""
        return self.n_isolated(width) + len(self.movable_groups(width))

    def movable_groups(self, width: int) -> list[NDArray[np.intp]]:
        """Vertices with fewer than `width` neurons, in groups that are connected; each is one piece of the set."""
        movable = np.flatnonzero(self.widths < width)
        if not len(movable):
            return []
        count, labels = connected_components(self._unions(movable) <= width, directed=False)
        return [movable[labels == k] for k in range(count)]

    def route(self, start: int, end: int, width: int) -> list[int] | None:
        """Vertices from `start` to `end`, each with fewer than `width` neurons, or None if they are not connected.

        Consecutive ones have at most `width` different neurons together.
        """
        if start == end:
            return [start]
        near = self._unions(np.arange(len(self.scales))) <= width
        movable = self.widths < width
        near &= movable[:, None] & movable
        lengths, before = shortest_path(
            near, unweighted=True, indices=start, return_predecessors=True
        )
        if not np.isfinite(lengths[end]):
            return None
        route = [end]
        while route[-1] != start:
            route.append(int(before[route[-1]]))
        return route[::-1]

    def _unions(self, vertices: NDArray[np.intp]) -> NDArray[np.intp]:
        """Number of neurons that two vertices have together, of shape (k, k)."""
        chosen = self.supports[vertices].astype(np.intp)
        sizes = chosen.sum(axis=1)
        return sizes[:, None] + sizes - chosen @ chosen.T


def optimal_connectivity(
    optima: OptimalPolytope, *, dust: float = 1e-5, max_choices: int = 200_000
) -> Connectivity:
    r"""Critical widths and connected components of the optimal networks of a training problem.

    Kim, Mishkin & Pilanci show a staircase: let ``m*`` be the fewest neurons of an optimal network, ``M*`` the most of
    one whose columns are linearly independent. The optimal networks of width ``m`` are finitely many points for
    ``m = m*``; for ``m = M*`` there are isolated ones; and for ``m ≥ min(m* + M*, n + 1)`` all are connected. Here the
    pieces are counted for every width, also between these.

    Parameters
    ----------
    optima : OptimalPolytope
        From :func:`~convexrelu.optimal_set.optimal_polytope`.
    dust : float
        Neurons with less than this fraction of the penalty do not count. A solution with relative gap ``ε`` has scales
        that are off by about ``√ε``, so that neurons may be there that no optimum has. Neurons attain the maximum of
        the dual constraint, so that dropping a fraction ``δ`` changes the objective by the order of ``δ²``.
    max_choices : int
        Limit for listing its vertices, see :meth:`~convexrelu.optimal_set.OptimalPolytope.vertices`.

    Returns
    -------
    Connectivity

    Notes
    -----
    At an optimum a place of the network is empty or has one of finitely many directions, and it can change its
    direction only where it is empty. So the set is a union of polytopes, one for each assignment of directions to
    places, which meet where they differ in empty places only. The vertices of these polytopes are vertices of the
    optimal set with each of their neurons in one place. It follows that

    * a vertex with exactly ``m`` neurons is an isolated point in each of its ``m!`` orders;
    * the orders of a vertex with fewer neurons are connected, by moves into an empty place;
    * two such vertices are in one polytope if and only if they have at most ``m`` different neurons together.

    Components of that graph on vertices are the components of the set. A single point counts as connected. The theorem
    follows: a vertex with ``m*`` neurons has at most ``m* + M*`` together with any other one; and two vertices on an
    edge of the optimal set have columns with one linear dependence, so at most ``n + 1`` neurons together.

    References
    ----------
    Kim, Mishkin & Pilanci 2025, "Exploring the loss landscape of regularized neural networks via convex duality", ICLR.

    Examples
    --------
    One neuron that is active on both samples, or one for each sample, is equally good.

    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, train
    >>> from convexrelu.landscape import optimal_connectivity
    >>> from convexrelu.optimal_set import optimal_polytope
    >>> X = np.array([[-np.sqrt(3), 1.0], [np.sqrt(3), 1.0]])
    >>> problem = TrainingProblem(X, np.ones(2), 0.1, hidden_bias=False, fit_intercept=False)
    >>> optima = optimal_polytope(train(problem, tol=1e-9, random_state=0).network, problem)
    >>> found = optimal_connectivity(optima)
    >>> found.fewest, found.most, found.guaranteed
    (1, 2, 3)
    >>> [found.n_components(width) for width in range(4)]  # two orders of two neurons, and a segment
    [0, 1, 3, 1]
    """
    check_type("optima", optima, OptimalPolytope)
    check_number("dust", dust, numbers.Real, 0)
    check_number("max_choices", max_choices, numbers.Integral, 1)
    scales, intercepts = optima.vertex_scales(max_choices)
    scales = np.where(scales > dust * scales.sum(axis=1, keepdims=True), scales, 0.0)
    _, distinct = np.unique(scales > 0, axis=0, return_index=True)
    distinct = np.sort(distinct)
    return Connectivity(optima, scales[distinct], intercepts[distinct], optima.is_complete)
