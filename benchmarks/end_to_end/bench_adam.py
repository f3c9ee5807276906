"""What cutting planes are compared with: Adam over 7 rates, 3 seeds and 2 widths, on real data.

4000 full-batch steps each, in float32 as is usual; the objective is recomputed in float64. The data are those
of the UCI repository in the folder ``CONVEXRELU_UCI`` (``NAME/data.csv.gz`` with the target last, and
``NAME/test_mask.csv.gz`` with a column for each split); without it, the sets that come with scikit-learn.

The grid takes an hour or two. Rows are written as they come: the script goes on where it was stopped, and
``--data yacht energy`` takes some sets only, so that several can run at once. Times are not reported: those in
``bench_cutting_planes.py`` are, from single runs beside those of this library.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks.common import RESULTS, real_data, real_names
from convexrelu import TrainingProblem, TwoLayerNetwork

ALPHAS = (1e-2, 1e-3, 1e-4)
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
SEEDS = (0, 1, 2)
WIDTHS = (100, 500)
STEPS = 4000
COLUMNS = ("data", "alpha", "width", "rate", "seed", "objective")


def adam(
    problem: TrainingProblem,
    width: int,
    rate: float,
    seed: int,
    steps: int = STEPS,
    *,
    sgd: bool = False,
    watch: Callable[[int, torch.nn.Module], None] | None = None,
) -> TwoLayerNetwork:
    """Full-batch Adam from torch's own first weights, or SGD, on the data fit ``+ (alpha/2)(‖W̃‖² + ‖A‖²)``."""
    torch.manual_seed(seed)
    X = torch.as_tensor(problem.X.copy(), dtype=torch.float32)
    data_fit = _data_fit(problem)
    module = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], width),
        torch.nn.ReLU(),
        torch.nn.Linear(width, problem.n_outputs),
    )
    penalised = [module[0].weight, module[0].bias, module[2].weight]
    kind = partial(torch.optim.SGD, momentum=0.9) if sgd else torch.optim.Adam
    optimiser = kind(module.parameters(), lr=rate)
    for step in range(steps):
        optimiser.zero_grad()
        penalty = sum(part.square().sum() for part in penalised)
        loss = data_fit(module(X)) + 0.5 * problem.alpha * penalty
        loss.backward()
        optimiser.step()
        if watch is not None:
            watch(step, module)
    return TwoLayerNetwork.from_torch(module)


def _data_fit(problem: TrainingProblem) -> Callable[[torch.Tensor], torch.Tensor]:
    """Mean cross-entropy of classes, or half the mean squared error of one output."""
    if problem.loss.name == "multinomial":
        classes = torch.as_tensor(problem.y.copy(), dtype=torch.int64)
        return lambda outputs: torch.nn.functional.cross_entropy(outputs, classes)
    y = torch.as_tensor(problem.y.copy(), dtype=torch.float32)
    return lambda outputs: 0.5 * (outputs[:, 0] - y).square().mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two runs, nothing written")
    parser.add_argument("--data", nargs="*", help="names of data sets")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    asked = parser.parse_args()
    if asked.quick:
        problem = TrainingProblem(*real_data(real_names()[0]), 1e-2)
        for rate in (0.01, 0.1):
            print(rate, problem.objective(adam(problem, 20, rate, 0, steps=100)))
        return
    torch.set_num_threads(1)
    for name in asked.data or real_names():
        _grid(name, asked.seeds, RESULTS / "adam" / f"{name}.csv")


def _grid(name: str, seeds: Sequence[int], path: Path) -> None:
    """All runs on one data set that are not in the file yet."""
    path.parent.mkdir(exist_ok=True, parents=True)
    if not path.exists():
        path.write_text(",".join(COLUMNS) + "\n")
    with open(path) as file:
        done = {tuple(row[:5]) for row in csv.reader(file)}
    X, y = real_data(name)
    for seed, width, alpha, rate in itertools.product(seeds, WIDTHS, ALPHAS, RATES):
        key = tuple(map(str, (name, alpha, width, rate, seed)))
        if key in done:
            continue
        problem = TrainingProblem(X, y, alpha)
        objective = problem.objective(adam(problem, width, rate, seed))
        with open(path, "a") as file:
            file.write(",".join((*key, f"{objective:.8g}")) + "\n")


if __name__ == "__main__":
    main()
