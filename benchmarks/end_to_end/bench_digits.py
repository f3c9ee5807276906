"""Ten classes: handwritten digits (8 × 8), multinomial, against Adam over 7 rates and 3 seeds.

Adam takes 4000 full-batch steps in float32 on the same objective; what it reached is recomputed in float64. Rows of
its grid are written as they come, and the script goes on where it was stopped. Then the descent that cutting planes
start from, a training that has the median time of one run of Adam, and the first rounds of one that has more, with
searched gaps. Seconds are those of the processor, with one thread. At last the accuracy on a quarter of the images of
a classifier whose penalty is chosen by cross-validation on the rest.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks.common import RESULTS, report
from benchmarks.end_to_end.bench_adam import RATES, adam
from convexrelu import ConvexReLUClassifierCV, TrainingProblem, TwoLayerNetwork, train
from convexrelu.results.result import Round
from convexrelu.results.status import SolverWarning
from convexrelu.solvers.nonconvex.descent import descend
from convexrelu.solvers.nonconvex.network_solver import NetworkSolver

ALPHAS = (1e-3, 1e-2, 1e-4)
WIDTHS = (100, 50)
SEEDS = (0, 1, 2)
CV_ALPHAS = (3e-3, 1e-3, 3e-4, 1e-4)
ROUNDS = 8
COLUMNS = ("alpha", "width", "rate", "seed", "objective", "seconds")
GRID = RESULTS / "adam" / "digits.csv"


def digits(alpha: float, n: int | None = None) -> TrainingProblem:
    """All 1797 images, or the first `n`, pixels between 0 and 1."""
    X, y = load_digits(return_X_y=True)
    return TrainingProblem(X[:n] / 16, y[:n], alpha, loss="multinomial")


def fill_grid(alphas: Sequence[float], widths: Sequence[int], seeds: Sequence[int]) -> None:
    """All runs of Adam that are not in the file yet."""
    GRID.parent.mkdir(exist_ok=True, parents=True)
    if not GRID.exists():
        GRID.write_text(",".join(COLUMNS) + "\n")
    done = {tuple(row[:4]) for row in _rows()}
    for seed, alpha, width, rate in itertools.product(seeds, alphas, widths, RATES):
        key = tuple(map(str, (alpha, width, rate, seed)))
        if key in done:
            continue
        problem = digits(alpha)
        network, seconds = _timed(partial(adam, problem, width, rate, seed))
        with open(GRID, "a") as file:
            cells = (*key, f"{problem.objective(network):.8g}", f"{seconds:.3g}")
            file.write(",".join(cells) + "\n")


def compare(alphas: Sequence[float], widths: Sequence[int]) -> list[dict[str, Any]]:
    """The grid in short, three descents, a training in the time of one run, and one with its history."""
    rows = []
    for alpha in alphas:
        one_run = math.inf
        for width in widths:
            runs = [row for row in _rows() if row[:2] == [str(alpha), str(width)]]
            if runs:
                objectives, seconds = ([float(row[k]) for row in runs] for k in (4, 5))
                one_run = min(one_run, median(seconds))
                rows.append(_row(alpha, f"Adam, width {width}", objectives, median(seconds)))
        problem = digits(alpha)
        found = [_timed(partial(_descent, problem, seed)) for seed in SEEDS]
        objectives = [problem.objective(network) for network, _ in found]
        rows.append(_row(alpha, "descent", objectives, median(seconds for _, seconds in found)))
        rows.append(_in_time(problem, one_run))
        rows.extend(_training(problem))
    return rows


def _in_time(problem: TrainingProblem, seconds: float) -> dict[str, Any]:
    """Trainings that are given the time of one run of Adam."""
    options = {"time_limit": seconds} if math.isfinite(seconds) else {"max_iter": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SolverWarning)
        calls = [partial(train, problem, random_state=seed, **options) for seed in SEEDS]
        found = [_timed(call) for call in calls]
    objectives = [problem.objective(result.network) for result, _ in found]
    row = _row(problem.alpha, "train, in one run", objectives, median(s for _, s in found))
    return row | {"gap": median(result.certificate.relative_gap for result, _ in found)}


def accuracy(n: int | None, alphas: Sequence[float]) -> list[dict[str, Any]]:
    """Of a classifier on images that neither training nor the choice of its penalty has seen."""
    X, y = load_digits(return_X_y=True)
    parts = train_test_split(X[:n] / 16, y[:n], test_size=0.25, random_state=0, stratify=y[:n])
    model = ConvexReLUClassifierCV(
        alphas=alphas, cv=3, max_iter=1, time_limit=60, tol=0.1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a coarse gap is enough here
        model, seconds = _timed(partial(model.fit, parts[0], parts[2]))
    return [
        {
            "train": len(parts[0]),
            "test": len(parts[1]),
            "alpha": model.alpha_,
            "accuracy": model.score(parts[1], parts[3]),
            "width": model.network_.width,
            "gap (searched)": model.certificate_.relative_gap,
            "seconds": seconds,
        }
    ]


def _training(problem: TrainingProblem) -> list[dict[str, Any]]:
    """Rounds of cutting planes with the network for a solver."""
    rows = []
    started = time.process_time()

    def note(entry: Round) -> None:
        seconds = time.process_time() - started
        row = _row(problem.alpha, f"round {len(rows)}", [entry.objective], seconds)
        rows.append(row | {"gap": entry.relative_gap})

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SolverWarning)
        train(
            problem,
            solver=NetworkSolver(),
            oracle="search",
            max_iter=ROUNDS,
            random_state=0,
            progress=note,
        )
    return rows


def _descent(problem: TrainingProblem, seed: int) -> TwoLayerNetwork:
    return descend(problem, np.random.RandomState(seed))


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    value = call()
    return value, time.process_time() - started


def _row(alpha: float, method: str, objectives: Sequence[float], seconds: float) -> dict[str, Any]:
    return {
        "alpha": alpha,
        "method": method,
        "runs": len(objectives),
        "best": min(objectives),
        "median": median(objectives),
        "seconds": seconds,
        "gap": "",
    }


def _rows() -> list[list[str]]:
    with open(GRID) as file:
        return list(csv.reader(file))[1:]


def run_quick() -> None:
    """A few steps of everything on two hundred images."""
    problem = digits(1e-3, 200)
    network, seconds = _timed(partial(adam, problem, 20, 0.01, 0, 100))
    rows = [_row(problem.alpha, "Adam, 100 steps", [problem.objective(network)], seconds)]
    report("digits", [*rows, _in_time(problem, 5.0)], write=False)
    report("digits_accuracy", accuracy(200, [1e-3]), write=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smallest sizes, nothing written")
    parser.add_argument("--grid", action="store_true", help="only fill Adam's grid")
    parser.add_argument("--alphas", nargs="*", type=float, default=ALPHAS)
    parser.add_argument("--widths", nargs="*", type=int, default=WIDTHS)
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.quick:
        run_quick()
        return
    fill_grid(asked.alphas, asked.widths, asked.seeds)
    if not asked.grid:
        report("digits", compare(asked.alphas, asked.widths), write=True)
        report("digits_accuracy", accuracy(None, CV_ALPHAS), write=True)


if __name__ == "__main__":
    main()
