"""One thread against the default number: the same fit of many samples to the same gap, each in a process of its own.

There is no time limit, which runs of different speed would meet at different rounds. Processes take turns, so that what
else the machine does meets both; a ratio is that of two runs that follow each other.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median
from typing import Any

from benchmarks.common import from_a_process, report, teacher
from convexrelu import TrainingProblem, train
from convexrelu.results import Round

ALPHA, TOL, N = 0.01, 1e-2, 100_000
SEEDS, REPEATS = (0, 1, 2), 3
LOADED = 6_000  # samples of the fit before the clock starts, of the same kind
NEAR = 5e-4  # of the objective at the end: when predictions hardly change any more


def main() -> None:
    """A teacher of ten neurons in twenty dimensions, 100,000 samples; three seeds, three times."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="one short fit, nothing written")
    parser.add_argument("--here", type=float, nargs=3, help=argparse.SUPPRESS)  # as JSON
    asked = parser.parse_args()
    if asked.here:
        n, seed, tol = asked.here
        print(json.dumps(_fit(int(n), int(seed), tol)))
        return
    n, tol = (LOADED, 0.1) if asked.quick else (N, TOL)
    repeats, seeds = (1, SEEDS[:1]) if asked.quick else (REPEATS, SEEDS)
    runs = [
        {
            "seed": seed,
            "repeat": repeat,
            "threads": threads,
            **from_a_process(__spec__.name, n, seed, tol, threads=threads),
        }
        for seed in seeds
        for repeat in range(repeats)
        for threads in ("1", "default")
    ]
    report("cores", runs, write=not asked.quick)
    report("cores_ratios", _ratios(runs), write=not asked.quick)


def _fit(n: int, seed: int, tol: float) -> dict[str, Any]:
    X, y, _ = teacher(n, 20, 10, 0.1, 0)
    few = slice(LOADED)
    train(TrainingProblem(X[few], y[few], ALPHA), tol=0.5, random_state=0)  # imports, thread pools
    seen: list[tuple[float, float]] = []
    began, processor = time.perf_counter(), time.process_time()

    def look(entry: Round) -> None:
        seen.append((time.perf_counter() - began, entry.objective))

    result = train(TrainingProblem(X, y, ALPHA), tol=tol, random_state=seed, progress=look)
    seconds, objective = time.perf_counter() - began, result.certificate.objective
    return {
        "seconds": seconds,
        "near the end": next((t for t, value in seen if value <= objective * (1 + NEAR)), seconds),
        "processor s": time.process_time() - processor,
        "rounds": result.n_iter,
        "objective": objective,
        "gap": result.certificate.relative_gap,
        "status": result.status.name,
    }


def _ratios(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Seconds on one thread by those on the default number, of each seed and of all."""
    pairs = list(zip(runs[::2], runs[1::2], strict=True))
    groups = {str(seed): [pair for pair in pairs if pair[0]["seed"] == seed] for seed in SEEDS}
    return [
        {
            "seed": name,
            "pairs": len(group),
            **{
                f"median ratio, {key}": _median_ratio(group, key)
                for key in ("seconds", "near the end")
            },
            "lowest": min(one["seconds"] / other["seconds"] for one, other in group),
            "highest": max(one["seconds"] / other["seconds"] for one, other in group),
        }
        for name, group in (groups | {"all": pairs}).items()
        if group
    ]


def _median_ratio(pairs: list[tuple[dict[str, Any], dict[str, Any]]], key: str) -> float:
    return median(one[key] / other[key] for one, other in pairs)


if __name__ == "__main__":
    main()
