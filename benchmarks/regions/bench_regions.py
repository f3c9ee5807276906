"""Exact numbers of linear regions: how long they take, and whether linear programs find the same ones."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.common import median_seconds, quick_asked, report
from convexrelu.regions import (
    ball_region_bound,
    count_regions,
    count_regions_in_ball,
    count_regions_in_box,
    region_bound,
    sample_regions_in_ball,
)
from tests.regions.brute_force import cells, distance, network, random_neurons

RADIUS = 1.0


def main() -> None:
    """Sizes up to sixty thousand regions, and two hundred networks, many of them degenerate."""
    quick = quick_asked(main.__doc__)
    times(quick)
    agreement(5 if quick else 200, quick)


def times(quick: bool) -> None:
    """Gaussian networks: everywhere, with and without a tolerance, in a ball and in a box."""
    rows = []
    for d, m in [(2, 20)] if quick else [(2, 100), (3, 60), (4, 30), (6, 20)]:
        rng = np.random.default_rng(0)
        net = network(rng.standard_normal((m, d)), rng.standard_normal(m))
        seconds, regions = median_seconds(lambda net=net: count_regions(net), 3)
        exact, _ = median_seconds(lambda net=net: count_regions(net, tol=0), 3)
        ball, in_ball = median_seconds(
            lambda net=net, d=d: count_regions_in_ball(net, np.zeros(d), RADIUS), 3
        )
        box, in_box = median_seconds(
            lambda net=net, d=d: count_regions_in_box(net, -np.ones(d), np.ones(d)), 3
        )
        assert regions == region_bound([d, m])
        rows.append(
            {
                "d": d,
                "m": m,
                "regions": regions,
                "seconds": f"{seconds:.3f}",
                "without tolerance (s)": f"{exact:.3f}",
                "in ball": in_ball,
                "ball (s)": f"{ball:.3f}",
                "bound in ball": ball_region_bound(net, np.zeros(d), RADIUS),
                "sampled in ball": sample_regions_in_ball(net, np.zeros(d), RADIUS, random_state=0),
                "in box": in_box,
                "box (s)": f"{box:.3f}",
            }
        )
    report("regions", rows, write=not quick)


def agreement(n_networks: int, quick: bool) -> None:
    """The numbers of recursions and of linear programs, everywhere, in a ball and in a box."""
    rng = np.random.default_rng(0)
    same = {"everywhere": 0, "ball": 0, "box": 0}
    started = time.perf_counter()
    for _ in range(n_networks):
        weights, bias = random_neurons(rng)
        net, d = network(weights, bias), weights.shape[1]
        found = cells(weights, bias)
        same["everywhere"] += count_regions(net) == len(found)
        radius = rng.uniform(0.2, 2.0)
        inside = sum(distance(signs, weights, bias) < radius for signs in found)
        same["ball"] += count_regions_in_ball(net, np.zeros(d), radius) == inside
        lower = rng.standard_normal(d) - 1
        upper = lower + rng.uniform(0.5, 4, d)
        in_box = len(cells(weights, bias, lower, upper))
        same["box"] += count_regions_in_box(net, lower, upper) == in_box
    seconds = time.perf_counter() - started
    rows = [
        {"where": where, "networks": n_networks, "same": count, "seconds of all": f"{seconds:.1f}"}
        for where, count in same.items()
    ]
    report("regions_agreement", rows, write=not quick)


if __name__ == "__main__":
    main()
