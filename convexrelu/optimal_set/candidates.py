"""The neurons that optima of a problem may have, and the scale of each in a given solution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from convexrelu._utils.norms import lipschitz_constant, norms
from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.pricing import price_and_certify
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.optimal_set.columns import penalties_of
from convexrelu.optimal_set.free_kinks import at_kinks, snapped
from convexrelu.optimal_set.maximisers import (
    Neurons,
    Pairs,
    all_pairs,
    columns_at,
    maximisers,
    representatives,
)
from convexrelu.oracles.for_problem import oracles_for
from convexrelu.oracles.reductions.free_bias import free_bias_factor
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["Candidates", "find_candidates", "refitted"]


# "auto" lists all cells up to this number of them, which takes about a second.
_AUTO_CELLS = 10_000
# Projections of the dual point on the conditions of optimality; no measurement is recorded.
_ROUNDS = 3
# Columns that are dependent at the optimum are so only to the accuracy of a solution: along singular values below
# this fraction of the largest, the right-hand side is mostly error, which would be magnified.
_RANK_TOL = 1e-5
# Neurons with a smaller fraction of the penalty tell nothing about the dual point.
_DUST = 1e-6


@dataclass(frozen=True, eq=False)
class Candidates:
    """Neurons that attain the maximum of the dual constraint.

    Attributes
    ----------
    v : array of shape (n,)
        The dual point.
    neurons : Neurons
    scales : array of shape (m,)
        ``c`` of a nearly optimal network with them.
    values : array of shape (m,)
        ``vᵀh_j / alpha`` at the dual point.
    certificate : Certificate
        Certificate of the given network.
    is_complete : bool
        Whether other maximisers are excluded, up to the tolerance.
    """

    v: Array
    neurons: Neurons
    scales: Array
    values: Array
    certificate: Certificate
    is_complete: bool


def find_candidates(
    network: TwoLayerNetwork,
    problem: TrainingProblem,
    *,
    rtol: float,
    oracle: str,
    random_state: int | np.random.RandomState | None,
) -> Candidates:
    """Maximisers of ``|vᵀφ(X̃u)|`` up to `rtol`, including those of the network's own cells.

    Parameters
    ----------
    network : TwoLayerNetwork
        Balanced, with distinct directions.
    problem : TrainingProblem
        Condensed, with one output and a smooth loss.
    rtol, oracle, random_state
        As for :func:`~convexrelu.optimal_set.optimal_polytope`.

    Raises
    ------
    ValueError
        If a direction is above ``(1 + rtol) alpha``: the network is not close enough to an optimum.
    """
    pairs, resolution = _listed(problem, oracle)
    name = oracle if pairs is None else "cells"
    heuristic, exact, _ = oracles_for(problem, name, random_state)
    own, own_scales = _own(network, problem)
    own_pairs = Pairs(own.directions @ problem.design.T >= 0, own.signs)
    v = problem.dual_point(network.predict(problem.X))
    v = problem.feasible(_polished(problem, v, own, own_pairs, own_scales))
    certificate, report = price_and_certify(problem, network, exact, v)
    if pairs is None:
        pairs = Pairs(report.masks, report.signs)
        if heuristic is not exact:
            found = heuristic(v)
            pairs = pairs.then(Pairs(found.masks, found.signs))
    level = problem.alpha * (1 - rtol)
    find = _with_free_biases if problem.free_bias else _with_penalised_biases
    neurons, scales, all_found = find(problem, v, (own, own_pairs, own_scales), pairs, level)
    values = v @ columns_at(problem, neurons) / problem.alpha
    if values.max(initial=0.0) > 1 + rtol:
        raise ValueError(
            f"network is not near enough to an optimum for rtol={rtol:g}: a neuron attains "
            f"{values.max():.9g} alpha; train with a smaller tol, or use a larger rtol"
        )
    fine = resolution * lipschitz_constant(problem.design, v) <= rtol * problem.alpha
    return Candidates(v, neurons, scales, values, certificate, bool(fine and all_found))


def refitted(problem: TrainingProblem, found: Candidates, outputs: Array) -> Array:
    """Scales after one Newton step on the objective, starting from the network's current scales and `outputs`.

    The step is over the positive scales and the intercept, which is chosen afterwards. As ``vᵀh_j = alpha`` for these,
    the remaining gradient is ``h_jᵀ(v − v_f)``, with ``v_f = −∇F(outputs)``. Where a full step would
    leave ``c ≥ 0``, no step is taken.
    """
    support = np.flatnonzero(found.scales > 0)
    curved = problem.loss.curvature(outputs, problem.y) > 0
    root = np.sqrt(problem.weights * problem.loss.curvature(outputs, problem.y))[curved]
    columns = columns_at(problem, found.neurons.select(support))
    if problem.fit_intercept:
        columns = np.column_stack([columns, np.ones(len(columns))])
    rest = -problem.weights * problem.loss.gradient(outputs, problem.y) - found.v
    step = np.linalg.lstsq(root[:, None] * columns[curved], rest[curved] / root, _RANK_TOL)[0]
    scales = found.scales.copy()
    scales[support] += step[: len(support)]
    return scales if (scales >= 0).all() else found.scales


def _listed(problem: TrainingProblem, oracle: str) -> tuple[Pairs | None, float]:
    """All cells and signs, if requested or if they are few, and the width of cells that may be missing."""
    if oracle not in ("auto", "cells"):
        return None, math.inf
    listed = all_pairs(problem, _AUTO_CELLS if oracle == "auto" else math.inf)
    return listed or (None, math.inf)


def _own(network: TwoLayerNetwork, problem: TrainingProblem) -> tuple[Neurons, Array]:
    """The neurons of a balanced network with penalty one, and their penalties in the network."""
    directions, signs = problem.directions(network), np.sign(network.output_weights[0])
    if problem.free_bias:
        own = snapped(problem, Neurons(directions, signs))
    else:
        own = Neurons(directions / norms(directions)[:, None], signs)
    return own, penalties_of(network, problem)


def _polished(
    problem: TrainingProblem, v: Array, own: Neurons, pairs: Pairs, scales: Array
) -> Array:
    """The nearest dual point at which the network's own neurons attain ``alpha``.

    They do so at an optimum. As the optimal dual point is among the points where they do, the nearest one, in the norm
    of the sample weights, is closer to it than `v` was.
    """
    strong = np.flatnonzero(scales > _DUST * scales.sum())
    own, pairs = own.select(strong), pairs.select(strong)
    root = np.sqrt(problem.weights)
    sums = [np.ones((1, len(v)))] if problem.fit_intercept else []
    for _ in range(_ROUNDS):
        if not problem.free_bias:
            own, _failed = maximisers(problem, v, pairs, 0.0)
        columns = columns_at(problem, own)
        rest = problem.alpha - v @ columns
        rows = np.vstack([columns.T, *sums]) * root
        v = v + root * np.linalg.lstsq(rows, np.append(rest, np.zeros(len(sums))), _RANK_TOL)[0]
    return v


def _with_penalised_biases(
    problem: TrainingProblem,
    v: Array,
    network: tuple[Neurons, Pairs, Array],
    pairs: Pairs,
    level: float,
) -> tuple[Neurons, Array, bool]:
    """Maximisers of all given cells; each of the network's neurons becomes the maximiser of its own cell."""
    _, own_pairs, own_scales = network
    pairs = own_pairs.then(pairs)
    neurons, failed = maximisers(problem, v, pairs, level)
    values = v @ columns_at(problem, neurons)
    attain = np.flatnonzero(values >= level)
    neurons, masks = neurons.select(attain), pairs.masks[attain]
    leader = representatives(problem, neurons, masks, values[attain])
    scales = np.zeros(len(attain))
    is_own = attain < len(own_scales)
    np.add.at(scales, leader[is_own], own_scales[attain[is_own]])
    kept = np.unique(leader)
    return neurons.select(kept), scales[kept], not failed.any()


def _with_free_biases(
    problem: TrainingProblem,
    v: Array,
    network: tuple[Neurons, Pairs, Array],
    pairs: Pairs,
    level: float,
) -> tuple[Neurons, Array, bool]:
    """The network's neurons, and others with kinks at samples. There are always more, with kinks between samples."""
    own, _, own_scales = network
    # The design makes biases cost a little: what its maximisers lack for that is not known to be lacking.
    others, _ = maximisers(problem, v, pairs, level / free_bias_factor(problem.design))
    neurons = at_kinks(problem, v, own, others, level)
    scales = np.append(own_scales, np.zeros(len(neurons.signs) - len(own_scales)))
    return neurons, scales, False
