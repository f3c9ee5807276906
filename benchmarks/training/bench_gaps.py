"""When the gap that cutting planes report is 1e-2, on the pairs of the training suite with the larger penalties.

    python -m benchmarks.training.bench_gaps
    python -m benchmarks.training.bench_gaps --quick                 # a tiny teacher, nothing written
    python -m benchmarks.training.bench_gaps --data uci[set=yacht] --alphas 0.01 --seeds 1

They have three times as long as the longest runs of Adam in the suite. The gap is the library's own, searched or
proved; the suite's independent search at the last network stands beside it. Rows are written after every pair, in the
place of earlier ones of the same pair and seed, so that it may be run in parts, one after another.
"""

import argparse
import datetime
import tempfile
from pathlib import Path

import pandas as pd
from benchmarks.training import run

common = run.common
from benchmark_utils.merge import replaced  # noqa: E402  the suite's path is set by `run`
from benchmark_utils.solver import LONG  # noqa: E402

FACTOR, TARGET, LEAST = 3, 1e-2, 1e-3  # of the time of Adam; gap; penalty
ALPHAS = tuple(alpha for alpha in run.ALPHAS if alpha >= LEAST)
SEEDS = (0, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tiny teacher, nothing written")
    parser.add_argument("--data", nargs="*", default=run.DATA, help="as benchopt takes them")
    parser.add_argument("--alphas", nargs="*", type=float, default=ALPHAS)
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    asked = parser.parse_args()
    if asked.quick:
        common.report("gaps", rows_of("teacher[n=60,d=3,k=3]", 1e-2, SEEDS), write=False)
        return
    rows = []
    for name in asked.data:
        for alpha in asked.alphas:
            found = rows_of(name, alpha, asked.seeds)
            if found:
                save(found)
            rows += found
    common.report("gaps", rows, write=False)


def save(rows):
    """Write these rows in the place of earlier ones of the same runs."""
    table, target = pd.DataFrame(rows), common.RESULTS / "gaps.csv"
    if target.exists():
        table = replaced(pd.read_csv(target), table, ["data", "alpha", "parameters"])
    common.write_table("gaps", table.to_dict("records"))
    common.circumstances("gaps")


def rows_of(name, alpha, seeds):
    """One row a seed; none for data that are not at hand."""
    solvers = [f"convexrelu[seed={seed},time_limit={FACTOR * LONG:g}]" for seed in seeds]
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
        "date": datetime.date.today().isoformat(),
    }


if __name__ == "__main__":
    main()
