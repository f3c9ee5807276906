r"""Recovery of a network from its moments: a span, Jennrich's decomposition, and signs.

With linearly independent unit weights, ``T_2 = Σ_j a_j φ(b_j) w_j w_jᵀ`` has the span of the ``w_j`` for its range.
In coordinates of that span, with random vectors ``p, q, r``::

    (T_3(p) + T_4(q, r)) T_2^{−1} = W diag(−b_j w_jᵀp + (b_j² − 1) (w_jᵀq) (w_jᵀr)) W^{−1}

whose eigenvectors are the ``w_j`` up to signs (Jennrich's algorithm, Harshman 1970). No eigenvalue vanishes for all
``p, q, r``, as ``b`` and ``b² − 1`` have no common zero. With ``σ_j w_j`` for an unknown sign ``σ_j``, the
coefficients of ``T_2`` and ``T_3`` are ``a_j φ(b_j)`` and ``−σ_j a_j b_j φ(b_j)``: their ratio is ``−σ_j b_j``, and
``φ(b_j)`` gives ``a_j``. The coefficient of ``T_1`` is ``σ_j a_j Φ(b_j)``, which shows the sign, and ``T_0`` gives the
intercept.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import eig

from convexrelu._utils.arguments import check_type
from convexrelu._utils.norms import unit_rows
from convexrelu._utils.random import checked_random_state
from convexrelu._utils.typing import Array
from convexrelu.baselines.planted.moments import (
    HermiteMoments,
    check_width,
    hermite_coefficients,
)
from convexrelu.networks.two_layer import TwoLayerNetwork

__all__ = ["jennrich", "recover_network"]

_CONTRACTIONS = 20  # random ones, of which the one with the best separated eigenvalues is used
_LARGEST_BIAS = 6.0  # beyond it, a neuron is linear or dead for all practical inputs


def recover_network(
    moments: HermiteMoments,
    width: int,
    *,
    random_state: int | np.random.RandomState | None = None,
) -> TwoLayerNetwork:
    """The network with these moments: exact for population moments, up to rounding.

    Parameters
    ----------
    moments : HermiteMoments
        Of a network, or estimates from samples.
    width : int
        Number of neurons, at most the number of features.
    random_state : int, RandomState or None
        Seed of the contractions.

    Returns
    -------
    TwoLayerNetwork
        With weights of unit length, its neurons in any order.

    Raises
    ------
    ValueError
        If `width` is more than the number of features, or than the rank of the second moment.

    Examples
    --------
    >>> from convexrelu.baselines.planted import planted_network, population_moments, neuron_error
    >>> teacher = planted_network(6, 4, random_state=0)
    >>> recovered = recover_network(population_moments(teacher), 4, random_state=0)
    >>> neuron_error(recovered, teacher) < 1e-10
    True
    """
    check_type("moments", moments, HermiteMoments)
    check_width(width, len(moments.first))
    random = checked_random_state(random_state)
    units = jennrich(moments, width, random) @ moments.basis.T
    inside = units @ moments.basis
    second = _coefficients(moments.basis.T @ moments.second @ moments.basis, inside)
    bias = _biases(moments, inside, second)
    outer = second / hermite_coefficients(bias, 2)
    first = np.linalg.lstsq(units.T, moments.first, rcond=None)[0]
    signs = np.where(first * outer >= 0, 1.0, -1.0)
    bias = signs * bias
    intercept = moments.zeroth - float(outer @ hermite_coefficients(bias, 0))
    return TwoLayerNetwork(signs[:, None] * units, bias, outer[None], [intercept])


def jennrich(moments: HermiteMoments, width: int, random: np.random.RandomState) -> Array:
    """Unit vectors ``w_j`` up to signs, in coordinates of ``moments.basis``, of shape (width, r)."""
    second = moments.basis.T @ moments.second @ moments.basis
    values, vectors = np.linalg.eigh(second)
    largest = np.argsort(-np.abs(values))[:width]
    values, vectors = values[largest], vectors[:, largest]
    if len(values) < width or np.abs(values).min() <= 1e-13 * np.abs(values).max():
        raise ValueError(
            f"width={width} is more than the rank of the second moment: weights of neurons must be linearly "
            "independent, and no neuron may be linear or dead"
        )
    best, units = -math.inf, np.zeros((width, len(second)))
    for _ in range(_CONTRACTIONS):
        p, q, r = random.standard_normal((3, len(second)))
        contracted = moments.third @ p + moments.fourth @ q @ r
        reduced = vectors.T @ contracted @ vectors / values[None, :]
        eigenvalues, eigenvectors = eig(reduced)
        gap = _separation(eigenvalues)
        if gap > best:
            best, units = gap, unit_rows((vectors @ _as_real(eigenvectors)).T)
    return units


def _separation(eigenvalues: Array) -> float:
    """Smallest distance of two eigenvalues, relative to the largest; negative where they are complex."""
    if len(eigenvalues) == 1:
        return 1.0
    size = float(np.abs(eigenvalues).max()) or 1.0
    distances = np.abs(eigenvalues[:, None] - eigenvalues) + size * np.eye(len(eigenvalues))
    return float(distances.min() - 2 * np.abs(eigenvalues.imag).max()) / size


def _as_real(vectors: Array) -> Array:
    """Real parts of complex vectors, each turned so that its real part is largest."""
    turn = np.exp(-0.5j * np.angle((vectors**2).sum(axis=0)))
    return (vectors * turn).real


def _coefficients(matrix: Array, units: Array) -> Array:
    """``α`` with ``Σ_j α_j w_j w_jᵀ`` nearest to a symmetric matrix."""
    products = np.einsum("mi,mj->mij", units, units).reshape(len(units), -1)
    return np.linalg.lstsq(products.T, matrix.ravel(), rcond=None)[0]


def _biases(moments: HermiteMoments, units: Array, second: Array) -> Array:
    """``σ_j b_j`` as a ratio of the coefficients of third and second moment."""
    cubes = np.einsum("mi,mj,mk->mijk", units, units, units).reshape(len(units), -1)
    third = np.linalg.lstsq(cubes.T, moments.third.ravel(), rcond=None)[0]
    return np.clip(-third / second, -_LARGEST_BIAS, _LARGEST_BIAS)
