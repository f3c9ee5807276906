"""How time and memory grow with samples, features, patterns and outputs: on one thread, on two, and on a GPU.

    python -m benchmarks.scaling.run [--quick] [--parts programs trainings oracles]

from the root of the repository. Each measurement (see `measure.py`, and `sizes.py` for the sizes) has a process of its
own, which finds its number of threads before its first import. Rows go to ``results/scaling.csv`` as they come, three
for each size where a run takes less than twenty seconds; what is there already is not measured again. `report.py` makes
tables and plots of them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.common import THREADS, append, circumstances, recorded, report
from benchmarks.scaling.measure import measure
from benchmarks.scaling.report import exponent_table
from benchmarks.scaling.sizes import QUICK, SWEEPS, Size, Sweep

NAME = "scaling"
REPEATS = 3
SIZES = ("n", "d", "P", "K")
KEY = ("method", *SIZES, "threads", "device")
PARTS = tuple(dict.fromkeys(sweep.part for sweep in SWEEPS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smallest sizes, nothing written")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    asked = parser.parse_args()
    sweeps = [s for s in (QUICK if asked.quick else SWEEPS) if s.part in asked.parts]
    settings = [(1, "cpu")] if asked.quick else [(1, "cpu"), (2, "cpu"), *_gpu()]
    rows = [] if asked.quick else recorded(NAME)
    if not asked.quick:
        circumstances(NAME)
    known = {_key(row) for row in rows}
    for setting in _settings(sweeps, settings):
        if _key(setting) in known:
            continue
        known.add(_key(setting))
        measured = _in_its_own_process(setting, 1 if asked.quick else REPEATS)
        rows += measured
        print(*measured[0].values(), flush=True)
        if not asked.quick:
            append(NAME, measured)
    if asked.quick and (table := exponent_table(rows, sweeps)):
        report(NAME, table, write=False)


def _gpu() -> list[tuple[int, str]]:
    if torch.cuda.is_available():
        return [(1, "cuda")]
    print("no GPU here: torch.cuda.is_available() is False")
    return []


def _settings(
    sweeps: Sequence[Sweep], settings: Sequence[tuple[int, str]]
) -> Iterator[dict[str, Any]]:
    for sweep in sweeps:
        for threads, device in settings:
            if device == "cpu" or sweep.has_device:
                for size in (size for name in sweep.values for size in sweep.along(name)):
                    sizes = {name: size.get(name, "") for name in SIZES}
                    yield {"method": sweep.method, **sizes, "threads": threads, "device": device}


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in KEY)


def _in_its_own_process(setting: dict[str, Any], repeats: int) -> list[dict[str, Any]]:
    size: Size = {name: setting[name] for name in SIZES if setting[name] != ""}
    environment = dict.fromkeys(THREADS, str(setting["threads"]))
    with (
        patch.dict(os.environ, environment),
        ProcessPoolExecutor(1, get_context("spawn")) as pool,
    ):
        runs = pool.submit(measure, setting["method"], size, setting["device"], repeats).result()
    return [
        setting | run | {"seconds": f"{run['seconds']:.4g}", "MB": f"{run['MB']:.0f}"}
        for run in runs
    ]


if __name__ == "__main__":
    main()
