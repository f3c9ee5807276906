"""Searching for the most violated constraint: starts, step sizes, polish, and enumeration as the truth."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
from common import quick_asked, report, teacher

from convexrelu import TrainingProblem, train
from convexrelu.oracles import CellOracle, SearchOracle


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
