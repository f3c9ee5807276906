r"""What one feature does: the largest change of outputs when it alone moves, and bands of outputs against it.

The change is the output of another network. Inputs are ``(x, t)``, where ``t`` replaces feature ``i``, and

.. math::  g(x, t) = f(x_1, …, t, …, x_d) - f(x) ,

which has the rectifiers of two copies of the network. So its range is found as that of any network.
"""

from __future__ import annotations

import itertools
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import check_number
from convexrelu._utils.deadlines import seconds_before
from convexrelu._utils.typing import Array
from convexrelu.reach.output_range import TOL, OutputRange, deadline_after, output_range
from convexrelu.reach.polytope import Polytope
from convexrelu.reach.rectifiers import Rectifiers, as_rectifiers

__all__ = ["FeatureBands", "FeatureEffect", "feature_bands", "feature_effect"]


@dataclass(frozen=True, eq=False)
class FeatureEffect:
    """Largest change ``|f_k(x') − f_k(x)|`` over inputs that differ in one feature.

    Attributes
    ----------
    change : array of shape (K,)
        Largest change that is reached.
    bound : array of shape (K,)
        Proved: no change is larger.
    before, after : arrays of shape (K, d)
        For each output, two inputs that attain the change.
    is_exact : bool
        Whether change and bound agree.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import feature_effect
    >>> network = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[2.0]], [0.0])  # 2 max(x₁ + x₂, 0)
    >>> effect = feature_effect(network, 0, [-1.0, -1.0], [1.0, 1.0])
    >>> np.abs(effect.after - effect.before)  # the other feature stays
    array([[2., 0.]])
    """

    change: Array
    bound: Array
    before: Array
    after: Array
    is_exact: bool


@dataclass(frozen=True, eq=False)
class FeatureBands:
    """Ranges of the outputs over slabs of a box, between neighbouring values of one feature.

    Attributes
    ----------
    feature : int
        The feature.
    edges : array of shape (n + 1,)
        Ends of the slabs.
    least, greatest : arrays of shape (n, K)
        Values that are reached in each slab.
    lower, upper : arrays of shape (n, K)
        Bounds that are proved for each slab.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import feature_bands
    >>> network = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[2.0]], [0.0])
    >>> bands = feature_bands(network, 0, [-1.0, -1.0], [1.0, 1.0], n_slabs=2)
    >>> bands.least.shape, bool((bands.lower <= bands.least).all())
    ((2, 1), True)
    """

    feature: int
    edges: Array
    least: Array
    greatest: Array
    lower: Array
    upper: Array


def feature_effect(
    network: Any,
    feature: int,
    lower: ArrayLike,
    upper: ArrayLike,
    *,
    A: ArrayLike | None = None,
    b: ArrayLike | None = None,
    time_limit: float | None = None,
) -> FeatureEffect:
    """Largest change of every output when one feature moves within a box or polytope, and the others stay.

    Parameters
    ----------
    network : TwoLayerNetwork, fitted estimator or torch ``Sequential``
        As for :func:`output_range`.
    feature : int
        Index of the feature that moves.
    lower, upper, A, b
        Box and constraints, as for :func:`output_range`; both inputs satisfy them.
    time_limit : float, optional
        Seconds.

    Returns
    -------
    FeatureEffect
        The change, its bound, and two inputs.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import feature_effect
    >>> network = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[2.0]], [0.0])  # 2 max(x₁ + x₂, 0)
    >>> effect = feature_effect(network, 0, [-1.0, -1.0], [1.0, 1.0])
    >>> effect.change, effect.is_exact
    (array([4.]), True)
    """
    deadline = deadline_after(time_limit)
    net = as_rectifiers(network)
    _check_feature(feature, net.n_features)
    polytope = Polytope(A, b, lower=lower, upper=upper, dim=net.n_features)
    moved = np.append(np.arange(net.n_features), feature)
    # x has the constraints, and so has the input with t in place of the feature.
    twice = np.vstack([_widened(polytope.A, feature, moves) for moves in (False, True)])
    answer = output_range(
        _difference(net, feature),
        polytope.lower[moved],
        polytope.upper[moved],
        A=twice if len(twice) else None,
        b=np.tile(polytope.b, 2) if len(twice) else None,
        tol=TOL,
        time_limit=seconds_before(deadline),
    )
    return _as_effect(answer, feature)


def _difference(net: Rectifiers, feature: int) -> Rectifiers:
    """``f`` with the added input in place of the feature, minus ``f``."""
    m = net.n_units
    none = np.zeros((m, m))
    order = _layer_order(net)
    P = np.vstack([_widened(net.P, feature, True), _widened(net.P, feature, False)])
    Q = np.block([[net.Q, none], [none, net.Q]])
    return Rectifiers(
        P[order],
        Q[np.ix_(order, order)],
        np.tile(net.p, 2)[order],
        _widened(net.B, feature, True) - _widened(net.B, feature, False),
        np.hstack([net.C, -net.C])[:, order],
        np.zeros(net.n_outputs),
        tuple(2 * width for width in net.widths),
    )


def _layer_order(net: Rectifiers) -> Array:
    """Rectifiers of both copies, layer after layer."""
    layers = [np.arange(layer.start, layer.stop) for layer in net.layers()]
    both = [np.concatenate([layer, layer + net.n_units]) for layer in layers]
    return np.concatenate(both) if both else np.zeros(0, dtype=int)


def _widened(rows: Array, feature: int, moves: bool) -> Array:
    """Rows with one more column: that of the feature, if it moves, in its place."""
    wide = np.column_stack([rows, np.zeros(len(rows))])
    if moves:
        wide[:, [feature, -1]] = wide[:, [-1, feature]]
    return wide


def _as_effect(answer: OutputRange, feature: int) -> FeatureEffect:
    falls = -answer.least > answer.greatest
    inputs = np.where(falls[:, None], answer.argmin, answer.argmax)
    before, after = inputs[:, :-1].copy(), inputs[:, :-1].copy()
    after[:, feature] = inputs[:, -1]
    change = np.maximum(-answer.least, answer.greatest)
    bound = np.maximum(-answer.lower, answer.upper)
    return FeatureEffect(change, bound, before, after, answer.is_exact)


def feature_bands(
    network: Any,
    feature: int,
    lower: ArrayLike,
    upper: ArrayLike,
    *,
    n_slabs: int = 20,
    time_limit: float | None = None,
) -> FeatureBands:
    """Ranges of the outputs against one feature, while the others move in the box: proved for all inputs of each slab.

    Parameters
    ----------
    network : TwoLayerNetwork, fitted estimator or torch ``Sequential``
        As for :func:`output_range`.
    feature : int
        Index of the feature.
    lower, upper : arrays of shape (d,)
        The box.
    n_slabs : int
        Slabs of equal width, into which the range of the feature is divided.
    time_limit : float, optional
        Seconds in all. Bounds are proved also when time runs out, but may not be reached.

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.reach import feature_bands
    >>> network = TwoLayerNetwork([[1.0, 1.0]], [0.0], [[2.0]], [0.0])
    >>> bands = feature_bands(network, 0, [-1.0, -1.0], [1.0, 1.0], n_slabs=2)
    >>> bands.edges, bands.greatest[:, 0]
    (array([-1.,  0.,  1.]), array([2., 4.]))
    """
    deadline = deadline_after(time_limit)
    net = as_rectifiers(network)
    _check_feature(feature, net.n_features)
    check_number("n_slabs", n_slabs, numbers.Integral, 1)
    box = Polytope(lower=lower, upper=upper, dim=net.n_features)
    box.box()
    edges = np.linspace(box.lower[feature], box.upper[feature], n_slabs + 1)
    answers = []
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        low, high = box.lower.copy(), box.upper.copy()
        low[feature], high[feature] = start, end
        limit = seconds_before(deadline, 1 / (n_slabs - number))
        answers.append(output_range(net, low, high, time_limit=limit))
    parts = [
        np.array([getattr(one, name) for one in answers])
        for name in ("least", "greatest", "lower", "upper")
    ]
    return FeatureBands(int(feature), edges, *parts)


def _check_feature(feature: int, n_features: int) -> None:
    check_number("feature", feature, numbers.Integral, 0)
    if feature >= n_features:
        raise ValueError(f"feature={feature} is not below the number of features, {n_features}")
