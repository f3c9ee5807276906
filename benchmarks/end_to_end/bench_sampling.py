"""How far above the optimum a program on sampled patterns stops, against generated patterns."""

from __future__ import annotations

import time

from benchmarks.common import quick_asked, report, teacher
from convexrelu import TrainingProblem, certify, train


def main() -> None:
    """Sampled patterns in growing number beside cutting planes, at two penalties."""
    quick = quick_asked(main.__doc__)
    n, d = (40, 2) if quick else (100, 4)
    X, y, _ = teacher(n, d, 10, 0.1, 0)
    rows = []
    for alpha_n in (5.0,) if quick else (5.0, 1.0):
        problem = TrainingProblem(X, y, alpha_n / n, fit_intercept=False)
        choices = [("sampled", p) for p in ((20,) if quick else (50, 100, 200, 400))]
        for patterns, n_patterns in [*choices, ("cutting_plane", 0)]:
            started = time.perf_counter()
            result = train(
                problem, patterns=patterns, n_patterns=max(n_patterns, 1), tol=1e-4, random_state=0
            )
            seconds = time.perf_counter() - started
            certificate = certify(
                result.network, X, y, alpha=alpha_n / n, fit_intercept=False, random_state=0
            )
            rows.append(
                {
                    "alpha n": alpha_n,
                    "patterns": patterns,
                    "gates drawn": n_patterns or "-",
                    "n objective": f"{n * certificate.objective:.4f}",
                    "gap of its program": f"{result.certificate.relative_gap:.1e}",
                    "gap to all networks": f"{certificate.relative_gap:.1e}",
                    "that gap is": "proved" if certificate.is_proof else "estimated",
                    "neurons": result.network.width,
                    "seconds": f"{seconds:.2f}",
                }
            )
    report("sampling", rows, write=not quick)


if __name__ == "__main__":
    main()
