"""Proofs: how long a certified gap takes, and branch and bound beside a mixed-integer program in SCIP."""

from __future__ import annotations

import time
from importlib.util import find_spec

import numpy as np

from benchmarks.common import quick_asked, report, teacher
from benchmarks.pricing.miqcp import miqcp_bound
from convexrelu import TrainingProblem, certify, train
from convexrelu.oracles import BranchAndBoundOracle

SCIP_SECONDS = 120.0


def main() -> None:
    """Training to a proved gap from nothing; and M(v) at dual points of such trainings by two methods."""
    quick = quick_asked(main.__doc__)
    cases = [(100, 4, 5, 1e-4), (100, 4, 1, 1e-4), (100, 4, 0.1, 1e-4), (1000, 1, 10, 1e-6)]
    cases += [(1000, 2, 10, 1e-6), (100, 5, 5, 1e-3), (100, 6, 5, 1e-2), (100, 7, 5, 1e-2)]
    report("proofs", [_train(*case) for case in (cases[:2] if quick else cases)], write=not quick)
    pairs = (
        [(20, 2, 1e-2)] if quick else [(30, 3, 1e-2), (60, 4, 1e-2), (100, 4, 1e-2), (100, 5, 1e-2)]
    )
    sizes = [(20, 2)] if quick else [(20, 2), (100, 2), (100, 3), (100, 4), (50, 5)]
    report("rational", [_verify(*size) for size in sizes], write=not quick)
    report("miqcp", [_compare(*pair) for pair in pairs], write=not quick)


def _train(n: int, d: int, strength: float, tol: float) -> dict[str, object]:
    problem = _problem(n, d, strength)
    oracle = "auto" if d <= 2 else "branch_and_bound"
    times = []
    for _ in range(3 if d <= 4 else 1):
        started = time.perf_counter()
        result = train(problem, tol=tol, oracle=oracle, max_iter=100, random_state=0)
        times.append(time.perf_counter() - started)
    certificate = result.certificate
    return {
        "n": n,
        "d": d,
        "alpha n": strength,
        "asked": tol,
        "gap": f"{certificate.relative_gap:.1e}",
        "proved": certificate.is_proof,
        "method": certificate.method,
        "programs": result.n_iter,
        "seconds": f"{np.median(times):.2f}",
        "runs": len(times),
    }


def _verify(n: int, d: int) -> dict[str, object]:
    """The same certificate in floats and in fractions."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    network = train(TrainingProblem(X, y, 0.01), random_state=0).network
    row: dict[str, object] = {"n": n, "d": d}
    for arithmetic in ("float64", "rational"):
        started = time.perf_counter()
        certificate = certify(
            network, X, y, alpha=0.01, bound="residual", arithmetic=arithmetic, random_state=0
        )
        row[f"{arithmetic} seconds"] = f"{time.perf_counter() - started:.2f}"
        row[f"{arithmetic} gap"] = f"{certificate.relative_gap:.2e}"
    return row | {"verified": certificate.arithmetic == "rational"}


def _compare(n: int, d: int, rtol: float) -> dict[str, object]:
    problem = _problem(n, d, 5.0).condensed()
    network = train(problem, tol=1e-4, oracle="search", random_state=0).network
    v = problem.dual_point(network.predict(problem.X))
    started = time.perf_counter()
    report_ = BranchAndBoundOracle(problem.design, rtol=rtol, random_state=0)(v)
    ours = time.perf_counter() - started
    if find_spec("pyscipopt") is None:
        bound, theirs = "not installed", "not installed"
    else:
        started = time.perf_counter()
        value = miqcp_bound(problem.design, v, rtol, SCIP_SECONDS)
        bound, theirs = f"{value / problem.alpha:.4f}", f"{time.perf_counter() - started:.1f}"
    return {
        "n": n,
        "d": d,
        "branch and bound: bound/alpha": f"{report_.bound / problem.alpha:.4f}",
        "seconds": f"{ours:.2f}",
        "boxes": report_.work,
        "SCIP: bound/alpha": bound,
        "SCIP seconds": theirs,
    }


def _problem(n: int, d: int, strength: float) -> TrainingProblem:
    """Data of five neurons, without an output intercept."""
    X, y, _ = teacher(n, d, 5, 0.1, 0)
    return TrainingProblem(X, y, strength / n, fit_intercept=False)


if __name__ == "__main__":
    main()
