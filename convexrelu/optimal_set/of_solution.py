"""The optimal set of a problem, computed from one of its solutions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convexrelu._utils.arguments import shown
from convexrelu._utils.typing import Array
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.candidates import find_candidates, refitted
from convexrelu.optimal_set.columns import check_fits, rescaled
from convexrelu.optimal_set.minimal import SAME_NEURON
from convexrelu.optimal_set.polytope import OptimalPolytope
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["optimal_polytope"]


def optimal_polytope(
    network: TwoLayerNetwork,
    problem: TrainingProblem,
    *,
    rtol: float = 1e-6,
    oracle: str = "auto",
    random_state: int | np.random.RandomState | None = None,
) -> OptimalPolytope:
    r"""All networks that are as good as a solution of the training problem, as scales of finitely many neurons.

    Let ``v`` be an optimal dual point. A neuron of any optimum has a direction ``u`` and a sign ``σ`` with
    ``σ vᵀφ(X̃u) = alpha``, the maximum over the unit ball. In each cell of activation patterns, a linear function is
    maximised over a cone, so the maximiser ``u`` is unique. With these ``u_1, …, u_m`` and ``h_j = σ_j φ(X̃u_j)`` the
    optima are::

        f(x) = Σ_j c_j σ_j φ(u_jᵀx̃) + b,      {(c, b) : c ≥ 0,  Σ_j c_j h_j + b1 = f*}

    where ``f*`` are the outputs on the training data, unique where the loss is strictly convex. ``Σc`` is the same for
    all of them: ``vᵀ(f* − b1) = alpha Σc`` (Mishkin & Pilanci 2023, for losses that are strictly convex).

    Parameters
    ----------
    network : TwoLayerNetwork
        Nearly optimal, such as ``train(problem, tol=1e-9).network``.
    problem : TrainingProblem
        With one output, a smooth loss, and no free skip connection; any slope of the activation.
    rtol : float
        Directions with at least ``(1 − rtol) alpha`` count as attaining it. Below 1.
    oracle : str
        Source of candidates besides the network's own cells. ``"cells"``: all cells are listed. Other names: the best
        directions of the oracle that :func:`~convexrelu.oracles.selection.choose_oracles` makes. ``"auto"``:
        cells, up to 10 000 of them.
    random_state : int, RandomState or None
        Seed of the searches.

    Returns
    -------
    OptimalPolytope

    Raises
    ------
    ValueError
        If the network does not fit the problem, or is not close enough to an optimum for `rtol`: some direction has
        more than ``(1 + rtol) alpha``, or the objective rises by more than `rtol` when its neurons are moved to the
        maximisers of their cells. For problems whose optimal sets are not supported.

    Notes
    -----
    *What accuracy does.* A network with relative gap ``ε`` gives ``v = −∇F`` to about ``√ε``. It is moved to the
    nearest point at which the network's own neurons attain ``alpha``, as they do at the optimal one. All
    directions are the maxima of their cells at this ``v``, the network's own as well: to first order that leaves its
    objective, and columns that depend on each other at the optimum do so here, to rounding, where this follows from
    signs and kinks. Singular values below 1e-9 of the largest count as zero. What has values ``v_j alpha`` with
    ``|v_j − 1| ≤ rtol`` keeps the objective of all members within ``1 + 2 rtol/(1 − rtol)`` times that of
    the base, whether it attains ``alpha`` or not::

        vᵀ(f* − b1) = alpha Σ_j v_j c_j    for all of them, so that   Σc ≤ (1 + rtol)/(1 − rtol) Σc⁰

    A maximiser whose value at this ``v`` is below ``(1 − rtol) alpha`` is missed; a rough network asks for a larger
    `rtol`.

    *Other networks, same function.* Where ``vᵀX̃ = 0``, ``u`` and ``−u`` attain ``alpha`` together. Neurons may then
    face either way as long as their linear parts add up, ``relu(t) − relu(−t) = t``. Sets of this kind are large where
    `alpha` is small, and all their members may be one function: then :meth:`OptimalPolytope.prediction_range` has
    width zero.

    *Free biases.* A neuron's value is piecewise linear in its bias, so that maximisers may fill an interval. Those with
    kinks at samples are candidates; what is between has outputs that are means of theirs on the data, not
    elsewhere. Such a set is never complete.

    *Cost.* One non-negative least-squares problem for each cell whose gradient is long enough.

    References
    ----------
    Mishkin & Pilanci 2023, "Optimal Sets and Solution Paths of ReLU Networks", ICML.

    Examples
    --------
    For two samples on the axes, ``|u_1 x_1 + u_2 x_2|`` and ``|u_1 x_1 − u_2 x_2|`` are as good, and so is every mean.

    >>> import numpy as np
    >>> from convexrelu import TrainingProblem, train
    >>> from convexrelu.optimal_set import optimal_polytope
    >>> problem = TrainingProblem(np.eye(2), np.array([1.0, 2.0]), 0.1, activation="absolute_value",
    ...                           hidden_bias=False, fit_intercept=False)
    >>> optima = optimal_polytope(train(problem, tol=1e-9, random_state=0).network, problem)
    >>> optima.is_complete, optima.dimension, len(optima.vertices())
    (True, 1, 2)
    >>> optima.uniqueness().reason
    'another network'
    >>> low, high = optima.prediction_range(np.array([[1.0, 0.0], [1.0, 1.0]]))
    >>> np.round(high - low, 3)  # no doubt on the first sample
    array([0.   , 1.821])
    """
    _check(network, problem, rtol)
    own = problem.balanced(network).merge(SAME_NEURON, free_bias=problem.free_bias, X=problem.X)
    condensed = problem.condensed()
    found = find_candidates(own, condensed, rtol=rtol, oracle=oracle, random_state=random_state)
    neurons = condensed.network(*found.neurons, own.output_bias, own.skip_weights)
    base = _with_intercept(problem, neurons, found.scales)
    scales = refitted(condensed, found, base.predict(condensed.X))
    better = _with_intercept(problem, neurons, scales)
    if problem.objective(better) <= problem.objective(base):
        base, found = better, replace(found, scales=scales)
    given, reached = problem.objective(own), problem.objective(base)
    if reached > (1 + rtol) * given:
        raise ValueError(
            f"network is not near enough to an optimum for rtol={rtol:g}: with neurons at the maxima of "
            f"their cells its objective is {reached:.9g} instead of {given:.9g}; train with a smaller tol"
        )
    curvature = problem.loss.curvature(base.predict(problem.X), problem.y)
    strict = bool((curvature[problem.weights > 0] > 0).all())
    return OptimalPolytope(
        problem,
        neurons.with_output_bias(base.output_bias),
        found.scales,
        found.values,
        found.certificate,
        rtol,
        found.is_complete and strict,
    )


def _with_intercept(
    problem: TrainingProblem, neurons: TwoLayerNetwork, scales: Array
) -> TwoLayerNetwork:
    """The network with these scales and the best intercept."""
    network = rescaled(neurons, scales, np.zeros(1))
    shift = problem.best_intercept(network.predict(problem.X))
    return network.with_output_bias(network.output_bias + shift)


def _check(network: TwoLayerNetwork, problem: TrainingProblem, rtol: float) -> None:
    check_fits(network, problem)
    missing = ""
    if problem.n_outputs > 1:
        missing = f"{problem.n_outputs} outputs, whose optimal sets are no polytopes in general"
    if problem.activation in ("gated_relu", "threshold"):
        missing = f"activation={problem.activation!r}"
    if not problem.loss.smooth:
        missing = (
            f"loss={problem.loss.name!r}, at whose kinks the outputs do not tell the dual point"
        )
    if problem.free_skip:
        missing = "a skip connection without a penalty"
    if missing:
        raise ValueError(f"problem: optimal sets are not supported for {missing}")
    if not 0 < rtol < 1:
        raise ValueError(f"rtol={shown(rtol)} is not a number between 0 and 1")
