"""Rank 4: branch and bound against a sweep along the kinks of all samples."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.common import quick_asked, report, teacher
from convexrelu import TrainingProblem, train
from convexrelu.oracles import BranchAndBoundOracle, SearchOracle, SweepOracle

_SWEPT = 3  # of the kinks


def main() -> None:
    """CPU seconds of a proof for one dual point of rank 4, and the least that a sweep would take.

    A sweep has to price, for each sample, the rank 3 problem of the other samples on the hyperplane of its kink. Only
    this part is measured, at some samples, and multiplied: cells beside the hyperplane would have to be entered, too.
    """
    quick = quick_asked(main.__doc__)
    rows = [
        _compared(n, strength)
        for n in ((30,) if quick else (100, 300, 1000))
        for strength in (5.0, 0.5)
    ]
    report("rank_four", rows, write=not quick)


def _compared(n: int, strength: float) -> dict[str, object]:
    X, y, _ = teacher(n, 3, 5, 0.1, 0)
    problem = TrainingProblem(X, y, strength / n).condensed()
    network = train(problem, tol=1e-3, oracle="search", random_state=0).network
    design, v = problem.design, problem.dual_point(network.predict(problem.X))
    search = SearchOracle(design, random_state=0)
    found = search(v).bound
    row: dict[str, object] = {"samples": n, "alpha": f"{strength / n:g}"}
    for rtol in (1e-3, 1e-6):
        oracle = BranchAndBoundOracle(design, search=search, rtol=rtol)
        both, alone = _seconds(oracle, v), _seconds(search, v)
        row[f"branch and bound to {rtol:g}"] = f"{max(both - alone, 0.0):.2f}"
        assert oracle(v).bound >= found
    part = sum(_seconds(SweepOracle(_on_kink(design, i)), v) for i in range(_SWEPT)) / _SWEPT
    row["sweep, at least"] = f"{n * part:.1f}"
    return row


def _on_kink(design: np.ndarray, i: int) -> np.ndarray:
    """The rows in coordinates of the hyperplane of sample ``i``."""
    return design @ np.linalg.svd(design[i : i + 1])[2][1:].T


def _seconds(oracle: object, v: np.ndarray) -> float:
    began = time.process_time()
    oracle(v)  # type: ignore[operator]
    return time.process_time() - began


if __name__ == "__main__":
    main()
