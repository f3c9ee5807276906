"""How the time and the memory of the native solvers grow with samples, features and patterns."""

from __future__ import annotations

import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from common import quick_asked, report, teacher

BASE = {"n": 1000, "d": 10, "P": 100}
SWEEPS = {"n": [250, 500, 1000, 2000, 4000], "d": [5, 10, 20, 40], "P": [50, 100, 200, 400]}
IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Seconds to a gap of 1e-6 (median of three) and peak memory, with fitted exponents."""
    quick = quick_asked(main.__doc__)
    sweeps = {"n": [60, 120]} if quick else SWEEPS
    base = {"n": 60, "d": 3, "P": 10} if quick else BASE
    rows, exponents = [], []
    for kind in ("relu", "gated"):
        for name, values in sweeps.items():
            sizes = [base | {name: value} for value in values]
            measured = [_in_its_own_process(kind, size) for size in sizes]
            rows += [
                {"programme": kind, **size, "seconds": f"{seconds:.3g}", "MB": f"{memory:.0f}"}
                for size, (seconds, memory) in zip(sizes, measured, strict=True)
            ]
            slope = np.polyfit(np.log(values), np.log([m[0] for m in measured]), 1)[0]
            exponents.append({"programme": kind, "with": name, "exponent of time": f"{slope:.2f}"})
    report("growth", rows, write=not quick)
    report("growth_exponents", exponents, write=not quick)
    if not quick:
        _plot(rows, exponents)


def _in_its_own_process(kind: str, size: dict[str, int]) -> tuple[float, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, kind, size).result()


def _measure(kind: str, size: dict[str, int]) -> tuple[float, float]:
    """Median seconds, and the growth of peak memory in megabytes beyond imports and data."""
    from convexrelu import TrainingProblem
    from convexrelu.result import Blocks
    from convexrelu.solvers.native_master import NativeMaster

    def solve(n: int, d: int, n_gates: int) -> Any:
        X, y, rng = teacher(n, d, 10, 0.1, 0)
        problem = TrainingProblem(X, y, 5 / n, fit_intercept=False)
        masks = (problem.design @ rng.standard_normal((d + 1, n_gates)) >= 0).T
        blocks = Blocks.both_signs(masks) if kind == "relu" else Blocks(masks, np.ones(n_gates))
        before = _peak()
        started = time.perf_counter()
        master = NativeMaster("newton", gap=1e-6)
        (master.relu if kind == "relu" else master.gated)(problem, blocks)
        return time.perf_counter() - started, _peak() - before

    solve(50, 3, 5)  # imports and thread pools
    runs = [solve(size["n"], size["d"], size["P"]) for _ in range(3)]
    return median(run[0] for run in runs), runs[0][1]


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _plot(rows: list[dict[str, Any]], exponents: list[dict[str, Any]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(11, 6), sharey="row", layout="constrained")
    for column, name in enumerate(SWEEPS):
        for kind, marker in (("relu", "o"), ("gated", "s")):
            fixed = {key: value for key, value in BASE.items() if key != name}
            chosen = [
                row
                for row in rows
                if row["programme"] == kind and all(row[k] == v for k, v in fixed.items())
            ]
            chosen = sorted({row[name]: row for row in chosen}.values(), key=lambda row: row[name])
            slope = next(
                e["exponent of time"]
                for e in exponents
                if e["programme"] == kind and e["with"] == name
            )
            values = [row[name] for row in chosen]
            label = f"{kind}: {name}^{slope}"
            axes[0, column].loglog(
                values, [float(r["seconds"]) for r in chosen], marker=marker, label=label
            )
            axes[1, column].loglog(
                values, [max(float(r["MB"]), 1) for r in chosen], marker=marker, label=kind
            )
        for ax in axes[:, column]:
            ax.minorticks_off()
            ax.set_xticks(SWEEPS[name], [str(value) for value in SWEEPS[name]])
        rest = ", ".join(f"{key} = {value}" for key, value in BASE.items() if key != name)
        axes[0, column].set_title(rest)
        axes[0, column].legend()
        axes[1, column].set_xlabel(name)
    axes[0, 0].set_ylabel("seconds to a gap of 1e-6")
    axes[1, 0].set_ylabel("peak memory, MB")
    figure.savefig(IMAGES / "growth.png", dpi=120)


if __name__ == "__main__":
    main()
