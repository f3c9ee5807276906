"""Test error with the choice of parameters inside each split: this library and six others, on ten splits of each set.

    python -m benchmarks.generalisation.run [--quick] [--data NAME ...] [--methods NAME ...] [--splits K ...]

from the root of the repository. Parameters are chosen by three folds of the training part, of which at most
``--largest`` samples are used; the test part is whole. Errors are the root of the mean squared error in units of the
standard deviation of the training targets, or the share of wrong classes. Seconds are those of choosing and fitting, on
one thread.

Rows go to ``results/generalisation.csv`` as they come, and what is there is not measured again: a stopped run goes
on, and several with different ``--data`` may run at once. `report.py` makes tables and a figure of them.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.metrics import root_mean_squared_error, zero_one_loss
from threadpoolctl import threadpool_limits

from benchmarks.common import append, circumstances, recorded, report
from benchmarks.generalisation.data import N_SPLITS, Split, names, split, task
from benchmarks.generalisation.methods import METHODS, QUICK, Settings, chosen, pipeline

NAME = "generalisation"
LARGEST = 500
KEY = ("data", "largest", "split", "method")


def main() -> None:
    asked = _command_line()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # time limits and limits on iterations are meant to be met
    with threadpool_limits(1):
        if asked.quick:
            parts = split("wine_cultivars", 0, 50)
            rows = [measure(parts, "classification", method, QUICK) for method in asked.methods]
            report(NAME, rows, write=False)
            return
        _run(asked)


def _command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small split, nothing written")
    parser.add_argument("--data", nargs="+", choices=names(), default=names())
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=tuple(METHODS))
    parser.add_argument(
        "--splits", nargs="+", type=int, choices=range(N_SPLITS), default=range(N_SPLITS)
    )
    parser.add_argument("--largest", type=int, default=LARGEST, help="of a training part")
    return parser.parse_args()


def _run(asked: argparse.Namespace) -> None:
    """Split by split, so that a run that is stopped has all methods on the same ones."""
    circumstances(NAME)
    done = {tuple(row[key] for key in KEY) for row in recorded(NAME)}
    for number in asked.splits:
        for data in asked.data:
            parts = split(data, number, asked.largest)
            for method in asked.methods:
                key = (data, str(asked.largest), str(number), method)
                if key not in done:
                    row = dict(zip(KEY, key, strict=True))
                    row |= measure(parts, task(data), method, Settings())
                    append(NAME, [row])
                    print(*row.values(), flush=True)


def measure(parts: Split, task: str, method: str, settings: Settings) -> dict[str, Any]:
    """Choose and fit on the training part, and look at the test part once."""
    model = pipeline(method, task, settings)
    started = time.perf_counter()
    model.fit(parts.X, parts.y)
    seconds = time.perf_counter() - started
    predicted = model.predict(parts.X_test)
    if task == "regression":
        error = root_mean_squared_error(parts.y_test, predicted) / np.std(parts.y)
    else:
        error = zero_one_loss(parts.y_test, predicted)
    return {
        "method": method,
        "error": f"{error:.6g}",
        "seconds": f"{seconds:.3g}",
        "chosen": chosen(model),
    }


if __name__ == "__main__":
    main()
