"""Many samples: cutting planes beside mini-batch Adam, on one thread and on all."""

from __future__ import annotations

import argparse
import json
import math
import resource
import time
import warnings
from typing import Any

import numpy as np

from benchmarks.common import from_a_process, report, teacher
from convexrelu import TrainingProblem, TwoLayerNetwork, train

ALPHA = 0.01
# Samples, passes of Adam, gap to stop at, and seconds at most.
CASES = {10**4: (60, 5e-3, 60), 10**5: (20, 8e-3, 120), 10**6: (10, 2e-2, 600)}
WIDTH, BATCH, STEP = 100, 512, 1e-2


def main() -> None:
    """A teacher of ten neurons in twenty dimensions, alpha = 0.01."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="smallest size, nothing written")
    parser.add_argument("--n", type=int, nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--here", type=float, nargs=2, help=argparse.SUPPRESS)  # as JSON
    asked = parser.parse_args()
    if asked.here:
        print(json.dumps(_row(int(asked.here[0]), asked.here[1])))
        return
    limits = {10**4: 5} if asked.quick else {n: CASES[n][2] for n in asked.n}
    rows = [
        {"n": n, "threads": threads, **from_a_process(__spec__.name, n, limit, threads=threads)}
        for n, limit in limits.items()
        for threads in ("1", "default")
    ]
    report("large", rows, write=not asked.quick)


def _row(n: int, time_limit: float) -> dict[str, Any]:
    X, y, _ = teacher(n, 20, 10, 0.1, 0)
    passes, tol, _ = CASES[n]
    problem = TrainingProblem(X, y, ALPHA)
    _adam(*teacher(1000, 20, 10, 0.1, 0)[:2], passes=1)  # imports and first calls are not timed
    train(TrainingProblem(X[:300], y[:300], ALPHA), effort="predict", random_state=0)
    began = time.perf_counter()
    adam = problem.objective(_adam(X, y, passes))
    seconds = time.perf_counter() - began
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the limits are part of the question
        history = train(problem, tol=tol, time_limit=time_limit, random_state=0).history

    def first(reached: Any) -> float:
        return next((entry.seconds for entry in history if reached(entry)), math.inf)

    return {
        "Adam": seconds,
        "its objective": f"{adam:.6f}",
        "first network": first(lambda entry: True),
        "its objective ": f"{history[0].objective:.6f}",
        "as low as Adam": first(lambda entry: entry.objective <= adam),
        "gap 2e-2": first(lambda entry: entry.relative_gap <= 2e-2),
        "gap 1e-2": first(lambda entry: entry.relative_gap <= 1e-2),
        "end": history[-1].seconds,
        "objective": f"{history[-1].objective:.6f}",
        "gap": f"{history[-1].relative_gap:.1e}",
        "proved": history[-1].is_proof,
        "peak GB": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f}",
    }


def _adam(X: np.ndarray, y: np.ndarray, passes: int) -> TwoLayerNetwork:
    """Mini-batch Adam with a cosine schedule, in single precision, on one thread, which is faster."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.tensor(X, dtype=torch.float32)
    targets = torch.tensor(y, dtype=torch.float32)
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, 1)
    )
    optimiser = torch.optim.Adam(net.parameters(), lr=STEP)
    n_batches = len(X) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, passes * max(1, n_batches))
    decayed = [net[0].weight, net[0].bias, net[2].weight]
    for _ in range(passes):
        order = torch.randperm(len(X), generator=generator)
        for k in range(n_batches):
            batch = order[k * BATCH : (k + 1) * BATCH]
            rest = net(inputs[batch])[:, 0] - targets[batch]
            penalty = sum(part.square().sum() for part in decayed)
            loss = 0.5 * rest.square().mean() + 0.5 * ALPHA * penalty
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    torch.set_num_threads(threads)
    parts = net[0].weight, net[0].bias, net[2].weight, net[2].bias
    return TwoLayerNetwork(*(part.detach().double().numpy() for part in parts))


if __name__ == "__main__":
    main()
