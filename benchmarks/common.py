"""What the benchmark scripts share: the command line, medians, result files."""

from __future__ import annotations

import argparse
import csv
import datetime
import fcntl
import gzip
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes
from threadpoolctl import threadpool_info

RESULTS = Path(__file__).parent / "results"
UCI = ("yacht", "energy", "concrete", "housing", "autompg", "airfoil")
SMALL_UCI = (*UCI, "machine", "servo", "stock", "wine")  # at most 1700 samples
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # variables that set them
PACKAGES = ("numpy", "scipy", "scikit-learn", "cvxpy", "clarabel", "ecos", "scs", "torch")


def quick_asked(description: str) -> bool:
    """Read the command line, which knows ``--quick`` only."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="smallest sizes, nothing written")
    return parser.parse_args().quick


def with_threads(threads: str) -> dict[str, str]:
    """The environment of a process with so many threads; ``"default"`` is what a person has who has set nothing."""
    bare = {name: value for name, value in os.environ.items() if name not in THREADS}
    return bare if threads == "default" else bare | dict.fromkeys(THREADS, threads)


def from_a_process(module: str, *arguments: object, threads: str) -> Any:
    """What a module prints as JSON, run with ``--here`` and these arguments in a process of its own."""
    command = [sys.executable, "-m", module, "--here", *map(str, arguments)]
    done = subprocess.run(
        command, env=with_threads(threads), stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def median_seconds(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Median wall time of `call`, and what it returned last."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        value = call()
        times.append(time.perf_counter() - started)
    return median(times), value


def report(name: str, rows: Sequence[dict[str, Any]], *, write: bool) -> None:
    """Print `rows` as a table; write them and the circumstances to the results folder."""
    columns = list(rows[0])
    lines = [columns, *([_shown(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(columns))]
    for line in lines:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    if write:
        write_table(name, rows)
        circumstances(name)


def write_table(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Replace the table `name` of the results folder."""
    lines = [list(rows[0]), *([_shown(value) for value in row.values()] for row in rows)]
    with open(RESULTS / f"{name}.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def circumstances(name: str, **more: Any) -> None:
    """Write date, versions and processor beside the table `name`, and what else is to be known."""
    content = {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": processor(),
        "cpu_count": os.cpu_count(),
        "threads": {name: os.environ.get(name, "unset") for name in THREADS},
        "blas": sorted(
            {f"{one['prefix']} {one['version']} {one['architecture']}" for one in _blas()}
        ),
        "packages": {package: _version(package) for package in PACKAGES},
        **more,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _blas() -> list[dict[str, Any]]:
    return [one for one in threadpool_info() if one["user_api"] == "blas"]


def recorded(name: str) -> list[dict[str, Any]]:
    """Rows of the table `name` so far, all values as strings."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def append(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows to the table `name`, to which several processes may write."""
    with open(RESULTS / f"{name}.csv", "a", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        if file.seek(0, os.SEEK_END) == 0:
            writer.writeheader()
        writer.writerows(rows)


def processor() -> str:
    """Model of the processor, where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def teacher(
    n: int, d: int, k: int, noise: float, seed: int, n_outputs: int = 1
) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Targets from a random network of `k` neurons; the generator goes on to draw gates."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    T = rng.standard_normal((d, k))
    b = rng.standard_normal(k if n_outputs == 1 else (k, n_outputs))
    y = np.maximum(X @ T, 0) @ b
    y /= y.std(axis=0)
    y += noise * rng.standard_normal(y.shape)
    return X, y, rng


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def real_names() -> tuple[str, ...]:
    """Data sets at hand: six of the UCI repository, or the one that comes with scikit-learn."""
    return UCI if "CONVEXRELU_UCI" in os.environ else ("diabetes",)


def real_data(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Training part of a regression set, standardised; of the UCI sets split 0."""
    if name == "diabetes":
        X, y = load_diabetes(return_X_y=True)
    else:
        X, y, is_test = uci(name)
        X, y = X[~is_test[:, 0]], y[~is_test[:, 0]]
    return standardised(X, y)


def standardised(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns that are not constant, and targets, with mean 0 and variance 1."""
    X = X[:, X.std(axis=0) > 0]
    return (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()


def uci(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, targets, and a column for each split that marks the samples to test on."""
    folder = Path(os.environ["CONVEXRELU_UCI"]) / name
    table = np.loadtxt(folder / "data.csv.gz", delimiter=",")
    is_test = np.loadtxt(folder / "test_mask.csv.gz", delimiter=",", ndmin=2) > 0
    return table[:, :-1], table[:, -1], is_test


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """The ten thousand test images, pixels between 0 and 1, and their digits."""
    folder = Path(os.environ["CONVEXRELU_MNIST"])
    images = _entries(folder / "t10k-images-idx3-ubyte.gz", header=16)
    return images.reshape(10_000, -1) / 255, _entries(
        folder / "t10k-labels-idx1-ubyte.gz", header=8
    )


def _entries(path: Path, header: int) -> np.ndarray:
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=header)
