"""Ranges over a box: branch and bound with proved bounds, mixed-integer programs, and all cells one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import quick_asked, report
from benchmarks.reach.reference import largest_output
from convexrelu import TwoLayerNetwork
from convexrelu.reach import lipschitz_constant, output_range, reachable_set

LIMIT = 200.0  # seconds, of the wall clock
MOST_CELLS = 1000
SIZES = ((2, 10), (2, 40), (3, 20), (5, 20), (10, 30), (10, 50))
CONSTANTS = ((5, 20), (10, 40), (20, 100))


def main() -> None:
    """Processor seconds for least and greatest output of random networks, and for their Lipschitz constants."""
    quick = quick_asked(main.__doc__)
    sizes, seeds = (SIZES[:1], 1) if quick else (SIZES, 3)
    rows = [_row(d, m, seed) for d, m in sizes for seed in range(seeds)]
    report("reach_range", rows, write=not quick)
    sizes, limit = (CONSTANTS[:1], 2.0) if quick else (CONSTANTS, 50.0)
    rows = [_constant(d, m, norm, limit) for d, m in sizes for norm in (1, 2, np.inf)]
    report("reach_lipschitz", rows, write=not quick)


def network_of(d: int, m: int, seed: int) -> TwoLayerNetwork:
    """Normal weights."""
    rng = np.random.default_rng(seed)
    W, p, a = rng.standard_normal((m, d)), rng.standard_normal(m), rng.standard_normal((1, m))
    return TwoLayerNetwork(W, p, a, rng.standard_normal(1))


def _row(d: int, m: int, seed: int) -> dict[str, Any]:
    network = network_of(d, m, seed)
    ones = np.ones(d)
    W, p, a, c = (
        network.hidden_weights,
        network.hidden_bias,
        network.output_weights[0],
        network.output_bias[0],
    )

    def programs(lean: bool) -> tuple[float, float]:
        limits = {"lean": lean, "time_limit": LIMIT}
        most, _ = largest_output(W, p, a, c, -ones, ones, **limits)
        least, _ = largest_output(W, p, -a, -c, -ones, ones, **limits)
        return -least, most

    def cells() -> int | None:
        try:
            return len(reachable_set(network, (-ones, ones), max_pieces=MOST_CELLS))
        except ValueError:
            return None

    own, answer = _seconds(lambda: output_range(network, -ones, ones, time_limit=LIMIT))
    lean, (least, most) = _seconds(lambda: programs(True))
    full, _ = _seconds(lambda: programs(False))
    by_cells, n_cells = _seconds(cells)
    difference = max(abs(answer.least[0] - least), abs(answer.greatest[0] - most))
    return {
        "d": d,
        "m": m,
        "seed": seed,
        "reach: seconds": f"{own:.2f}",
        "reach: proved": answer.is_exact,
        "linear programs": answer.n_programs,
        "HiGHS, lean: seconds": f"{lean:.2f}",
        "HiGHS: seconds": f"{full:.2f}",
        "cells: seconds": f"{by_cells:.2f}" if n_cells else "-",
        "cells": n_cells or f"> {MOST_CELLS}",
        "difference": f"{difference / max(1.0, abs(most)):.0e}",
    }


def _constant(d: int, m: int, norm: float, limit: float) -> dict[str, Any]:
    network = network_of(d, m, 0)
    seconds, answer = _seconds(lambda: lipschitz_constant(network, norm, time_limit=limit))
    return {
        "d": d,
        "m": m,
        "norm": norm,
        "seconds": f"{seconds:.1f}",
        "lower": answer.lower,
        "upper": answer.upper,
        "gap": f"{answer.upper / answer.lower - 1:.1e}",
    }


def _seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds, as the machine may be shared."""
    started = time.process_time()
    value = call()
    return time.process_time() - started, value


if __name__ == "__main__":
    main()
