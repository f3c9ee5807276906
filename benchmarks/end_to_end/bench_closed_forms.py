"""Closed forms beside the general solver: seconds, gaps and neurons."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.common import median_seconds, quick_asked, report
from convexrelu import TrainingProblem, train

LIMIT, QUICK_LIMIT = 30.0, 2.0  # seconds of the general solver


def main() -> None:
    """One feature, rank one, whitened and spike-free data, to gaps of 1e-3 and 1e-6."""
    quick = quick_asked(main.__doc__)
    torch.set_num_threads(1)
    sizes = (50,) if quick else (100, 1000, 10_000)
    cases = [
        *((f"one feature, {bias} biases", _line(n, 1, bias)) for n in sizes for bias in _BIASES),
        *(("rank one, free biases", _line(n, 10, "free")) for n in sizes[-1:]),
        *(("whitened", _whitened(n)) for n in ((10,) if quick else (200,))),
        *(("spike-free, intercept", _spike_free(n)) for n in ((5,) if quick else (100,))),
    ]
    repeats, limit = (1, QUICK_LIMIT) if quick else (3, LIMIT)
    rows = [
        _row(name, problem, tol, repeats, limit) for name, problem in cases for tol in (1e-3, 1e-6)
    ]
    report("closed_forms", rows, write=not quick)


_BIASES = ("free", "penalised")


def _row(
    name: str, problem: TrainingProblem, tol: float, repeats: int, limit: float
) -> dict[str, Any]:
    seconds, result = median_seconds(lambda: train(problem, tol=tol, random_state=0), repeats)
    by_default = result.certificate
    # A named oracle rules closed forms out.
    slow, general = median_seconds(
        lambda: train(
            problem,
            tol=tol,
            oracle="search" if name.startswith(("whitened", "spike")) else "sweep",
            time_limit=limit,
            random_state=0,
        ),
        1,
    )
    return {
        "data": name,
        "n": problem.n_samples,
        "d": problem.n_features,
        "alpha": problem.alpha,
        "tol": tol,
        "by": "cutting planes" if len(result.history) > 1 else "closed form",
        "seconds": f"{seconds:.2f}",
        "gap": f"{by_default.relative_gap:.0e}",
        "gap is": "proved" if by_default.is_proof else "estimated",
        "neurons": result.network.width,
        "general: seconds": f"{slow:.2f}",
        "general: gap": f"{general.certificate.relative_gap:.0e}",
        "general: gap is": "proved" if general.certificate.is_proof else "estimated",
    }


def _line(n: int, d: int, bias: str) -> TrainingProblem:
    rng = np.random.default_rng(0)
    t = rng.standard_normal(n)
    y = np.sin(3 * t) + 0.3 * rng.standard_normal(n)
    direction = np.ones(1) if d == 1 else rng.standard_normal(d)
    hidden_bias = "free" if bias == "free" else True
    return TrainingProblem(np.outer(t, direction), y, 1e-3, hidden_bias=hidden_bias)


def _whitened(n: int) -> TrainingProblem:
    rng = np.random.default_rng(0)
    rows = np.linalg.qr(rng.standard_normal((n + 50, n)))[0].T
    y = rng.standard_normal(n)
    return TrainingProblem(rows, y, 1e-3 / n, hidden_bias=False, fit_intercept=False)


def _spike_free(n: int) -> TrainingProblem:
    """Rows with a common component: the inverse of their Gram matrix ``I + c 11ᵀ`` has no other positive entries."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([np.eye(n), np.full(n, 0.3)])
    y = rng.standard_normal(n)
    return TrainingProblem(rows, y, 1e-3, hidden_bias=False)


if __name__ == "__main__":
    main()
