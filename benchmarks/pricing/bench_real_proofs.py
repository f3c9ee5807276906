"""Proved optima of real data: how long training takes until branch and bound has proved a gap, and its boxes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from benchmarks.common import quick_asked, real_data, report, teacher
from convexrelu import TrainingProblem, train
from convexrelu.oracles import SearchOracle
from convexrelu.oracles.bounds.boxes import Boxes
from convexrelu.oracles.bounds.compiled import CompiledBound, is_compiled
from convexrelu.oracles.bounds.corner_bound import CornerBound
from convexrelu.patterns.enumerate import RowSpace

PICTURES = Path(__file__).parents[2] / "docs" / "images"
SECONDS = 1200.0
# Name, penalty, and the relative gap to prove.
REAL = [
    *(("yacht", alpha, 1e-3) for alpha in (0.01, 0.003, 0.001)),
    *(("airfoil", alpha, 1e-3) for alpha in (0.05, 0.01)),
    ("airfoil", 0.003, 3e-3),
    *(("autompg", alpha, 1e-3) for alpha in (0.05, 0.01, 0.003)),
    *(("energy", alpha, 1e-3) for alpha in (0.1, 0.05, 0.01)),
    *(("concrete", alpha, 1e-3) for alpha in (0.1, 0.05)),
    ("concrete", 0.01, 1e-2),
    ("machine", 0.05, 1e-3),
    ("stock", 0.1, 1e-2),
    ("stock", 0.1, 1e-3),
    ("housing", 0.1, 1e-2),
]
# Samples, features, and the penalty times the number of samples.
TEACHERS = [(100, 8, 5.0), (100, 8, 1.0), (100, 9, 5.0), (100, 9, 1.0), (1000, 8, 50.0)]
COMPARED = [("yacht", 0.01), ("airfoil", 0.05), ("autompg", 0.05), ("energy", 0.05)]


def main() -> None:
    """Gaps that are proved on real data and on a teacher's; and boxes in compiled code and in NumPy."""
    quick = quick_asked(main.__doc__)
    at_hand = "CONVEXRELU_UCI" in os.environ and not quick
    rows = [_proved(name, *real_data(name), alpha, tol) for name, alpha, tol in REAL if at_hand]
    teachers = [(30, 4, 5.0)] if quick else TEACHERS
    for n, d, strength in teachers:
        X, y, _ = teacher(n, d, 5, 0.1, 11)
        rows.append(_proved("teacher", X, y, strength / n, 1e-3))
    report("real_proofs", rows, write=at_hand)
    if quick or not at_hand:
        X, y, _ = teacher(60, 4, 5, 0.1, 11)
        compared = [_compared("teacher", X, y, 0.05)]
    else:
        compared = [_compared(name, *real_data(name), alpha) for name, alpha in COMPARED]
    report("corner_bound", compared, write=at_hand)
    if not quick:
        _picture()


def _proved(name: str, X: np.ndarray, y: np.ndarray, alpha: float, tol: float) -> dict[str, object]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = train(
        TrainingProblem(X, y, alpha),
        tol=tol,
        oracle="prove",
        max_iter=100,
        time_limit=SECONDS,
        random_state=0,
    )
    certificate = result.certificate
    return {
        "data": name,
        "samples": len(X),
        "rank": X.shape[1] + 1,
        "alpha": f"{alpha:g}",
        "objective": f"{certificate.objective:.6f}",
        "asked": tol,
        "proved gap": f"{certificate.relative_gap:.2e}" if certificate.is_proof else "none",
        "programs": result.n_iter,
        "seconds": f"{time.perf_counter() - wall:.1f}",
        "CPU seconds": f"{time.process_time() - cpu:.1f}",
    }


def _compared(name: str, X: np.ndarray, y: np.ndarray, alpha: float) -> dict[str, object]:
    """Boxes that prove a bound of 1.001 times the largest value found, in compiled code and in NumPy."""
    problem = TrainingProblem(X, y, alpha).condensed()
    network = train(problem, tol=1e-4, oracle="search", random_state=0).network
    v = problem.dual_point(network.predict(problem.X))
    target = 1.001 * float(SearchOracle(problem.design, random_state=0)(v).values.max())
    rows = RowSpace.of(problem.design).coordinates
    rows = rows @ np.linalg.eigh((rows * np.abs(v)[:, None]).T @ rows)[1]
    row: dict[str, object] = {"data": name, "samples": len(X), "rank": rows.shape[1]}
    row["alpha"] = f"{alpha:g}"
    for kind, bound in (("compiled", CompiledBound), ("NumPy", CornerBound)):
        if kind == "compiled" and not is_compiled():
            continue
        began, n_boxes = time.process_time(), 0
        for sign in (1.0, -1.0):
            cube = Boxes.of_cube(rows.shape[1], np.inf)
            n_boxes += bound(rows, sign * v).explore(cube, target, np.inf).n_boxes
        row[f"{kind} boxes"] = n_boxes
        row[f"{kind} CPU seconds"] = f"{time.process_time() - began:.2f}"
    return row


def _picture() -> None:
    """A sum of convex kinks along the middle of a square, and both bounds."""
    from matplotlib import pyplot as plt

    rows = np.array([[1.0, 0.9], [1.0, -0.8], [-0.4, 1.0], [-0.3, -1.0]])
    ends = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    left, right = np.maximum(ends @ rows.T, 0.0).sum(axis=1).reshape(2, 2).max(axis=1)
    x = np.linspace(-1.0, 1.0, 201)
    t = np.outer(x, rows[:, 0])
    half = np.abs(rows).sum(axis=1)
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axes.plot(x, 0.5 * (t + half).sum(axis=1), label="sum of the chords of all kinks")
    axes.plot(x, left + (right - left) * (x + 1) / 2, label="largest values at the corners")
    axes.plot(x, np.maximum(t, 0.0).sum(axis=1), "k", label="P")
    axes.set(xlabel="first coordinate; the second is 0", ylim=(0.0, None))
    axes.legend()
    figure.savefig(PICTURES / "corner_bound.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()
