"""Cutting planes to the optimum beside Adam: time to its best objective, and the gap that is left.

The best of Adam is that of the grid in ``bench_adam.py``; beside it stands the time of ONE of its runs. All on one
thread; gaps are estimated by search. ``CONVEXRELU_UCI`` names the folder of the data, as there.
"""

from __future__ import annotations

import csv
import math
import time
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

from benchmarks.common import RESULTS, quick_asked, real_data, real_names, report, teacher
from benchmarks.end_to_end.bench_adam import ALPHAS, RATES, STEPS, WIDTHS, adam
from convexrelu import Result, SolverWarning, TrainingProblem, TwoLayerNetwork, train

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SECONDS = 60.0


def main() -> None:
    """A teacher network, and real data at three penalties; tables and two pictures."""
    quick = quick_asked(main.__doc__)
    torch.set_num_threads(1)
    train(TrainingProblem(*real_data(real_names()[0]), 1.0))  # imports and first calls
    _teacher_race(quick)
    names = real_names()[:1] if quick else real_names()
    alphas = ALPHAS[:1] if quick else ALPHAS
    rows = [_race(name, alpha, quick) for name in names for alpha in alphas]
    report("cutting_planes", rows, write=not quick)
    if not quick:
        _picture(
            TrainingProblem(*real_data("concrete"), 1e-3), 100, 1.0, IMAGES / "race_concrete.png"
        )


def _teacher_race(quick: bool) -> None:
    """The data of the documentation: 500 samples of a network of ten neurons in 20 dimensions, alpha = 0.01."""
    n, steps = (60, 50) if quick else (500, STEPS)
    X, y, _ = teacher(n, 20, 10, 0.1, 0)
    problem = TrainingProblem(X, y, 5 / n, fit_intercept=False)
    result = _cutting_planes(problem, tol=5e-3)
    rows = []
    for history in (
        result.history[1:2],
        *([] if quick else [_until(result, n, 21.96), _until(result, n, 21.93)]),
    ):
        for entry in history:
            rows.append(
                _row("cutting planes", entry.seconds, n * entry.objective, entry.relative_gap)
            )
    last = result.history[-1]
    rows.append(_row("cutting planes, end", last.seconds, n * last.objective, last.relative_gap))
    for rate in RATES[3:4] if quick else RATES:
        started = time.perf_counter()
        network = adam(problem, 200, rate, 0, steps)
        seconds = time.perf_counter() - started
        rows.append(_row(f"Adam, rate {rate:g}", seconds, n * problem.objective(network), None))
    report("teacher_race", rows, write=not quick)
    if not quick:
        _picture(problem, 200, n, IMAGES / "race_teacher.png")


def _until(result: Result, n: int, wanted: float) -> list:
    """The first round with an objective as low as that."""
    return [entry for entry in result.history if n * entry.objective <= wanted][:1]


def _row(method: str, seconds: float, objective: float, gap: float | None) -> dict[str, object]:
    return {
        "method": method,
        "seconds": f"{seconds:.2f}",
        "n · objective": f"{objective:.3f}",
        "gap": "none" if gap is None else f"{gap:.1e}",
    }


def _race(name: str, alpha: float, quick: bool) -> dict[str, object]:
    problem = TrainingProblem(*real_data(name), alpha)
    best, width = _best_of_adam(name, alpha)
    started = time.perf_counter()
    adam(problem, width, 0.01, 0, 50 if quick else STEPS)
    one_run = time.perf_counter() - started
    result = _cutting_planes(problem, tol=1e-2)
    below = [entry.seconds for entry in result.history if entry.objective <= best]
    certificate = result.certificate
    return {
        "data": name,
        "alpha": alpha,
        "n": problem.n_samples,
        "d": problem.n_features,
        "best of Adam": f"{best:.5g}",
        "its width": width,
        "one run": f"{one_run:.1f} s",
        "as low after": f"{below[0]:.1f} s" if below else "never",
        "objective": f"{certificate.objective:.5g}",
        "gap": f"{certificate.relative_gap:.1e}",
        "seconds": f"{result.history[-1].seconds:.1f}",
    }


def _best_of_adam(name: str, alpha: float) -> tuple[float, int]:
    """Objective and width of the best run of the grid; infinity where there is none."""
    path = RESULTS / "adam" / f"{name}.csv"
    if not path.exists():
        return math.inf, WIDTHS[0]
    with open(path) as file:
        runs = [row for row in csv.DictReader(file) if float(row["alpha"]) == alpha]
    return min((float(row["objective"]), int(row["width"])) for row in runs)


def _cutting_planes(problem: TrainingProblem, tol: float) -> Result:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SolverWarning)  # time limits: the table shows the gaps
        return train(
            problem, oracle="search", tol=tol, time_limit=SECONDS, max_iter=1000, random_state=0
        )


def _picture(problem: TrainingProblem, width: int, unit: float, path: Path) -> None:
    """Objective and lower bound against time, beside Adam and SGD."""
    history = _cutting_planes(problem, tol=5e-3).history[1:]
    seconds = [entry.seconds for entry in history]
    bounds = np.array([entry.lower_bound for entry in history])
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.step(seconds, [unit * e.objective for e in history], where="post", label="cutting planes")
    axes.step(
        seconds,
        unit * bounds,
        where="post",
        ls="--",
        color="C0",
        label="its lower bound (estimated)",
    )
    for name, rate, colour in (("Adam", 0.01, "C1"), ("SGD", 0.1, "C2")):
        times, objectives = _trace(problem, width, rate, sgd=name == "SGD")
        axes.plot(times, unit * np.array(objectives), color=colour, label=f"{name}, rate {rate:g}")
    best = unit * history[-1].objective
    axes.set(
        xscale="log",
        xlim=(0.05, None),
        ylim=(0.9 * best, 1.15 * best),
        xlabel="seconds",
        ylabel="regularised loss",
    )
    if unit != 1.0:
        axes.set_ylabel("n · regularised loss")
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _trace(
    problem: TrainingProblem, width: int, rate: float, *, sgd: bool
) -> tuple[list[float], list[float]]:
    """Times and objectives along a run; looking takes no time."""
    times, objectives, paused = [], [], 0.0
    started = time.perf_counter()

    def watch(step: int, module: torch.nn.Module) -> None:
        nonlocal paused
        if step % 20:
            return
        now = time.perf_counter()
        times.append(now - started - paused)
        objectives.append(problem.objective(TwoLayerNetwork.from_torch(module)))
        paused += time.perf_counter() - now

    adam(problem, width, rate, 0, watch=watch, sgd=sgd)
    return times, objectives


if __name__ == "__main__":
    main()
