"""What one can choose among networks that are equally good on the training data.

An optimum of the training problem is rarely alone. Keep the neurons of a network and scale each one by
``c_j ≥ 0``; with ``h_j = φ(X̃ w̃_j) a_jᵀ``, its outputs on the training data, and ``p_j = ‖w̃_j‖ ‖a_j‖``::

    f(c) = Σ_j c_j h_j + intercept,        penalty(c) = Σ_j c_j p_j,        c ≥ 0

Both are linear; a skip connection stays as it is. At an optimum every neuron has ``⟨V, h_j⟩ = alpha p_j``, so that
directions ``β`` with ``Σ_j β_j h_j = 0`` do not change the penalty either: all ``c ≥ 0`` with the same outputs are
optimal, a polytope. :func:`minimal` walks to one of its vertices, where the ``h_j`` are linearly independent, and
:func:`best_on_validation` to the point that does best on other data.

References
----------
Mishkin & Pilanci 2023, "Optimal Sets and Solution Paths of ReLU Networks".
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convexrelu.network import TwoLayerNetwork
from convexrelu.problem import TrainingProblem

__all__ = ["best_on_validation", "minimal"]

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
# Unit columns are dependent where a singular value is below this part of the largest one.
_RANK_TOL = 1e-12
# Entries of a unit null direction below this are rounding errors.
_NOISE = 1e-11
# Relative rise of an objective that is put down to rounding.
_ROUNDING = 1e-10
# Part of the largest share of the penalty below which an interior-point solver means zero.
_NO_SHARE = 1e-9
# Distance of unit vectors that are the same direction, near enough to keep outputs to rounding.
_SAME_DIRECTION = 1e-13


def minimal(network: TwoLayerNetwork, problem: TrainingProblem) -> TwoLayerNetwork:
    """Fewest neurons that can be had by rescaling and dropping neurons, with the same outputs on the training data.

    Neurons of one direction are merged. Then, as long as the columns ``vec(h_j)`` (with an intercept: these and the
    constant ones) are linearly dependent, the scales move along a null direction, with the sign for which the
    penalty does not rise, until one of them is zero.

    Parameters
    ----------
    network : TwoLayerNetwork
        Any; at an optimum of `problem` the result is one, too, elsewhere its objective may be lower.
    problem : TrainingProblem
        With any loss: only outputs on samples that have weight matter.

    Returns
    -------
    TwoLayerNetwork
        Balanced. Its outputs on these samples are those of `network` to rounding, its objective is not above that
        of `network` by more than 1e-10 of it. The columns are linearly independent: their smallest singular value,
        after each was scaled to length one, is more than 1e-12 times the largest. So there are at most ``n K``
        neurons, ``(n − 1) K`` with an intercept. It is minimal in that no neuron can be dropped and the others
        rescaled; another vertex of the optimal set may have fewer.

    Raises
    ------
    ValueError
        If the network does not fit the problem.

    Notes
    -----
    One singular value decomposition for all null directions, ``O(n K m²)``; each of the ``q`` neurons that go then
    costs one reflection of an orthonormal basis, ``O(m q)``. Should the objective rise by more than rounding, which
    a badly conditioned network could bring about, the walk ends with the best network so far.

    Examples
    --------
    Two neurons with both samples on their linear part are one on the data.

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
    _check_fits(network, problem)
    limit = problem.objective(network) * (1 + _ROUNDING)
    best = problem.balanced(network)
    candidate: TwoLayerNetwork | None = best.merge(_SAME_DIRECTION, free_bias=problem.free_bias)
    while candidate is not None and problem.objective(candidate) <= limit:
        best = candidate
        candidate = _with_fewer_neurons(best, problem)
    return best


def best_on_validation(
    networks: TwoLayerNetwork | Sequence[TwoLayerNetwork],
    problem: TrainingProblem,
    X_val: ArrayLike,
    y_val: ArrayLike,
    *,
    rtol: float = 1e-6,
    solver: str = "CLARABEL",
) -> TwoLayerNetwork:
    """Among rescalings of known neurons that train as well, the one with the smallest loss on other data.

    With ``P₀`` the smallest objective of the given networks, ``c`` the scales of all their neurons and
    ``b`` the intercept, where there is one::

        min  Σ_i ℓ(f_{c,b}(x_i), y_i)  over the validation data
        s.t. F(f_{c,b}) + alpha Σ_j c_j p_j ≤ (1 + rtol) P₀,   c ≥ 0

    Parameters
    ----------
    networks : TwoLayerNetwork or sequence of TwoLayerNetwork
        One solution or several, of different starts or rounds: the more neurons, the larger the set to choose
        from. A skip connection is that of the best one. They should be nearly optimal for `problem`.
    problem : TrainingProblem
        Any loss.
    X_val : array of shape (n', d)
        Data to choose by; keep others for the final test.
    y_val : array of shape (n',) or (n', K)
        Their targets.
    rtol : float
        By how much the training objective may rise, relative to ``P₀``; positive.
    solver : str
        A cvxpy solver for convex programmes with the problem's loss.

    Returns
    -------
    TwoLayerNetwork
        Balanced. Two things are guaranteed, whatever the solver did: its training objective is at most
        ``(1 + rtol) P₀``, and its validation loss is at most that of the network of ``P₀``, which is returned
        where nothing better was found. If ``P₀`` is within a relative gap ``ε`` of the optimum, so is the
        result, within ``ε + rtol``. Outputs on the training data are then as good as given: for the squared
        error they are within ``√(2 (ε + rtol)(1 + rtol) P₀)`` of the optimal ones, in the norm of the sample
        weights.

    Raises
    ------
    ValueError
        If a network or the validation data do not fit the problem, or `rtol` is not positive.

    Notes
    -----
    As ``rtol`` goes to zero, the set becomes the polytope of all optimal networks with these neurons: same
    outputs, same penalty. Neurons of other solutions are never exactly on it, so that some tolerance is needed.

    Examples
    --------
    One sample does not tell which neuron should carry it; the validation data do.

    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, TwoLayerNetwork
    >>> from convexrelu.optimal_set import best_on_validation
    >>> problem = TrainingProblem(np.array([[1.0, 1.0]]), np.array([2.0]), alpha=0.1, hidden_bias=False,
    ...                           fit_intercept=False)
    >>> one, other = (TwoLayerNetwork([w], [0.0], [[1.0]], [0.0]) for w in ([1.8, 0.0], [0.0, 1.8]))
    >>> problem.objective(one) == problem.objective(other)
    True
    >>> chosen = best_on_validation([one, other], problem, np.array([[1.0, 0.0]]), np.array([0.9]))
    >>> round(float(chosen.predict(np.array([[1.0, 0.0]]))[0]), 4)
    0.9
    """
    networks = [networks] if isinstance(networks, TwoLayerNetwork) else list(networks)
    if not networks:
        raise ValueError("networks is empty; give at least one network")
    if not 0 < rtol < np.inf:
        raise ValueError(f"rtol={rtol!r} is not a positive finite number")
    for network in networks:
        _check_fits(network, problem)
    X_val, y_val = _checked_validation(X_val, y_val, problem)
    networks = [problem.balanced(network) for network in networks]
    best = min(networks, key=problem.objective)
    joint = _side_by_side(best, networks)
    if joint.width == 0 or problem.objective(best) == 0:
        return best
    solved = _best_scales(best, joint, problem, X_val, y_val, rtol=rtol, solver=solver)
    if solved is None:
        return best
    chosen = _not_above(problem, best, joint, *solved, rtol=rtol)
    return min((best, chosen), key=lambda network: _mean_loss(problem, network, X_val, y_val))


def _best_scales(
    best: TwoLayerNetwork,
    joint: TwoLayerNetwork,
    problem: TrainingProblem,
    X_val: Array,
    y_val: Array,
    *,
    rtol: float,
    solver: str,
) -> tuple[Array, Array] | None:
    """Scales of the neurons of `joint` and shifts of the intercept that solve the programme, or None."""
    import cvxpy as cp

    penalties, objective = _penalties(joint, problem), problem.objective(best)
    rest = _without_neurons(joint)
    # What a skip connection costs.
    fixed = problem.objective(rest) - problem.data_fit(rest.predict(problem.X))
    # Each neuron's share of the penalty, in a unit in which the shares are about one.
    unit = objective / problem.alpha
    shares = cp.Variable(joint.width, nonneg=True)
    shift = cp.Variable(joint.n_outputs)

    def outputs(X: Array) -> cp.Expression:
        others = rest.predict(X)
        neurons = _columns(joint, problem, X)[:, : joint.width] * (unit / penalties)
        moved = cp.reshape(neurons @ shares, (X.shape[0], joint.n_outputs), order="C")
        moved = moved + np.ones((X.shape[0], 1)) @ cp.reshape(
            shift, (1, joint.n_outputs), order="C"
        )
        return others + (moved[:, 0] if others.ndim == 1 else moved)

    fit = problem.loss.expression(outputs(problem.X), problem.y, problem.weights)
    # A tenth of the tolerance is left to the solver.
    constraints = [fit / objective + cp.sum(shares) <= 1 + 0.9 * rtol - fixed / objective]
    if not problem.fit_intercept:
        constraints.append(shift == 0)
    validation = problem.loss.expression(outputs(X_val), y_val, np.full(len(y_val), 1 / len(y_val)))
    programme = cp.Problem(cp.Minimize(validation), constraints)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what comes back is checked
        try:
            programme.solve(solver)
        except cp.SolverError:
            return None
    if shares.value is None or shift.value is None:
        return None
    found = np.where(shares.value > _NO_SHARE * shares.value.max(), shares.value, 0.0)
    return found * unit / penalties, shift.value * problem.fit_intercept


def _not_above(
    problem: TrainingProblem,
    best: TwoLayerNetwork,
    joint: TwoLayerNetwork,
    scales: Array,
    shift: Array,
    *,
    rtol: float,
) -> TwoLayerNetwork:
    """The network found, or one between the best given and it whose objective is within the tolerance.

    The objective is convex in the scales: a part ``θ`` of the way brings at most the part ``θ`` of the rise.
    """
    found = _rescaled(joint, scales, shift)
    lowest = problem.objective(best)
    rise = problem.objective(found) - lowest
    if rise <= rtol * lowest:
        return found
    part = (1 - _ROUNDING) * rtol * lowest / rise
    both = _side_by_side(best, [best, joint])
    return _rescaled(both, np.append(np.full(best.width, 1 - part), part * scales), part * shift)


def _side_by_side(best: TwoLayerNetwork, networks: Sequence[TwoLayerNetwork]) -> TwoLayerNetwork:
    """The neurons of several networks, on what else there is in the first one."""
    return replace(
        best,
        hidden_weights=np.vstack([network.hidden_weights for network in networks]),
        hidden_bias=np.concatenate([network.hidden_bias for network in networks]),
        output_weights=np.hstack([network.output_weights for network in networks]),
    )


def _without_neurons(network: TwoLayerNetwork) -> TwoLayerNetwork:
    return replace(network, output_weights=np.zeros_like(network.output_weights)).prune()


def _mean_loss(problem: TrainingProblem, network: TwoLayerNetwork, X: Array, y: Array) -> float:
    return float(problem.loss.value(network.predict(X), y).mean())


def _check_fits(network: TwoLayerNetwork, problem: TrainingProblem) -> None:
    if network.n_features != problem.n_features:
        raise ValueError(
            f"network takes {network.n_features} features, expected {problem.n_features}"
        )
    if network.n_outputs != problem.n_outputs:
        raise ValueError(f"network has {network.n_outputs} outputs, expected {problem.n_outputs}")
    if network.negative_slope != problem.slope:
        raise ValueError(
            f"network has negative_slope={network.negative_slope:g}, expected {problem.slope:g}, "
            f"for activation={problem.activation!r}"
        )


def _checked_validation(
    X: ArrayLike, y: ArrayLike, problem: TrainingProblem
) -> tuple[Array, Array]:
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] != problem.n_features or not len(X):
        raise ValueError(f"X_val has shape {X.shape}, expected (n', {problem.n_features})")
    if y.shape != (len(X), *problem.y.shape[1:]):
        raise ValueError(f"y_val has shape {y.shape}, expected {(len(X), *problem.y.shape[1:])}")
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise ValueError("X_val or y_val contains NaN or infinity; all entries must be finite")
    return X, problem.loss.checked_targets(y)


def _with_fewer_neurons(
    network: TwoLayerNetwork, problem: TrainingProblem
) -> TwoLayerNetwork | None:
    """Walk until no null direction is left. None if there is none to begin with."""
    columns, m = _columns(network, problem, problem.X[problem.weights > 0]), network.width
    lengths = np.linalg.norm(columns, axis=0)
    # What is below the rounding of the largest neuron goes with those that are dead on the data.
    alive = np.flatnonzero(lengths[:m] > _EPS * lengths[:m].max(initial=0.0))
    seen = np.append(alive, np.arange(m, len(lengths)))
    units = columns[:, seen] / lengths[seen]
    null = _null_space(units)
    if len(alive) == m and null.shape[1] == 0:
        return None
    # In units of the lengths, where directions are well scaled. The intercept starts from where it is.
    start = np.where(seen < m, lengths[seen], 0.0)
    end = _walk(start, null, _penalties(network, problem)[alive] / lengths[alive])
    end = _refined(end, units, units @ start, n_positive=len(alive))
    scales = np.zeros(len(lengths))
    scales[seen] = end / lengths[seen]
    if (scales[:m] > 0).all():
        return None
    shift = scales[m:] if problem.fit_intercept else np.zeros(network.n_outputs)
    return _rescaled(network, scales[:m], shift)


def _walk(start: Array, null: Array, penalties: Array) -> Array:
    """From `start` along null directions until a coordinate is zero, once for each column of `null`.

    Parameters
    ----------
    start : array of shape (m + k,)
        The first ``m`` coordinates are positive and stay non-negative.
    null : array of shape (m + k, q)
        Orthonormal columns.
    penalties : array of shape (m,)
        Positive; ``penalties @ point`` does not rise.
    """
    point, m = start.copy(), len(penalties)
    while null.shape[1]:
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
    """Orthonormal basis of those vectors in the span of `null` that are zero in a coordinate."""
    row = null[coordinate]
    mirror = row.copy()
    mirror[0] += np.copysign(np.linalg.norm(row), row[0])
    reflected = null - np.outer(null @ mirror, (2 / (mirror @ mirror)) * mirror)
    rest = reflected[:, 1:]
    rest[coordinate] = 0.0
    return rest


def _refined(point: Array, units: Array, outputs: Array, n_positive: int) -> Array:
    """Take out the rounding errors of a walk, where that leaves every positive coordinate positive."""
    kept = point > 0
    kept[n_positive:] = True
    better = point.copy()
    better[kept] += np.linalg.lstsq(units[:, kept], outputs - units @ point)[0]
    return better if (better[:n_positive][kept[:n_positive]] > 0).all() else point


def _null_space(columns: Array) -> Array:
    """Orthonormal basis of ``{β : columns β = 0}``, to `_RANK_TOL`."""
    if columns.shape[0] > columns.shape[1]:
        columns = np.asarray(np.linalg.qr(columns, mode="r"))
    _, singular, right = np.linalg.svd(columns)
    rank = int((singular > _RANK_TOL * singular.max(initial=0.0)).sum())
    return right[rank:].T


def _columns(network: TwoLayerNetwork, problem: TrainingProblem, X: Array) -> Array:
    """``vec(h_j)`` on the rows of `X`, (n K, m), and after them what the intercept adds, (n K, K)."""
    hidden, outer = network.hidden_features(X), network.output_weights
    n, n_outputs = X.shape[0], network.n_outputs
    neurons = (hidden[:, None, :] * outer[None, :, :]).reshape(n * n_outputs, network.width)
    constants = np.tile(np.eye(n_outputs), (n, 1))
    return np.hstack([neurons, constants]) if problem.fit_intercept else neurons


def _penalties(network: TwoLayerNetwork, problem: TrainingProblem) -> Array:
    """``p_j`` of every neuron; without the biases where they are free."""
    inner = network.hidden_weights if problem.free_bias else network.augmented_weights()
    return np.linalg.norm(inner, axis=1) * np.linalg.norm(network.output_weights, axis=0)


def _rescaled(network: TwoLayerNetwork, scales: Array, shift: Array) -> TwoLayerNetwork:
    """Every neuron of a balanced network scaled by ``c_j``, evenly between its layers; zeros are left out."""
    root = np.sqrt(scales)
    return replace(
        network,
        hidden_weights=network.hidden_weights * root[:, None],
        hidden_bias=network.hidden_bias * root,
        output_weights=network.output_weights * root,
        output_bias=network.output_bias + shift,
    ).prune()
