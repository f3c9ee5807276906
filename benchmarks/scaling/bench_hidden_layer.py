"""One evaluation of the objective of descent: its hidden layer in NumPy, compiled, and compiled on two cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from benchmarks.common import median_seconds, quick_asked, report
from convexrelu import TrainingProblem
from convexrelu._utils import threads
from convexrelu._utils.threads import one_blas_thread
from convexrelu.solvers.nonconvex import hidden_layer, tile_sums
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective

# Samples, features, outputs, neurons.
SIZES = [
    (150, 10, 1, 100),
    (1000, 10, 1, 300),
    (1500, 64, 10, 100),
    (5000, 784, 10, 100),
    (65_536, 20, 1, 90),
    (1_000_000, 20, 1, 90),
]
REPEATS, WIDTH = 15, 0.1


def main() -> None:
    """Medians of wall time, and their ratios."""
    quick = quick_asked(main.__doc__)
    sizes, repeats = (SIZES[:1], 2) if quick else (SIZES, REPEATS)
    report("hidden_layer", [_row(*size, repeats) for size in sizes], write=not quick)


def _row(n: int, d: int, n_outputs: int, m: int, repeats: int) -> dict[str, object]:
    random = np.random.default_rng(0)
    X, y = random.standard_normal((n, d)), random.standard_normal((n, n_outputs)).squeeze()
    ways = {"NumPy": (None, 1), "compiled": (hidden_layer._kinks, 1)}
    ways["two cores"] = (hidden_layer._kinks, 2)
    seconds = {}
    for name, (kinks, n_cores) in ways.items():
        with _taking(kinks, n_cores), one_blas_thread():
            objective = RoundedObjective(TrainingProblem(X, y, alpha=0.01), m)
            z = objective.random_point(np.random.RandomState(0))
            objective(z, WIDTH)
            seconds[name], _ = median_seconds(lambda o=objective, z=z: o(z, WIDTH), repeats)
    return {
        "samples": n,
        "features": d,
        "outputs": n_outputs,
        "neurons": m,
        **{f"{name}, s": value for name, value in seconds.items()},
        "NumPy / compiled": f"{seconds['NumPy'] / seconds['compiled']:.2f}",
        "one core / two": f"{seconds['compiled'] / seconds['two cores']:.2f}",
    }


@contextmanager
def _taking(kinks: object, n_cores: int) -> Iterator[None]:
    """Let descent use this code, and so many cores."""
    before = hidden_layer._kinks, threads.free_cores
    hidden_layer._kinks = kinks
    threads.free_cores = tile_sums.free_cores = lambda: n_cores
    try:
        yield
    finally:
        hidden_layer._kinks = before[0]
        threads.free_cores = tile_sums.free_cores = before[1]


if __name__ == "__main__":
    main()
