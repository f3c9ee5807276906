"""Default threads against one: the same fits in two processes that take turns, at rest and beside a busy loop.

``default`` is what a person has who has set nothing; ``one`` has one thread by environment variables. Thread pools that
wait for each other show as a ratio above one. In the columns ``busy`` one processor runs an endless loop.

The second table has the step that a search makes most often, on one torch thread and on two: what the policy of
``convexrelu._utils.threads`` goes by.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from statistics import median

import numpy as np
import torch
from sklearn.datasets import load_digits

from benchmarks.common import median_seconds, quick_asked, report, teacher, with_threads
from convexrelu import TrainingProblem, train
from convexrelu.oracles.search.ascents import ascend

REPEATS = 5


def regression(n: int, d: int, alpha: float, **options: object) -> Callable[[], object]:
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    problem = TrainingProblem(X, y, alpha)
    return lambda: train(problem, random_state=0, **options)


def of_loss(loss: str, n: int, d: int, alpha: float, **options: object) -> Callable[[], object]:
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    y = np.where(y > np.median(y), 1.0, -1.0) if loss in ("logistic", "squared_hinge") else y
    problem = TrainingProblem(X, y, alpha, loss=loss)
    return lambda: train(problem, random_state=0, **options)


def ten_classes(n: int, d: int, alpha: float, **options: object) -> Callable[[], object]:
    X, y, _ = teacher(n, d, 5, 0.1, 0, n_outputs=10)
    problem = TrainingProblem(X, y.argmax(axis=1).astype(float), alpha, loss="multinomial")
    return lambda: train(problem, random_state=0, **options)


def digits(n: int, alpha: float, **options: object) -> Callable[[], object]:
    X, y = load_digits(return_X_y=True)
    problem = TrainingProblem(X[:n] / 16, y[:n].astype(float), alpha, loss="multinomial")
    return lambda: train(problem, random_state=0, **options)


# Rounds are limited where a fit would take long; a limit on time would hide what is measured.
FITS: dict[str, Callable[[], Callable[[], object]]] = {
    "60 x 2": lambda: regression(60, 2, 0.01),
    "300 x 1": lambda: regression(300, 1, 0.001),
    "300 x 8": lambda: regression(300, 8, 0.01, tol=0.01, oracle="search"),
    "466 x 12": lambda: regression(466, 12, 0.003, max_iter=1, oracle="search"),
    "300 x 8, sampled patterns": lambda: regression(300, 8, 0.01, patterns="sampled"),
    "400 x 5, quantile loss": lambda: of_loss(
        "quantile", 400, 5, 0.01, max_iter=1, oracle="search"
    ),
    "1000 x 5, logistic loss": lambda: of_loss(
        "logistic", 1000, 5, 0.003, max_iter=1, oracle="quick"
    ),
    "1000 x 10, ten classes": lambda: ten_classes(1000, 10, 0.003, max_iter=1),
    "digits 600 x 64, ten classes": lambda: digits(600, 0.003, max_iter=1),
    "2000 x 20": lambda: regression(2000, 20, 0.01, max_iter=1, oracle="quick"),
    "5000 x 10": lambda: regression(5000, 10, 0.01, max_iter=1, oracle="quick"),
    "20000 x 20": lambda: regression(20_000, 20, 0.1, tol=0.5, oracle="quick"),
}


def main() -> None:
    """Twelve fits of sizes from 60 x 2 to 20,000 x 20, medians of five."""
    if len(sys.argv) == 3 and sys.argv[1] == "--serve":
        return serve(sys.argv[2])
    quick = quick_asked(main.__doc__)
    names = list(FITS)[:2] if quick else list(FITS)
    report("threads", [_row(name, 1 if quick else REPEATS) for name in names], write=not quick)
    sizes = (1_000,) if quick else (1_000, 5_000, 20_000, 100_000)
    report("threads_of_torch", [_ascents(n) for n in sizes], write=not quick)
    return None


def serve(name: str) -> None:
    """Fit once for every line of the standard input, and print the seconds."""
    fit = FITS[name]()
    fit()  # imports, and threads that are made once
    print(flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        fit()
        print(time.perf_counter() - started, flush=True)


def _ascents(n: int) -> dict[str, object]:
    """Five steps of 64 ascents on all samples, in float64."""
    X, y, _ = teacher(n, 20, 5, 0.1, 0)
    design, v = torch.as_tensor(X), torch.as_tensor(y - y.mean())
    starts = torch.as_tensor(np.random.default_rng(0).standard_normal((64, 20)))
    signs = torch.ones(64, dtype=torch.float64)
    row: dict[str, object] = {"n": n, "entries": 64 * n}
    for load, context in (("rest", nullcontext), ("busy", _busy_loop)):
        with context():
            seconds = {
                k: _on_threads(k, lambda: ascend(design, v, signs, starts, [0.1] * 5))
                for k in (1, 2)
            }
        row |= {
            f"one ms, {load}": f"{1e3 * seconds[1]:.3g}",
            f"two ms, {load}": f"{1e3 * seconds[2]:.3g}",
        }
        row[f"ratio, {load}"] = f"{seconds[2] / seconds[1]:.2f}"
    return row


def _on_threads(n_threads: int, call: Callable[[], object]) -> float:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    call()
    seconds, _ = median_seconds(call, 9)
    torch.set_num_threads(before)
    return seconds


def _row(name: str, repeats: int) -> dict[str, object]:
    with _server(name, "default") as default, _server(name, "1") as one:
        rest = _medians(default, one, repeats)
        with _busy_loop():
            busy = _medians(default, one, repeats)
    row = {"fit": name}
    for load, (with_default, with_one) in {"rest": rest, "busy": busy}.items():
        row |= {
            f"default s, {load}": f"{with_default:.3g}",
            f"one s, {load}": f"{with_one:.3g}",
            f"ratio, {load}": f"{with_default / with_one:.2f}",
        }
    return row


def _medians(
    default: subprocess.Popen[str], one: subprocess.Popen[str], repeats: int
) -> tuple[float, float]:
    """Both take turns, so that what else the machine does meets both."""
    times = [(_seconds(default), _seconds(one)) for _ in range(repeats)]
    return median(first for first, _ in times), median(second for _, second in times)


def _seconds(server: subprocess.Popen[str]) -> float:
    assert server.stdin is not None and server.stdout is not None
    print(file=server.stdin, flush=True)
    return float(server.stdout.readline())


@contextmanager
def _server(name: str, threads: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.end_to_end.bench_threads", "--serve", name]
    with subprocess.Popen(
        command,
        env=with_threads(threads),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()  # it is ready
        yield server
        server.communicate()


@contextmanager
def _busy_loop() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as loop:
        try:
            yield
        finally:
            loop.kill()


if __name__ == "__main__":
    main()
