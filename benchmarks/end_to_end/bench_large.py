"""Many samples: time, memory and searched gap of cutting planes on all threads."""

from __future__ import annotations

import resource

from benchmarks.common import quick_asked, report, teacher
from convexrelu import TrainingProblem, train


def main() -> None:
    """A teacher of ten neurons in twenty dimensions, alpha = 0.01, to a searched gap of five per cent."""
    quick = quick_asked(main.__doc__)
    report(
        "large", [_train(n) for n in ((2_000,) if quick else (10_000, 100_000))], write=not quick
    )


def _train(n: int) -> dict[str, object]:
    X, y, _ = teacher(n, 20, 10, 0.1, 0)
    result = train(TrainingProblem(X, y, 0.01), tol=0.05, time_limit=600, random_state=0)
    certificate = result.certificate
    return {
        "n": n,
        "seconds": f"{result.history[-1].seconds:.0f}",
        "objective": f"{certificate.objective:.6f}",
        "gap": f"{certificate.relative_gap:.1e}",
        "proved": certificate.is_proof,
        "programs": result.n_iter,
        "neurons": result.network.width,
        "peak GB so far": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f}",
    }


if __name__ == "__main__":
    main()
