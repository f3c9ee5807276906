"""Whether hull neurons are good patterns to start from, against a moment of descent and no pattern at all."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.common import median_seconds, quick_asked, report, teacher
from convexrelu import TrainingProblem, train
from convexrelu.geometry import single_sample_start
from convexrelu.results.result import Result

TOL = 1e-3


def main() -> None:
    """Rounds and seconds to a gap of 1e-3 from three starts, on small problems."""
    quick = quick_asked(main.__doc__)
    warm_up = problems(quick=True)[0][1]
    solve(warm_up, single_sample_start)  # imports what is imported once
    rows = []
    for name, problem in problems(quick):
        makers = {
            "descent": lambda _: "descent",
            "no pattern": lambda _: None,
            "hull": single_sample_start,
        }
        for start, make in makers.items():
            call = partial(solve, problem, make)
            seconds, result = median_seconds(call, 1 if quick else 3)
            certificate = result.certificate
            rows.append(
                {
                    "problem": name,
                    "n": problem.n_samples,
                    "d": problem.n_features,
                    "n alpha": problem.alpha * problem.n_samples,
                    "start": start,
                    "neurons in start": single_sample_start(problem).width
                    if start == "hull"
                    else "-",
                    "programs": result.n_iter,
                    "seconds": f"{seconds:.2f}",
                    "n objective": f"{problem.n_samples * certificate.objective:.4f}",
                    "gap": f"{certificate.relative_gap:.1e}",
                    "that gap is": "proved" if certificate.is_proof else "estimated",
                    "status": result.status.name,
                }
            )
    report("hull_starts", rows, write=not quick)


def problems(quick: bool) -> list[tuple[str, TrainingProblem]]:
    """Many samples in few dimensions, of which few are vertices of their hull, and few in many, where all are."""
    sizes = ((60, 2, 1.0), (60, 2, 0.1), (60, 3, 1.0), (40, 10, 1.0), (30, 10, 0.1))
    found = []
    for n, d, alpha_n in ((30, 2, 1.0),) if quick else sizes:
        X, y, _ = teacher(n, d, 5, 0.1, 0)
        found.append((f"teacher {n} x {d}", TrainingProblem(X, y, alpha_n / n)))
    X = np.linspace(-1, 1, 50)[:, None]
    found.append(("sine 50 x 1", TrainingProblem(X, np.sin(6 * X[:, 0]), 0.01 / 50)))
    return found


def solve(problem: TrainingProblem, make) -> Result:
    """Train from a start, which is made within the time."""
    return train(problem, start=make(problem), tol=TOL, random_state=0)


if __name__ == "__main__":
    main()
