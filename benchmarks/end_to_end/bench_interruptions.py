"""Ctrl-C at random moments of the first fit of a process: whether the next fit works, and what the first one says.

Each interruption has a process of its own. The signal comes between the call of ``fit`` and its end, imports of torch
and cvxpy among them. ``hangs`` counts fits that did not end within a minute and ten times their usual time.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter

from benchmarks.common import quick_asked, report

# What is fitted, by solvers that import different libraries.
FITS = {
    "torch": "ConvexReLURegressor(alpha=0.002, oracle='search', max_iter=3, random_state=0)",
    "cvxpy": "ConvexReLURegressor(alpha=0.002, solver='cvxpy:CLARABEL', max_iter=2, random_state=0)",
}
CODE = """
import signal
import sys
import warnings
import numpy as np
from convexrelu import ConvexReLURegressor
signal.signal(signal.SIGINT, signal.default_int_handler)  # processes in the background ignore it
warnings.simplefilter("ignore")
random = np.random.RandomState(0)
X = random.standard_normal((60, 6))
y = np.abs(X[:, 0]) - np.maximum(X[:, 1], 0)
model = {fit}
print("ready", flush=True)
outcome = "in time"  # the fit had ended
try:
    model.fit(X, y)
    print("end", flush=True)
    sys.stdin.read()
except KeyboardInterrupt as interruption:
    outcome = "network kept" if hasattr(model, "network_") else "no network"
print(outcome, flush=True)
model.fit(X, y)
print(model.certificate_.objective, flush=True)
"""


def main() -> None:
    """Fifty interruptions, half of them with a solver of cvxpy."""
    quick = quick_asked(main.__doc__)
    draw = random.Random(0)
    report(
        "interruptions",
        [_row(name, 2 if quick else 25, draw) for name in FITS],
        write=not quick,
    )


def _row(name: str, n_moments: int, draw: random.Random) -> dict[str, object]:
    code = CODE.format(fit=FITS[name])
    seconds, objective = _undisturbed(code)
    outcomes: Counter[str] = Counter()
    for _ in range(n_moments):
        outcomes[_interrupted(code, draw.uniform(0.0, seconds), 10 * seconds, objective)] += 1
    columns = ("network kept", "no network", "in time", "next fit fails", "hangs")
    return {"imports": name, "moments": n_moments, **{key: outcomes[key] for key in columns}}


def _start(code: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def _undisturbed(code: str) -> tuple[float, str]:
    """How long the first fit takes, and the objective of the second."""
    process, started = _start(code), time.perf_counter()
    assert process.stdout is not None and process.stdout.readline() == "end\n"
    seconds = time.perf_counter() - started
    output, _ = process.communicate()
    return seconds, output.split("\n")[1]


def _interrupted(code: str, moment: float, patience: float, objective: str) -> str:
    process = _start(code)
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    try:
        output, errors = process.communicate(timeout=patience + 60.0)
    except subprocess.TimeoutExpired:
        process.kill()
        return "hangs"
    *_, outcome, second = ["", "", *output.split("\n")[:-1]]
    if process.returncode or second != objective:
        print(f"after {moment:.2f} s: {output!r} {errors[-2000:]}", file=sys.stderr)
        return "next fit fails"
    return outcome


if __name__ == "__main__":
    main()
