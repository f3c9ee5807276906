"""Vertex descent at the size of Hinz's experiments: 400 samples, 3 features, 4 neurons, 12 runs."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks.common import quick_asked, report
from convexrelu.landscape import loss_decay, vertex_descents

N_SAMPLES, N_FEATURES, WIDTH, N_RUNS = 400, 3, 4, 12
NOISE = 0.3


def main() -> None:
    """One row a problem: vertices, decay of the gap, tested minima, and how well the decay predicts the end."""
    quick = quick_asked(main.__doc__)
    rows = [row(name, make, quick) for name, make in PROBLEMS.items()]
    report("vertex_descent", rows, write=not quick)


def waves(X: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    noise = NOISE * random.standard_normal(len(X))
    return np.sin(2 * X[:, 0]) + np.abs(X[:, 1]) * X[:, 2] + noise


def planted(X: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    teacher = random.standard_normal((WIDTH, N_FEATURES + 1))
    hidden = np.maximum(X @ teacher[:, :-1].T + teacher[:, -1], 0)
    return hidden @ np.resize([1, -1], WIDTH) + NOISE * random.standard_normal(len(X))


def noise_only(X: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return random.standard_normal(len(X))


PROBLEMS: dict[str, Callable[[np.ndarray, np.random.RandomState], np.ndarray]] = {
    "waves": waves,
    "planted network": planted,
    "noise only": noise_only,
}


def row(
    name: str, make: Callable[[np.ndarray, np.random.RandomState], np.ndarray], quick: bool
) -> dict[str, object]:
    random = np.random.RandomState(0)
    X = random.standard_normal((60 if quick else N_SAMPLES, N_FEATURES))
    y = make(X, random)
    n_runs = 2 if quick else N_RUNS
    started = time.process_time()
    runs = list(vertex_descents(X, y, width=WIDTH, n_runs=n_runs, random_state=0))
    seconds = time.process_time() - started
    vertices = [run.n_vertices for run in runs]
    correlations, errors = [], []
    for run in runs:
        losses = run.losses[run.n_first_phase :]
        correlations.append(loss_decay(losses).correlation_to_last)
        predicted = loss_decay(losses[: 3 * len(losses) // 4]).limit
        errors.append(abs(predicted - run.loss) / run.loss)
    return {
        "problem": name,
        "n": len(X),
        "runs": len(runs),
        "vertices": f"{min(vertices)} to {max(vertices)}",
        "correlation of log-gap": f"{min(correlations):.2f} to {max(correlations):.2f}",
        "largest rise": f"{max(np.diff(run.losses).max() for run in runs):.1e}",
        "tested minima": sum(run.is_local_minimum for run in runs),
        "loss": f"{min(run.loss for run in runs):.4f} to {max(run.loss for run in runs):.4f}",
        "end predicted at 3/4, error": f"{np.median(errors):.1%}, at most {max(errors):.0%}",
        "processor seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
