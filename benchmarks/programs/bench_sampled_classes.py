"""Several classes on random gates: interior points against first-order steps, in the same time.

Cross-entropy on fifty patterns, to a gap of one per cent or for thirty seconds: with ``solver="auto"``, which takes
first-order steps where an iteration of interior points is slow, and with interior points alone. All on one thread.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import torch
from sklearn.datasets import load_digits, load_wine

from benchmarks.common import quick_asked, report
from convexrelu import SolverWarning, TrainingProblem, train

ALPHA = 1e-3
SECONDS = 30.0
SIZES = {"wine": 178, "digits, 100": 100, "digits, 200": 200, "digits, 500": 500}
SOLVERS = ("auto", "interior_point")


def main() -> None:
    """Objective and gap of both after the same time."""
    quick = quick_asked(main.__doc__)
    torch.set_num_threads(1)
    names = ["wine"] if quick else list(SIZES)
    report("sampled_classes", [_row(n, s, quick) for n in names for s in SOLVERS], write=not quick)


def _row(name: str, solver: str, quick: bool) -> dict[str, Any]:
    problem = _problem(name)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SolverWarning)  # the table shows the gaps
        result = train(
            problem,
            patterns="sampled",
            n_patterns=10 if quick else 50,
            solver=solver,
            tol=1e-2,
            time_limit=3.0 if quick else SECONDS,
            random_state=0,
        )
    best = min(result.history, key=lambda entry: entry.relative_gap)
    return {
        "data": name,
        "n, d, K": f"{problem.n_samples}, {problem.n_features}, {problem.n_outputs}",
        "solver": solver,
        "objective": f"{result.certificate.objective:.5f}",
        "smallest gap": f"{best.relative_gap:.1e} ({'proved' if best.is_proof else 'estimated'})",
        "programs": result.n_iter,
        "seconds": f"{time.perf_counter() - started:.1f}",
    }


def _problem(name: str) -> TrainingProblem:
    X, y = (load_wine if name == "wine" else load_digits)(return_X_y=True)
    n = SIZES[name]
    X, y = X[:n], y[:n].astype(float)
    X = (X - X.mean(axis=0)) / (X.std(axis=0) if name == "wine" else X.std())
    return TrainingProblem(X, y, ALPHA, loss="multinomial")


if __name__ == "__main__":
    main()
