"""Proofs by branch and bound on an accelerator, beside compiled code on all cores: a part of `benchmarks.scaling.gpu`.

Both prove that no neuron is above a level just above the best one that a search found. Seconds are those of the proof
alone, without search and first calls.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.common import teacher
from convexrelu import TrainingProblem, train
from convexrelu.oracles import BranchAndBoundOracle, OracleReport, SearchOracle
from convexrelu.oracles.bounds.compiled import CompiledBound
from convexrelu.oracles.bounds.corner_bound import CornerBound

# Samples, features (the rank is one more), alpha, and the level above the largest value found.
INSTANCES = [
    (500, 7, 0.01, 1e-3),
    (500, 8, 0.03, 1e-3),
    (1000, 7, 0.01, 1e-3),
    (1000, 8, 0.05, 1e-3),
    (2000, 5, 0.01, 1e-3),
    (2000, 6, 0.01, 1e-3),
]
SMALL = (60, 4, 0.03, 1e-2)
SECONDS = 30.0  # time limit of a proof


def branch_and_bound_rows(device: str, quick: bool) -> list[dict[str, Any]]:
    """One row per instance: boxes, seconds and verdicts here and on the device."""
    _compared(device, *SMALL)  # first calls load kernels
    return [_compared(device, *each) for each in ([SMALL] if quick else INSTANCES)]


def _compared(device: str, n: int, d: int, alpha: float, rtol: float) -> dict[str, Any]:
    X, y, _ = teacher(n, d, 5, 0.1, 11)
    problem = TrainingProblem(X, y, alpha).condensed()
    network = train(problem, tol=1e-3, oracle="search", random_state=0).network
    v = problem.dual_point(network.predict(problem.X))
    found = SearchOracle(problem.design, random_state=0)(v)
    level = (1 + rtol) * float(found.values.max())
    row: dict[str, Any] = {"samples": n, "rank": d + 1, "alpha": alpha, "cores": os.cpu_count()}
    for name, each in (("processor", "cpu"), ("device", device)):
        oracle = BranchAndBoundOracle(problem.design, search=_Found(found), device=each)
        with _boxes_counted() as counts:
            began = time.perf_counter()
            outcome = oracle(v, level=level, deadline=began + SECONDS)
            seconds = time.perf_counter() - began
        row[f"{name}: boxes"] = sum(counts)
        row[f"{name}: seconds"] = seconds
        # Rounding is added to the bound.
        row[f"{name}: proved"] = bool(outcome.bound <= level * (1 + 1e-6))
    return row


class _Found:
    """A search whose result is known."""

    def __init__(self, found: OracleReport) -> None:
        self._found = found

    def __call__(self, v: np.ndarray, *, level: float, deadline: float) -> OracleReport:
        return self._found


@contextmanager
def _boxes_counted() -> Iterator[list[int]]:
    counts: list[int] = []

    def counting(kind: Any) -> Any:
        explore = kind.explore

        def counted(self: Any, *args: Any) -> Any:
            explored = explore(self, *args)
            counts.append(explored.n_boxes)
            return explored

        return mock.patch.object(kind, "explore", counted)

    with counting(CompiledBound), counting(CornerBound):
        yield counts
