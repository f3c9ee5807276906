r"""Spurious local minima for any data and any piecewise linear activation, by construction (He, Wang & Tao 2020).

Let all hidden inputs be inside of one linear piece ``φ(t) = p t + q`` of the activation, with ``p ≠ 0``. Nearby, the
network is then affine in ``x``, whatever its weights are. So it is a local minimum of the squared error if it is the
best affine function, the least squares fit. It is spurious wherever a network is better than an affine function.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PPoly

from convexrelu._utils.arguments import check_number, finite_array, shown
from convexrelu._utils.norms import norms
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.typing import Array
from convexrelu.landscape.second_order import gradient_and_eigenvalues
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.univariate import from_spline, knots, to_spline

__all__ = ["SpuriousMinimum", "spurious_minimum"]

# Hidden inputs fill this part of a piece that has two ends; the rest is their distance to the ends.
_FILLED = 0.8
# Least distance of a hidden input to the ends of its piece, relative to the size of its terms, that rounding cannot be.
_CLEAR = 1e-9
_SLOPES = {"relu": 0.0, "absolute_value": -1.0}


@dataclass(frozen=True, eq=False)
class SpuriousMinimum:
    """A two-layer network that is a local minimum of the squared error because it is the best affine function.

    Attributes
    ----------
    hidden_weights, hidden_bias, output_weights, output_bias : arrays
        As of :class:`~convexrelu.TwoLayerNetwork`.
    activation : PPoly
        Of degree one.
    network : TwoLayerNetwork or None
        The network, if its activation has one kink, at zero, and the slope 1 on the right.
    loss : float
        ``(1/2n) Σ ‖f(x_i) − y_i‖²`` of the network.
    least_squares_loss : float
        The same of the least squares fit.
    margin : float
        Smallest distance of a hidden input to the ends of its piece, relative to the size of its terms.
    gradient, eigenvalues : arrays of shape (p,)
        Gradient of the loss by all weights, and eigenvalues of the Hessian, increasing: the second-order conditions.
    is_local_minimum : bool
        Whether the hidden inputs are inside of the piece by more than rounding, so that networks nearby are affine, and
        the loss is that of the least squares fit to 1e-9 of the loss of the best constant.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import spurious_minimum
    >>> X = np.linspace(-1, 1, 21)[:, None]
    >>> found = spurious_minimum(X, X[:, 0] ** 2, width=3, random_state=0)
    >>> abs(found.loss - found.least_squares_loss) < 1e-12, bool(found.eigenvalues[0] > -1e-9)
    (True, True)
    """

    hidden_weights: Array
    hidden_bias: Array
    output_weights: Array
    output_bias: Array
    activation: PPoly
    network: TwoLayerNetwork | None
    loss: float
    least_squares_loss: float
    margin: float
    gradient: Array
    eigenvalues: Array
    is_local_minimum: bool

    def predict(self, X: ArrayLike) -> Array:
        """Outputs of shape (n,) for a network with one output, (n, K) otherwise."""
        seen = finite_array("X", X, "n", self.hidden_weights.shape[1]) @ self.hidden_weights.T
        hidden = self.activation(seen + self.hidden_bias, extrapolate=True)
        outputs = hidden @ self.output_weights.T + self.output_bias
        return outputs[:, 0] if len(self.output_bias) == 1 else outputs


def spurious_minimum(
    X: ArrayLike,
    y: ArrayLike,
    *,
    width: int,
    activation: str | PPoly = "relu",
    negative_slope: float = 0.01,
    random_state: int | np.random.RandomState | None = None,
) -> SpuriousMinimum:
    """Construct a local minimum of the squared error, and verify it.

    Parameters
    ----------
    X : array of shape (n, d)
    y : array of shape (n,) or (n, K)
    width : int
        Neurons, at least one for each output.
    activation : {"relu", "leaky_relu", "absolute_value"} or PPoly
        Any continuous piecewise linear function that is not constant: a :class:`scipy.interpolate.PPoly` of degree one,
        which its outermost pieces continue.
    negative_slope : float
        Of ``"leaky_relu"``.
    random_state : int, RandomState or None
        Seed of the directions of the neurons, of which only the mean is determined.

    Returns
    -------
    SpuriousMinimum

    Raises
    ------
    ValueError
        For bad data, a `width` that is too small, or an activation that is not of this kind.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import spurious_minimum
    >>> X = np.linspace(-1, 1, 21)[:, None]
    >>> found = spurious_minimum(X, X[:, 0] ** 2, width=3, random_state=0)
    >>> found.is_local_minimum, found.network.width
    (True, 3)
    >>> bool(np.ptp(found.predict(X)) < 1e-12)  # the best line is a constant
    True
    """
    inputs = finite_array("X", X, "n", "d")
    targets = _columns_of_targets(y, len(inputs))
    check_number("width", width, numbers.Integral, targets.shape[1])
    spline, slope = _as_spline(activation, negative_slope)
    low, high, p, q = _widest_piece(spline)

    centre = inputs.mean(axis=0)
    columns = inputs - centre
    fit = _least_squares(columns, targets - targets.mean(axis=0))
    directions, shares = _directions(fit.T, width, columns, checked_random_state(random_state))
    factor, bias = _inside(directions, columns, centre, low, high)
    hidden, outer = factor * directions, shares / (p * factor)
    at_centre = p * (hidden @ centre + bias) + q
    intercept = targets.mean(axis=0) - outer @ at_centre

    seen = inputs @ hidden.T + bias
    terms = np.abs(inputs) @ np.abs(hidden.T) + np.abs(bias)
    margin = float((np.minimum(seen - low, high - seen) / terms).min())
    outputs = spline(seen, extrapolate=True) @ outer.T + intercept
    loss = _half_mean_square(outputs - targets)
    least = _half_mean_square(columns @ fit + targets.mean(axis=0) - targets)
    spread = _half_mean_square(targets - targets.mean(axis=0))
    weights = hidden, bias, outer, intercept
    gradient, eigenvalues = gradient_and_eigenvalues(*weights, spline, inputs, targets)
    return SpuriousMinimum(
        hidden_weights=hidden,
        hidden_bias=bias,
        output_weights=outer,
        output_bias=intercept,
        activation=spline,
        network=None
        if slope is None
        else TwoLayerNetwork(hidden, bias, outer, intercept, negative_slope=slope),
        loss=loss,
        least_squares_loss=least,
        margin=margin,
        gradient=gradient,
        eigenvalues=eigenvalues,
        is_local_minimum=margin > _CLEAR and abs(loss - least) <= 1e-9 * spread,
    )


def _columns_of_targets(y: ArrayLike, n: int) -> Array:
    targets = finite_array("y", y)
    if targets.ndim not in (1, 2) or len(targets) != n or targets.size == 0:
        raise ValueError(f"y has shape {targets.shape}, expected ({n},) or ({n}, K)")
    return targets.reshape(n, -1)


def _least_squares(columns: Array, targets: Array) -> Array:
    """Coefficients of the least squares fit, of shape (d, K)."""
    sizes = norms(columns.T)
    sizes = np.where(sizes > 0, sizes, 1.0)
    # With features of one size, since singular values that are relatively small count as zero.
    fit, *_ = np.linalg.lstsq(columns / sizes, targets)
    return np.asarray(fit / sizes[:, None])


def _half_mean_square(residuals: Array) -> float:
    return 0.5 * float(np.square(residuals).sum()) / len(residuals)


def _as_spline(activation: Any, negative_slope: float) -> tuple[PPoly, float | None]:
    """The activation as a spline, and its slope on the left if it is one of this package's."""
    if isinstance(activation, PPoly):
        knots(from_spline(activation))  # raises what is wrong with it
        return activation, None
    if activation == "leaky_relu":
        slope = negative_slope
    elif activation in _SLOPES:
        slope = _SLOPES[activation]
    else:
        raise ValueError(
            f"activation={shown(activation)} is not known; available: 'relu', 'leaky_relu', "
            "'absolute_value' or a PPoly of degree one"
        )
    rectifier = TwoLayerNetwork([[1.0]], [0.0], [[1.0]], [0.0], negative_slope=slope)
    return to_spline(rectifier), slope


def _widest_piece(spline: PPoly) -> tuple[float, float, float, float]:
    """Ends of the widest piece with a slope, and its ``p`` and ``q``; the outermost pieces have no end."""
    lows = np.append(-np.inf, spline.x[1:-1])
    highs = np.append(spline.x[1:-1], np.inf)
    slopes, values = spline.c[-2], spline.c[-1]
    if spline.c.ndim != 2 or not slopes.any():
        raise ValueError(
            "activation is constant or has several values, expected one that is neither"
        )
    # Among pieces that are equally wide the last one: for ReLU and its kin that of slope one.
    k = max(np.flatnonzero(slopes), key=lambda k: (highs[k] - lows[k], k))
    return lows[k], highs[k], float(slopes[k]), float(values[k] - slopes[k] * spline.x[k])


def _directions(
    fit: Array, width: int, columns: Array, random: np.random.RandomState
) -> tuple[Array, Array]:
    """Weights of neurons whose mean over each output's neurons is its fit, and the shares of the neurons."""
    n_outputs = len(fit)
    output = np.arange(width) % n_outputs
    shares = np.zeros((n_outputs, width))
    shares[output, np.arange(width)] = 1.0
    shares /= shares.sum(axis=1, keepdims=True)
    spread = columns.std(axis=0)
    size = np.linalg.norm(fit * spread) or 1.0
    noise = size * random.standard_normal((width, fit.shape[1])) / np.where(spread > 0, spread, 1.0)
    for k in range(n_outputs):
        own = output == k
        noise[own] -= noise[own].mean(axis=0)
    return fit[output] + noise, shares


def _inside(
    directions: Array, columns: Array, centre: Array, low: float, high: float
) -> tuple[float, Array]:
    """A factor for the directions, and biases, such that all hidden inputs are well inside of a piece."""
    seen = columns @ directions.T
    ranges = seen.max(axis=0) - seen.min(axis=0)
    widest = float(ranges.max()) or 1.0
    finite = np.isfinite(low) and np.isfinite(high)
    if finite:
        factor, room = _FILLED * (high - low) / widest, (1 - _FILLED) / 2 * (high - low)
    else:
        # The distance to the one end, if there is one, is no smaller than the end: it is not lost in rounding.
        end = abs(next((float(each) for each in (low, high) if np.isfinite(each)), 0.0))
        factor = max(1.0, end / widest)
        room = factor * widest
    if np.isfinite(low):
        shift = low + room - factor * seen.min(axis=0)
    elif np.isfinite(high):
        shift = high - room - factor * seen.max(axis=0)
    else:
        shift = np.zeros(len(directions))
    return factor, shift - factor * directions @ centre
