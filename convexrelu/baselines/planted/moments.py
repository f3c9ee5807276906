r"""Hermite moments of a two-layer ReLU network with standard Gaussian inputs, exact and from samples.

For ``x ~ N(0, I)``, unit vectors ``w_j`` and ``f(x) = Σ_j a_j relu(w_jᵀx + b_j) + c``, with the tensors ``He_k`` of
Hermite polynomials::

    T_k = E[f(x) He_k(x)] = Σ_j a_j c_k(b_j) w_j^{⊗k}      (+ c for k = 0)
    c_0 = φ(b) + b Φ(b),    c_1 = Φ(b),    c_k = (−1)^k He_{k−2}(b) φ(b) for k ≥ 2

with density ``φ`` and distribution function ``Φ`` of a standard normal variable, since ``E[g(x) He_k(x)] =
E[g^{(k)}(x)]`` in one dimension, and the second derivative of ``relu(t + b)`` is a point mass at ``−b``.

From samples, ``T_k`` is the mean of ``y He_k(x)``. What lower moments explain of ``y`` is uncorrelated with ``He_k``;
taking it off first leaves the expectation as it is and lowers the variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.polynomial.hermite_e import hermeval
from numpy.typing import ArrayLike
from scipy.special import ndtr

from convexrelu._utils.arguments import check_type, finite_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["HermiteMoments", "hermite_coefficients", "population_moments", "sample_moments"]

_ORDERS = 5  # T_0 to T_4
_CHUNK = 2**20  # entries of powers of inputs at a time


@dataclass(frozen=True, eq=False)
class HermiteMoments:
    """Moments ``T_0, …, T_4``: the last two are on a subspace that contains all neurons.

    Attributes
    ----------
    zeroth : float
    first : array of shape (d,)
    second : array of shape (d, d)
    basis : array of shape (d, r)
        Orthonormal basis of the subspace.
    third : array of shape (r, r, r)
    fourth : array of shape (r, r, r, r)
    """

    zeroth: float
    first: Array
    second: Array
    basis: Array
    third: Array
    fourth: Array


def hermite_coefficients(bias: ArrayLike, degree: int) -> Array:
    """``c_k(b) = E[relu(t + b) He_k(t)]`` for a standard normal ``t``.

    Parameters
    ----------
    bias : array
    degree : int
        ``k``, at least 0.

    Examples
    --------
    >>> float(hermite_coefficients(0.0, 0).round(6))  # E relu(t) = 1/√(2π)
    0.398942
    """
    b = np.asarray(bias, dtype=np.float64)
    density = np.exp(-0.5 * b**2) / math.sqrt(2 * math.pi)
    if degree == 0:
        return np.asarray(density + b * ndtr(b))
    if degree == 1:
        return np.asarray(ndtr(b))
    polynomial = hermeval(b, np.eye(degree - 1)[degree - 2])
    return np.asarray((-1) ** degree * polynomial * density)


def population_moments(network: TwoLayerNetwork) -> HermiteMoments:
    """Exact moments of a network with one output and no skip connection, for ``x ~ N(0, I)``.

    Examples
    --------
    >>> network = TwoLayerNetwork([[2.0]], [0.0], [[1.0]], [3.0])
    >>> round(population_moments(network).zeroth, 6)  # 3 + 2/√(2π)
    3.797885
    """
    check_type("network", network, TwoLayerNetwork)
    if network.n_outputs != 1 or network.skip_weights is not None or network.negative_slope:
        raise ValueError("network is not a ReLU network with one output and no skip connection")
    lengths = norms(network.hidden_weights)
    if not lengths.all():
        raise ValueError("network has a neuron without weights; make it part of output_bias")
    units = network.hidden_weights / lengths[:, None]
    bias = network.hidden_bias / lengths
    outer = network.output_weights[0] * lengths
    basis = np.linalg.svd(units.T, full_matrices=False)[0]
    inside = units @ basis
    factors = [outer * hermite_coefficients(bias, k) for k in range(_ORDERS)]
    return HermiteMoments(
        zeroth=float(factors[0].sum() + network.output_bias[0]),
        first=factors[1] @ units,
        second=np.einsum("m,mi,mj->ij", factors[2], units, units),
        basis=basis,
        third=np.einsum("m,mi,mj,mk->ijk", factors[3], inside, inside, inside),
        fourth=np.einsum("m,mi,mj,mk,ml->ijkl", factors[4], *[inside] * 4, optimize=True),
    )


def sample_moments(X: ArrayLike, y: ArrayLike, width: int) -> HermiteMoments:
    """Estimates from samples with inputs drawn from ``N(0, I)``.

    Parameters
    ----------
    X : array of shape (n, d)
    y : array of shape (n,)
    width : int
        Number of neurons: third and fourth moments are those on the span of as many eigenvectors of the second one.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((10_000, 3))
    >>> moments = sample_moments(X, np.maximum(X[:, 0], 0.0), width=1)
    >>> bool(abs(moments.zeroth - 0.398942) < 0.02)
    True
    """
    X = finite_array("X", X, "n", "d")
    y = finite_array("y", y, len(X))
    d = X.shape[1]
    check_width(width, d)
    zeroth = float(y.mean())
    rest = y - zeroth
    first = rest @ X / len(X)
    rest = rest - X @ first
    second = (X * rest[:, None]).T @ X / len(X) - rest.mean() * np.eye(d)
    values, vectors = np.linalg.eigh(second)
    basis = vectors[:, np.argsort(-np.abs(values))[:width]]
    inside = X @ basis
    explained = 0.5 * (np.einsum("ni,ij,nj->n", X, second, X, optimize=True) - np.trace(second))
    rest = rest - explained
    powers = [_power_mean(inside, rest, k) for k in range(_ORDERS)]
    return HermiteMoments(zeroth, first, second, basis, _third(powers), _fourth(powers))


def check_width(width: int, d: int) -> None:
    """Raise an error where the neurons cannot be linearly independent."""
    if not isinstance(width, int | np.integer) or not 1 <= width <= d:
        raise ValueError(
            f"width={width} is not an integer from 1 to {d}, the number of features: weights of neurons must be "
            "linearly independent"
        )


def _power_mean(x: Array, y: Array, degree: int) -> Array:
    """Mean of ``y x^{⊗degree}``."""
    n, r = x.shape
    total = np.zeros((r ** (degree // 2), r ** (degree - degree // 2)))
    step = max(1, _CHUNK // r ** (degree - degree // 2))
    for i in range(0, n, step):
        part, target = x[i : i + step], y[i : i + step]
        left = _flat_power(part, degree // 2) * target[:, None]
        total += left.T @ _flat_power(part, degree - degree // 2)
    return total.reshape((r,) * degree) / n


def _flat_power(x: Array, degree: int) -> Array:
    """Rows ``x^{⊗degree}``, flattened."""
    result = np.ones((len(x), 1))
    for _ in range(degree):
        result = (result[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    return result


def _third(powers: Sequence[Array]) -> Array:
    """``E[y He_3]``, where ``He_3 = x⊗x⊗x − (x ⊗ I, symmetrised)``."""
    identity = np.eye(len(powers[1]))
    return powers[3] - _placed(np.multiply.outer(powers[1], identity), 3, [(i,) for i in range(3)])


def _fourth(powers: Sequence[Array]) -> Array:
    """``E[y He_4]``, where ``He_4 = x^{⊗4} − (x⊗x ⊗ I) + (I ⊗ I)``, symmetrised."""
    identity = np.eye(len(powers[1]))
    pairs = list(combinations(range(4), 2))
    squares = _placed(np.multiply.outer(powers[2], identity), 4, pairs)
    constants = _placed(powers[0] * np.multiply.outer(identity, identity), 4, pairs[:3])
    return powers[4] - squares + constants


def _placed(tensor: Array, degree: int, places: Sequence[tuple[int, ...]]) -> Array:
    """Sum over `places` for the first axes, with the others in the places that are left."""
    result = np.zeros(tensor.shape)
    for first in places:
        order = [*first, *(axis for axis in range(degree) if axis not in first)]
        result += np.transpose(tensor, np.argsort(order))
    return result
