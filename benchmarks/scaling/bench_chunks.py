"""Training in chunks: beside cutting planes, by one, two and four processes, and on rows that stay on disk."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import report, teacher
from convexrelu import ChunkedProblem, Result, TrainingProblem, train, train_in_chunks

ALPHA, FEATURES, NEURONS = 0.01, 20, 10
LOSSES = ("squared_error", "logistic", "multinomial")
# Samples, and alpha: both ways of training, to a gap of a hundredth.
COMPARED = [(10_000, 0.01)]
PROCESSES = (1, 2, 4)
MEMORY = 4 * 2**30  # bytes that training on rows from disk may allocate
PARTS = ("cutting_planes", "processes", "disk")


def main() -> None:
    """Tables chunks_cutting_planes, chunks_processes and chunks_disk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smallest sizes, nothing written")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--n", type=int, default=10**6, help="samples for processes")
    parser.add_argument("--n-on-disk", type=int, default=10**7)
    parser.add_argument("--here", nargs=3, help=argparse.SUPPRESS)  # rows on disk, as JSON
    asked = parser.parse_args()
    if asked.here:
        print(json.dumps(_on_disk(Path(asked.here[0]), int(asked.here[1]), float(asked.here[2]))))
        return
    warnings.simplefilter("ignore")  # limits are part of the question
    write = not asked.quick
    if "cutting_planes" in asked.parts:
        cases = [(600, 0.05)] if asked.quick else COMPARED
        losses = LOSSES[:1] if asked.quick else LOSSES
        rows = [_beside(*case, loss) for case in cases for loss in losses]
        report("chunks_cutting_planes", rows, write=write)
    if "processes" in asked.parts:
        n, sizes = (3000, (2,)) if asked.quick else (asked.n, PROCESSES)
        report("chunks_processes", [_by_processes(n, size) for size in sizes], write=write)
    if "disk" in asked.parts:
        n = 20_000 if asked.quick else asked.n_on_disk
        report("chunks_disk", [_in_little_memory(n)], write=write)


def data(n: int, loss: str = "squared_error") -> tuple[np.ndarray, np.ndarray]:
    """A teacher of ten neurons in twenty dimensions, and its targets as the loss takes them."""
    X, y, _ = teacher(n, FEATURES, NEURONS, 0.1, 0)
    if loss == "logistic":
        y = np.where(y > np.median(y), 1.0, -1.0)
    if loss == "multinomial":
        y = np.digitize(y, np.quantile(y, [0.33, 0.67])).astype(float)
    return X, y


def _beside(n: int, alpha: float, loss: str) -> dict[str, Any]:
    """CPU seconds of training in chunks and by cutting planes, on one thread."""
    X, y = data(n, loss)
    row: dict[str, Any] = {"n": n, "alpha": alpha, "loss": loss}
    ways: dict[str, Callable[[], Result]] = {
        "chunks": lambda: train_in_chunks(
            ChunkedProblem(X, y, alpha, loss=loss), tol=1e-2, random_state=0, time_limit=180
        ),
        "cutting planes": lambda: train(
            TrainingProblem(X, y, alpha, loss=loss),
            oracle="search",  # with which chunks are not chosen
            tol=1e-2,
            random_state=0,
            time_limit=180,
        ),
    }
    train(TrainingProblem(X[:300], y[:300], alpha, loss=loss), effort="predict")  # imports
    for way, run in ways.items():
        began = time.process_time()
        result = run()
        row[f"{way}, CPU s"] = time.process_time() - began
        row[f"{way}, objective"] = f"{result.certificate.objective:.6f}"
        row[f"{way}, gap"] = f"{result.certificate.relative_gap:.1e}"
        row[f"{way}, width"] = result.network.width
    return row


def _by_processes(n: int, size: int) -> dict[str, Any]:
    """Seconds of so many processes with one thread each, to a gap of two hundredths."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    addresses, outcomes = context.Queue(), context.Queue()
    tasks = [
        context.Process(target=_process, args=(rank, size, n, addresses, outcomes))
        for rank in range(size)
    ]
    for task in tasks:
        task.start()
    found = [outcomes.get() for _ in tasks]
    for task in tasks:
        task.join()
    if before is None:
        del os.environ["OMP_NUM_THREADS"]
    else:
        os.environ["OMP_NUM_THREADS"] = before
    assert len({(each["objective"], each["lower bound"]) for each in found}) == 1
    return {"n": n, "processes": size, **found[0]}


def _process(rank: int, size: int, n: int, addresses: Any, outcomes: Any) -> None:
    """One process, with its part of the rows."""
    from convexrelu.chunked.process_group import ProcessGroup

    def announce(address: tuple[str, int] | None) -> tuple[str, int]:
        if address is None:
            return addresses.get(timeout=60)
        for _ in range(size - 1):
            addresses.put(address)
        return address

    X, y = data(n)
    own = slice(n * rank // size, n * (rank + 1) // size)
    group = ProcessGroup.connected(rank, size, announce)
    group.gather_objects(rank)  # all have their rows
    began = time.perf_counter()
    problem = ChunkedProblem(X[own].astype(np.float32), y[own], ALPHA)
    result = train_in_chunks(problem, group=group, tol=2e-2, random_state=0)
    outcomes.put(
        {
            "seconds": time.perf_counter() - began,
            "objective": repr(result.certificate.objective),
            "lower bound": repr(result.certificate.lower_bound),
            "gap": f"{result.certificate.relative_gap:.1e}",
        }
    )


def _in_little_memory(n: int) -> dict[str, Any]:
    """Rows on disk, in a process that may not allocate more than `MEMORY`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        rows = np.lib.format.open_memmap(path, "w+", np.float32, (n, FEATURES))
        targets = np.empty(n)
        for start in range(0, n, 10**6):
            part = slice(start, min(start + 10**6, n))
            rows[part], targets[part] = _more(part.stop - start, start)
        rows.flush()
        np.save(Path(folder) / "targets.npy", targets)
        own = [sys.executable, "-m", "benchmarks.scaling.bench_chunks"]
        few = max(n // 10, 1)
        command = [*own, "--here", folder, str(few), str(MEMORY)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"n": n, **json.loads(done.stdout)}


def _more(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and targets of one teacher, the same for every seed."""
    fixed, random = np.random.RandomState(0), np.random.RandomState(1 + seed)
    inner = fixed.standard_normal((FEATURES, NEURONS)) / np.sqrt(FEATURES)
    outer = fixed.choice([-1.0, 1.0], NEURONS) / np.sqrt(NEURONS)
    X = random.standard_normal((n, FEATURES))
    return X, np.maximum(X @ inner, 0.0) @ outer + 0.1 * random.standard_normal(n)


def _on_disk(folder: Path, few: int, memory: float) -> dict[str, Any]:
    """Train on all rows, and on a tenth of them, whose network is evaluated on all and trained on from there."""
    resource.setrlimit(resource.RLIMIT_DATA, (int(memory), int(memory)))
    X = np.load(folder / "rows.npy", mmap_mode="r")
    y = np.load(folder / "targets.npy")
    problem = ChunkedProblem(X, y, ALPHA)
    began = time.perf_counter()
    result = train_in_chunks(problem, tol=5e-2, random_state=0)
    seconds = time.perf_counter() - began
    part = train_in_chunks(ChunkedProblem(X[:few], y[:few], ALPHA), tol=5e-2, random_state=0)
    again = train_in_chunks(problem, tol=5e-2, random_state=0, start=part.network)
    return {
        "seconds": seconds,
        "objective": f"{result.certificate.objective:.6f}",
        "gap": f"{result.certificate.relative_gap:.1e}",
        "on a tenth, seen on all": f"{again.history[0].objective:.6f}",
        "and continued": f"{again.certificate.objective:.6f}",
        "allowed GB": memory / 2**30,
        "peak GB": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f}",
    }


if __name__ == "__main__":
    main()
