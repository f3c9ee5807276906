"""Searching for the most violated constraint: starts, step sizes, polish, and enumeration as the truth."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product
from unittest import mock

import numpy as np
from sklearn.datasets import load_diabetes

from benchmarks.common import quick_asked, report, teacher
from convexrelu import TrainingProblem, train
from convexrelu.oracles import CellOracle, SearchOracle
from convexrelu.oracles.search import starts
from convexrelu.oracles.search.starts import random_starts


def main() -> None:
    """At dual points along training runs: how often each search finds the true maximum.

    The dual points of accurate networks are the hard ones: many directions are within a hair of alpha.
    """
    quick = quick_asked(main.__doc__)
    points = _dual_points(20, 2, 1) if quick else _dual_points(40, 3, 8)
    starts = (128,) if quick else (128, 1024)
    rows = []
    for n_starts, first_step, share in product(starts, (1.0, 0.3, 0.1, 0.05), (1.0, 0.05)):
        ratios, seconds = [], []
        for design, v, maximum in points:
            oracle = SearchOracle(
                design,
                n_starts=n_starts,
                first_step=first_step,
                n_polish=max(1, int(share * n_starts)),
                random_state=0,
            )
            started = time.perf_counter()
            ratios.append(oracle(v).bound / maximum)
            seconds.append(time.perf_counter() - started)
        rows.append(
            {
                "starts": n_starts,
                "first step": first_step,
                "polished": f"{share:.0%}",
                "maximum found": f"{np.mean(np.array(ratios) > 1 - 1e-9):.0%}",
                "worst shortfall": f"{max(0.0, 1 - min(ratios)):.1e}",
                "milliseconds": f"{1e3 * np.median(seconds):.1f}",
            }
        )
    report("oracle", rows, write=not quick)
    report("oracle_starts", list(_starts(quick)), write=not quick)


def _starts(quick: bool) -> Iterator[dict[str, str]]:
    """Uniform starts beside those with a sample on the boundary, at networks with a gap of about a tenth."""
    n_points, seeds = (1, range(2)) if quick else (8, range(6))
    for name, data in {
        "teacher": _teacher,
        "long tails": _long_tails,
        "diabetes": _diabetes,
    }.items():
        points = [_dual_point(*data(seed), seed) for seed in range(n_points)]
        found = {
            moved: np.array([[_found(*point, moved, seed) for seed in seeds] for point in points])
            for moved in (False, True)
        }
        best = np.maximum(*(values.max(axis=1) for values in found.values()))
        for moved, values in found.items():
            shortfall = 1 - values / best[:, None]
            yield {
                "data": name,
                "starts": "at a sample" if moved else "uniform",
                "the best found": f"{np.mean(shortfall < 1e-9):.0%}",
                "mean shortfall": f"{shortfall.mean():.1e}",
                "worst shortfall": f"{shortfall.max():.1e}",
            }


def _found(design: np.ndarray, v: np.ndarray, moved: bool, seed: int) -> float:
    def uniform(design: np.ndarray, n_starts: int, random: np.random.RandomState) -> np.ndarray:
        return random.standard_normal((n_starts, design.shape[1]))

    with mock.patch.object(starts, "random_starts", random_starts if moved else uniform):
        return SearchOracle(design, n_starts=256, first_step=0.1, random_state=seed)(v).bound


def _dual_point(X: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    problem = TrainingProblem(X, y, 1e-3)
    network = train(problem, tol=0.1, random_state=seed).network
    return problem.design, problem.dual_point(network.predict(X))


def _teacher(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return teacher(200, 8, 5, 0.1, seed)[:2]


def _long_tails(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((8, 8)) * np.geomspace(1, 0.03, 8)
    X = rng.standard_t(3, (200, 8)) @ mixing
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = np.sin(2 * X[:, 0]) + np.abs(X[:, 1]) + 0.1 * rng.standard_normal(200)
    return X, y / y.std()


def _diabetes(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A random half."""
    X, y = load_diabetes(return_X_y=True)
    half = np.random.default_rng(seed).permutation(len(y))[: len(y) // 2]
    X, y = X[half], y[half]
    return (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()


def _dual_points(n: int, d: int, n_seeds: int) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Design, dual point and true maximum, for networks trained to several tolerances."""
    points = []
    for seed in range(n_seeds):
        X, y, _ = teacher(n, d, 5, 0.1, seed)
        problem = TrainingProblem(X, y, 1e-3)
        cells = CellOracle(problem.design)
        for tol in (0.3, 1e-1, 1e-2, 1e-3):
            network = train(problem, tol=tol, oracle="search", random_state=seed).network
            v = problem.dual_point(network.predict(X))
            points.append((problem.design, v, cells(v).bound))
    return points


if __name__ == "__main__":
    main()
