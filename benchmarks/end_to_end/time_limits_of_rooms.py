"""Shapes for `bench_time_limits`: constraints, classes, equations, affine rules, and what networks do on polytopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import teacher
from convexrelu import ConvexReLUQuantileRegressor, TrainingProblem, TwoLayerNetwork, certify, train
from convexrelu.baselines import maximum_margin
from convexrelu.constrained import train_in_class
from convexrelu.derivatives import DerivativeRows, train_with_derivatives
from convexrelu.geometry import l0_l1_equivalence
from convexrelu.interpolation import minimum_norm
from convexrelu.output_constraints import (
    OutputConstraints,
    ascending,
    train_on_polytope,
    train_with_output_constraints,
)
from convexrelu.reach import (
    Polytope,
    adversarial_radius,
    feature_bands,
    feature_effect,
    is_safe,
    lipschitz_constant,
    output_range,
)

__all__ = ["ROWS"]

Timed = Callable[[float], Any]  # given a time limit
_LIMIT = 1.0


def constrained(n: int, d: int, K: int = 1, *, n_points: int = 0, equal: bool = False) -> Timed:
    """Outputs in ascending order at samples, one output below a bound, or given values."""
    X, y, rng = teacher(n, d, 5, 0.1, 0, K)
    problem = TrainingProblem(X, y, 0.01)
    points = X[: n_points or n]
    if equal:
        constraints = OutputConstraints(points, np.eye(K), rng.standard_normal(K), equal=True)
    elif K > 1:
        constraints = ascending(points, K)
    else:
        constraints = OutputConstraints(points, [[1.0]], 0.5)
    return lambda limit: train_with_output_constraints(
        problem, constraints, time_limit=limit, random_state=0
    )


def on_polytope(n: int, d: int, K: int) -> Timed:
    """Outputs in ascending order on a box."""
    X, y, _ = teacher(n, d, 5, 0.1, 0, K)
    problem, A = TrainingProblem(X, y, 0.01), ascending(X[:1], K).A
    box = Polytope(lower=np.full(d, -1.0), upper=np.full(d, 1.0))
    return lambda limit: train_on_polytope(problem, A, domain=box, time_limit=limit, random_state=0)


def bands(n: int, d: int, K: int, where: str = "samples") -> Timed:
    """Quantiles that do not cross."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    levels = tuple(np.linspace(0.1, 0.9, K))
    return lambda limit: ConvexReLUQuantileRegressor(
        levels, no_crossing=where, time_limit=limit, random_state=0
    ).fit(X, y)


def in_class(n: int, d: int, *, positive: bool = False, effort: str = "certify") -> Timed:
    """Networks that increase in half of the features, or have positive outer weights."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    problem = TrainingProblem(X, y, 0.01)
    limits = None if positive else (np.arange(d) % 2).astype(float)
    return lambda limit: train_in_class(
        problem, limits, positive=positive, effort=effort, time_limit=limit, random_state=0
    )


def by_affine_rules(n: int, d: int) -> Timed:
    """The certificate of a random network by affine rules, at dual points that are moved."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    network = _network(d, 30, 1)
    return lambda limit: certify(
        network, X, y, alpha=0.01, oracle="affine", improve=True, time_limit=limit, random_state=0
    )


def trained_by_affine_rules(n: int, d: int) -> Timed:
    """Training with affine rules, at dual points that are moved."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    problem = TrainingProblem(X, y, 0.01)
    return lambda limit: train(problem, oracle="affine", time_limit=limit, random_state=0)


def interpolating(n: int, d: int) -> Timed:
    """The least norm of a network through all samples."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    return lambda limit: minimum_norm(X, y, time_limit=limit, random_state=0)


def with_equations(n: int, d: int, n_points: int, pricing: str = "auto") -> Timed:
    """A derivative that is zero at some samples."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    rows = DerivativeRows(X[:n_points], np.eye(d)[0])
    return lambda limit: train_with_derivatives(
        X, y, 0.001, rows, pricing=pricing, time_limit=limit, random_state=0
    )


def separating(n: int, d: int) -> Timed:
    """The largest margin."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    labels = np.where(y > np.median(y), 1.0, -1.0)
    return lambda limit: maximum_margin(X, labels, time_limit=limit, random_state=0)


def two_neurons(n: int, d: int) -> Timed:
    """The question whether two neurons have the least norm."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    return lambda limit: l0_l1_equivalence(X, y, time_limit=limit)


def in_fractions(n: int, d: int) -> Timed:
    """The certificate of a random network in rational arithmetic."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    return lambda limit: certify(
        _network(d, 200, 1), X, y, alpha=0.01, arithmetic="rational", time_limit=limit
    )


def _network(d: int, width: int, K: int) -> TwoLayerNetwork:
    rng = np.random.default_rng(0)
    return TwoLayerNetwork(
        rng.standard_normal((width, d)) / np.sqrt(d),
        rng.standard_normal(width),
        rng.standard_normal((K, width)) / np.sqrt(width),
        np.zeros(K),
    )


def reached(what: str, d: int, width: int, K: int = 1) -> Timed:
    """What a random network does on a box."""
    network, low, high = _network(d, width, K), np.full(d, -1.0), np.full(d, 1.0)
    unsafe = Polytope(A=np.eye(K)[:1], b=[-3.0])
    slab = {"A": [np.ones(d), -np.ones(d)], "b": [1.0, 1.0]}
    calls: dict[str, Timed] = {
        "range": lambda limit: output_range(network, low, high, time_limit=limit),
        "range, slab": lambda limit: output_range(network, low, high, **slab, time_limit=limit),
        "bands": lambda limit: feature_bands(network, 0, low, high, time_limit=limit),
        "lipschitz": lambda limit: lipschitz_constant(network, time_limit=limit),
        "lipschitz, box": lambda limit: lipschitz_constant(
            network, np.inf, lower=low, upper=high, time_limit=limit
        ),
        "radius": lambda limit: adversarial_radius(network, np.zeros(d), time_limit=limit),
        "effect": lambda limit: feature_effect(network, 0, low, high, time_limit=limit),
        "safety": lambda limit: is_safe(network, (low, high), unsafe, time_limit=limit),
    }
    return calls[what]


def _of_networks() -> list[tuple[str, float, Callable[[], Timed]]]:
    rows = []
    kinds = (
        "range",
        "range, slab",
        "bands",
        "lipschitz",
        "lipschitz, box",
        "radius",
        "effect",
        "safety",
    )
    for what in kinds:
        for d, width, K in (
            (2, 200, 1),
            (20, 100, 2),
            (100, 1000, 1),
            (1000, 300, 3),
            (2000, 100, 1),
        ):
            name = f"{what}, {width} neurons of {d} features"
            rows.append((name, _LIMIT, lambda w=what, s=(d, width, K): reached(w, *s)))
    return rows


# Name, limit in seconds, and what to time.
ROWS: list[tuple[str, float, Callable[[], Timed]]] = [
    ("constraints, 100 x 2", _LIMIT, lambda: constrained(100, 2)),
    ("constraints, 3000 x 10", _LIMIT, lambda: constrained(3000, 10)),
    ("constraints, 30,000 x 10, 100 points", _LIMIT, lambda: constrained(30_000, 10, n_points=100)),
    ("constraints, 100 x 1000", _LIMIT, lambda: constrained(100, 1000)),
    ("constraints, 1000 x 5, four outputs", _LIMIT, lambda: constrained(1000, 5, 4)),
    (
        "equations, 1000 x 10, 50 points",
        _LIMIT,
        lambda: constrained(1000, 10, n_points=50, equal=True),
    ),
    ("on a box, 300 x 3, three outputs", _LIMIT, lambda: on_polytope(300, 3, 3)),
    ("on a box, 3000 x 10, two outputs", _LIMIT, lambda: on_polytope(3000, 10, 2)),
    ("bands, 300 x 3", _LIMIT, lambda: bands(300, 3, 3)),
    ("bands, 5000 x 10", _LIMIT, lambda: bands(5000, 10, 5)),
    ("bands on a box, 1000 x 6", _LIMIT, lambda: bands(1000, 6, 3, "box")),
    ("monotone, 100 x 3", _LIMIT, lambda: in_class(100, 3, effort="prove")),
    ("monotone, 3000 x 10", _LIMIT, lambda: in_class(3000, 10)),
    ("monotone, 100,000 x 20", _LIMIT, lambda: in_class(100_000, 20)),
    ("monotone, 300 x 2000", _LIMIT, lambda: in_class(300, 2000)),
    ("positive, 3000 x 10", _LIMIT, lambda: in_class(3000, 10, positive=True)),
    ("positive, 300 x 2000", _LIMIT, lambda: in_class(300, 2000, positive=True)),
    ("affine rules, 300 x 10", _LIMIT, lambda: by_affine_rules(300, 10)),
    ("affine rules, 5000 x 20", _LIMIT, lambda: by_affine_rules(5000, 20)),
    ("affine rules, 100,000 x 20", _LIMIT, lambda: by_affine_rules(100_000, 20)),
    ("trained by affine rules, 500 x 8", _LIMIT, lambda: trained_by_affine_rules(500, 8)),
    ("trained by affine rules, 20,000 x 30", _LIMIT, lambda: trained_by_affine_rules(20_000, 30)),
    ("monotone, 50 x 2000, proved", _LIMIT, lambda: in_class(50, 2000, effort="prove")),
    ("on a box, 50 x 2000, two outputs", _LIMIT, lambda: on_polytope(50, 2000, 2)),
    ("derivatives, 500 x 10", _LIMIT, lambda: with_equations(500, 10, 500)),
    ("derivatives, 50 x 2000", _LIMIT, lambda: with_equations(50, 2000, 30)),
    ("derivatives, 20,000 x 20", _LIMIT, lambda: with_equations(20_000, 20, 500)),
    ("derivatives, 20,000 x 20, search", _LIMIT, lambda: with_equations(20_000, 20, 50, "search")),
    ("margin, 500 x 10", _LIMIT, lambda: separating(500, 10)),
    ("margin, 20,000 x 20", _LIMIT, lambda: separating(20_000, 20)),
    ("two neurons, 50 x 2000", _LIMIT, lambda: two_neurons(50, 2000)),
    ("two neurons, 20,000 x 20", _LIMIT, lambda: two_neurons(20_000, 20)),
    ("in fractions, 500 x 10", _LIMIT, lambda: in_fractions(500, 10)),
    ("in fractions, 20,000 x 20", _LIMIT, lambda: in_fractions(20_000, 20)),
    ("interpolation, 60 x 3", _LIMIT, lambda: interpolating(60, 3)),
    ("interpolation, 1000 x 20", _LIMIT, lambda: interpolating(1000, 20)),
    *_of_networks(),
]
