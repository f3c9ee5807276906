r"""Output layers whose outputs are in a cone ``{z : A z ≤ 0}``, whatever their weights.

A polyhedral cone is the sum of a space and of the nonnegative combinations of finitely many rays (Minkowski and Weyl)::

    {z : A z ≤ 0} = {Lᵀt + Rᵀs : s ≥ 0}

with a basis ``L`` of the null space of ``A`` and, as ``R``, a vector on every extreme ray of the part that is
orthogonal to it. So a linear layer to ``(t, −t, s)``, ReLU, and a fixed linear layer ``(L, −L, R)`` have outputs in the
cone, and reach all of it: constraints by the double description (Frerix, Nießner & Cremers 2020, "Homogeneous linear
inequality constraints for neural network activations").
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import null_space

from convexrelu._utils.arguments import check_number, check_type, finite_array
from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array

if TYPE_CHECKING:
    import torch

__all__ = ["Cone", "cone_generators", "cone_output"]

_MOST_SUBSETS = 100_000
# Relative size up to which entries and products are roundings.
_ROUNDING = 1e-10


class Cone(NamedTuple):
    """Generators of a cone.

    Attributes
    ----------
    lines : array of shape (l, K)
        Their factors may have any sign.
    rays : array of shape (g, K)
        Their factors are non-negative.

    Examples
    --------
    >>> from convexrelu.output_constraints import cone_generators
    >>> cone = cone_generators([[1.0, 0.0]])  # z_1 ≤ 0
    >>> abs(cone.lines).round(9), cone.rays.round(9) + 0.0
    (array([[0., 1.]]), array([[-1.,  0.]]))
    """

    lines: Array
    rays: Array


def cone_generators(A: ArrayLike) -> Cone:
    """Generators of ``{z : A z ≤ 0}``, by enumeration of the sets of rows that are tight along a ray.

    Parameters
    ----------
    A : array of shape (r, K)
        At most 100,000 sets of ``K − l − 1`` rows, where ``l`` is the dimension of its null space.

    Raises
    ------
    ValueError
        For an array of the wrong shape, or too many sets of rows.

    Examples
    --------
    >>> from convexrelu.output_constraints import cone_generators
    >>> cone = cone_generators([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])  # z_1 ≤ z_2 ≤ z_3
    >>> cone.lines
    array([[1., 1., 1.]])
    >>> cone.rays.round(3)
    array([[-0.5, -0.5,  1. ],
           [-1. ,  0.5,  0.5]])
    """
    given = finite_array("A", A, "r", "K")
    K, lengths = given.shape[1], np.asarray(norms(given))
    units = given[lengths > 0] / lengths[lengths > 0, None]
    if not len(units):
        return Cone(np.eye(K), np.zeros((0, K)))
    lines = _null_space(units).T
    across = _null_space(lines).T if len(lines) else np.eye(K)
    rows = units @ across.T  # the cone in the space across its lines, where it is pointed
    dim = rows.shape[1]
    if math.comb(len(rows), dim - 1) > _MOST_SUBSETS:
        raise ValueError(
            f"A has {len(rows)} rows, with more than {_MOST_SUBSETS:,} subsets of {dim - 1}; expected fewer rows"
        )
    found: list[Array] = []
    for chosen in itertools.combinations(range(len(rows)), dim - 1):
        held = _null_space(rows[list(chosen)]) if dim > 1 else np.ones((1, 1))
        if held.shape[1] != 1:
            continue
        for ray in (held[:, 0], -held[:, 0]):
            is_new = all(ray @ other < 1 - _ROUNDING for other in found)
            if (rows @ ray <= _ROUNDING).all() and is_new:
                found.append(ray)
    rays = np.array(found).reshape(-1, dim) @ across
    order = np.lexsort(np.round(rays, 8).T)[::-1]
    return Cone(_scaled(lines), _scaled(rays[order]))


def _null_space(rows: Array) -> Array:
    return np.asarray(null_space(rows), dtype=np.float64)


def _scaled(vectors: Array) -> Array:
    """The vectors with a largest entry of size one, and with whole numbers where entries are roundings of them."""
    scaled = vectors / np.abs(vectors).max(axis=1, keepdims=True, initial=0.0)
    whole = np.round(scaled)
    return np.where(np.abs(scaled - whole) < _ROUNDING, whole, scaled) + 0.0


def cone_output(
    A: ArrayLike,
    in_features: int | None = None,
    *,
    linear: torch.nn.Linear | None = None,
) -> torch.nn.Sequential:
    """An output layer for torch with ``A z ≤ 0``, whatever its input and its weights.

    Parameters
    ----------
    A : array of shape (r, K)
        See :func:`cone_generators`.
    in_features : int
        Number of inputs, for a layer with random weights.
    linear : Linear, optional
        Output layer to replace. The new one has the same outputs wherever these meet the constraints, for rows of ``A``
        that are linearly independent.

    Returns
    -------
    Sequential
        ``Linear, ReLU, Linear``, of which the last has fixed weights: :mod:`convexrelu.reach` takes it as a part of a
        network.

    Raises
    ------
    ValueError
        For arguments that do not fit; the message names them.

    Examples
    --------
    >>> import torch
    >>> from convexrelu.output_constraints import cone_output
    >>> _ = torch.manual_seed(0)
    >>> layer = cone_output([[1.0, -1.0]], 5)  # z_1 ≤ z_2
    >>> z = layer(torch.randn(1000, 5))
    >>> bool((z[:, 0] <= z[:, 1]).all())
    True
    """
    from convexrelu._utils.torch_import import torch

    if (in_features is None) == (linear is None):
        found = "missing" if linear is None else "given"
        raise ValueError(f"in_features and linear are both {found}, expected one of them")
    cone = cone_generators(A)
    fixed = np.vstack([cone.lines, -cone.lines, cone.rays])
    if not len(fixed):
        raise ValueError("A z ≤ 0 has no solution but zero, expected A with other solutions")
    if linear is None:
        check_number("in_features", in_features, int, 1)
        first = torch.nn.Linear(int(in_features or 0), len(fixed))
    else:
        first = _replaced(cone, finite_array("A", A), linear)
    last = torch.nn.Linear(fixed.shape[0], fixed.shape[1], bias=False).to(first.weight)
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(fixed.T.copy()))
    last.weight.requires_grad_(False)
    return torch.nn.Sequential(first, torch.nn.ReLU(), last)


def _replaced(cone: Cone, A: Array, linear: torch.nn.Linear) -> torch.nn.Linear:
    """The layer to ``(t, −t, s)`` with ``z = Lᵀt + Rᵀs`` for the outputs ``z`` of a linear layer."""
    from convexrelu._utils.torch_import import torch

    check_type("linear", linear, torch.nn.Linear)
    n_lines, K = cone.lines.shape
    if linear.out_features != K:
        raise ValueError(f"linear has {linear.out_features} outputs, but A has {K} columns")
    if np.linalg.matrix_rank(A) < len(A):
        raise ValueError("A has rows that are not linearly independent; use in_features")
    coordinates = np.linalg.inv(np.vstack([cone.lines, cone.rays]).T)
    t, s = coordinates[:n_lines], coordinates[n_lines:]
    to_parts = torch.from_numpy(np.vstack([t, -t, s])).to(linear.weight)
    first = torch.nn.Linear(linear.in_features, len(to_parts), bias=linear.bias is not None)
    first = first.to(linear.weight)
    with torch.no_grad():
        first.weight.copy_(to_parts @ linear.weight)
        if linear.bias is not None:
            first.bias.copy_(to_parts @ linear.bias)
    return first
