"""Planted networks: recovery from moments and samples, as a start of training, and by the convex fit alone."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from benchmarks.common import quick_asked, report
from convexrelu import Result, TrainingProblem, TwoLayerNetwork, train
from convexrelu.baselines.planted import (
    neuron_error,
    planted_network,
    population_moments,
    recover_network,
    sample_moments,
)

ALPHA = 1e-4
N_TEST = 5000
RECOVERED = 1e-2  # relative test error below which a fit counts as the teacher


def main() -> None:
    """Three tables; widths up to the number of features, without noise."""
    quick = quick_asked(main.__doc__)
    warnings.simplefilter("ignore")
    recovery(quick)
    starts(quick)
    phases(quick)


def recovery(quick: bool) -> None:
    """Largest error of a neuron: exact moments in the first row, then more and more samples."""
    d, m, teachers = 6, 4, range(2 if quick else 20)
    rows = []
    for n in (None, 1000) if quick else (None, 10**3, 10**4, 10**5, 10**6):
        errors, tests = [], []
        for seed in teachers:
            teacher = planted_network(d, m, random_state=seed)
            if n is None:
                moments = population_moments(teacher)
            else:
                X = np.random.default_rng(seed).standard_normal((n, d))
                moments = sample_moments(X, teacher.predict(X), m)
            recovered = recover_network(moments, m, random_state=0)
            errors.append(neuron_error(recovered, teacher))
            tests.append(test_error(recovered, teacher))
        rows.append(
            {
                "samples": "exact moments" if n is None else n,
                "d": d,
                "m": m,
                "teachers": len(teachers),
                "median error of neurons": f"{median(errors):.2g}",
                "largest": f"{max(errors):.2g}",
                "median test error": f"{median(tests):.2g}",
            }
        )
    report("planted_recovery", rows, write=not quick)


def starts(quick: bool) -> None:
    """Training from the recovered network, from descent, and from no pattern: median over teachers."""
    d, m, n = 6, 4, 120 if quick else 300
    rows = []
    for name in ("tensors", "descent", "none"):
        results, seconds = [], []
        for seed in range(1 if quick else 5):
            X, y, _ = problem_of(d, m, n, seed)
            began = time.process_time()
            start = {"descent": "descent", "none": None}.get(name, "")
            if start == "":
                start = recover_network(sample_moments(X, y, m), m, random_state=0)
            results.append(fit(X, y, 1e-3, start, max_iter=2 if quick else 30))
            seconds.append(time.process_time() - began)
        rows.append(
            {
                "start": name,
                "d": d,
                "m": m,
                "n": n,
                "programs": median(result.n_iter for result in results),
                "processor seconds": f"{median(seconds):.2f}",
                "median objective": f"{median(r.certificate.objective for r in results):.6g}",
                "largest gap": f"{max(r.certificate.relative_gap for r in results):.2g}",
                "proved": sum(result.certificate.is_proof for result in results),
            }
        )
    report("planted_starts", rows, write=not quick)


def phases(quick: bool) -> None:
    """When the convex fit is the teacher: test error, and how far the teacher is above the optimum."""
    d, seeds = 5, range(1 if quick else 5)
    rows = []
    for m in (1, 3) if quick else (1, 2, 3, 4, 5):
        for ratio in (2, 4) if quick else (2, 3, 4, 6, 8, 12, 16, 24):
            tests, excesses, widths, gaps, proofs = [], [], [], [], 0
            for seed in seeds:
                X, y, teacher = problem_of(d, m, ratio * d, seed)
                result = fit(X, y, ALPHA, "descent")
                bound = result.certificate.proved_lower_bound
                above = TrainingProblem(X, y, alpha=ALPHA).objective(teacher.balance())
                tests.append(test_error(result.network, teacher))
                excesses.append(above / bound - 1)
                widths.append(result.network.width)
                gaps.append(result.certificate.relative_gap)
                proofs += result.certificate.is_proof
            rows.append(row_of(d, m, ratio, tests, excesses, widths, gaps, proofs))
    report("planted_phases", rows, write=not quick)


def row_of(
    d: int,
    m: int,
    ratio: int,
    tests: Sequence[float],
    excesses: Sequence[float],
    widths: Sequence[int],
    gaps: Sequence[float],
    proofs: int,
) -> dict[str, Any]:
    return {
        "d": d,
        "m": m,
        "n/d": ratio,
        "teachers": len(tests),
        "recovered": sum(error < RECOVERED for error in tests),
        "median test error": f"{median(tests):.2g}",
        "teacher above bound, median": f"{median(excesses):.2g}",
        "median width": median(widths),
        "largest gap": f"{max(gaps):.2g}",
        "proved": proofs,
    }


def problem_of(d: int, m: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, TwoLayerNetwork]:
    teacher = planted_network(d, m, random_state=100 * m + seed)
    X = np.random.default_rng(seed).standard_normal((n, d))
    return X, teacher.predict(X), teacher


def fit(
    X: np.ndarray,
    y: np.ndarray,
    alpha: float,
    start: TwoLayerNetwork | str | None,
    max_iter: int = 30,
) -> Result:
    problem = TrainingProblem(X, y, alpha=alpha)
    return train(problem, start=start, max_iter=max_iter, random_state=0)


def test_error(network: TwoLayerNetwork, teacher: TwoLayerNetwork) -> float:
    """Mean squared error over the variance of the teacher."""
    Z = np.random.default_rng(12345).standard_normal((N_TEST, teacher.n_features))
    wanted = teacher.predict(Z)
    return float(np.mean((network.predict(Z) - wanted) ** 2) / wanted.var())


if __name__ == "__main__":
    main()
