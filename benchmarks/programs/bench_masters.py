"""CLARABEL, ECOS and SCS on the finite programs, and what a parametrised penalty saves on a path."""

from __future__ import annotations

import numpy as np

from benchmarks.common import median_seconds, quick_asked, report, teacher
from convexrelu import TrainingProblem
from convexrelu.certificates.pricing import certificate_of
from convexrelu.oracles import PatternOracle
from convexrelu.patterns import ActivationPatterns
from convexrelu.programs import GatedProgram, ReLUProgram
from convexrelu.programs.blocks import Blocks


def main() -> None:
    """Time and the gap of the program, computed independently of the solver."""
    quick = quick_asked(main.__doc__)
    n, d, n_gates = (30, 3, 10) if quick else (150, 8, 40)
    X, y, rng = teacher(n, d, 10, 0.1, 0)
    problem = TrainingProblem(X, y, 1.0 / n, fit_intercept=False)
    gates = rng.standard_normal((n_gates, d + 1))
    masks = ActivationPatterns.of_gates(problem.design, gates).masks
    blocks = Blocks.both_signs(masks)
    programs = {
        "ReLU": lambda: ReLUProgram(problem, blocks.masks, blocks.signs),
        "gated": lambda: GatedProgram(problem, masks),
    }
    rows = []
    for kind, build in programs.items():
        for solver in ("CLARABEL", "ECOS", "SCS"):
            repeats = 1 if quick or solver == "SCS" else 5
            first, solution = median_seconds(lambda b=build, s=solver: b().solve(s), repeats)
            ready = build()
            ready.solve(solver)
            again, _ = median_seconds(
                lambda p=ready, s=solver: p.solve(s, alpha=0.9 * problem.alpha), repeats
            )
            oracle = PatternOracle(problem.design, masks, cones=kind == "ReLU")
            v = problem.dual_point(solution.outputs)
            certificate = certificate_of(problem, solution.objective, v, oracle(v))
            rows.append(
                {
                    "program": kind,
                    "solver": solver,
                    "status": solution.status.name,
                    "n objective": f"{n * solution.objective:.6f}",
                    "gap": f"{certificate.relative_gap:.0e}",
                    "seconds": first,
                    "again, other alpha": f"{again / first:.2f} of that",
                }
            )
    for row in rows:
        base = next(r["seconds"] for r in rows if r["program"] == row["program"])
        row["time / CLARABEL"] = f"{row['seconds'] / base:.2f}"
    rows = [{key: row[key] for key in row if key != "seconds"} for row in rows]
    report("masters", rows, write=not quick)
    assert np.ptp([float(row["n objective"]) for row in rows if row["program"] == "ReLU"]) < 1e-3


if __name__ == "__main__":
    main()
