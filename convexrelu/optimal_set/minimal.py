"""Fewest neurons: a vertex of the optimal set, reached along null directions."""

from __future__ import annotations

import math
import time

import numpy as np

from convexrelu._utils.deadlines import product_fits, svd_fits
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.columns import (
    ROUNDING,
    check_fits,
    columns_of,
    null_space,
    penalties_of,
    rescaled,
)
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["minimal"]


_EPS = float(np.finfo(np.float64).eps)
# Entries of a unit null direction below this are rounding errors.
_NOISE = 1e-11
# Evaluations of the network before the first walk.
_EVALUATIONS = 3
# Neurons whose inputs differ by this fraction of the spread of the data are one: merging keeps outputs up to rounding.
SAME_NEURON = 1e-13


def minimal(
    network: TwoLayerNetwork, problem: TrainingProblem, *, deadline: float = math.inf
) -> TwoLayerNetwork:
    """Fewest neurons obtainable by rescaling and dropping neurons, with the same outputs on the training data.

    Equal neurons are merged. Then, while the columns ``vec(h_j)`` (with an intercept: these and the
    constant ones) are linearly dependent, the scales move along a null direction, with the sign for which the
    penalty does not rise, until one of them is zero.

    Parameters
    ----------
    network : TwoLayerNetwork
        Any network; at an optimum of `problem` the result is optimal, too; elsewhere its objective may be lower.
    problem : TrainingProblem
        With any loss: only outputs on samples with positive weight matter.
    deadline : float
        Value of :func:`time.perf_counter` at which to stop, with the best network so far: then it need not be minimal.

    Returns
    -------
    TwoLayerNetwork
        Balanced. Its outputs on these samples are those of `network` up to rounding, and its objective exceeds that
        of `network` by at most 1e-10 of it. The columns are linearly independent: their smallest singular value,
        after each was scaled to length one, is more than 1e-12 times the largest. So there are at most ``n K``
        neurons, ``(n − 1) K`` with an intercept. It is minimal in that no neuron can be dropped and the others
        rescaled; another vertex of the optimal set may have fewer.

    Raises
    ------
    ValueError
        If the network does not fit the problem.

    Notes
    -----
    One singular value decomposition for all null directions, ``O(n K m²)``; each of the ``q`` removed neurons then
    costs one reflection of an orthonormal basis, ``O(m q)``. If the objective rises by more than rounding, which
    can happen for a badly conditioned network, the walk ends with the best network so far.

    Examples
    --------
    Two neurons with both samples on their linear part can be merged on the data.

    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, TwoLayerNetwork
    >>> from convexrelu.optimal_set import minimal
    >>> X = np.array([[1.0, 0.0], [2.0, 0.0]])
    >>> problem = TrainingProblem(X, np.array([1.0, 2.0]), alpha=0.1, fit_intercept=False)
    >>> wide = TwoLayerNetwork([[1.0, 0.5], [1.0, -0.5]], [0.0, 0.0], [[0.5, 0.5]], [0.0])
    >>> small = minimal(wide, problem)
    >>> small.width, np.allclose(small.predict(X), wide.predict(X))
    (1, True)
    """
    check_fits(network, problem)
    if not product_fits(_EVALUATIONS * problem.work_of_outputs(network.width), deadline):
        return network
    limit = problem.objective(network) * (1 + ROUNDING)
    best = problem.balanced(network)
    candidate: TwoLayerNetwork | None = best.merge(
        SAME_NEURON, free_bias=problem.free_bias, X=problem.X
    )
    while candidate is not None and problem.objective(candidate) <= limit:
        best = candidate
        candidate = _with_fewer_neurons(best, problem, deadline)
    return best


def _with_fewer_neurons(
    network: TwoLayerNetwork, problem: TrainingProblem, deadline: float
) -> TwoLayerNetwork | None:
    """Walk until no null direction is left. None if there is none to begin with, or no time to find it."""
    n_rows = int(np.count_nonzero(problem.weights)) * network.n_outputs
    if not svd_fits((n_rows, network.width), deadline):
        return None
    columns, m = columns_of(network, problem, problem.X[problem.weights > 0]), network.width
    lengths = np.linalg.norm(columns, axis=0)
    # Neurons below the rounding of the largest one go with those that are dead on the data.
    alive = np.flatnonzero(lengths[:m] > _EPS * lengths[:m].max(initial=0.0))
    seen = np.append(alive, np.arange(m, len(lengths)))
    units = columns[:, seen] / lengths[seen]
    null = null_space(units)
    if len(alive) == m and null.shape[1] == 0:
        return None
    # In units of the lengths, where directions are well scaled. The intercept starts from where it is.
    start = np.where(seen < m, lengths[seen], 0.0)
    end = _walk(start, null, penalties_of(network, problem)[alive] / lengths[alive], deadline)
    end = _refined(end, units, units @ start, n_positive=len(alive))
    scales = np.zeros(len(lengths))
    scales[seen] = end / lengths[seen]
    if (scales[:m] > 0).all():
        return None
    shift = scales[m:] if problem.fit_intercept else np.zeros(network.n_outputs)
    return rescaled(network, scales[:m], shift)


def _walk(start: Array, null: Array, penalties: Array, deadline: float = math.inf) -> Array:
    """From `start` along null directions until a coordinate is zero, once for each column of `null`.

    Parameters
    ----------
    start : array of shape (m + k,)
        The first ``m`` coordinates are positive and stay non-negative.
    null : array of shape (m + k, q)
        Orthonormal columns.
    penalties : array of shape (m,)
        Positive; ``penalties @ point`` does not rise.
    deadline : float
        At which the walk ends where it is.
    """
    point, m = start.copy(), len(penalties)
    while null.shape[1] and time.perf_counter() <= deadline:
        beta = null[:, 0]
        if penalties @ beta[:m] > 0:
            beta = -beta
        falling = np.flatnonzero(beta[:m] < -_NOISE)
        if not falling.size:
            break
        ratios = point[falling] / -beta[falling]
        gone = falling[ratios.argmin()]
        point += ratios.min() * beta
        point[gone] = 0.0
        null = _leaving_alone(null, gone)
    point[:m] = np.maximum(point[:m], 0.0)
    return point


def _leaving_alone(null: Array, coordinate: np.intp) -> Array:
    """Orthonormal basis of the vectors in the span of `null` that are zero in a coordinate."""
    row = null[coordinate]
    mirror = row.copy()
    mirror[0] += np.copysign(np.linalg.norm(row), row[0])
    reflected = null - np.outer(null @ mirror, (2 / (mirror @ mirror)) * mirror)
    rest = reflected[:, 1:]
    rest[coordinate] = 0.0
    return rest


def _refined(point: Array, units: Array, outputs: Array, n_positive: int) -> Array:
    """Remove the rounding errors of a walk, if every positive coordinate stays positive."""
    kept = point > 0
    kept[n_positive:] = True
    better = point.copy()
    better[kept] += np.linalg.lstsq(units[:, kept], outputs - units @ point)[0]
    return better if (better[:n_positive][kept[:n_positive]] > 0).all() else point
