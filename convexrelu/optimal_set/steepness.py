"""Steepness of a member of an optimal set as a function of its scales, and the least steep member."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.scales import ScalePolytope

__all__ = ["least_steep"]


# Pieces shorter than this fraction of the span of all kinks are between kinks that agree up to rounding.
_PIECE = 1e-9
# If gradients vary by less than this fraction of their size, all members are the same function.
_SAME_FUNCTION = 1e-9
# Step away from a sample, in units of the inputs, to leave its kinks.
_STEP = 1e-7


def least_steep(polytope: ScalePolytope, neurons: TwoLayerNetwork, X: Any) -> Array:
    """Coordinates in `polytope` of a member with the smallest largest gradient.

    Parameters
    ----------
    polytope : ScalePolytope
        With at least one move.
    neurons : TwoLayerNetwork
        ``σ_j φ(w_jᵀx + b_j)``, one for each scale.
    X : array of shape (n, d)
        Samples. With one feature, all pieces of the line count instead of these.

    Raises
    ------
    RuntimeError
        If the solver fails.
    """
    if neurons.n_features == 1:
        slopes = _gradients(neurons, _pieces(neurons))[:, :, 0]
        offsets = slopes @ polytope.start + _skip(neurons)[0]
        return polytope.least_maximum(slopes @ polytope.moves, offsets)
    point, basis = polytope.interior()
    if not basis.shape[1]:
        return point
    start = np.maximum(polytope.start + polytope.moves @ point, 0.0)
    inner = ScalePolytope(start, polytope.moves @ basis)
    return point + basis @ _least_norm(inner, _gradients(neurons, _beside(X)), _skip(neurons))


def _gradients(neurons: TwoLayerNetwork, points: Any) -> Array:
    """``σ_j φ'(w_jᵀx + b_j) w_j`` at some points, in distinct cells of the neurons, (p, m, d)."""
    active = points @ neurons.hidden_weights.T + neurons.hidden_bias > 0
    slopes = np.where(np.unique(active, axis=0), 1.0, neurons.negative_slope)
    return (slopes * neurons.output_weights[0])[:, :, None] * neurons.hidden_weights


def _skip(neurons: TwoLayerNetwork) -> Array:
    """Gradient of the skip connection, (d,)."""
    if neurons.skip_weights is None:
        return np.zeros(neurons.n_features)
    return neurons.skip_weights[0]


def _pieces(neurons: TwoLayerNetwork) -> Array:
    """A point inside each piece of the line between the kinks of neurons, (p, 1)."""
    weights = neurons.hidden_weights[:, 0]
    bent = weights != 0
    kinks = np.sort(-neurons.hidden_bias[bent] / weights[bent])
    if not kinks.size:
        return np.zeros((1, 1))
    gaps = np.diff(kinks)
    inside = (kinks[:-1] + 0.5 * gaps)[gaps > _PIECE * (kinks[-1] - kinks[0])]
    return np.concatenate([[kinks[0] - 1], inside, [kinks[-1] + 1]])[:, None]


def _beside(X: Any) -> Array:
    """Two points for each sample, a small step away: inside cells of the neurons, not on their kinks."""
    rows = X.toarray() if hasattr(X, "toarray") else X
    off = np.random.default_rng(0).standard_normal(rows.shape[1])
    off *= _STEP * (np.abs(rows).max() or 1.0) / np.linalg.norm(off)
    return np.vstack([rows + off, rows - off])


def _least_norm(polytope: ScalePolytope, gradients: Array, offset: Array) -> Array:
    """Minimise ``max_i ‖gradients_i c + offset‖`` over the scales, a second-order cone program."""
    from convexrelu._utils.cvxpy_import import cp

    p, _, d = gradients.shape
    slopes = np.einsum("pmd,mq->pdq", gradients, polytope.moves).reshape(p * d, -1)
    rest = np.einsum("pmd,m->pd", gradients, polytope.start) + offset
    size = max(np.abs(slopes).max(), np.abs(rest).max() / polytope.unit)
    if np.abs(slopes).max() <= _SAME_FUNCTION * size:
        return np.zeros(polytope.moves.shape[1])
    z = cp.Variable(polytope.moves.shape[1])  # in units of the scales
    vectors = cp.reshape(slopes / size @ z, (p, d), order="C") + rest / (size * polytope.unit)
    kept = polytope.moving
    feasible = polytope.start[kept] / polytope.unit + polytope.moves[kept] @ z >= 0
    program = cp.Problem(cp.Minimize(cp.max(cp.norm(vectors, axis=1))), [feasible])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the result is checked
        program.solve(cp.CLARABEL)
    if z.value is None:
        raise RuntimeError(f"criterion='least_lipschitz': the solver failed, {program.status}")
    return polytope.unit * z.value
