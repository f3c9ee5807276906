"""Networks with tanh or sigmoid units, approximated by piecewise linear ones to a tolerance.

The number of linear regions of the approximation measures the complexity of a smooth network, for which there are none
(Hu, Liu, Bian & Pei 2020). Each unit is replaced by a chord interpolant of its activation, on the range that its
input has in a box. The largest error of a chord is at a point where the slope is that of the chord: for tanh,
``1 / cosh² t = μ``.

References
----------
Hu, Liu, Bian & Pei 2020, "Measuring model complexity of neural networks with curve activation functions".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu._utils.arguments import as_float, is_number, shown
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.regions.counting import checked_box
from convexrelu.regions.layers import Layer, linear_layer, modules_of

__all__ = ["LinearApproximation", "linear_approximation"]

_BISECTIONS = 60  # to the last digits


class LinearApproximation(NamedTuple):
    """A piecewise linear network that approximates a smooth one.

    Attributes
    ----------
    network : TwoLayerNetwork
        With a ReLU unit for each knot, and a skip connection.
    n_pieces : int array of shape (m,)
        Linear pieces of the activation of each smooth unit, on the range of its input.

    Examples
    --------
    >>> from torch import nn
    >>> from convexrelu.regions import linear_approximation
    >>> module = nn.Sequential(nn.Linear(1, 3), nn.Sigmoid(), nn.Linear(3, 1))
    >>> found = linear_approximation(module, [-1.0], [1.0], tol=0.01)
    >>> found.n_pieces.shape, found.network.n_features
    ((3,), 1)
    """

    network: TwoLayerNetwork
    n_pieces: NDArray[np.intp]


def linear_approximation(
    network: Any, lower: ArrayLike, upper: ArrayLike, tol: float
) -> LinearApproximation:
    """Piecewise linear network within `tol` of a network of tanh or sigmoid units, in a box.

    From left to right, each piece of a unit is made as long as possible by bisection. ``count_regions_in_box`` of the
    result, with the same box, is the linear approximation measure.

    Parameters
    ----------
    network : torch.nn.Sequential of Linear, Tanh or Sigmoid, Linear
        Or a fitted MLP of scikit-learn with one hidden layer and ``activation="tanh"`` or ``"logistic"``; for a
        classifier, the outputs before the last activation.
    lower, upper : arrays of shape (d,)
        The box.
    tol : float
        Largest difference of each output in the box; positive.

    Returns
    -------
    LinearApproximation

    Raises
    ------
    ValueError
        If `network` is of another kind, or an argument does not fit it.

    Examples
    --------
    >>> from torch import nn
    >>> from convexrelu.regions import count_regions_in_box, linear_approximation
    >>> module = nn.Sequential(nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 1))
    >>> for parameter in module.parameters():
    ...     _ = nn.init.ones_(parameter)
    >>> for tol in (0.1, 0.01, 0.001):
    ...     found = linear_approximation(module, [-3.0], [3.0], tol)
    ...     print(found.n_pieces, count_regions_in_box(found.network, [-3.0], [3.0]))
    [4] 4
    [11] 11
    [33] 33
    """
    if not is_number(tol) or not 0 < as_float(tol) < math.inf:
        raise ValueError(f"tol={shown(tol)} is not a positive number")
    hidden, output, kind = _smooth_layers(network)
    low, high = checked_box(lower, upper, hidden.weights.shape[1])
    middle = hidden.weights @ (low + (high - low) / 2) + hidden.bias
    reach = np.abs(hidden.weights) @ (high - low) / 2
    largest = np.abs(output.weights).sum(axis=1).max(initial=0.0)
    share = as_float(tol) / largest if largest > 0 else math.inf
    rows, slopes, constants = [], np.zeros(len(middle)), np.zeros(len(middle))
    n_pieces = np.ones(len(middle), dtype=np.intp)
    for j, (start, end) in enumerate(zip(middle - reach, middle + reach, strict=True)):
        knots = _knots(kind, float(start), float(end), share)
        heights = np.array([kind.value(t) for t in knots])
        if len(knots) < 2:  # a unit whose input does not change
            constants[j] = heights[0]
            continue
        chords = np.diff(heights) / np.diff(knots)
        slopes[j], constants[j] = chords[0], heights[0] - chords[0] * knots[0]
        n_pieces[j] = len(chords)
        rows += [(j, knot, jump) for knot, jump in zip(knots[1:-1], np.diff(chords), strict=True)]
    unit = np.array([row[0] for row in rows], dtype=np.intp)
    knot, jump = (np.array([row[k] for row in rows], dtype=np.float64) for k in (1, 2))
    constants = constants + slopes * hidden.bias
    approximation = TwoLayerNetwork(
        hidden.weights[unit],
        hidden.bias[unit] - knot,
        output.weights[:, unit] * jump,
        output.bias + output.weights @ constants,
        skip_weights=(output.weights * slopes) @ hidden.weights,
    )
    return LinearApproximation(approximation, n_pieces)


class _Sigmoidal(NamedTuple):
    """``scale · tanh(rate · t) + shift``."""

    scale: float
    rate: float
    shift: float

    def value(self, t: float) -> float:
        return self.scale * math.tanh(self.rate * t) + self.shift

    def chord_error(self, start: float, end: float) -> float:
        """Largest distance of the chord between two points from the function."""
        s, e = self.rate * start, self.rate * end
        slope = (math.tanh(e) - math.tanh(s)) / (e - s)
        if not 0 < slope < 1:
            return 0.0  # a chord as short, or as flat, as a rounding error
        same_slope = math.acosh(1 / math.sqrt(slope))
        errors = [
            abs(math.tanh(t) - math.tanh(s) - slope * (t - s))
            for t in (-same_slope, same_slope)
            if s < t < e
        ]
        return self.scale * max(errors, default=0.0)


_KINDS = {"tanh": _Sigmoidal(1.0, 1.0, 0.0), "sigmoid": _Sigmoidal(0.5, 0.5, 0.5)}


def _knots(kind: _Sigmoidal, start: float, end: float, tol: float) -> Array:
    """Points between which chords are within `tol` of the activation."""
    found = [start]
    while found[-1] < end:
        last = found[-1]
        if kind.chord_error(last, end) <= tol:
            found.append(end)
            break
        found.append(_last_within(lambda t, s=last: kind.chord_error(s, t) <= tol, last, end))  # type: ignore[misc]
    return np.array(found)


def _last_within(holds: Callable[[float], bool], low: float, high: float) -> float:
    """A point where a condition holds that fails soon after, by bisection; it fails at `high`."""
    start = low
    for _ in range(_BISECTIONS):
        middle = low + (high - low) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low if low > start else high


def _smooth_layers(network: Any) -> tuple[Layer, Layer, _Sigmoidal]:
    if hasattr(network, "coefs_"):
        return _of_sklearn(network)
    if type(network).__module__.split(".")[0] != "torch":
        raise ValueError(
            f"network is a {type(network).__name__}, expected a torch.nn.Sequential or an MLP of scikit-learn"
        )
    from convexrelu._utils.torch_import import nn

    parts = modules_of(network)
    kinds = {nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}
    if len(parts) == 3 and type(parts[1]) in kinds:
        first, _, last = parts
        if isinstance(first, nn.Linear) and isinstance(last, nn.Linear):
            return linear_layer(first), linear_layer(last), _KINDS[kinds[type(parts[1])]]
    form = ", ".join(type(part).__name__ for part in parts)
    raise ValueError(f"network is made of ({form}), expected (Linear, Tanh or Sigmoid, Linear)")


def _of_sklearn(network: Any) -> tuple[Layer, Layer, _Sigmoidal]:
    names = {"tanh": "tanh", "logistic": "sigmoid"}
    if network.activation not in names or len(network.coefs_) != 2:
        raise ValueError(
            f"network has activation={network.activation!r} and {len(network.coefs_) - 1} hidden layers, "
            "expected 'tanh' or 'logistic' and one"
        )
    first, last = (
        Layer(np.asarray(weights, dtype=np.float64).T, np.asarray(bias, dtype=np.float64), 1.0)
        for weights, bias in zip(network.coefs_, network.intercepts_, strict=True)
    )
    return first, last, _KINDS[names[network.activation]]
