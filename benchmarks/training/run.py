"""Run the training suite: every solver on every pair of a data set and a penalty, on one thread.

    python -m benchmarks.training.run                                # all of it; hours
    python -m benchmarks.training.run --quick                        # a smoke test that writes nothing
    python -m benchmarks.training.run --data uci[set=yacht] --alphas 0.01
    python -m benchmarks.training.run --collect                      # only gather what has been run

Every pair is one run of benchopt with a file of its own in `outputs`. Pairs that have one are left out, so a stopped
run goes on where it was, and parts of it may run as processes beside each other. What there is goes to
`results/training.csv.gz` in the end, where it takes the place of earlier runs of the same solvers on the same pairs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy is imported

SUITE = Path(__file__).parent
sys.path.insert(0, str(SUITE))

import pandas as pd  # noqa: E402
from benchopt import run_benchmark  # noqa: E402

from benchmark_utils import common  # noqa: E402
from benchmark_utils.merge import replaced  # noqa: E402

OUTPUTS = SUITE / "outputs"
ALPHAS = (1e-2, 1e-3, 1e-4)
DATA = (
    "teacher[n=200,d=5,k=5]",
    "teacher[n=500,d=20,k=10]",
    "teacher[n=1000,d=10,k=5]",
    "scikit[set=diabetes]",
    "scikit[set=friedman1]",
    *(f"uci[set={name}]" for name in common.SMALL_UCI),
    "digits[n=500]",
)
QUICK = (
    "convexrelu[seed=0,time_limit=5]",
    "torch-descent[kind=adam,rate=0.01,seed=0,seconds=2,width=100]",
    "torch-lbfgs[seed=0,seconds=2,width=100]",
    "sklearn-mlp[kind=lbfgs,rate=0.001,max_iter=200,seed=0]",
)
PACKAGES = {"torch-descent": "torch", "torch-lbfgs": "torch", "sklearn-mlp": "scikit-learn"}
KEPT_DROP = 5e-5  # of the loss, relative, between rows of a curve


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tiny teacher, nothing written")
    parser.add_argument("--data", nargs="*", default=DATA, help="as benchopt takes them")
    parser.add_argument("--alphas", nargs="*", type=float, default=ALPHAS)
    parser.add_argument("--solvers", nargs="*", help="as benchopt takes them; all by default")
    parser.add_argument("--collect", action="store_true", help="run nothing")
    asked = parser.parse_args()
    if asked.quick:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "quick.parquet")
            run_pair("teacher[n=60,d=3,k=3]", 1e-2, path, QUICK)
            table = read(path)
            print(table.groupby(["solver", "parameters"], sort=False).last().to_string())
        return
    for name in [] if asked.collect else asked.data:
        for alpha in asked.alphas:
            path = OUTPUTS / f"{name}_{alpha:g}.parquet"
            if not path.exists():
                run_pair(name, alpha, path, asked.solvers)
    collect()


def run_pair(name, alpha, path, solvers=None):
    """All solvers on one data set with one penalty; a set that cannot be loaded is left out with a message."""
    try:
        run_benchmark(
            SUITE,
            solver_names=list(solvers or []),
            dataset_names=[name],
            objective_filters=[f"*[alpha={alpha!r}]"],
            max_runs=10**6,
            plot_result=False,
            show_progress=False,
            no_cache=True,
            output_file=str(path),
        )
    except Exception as error:
        print(f"{name}, alpha {alpha:g}: left out, {error}", file=sys.stderr)


def collect():
    """One tidy table of what there was and all files; replaced at once, as another process may do the same."""
    paths = sorted(OUTPUTS.glob("*.parquet"))
    if not paths:
        raise SystemExit("nothing has been run yet")
    target = common.RESULTS / "training.csv.gz"
    table = pd.concat([_dated(path) for path in paths])
    if target.exists():
        table = replaced(pd.read_csv(target), table)
    common.RESULTS.mkdir(exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    table.to_csv(
        partial, index=False, float_format="%.7g", compression={"method": "gzip", "mtime": 0}
    )
    partial.replace(target)
    common.circumstances("training", benchopt=version("benchopt"), **_versions_of_peers())


def read(path):
    """The tidy table of a file of benchopt's."""
    return tidy(pd.read_parquet(path))


def _dated(path):
    return read(path).assign(date=str(date.fromtimestamp(path.stat().st_mtime)))


def _versions_of_peers():
    """Of those in environments of their own; of CRONOS, which is no package, the commit."""
    versions = {}
    for package, variable in {
        "pyscnn": "PYSCNN_PYTHON",
        "adelie": "ADELIE_PYTHON",
        "jax": "CRONOS_PYTHON",
    }.items():
        code = f"from importlib.metadata import version; print(version({package!r}))"
        versions[package] = _answer_of(os.environ.get(variable), "-c", code)
    versions["CRONOS"] = _answer_of(
        "git", "-C", os.environ.get("CRONOS_FOLDER"), "rev-parse", "HEAD"
    )
    return versions


def _answer_of(*command):
    if None in command:
        return "not installed"
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def tidy(results):
    """Rows of benchopt as data, alpha, solver, parameters, ...; of a curve those where the loss has dropped."""
    parameters = [c for c in results if c.startswith("p_solver_") and c != "p_solver_kind"]
    base = results["solver_name"].str.split("[").str[0].replace(PACKAGES)
    table = pd.DataFrame(
        {
            "data": results["dataset_name"],
            "alpha": results["p_obj_alpha"],
            "solver": base + " " + results["p_solver_kind"],
            "parameters": [_settings(row) for _, row in results[parameters].iterrows()],
            "seconds": results["time"],
            "objective": results["objective_value"],
            "lower_bound": results["objective_lower_bound"],
            "is_proof": results["objective_is_proof"],
            "searched_bound": results["objective_searched_bound"],
            "setup_seconds": results["objective_setup_seconds"],
            "width": results["objective_width"],
        }
    )
    runs = table.groupby(["solver", "parameters"], sort=False)
    return pd.concat([_thinned(run) for _, run in runs])


def _settings(row):
    names = [name.removeprefix("p_solver_") for name in row.index]
    shown = [value if isinstance(value, str) else f"{value:g}" for value in row]
    pairs = zip(names, shown, row, strict=True)
    return " ".join(f"{name}={text}" for name, text, value in pairs if pd.notna(value))


def _thinned(run):
    """First and last row, every row with a bound, and those well below the lowest kept so far."""
    kept, lowest = [], float("inf")
    for position, (value, bound) in enumerate(
        zip(run["objective"], run["lower_bound"], strict=True)
    ):
        ends = position in (0, len(run) - 1)
        if ends or pd.notna(bound) or value < lowest * (1 - KEPT_DROP):
            kept.append(position)
            lowest = min(lowest, value)
    return run.iloc[kept]


if __name__ == "__main__":
    main()
