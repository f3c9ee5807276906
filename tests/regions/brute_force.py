"""Cells of arrangements by linear programs, one a sign vector, and random networks that are often degenerate."""

import numpy as np
from scipy.optimize import linprog, nnls

from convexrelu import TwoLayerNetwork

# A cell counts if a ball of this radius fits in, with hyperplanes of unit normals: above the tolerance of HiGHS.
NARROWEST = 1e-7


def cells(weights, bias, lower=None, upper=None):
    """Sign vectors of the cells, grown hyperplane by hyperplane; each is checked by a linear program."""
    alive = weights.any(axis=1)
    lengths = np.linalg.norm(weights[alive], axis=1)
    weights, bias = weights[alive] / lengths[:, None], bias[alive] / lengths
    d = weights.shape[1]
    found = [()]
    for j in range(len(weights)):
        longer = [(*signs, side) for signs in found for side in (1.0, -1.0)]
        found = [
            signs
            for signs in longer
            if _radius(np.array(signs), weights[: j + 1], bias[: j + 1], lower, upper) > NARROWEST
        ]
    return found if len(weights) else [()] * (d > 0)


def _radius(signs, weights, bias, lower, upper):
    d = weights.shape[1]
    normals, offsets = -signs[:, None] * weights, signs * bias
    if lower is not None:
        normals = np.vstack([normals, np.eye(d), -np.eye(d)])
        offsets = np.concatenate([offsets, upper, -lower])
    done = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.column_stack([normals, np.ones(len(normals))]),
        b_ub=offsets,
        bounds=[(None, None)] * d + [(None, 1.0)],
        method="highs",
    )
    return -done.fun if done.status == 0 else -np.inf


def distance(signs, weights, bias):
    """From the origin to a cell: a least distance program, by non-negative least squares (Lawson & Hanson)."""
    if not signs:
        return 0.0
    alive = weights.any(axis=1)
    normals, offsets = np.array(signs)[:, None] * weights[alive], -np.array(signs) * bias[alive]
    target = np.append(np.zeros(weights.shape[1]), 1.0)
    multipliers, _ = nnls(np.vstack([normals.T, offsets]), target)
    *x, last = normals.T @ multipliers, offsets @ multipliers - 1.0
    return float(np.linalg.norm(x) / -last)


def network(weights, bias, outer=None):
    outer = np.ones((1, len(bias))) if outer is None else outer
    return TwoLayerNetwork(weights, bias, outer, np.zeros(len(outer)))


def random_neurons(rng, most_features=4, most_neurons=7):
    """Gaussian, small integers, or through one point; with multiples, opposites, parallels and zeros among them."""
    d, m = rng.integers(1, most_features + 1), rng.integers(1, most_neurons + 1)
    kind = rng.integers(3)
    if kind == 1:
        weights = rng.integers(-2, 3, (m, d)).astype(float)
        bias = rng.integers(-2, 3, m).astype(float)
    else:
        weights, bias = rng.standard_normal((m, d)), rng.standard_normal(m)
    if kind == 2:  # through a point, but for some
        bias = np.where(rng.random(m) < 0.3, 1.0, 0.0) - weights @ rng.standard_normal(d)
    for j in range(1, m):
        i, what = rng.integers(j), rng.random()
        if what < 0.1:
            weights[j], bias[j] = 0.3 * weights[i], 0.3 * bias[i]
        elif what < 0.2:
            weights[j], bias[j] = -weights[i], -bias[i]
        elif what < 0.3:
            weights[j] = -0.7 * weights[i]
        elif what < 0.35:
            weights[j] = 0.0
    return weights, bias
