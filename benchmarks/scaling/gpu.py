"""A graphics processor beside this processor and beside pyscnn: one run of under eight minutes.

    python -m benchmarks.scaling.gpu [--quick] [--device cuda] [--parts gated training classes proofs]

Seconds do not contain imports and first calls. Where pyscnn, or a GPU, is missing, its rows say so.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import circumstances, teacher, write_table
from benchmarks.programs import run_peer
from benchmarks.scaling.gpu_proofs import branch_and_bound_rows
from convexrelu import TrainingProblem, train

Row = dict[str, Any]

GATED = (50_000, 100, 1000, 1e-2)  # n, d, patterns, alpha
GAP, PATIENCE = 1e-4, 30.0  # and seconds after which no tighter tolerance is tried
SIZES = (10**4, 10**5, 10**6, 10**7)
HERE_UP_TO = 10**6  # sizes that this processor runs, too
CLASSES = (60_000, 784, 10)
LIMIT = 40.0  # of seconds, for ten classes


def main() -> None:
    """Run the parts, print their tables, and write them to the results folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing written")
    parser.add_argument("--device", default="cuda", help="a torch device; cpu:0 to try the script")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    asked = parser.parse_args()
    _warm_up(asked.device)
    for name in asked.parts:
        began = time.perf_counter()
        rows = PARTS[name](asked.device, asked.quick)
        print(f"# {name}: {time.perf_counter() - began:.0f} s", flush=True)
        for row in rows:
            print("  ".join(f"{key} {_shown(value)}" for key, value in row.items()), flush=True)
        if not asked.quick:
            write_table(f"gpu_{name}", rows)
            circumstances(f"gpu_{name}", device=_name(asked.device))


def _warm_up(device: str) -> None:
    """First calls load kernels."""
    X, y, _ = teacher(6000, 20, 10, 0.1, 0)
    _train(TrainingProblem(X, y, 0.01), device, tol=5e-2, time_limit=5.0)


def _train(problem: TrainingProblem, device: str, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train(problem, device=device, random_state=0, **options)


# Gated programs, beside pyscnn


def gated(device: str, quick: bool) -> list[Row]:
    """The same patterns for both; seconds to a relative gap of 1e-4, computed here with float64."""
    n, d, count, alpha = (2000, 10, 50, 1e-2) if quick else GATED
    X, y, rng = teacher(n, d, 10, 0.1, 0)
    gates = rng.standard_normal((count, d))
    data = {"design": X, "y": y, "gates": gates, "alpha": np.float64(alpha), "kind": "gated"}
    data |= {"masks": gates @ X.T >= 0, "signs": np.ones(count)}
    solvers: dict[str, Callable[[float], np.ndarray]] = {
        "convexrelu": lambda gap: _ours(data, device, gap),
        "pyscnn, float32": lambda tol: _pyscnn(data, device, "float32", tol),
        "pyscnn, float64": lambda tol: _pyscnn(data, device, "float64", tol),
    }
    return [_to_gap(name, solve, data, (n, d, count)) for name, solve in solvers.items()]


def _to_gap(
    name: str, solve: Callable[[float], np.ndarray], data: dict[str, Any], size: tuple[int, ...]
) -> Row:
    """Tolerances are tightened until the gap is reached; that run is repeated, and the faster one counts."""
    row: Row = {"solver": name, "n": size[0], "d": size[1], "patterns": size[2]}
    exponents = (4, 5) if name == "convexrelu" else (8, 10, 12)
    began = time.perf_counter()
    try:
        solve(1e-1)
        for exponent in exponents:
            seconds, blocks = _timed(lambda: solve(10.0**-exponent))  # noqa: B023
            gap = run_peer.relative_gap(data, blocks)
            print(f"{name} at 1e-{exponent}: {seconds:.2f} s, gap {gap:.1e}", flush=True)
            if gap <= GAP:
                seconds = min(seconds, _timed(lambda: solve(10.0**-exponent))[0])  # noqa: B023
            if gap <= GAP or time.perf_counter() - began > PATIENCE:
                break
    except Exception as error:  # not installed, or not for this machine
        return row | {"seconds": float("nan"), "gap": float("nan"), "note": f"{error}"[:60]}
    return row | {"seconds": seconds, "gap": gap, "note": f"tolerance 1e-{exponent}"}


def _ours(data: dict[str, Any], device: str, gap: float) -> np.ndarray:
    from convexrelu.programs.blocks import Blocks
    from convexrelu.solvers.native.solver import NativeSolver

    problem = TrainingProblem(
        data["design"],
        data["y"],
        float(data["alpha"]),
        activation="gated_relu",
        hidden_bias=False,
        fit_intercept=False,
    )
    blocks = Blocks(data["masks"], data["signs"])
    solver = NativeSolver("fista", gap=gap, device=device)
    return solver.gated(problem, blocks).blocks


def _pyscnn(data: dict[str, Any], device: str, dtype: str, tol: float) -> np.ndarray:
    kind = "cuda" if device.startswith("cuda") else "cpu"
    try:
        return run_peer.pyscnn(data, tol, dtype, kind)
    except KeyError as error:
        raise ValueError("its rounded gates have other patterns") from error


# Training with many samples


def training(device: str, quick: bool) -> list[Row]:
    """A teacher of ten neurons in twenty dimensions, alpha = 0.01, to a searched gap of 1e-2; time and memory."""
    sizes = (6000,) if quick else SIZES
    tol = 5e-2 if quick else 1e-2
    return [
        _trained(n, each, tol) for n in sizes for each in (device, "cpu")[: 1 + (n <= HERE_UP_TO)]
    ]


def _trained(n: int, device: str, tol: float) -> Row:
    X, y, _ = teacher(n, 20, 10, 0.1, 0)
    problem = TrainingProblem(X, y, 0.01)
    _forget_peak(device)
    seconds, result = _timed(lambda: _train(problem, device, tol=tol, time_limit=240.0))
    certificate = result.certificate
    return {
        "n": n,
        "device": "processor" if device == "cpu" else _name(device),
        "seconds": seconds,
        "objective": f"{certificate.objective:.6f}",
        "gap": f"{certificate.relative_gap:.1e}",
        "width": result.network.width,
        "rounds": len(result.history),
        "GiB on the device": _peak(device),
    }


# Ten classes


def classes(device: str, quick: bool) -> list[Row]:
    """Ten classes of a teacher network with 784 features, to a gap of 1e-2 or a minute."""
    n, d, count = (3000, 20, 4) if quick else CLASSES
    limit = 5.0 if quick else LIMIT
    random = np.random.RandomState(0)
    X = random.standard_normal((n, d)) / np.sqrt(1 + np.arange(d) / 10)  # as principal axes fall
    hidden = np.maximum(X @ random.standard_normal((d, 30)), 0.0)
    y = (hidden @ random.standard_normal((30, count))).argmax(axis=1).astype(float)
    problem = TrainingProblem(X, y, 3e-3, loss="multinomial")
    rows = []
    for each in (device, "cpu"):
        _forget_peak(each)
        seconds, result = _timed(lambda: _train(problem, each, tol=1e-2, time_limit=limit))  # noqa: B023
        rows.append((each, seconds, result))
    last = rows[-1][2].history[-1].objective
    return [
        {
            "n": n,
            "d": d,
            "classes": count,
            "device": "processor" if each == "cpu" else _name(each),
            "seconds": seconds,
            "objective": f"{result.certificate.objective:.6f}",
            "gap": f"{result.certificate.relative_gap:.1e}",
            "as low as the processor's end after": next(
                (entry.seconds for entry in result.history if entry.objective <= last),
                float("nan"),
            ),
            "GiB on the device": _peak(each),
        }
        for each, seconds, result in rows
    ]


# The device


def _name(device: str) -> str:
    import torch

    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return "tensors on the processor"


def _forget_peak(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: str) -> float:
    import torch

    if not device.startswith("cuda"):
        return float("nan")
    return torch.cuda.max_memory_allocated(device) / 2**30


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    value = call()
    return time.perf_counter() - began, value


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


PARTS: dict[str, Callable[[str, bool], list[Row]]] = {
    "gated": gated,
    "training": training,
    "classes": classes,
    "proofs": branch_and_bound_rows,
}

if __name__ == "__main__":
    main()
