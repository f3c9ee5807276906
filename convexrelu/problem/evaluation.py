"""The objective of a network, evaluated around the centre of the data and rounded up by a bound on its rounding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.sparse import issparse

from convexrelu._utils.norms import lengths_of_rows, norms
from convexrelu._utils.typing import Array
from convexrelu.losses import Loss
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.unread import Unread, parts_of

__all__ = ["CentredInputs", "Outputs", "exact_sums", "objective_above", "roundings"]

_UNIT = 0.5 * float(np.finfo(np.float64).eps)
# Roundings of a value of a loss, and of a product with a weight.
_OF_A_TERM = 8
_OF_FEW = 4  # roundings of few terms may all have one sign
_MORE_THAN_TWICE = 2 + 1e-6  # with room for rounding
_PART = 2**20  # entries of inputs at a time: they stay in the cache
_SPLIT = 2.0**27 + 1  # Veltkamp's: splits 53 bits into 26 and 26


class CentredInputs(NamedTuple):
    """Inputs less an offset, which is zero unless all of them are far from the origin.

    Attributes
    ----------
    rows : array or sparse matrix of shape (n, d)
        ``x_i − c``.
    centre : array of shape (d,)
        ``c``.
    lengths : array of shape (n,)
        ``‖x_i − c‖``.
    """

    rows: Any
    centre: Array
    lengths: Array

    @classmethod
    def of(cls, X: Any) -> CentredInputs:
        """Centred at the mean if that is longer than the spread; sparse inputs stay as they are."""
        origin = np.zeros(X.shape[1])
        if issparse(X):
            return cls(X, origin, lengths_of_rows(X))
        centre, lengths = X.mean(axis=0), norms(X)
        if _is_short(centre, lengths):
            return cls(X, origin, lengths)
        step = max(1, _PART // X.shape[1])
        starts = range(0, len(X), step)
        around = np.concatenate([norms(X[i : i + step] - centre) for i in starts])
        if norms(centre) > around.max():
            return cls(X - centre, centre, around)
        return cls(X, origin, lengths)

    @classmethod
    def unread(cls, X: Unread) -> CentredInputs:
        """The same of rows that are copied some at a time."""
        total, own, rows = np.zeros(X.shape[1]), [], _Shifted(X, np.zeros(X.shape[1]))
        for part in parts_of(X):
            some = rows[part]
            total += some.sum(axis=0)
            own.append(norms(some))
        centre, lengths = total / X.shape[0], np.concatenate(own)
        if not _is_short(centre, lengths):
            centred = _Shifted(X, centre)
            around = np.concatenate([norms(centred[part]) for part in parts_of(X)])
            if norms(centre) > around.max():
                return cls(centred, centre, around)
        return cls(rows, rows.offset, lengths)


def _is_short(centre: Array, lengths: Array) -> bool:
    """Whether a mean is certainly no longer than the spread around it: ``max ‖x − c‖ ≥ max ‖x‖ − ‖c‖ > ‖c‖``."""
    return bool(_MORE_THAN_TWICE * norms(centre) < lengths.max())


class _Shifted:
    """Rows less an offset, in double precision, some at a time; or all, where they are taken for an array."""

    def __init__(self, rows: Unread, offset: Array) -> None:
        self._rows, self.offset = rows, offset
        self.shape, self.ndim = rows.shape, rows.ndim

    def __getitem__(self, part: slice) -> Array:
        return np.subtract(self._rows[part], self.offset, dtype=np.float64)

    def __matmul__(self, weights: Array) -> Array:
        return np.concatenate([self[part] @ weights for part in parts_of(self._rows)])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._rows.read - self.offset, dtype=dtype)


class _Problem(Protocol):
    """What an objective needs of a :class:`~convexrelu.TrainingProblem`."""

    @property
    def centred_inputs(self) -> CentredInputs: ...
    @property
    def y(self) -> Array: ...
    @property
    def weights(self) -> Array: ...
    @property
    def loss(self) -> Loss: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def alpha(self) -> float: ...
    @property
    def skip(self) -> bool: ...
    @property
    def skip_alpha(self) -> float: ...
    def penalty(self, network: TwoLayerNetwork) -> float: ...


Outputs = Callable[[TwoLayerNetwork], Array]


def objective_above(
    problem: _Problem, network: TwoLayerNetwork, outputs_of: Outputs | None = None
) -> float:
    """Objective of a network, not below its exact value.

    `outputs_of` gives outputs of a network on the centred inputs, in double precision; by default NumPy does.

    Where data are far from the origin, inputs ``w·x + b`` and residuals are small differences of large numbers. With
    ``c`` the centre of the inputs they are ``w·(x − c) + (b + w·c)`` and ``h − (y − b_out)``: differences of floats
    that are near each other are exact, and sums over features are made exact. What still is rounded is bounded by
    ``u · (Σ_j |a_j| (‖w_j‖ ‖x − c‖ + |b_j + w_j·c|) + …)`` for each output, with ``u`` for many operations as in
    :func:`roundings`, and by convexity changes the loss by at most that times the larger slope on either side.
    """
    outputs, targets, error = _outputs(problem, network, outputs_of)
    weights, loss = problem.weights, problem.loss
    with np.errstate(over="ignore", invalid="ignore"):
        fit = float(weights @ loss.value(outputs, targets))
        slopes = [np.abs(loss.gradient(outputs + side * error, targets)) for side in (-1, 1)]
        changes = np.maximum(*slopes) * error
        fit += float(weights @ (changes if changes.ndim == 1 else changes.sum(axis=1)))
        fit *= 1 + _UNIT * (roundings(len(weights)) + _OF_A_TERM)
        n_weights = network.width * (network.n_features + 1 + network.n_outputs)
        cost = problem.alpha * problem.penalty(network)
        if problem.skip and network.skip_weights is not None:
            n_weights += network.skip_weights.size
            squares = float(np.vdot(network.skip_weights, network.skip_weights))
            cost += 0.5 * problem.skip_alpha * squares
        return fit + cost * (1 + _UNIT * (roundings(n_weights) + _OF_A_TERM))


def roundings(n_terms: int) -> float:
    """Units of rounding in a sum of terms, relative to the sum of their absolute values.

    At most one for each term; about the root of their number for many, whose errors do not all have one sign. Even for
    terms of one sign, whose partial sums are large, that is three standard deviations.

    References
    ----------
    Higham, N. J. and Mary, T. (2019). A new approach to probabilistic rounding error analysis. *SIAM Journal on
    Scientific Computing* 41(5), A2815–A2835.
    """
    return min(float(n_terms), math.sqrt(n_terms) + _OF_FEW)


def _outputs(
    problem: _Problem, network: TwoLayerNetwork, outputs_of: Outputs | None
) -> tuple[Array, Array, Array]:
    """Outputs, targets, and bounds on the errors of outputs; both shifted by a constant where only residuals count."""
    if not network.width and network.skip_weights is None:  # a constant: looks at no inputs
        inputs = _of_constants(len(problem.y), network.n_features)
    else:
        inputs = problem.centred_inputs
    bias, _ = exact_sums(network.hidden_weights, inputs.centre, network.hidden_bias)
    constant, rest = network.output_bias, np.zeros(network.n_outputs)
    if network.skip_weights is not None:
        constant, rest = exact_sums(network.skip_weights, inputs.centre, constant)
    shifted = replace(network, hidden_bias=bias, output_bias=np.zeros(network.n_outputs))
    outputs = shifted.predict(inputs.rows) if outputs_of is None else outputs_of(shifted)
    size = _sizes(shifted, inputs.lengths).reshape(outputs.shape)
    n_terms = network.n_features + network.width + 4
    error, targets = _UNIT * roundings(n_terms) * size, problem.y
    if problem.n_outputs == 1:
        constant, rest = constant[0], rest[0]
    if problem.loss.of_residuals:
        targets = (targets - constant) - rest
        error = error + 2 * _UNIT * np.abs(targets)
    else:
        outputs = outputs + constant
        error = error + 2 * _UNIT * (np.abs(outputs) + np.abs(constant))
    return outputs, targets, error


def _of_constants(n_samples: int, n_features: int) -> CentredInputs:
    """Inputs that take no memory, for networks whose outputs are the same whatever they are."""
    nothing = np.broadcast_to(0.0, (n_samples, n_features))
    return CentredInputs(nothing, np.zeros(n_features), np.zeros(n_samples))


def _sizes(network: TwoLayerNetwork, lengths: Array) -> Array:
    """Bounds on the sums of absolute values behind each output, of shape (n, K)."""
    outer = np.abs(network.output_weights)
    slopes, constants = outer @ norms(network.hidden_weights), outer @ np.abs(network.hidden_bias)
    if network.skip_weights is not None:
        slopes = slopes + norms(network.skip_weights)
    return np.outer(lengths, slopes) + constants


def exact_sums(rows: Array, vector: Array, added: Array) -> tuple[Array, Array]:
    """``rows @ vector + added`` as sums of two floats, the nearest one and the rest.

    Examples
    --------
    >>> import numpy as np
    >>> sums, rest = exact_sums(np.array([[1.0, 1.0]]), np.array([1e16, 0.1]), np.array([-1e16]))
    >>> float(sums[0])
    0.1
    """
    if not vector.any():
        return added, np.zeros_like(added)
    with np.errstate(over="ignore", invalid="ignore"):
        high = rows * vector
        row_high, row_low = _halves(rows)
        high_, low_ = _halves(vector)
        low = row_low * low_ - (((high - row_high * high_) - row_low * high_) - row_high * low_)
    if not (np.isfinite(high).all() and np.isfinite(low).all()):  # the plain sum has to do
        return rows @ vector + added, np.zeros_like(added)
    terms = np.column_stack([high, low, added])
    sums = np.array([math.fsum(row) for row in terms])
    rest = [math.fsum([*row, -total]) for row, total in zip(terms, sums, strict=True)]
    return sums, np.array(rest)


def _halves(values: Array) -> tuple[Array, Array]:
    """Numbers as sums of two with half as many digits, whose products are exact."""
    scaled = _SPLIT * values
    high = scaled - (scaled - values)
    return high, values - high
