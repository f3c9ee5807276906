"""Paths between optimal networks on which the objective is constant."""

from __future__ import annotations

import numbers
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import check_number, check_type
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.landscape.connectivity import Connectivity
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.columns import check_fits, penalties_of
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["ConstantPath", "direct_path", "optimal_path"]


# Unit neurons of members are those of their set, up to rounding.
_SAME_DIRECTION = 1e-7


class Waypoint(NamedTuple):
    """Network with `width` places: index of the neuron in each, -1 where it is empty, its scale, and the intercept."""

    labels: NDArray[np.intp]
    scales: Array
    intercept: float


@dataclass(frozen=True, eq=False)
class ConstantPath:
    """A path between two networks in the space of weights, through networks of one width.

    Attributes
    ----------
    problem : TrainingProblem
    neurons : TwoLayerNetwork
        Neurons with inner and outer weights of length one.
    waypoints : list of Waypoint
        Between two of them, scales and intercept change linearly, and no place changes its neuron unless it is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, TwoLayerNetwork
    >>> from convexrelu.landscape import direct_path
    >>> problem = TrainingProblem(np.eye(2), np.ones(2), 0.1, hidden_bias=False, fit_intercept=False)
    >>> one = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[1.0]], [0.0])
    >>> two = TwoLayerNetwork(np.eye(2), [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> path = direct_path(problem, one, two)
    >>> path.shares([0.0, 1.0]).round(3)
    array([[1. , 0. , 0. ],
           [0. , 0.5, 0.5]])
    """

    problem: TrainingProblem
    neurons: TwoLayerNetwork
    waypoints: list[Waypoint]

    @property
    def width(self) -> int:
        """Number of places for neurons."""
        return len(self.waypoints[0].labels)

    def network(self, t: float) -> TwoLayerNetwork:
        """The network at ``t`` in [0, 1]; empty places are neurons with weights of zero."""
        if not 0 <= t <= 1:
            raise ValueError(f"t={t!r} is not a number from 0 to 1")
        position = t * (len(self.waypoints) - 1)
        k = min(int(position), len(self.waypoints) - 2)
        if k < 0:
            return self._between(self.waypoints[0], self.waypoints[0], 0.0)
        return self._between(self.waypoints[k], self.waypoints[k + 1], position - k)

    def _between(self, start: Waypoint, end: Waypoint, share: float) -> TwoLayerNetwork:
        labels = np.where(start.labels >= 0, start.labels, end.labels)
        scales = (1 - share) * start.scales + share * end.scales
        root = np.where(labels >= 0, np.sqrt(scales), 0.0)
        return replace(
            self.neurons,
            hidden_weights=self.neurons.hidden_weights[labels] * root[:, None],
            hidden_bias=self.neurons.hidden_bias[labels] * root,
            output_weights=self.neurons.output_weights[:, labels] * root,
            output_bias=np.array([(1 - share) * start.intercept + share * end.intercept]),
        )

    def objectives(self, t: ArrayLike) -> Array:
        """Objective of the network at each ``t``."""
        return np.array([self.problem.objective(self.network(float(one))) for one in np.ravel(t)])

    def shares(self, t: ArrayLike) -> Array:
        """Share of the penalty that each place has at each ``t``, of shape (k, width)."""
        networks = [self.network(float(one)) for one in np.ravel(t)]
        penalties = np.array([penalties_of(network, self.problem) for network in networks])
        total = penalties.sum(axis=1, keepdims=True)
        return np.asarray(penalties / np.where(total > 0, total, 1.0))

    def largest_rise(self, n_points: int = 101) -> float:
        """Largest objective on a grid of points, relative to the higher end; at most zero if it does not rise."""
        objectives = self.objectives(np.linspace(0, 1, n_points))
        return float(objectives.max() / max(objectives[0], objectives[-1]) - 1)


def direct_path(
    problem: TrainingProblem, start: TwoLayerNetwork, end: TwoLayerNetwork
) -> ConstantPath:
    """The path that scales one network down and the other up, in separate places.

    Outputs and penalty are linear on it: for any two networks the objective is at most the line between theirs, and
    between optimal networks it is constant.

    Parameters
    ----------
    problem : TrainingProblem
        With one output and no skip connection.
    start, end : TwoLayerNetwork

    Returns
    -------
    ConstantPath
        Of a width that is the sum of theirs.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, TwoLayerNetwork
    >>> from convexrelu.landscape import direct_path
    >>> problem = TrainingProblem(np.eye(2), np.ones(2), 0.1, hidden_bias=False, fit_intercept=False)
    >>> one = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[1.0]], [0.0])
    >>> two = TwoLayerNetwork(np.eye(2), [0.0, 0.0], [[1.0, 1.0]], [0.0])
    >>> path = direct_path(problem, one, two)
    >>> path.width, path.largest_rise() <= 0
    (3, True)
    """
    check_type("problem", problem, TrainingProblem)
    if problem.n_outputs > 1 or problem.skip:
        raise ValueError(
            f"problem has {problem.n_outputs} outputs and skip={problem.skip}, expected 1 output and skip=False"
        )
    check_fits(start, problem, "start")
    check_fits(end, problem, "end")
    first, last = problem.balanced(start), problem.balanced(end)
    inner = np.vstack([first.augmented_weights(), last.augmented_weights()])
    outer = np.append(first.output_weights[0], last.output_weights[0])
    sizes = np.append(penalties_of(first, problem), penalties_of(last, problem))
    root = np.sqrt(sizes)
    neurons = replace(
        first,
        hidden_weights=inner[:, :-1] / root[:, None],
        hidden_bias=inner[:, -1] / root,
        output_weights=(outer / root)[None],
    )
    labels = np.arange(len(sizes))
    early = labels < first.width
    waypoints = [
        Waypoint(np.where(used, labels, -1), np.where(used, sizes, 0.0), float(net.output_bias[0]))
        for used, net in ((early, first), (~early, last))
    ]
    return ConstantPath(problem, neurons, waypoints)


def optimal_path(
    found: Connectivity, start: TwoLayerNetwork, end: TwoLayerNetwork, width: int
) -> ConstantPath | None:
    """A path of optimal networks of a given width between two of them, along the optimal set.

    Parameters
    ----------
    found : Connectivity
    start, end : TwoLayerNetwork
        Members of ``found.optima``, such as ``found.vertex(0)``.
    width : int
        Number of places for neurons on the path. Neurons of `start` and `end` have the first places, in their order.

    Returns
    -------
    ConstantPath or None
        None if the networks of this set have no such path at this width.

    Raises
    ------
    ValueError
        If a network has more neurons than `width`, or neurons that are not in the set.

    Notes
    -----
    From `start` to a vertex with neurons of it, along a shortest route of vertices, to a vertex with neurons of
    `end`, and to `end`. In the last steps neurons move to their places by way of an empty one.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, train
    >>> from convexrelu.landscape import optimal_connectivity
    >>> from convexrelu.landscape import optimal_path
    >>> from convexrelu.optimal_set import optimal_polytope
    >>> X = np.array([[-np.sqrt(3), 1.0], [np.sqrt(3), 1.0]])
    >>> problem = TrainingProblem(X, np.ones(2), 0.1, hidden_bias=False, fit_intercept=False)
    >>> found = optimal_connectivity(optimal_polytope(train(problem, tol=1e-9, random_state=0).network, problem))
    >>> start, end = found.vertex(0), found.vertex(1)
    >>> optimal_path(found, start, end, 2) is None  # two neurons are an isolated point
    True
    >>> abs(optimal_path(found, start, end, 3).largest_rise()) < 1e-6
    True
    """
    check_type("found", found, Connectivity)
    check_number("width", width, numbers.Integral, 0)
    check_fits(start, found.optima.problem, "start")
    check_fits(end, found.optima.problem, "end")
    first, last = _placed(found, start, width), _placed(found, end, width)
    ends = [_vertices_within(found, point) for point in (first, last)]
    if _same(first, last):
        return ConstantPath(found.optima.problem, found.optima.neurons, [first, last])
    routes = [found.route(int(a), int(b), width) for a in ends[0] for b in ends[1]]
    possible = [route for route in routes if route is not None and found.widths[route[0]] < width]
    if not possible:
        return None
    waypoints = [first]
    for vertex in min(possible, key=len):
        waypoints.append(_moved(found, waypoints[-1], vertex))
    waypoints += [*_ordered(waypoints[-1], last), last]
    kept = [k for k in range(1, len(waypoints)) if not _same(waypoints[k - 1], waypoints[k])]
    # The ends stay as they are; what is dropped is the same as the point before it.
    middle = [waypoints[k] for k in kept if k < len(waypoints) - 1]
    return ConstantPath(found.optima.problem, found.optima.neurons, [first, *middle, last])


def _placed(found: Connectivity, network: TwoLayerNetwork, width: int) -> Waypoint:
    """The candidates that a member is made of, in its order."""
    optima = found.optima
    balanced = optima.problem.balanced(network)
    if balanced.width > width:
        raise ValueError(f"width={width} is below the {balanced.width} neurons of a given network")
    scales = penalties_of(balanced, optima.problem)
    units = balanced.augmented_weights() / np.sqrt(scales)[:, None]
    labels = np.full(width, -1, dtype=np.intp)
    for j, unit in enumerate(units):
        apart = norms(optima.directions - unit)
        apart[optima.signs * balanced.output_weights[0, j] < 0] = np.inf
        labels[j] = int(apart.argmin())
        if apart[labels[j]] > _SAME_DIRECTION * norms(unit[None])[0]:
            raise ValueError(f"neuron {j} of a given network is not in the optimal set")
    if len(np.unique(labels[: len(units)])) < len(units):
        raise ValueError("a given network has a neuron twice; use its merge()")
    filled = np.zeros(width)
    filled[: len(units)] = scales
    return Waypoint(labels, filled, float(balanced.output_bias[0]))


def _vertices_within(found: Connectivity, point: Waypoint) -> NDArray[np.intp]:
    """Vertices that have only neurons of this network."""
    absent = np.ones(found.scales.shape[1], dtype=bool)
    absent[point.labels[point.labels >= 0]] = False
    return np.flatnonzero(~found.supports[:, absent].any(axis=1))


def _same(first: Waypoint, last: Waypoint) -> bool:
    size = first.scales.sum() or 1.0
    return np.array_equal(first.labels, last.labels) and bool(
        np.abs(first.scales - last.scales).max(initial=0.0) <= _SAME_DIRECTION * size
    )


def _moved(found: Connectivity, point: Waypoint, vertex: int) -> Waypoint:
    """The vertex, with neurons that the network has in their places, and others in empty ones."""
    scales = found.scales[vertex]
    labels = np.where(np.isin(point.labels, np.flatnonzero(scales)), point.labels, -1)
    empty = np.flatnonzero(point.labels < 0)
    new = np.setdiff1d(np.flatnonzero(scales), labels)
    labels[empty[: len(new)]] = new
    return _at(labels, scales, float(found.intercepts[vertex]))


def _at(labels: NDArray[np.intp], scales: Array, intercept: float) -> Waypoint:
    return Waypoint(labels, np.where(labels >= 0, scales[labels], 0.0), intercept)


def _ordered(point: Waypoint, last: Waypoint) -> list[Waypoint]:
    """Moves of single neurons into empty places, until those of a vertex are in the places that `last` has them in."""
    steps: list[Waypoint] = []
    labels, masses = (
        point.labels.copy(),
        dict(zip(point.labels.tolist(), point.scales, strict=True)),
    )
    goal = {int(label): place for place, label in enumerate(last.labels) if label >= 0}
    while wrong := [p for p, label in enumerate(labels) if label >= 0 and goal[int(label)] != p]:
        empty = np.flatnonzero(labels < 0)
        fitting = [p for p in wrong if goal[int(labels[p])] in empty]
        source = fitting[0] if fitting else wrong[0]
        target = goal[int(labels[source])] if fitting else int(empty[0])
        labels[target], labels[source] = labels[source], -1
        scales = np.array([masses[int(label)] if label >= 0 else 0.0 for label in labels])
        steps.append(Waypoint(labels.copy(), scales, point.intercept))
    return steps
