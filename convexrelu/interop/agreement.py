"""Whether a network that was read from elsewhere is the function that it was read from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from convexrelu._utils.arguments import finite_array
from convexrelu._utils.typing import Array
from convexrelu.interop.weights import Weights

__all__ = ["Link", "Precision", "check_agreement"]

_EPS = float(np.finfo(np.float64).eps)
# Relative error of exponentials and their sums and quotients: a few roundings.
_LINK_ROUNDING = 64 * _EPS
# Hidden outputs and inputs at a time.
_CHUNK = 2**22
# Probes at which a network is compared where no inputs are given: so many of each length.
_PROBES, _LENGTHS = 16, (1e-2, 1.0, 1e2)


class Precision(NamedTuple):
    """Of the arithmetic that another library computes in.

    Attributes
    ----------
    rounding : float
        Relative error of a stored number.
    summation : float
        Relative error of an addition within a product of matrices, which may be done in a longer type.
    smallest : float
        Numbers below may be rounded to zero.
    largest : float
        Numbers above overflow.
    """

    rounding: float = _EPS
    summation: float = _EPS
    smallest: float = float(np.finfo(np.float64).tiny)
    largest: float = float(np.finfo(np.float64).max)


class Link(NamedTuple):
    """What a function does to the outputs of the network.

    Attributes
    ----------
    function : callable
        Of outputs of shape (n, K).
    slope : callable
        Of the results: a bound on the derivative.
    """

    function: Callable[[Array], Array]
    slope: Callable[[Array], Array]


def check_agreement(
    name: str,
    function: Callable[[Array], tuple[Array, Array]],
    weights: Weights,
    X: ArrayLike | None,
    precision: Precision,
    link: Link | None = None,
) -> None:
    """Raise a ValueError if a function and a network of these weights differ by more than rounding.

    An output is a sum of ``d + m`` products and the biases. Rounding changes it by no more than so many roundings of
    ``|A| (|W| |x| + |b|) + |c|``, whatever the order of summation (Higham 2002, section 3.1).

    Parameters
    ----------
    name : str
        What messages call the function.
    function : callable
        From rows of shape (n, d) to the same as the function sees them, rounded, and its outputs, of shape (n,) or
        (n, K).
    weights : Weights
        The network.
    X : array or sparse matrix of shape (n, d), optional
        Where they are compared; by default at random points of several lengths, whose outputs do not overflow.
    precision : Precision
        Of the function.
    link : Link, optional
        What follows the outputs in the function.
    """
    for field, array in zip(weights._fields[:4], weights[:4], strict=True):
        if not np.isfinite(array).all():
            raise ValueError(f"{field} contains NaN or infinity; weights must be finite")
    d = weights.hidden_weights.shape[1]
    rows: Any = _probes(weights, precision) if X is None else X
    if not issparse(rows):
        rows = finite_array("X", rows, "n", d)
    step = max(1, _CHUNK // max(1, d, len(weights.hidden_bias)))
    for start in range(0, rows.shape[0], step):
        part = rows[start : start + step]
        part = part.toarray() if issparse(part) else part
        _compare(name, function, weights, part, precision, link)


def _compare(
    name: str,
    function: Callable[[Array], tuple[Array, Array]],
    weights: Weights,
    rows: Array,
    precision: Precision,
    link: Link | None,
) -> None:
    try:
        rows, outputs = function(rows)
    except Exception as error:  # of code that we do not know
        raise ValueError(f"{name} cannot be evaluated at its inputs: {error}") from error
    with np.errstate(over="ignore", invalid="ignore"):  # rows may overflow in a shorter type
        expected = _outputs(weights, rows)
        if expected.shape[1] == 1 and np.ndim(outputs) == 1:
            outputs = outputs[:, None]
        if np.shape(outputs) != expected.shape:
            raise ValueError(
                f"{name} has outputs of shape {np.shape(outputs)}, expected {expected.shape}"
            )
        tolerance = _tolerance(weights, rows, precision)
        if link is not None:
            expected = link.function(expected)
            tolerance = (tolerance + _LINK_ROUNDING) * link.slope(expected)
        errors = np.abs(outputs - expected)
        agrees = errors <= tolerance  # which NaN is not
    if not agrees.all():
        raise ValueError(
            f"{name} is another function than the network of its weights: outputs differ by up to {errors.max():.3g}, "
            "more than rounding; it may have hooks, or a forward or predict method of its own"
        )


def _outputs(weights: Weights, rows: Array) -> Array:
    seen = rows @ weights.hidden_weights.T + weights.hidden_bias
    hidden = np.maximum(seen, 0.0) + weights.negative_slope * np.minimum(seen, 0.0)
    return hidden @ weights.output_weights.T + weights.output_bias


def _sizes(weights: Weights, rows: Array) -> Array:
    """``|A| (|W| |x| + |b|) + |c|``: outputs without cancellation."""
    inner, bias, outer, intercept = (np.abs(array) for array in weights[:4])
    return _outputs(Weights(inner, bias, outer, intercept), np.abs(rows))


def _tolerance(weights: Weights, rows: Array, precision: Precision) -> Array:
    """Roundings of hidden outputs, of their multiples by a slope, and of outputs, and those of the sums."""
    terms = sum(weights.hidden_weights.shape) + 2
    relative = 4 * precision.rounding + 2 * terms * precision.summation
    # Products that vanish: of inputs with inner weights, and of hidden outputs with outer ones.
    vanishing = terms * (1 + np.abs(weights.output_weights).sum(axis=1)) * precision.smallest
    return relative * _sizes(weights, rows) + vanishing


def _probes(weights: Weights, precision: Precision) -> Array:
    random = np.random.default_rng(0)
    d = weights.hidden_weights.shape[1]
    points = np.vstack([length * random.standard_normal((_PROBES, d)) for length in _LENGTHS])
    inner = np.abs(points) @ np.abs(weights.hidden_weights.T) + np.abs(weights.hidden_bias)
    reached = np.maximum(
        inner.max(axis=1, initial=0.0), _sizes(weights, points).max(axis=1, initial=0.0)
    )
    kept = points[reached < precision.largest / 2]
    return kept if len(kept) else np.zeros((1, d))
