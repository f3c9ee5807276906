"""Dual points on the rows of all chunks, and lower bounds that follow from them.

A dual point is a list with one array for every chunk of this process, ``v_i`` as in
:class:`~convexrelu.TrainingProblem` on all rows. With an intercept its sum is zero as a real number, as for one problem
(:mod:`convexrelu.losses.dual_domain`): entries are rounded to one grid, so that sums are exact, and what remains is
taken from entries of the first chunks.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convexrelu._utils.deadlines import product_fits
from convexrelu._utils.norms import norms, sizes
from convexrelu._utils.typing import Array
from convexrelu.chunked.rows import Rows
from convexrelu.losses.dual_domain import flow_to_take, on_grid, taken
from convexrelu.networks.two_layer import TwoLayerNetwork
from convexrelu.problem.dual import best_on_ray

__all__ = ["DualPoint", "closed_form_bound", "dual_point", "lower_bound"]

_EPS = float(np.finfo(np.float64).eps)

# Error of the best multiple of a dual point: its square, the loss of the bound, is far below any tolerance for many
# samples. Each value on the way is a pass over the dual point.
_WITHIN = 1e-4

DualPoint = list[Array]


def dual_point(rows: Rows, network: TwoLayerNetwork, hidden: list[Array]) -> DualPoint:
    """``−∇F`` at the outputs of a network with its best intercept, feasible but for ``M(v) ≤ alpha``."""

    def part(k: int, outputs: Array) -> Array:
        problem, share, _ = rows.chunk(k)
        bias = network.output_bias
        slopes = problem.loss.gradient(
            outputs + (bias[0] if problem.n_outputs == 1 else bias), problem.y
        )
        near = -(problem.weights * slopes.T).T
        return share * problem.loss.dual_point(near, problem.y, problem.weights, False)

    v = rows.each(part, hidden)
    if not rows.template.fit_intercept:
        return v
    return _balanced_classes(rows, v) if rows.template.loss.couples_outputs else _balanced(rows, v)


def _balanced(rows: Rows, v: DualPoint) -> DualPoint:
    """Columns that sum to zero; see :func:`~convexrelu.losses.dual_domain.separable_dual_point`."""
    n_outputs = rows.template.n_outputs
    columns = [part.reshape(len(part), n_outputs) for part in v]
    (totals,) = rows.total(
        lambda k, part: [np.abs(part).sum(axis=0)], (n_outputs,), arrays=[columns]
    )
    columns = rows.each(
        lambda k, part: np.column_stack(
            [on_grid(x, t) for x, t in zip(part.T, totals, strict=True)]
        ),
        columns,
    )
    (excess,) = rows.total(lambda k, part: [part.sum(axis=0)], (n_outputs,), arrays=[columns])
    for j, amount in enumerate(excess.tolist()):
        sign = math.copysign(1.0, amount)
        room = [np.maximum(sign * part[:, j], 0.0) for part in columns]
        for part, take in zip(columns, _taken(rows, room, abs(amount)), strict=True):
            part[:, j] -= sign * take
    return [part[:, 0] if n_outputs == 1 else part for part in columns]


def _balanced_classes(rows: Rows, v: DualPoint) -> DualPoint:
    """The same for classes, which give each other amounts, as in :mod:`convexrelu.losses.dual_domain`."""
    n_classes = rows.template.n_outputs
    labels = rows.each(lambda k: rows.chunk(k).problem.y.astype(np.intp))
    given = rows.each(_amounts, v, labels)
    (total,) = rows.total(lambda k, part: [part.sum()], (), arrays=[given])
    given = rows.each(lambda k, part: on_grid(part, float(total)), given)

    def flows(k: int, part: Array, of: NDArray[np.intp]) -> list[Array]:
        flow = np.zeros((n_classes, n_classes))
        np.add.at(flow, of, part)
        return [flow]

    (flow,) = rows.total(flows, (n_classes, n_classes), arrays=[given, labels])
    reduction = flow_to_take(flow)
    for source, target in np.argwhere(reduction > 0):
        room = [
            np.where(of == source, part[:, target], 0.0)
            for part, of in zip(given, labels, strict=True)
        ]
        for part, take in zip(given, _taken(rows, room, reduction[source, target]), strict=True):
            part[:, target] -= take
    return rows.each(_of_amounts, given, labels)


def _amounts(k: int, part: Array, labels: NDArray[np.intp]) -> Array:
    """What each row gives to other classes than its own."""
    given = np.maximum(-part, 0.0)
    given[np.arange(len(given)), labels] = 0.0
    return given


def _of_amounts(k: int, given: Array, labels: NDArray[np.intp]) -> Array:
    result = -given
    result[np.arange(len(given)), labels] = given.sum(axis=1)
    return result + 0.0  # turns -0.0 into 0.0


def _taken(rows: Rows, room: list[Array], total: float) -> list[Array]:
    """Amounts with sum `total` to take from these, from the first chunks on."""
    rooms = rows.numbers(lambda k, part: part.sum(), room)
    before = np.concatenate([[0.0], np.cumsum(rooms)])
    wanted = [min(max(total - before[k], 0.0), rooms[k]) for k in rows.own]
    return [
        taken(part, amount) if amount > 0 else np.zeros_like(part)
        for part, amount in zip(room, wanted, strict=True)
    ]


def lower_bound(rows: Rows, v: DualPoint, bound: float) -> float:
    """Best ``−F*(−tv)`` over ``t ∈ [0, alpha/M̂]``, rounded down; see :func:`convexrelu.problem.dual.lower_bound`."""
    alpha = rows.template.alpha
    if not math.isfinite(bound):
        return 0.0  # that of t = 0, since losses have the infimum zero
    largest = alpha / bound if bound > alpha * 1e-9 else 1e9
    largest *= 1 - 4 * _EPS
    inside = largest
    while not math.isfinite(_rough_dual(rows, v, inside)) and inside > 1.0:
        inside = max(1.0, inside / 2)
    return _dual(rows, v, best_on_ray(lambda t: _rough_dual(rows, v, t), inside, _WITHIN))


def _rough_dual(rows: Rows, v: DualPoint, t: float) -> float:
    """``−F*(−tv)`` without a bound on its rounding."""

    def part(k: int, own: Array) -> list[float]:
        share = rows.chunk(k).share
        return [share * rows.around_zero(k).rough_dual(t * (own / share)) if share else 0.0]

    return float(rows.total(part, (), arrays=[v])[0])


def _dual(rows: Rows, v: DualPoint, t: float) -> float:
    """``−F*(−tv)``, rounded down: each chunk's value is, and sums of so few are off by a rounding for each."""

    def part(k: int, own: Array) -> list[float]:
        share = rows.chunk(k).share
        value = share * rows.around_zero(k).dual(t * (own / share)) if share else 0.0
        return [value, abs(value)]

    value, size = rows.total(part, (), (), arrays=[v])
    return float(value) - 4 * (rows.n_chunks + 4) * _EPS * float(size)


def closed_form_bound(rows: Rows, v: DualPoint, end: float = math.inf) -> float:
    """A proved bound on ``M(v)``, that of :class:`~convexrelu.oracles.RelaxationOracle`, from sums over rows.

    Infinite where the sizes of dual point and inputs overflow float64. Where its products would not end before the
    processes' clock shows `end`, it is ``Σ ‖v_i‖ ‖x̃_i‖``.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        unit = _largest_scaled_row(rows, v)
        if not math.isfinite(unit):
            return math.inf
        if not _products_fit(rows, end):
            return _apart(rows, v) + _rounding(rows, v)
        several = rows.template.n_outputs > 1
        found = _of_several(rows, v, unit) if several else _of_one(rows, v, unit)
        bound = found + _rounding(rows, v)
    return bound if math.isfinite(bound) else math.inf


def _products_fit(rows: Rows, end: float) -> bool:
    """Whether there is time for the Gram matrices; process 0 decides."""
    work = rows.work_of_grams / rows.group.size
    return bool(rows.group.of_first(product_fits(work, time.perf_counter() + end - rows.seconds)))


def _largest_scaled_row(rows: Rows, v: DualPoint) -> float:
    """The largest ``√‖v_i‖ ‖x̃_i‖``, or one if there is none: in this unit, no square of a row that counts is lost."""

    def largest(k: int, own: Array) -> float:
        return float((np.sqrt(sizes(own)) * rows.chunk(k).problem.lengths).max())

    return float(rows.numbers(largest, v).max()) or 1.0


def _of_one(rows: Rows, v: DualPoint, unit: float) -> float:
    """The larger one of the bounds for both signs, in one pass."""
    slope, dim = rows.template.slope, rows.template.design.shape[1]
    n_kinds = (
        2 if slope > 0 else 1
    )  # without a positive slope the second kind of weights is the first

    def weights(own: Array) -> list[Array]:
        positive, negative = np.maximum(own, 0.0), np.maximum(-own, 0.0)
        return [positive, positive + max(slope, 0.0) * negative][:n_kinds]

    def terms(k: int, own: Array) -> list[Any]:
        lengths, products = rows.chunk(k).problem.lengths, rows.products(k)
        kinds = weights(own) + weights(-own)
        sums: list[Any] = [products.linear(own[:, None])]
        for p, gram in zip(kinds, products.grams(kinds, unit), strict=True):
            sums += [p @ lengths, p.sum(), gram]
        return sums

    shapes = ((), (), (dim, dim)) * (2 * n_kinds)
    linear, *sums = rows.total(terms, (dim,), *shapes, arrays=[v], columns=dim)
    absolute = [
        min(_spectral(rows, float(total), gram, unit), float(apart))
        for apart, total, gram in zip(sums[::3], sums[1::3], sums[2::3], strict=True)
    ]
    return max(
        min(whole, _halved(slope, float(norms(linear)), positive))
        for positive, whole in zip(
            absolute[::n_kinds], absolute[n_kinds - 1 :: n_kinds], strict=True
        )
    )


def _of_several(rows: Rows, v: DualPoint, unit: float) -> float:
    n_outputs, slope = rows.template.n_outputs, rows.template.slope
    dim = rows.template.design.shape[1]

    def terms(k: int, own: Array) -> list[Any]:
        products, p = rows.products(k), sizes(own)
        spread = own / np.sqrt(np.where(p > 0, p, 1.0))[:, None]
        return [
            p @ rows.chunk(k).problem.lengths,
            products.linear(own),
            *products.grams([p], unit),
            spread.T @ spread,
        ]

    shapes = (), (n_outputs, dim), (dim, dim), (n_outputs, n_outputs)
    apart, linear, gram, spread = rows.total(terms, *shapes, arrays=[v], columns=dim)
    product = unit * _largest_root(rows, gram) * _largest_root(rows, spread)
    absolute = min(product, float(apart))
    return min(absolute, _halved(slope, float(np.linalg.norm(linear, 2)), absolute))


def _halved(slope: float, linear: float, absolute: float) -> float:
    """``φ(z) = ½ (1 + slope) z + ½ (1 − slope) |z|``, from bounds on both parts."""
    return 0.5 * (1 + slope) * linear + 0.5 * (1 - slope) * absolute


def _spectral(rows: Rows, total: float, gram: Array, unit: float) -> float:
    return unit * math.sqrt(total) * _largest_root(rows, gram)


def _largest_root(rows: Rows, gram: Array) -> float:
    """Root of the largest eigenvalue, rounded up: a sum of so many products is off by their roundings."""
    if not np.isfinite(gram).all():
        return math.inf
    rounding = 4 * (rows.n_samples + len(gram)) * _EPS * float(np.trace(gram))
    return math.sqrt(max(float(np.linalg.eigvalsh(gram)[-1]), 0.0) + rounding)


def _apart(rows: Rows, v: DualPoint) -> float:
    """``Σ ‖v_i‖ ‖x̃_i‖``."""

    def size(k: int, own: Array) -> list[float]:
        return [float(sizes(own) @ rows.chunk(k).problem.lengths)]

    return float(rows.total(size, (), arrays=[v])[0])


def _rounding(rows: Rows, v: DualPoint) -> float:
    terms = rows.n_samples + rows.template.design.shape[1] + rows.template.n_outputs
    return 8 * terms * _EPS * _apart(rows, v)
