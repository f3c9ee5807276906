"""Ten classes: handwritten digits (8 × 8), multinomial, against Adam over 7 rates and 3 seeds.

Adam takes 4000 full-batch steps in float32 on the same objective; what it reached is recomputed in float64. Rows of
its grid are written as they come, and the script goes on where it was stopped. Then the descent that cutting planes
start from, of up to a hundred neurons, and the first rounds of a training whose master is the network itself, with
searched gaps. Seconds are those of the processor, with one thread.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from common import RESULTS, report
from sklearn.datasets import load_digits

from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.result import Round
from convexrelu.solvers.descent import descend
from convexrelu.solvers.network_master import NetworkMaster
from convexrelu.status import SolverWarning

ALPHAS = (1e-3, 1e-2, 1e-4)
WIDTHS = (100, 50)
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
SEEDS = (0, 1, 2)
STEPS = 4000
ROUNDS = 8
COLUMNS = ("alpha", "width", "rate", "seed", "objective", "seconds")
GRID = RESULTS / "adam" / "digits.csv"


def digits(alpha: float) -> TrainingProblem:
    """All 1797 images, pixels between 0 and 1."""
    X, y = load_digits(return_X_y=True)
    return TrainingProblem(X / 16, y, alpha, loss="multinomial")


def adam(
    problem: TrainingProblem, width: int, rate: float, seed: int, steps: int = STEPS
) -> TwoLayerNetwork:
    """Full-batch Adam on ``(1/n) Σ cross-entropy + (alpha/2)(‖W̃‖² + ‖A‖²)`` from torch's own first weights."""
    torch.manual_seed(seed)
    X = torch.as_tensor(problem.X.copy(), dtype=torch.float32)
    y = torch.as_tensor(problem.y.copy(), dtype=torch.int64)
    module = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, problem.n_outputs),
    )
    penalised = [module[0].weight, module[0].bias, module[2].weight]
    optimiser = torch.optim.Adam(module.parameters(), lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        penalty = sum(part.square().sum() for part in penalised)
        loss = torch.nn.functional.cross_entropy(module(X), y) + 0.5 * problem.alpha * penalty
        loss.backward()
        optimiser.step()
    return TwoLayerNetwork.from_torch(module)


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
    """The grid in short, three descents, and a training with its history."""
    rows = []
    for alpha in alphas:
        for width in widths:
            runs = [row for row in _rows() if row[:2] == [str(alpha), str(width)]]
            if runs:
                objectives, seconds = ([float(row[k]) for row in runs] for k in (4, 5))
                rows.append(_row(alpha, f"Adam, width {width}", objectives, median(seconds)))
        problem = digits(alpha)
        found = [_timed(partial(_descent, problem, seed)) for seed in SEEDS]
        objectives = [problem.objective(network) for network, _ in found]
        rows.append(_row(alpha, "descent", objectives, median(seconds for _, seconds in found)))
        rows.extend(_training(problem))
    return rows


def _training(problem: TrainingProblem) -> list[dict[str, Any]]:
    """Rounds of cutting planes with the network for a master."""
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
            solver=NetworkMaster(),
            oracle="search",
            max_iter=ROUNDS,
            random_state=0,
            progress=note,
        )
    return rows


def _descent(problem: TrainingProblem, seed: int) -> TwoLayerNetwork:
    return descend(problem, np.random.RandomState(seed))


def _timed(call: Callable[[], TwoLayerNetwork]) -> tuple[TwoLayerNetwork, float]:
    started = time.process_time()
    network = call()
    return network, time.process_time() - started


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", action="store_true", help="only fill Adam's grid")
    parser.add_argument("--alphas", nargs="*", type=float, default=ALPHAS)
    parser.add_argument("--widths", nargs="*", type=int, default=WIDTHS)
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    fill_grid(asked.alphas, asked.widths, asked.seeds)
    if not asked.grid:
        report("digits", compare(asked.alphas, asked.widths), write=True)


if __name__ == "__main__":
    main()
