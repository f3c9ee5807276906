"""The network that does best on other data among those that train equally well."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from convexrelu._utils.arguments import finite_array, shown
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.columns import ROUNDING, check_fits, columns_of, penalties_of, rescaled
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["best_on_validation"]


# Fraction of the largest share of the penalty that counts as zero for an interior-point solver.
_NO_SHARE = 1e-9


def best_on_validation(
    networks: TwoLayerNetwork | Sequence[TwoLayerNetwork],
    problem: TrainingProblem,
    X_val: ArrayLike,
    y_val: ArrayLike,
    *,
    rtol: float = 1e-6,
    solver: str = "CLARABEL",
) -> TwoLayerNetwork:
    """Among rescalings of given neurons that train equally well, the one with the smallest loss on other data.

    With ``P₀`` the smallest objective of the given networks, ``c`` the scales of all their neurons and
    ``b`` the intercept, where there is one::

        min  Σ_i ℓ(f_{c,b}(x_i), y_i)  over the validation data
        s.t. F(f_{c,b}) + alpha Σ_j c_j p_j ≤ (1 + rtol) P₀,   c ≥ 0

    Parameters
    ----------
    One or several solutions, from different starts or rounds: the more neurons, the larger the set to choose
    from. The skip connection is that of the best one. They should be nearly optimal for `problem`.
    problem : TrainingProblem
        Any loss.
    X_val : array of shape (n', d)
        Data to choose by; keep separate data for the final test.
    y_val : array of shape (n',) or (n', K)
        Their targets.
    rtol : float
        Largest increase of the training objective, relative to ``P₀``; positive.
    solver : str
        A cvxpy solver for convex programs with the problem's loss.

    Returns
    -------
    TwoLayerNetwork
        Balanced. Two things are guaranteed, whatever the solver returned: its training objective is at most
        ``(1 + rtol) P₀``, and its validation loss is at most that of the network of ``P₀``, which is returned
        if nothing better was found. If ``P₀`` is within a relative gap ``ε`` of the optimum, the result is
        within ``ε + rtol``. Outputs on the training data then keep their quality: for the squared
        error they are within ``√(2 (ε + rtol)(1 + rtol) P₀)`` of the optimal ones, in the norm of the sample
        weights.

    Raises
    ------
    ValueError
        If a network or the validation data do not fit the problem, or `rtol` is not positive.

    Notes
    -----
    As ``rtol`` goes to zero, the set becomes the polytope of all optimal networks with these neurons: same
    outputs, same penalty. Neurons of other solutions are never exactly in it, so some tolerance is needed.

    Examples
    --------
    One sample does not determine which neuron should carry it; the validation data do.

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
        raise ValueError(f"rtol={shown(rtol)} is not a positive finite number")
    for network in networks:
        check_fits(network, problem)
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
    """Scales of the neurons of `joint` and shifts of the intercept that solve the program, or None."""
    from convexrelu._utils.cvxpy_import import cp

    penalties, objective = penalties_of(joint, problem), problem.objective(best)
    rest = _without_neurons(joint)
    # Penalty of the skip connection.
    fixed = problem.objective(rest) - problem.data_fit(rest.predict(problem.X))
    # Each neuron's share of the penalty, in a unit in which the shares are about one.
    unit = objective / problem.alpha
    shares = cp.Variable(joint.width, nonneg=True)
    shift = cp.Variable(joint.n_outputs)

    def outputs(X: Array) -> cp.Expression:
        others = rest.predict(X)
        neurons = columns_of(joint, problem, X)[:, : joint.width] * (unit / penalties)
        moved = cp.reshape(neurons @ shares, (X.shape[0], joint.n_outputs), order="C")
        moved = moved + np.ones((X.shape[0], 1)) @ cp.reshape(
            shift, (1, joint.n_outputs), order="C"
        )
        return others + (moved[:, 0] if others.ndim == 1 else moved)

    fit = problem.loss.expression(outputs(problem.X), problem.y, problem.weights)
    # A tenth of the tolerance is left for the solver.
    constraints = [fit / objective + cp.sum(shares) <= 1 + 0.9 * rtol - fixed / objective]
    if not problem.fit_intercept:
        constraints.append(shift == 0)
    validation = problem.loss.expression(outputs(X_val), y_val, np.full(len(y_val), 1 / len(y_val)))
    program = cp.Problem(cp.Minimize(validation), constraints)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the result is checked
        try:
            program.solve(solver)
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
    """The network found, or a mixture of it and the best given one whose objective is within the tolerance.

    The objective is convex in the scales: a fraction ``θ`` of the way adds at most the fraction ``θ`` of the increase.
    """
    found = rescaled(joint, scales, shift)
    lowest = problem.objective(best)
    rise = problem.objective(found) - lowest
    if rise <= rtol * lowest:
        return found
    part = (1 - ROUNDING) * rtol * lowest / rise
    both = _side_by_side(best, [best, joint])
    return rescaled(both, np.append(np.full(best.width, 1 - part), part * scales), part * shift)


def _side_by_side(best: TwoLayerNetwork, networks: Sequence[TwoLayerNetwork]) -> TwoLayerNetwork:
    """The neurons of several networks, with all other weights of the first one."""
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


def _checked_validation(
    X: ArrayLike, y: ArrayLike, problem: TrainingProblem
) -> tuple[Array, Array]:
    X = finite_array("X_val", X, "n'", problem.n_features)
    y = finite_array("y_val", y, len(X), *problem.y.shape[1:])
    return X, problem.loss.checked_targets(y)
