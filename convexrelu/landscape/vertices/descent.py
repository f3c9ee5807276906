"""Vertex descent: the mean absolute error over the hidden layer, by a simplex method for ReLU networks."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number, checked_flag, finite_array
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.landscape.vertices.phases import (
    DEGENERATE,
    LIMIT,
    MINIMUM,
    SILENT,
    to_a_minimum,
    to_a_vertex,
)
from convexrelu.landscape.vertices.point import Point
from convexrelu.landscape.vertices.result import VertexDescent
from convexrelu.landscape.vertices.silent import (
    brought_back,
    oracle_of,
    strictly_inactive,
    without_silent,
)
from convexrelu.landscape.vertices.surface import Kinks, L1Surface
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles import Oracle

__all__ = ["random_network", "vertex_descent", "vertex_descents"]

Progress = Callable[[int, float], None]


def vertex_descent(
    network: TwoLayerNetwork,
    X: ArrayLike,
    y: ArrayLike,
    *,
    hidden_bias: bool = True,
    max_vertices: int = 100_000,
    random_state: int | np.random.RandomState | None = None,
    progress: Progress | None = None,
) -> VertexDescent:
    r"""Minimise the mean absolute error over the hidden weights, from vertex to vertex.

    With the outer layer fixed, ``L = (1/n) Σ_i |f(x_i) − y_i|`` is piecewise affine. Phase 1 descends along the
    gradient projected off the normals of active kinks, until as many kinks are active as there are weights, ``N``.
    Phase 2 follows the steepest descending edge to the nearest kink, which replaces the one that is left. All
    steps end at kinks, and the loss never rises, up to rounding. A vertex without a descending edge is a local minimum.

    Parameters
    ----------
    network : TwoLayerNetwork
        The start, with one output and outer weights that are not zero; any slope of the activation. Its outer
        weights, intercept and skip connection stay as they are. As hidden weights can have any size, only the signs of
        the outer weights matter.
    X : array of shape (n, d)
    y : array of shape (n,)
    hidden_bias : bool
        Whether neurons have biases.
    max_vertices : int
        Limit on steps.
    random_state : int, RandomState or None
        Seed of directions in which the loss is level in phase 1, and of the oracle.
    progress : callable, optional
        Called with the number of vertices and the loss after every step.

    Returns
    -------
    VertexDescent

    Raises
    ------
    ValueError
        If the network is not of this kind, or the data do not fit it or are not finite.

    Notes
    -----
    Neurons that are zero, or inactive on all samples, are set aside. The oracle of training then looks for the
    direction in which one of them lowers the loss most. If it finds none, the run goes on without them.

    The certificate of a local minimum is refused

    * if more than ``N`` kinks are active up to rounding: with inputs on a grid, with targets without noise, as of a
      planted network, which fit whole regions at once, with an intercept that equals a target, or with a neuron that is
      zero, where the kinks of all samples meet. Some edges are then not examined, and the run ends there. A little
      noise on inputs and targets helps. Repeated samples and repeated inputs are no obstacle;
    * if the loss is level along an edge, up to rounding, as with a neuron all of whose active samples are fitted.

    A linear network, ``negative_slope=1``, has no hidden kinks. With one neuron this is least absolute deviations.

    References
    ----------
    Hinz 2021, "The layer-wise L1 loss landscape of neural nets is more complex around local minima", which calls this
    method the Deep ReLU simplex algorithm.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import random_network, vertex_descent
    >>> random = np.random.RandomState(0)
    >>> X = random.standard_normal((40, 2))
    >>> y = np.maximum(X[:, 0], 0) + 0.1 * random.standard_normal(40)
    >>> run = vertex_descent(random_network(X, y, width=2, random_state=0), X, y, random_state=0)
    >>> run.is_local_minimum, run.n_active_kinks == run.n_weights == 6
    (True, True)
    >>> bool((np.diff(run.losses) <= 1e-15).all())
    True
    """
    check_number("max_vertices", max_vertices, numbers.Integral, 1)
    hidden_bias = checked_flag("hidden_bias", hidden_bias)
    random = checked_random_state(random_state)
    with one_blas_thread():
        surface = L1Surface.of(network, X, y, hidden_bias=hidden_bias)
        start = network.augmented_weights() if hidden_bias else network.hidden_weights
        run = _Run(surface, random, max_vertices, progress)
        point, reason = run.descend(start.copy())
        run.losses[-1] = point.loss  # but for rounding, the last vertex that was visited
        active = point.n_active()
        aside_is_fine = bool(point.moving.all()) or strictly_inactive(point)
        W, b = (point.W[:, :-1], point.W[:, -1]) if hidden_bias else (point.W, network.hidden_bias)
        return VertexDescent(
            network=TwoLayerNetwork(
                W,
                b,
                network.output_weights,
                network.output_bias,
                negative_slope=network.negative_slope,
                skip_weights=network.skip_weights,
            ),
            losses=np.array(run.losses),
            n_first_phase=run.n_first_phase,
            is_local_minimum=reason == MINIMUM and aside_is_fine,
            reason=reason if reason != MINIMUM or aside_is_fine else "a neuron is zero",
            n_active_kinks=active,
            n_weights=point.n_variables,
            n_silent=int((~point.moving).sum()),
        )


class _Run:
    """State of one run."""

    def __init__(
        self,
        surface: L1Surface,
        random: np.random.RandomState,
        max_vertices: int,
        progress: Progress | None,
    ) -> None:
        self.surface = surface
        self.random = random
        self.max_vertices = max_vertices
        self.progress = progress
        self.losses: list[float] = []
        self.n_first_phase = 0
        self._oracle: Oracle | None = None

    def oracle(self) -> Oracle:
        """Made when it is first needed."""
        if self._oracle is None:
            self._oracle = oracle_of(self.surface, self.random)
        return self._oracle

    def visit(self, point: Point) -> bool:
        """Record a point; whether there may be another one."""
        self.losses.append(point.loss)
        if self.progress is not None:
            self.progress(len(self.losses) - 1, self.losses[-1])
        return len(self.losses) <= self.max_vertices

    def visit_in_first_phase(self, point: Point) -> bool:
        """The same, and count it."""
        self.n_first_phase += 1
        return self.visit(point)

    def descend(self, W: Array) -> tuple[Point, str]:
        """Both phases, again after every change of the neurons that move."""
        point = Point.at(self.surface, W, np.ones(len(W), dtype=bool), Kinks.none())
        self.losses.append(point.loss)
        point = without_silent(point)
        while True:
            point, reason = self._both_phases(point)
            if reason == LIMIT:
                return point, reason
            if reason in (SILENT, DEGENERATE):
                n_moving = point.moving.sum()
                point = without_silent(point)
                if 0 < point.moving.sum() == n_moving:
                    return point, reason
            following = brought_back(point, self.oracle, self.random)
            if following is not None:
                point = without_silent(following)
                if not self.visit(point):
                    return point, LIMIT
            elif reason not in (SILENT, DEGENERATE):
                return point, reason
            elif not point.moving.any():
                return point, "no neuron lowers the loss"

    def _both_phases(self, point: Point) -> tuple[Point, str]:
        if not point.moving.any():
            return point, SILENT if self.surface.slope == 0 else DEGENERATE
        point, reason = to_a_vertex(point, self.random, self.visit_in_first_phase)
        return to_a_minimum(point, self.visit) if reason is None else (point, reason)


def random_network(
    X: ArrayLike,
    y: ArrayLike,
    *,
    width: int,
    random_state: int | np.random.RandomState | None = None,
) -> TwoLayerNetwork:
    """A ReLU network to start from: normal hidden weights, outer weights of 1 and -1 by turns.

    Parameters
    ----------
    X : array of shape (n, d)
    y : array of shape (n,)
    width : int
    random_state : int, RandomState or None

    Returns
    -------
    TwoLayerNetwork
        Kinks are near the samples: weights are relative to the mean and spread of the features. The intercept is
        halfway between the median target and the next larger one: with an intercept that equals a target, vertices at
        which the network is zero for this sample would be degenerate.

    Examples
    --------
    >>> from convexrelu.landscape import random_network
    >>> network = random_network([[0.0], [1.0], [2.0]], [0.0, 1.0, 3.0], width=2, random_state=0)
    >>> network.output_weights, network.output_bias
    (array([[ 1., -1.]]), array([2.]))
    """
    inputs = finite_array("X", X, "n", "d")
    targets = finite_array("y", y, len(inputs))
    check_number("width", width, numbers.Integral, 1)
    random = checked_random_state(random_state)
    spread = inputs.std(axis=0)
    weights = random.standard_normal((width, inputs.shape[1])) / np.where(spread > 0, spread, 1.0)
    biases = random.standard_normal(width) - weights @ inputs.mean(axis=0)
    scale = (targets.std() or 1.0) / np.sqrt(width * (inputs.shape[1] + 1))
    outer = np.where(np.arange(width) % 2 == 0, 1.0, -1.0)
    median = np.median(targets)
    intercept = 0.5 * (median + targets[targets > median].min(initial=targets.max() + 1.0))
    return TwoLayerNetwork(scale * weights, scale * biases, outer[None, :], [intercept])


def vertex_descents(
    X: ArrayLike,
    y: ArrayLike,
    *,
    width: int,
    n_runs: int = 12,
    max_vertices: int = 100_000,
    random_state: int | np.random.RandomState | None = None,
    progress: Progress | None = None,
) -> Iterator[VertexDescent]:
    """Vertex descent from random networks, one run after the other.

    Parameters
    ----------
    X, y, max_vertices, progress
        As for :func:`vertex_descent`.
    width : int
        Neurons of each network, see :func:`random_network`.
    n_runs : int
    random_state : int, RandomState or None

    Yields
    ------
    VertexDescent
        As soon as a run ends.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import vertex_descents
    >>> X = np.random.RandomState(0).standard_normal((30, 2))
    >>> runs = list(vertex_descents(X, np.abs(X[:, 0]), width=2, n_runs=3, random_state=0))
    >>> len(runs), all(run.n_vertices > 0 for run in runs)
    (3, True)
    """
    check_number("n_runs", n_runs, numbers.Integral, 1)
    random = checked_random_state(random_state)
    for _ in range(n_runs):
        start = random_network(X, y, width=width, random_state=random)
        yield vertex_descent(
            start, X, y, max_vertices=max_vertices, random_state=random, progress=progress
        )
