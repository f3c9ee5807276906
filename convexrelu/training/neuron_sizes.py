"""Best sizes of neurons whose directions are given: non-negative least squares with a penalty.

A neuron is ``c_j σ_j φ(x̃ᵀw̃_j)`` with ``‖w̃_j‖ = 1``, a sign ``σ_j`` and a size ``c_j ≥ 0``, which is what it adds to
the penalty. For the squared error, weights ``ω_i`` and the best intercept::

    min_{c ≥ 0}  ½‖Ac − t‖² + alpha Σ_j c_j,      A = P [√ω_i σ_j φ(x̃_iᵀw̃_j)]_ij,   t = P (√ω_i y_i)_i

where ``P`` projects along ``(√ω_i)_i``, and is the identity without an intercept. With ``G = AᵀA`` and ``b = Aᵀt −
alpha``, a point is optimal if and only if ``c ≥ 0``, ``Gc ≥ b`` and ``cᵀ(Gc − b) = 0``.

Block principal pivoting (Portugal, Júdice & Vicente 1994) guesses the neurons that are there, solves ``Gc = b`` on
them, and exchanges all that contradict the guess: sizes below zero, and neurons that are missing although the objective
falls along them. It takes about ten systems of some hundred rows, a twentieth of a program over the neurons' patterns.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from convexrelu._utils.norms import norms
from convexrelu._utils.typing import Array
from convexrelu.networks.activation import activate
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.training_problem import TrainingProblem
from convexrelu.programs.neuron_map import with_best_intercept

__all__ = ["best_sizes", "with_best_sizes", "work_of_sizes"]

# Systems after which the best sizes so far are taken, and exchanges of all that contradict which may fail to leave less
# of it, before they are made one at a time.
_MOST_SYSTEMS, _PATIENCE = 60, 3
_USUAL_SYSTEMS = 16
# Part of the mean of the diagonal that is added to it, so that neurons that are nearly alike have a factor, and slopes
# that count as zero, as parts of the largest entry of b.
_SHIFT, _ROUNDING = 1e-9, 1e-9


def with_best_sizes(
    problem: TrainingProblem, network: TwoLayerNetwork, directions: Array, signs: Array
) -> TwoLayerNetwork:
    """A network's neurons and more of them, with the best sizes for their directions; the skip connection stays.

    Parameters
    ----------
    problem : TrainingProblem
        Least squares of one output, without free biases.
    network : TwoLayerNetwork
    directions : array of shape (k, d̃)
        Unit vectors, for the design.
    signs : array of shape (k,)
        Signs of the outer weights.

    Returns
    -------
    TwoLayerNetwork
        Balanced, with the best intercept, and without neurons of size zero.

    Notes
    -----
    Multiplications: see :func:`work_of_sizes`. Memory ``8 m (n + 2m)`` bytes for ``m`` neurons in all.

    Examples
    --------
    >>> import numpy as np
    >>> problem = TrainingProblem([[-1.0], [1.0]], [1.0, 1.0], 0.01, activation="absolute_value",
    ...                           hidden_bias=False, fit_intercept=False)
    >>> network = with_best_sizes(problem, problem.zero_network(), np.array([[1.0]]), np.array([1.0]))
    >>> network.predict([[1.0]]).round(3)  # 1 − alpha
    array([0.99])
    """
    own, outer = problem.directions(network), network.output_weights[0]
    # Where features are more than samples, a neuron may be orthogonal to all of them.
    seen = (norms(own) > 0) & (outer != 0)
    own, outer, lengths = own[seen], outer[seen], norms(own[seen])
    inner = np.vstack([own / lengths[:, None], directions])
    sides = np.concatenate([np.sign(outer), signs])
    start = np.concatenate([lengths * np.abs(outer), np.zeros(len(signs))])
    rho, _, tau, _ = problem.units()
    root = np.sqrt(problem.weights)
    columns = (root / rho)[:, None] * activate(problem.design @ inner.T, problem.slope) * sides
    fixed = 0.0 if network.skip_weights is None else problem.X @ network.skip_weights[0]
    target = root * (problem.y - fixed) / tau
    if problem.fit_intercept:
        columns -= np.outer(root, root @ columns)
        target = target - root * (root @ target)
    sizes = best_sizes(
        columns.T @ columns,
        columns.T @ target - problem.alpha / (rho * tau),
        start * (rho / tau),
    ) * (tau / rho)
    kept = sizes > 0
    found = problem.network(
        inner[kept] * sizes[kept, None], sides[kept], np.zeros(1), network.skip_weights
    )
    return with_best_intercept(problem, problem.merged(found))


def work_of_sizes(problem: TrainingProblem, n_neurons: int) -> float:
    """Multiplications for the best sizes of ``m`` neurons, ``n m² + s m³/3`` with as many systems as is usual.

    Examples
    --------
    >>> problem = TrainingProblem([[-1.0], [1.0]], [1.0, 1.0], 0.01)
    >>> work_of_sizes(problem, 3)  # 2·9 + 16·9
    162.0
    """
    m = float(n_neurons)
    return problem.n_samples * m**2 + _USUAL_SYSTEMS * m**3 / 3


def best_sizes(gram: Array, gains: Array, start: Array) -> Array:
    """The ``c ≥ 0`` that minimises ``½cᵀGc − bᵀc``, or the best one that was met.

    Parameters
    ----------
    gram : array of shape (m, m)
        ``G``, positive semidefinite.
    gains : array of shape (m,)
        ``b``.
    start : array of shape (m,)
        Sizes whose objective the result does not exceed; the first guess of what is there.

    Returns
    -------
    array of shape (m,)

    Examples
    --------
    >>> import numpy as np
    >>> best_sizes(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([2.0, -1.0]), np.ones(2)).round(6)
    array([1., 0.])
    """

    def value(sizes: Array) -> float:
        return float(0.5 * sizes @ gram @ sizes - gains @ sizes)

    best, lowest = start, value(start)
    noise = _ROUNDING * np.abs(gains).max(initial=0.0)
    there = (start > 0) | (gram @ start < gains - noise)
    fewest, patience = len(gains) + 1, _PATIENCE
    for _ in range(_MOST_SYSTEMS):
        sizes = _solved(gram, gains, there)
        if sizes is None:
            break
        now = value(np.maximum(sizes, 0.0))
        if now < lowest:
            best, lowest = np.maximum(sizes, 0.0), now
        wrong = np.where(there, sizes < 0, gram @ sizes < gains - noise).nonzero()[0]
        if len(wrong) == 0:
            break
        patience = _PATIENCE if len(wrong) < fewest else patience - 1
        fewest = min(fewest, len(wrong))
        exchanged = wrong if patience > 0 else wrong[-1:]  # the last one: this cannot cycle
        there[exchanged] = ~there[exchanged]
    return best


def _solved(gram: Array, gains: Array, there: Array) -> Array | None:
    """Sizes of the neurons that are `there` without a bound at zero; None if their system has no factor."""
    matrix = gram[np.ix_(there, there)]
    matrix[np.diag_indices(len(matrix))] += _SHIFT * matrix.trace() / max(1, len(matrix))
    sizes = np.zeros(len(gains))
    if len(matrix):
        try:
            factor = cho_factor(matrix, lower=True, overwrite_a=True)
        except LinAlgError:
            return None
        sizes[there] = cho_solve(factor, gains[there])
    return sizes
