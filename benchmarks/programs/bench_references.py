"""Known optima of programs on sampled gates, solved again."""

from __future__ import annotations

from benchmarks.common import median_seconds, quick_asked, report, teacher
from convexrelu import TrainingProblem, train

# n · objective of teacher(500, 20, 10, 0.1, 0) at alpha · n = 5, hidden bias, no intercept, from other solvers.
KNOWN = {("gated_relu", 200): 20.33446, ("relu", 100): 70.4346, ("relu", 200): 62.7770}


def main() -> None:
    """Objective and gap beside the known value."""
    quick = quick_asked(main.__doc__)
    rows = []
    for (activation, n_gates), known in KNOWN.items():
        if quick and activation == "relu":
            continue
        X, y, rng = teacher(500, 20, 10, 0.1, 0)
        gates = rng.standard_normal((21, n_gates)).T
        problem = TrainingProblem(X, y, 5 / 500, fit_intercept=False, activation=activation)
        options = {"patterns": gates, "tol": 1e-4}
        seconds, result = median_seconds(lambda p=problem, o=options: train(p, **o), 1)
        found = 500 * result.certificate.objective
        assert abs(found - known) < 1e-4, (found, known)
        rows.append(
            {
                "activation": activation,
                "gates": n_gates,
                "known": f"{known:.4f}",
                "found": f"{found:.4f}",
                "relative gap": f"{result.certificate.relative_gap:.0e}",
                "seconds": f"{seconds:.0f}",
            }
        )
    report("references", rows, write=not quick)


if __name__ == "__main__":
    main()
