"""One measurement of growth: the seconds of a few runs, and the peak memory of the first, in a fresh process.

* ``relu``, ``gated``: Newton steps to a gap of 1e-6 on the program of ``P`` random gates.
* ``training``: cutting planes to a gap of 1e-2, which is estimated by search; ``alpha = 0.01``.
* ``search``, ``cells``, ``branch and bound``: one call, with what the oracle prepares, at the dual point of a network
  that descent has trained; ``alpha = 0.01``. Branch and bound stops at one percent above the value found.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import teacher
from benchmarks.scaling.sizes import Size
from convexrelu import TrainingProblem, train
from convexrelu.oracles import BranchAndBoundOracle, CellOracle, SearchOracle
from convexrelu.programs.blocks import Blocks
from convexrelu.results.status import Status
from convexrelu.solvers.native.solver import NativeSolver
from convexrelu.solvers.nonconvex.descent import descend

SMALL = {"n": 50, "d": 2, "P": 5, "K": 1}
LIMIT = 60.0  # seconds of one run
LONG = 20.0  # a run of as many seconds is not repeated
ALPHA = 0.01

# A run says whether it came to its end.
Run = Callable[[], bool]


def measure(method: str, size: Size, device: str, repeats: int) -> list[dict[str, Any]]:
    """One row a run: seconds, megabytes beyond imports and data, and whether it came to its end."""
    prepare = METHODS[method]
    prepare({key: SMALL[key] for key in size}, device)()  # imports and thread pools
    run = prepare(size, device)
    before = peak_memory(device)
    rows: list[dict[str, Any]] = []
    while len(rows) < repeats and (not rows or rows[0]["seconds"] < LONG):
        started = time.perf_counter()
        finished = run()
        seconds = time.perf_counter() - started
        memory = rows[0]["MB"] if rows else peak_memory(device) - before
        rows.append(
            {"repeat": len(rows), "seconds": seconds, "MB": memory, "finished": int(finished)}
        )
    return rows


def peak_memory(device: str) -> float:
    """Megabytes of the process, or of what torch has taken on a GPU."""
    # On Linux a process begins with its parent's peak, here that of the same imports.
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    import torch

    return torch.cuda.max_memory_allocated(device) / 2**20


def _program(size: Size, device: str, *, cones: bool) -> Run:
    X, y, rng = teacher(size["n"], size["d"], 10, 0.1, 0, n_outputs=size["K"])
    problem = TrainingProblem(X, y, 5 / size["n"], fit_intercept=False)
    masks = (problem.design @ rng.standard_normal((size["d"] + 1, size["P"])) >= 0).T
    blocks = Blocks.both_signs(masks) if cones else Blocks(masks, np.ones(len(masks)))
    if size["K"] > 1:
        outer = rng.standard_normal((len(blocks), size["K"]))
        blocks = Blocks(blocks.masks, outer / np.linalg.norm(outer, axis=1, keepdims=True))

    def run() -> bool:
        program_solver = NativeSolver("newton", gap=1e-6, device=device)
        solve = program_solver.relu if cones else program_solver.gated
        return solve(problem, blocks, time_limit=LIMIT).status is Status.CONVERGED

    return run


def _relu(size: Size, device: str) -> Run:
    return _program(size, device, cones=True)


def _gated(size: Size, device: str) -> Run:
    return _program(size, device, cones=False)


def _training(size: Size, device: str) -> Run:
    X, y, _ = teacher(size["n"], size["d"], 10, 0.1, 0, n_outputs=size["K"])
    problem = TrainingProblem(X, y, ALPHA)

    def run() -> bool:
        result = train(
            problem, tol=1e-2, oracle="search", time_limit=LIMIT, device=device, random_state=0
        )
        return result.status is Status.CONVERGED

    return run


def _search(size: Size, device: str) -> Run:
    design, v = _dual_point(size)
    return lambda: SearchOracle(design, random_state=0, device=device)(v).finished


def _cells(size: Size, device: str) -> Run:
    design, v = _dual_point(size)
    return lambda: CellOracle(design)(v).is_proof


def _branch_and_bound(size: Size, device: str) -> Run:
    design, v = _dual_point(size)

    def run() -> bool:
        oracle = BranchAndBoundOracle(design, rtol=1e-2, random_state=0)
        report = oracle(v, deadline=time.perf_counter() + LIMIT)
        return bool(report.bound <= 1.011 * report.values[0])

    return run


def _dual_point(size: Size) -> tuple[np.ndarray, np.ndarray]:
    X, y, _ = teacher(size["n"], size["d"], 10, 0.1, 0)
    problem = TrainingProblem(X, y, ALPHA)
    network = descend(problem, np.random.RandomState(0))
    return problem.design, problem.dual_point(network.predict(X))


METHODS: dict[str, Callable[[Size, str], Run]] = {
    "relu": _relu,
    "gated": _gated,
    "training": _training,
    "search": _search,
    "cells": _cells,
    "branch and bound": _branch_and_bound,
}
