"""Paths between two networks of one cell, along which the objective is convex."""

from __future__ import annotations

import numbers
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from convexrelu._utils.arguments import as_float, check_number, check_type, is_number, shown
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["CellPath", "join_in_cell"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class CellPath:
    """A path of networks ``t → network(t)``, for t from 0 to 1, that stays in one cell.

    Attributes
    ----------
    first, second : TwoLayerNetwork
        Its ends, of the same width; the neurons of the second are in the order of those of the first.
    times : array of shape (k,)
        Where the path was evaluated.
    objectives, data_fits : arrays of shape (k,)
        Of the networks there: with the penalty, and without.
    rounding : float
        Rounding errors of `data_fits`, estimated.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, TwoLayerNetwork
    >>> from convexrelu.landscape import join_in_cell
    >>> problem = TrainingProblem(np.array([[1.0], [2.0]]), [1.0, 2.0], alpha=1e-3)
    >>> one = TwoLayerNetwork([[1.0]], [1.0], [[1.0]], [0.0])
    >>> path = join_in_cell(one, TwoLayerNetwork([[2.0]], [1.0], [[1.0]], [0.0]), problem)
    >>> path.network(0.0).width, path.change_of_data_fit > 0
    (1, True)
    """

    first: TwoLayerNetwork
    second: TwoLayerNetwork
    times: Array
    objectives: Array
    data_fits: Array
    rounding: float

    def network(self, t: float) -> TwoLayerNetwork:
        """The network at a point of the path."""
        if not is_number(t) or not 0 <= as_float(t) <= 1:
            raise ValueError(f"t={shown(t)} is not a number between 0 and 1")
        return _between(self.first, self.second, float(t))

    @property
    def change_of_objective(self) -> float:
        """Largest objective on the path less the smallest."""
        return float(np.ptp(self.objectives))

    @property
    def change_of_data_fit(self) -> float:
        """Largest data fit on the path less the smallest."""
        return float(np.ptp(self.data_fits))

    def is_level(self, rtol: float = 1e-6) -> bool:
        """Whether the data fit is constant on the path, relative to its size, or up to rounding."""
        size = float(np.abs(self.data_fits).max())
        return self.change_of_data_fit <= rtol * size + self.rounding


def join_in_cell(
    first: TwoLayerNetwork,
    second: TwoLayerNetwork,
    problem: TrainingProblem,
    *,
    n_points: int = 101,
) -> CellPath:
    """Join two networks of one cell by the segment of their ``u_j = |a_j| w̃_j``, and evaluate the path.

    In a cell the outputs are linear in ``u``, so the data fit is convex along the path. Of two local minima without
    penalty both are minima of the cell, and so are all networks between them: the data fit is constant. With the
    penalty, the same holds for the objective: local minima are balanced, ``‖w̃_j‖ = |a_j|``, and all networks
    between balanced ones are.

    Parameters
    ----------
    first, second : TwoLayerNetwork
        One output. The narrower one gets further neurons that are zero.
    problem : TrainingProblem
        Data, loss and penalty.
    n_points : int
        Points at which the path is evaluated, with both ends.

    Returns
    -------
    CellPath
        With scales ``‖w̃_j‖/|a_j|`` between those of the ends. Neurons with ``a_j = 0`` or ``w̃_j = 0`` are zero at
        the end of the path; this changes neither outputs nor, upwards, the penalty.

    Raises
    ------
    ValueError
        If there is no order of the neurons in which both networks have the same signs, of outer weights and of hidden
        outputs on the samples. Zeros, up to rounding, have both signs.

    Examples
    --------
    Two ways to share one slope among two neurons that are active on all samples:

    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, TwoLayerNetwork
    >>> from convexrelu.landscape import join_in_cell
    >>> X = np.array([[1.0], [2.0], [3.0]])
    >>> problem = TrainingProblem(X, [1.0, 3.0, 2.0], alpha=1e-3)
    >>> first = TwoLayerNetwork([[0.4], [0.1]], [1.0, 1.0], [[1.0, 1.0]], [-1.0])
    >>> second = TwoLayerNetwork([[0.2], [0.3]], [1.0, 1.0], [[1.0, 1.0]], [-1.0])
    >>> path = join_in_cell(first, second, problem)
    >>> path.is_level(), path.network(0.5).predict(X).round(6)
    (True, array([1.5, 2. , 2.5]))
    """
    check_number("n_points", n_points, numbers.Integral, 2)
    check_type("problem", problem, TrainingProblem)
    for name, network in (("first", first), ("second", second)):
        _check(name, network, problem)
    width = max(first.width, second.width)
    first, second = _widened(first, width), _widened(second, width)
    second = second.with_neurons(_matching(first, second, problem))
    times = np.linspace(0, 1, n_points)
    networks = [_between(first, second, t) for t in times]
    outputs = [network.predict(problem.X) for network in networks]
    fits = np.array([problem.data_fit(each) for each in outputs])
    error = _EPS * (problem.n_features + width + 2) * _size_of_terms(first, second, problem)
    slope = np.abs(problem.loss.gradient(outputs[0], problem.y)).max() + error
    objectives = np.array([problem.objective(network) for network in networks])
    return CellPath(first, second, times, objectives, fits, float(slope * error))


def _check(name: str, network: TwoLayerNetwork, problem: TrainingProblem) -> None:
    if not isinstance(network, TwoLayerNetwork) or problem.n_outputs != 1:
        raise ValueError(
            f"{name} is a {type(network).__name__} for {problem.n_outputs} outputs, "
            "expected a TwoLayerNetwork with one output"
        )
    if network.n_features != problem.n_features or network.n_outputs != 1:
        raise ValueError(
            f"{name} is {network!r}, expected {problem.n_features} features, one output"
        )
    if network.negative_slope != problem.slope or network.skip_weights is not None:
        raise ValueError(
            f"{name} has negative_slope={network.negative_slope:g} or a skip connection, expected "
            f"{problem.slope:g} and none"
        )


def _widened(network: TwoLayerNetwork, width: int) -> TwoLayerNetwork:
    """The same network with neurons that are zero."""
    more = width - network.width
    return TwoLayerNetwork(
        np.pad(network.hidden_weights, ((0, more), (0, 0))),
        np.pad(network.hidden_bias, (0, more)),
        np.pad(network.output_weights, ((0, 0), (0, more))),
        network.output_bias,
        negative_slope=network.negative_slope,
    )


def _matching(first: TwoLayerNetwork, second: TwoLayerNetwork, problem: TrainingProblem) -> NDArray:
    """Order of the neurons of the second network in which signs agree, or a ValueError."""
    one, other = _signs(first, problem), _signs(second, problem)
    conflicts = (one > 0) @ (other < 0).T.astype(float) + (one < 0) @ (other > 0).T.astype(float)
    u = [net.augmented_weights() * np.abs(net.output_weights.T) for net in (first, second)]
    distances = cdist(*u)
    # Among orders without conflicts the one of the shortest path: all distances together weigh less than a conflict.
    closeness = distances / (1 + len(distances) * distances.max(initial=0.0))
    rows, order = linear_sum_assignment(conflicts + closeness)
    if conflicts[rows, order].any():
        neuron = rows[conflicts[rows, order] > 0][0]
        raise ValueError(
            f"first and second are in different cells: {int((conflicts[rows, order] > 0).sum())} neurons differ in "
            f"signs in the best order, such as neuron {neuron} of the first"
        )
    return order


def _signs(network: TwoLayerNetwork, problem: TrainingProblem) -> Array:
    """Signs of outer weights and of hidden outputs on samples that count, (m, 1 + n); zero up to rounding."""
    X = problem.X[problem.weights > 0]
    z = X @ network.hidden_weights.T + network.hidden_bias
    sizes = abs(X) @ np.abs(network.hidden_weights.T) + np.abs(network.hidden_bias)
    clear = np.abs(z) > (problem.n_features + 2) * _EPS * sizes
    contributes = network.output_weights[0] != 0
    hidden = np.where(clear & contributes, np.sign(z), 0.0)
    return np.vstack([np.sign(network.output_weights), hidden]).T


def _between(first: TwoLayerNetwork, second: TwoLayerNetwork, t: float) -> TwoLayerNetwork:
    """The network whose ``u`` and intercept are on the segment, with scales in between."""
    inner = np.stack([first.augmented_weights(), second.augmented_weights()])
    outer = np.stack([first.output_weights[0], second.output_weights[0]])
    u = inner * np.abs(outer)[:, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (
            np.log(norms(inner[0]) / np.abs(outer[0])),
            np.log(norms(inner[1]) / np.abs(outer[1])),
        )
    known = np.isfinite(scale[0]), np.isfinite(scale[1])
    start = np.where(known[0], scale[0], np.where(known[1], scale[1], 0.0))
    end = np.where(known[1], scale[1], start)
    ratio = np.exp((1 - t) * start + t * end)
    middle = (1 - t) * u[0] + t * u[1]
    sizes = np.sqrt(norms(middle) / ratio)
    weights = middle / np.where(sizes > 0, sizes, 1.0)[:, None]
    signs = np.where(outer[0] != 0, np.sign(outer[0]), np.sign(outer[1]))
    bias = (1 - t) * first.output_bias + t * second.output_bias
    return TwoLayerNetwork(
        weights[:, :-1],
        weights[:, -1],
        (signs * sizes)[None, :],
        bias,
        negative_slope=first.negative_slope,
    )


def _size_of_terms(
    first: TwoLayerNetwork, second: TwoLayerNetwork, problem: TrainingProblem
) -> float:
    """Largest sum of absolute values that an output of either network is made of."""
    sizes = []
    for network in (first, second):
        terms = abs(problem.X) @ np.abs(network.hidden_weights.T) + np.abs(network.hidden_bias)
        sizes.append(terms @ np.abs(network.output_weights[0]) + np.abs(network.output_bias[0]))
    return float(np.max(sizes)) + float(np.abs(problem.y).max())
