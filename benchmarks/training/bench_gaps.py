"""When the gap that cutting planes report is 1e-2, on the pairs of the training suite with the larger penalties.

    python -m benchmarks.training.bench_gaps
    python -m benchmarks.training.bench_gaps --quick                 # a tiny teacher, nothing written

They have three times as long as the longest runs of Adam in the suite. The gap is the library's own, searched or
proved; the suite's independent search at the last network stands beside it.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.training import run

common = run.common
from benchmark_utils.solver import LONG  # noqa: E402  the suite's path is set by `run`

FACTOR, TARGET, LEAST = 3, 1e-2, 1e-3  # of the time of Adam; gap; penalty
SEEDS = (0, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tiny teacher, nothing written")
    asked = parser.parse_args()
    data = ["teacher[n=60,d=3,k=3]"] if asked.quick else run.DATA
    alphas = [1e-2] if asked.quick else [alpha for alpha in run.ALPHAS if alpha >= LEAST]
    pairs = [(name, alpha) for name in data for alpha in alphas]
    common.report("gaps", [row for pair in pairs for row in rows_of(*pair)], write=not asked.quick)


def rows_of(name, alpha):
    """One row a seed; none for data that are not at hand."""
    solvers = [f"convexrelu[seed={seed},time_limit={FACTOR * LONG:g}]" for seed in SEEDS]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "runs.parquet")
        run.run_pair(name, alpha, path, solvers)
        if not path.exists():
            return []
        curves = run.read(path).groupby("parameters", sort=False)
    return [row_of(parameters, curve) for parameters, curve in curves]


def row_of(parameters, curve):
    """Of the rounds of a run."""
    gaps = 1 - curve["lower_bound"] / curve["objective"]
    reached, last = curve["seconds"][gaps <= TARGET], curve.iloc[-1]
    return {
        "data": last["data"],
        "alpha": last["alpha"],
        "parameters": parameters,
        f"gap {TARGET:g}, s": reached.min() if len(reached) else float("inf"),
        "end, s": last["seconds"],
        "objective": last["objective"],
        "gap": gaps.iloc[-1],
        "proved": bool(last["is_proof"]),
        "gap by another search": 1 - last["searched_bound"] / last["objective"],
    }


if __name__ == "__main__":
    main()
