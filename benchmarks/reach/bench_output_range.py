"""Ranges over a box: branch and bound with proved bounds, mixed-integer programs, and all cells one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.common import quick_asked, report
from benchmarks.reach.reference import largest_output
from convexrelu import ConvexReLURegressor, TwoLayerNetwork
from convexrelu.reach import lipschitz_constant, output_range, reachable_set

LIMIT = 200.0  # seconds, of the wall clock
MOST_CELLS = 1000
SIZES = ((2, 10), (2, 40), (3, 20), (5, 20), (10, 30), (10, 50))
# Features, neurons (of a teacher for trained ones), and the limit in seconds; the last ones take long for the norm 2.
CONSTANTS = (
    *((d, m, "random", 60.0) for d, m in ((5, 20), (5, 40), (10, 40), (10, 50), (20, 60))),
    *((d, m, "trained", 60.0) for d, m in ((5, 10), (10, 10), (20, 10))),
    *((20, 100, "random", limit) for limit in (5.0, 60.0)),
)


def main() -> None:
    """Processor seconds for least and greatest output of random networks, and for their Lipschitz constants."""
    quick = quick_asked(main.__doc__)
    sizes, seeds = (SIZES[:1], 1) if quick else (SIZES, 3)
    rows = [_row(d, m, seed) for d, m in sizes for seed in range(seeds)]
    report("reach_range", rows, write=not quick)
    rows = [row for one in (CONSTANTS[:1] if quick else CONSTANTS) for row in _constants(*one)]
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


def trained(d: int, m: int) -> TwoLayerNetwork:
    """A fit to samples of a network with m neurons, with noise; it has more neurons than that."""
    rng = np.random.default_rng(d + m)
    teacher = network_of(d, m, 0)
    X = rng.standard_normal((200 + 20 * d, d))
    y = teacher.predict(X) + 0.1 * rng.standard_normal(len(X))
    return ConvexReLURegressor(alpha=1e-2, random_state=0).fit(X, y / y.std()).network_


def _constants(d: int, m: int, weights: str, limit: float) -> Iterator[dict[str, Any]]:
    network = trained(d, m) if weights == "trained" else network_of(d, m, 0)
    for norm in (1, 2, np.inf):
        seconds, answer = _seconds(
            lambda norm=norm: lipschitz_constant(network, norm, time_limit=limit)
        )
        yield {
            "weights": weights,
            "d": d,
            "m": network.width,
            "norm": norm,
            "limit": limit,
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
