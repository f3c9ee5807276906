"""Designs and dual points that tests of several oracles share."""

import numpy as np

from tests import reference

RNG = np.random.default_rng(0)

GAUSSIAN = RNG.standard_normal((8, 3))
DESIGNS = {
    "plane": GAUSSIAN[:, :2],
    "with bias": reference.augment(GAUSSIAN[:, :2], True),
    "rank three": GAUSSIAN,
    "rank four": reference.augment(GAUSSIAN[:7], True),
    "one dimension": GAUSSIAN[:, :1],
    "grid": reference.augment(np.array([[i, j] for i in range(3) for j in range(3)]), True),
    "duplicates and zeros": np.vstack([GAUSSIAN[:4], -GAUSSIAN[:2], np.zeros((1, 3))]),
    "rank deficient": GAUSSIAN[:, [0, 1, 0]],
    "wide": RNG.standard_normal((3, 5)),
    "badly scaled": GAUSSIAN * [1e-3, 1.0, 1e3],
    "all zero": np.zeros((3, 2)),
}


def dual_points(n):
    rng = np.random.default_rng(1)
    yield from rng.standard_normal((4, n))
    yield np.abs(rng.standard_normal(n))
    yield np.where(np.arange(n) == 0, 1.0, 0.0)
    yield 1e-6 * rng.standard_normal(n)
    yield 1e6 * rng.standard_normal(n)
    yield np.zeros(n)
