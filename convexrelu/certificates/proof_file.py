"""Proofs in files: everything by which somebody else can check the gap of a network, without this library."""

from __future__ import annotations

import hashlib
import json
import math
import numbers
import os
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.sparse import issparse

from convexrelu._utils.arguments import check_number
from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.certificates.exact_losses import ExactLoss, exact_loss
from convexrelu.certificates.proof_tree import Refuted, TooManyBoxes, Tree, proof_tree
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.oracles.bounds.rational import fractions, to_integers
from convexrelu.oracles.search.one_output import SearchOracle
from convexrelu.problem.distinct_rows import distinct_rows
from convexrelu.problem.dual import best_scale, level_for
from convexrelu.problem.training_problem import TrainingProblem

__all__ = ["MAX_BOXES", "gap_to_prove", "save_proof"]

MAX_BOXES = 200_000
_MAGIC = b"convexrelu proof 1\n"
_SMALLEST_GAP = 2e-4  # above that of a certificate, that is tried without a request for less
_ROOM = 2e-4  # between M(v) and the bound, relative: the smaller, the more boxes
_DUAL_BITS = 40
_GRID = 2**1200  # terms of the lower bound are multiples of its inverse
_ATTEMPTS = 20
_MOST_COLUMNS = 14  # a box has half of 2^14 corners


def save_proof(
    path: str | os.PathLike[str],
    problem: TrainingProblem,
    network: Any,
    *,
    dual: Array | None = None,
    relative_gap: float = _SMALLEST_GAP,
    max_boxes: int = MAX_BOXES,
) -> float:
    """Write a proof of the network's gap, which can be checked without this library.

    The file has the network, a dual point, and a tree of boxes with multipliers by which the dual point is feasible.
    ``tools/check_proof.py`` checks it in exact arithmetic. The documentation describes the format.

    Parameters
    ----------
    path : str or path
        File to write. It is left alone where there is no proof.
    problem : TrainingProblem
        With one output, ReLU, hidden biases that are penalised or absent, no skip connection, and the squared,
        absolute, quantile, Huber, hinge or squared hinge loss; for up to 14 features, counting the hidden bias.
    network : TwoLayerNetwork
        Network of the problem.
    dual : array, optional
        A dual point on the samples of ``problem.condensed()``, such as the attribute `dual` of a
        :class:`~convexrelu.Result`. It is used if it is better than that of the network's outputs, as it often is for
        losses with kinks.
    relative_gap : float
        Gap to prove, if the dual point allows it; otherwise the proof is of a gap a little above what it allows.
        Smaller gaps need more boxes.
    max_boxes : int
        Number of boxes after which to give up.

    Returns
    -------
    float
        The relative gap that is proved.

    Raises
    ------
    ValueError
        For a problem or a network that is not covered.
    RuntimeError
        If there is no proof within `max_boxes`.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from convexrelu import TrainingProblem, train
    >>> problem = TrainingProblem(np.array([[-1.0], [0.0], [1.0]]), np.array([1.0, 0.0, 1.0]), alpha=0.01)
    >>> network = train(problem, tol=1e-5, random_state=0).network
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     gap = save_proof(os.path.join(folder, "tent.proof"), problem, network)
    >>> gap < 5e-4
    True
    """
    check_number("relative_gap", relative_gap, numbers.Real, 0)
    check_number("max_boxes", max_boxes, numbers.Integral, 1)
    loss = _checked(problem, network)
    X = problem.X.toarray() if issparse(problem.X) else problem.X
    weights = _weights(problem)
    objective = _objective(problem, loss, network, X, weights)
    wanted = float(objective) * (1 - relative_gap)
    v, level = _best_point(problem, network, dual, wanted)
    rows = fractions(_with_ones(X) if problem.hidden_bias else X)
    v, tree = _feasible(problem, loss, rows, weights, v, level, max_boxes)
    lower = _lower_bound(loss, v, problem.y, weights)
    head = {
        "alpha": float(problem.alpha).hex(),
        "basis": tree.basis,
        "bits": tree.bits,
        "bound": _ratio(Fraction(problem.alpha)),
        "data": _data(problem, X),
        "dual": [float(x).hex() for x in v],
        "hidden_bias": bool(problem.hidden_bias),
        "intercept": bool(problem.fit_intercept),
        "loss": problem.loss.name,
        "lower_bound": _ratio(lower),
        "network": _network(network),
        "objective": _ratio(objective),
        "parameter": None if loss.parameter is None else loss.parameter.hex(),
    }
    line = json.dumps(head, sort_keys=True, separators=(",", ":")).encode("ascii")
    content = _MAGIC + line + b"\n" + tree.records
    with open(path, "wb") as file:
        file.write(content + hashlib.sha256(content).digest())
    return float((objective - lower) / objective) if objective else 0.0


def gap_to_prove(certificate: Certificate) -> float:
    """A little more than the gap of a certificate: with no room at all, a proof needs too many boxes."""
    return certificate.relative_gap + _SMALLEST_GAP


def _checked(problem: TrainingProblem, network: Any) -> ExactLoss:
    """The loss in fractions, or a ValueError for what proof files do not cover."""
    loss = exact_loss(problem.loss)
    if loss is None:
        raise ValueError(
            f"problem has loss={problem.loss.name!r}, which is not covered: proof files need a loss with a rational "
            "conjugate, 'squared_error', 'absolute_error', 'quantile', 'huber', 'hinge' or 'squared_hinge'"
        )
    for given, covered, what in (
        (f"{problem.n_outputs} outputs", problem.n_outputs == 1, "one output"),
        (f"activation={problem.activation!r}", problem.activation == "relu", "'relu'"),
        ("hidden_bias='free'", not problem.free_bias, "True or False"),
        ("skip=True", not problem.skip, "skip=False"),
        (
            f"rows of {problem.n_features + bool(problem.hidden_bias)} entries with the bias",
            problem.n_features + bool(problem.hidden_bias) <= _MOST_COLUMNS,
            f"up to {_MOST_COLUMNS}",
        ),
    ):
        if not covered:
            raise ValueError(f"problem has {given}, which proof files do not cover; only {what}")
    if type(network) is not TwoLayerNetwork:
        raise ValueError(f"network is a {type(network).__name__}, not a TwoLayerNetwork")
    if (network.n_features, network.n_outputs) != (problem.n_features, 1):
        raise ValueError(f"network is {network!r}, which does not fit the problem")
    if network.negative_slope or network.skip_weights is not None:
        raise ValueError("network has a negative slope or a skip connection; the problem has none")
    if network.hidden_bias.any() and not problem.hidden_bias:
        raise ValueError("network has hidden biases, but the problem has hidden_bias=False")
    if network.output_bias.any() and not problem.fit_intercept:
        raise ValueError("network has an output intercept, but the problem has fit_intercept=False")
    return loss


def _is_uniform(problem: TrainingProblem) -> bool:
    return bool((problem.weights == 1.0 / problem.n_samples).all())


def _weights(problem: TrainingProblem) -> Any:
    """The ``s_i`` in fractions: exactly ``1/n``, or the floats of the problem."""
    if _is_uniform(problem):
        return np.full(problem.n_samples, Fraction(1, problem.n_samples), dtype=object)
    return fractions(problem.weights)


def _objective(
    problem: TrainingProblem, loss: ExactLoss, network: TwoLayerNetwork, X: Array, weights: Any
) -> Fraction:
    """The objective of the network, exactly."""
    weighted = np.column_stack([network.hidden_weights, network.hidden_bias])
    rows, row_scale = to_integers(fractions(_with_ones(X)))
    inner, scale = to_integers(fractions(weighted))
    outer, outer_scale = to_integers(fractions(network.output_weights[0]))
    outputs = np.maximum(rows @ inner.T, 0) @ outer
    intercept = Fraction(network.output_bias[0])
    fit = Fraction(0)
    for output, y, weight in zip(outputs, problem.y, weights, strict=True):
        f = Fraction(int(output), row_scale * scale * outer_scale) + intercept
        fit += weight * loss.value(f, Fraction(y))
    parts = fractions(np.append(weighted, network.output_weights))
    squares = sum((x**2 for x in parts), Fraction(0))
    return fit + Fraction(problem.alpha) * squares / 2


def _with_ones(X: Array) -> Array:
    return np.column_stack([X, np.ones(len(X))])


def _lower_bound(loss: ExactLoss, v: Array, y: Array, weights: Any) -> Fraction:
    """The dual objective, each of its terms rounded down to a multiple of ``2^-1200``."""
    total = 0
    for value, target, weight in zip(fractions(v), y, weights, strict=True):
        if weight:
            term = -weight * loss.conjugate(-value / weight, Fraction(target))
            total += math.floor(term * _GRID)
    return Fraction(total, _GRID)


def _best_point(
    problem: TrainingProblem, network: TwoLayerNetwork, dual: Array | None, wanted: float
) -> tuple[Array, float]:
    """The dual point with the best bound, and a level for ``M(v)`` that may be proved.

    The level is the one that the wanted bound needs, or what a search finds with a little more.
    """
    points = [problem.dual_point(network.predict(problem.X))]
    if dual is not None:
        points.append(_of_all_samples(problem, np.asarray(dual, dtype=np.float64)))
    search = SearchOracle(problem.design, random_state=0)
    best, best_value, best_level = points[0], -math.inf, math.inf
    for v in points:
        v = np.where(problem.weights > 0, v, 0.0)
        least = float(search(v).values.max(initial=0.0)) * (1 + _ROOM)
        largest = _largest_scale(problem, least)
        value = problem.rough_dual(best_scale(problem, v, largest) * v)
        if value > best_value:
            level = max(min(level_for(problem, v, wanted), 1e9 * problem.alpha), least)
            best, best_value, best_level = v, value, level
    return best, best_level


def _largest_scale(problem: TrainingProblem, level: float) -> float:
    return problem.alpha / level if level > 1e-9 * problem.alpha else 1e9


def _of_all_samples(problem: TrainingProblem, dual: Array) -> Array:
    """A dual point of the condensed problem; equal samples share its entries in the ratio of their weights."""
    alive = problem.weights > 0
    first, place = distinct_rows(problem.row_keys()[alive], problem.y[alive])
    if dual.shape == (problem.n_samples,) and problem.condensed() is problem:
        return dual
    if dual.shape != (len(first),):
        raise ValueError(f"dual has shape {dual.shape}, expected ({len(first)},)")
    out, weights = np.zeros(problem.n_samples), problem.weights[alive]
    out[alive] = dual[place] * (weights / np.bincount(place, weights=weights)[place])
    return out


def _feasible(
    problem: TrainingProblem,
    loss: ExactLoss,
    rows: Any,
    weights: Any,
    v: Array,
    level: float,
    max_boxes: int,
) -> tuple[Array, Tree]:
    """A multiple of the dual point with ``M(v) ≤ alpha``, and the proof of that."""
    for _ in range(_ATTEMPTS):
        scale = best_scale(problem, v, _largest_scale(problem, level))
        scaled = _on_grid(loss, scale * v, problem, weights)
        try:
            alpha = Fraction(problem.alpha)
            return scaled, proof_tree(rows, fractions(scaled), alpha, max_boxes=max_boxes)
        except Refuted as witness:  # the search had missed it
            level = max(level, problem.alpha / scale) * witness.ratio * (1 + _ROOM)
        except TooManyBoxes:
            break
    raise RuntimeError(
        f"no proof within max_boxes={max_boxes}, so that no file was written; allow more boxes or a larger relative_gap"
    )


def _on_grid(loss: ExactLoss, v: Array, problem: TrainingProblem, weights: Any) -> Array:
    """The dual point rounded towards zero to few bits, in the domain, and with an intercept of sum zero.

    The domain of every sample contains zero, so that steps towards zero stay inside.
    """
    exponent = max(math.frexp(float(np.abs(v).max(initial=0.0)))[1] - _DUAL_BITS, -1074)
    grid = Fraction(2) ** exponent
    steps = []
    for value, target, weight in zip(v, problem.y, weights, strict=True):
        low, high = loss.domain(Fraction(target))
        step = int(Fraction(value) / grid)
        if high is not None:
            step = max(step, -math.floor(high * weight / grid))
        if low is not None:
            step = min(step, math.floor(-low * weight / grid))
        steps.append(step)
    if problem.fit_intercept:
        _balance(steps)
    return np.array([float(step * grid) for step in steps])


def _balance(steps: list[int]) -> None:
    """Make the sum zero by steps towards zero, at the largest entries first."""
    rest = sum(steps)
    sign = 1 if rest > 0 else -1
    for i in sorted(range(len(steps)), key=lambda i: -sign * steps[i]):
        change = min(sign * rest, max(sign * steps[i], 0))
        steps[i] -= sign * change
        rest -= sign * change


def _network(network: TwoLayerNetwork) -> dict[str, Any]:
    return {
        "hidden_bias": [x.hex() for x in network.hidden_bias.tolist()],
        "hidden_weights": [[x.hex() for x in row] for row in network.hidden_weights.tolist()],
        "output_bias": float(network.output_bias[0]).hex(),
        "output_weights": [x.hex() for x in network.output_weights[0].tolist()],
    }


def _data(problem: TrainingProblem, X: Array) -> dict[str, Any]:
    """SHA-256 of the entries, by rows, and shapes; no weights where all are ``1/n``."""
    arrays = {"X": X, "y": problem.y, "weights": problem.weights}
    out: dict[str, Any] = {
        name: [hashlib.sha256(np.ascontiguousarray(a, dtype="<f8").data).hexdigest(), list(a.shape)]
        for name, a in arrays.items()
    }
    if _is_uniform(problem):
        out["weights"] = None
    return out


def _ratio(value: Fraction) -> str:
    return f"{value.numerator:x}/{value.denominator:x}"
