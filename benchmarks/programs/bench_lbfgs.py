"""Descent on the smoothed objective by three programs of L-BFGS: ours, SciPy's L-BFGS-B and torch's.

All take the same number of steps from the same point, twenty of which they remember, and call the same compiled
objective. How low they end says whether a step is worth as much.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.datasets import load_diabetes, load_digits

from benchmarks.common import quick_asked, report, standardised, teacher
from convexrelu import TrainingProblem
from convexrelu._utils.threads import one_blas_thread
from convexrelu._utils.typing import Array
from convexrelu.solvers.nonconvex.lbfgs import lbfgs
from convexrelu.solvers.nonconvex.rounded_objective import RoundedObjective

STAGES = ((0.1, 150), (0.01, 150), (0.001, 300))  # widths of the smoothing, and steps
MEMORY, REPEATS = 20, 3

Minimise = Callable[[RoundedObjective, Array, float, int], Array]


def main() -> None:
    """Milliseconds of a step and the value at the end; medians of three."""
    quick = quick_asked(main.__doc__)
    problems, repeats = list(_problems()), REPEATS
    if quick:
        problems, repeats = problems[:1], 1
    with one_blas_thread():  # as in training
        rows = [_row(name, problem, repeats) for name, problem in problems]
    report("lbfgs", rows, write=not quick)


def _problems() -> Iterator[tuple[str, TrainingProblem]]:
    for n, d in ((60, 2), (200, 5), (500, 20)):
        X, y, _ = teacher(n, d, 5, 0.1, 0)
        yield f"teacher {n} × {d}", TrainingProblem(X, y, 1e-3)
    X, y = standardised(*load_diabetes(return_X_y=True))
    yield "diabetes", TrainingProblem(X, y, 1e-4)
    X, labels = load_digits(return_X_y=True)
    yield "digits", TrainingProblem(X[:500] / 16, np.eye(10)[labels[:500]], 1e-3)


def _row(name: str, problem: TrainingProblem, repeats: int) -> dict[str, object]:
    objective = RoundedObjective(problem, rounds_follow=True)
    steps = sum(steps for _, steps in STAGES)
    row: dict[str, object] = {"data": name, "weights": len(_start(objective))}
    values = {}
    for label, minimise in WAYS.items():
        seconds = []
        for _ in range(repeats):
            z, began = _start(objective), time.perf_counter()
            for width, n in STAGES:
                z = minimise(objective, z, width, n)
            seconds.append(time.perf_counter() - began)
        row[f"{label}, ms a step"] = 1e3 * median(seconds) / steps
        values[label], _ = objective(z, STAGES[-1][0])
    row |= {f"{label} / ours, value": values[label] / values["ours"] for label in values}
    del row["ours / ours, value"]
    return row


def _start(objective: RoundedObjective) -> Array:
    return objective.random_point(np.random.RandomState(0))


def _ours(objective: RoundedObjective, z: Array, width: float, n: int) -> Array:
    return lbfgs(
        lambda z: objective(z, width),
        z,
        memory=MEMORY,
        most_steps=n,
        ends_at=lambda z, value: False,
    )


def _by_scipy(objective: RoundedObjective, z: Array, width: float, n: int) -> Array:
    options = {"maxcor": MEMORY, "maxiter": n, "ftol": 0.0, "gtol": 0.0}
    gradient = z

    def value_at(z: Array) -> float:  # with jac=True, points would be compared and copied
        nonlocal gradient
        value, gradient = objective(z, width)
        return value

    return minimize(value_at, z, jac=lambda _: gradient, method="L-BFGS-B", options=options).x


def _by_torch(objective: RoundedObjective, z: Array, width: float, n: int) -> Array:
    point = torch.tensor(z, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [point],
        max_iter=n,
        max_eval=20 * n,
        history_size=MEMORY,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,
        tolerance_change=0.0,
    )

    def closure() -> torch.Tensor:
        value, gradient = objective(point.detach().numpy(), width)
        point.grad = torch.from_numpy(gradient)
        return torch.tensor(value)

    optimizer.step(closure)
    return point.detach().numpy()


WAYS: dict[str, Minimise] = {"ours": _ours, "SciPy": _by_scipy, "torch": _by_torch}


if __name__ == "__main__":
    main()
