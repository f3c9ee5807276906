"""Many sparse samples under a time limit: seconds, memory, and how good the network is, each in a process of its own.

A dense copy of the samples takes 2.4 GB, so memory shows whether they stay sparse. ``constant`` is the objective of the
best constant, which a network should be below as soon as there is time for one.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from typing import Any

import numpy as np
from scipy.sparse import csr_array, random_array

from benchmarks.common import from_a_process, report
from benchmarks.scaling.measure import peak_memory
from convexrelu import ConvexReLURegressor

SIZE, QUICK = (100_000, 3000), (2000, 300)
LIMITS = (0.5, 3.0, 10.0)


def main() -> None:
    """100,000 samples of 3000 features, a hundredth of them stored, and a teacher of three neurons; one thread."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer samples, nothing written")
    parser.add_argument("--here", type=float, nargs=3, help=argparse.SUPPRESS)  # as JSON
    asked = parser.parse_args()
    if asked.here:
        n, d, limit = asked.here
        print(json.dumps(_fit(int(n), int(d), limit)))
        return
    (n, d), limits = (QUICK, LIMITS[:1]) if asked.quick else (SIZE, LIMITS)
    rows = [
        {
            "n, d": f"{n}, {d}",
            "limit": limit,
            **from_a_process(__spec__.name, n, d, limit, threads="1"),
        }
        for limit in limits
    ]
    report("sparse", rows, write=not asked.quick)


def _fit(n: int, d: int, limit: float) -> dict[str, Any]:
    warnings.simplefilter("ignore")  # the limit is part of the question
    model = ConvexReLURegressor(alpha=0.01, alpha_scale="relative", random_state=0)
    model.fit(*data(200, 30))  # imports and first calls are not timed
    X, y = data(n, d)
    before = peak_memory("cpu")
    began, processor = time.perf_counter(), time.process_time()
    model.set_params(time_limit=limit).fit(X, y)
    seconds, certificate = time.perf_counter() - began, model.certificate_
    return {
        "seconds": seconds,
        "processor s": time.process_time() - processor,
        "objective": f"{certificate.objective:.4f}",
        "constant": f"{0.5 * float(np.var(y)):.4f}",
        "gap": f"{certificate.relative_gap:.1e}",
        "proved": certificate.is_proof,
        "width": model.network_.width,
        "status": model.status_.name,
        "GB before": f"{before / 1024:.2f}",
        "peak GB": f"{peak_memory('cpu') / 1024:.2f}",
    }


def data(n: int, d: int) -> tuple[csr_array, np.ndarray]:
    """A sparse matrix, and targets of mean 0 and variance 1 from three neurons."""
    rng = np.random.default_rng(0)
    X = random_array((n, d), density=0.01, format="csr", rng=rng)
    y = np.maximum(X @ rng.standard_normal((d, 3)), 0) @ np.array([1.0, -1.0, 0.5])
    return X, (y - y.mean()) / y.std()


if __name__ == "__main__":
    main()
