"""The bound that `certify` has for networks trained by Adam, beside that of training from scratch."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from benchmarks.common import quick_asked, report
from convexrelu import TrainingProblem, certify, train
from convexrelu.demo import train_by_gradients
from convexrelu.networks.two_layer import TwoLayerNetwork

SIZES = [(60, 2), (100, 4), (120, 8), (200, 10), (300, 20)]
ALPHAS, WIDTHS = (0.05, 0.005), (10, 100)


def main() -> None:
    """Twenty networks, of four for each size of teacher data."""
    quick = quick_asked(main.__doc__ or "")
    cases = list(product(SIZES, ALPHAS, WIDTHS))[: 1 if quick else None]
    rows = [
        _row(n, d, alpha, width, seed, 100 if quick else 1500)
        for seed, ((n, d), alpha, width) in enumerate(cases)
    ]
    report("certify_adam", rows, write=not quick)


def _row(n: int, d: int, alpha: float, width: int, seed: int, steps: int) -> dict[str, object]:
    X, y = _teacher(n, d, seed)
    run = train_by_gradients(
        X, y, alpha, optimiser="Adam", rate=0.01, width=width, steps=steps, seed=seed
    )
    problem = TrainingProblem(X, y, alpha)
    scratch, of_scratch = _timed(lambda: train(problem, random_state=seed + 100).certificate)
    row: dict[str, object] = {"n": n, "d": d, "alpha": alpha, "width": width}
    for bound in ("residual", "trained"):
        found, seconds = _timed(_certifying(run.network, X, y, alpha, bound))
        row |= {
            f"{bound} gap": f"{found.relative_gap:.1e}",
            f"{bound} below scratch": f"{1 - found.lower_bound / scratch.lower_bound:.1e}",
            f"{bound} seconds": f"{seconds:.1f}",
        }
    kind = "proved" if scratch.is_proof else "estimated"
    return row | {"bound of scratch": kind, "scratch seconds": f"{of_scratch:.1f}"}


def _certifying(
    network: TwoLayerNetwork, X: np.ndarray, y: np.ndarray, alpha: float, bound: str
) -> Callable[[], Any]:
    return lambda: certify(network, X, y, alpha=alpha, bound=bound, random_state=0)


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What is returned, and the processor time."""
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = call()
    return value, time.process_time() - started


def _teacher(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three neurons, noise of a fifth of the deviation, standardised targets."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((n, d))
    y = np.maximum(X @ random.standard_normal((d, 3)), 0.0) @ random.standard_normal(3)
    y += 0.2 * y.std() * random.standard_normal(n)
    return X, (y - y.mean()) / y.std()


if __name__ == "__main__":
    main()
