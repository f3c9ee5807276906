"""Which algorithm for which program: what the rule of ``solver="auto"`` is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common import median_seconds, quick_asked, report, teacher
from benchmarks.programs import admm
from convexrelu import TrainingProblem
from convexrelu.patterns import sample_patterns
from convexrelu.programs.blocks import Blocks
from convexrelu.solvers.native.solver import CHEAP_ITERATION, NativeSolver

GAP = 1e-6
# n, d, gates, alpha n: small programs as cutting planes make them, large ones as sampling does
RELU = [
    (100, 4, 20, 5),
    (100, 4, 20, 0.05),
    (200, 10, 30, 5),
    (200, 10, 30, 0.05),
    (500, 20, 40, 5),
    (500, 20, 100, 5),
    (500, 20, 100, 0.5),
    (500, 20, 200, 5),
    (1000, 10, 50, 5),
]
GATED = [
    (200, 5, 50, 5),
    (500, 20, 200, 5),
    (500, 20, 200, 50),
    (500, 20, 1000, 5),
    (1000, 20, 200, 20),
    (5000, 5, 50, 20),
]


def main() -> None:
    """Seconds to a relative duality gap of 1e-6, medians of five runs."""
    quick = quick_asked(main.__doc__)
    repeats = 1 if quick else 5
    rows = [_row("relu", case, repeats) for case in (RELU[:1] if quick else RELU)]
    report("solvers_relu", rows, write=not quick)
    rows = [_row("gated", case, repeats) for case in (GATED[:1] if quick else GATED)]
    report("solvers_gated", rows, write=not quick)


def _row(kind: str, case: tuple[float, ...], repeats: int) -> dict[str, Any]:
    n, d, n_gates, penalty = case
    X, y, _ = teacher(int(n), int(d), 10, 0.1, 0)
    problem = TrainingProblem(X, y, penalty / n, fit_intercept=False)
    patterns = sample_patterns(problem.design, int(n_gates), np.random.RandomState(0))
    masks = patterns.masks
    blocks = Blocks.both_signs(masks) if kind == "relu" else Blocks(masks, np.ones(len(masks)))
    row: dict[str, Any] = {"n, d, B": f"{n}, {d}, {len(blocks)}", "alpha n": penalty}
    if kind == "relu":
        size = len(blocks) * n * (d + 1) * min(n, len(blocks) * (d + 1))
        row["iteration / limit"] = f"{size / CHEAP_ITERATION:.2g}"
    for method in ("newton", "interior_point" if kind == "relu" else "fista"):
        row[method] = _native(method, kind, problem, blocks, repeats)
    if kind == "relu":
        row["ADMM to 1e-4"] = _admm(problem, blocks) if len(blocks) <= 100 else ""
    return row


def _native(method: str, kind: str, problem: TrainingProblem, blocks: Blocks, repeats: int) -> str:
    def solve() -> Any:
        program_solver = NativeSolver(method, gap=GAP)
        call = program_solver.relu if kind == "relu" else program_solver.gated
        return call(problem, blocks, time_limit=60)

    seconds, solution = median_seconds(solve, repeats)
    return f"{seconds:.3g}" + ("" if solution.status.name == "CONVERGED" else " (not reached)")


def _admm(problem: TrainingProblem, blocks: Blocks) -> str:
    """One run: the alternative is slower by so much that its median does not matter."""
    masks, signs = blocks.masks, blocks.signs
    seconds, (_, info) = median_seconds(
        lambda: admm.solve(
            problem.design, masks, signs, problem.y, problem.alpha, tol=1e-4, max_iter=5000
        ),
        repeats=1,
    )
    return f"{seconds:.3g}" + ("" if info["gap"] <= 1e-4 else f" (gap {info['gap']:.0e})")


if __name__ == "__main__":
    main()
