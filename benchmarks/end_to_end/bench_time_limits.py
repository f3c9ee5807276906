"""Seconds that a training or a certificate takes beside its time limit, for shapes whose single steps are long.

A limit is kept within a tenth of it and 0.2 s. What libraries take to load is not part of it: they are loaded before.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cvxpy  # noqa: F401  loaded before the time is taken
import numpy as np
import torch  # noqa: F401  loaded before the time is taken
from scipy.sparse import random_array
from sklearn.base import ClassifierMixin

from benchmarks.common import quick_asked, report, teacher
from benchmarks.end_to_end import time_limits_of_rooms
from convexrelu import (
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLUQuantileRegressor,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    TrainingProblem,
    TwoLayerNetwork,
    certify,
    train,
)
from convexrelu.constrained import train_in_class

Timed = Callable[[float], Any]  # given a time limit; returns what has a certificate


def training(n: int, d: int, alpha: float = 0.01, n_outputs: int = 1, **options: Any) -> Timed:
    """Training on the data of a teacher."""
    X, y, _ = teacher(n, d, 5, 0.1, 0, n_outputs)
    return _of(X, y, alpha, **options)


def fitting(n: int, d: int, **options: Any) -> Timed:
    """An estimator on the data of a teacher: checks of parameters, arrays and penalty count as well."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)

    def timed(limit: float) -> Any:
        model = ConvexReLURegressor(time_limit=limit, random_state=0, **options)
        return model.fit(X, y).certificate_

    return timed


def in_single_precision(n: int, d: int, kind: type, **options: Any) -> Timed:
    """An estimator on inputs in single precision, whose copies take as long as short limits; five features matter."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=np.float32)
    y = np.maximum(X[:, :5], 0).sum(axis=1) + 0.1 * rng.standard_normal(n)
    if issubclass(kind, ClassifierMixin):
        y = np.searchsorted(np.quantile(y, np.arange(1, 10) / 10), y)
    return lambda limit: kind(time_limit=limit, random_state=0, **options).fit(X, y)


def sparse(n: int, d: int, **options: Any) -> Timed:
    """Training on a sparse matrix with more features than samples."""
    X = random_array((n, d), density=0.01, format="csr", rng=np.random.default_rng(0))
    return _of(X, np.abs(X.sum(axis=1)), 1e-4, **options)


def labelled(n: int, d: int, loss: str, **options: Any) -> Timed:
    """Training on the halves above and below the median of a teacher's targets."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    return _of(X, np.where(y > np.median(y), 1.0, -1.0), 0.01, loss=loss, **options)


def classes(n: int, d: int, n_classes: int) -> Timed:
    """Training on the largest of a teacher's outputs."""
    X, y, _ = teacher(n, d, 5, 0.1, 0, n_classes)
    _, labels = np.unique(y.argmax(axis=1), return_inverse=True)  # few samples may lack a class
    return _of(X, labels.astype(float), 0.01, loss="multinomial")


def positive(n: int, d: int) -> Timed:
    """Training on two classes, with outer weights that are not negative."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    problem = TrainingProblem(X, np.where(y > np.median(y), 1.0, -1.0), 0.01, loss="logistic")
    return lambda limit: train_in_class(problem, positive=True, time_limit=limit, random_state=0)


def cross_validated(n: int, d: int, **options: Any) -> Timed:
    """A cross-validation over the default penalties."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    return lambda limit: ConvexReLURegressorCV(time_limit=limit, random_state=0, **options).fit(
        X, y
    )


def cross_validated_classes(n: int, d: int) -> Timed:
    """A cross-validation of the tenths of a teacher's targets as classes."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    labels = np.searchsorted(np.quantile(y, np.arange(1, 10) / 10), y)
    return lambda limit: ConvexReLUClassifierCV(time_limit=limit, random_state=0, cv=3).fit(
        X, labels
    )


def quantiles(n: int, d: int) -> Timed:
    """Three quantiles that do not cross at the samples."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    return lambda limit: ConvexReLUQuantileRegressor(time_limit=limit, random_state=0).fit(X, y)


def orthogonal(n: int) -> Timed:
    """Training on unit vectors."""
    return _of(np.eye(n), np.random.default_rng(0).standard_normal(n), 1e-4)


def _of(X: Any, y: np.ndarray, alpha: float, **options: Any) -> Timed:
    names = ("activation", "hidden_bias", "loss", "skip")
    kind = {name: options.pop(name) for name in names if name in options}
    problem = TrainingProblem(X, y, alpha, **kind)

    def timed(limit: float) -> Any:
        return train(problem, time_limit=limit, random_state=0, **options).certificate

    return timed


def on_a_line(n: int) -> Timed:
    """An estimator that prunes, on one feature with free biases: there are nearly as many neurons as samples."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, 1)), rng.standard_normal(n)

    def timed(limit: float) -> Any:
        model = ConvexReLURegressor(
            1e-7, hidden_bias="free", minimal=True, time_limit=limit, random_state=0
        )
        return model.fit(X, y).certificate_

    return timed


def certifying(n: int, d: int, width: int = 50) -> Timed:
    """The certificate of a random network."""
    X, y, rng = teacher(n, d, 5, 0.1, 0)
    network = TwoLayerNetwork(
        rng.standard_normal((width, d)) / d,
        rng.standard_normal(width),
        rng.standard_normal((1, width)) / width,
        [0.0],
    )
    return lambda limit: certify(network, X, y, alpha=0.01, time_limit=limit, random_state=0)


# Name, limit in seconds, and what to time.
ROWS: list[tuple[str, float, Callable[[], Timed]]] = [
    ("300 x 2000", 3, lambda: training(300, 2000)),
    ("20,000 x 10", 3, lambda: training(20_000, 10)),
    ("1000 x 2000", 2, lambda: training(1000, 2000)),
    ("2000 x 5000", 2, lambda: training(2000, 5000)),
    ("300,000 x 100", 2, lambda: training(300_000, 100)),
    ("eye(2000)", 2, lambda: orthogonal(2000)),
    ("cells, 40 x 5", 1, lambda: training(40, 5, oracle="cells")),
    ("cells, 22 x 8", 1, lambda: training(22, 8, oracle="cells")),
    ("enumerated, 40 x 5", 1, lambda: training(40, 5, patterns="enumerated")),
    ("enumerated, 22 x 8", 1, lambda: training(22, 8, patterns="enumerated")),
    ("cells, 20 x 4, two outputs", 2, lambda: training(20, 4, n_outputs=2, oracle="cells")),
    ("one feature, n = 3000, pruned", 2, lambda: on_a_line(3000)),
    ("one feature, n = 20,000, pruned", 2, lambda: on_a_line(20_000)),
    ("estimator, 20,000 x 10", 3, lambda: fitting(20_000, 10)),
    ("estimator, 300 x 2000", 3, lambda: fitting(300, 2000)),
    ("estimator, 1000 x 20, pruned", 2, lambda: fitting(1000, 20, alpha=1e-4, minimal=True)),
    ("sparse, 2000 x 20,000", 1, lambda: sparse(2000, 20_000)),
    ("threshold, 2000 x 2", 1, lambda: training(2000, 2, activation="threshold")),
    ("threshold, 14 x 16", 3, lambda: training(14, 16, activation="threshold")),
    ("threshold, 1000 x 20", 2, lambda: training(1000, 20, activation="threshold")),
    (
        "threshold, 22 x 6, enumerated",
        2,
        lambda: training(22, 6, activation="threshold", patterns="enumerated"),
    ),
    ("certify, 20,000 x 20", 1, lambda: certifying(20_000, 20)),
    ("certify, 100,000 x 20", 1, lambda: certifying(100_000, 20)),
    (
        "1000 sampled patterns, Newton",
        1,
        lambda: training(2000, 20, patterns="sampled", n_patterns=1000),
    ),
    (
        "300 sampled patterns, three outputs",
        1,
        lambda: training(1000, 20, n_outputs=3, patterns="sampled", n_patterns=300),
    ),
    (
        "1000 sampled patterns, CLARABEL",
        2,
        lambda: training(100, 10, patterns="sampled", n_patterns=1000, solver="cvxpy:CLARABEL"),
    ),
    (
        "1000 sampled patterns, SCS",
        2,
        lambda: training(100, 10, patterns="sampled", n_patterns=1000, solver="cvxpy:SCS"),
    ),
]


# Kinds with few looks at the time, each with both limits: name, samples, features, and what to time.
KINDS: list[tuple[str, int, int, Callable[[int, int], Timed]]] = [
    ("ten classes", 100_000, 20, lambda n, d: classes(n, d, 10)),
    ("certify, 1000 neurons", 100_000, 100, lambda n, d: certifying(n, d, width=1000)),
    ("hinge", 3_000, 50, lambda n, d: labelled(n, d, "hinge")),
    ("logistic, positive", 3_000, 10, positive),
    ("quantile", 20_000, 10, lambda n, d: training(n, d, loss="quantile")),
    ("sparse", 20_000, 3_000, sparse),
    ("sparse", 100_000, 3_000, sparse),
    ("free biases", 100_000, 20, lambda n, d: training(n, d, hidden_bias="free")),
    (
        "gated",
        20_000,
        10,
        lambda n, d: training(n, d, activation="gated_relu", patterns="sampled"),
    ),
    ("cross-validation", 300, 2_000, cross_validated),
    ("three quantiles", 200_000, 20, quantiles),
    ("ten classes", 200_000, 20, lambda n, d: classes(n, d, 10)),
    ("cross-validation, ten classes", 200_000, 20, cross_validated_classes),
    (
        "cross-validation, free skip",
        200_000,
        20,
        lambda n, d: cross_validated(n, d, skip=True, cv=3),
    ),
    ("sampled patterns", 200_000, 20, lambda n, d: training(n, d, patterns="sampled")),
    ("free skip, sparse", 100_000, 3_000, lambda n, d: sparse(n, d, skip=True)),
    ("cross-validation, ten classes", 2_000, 20, cross_validated_classes),
    ("threshold", 200_000, 20, lambda n, d: training(n, d, activation="threshold")),
    ("threshold", 300, 2_000, lambda n, d: training(n, d, activation="threshold")),
    ("sampled patterns", 300, 2_000, lambda n, d: training(n, d, patterns="sampled")),
    (
        "gated",
        200_000,
        20,
        lambda n, d: training(n, d, activation="gated_relu", patterns="sampled"),
    ),
    (
        "single precision, sampled patterns",
        1_000,
        1_000,
        lambda n, d: in_single_precision(n, d, ConvexReLURegressor, patterns="sampled"),
    ),
]
# Estimators on 400 MB in single precision.
SINGLE: list[tuple[str, type, dict[str, Any]]] = [
    ("regressor", ConvexReLURegressor, {}),
    ("relative alpha", ConvexReLURegressor, {"alpha_scale": "relative"}),
    ("sampled patterns", ConvexReLURegressor, {"patterns": "sampled"}),
    ("threshold", ConvexReLURegressor, {"activation": "threshold"}),
    ("positive", ConvexReLURegressor, {"positive": True}),
    ("ten classes", ConvexReLUClassifier, {}),
    ("quantiles", ConvexReLUQuantileRegressor, {}),
    ("cross-validation", ConvexReLURegressorCV, {"cv": 3}),
    ("cross-validation, ten classes", ConvexReLUClassifierCV, {"cv": 3}),
]
KINDS += [
    (
        f"single precision, {name}",
        100_000,
        1000,
        lambda n, d, kind=kind, options=options: in_single_precision(n, d, kind, **options),
    )
    for name, kind, options in SINGLE
]
KINDS += [
    ("enumerated, one feature", 20_000, 1, lambda n, d: training(n, d, patterns="enumerated")),
    ("ten classes, one feature", 20_000, 1, lambda n, d: classes(n, d, 10)),
]
LIMITS = (0.5, 3)
QUICK, FEWEST = 100, 60  # so many times fewer samples, but not less than that


def _of_kinds(
    limits: Sequence[float], fewer: int = 1
) -> list[tuple[str, float, Callable[[], Timed]]]:
    """Rows of the kinds, with so many times fewer samples."""
    return [
        (f"{name}, {n:,} x {d:,}", limit, lambda make=make, n=n, d=d: make(n, d))
        for name, full, d, make in KINDS
        for n in [max(full // fewer, FEWEST)]
        for limit in limits
    ]


def main() -> None:
    """Every row once; with `--quick` those on few samples, and kinds with fewer."""
    quick = quick_asked(main.__doc__)
    report("time_limits", list(_measured(quick)), write=not quick)


def _measured(quick: bool) -> Iterator[dict[str, object]]:
    warnings.simplefilter("ignore")
    train(TrainingProblem(np.eye(3), [1.0, 2.0, 0.0], 0.1), solver="newton")  # loads its solver
    few = [*ROWS[6:9], *_of_kinds(LIMITS[:1], QUICK)]
    everything = [*ROWS, *_of_kinds(LIMITS), *time_limits_of_rooms.ROWS]
    for name, limit, make in few if quick else everything:
        timed = make()
        started = time.perf_counter()
        certificate = _certificate_of(timed, limit)
        seconds = time.perf_counter() - started
        yield {
            "case": name,
            "limit": limit,
            "seconds": seconds,
            "kept": seconds <= 1.1 * limit + 0.2,
            "gap": getattr(certificate, "relative_gap", math.nan),
            "proof": getattr(certificate, "is_proof", False),
            "method": getattr(certificate, "method", ""),
        }


def _certificate_of(timed: Timed, limit: float) -> Any:
    """What is returned; None where there was no time for anything."""
    try:
        found = timed(limit)
    except ValueError:  # no network that meets the constraints
        return None
    return getattr(found, "certificate", getattr(found, "certificate_", found))


if __name__ == "__main__":
    main()
