"""Ten classes: handwritten digits (8 × 8), multinomial, against Adam over 7 rates and 3 seeds.

Adam takes 4000 full-batch steps in float32 on the same objective; what it reached is recomputed in float64. Rows of
its grid are written as they come, and the script goes on where it was stopped. Then the descent that cutting planes
start from, and whole trainings of a minute with their searched gaps. Seconds of Adam and of the descent are
those of the processor, with one thread.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from collections.abc import Sequence

import torch
from common import RESULTS
from sklearn.datasets import load_digits

from convexrelu import TrainingProblem, TwoLayerNetwork

ALPHAS = (1e-3, 1e-2, 1e-4)
WIDTHS = (100, 50)
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
SEEDS = (0, 1, 2)
STEPS = 4000
SECONDS = 60.0
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
        started = time.process_time()
        network = adam(problem, width, rate, seed)
        seconds = time.process_time() - started
        with open(GRID, "a") as file:
            cells = (*key, f"{problem.objective(network):.8g}", f"{seconds:.3g}")
            file.write(",".join(cells) + "\n")


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


if __name__ == "__main__":
    main()
