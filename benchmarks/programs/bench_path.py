"""A warm-started path of fifty penalties over three decades against its smallest penalty alone."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.common import median_seconds, quick_asked, report, teacher
from convexrelu import TrainingProblem, regularization_path, train
from convexrelu.oracles import PatternOracle
from convexrelu.patterns import ActivationPatterns

# n, d, gates (none: cutting planes), activation
CASES = [
    (100, 5, None, "relu"),
    (500, 20, 100, "relu"),
    (500, 20, 200, "gated_relu"),
    (1000, 10, 300, "gated_relu"),
]


def main() -> None:
    """Ratio of times, and the largest relative gap on the path; medians of three runs, one for cutting planes."""
    quick = quick_asked(main.__doc__)
    warnings.simplefilter("ignore")  # a path may hit max_iter; its gap is in the table
    rows = [_row(case, quick) for case in ([(40, 2, 10, "relu")] if quick else CASES)]
    report("path", rows, write=not quick)


def _row(case: tuple[Any, ...], quick: bool) -> dict[str, Any]:
    n, d, n_gates, activation = case
    X, y, rng = teacher(n, d, 10, 0.1, 0)
    problem = TrainingProblem(X, y, 1.0, activation=activation)
    gates = rng.standard_normal((n_gates or 200, d + 1))
    masks = ActivationPatterns.of_gates(problem.design, gates).masks
    largest = problem.alpha_max(PatternOracle(problem.design, masks, cones=activation == "relu"))
    alphas = np.geomspace(largest, largest / 1000, 10 if quick else 50)
    options: dict[str, Any] = {"random_state": 0, "max_iter": 100}
    if n_gates is not None:
        options["patterns"] = gates
    repeats = 1 if quick or n_gates is None else 3
    alone, result = median_seconds(
        lambda: train(problem.with_alpha(alphas[-1]), **options), repeats
    )
    path, results = median_seconds(lambda: regularization_path(problem, alphas, **options), repeats)
    return {
        "n, d": f"{n}, {d}",
        "patterns": "cutting planes" if n_gates is None else f"{n_gates} gates",
        "activation": activation,
        "alone, seconds": alone,
        "path / alone": f"{path / alone:.2f}",
        "programs, alone": result.n_iter,
        "programs, path": sum(one.n_iter for one in results),
        "largest gap": f"{max(one.certificate.relative_gap for one in results):.1e}",
    }


if __name__ == "__main__":
    main()
