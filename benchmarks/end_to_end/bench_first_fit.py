"""The first fit of a process, from the start of the interpreter to the certificate; imports are most of it.

Each run has an interpreter of its own. The files of libraries are in the memory of the machine: a run before the others
does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median
from typing import Any

from benchmarks.common import quick_asked, report, with_threads

SIZE = (60, 2)
CODE = """
import json
import time
import numpy as np
from convexrelu import ConvexReLURegressor
imported = time.process_time()
random = np.random.RandomState(0)
X = random.standard_normal({size})
y = np.abs(X[:, 0]) - np.maximum(X[:, 1], 0) + 0.1 * random.standard_normal(len(X))
model = ConvexReLURegressor({options}random_state=0).fit(X, y)
fitted = time.process_time() - imported
found = model.certificate_
print(json.dumps([imported, fitted, model.status_.name, found.relative_gap, found.is_proof]))
"""
FITS = {"defaults": "", 'effort="predict"': "effort='predict', "}


def main() -> None:
    """Medians of five; 60 samples of two features, on one thread."""
    quick = quick_asked(main.__doc__)
    report("first_fit", [_row(name, 1 if quick else 5) for name in FITS], write=not quick)


def _row(name: str, n_runs: int) -> dict[str, Any]:
    code = CODE.format(size=SIZE, options=FITS[name])
    _run(code)
    runs = [_run(code) for _ in range(n_runs)]
    _, _, _, status, gap, proved = runs[0]  # the seed is the same
    whole, imports, fit = (median(run[k] for run in runs) for k in range(3))
    return {
        "fit": name,
        "n, d": f"{SIZE[0]}, {SIZE[1]}",
        "runs": n_runs,
        "seconds": whole,
        "processor s, imports before": imports,
        "processor s, fit": fit,
        "status": status,
        "gap": f"{gap:.1e}",
        "proved": proved,
    }


def _run(code: str) -> list[Any]:
    """Seconds of a whole process, and what it prints."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=with_threads("1"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [time.perf_counter() - began, *json.loads(done.stdout)]


if __name__ == "__main__":
    main()
