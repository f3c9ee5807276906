"""What varies in the measurements of growth, and what stays.

Sizes are samples ``n``, features ``d`` (one less than the columns of the design, which has a bias), patterns ``P`` and
outputs ``K``.
"""

from __future__ import annotations

from dataclasses import dataclass

Size = dict[str, int]


@dataclass(frozen=True)
class Sweep:
    """One method at sizes of which one varies at a time."""

    part: str
    method: str
    base: Size
    values: dict[str, list[int]]
    has_device: bool = True  # whether it runs on a GPU as well

    def along(self, name: str) -> list[Size]:
        return [self.base | {name: value} for value in self.values[name]]

    def fixed(self, name: str) -> str:
        """The sizes that stay, in words."""
        return ", ".join(f"{key} = {size}" for key, size in self.base.items() if key != name)


PROGRAM = {"n": 1000, "d": 10, "P": 100}
PROGRAMS = {
    "n": [250, 500, 1000, 2000, 4000],
    "d": [5, 10, 20, 40],
    "P": [50, 100, 200, 400],
}
SWEEPS = (
    Sweep("programs", "relu", PROGRAM | {"K": 1}, PROGRAMS | {"K": [1, 2, 4, 8]}),
    Sweep("programs", "gated", PROGRAM | {"K": 1}, PROGRAMS),
    Sweep(
        "trainings",
        "training",
        {"n": 250, "d": 10, "K": 1},
        {"n": [125, 250, 500, 1000, 2000], "d": [5, 10, 20, 40], "K": [1, 2, 4, 8]},
    ),
    Sweep(
        "oracles",
        "search",
        {"n": 1600, "d": 10},
        {"n": [400, 800, 1600, 3200, 6400], "d": [5, 10, 20, 40]},
    ),
    Sweep("oracles", "cells", {"n": 400, "d": 1}, {"n": [200, 400, 800, 1600]}, False),
    Sweep("oracles", "cells", {"n": 50, "d": 2}, {"n": [25, 50, 100, 200]}, False),
    Sweep(
        "oracles",
        "branch and bound",
        {"n": 100, "d": 5},
        {"n": [50, 100, 200, 400], "d": [3, 4, 5, 6]},
        False,
    ),
)
QUICK = (
    Sweep("programs", "relu", {"n": 60, "d": 3, "P": 10, "K": 1}, {"n": [60, 120]}),
    Sweep("trainings", "training", {"n": 60, "d": 3, "K": 2}, {"n": [60]}),
    Sweep("oracles", "search", {"n": 60, "d": 3}, {"n": [60]}),
    Sweep("oracles", "cells", {"n": 20, "d": 2}, {"n": [20]}, False),
    Sweep("oracles", "branch and bound", {"n": 40, "d": 3}, {"n": [40]}, False),
)
