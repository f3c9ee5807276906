"""The native solvers against other packages on the same finite programs, to the same duality gap.

Each peer runs in a process of its own, under the Python named by PYSCNN_PYTHON (pyscnn, celer, skglm) or ADELIE_PYTHON
(adelie needs numpy < 2); the conic solvers run in this environment. What is not installed is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.common import median_seconds, quick_asked, report, teacher
from benchmarks.programs.run_peer import relative_gap, violation
from convexrelu import TrainingProblem
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.native.solver import NativeSolver

TARGET = 1e-6
RUNNER = Path(__file__).parent / "run_peer.py"
CONIC = ("clarabel", "cvxpy:CLARABEL", "cvxpy:ECOS", "cvxpy:SCS")
# n, d, gates, alpha n, seconds that a peer may search for its tolerance
RELU = [(500, 20, 200, 5, 150), (2000, 10, 500, 5, 90), (5000, 8, 100, 5, 90)]
GATED = [
    (500, 20, 200, 5, 30),
    (500, 20, 200, 50, 30),
    (500, 20, 1000, 5, 30),
    (500, 20, 1000, 50, 30),
    (5000, 20, 500, 50, 35),
    (5000, 20, 500, 5, 35),
]


def main() -> None:
    """Seconds to a relative duality gap of 1e-6 and ratios, median of five runs where one takes under 30 s."""
    quick = quick_asked(main.__doc__)
    relu = [(40, 3, 8, 5, 20)] if quick else RELU
    gated = [(40, 3, 8, 5, 20)] if quick else GATED
    relu_peers = CONIC[:1] if quick else (*CONIC, "adelie-relu", "pyscnn-relu")
    gated_peers = CONIC[1:2] if quick else ("celer", "skglm", "adelie", "pyscnn", "cvxpy:CLARABEL")
    _report("relu", relu, ("newton",), relu_peers, quick)
    _report("gated", gated, ("newton", "fista"), gated_peers, quick)


def _report(
    kind: str, cases: list, solvers: tuple[str, ...], peers: tuple[str, ...], quick: bool
) -> None:
    rows = [row for case in cases for row in _race(kind, case, solvers, peers)]
    report(f"peers_{kind}", rows, write=not quick)


def _race(
    kind: str, case: tuple[int, ...], solvers: tuple[str, ...], peers: tuple[str, ...]
) -> list[dict[str, Any]]:
    problem, data = _program(kind, case)
    entries = [_ours(solver, problem, data) for solver in solvers]
    for peer in peers:
        # The explicit or conic form of the largest programs does not fit into memory in time.
        if kind == "gated" and peer in CONIC and case[0] * case[2] > 200_000:
            continue
        answer = _peer(peer, data, case[-1])
        if answer is not None:
            entries.append(answer)
    n, d, n_gates, penalty, _ = case
    fastest = median(entries[0]["seconds"])
    return [
        {
            "n, d, P": f"{n}, {d}, {n_gates}",
            "alpha n": penalty,
            "solver": entry["peer"],
            "n objective": f"{n * entry['objective']:.5f}" if entry["seconds"] else "",
            "gap": f"{entry['gap']:.0e}" if entry["seconds"] else "",
            "cone violation": f"{entry['violation']:.0e}" if entry["seconds"] else "",
            "seconds": f"{median(entry['seconds']):.3g}" if entry["seconds"] else entry["why"],
            "runs": len(entry["seconds"]),
            "times newton": f"{median(entry['seconds']) / fastest:.3g}" if entry["seconds"] else "",
        }
        for entry in entries
    ]


def _program(kind: str, case: tuple[int, ...]) -> tuple[TrainingProblem, dict[str, Any]]:
    n, d, n_gates, penalty, limit = case
    X, y, rng = teacher(n, d, 10, 0.1, 0)
    gates = rng.standard_normal((d + 1, n_gates)).T
    problem = TrainingProblem(X, y, penalty / n, fit_intercept=False)
    masks = problem.design @ gates.T >= 0
    blocks = Blocks(masks.T, np.ones(n_gates))
    if kind == "relu":
        blocks, gates = Blocks.both_signs(masks.T), np.vstack([gates, gates])
    data = {"design": problem.design, "y": y, "alpha": problem.alpha, "kind": kind, "gates": gates}
    data |= {"masks": blocks.masks, "signs": blocks.signs, "target": TARGET, "time_limit": limit}
    return problem, data | {"repeats": 5, "threads": len(os.sched_getaffinity(0))}


def _ours(solver: str, problem: TrainingProblem, data: dict[str, Any]) -> dict[str, Any]:
    blocks = Blocks(data["masks"], data["signs"])
    few = slice(0, None, max(1, len(blocks) // 8))
    _native(solver, problem, blocks.select(np.arange(len(blocks))[few]), data["kind"])  # imports
    seconds, solution = [], None
    while len(seconds) < (5 if not seconds or seconds[0] < 30 else 1):
        time, solution = median_seconds(
            lambda: _native(solver, problem, blocks, data["kind"]), repeats=1
        )
        seconds.append(time)
    assert solution is not None
    return {
        "peer": f"convexrelu {solver}",
        "seconds": seconds,
        "objective": solution.objective,
        "gap": relative_gap(data, solution.blocks),
        "violation": violation(data, solution.blocks),
    }


def _native(solver: str, problem: TrainingProblem, blocks: Blocks, kind: str) -> Any:
    # The race is judged by the gap of the residual, and the solver stops on that of its own dual point.
    program_solver = NativeSolver(solver, gap=(0.01 if solver == "newton" else 1) * TARGET)
    return (
        program_solver.relu(problem, blocks)
        if kind == "relu"
        else program_solver.gated(problem, blocks)
    )


def _peer(peer: str, data: dict[str, Any], limit: int) -> dict[str, Any] | None:
    """The peer's answer; None where it is not installed, no seconds where it did not finish."""
    own = "ADELIE_PYTHON" if peer.startswith("adelie") else "PYSCNN_PYTHON"
    python = sys.executable if peer in CONIC else os.environ.get(own)
    if python is None:
        print(f"{peer}: not installed, set {own}", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, answer = Path(folder, "program.npz"), Path(folder, "answer.json")
        np.savez(source, **data)
        command = [python, str(RUNNER), peer, str(source), str(answer)]
        try:
            subprocess.run(command, timeout=2 * limit, check=False)
            why = "failed"
        except subprocess.TimeoutExpired:
            why = f"over {2 * limit}"
        if not answer.exists():
            return {"peer": peer, "seconds": [], "why": why}
        return json.loads(answer.read_text())


if __name__ == "__main__":
    main()
