"""Duality gap of non-convex training against the width.

    python -m benchmarks.paper.duality_gap [--quick]

After the experiments of Ergen & Pilanci, "Convex Geometry and Duality of Over-parameterized Neural Networks" (JMLR
2021), where the gap of training ``m`` neurons to the convex dual closes as ``m`` grows, on

* ``one feature``: 15 samples, free hidden biases;
* ``rank one``: ``X = c aᵀ`` with 15 samples and 10 features, free hidden biases;
* ``whitened``: 30 samples and 40 features with ``XXᵀ = I``, no biases; ``beta = 1e-3``.

The setting of the figure is followed where it is known; the rest is chosen here. Inputs, ``c``, ``a`` and targets are
standard normal, whitened rows are the polar factor of such a matrix, and ``beta = 0.1`` in the first two: with 1e-3
they would interpolate noise with a kink at almost every sample. Free biases make constants free of charge, so that
there is an output intercept with them, and none without. The paper's ``½ ‖f − y‖² + (beta/2) Σ_j (‖w_j‖² + a_j²)`` is
``n`` times that of the library with ``alpha = beta/n``.

Of each width, the best of several restarts of `nonconvex.py`. All three optima have closed forms, which `train` finds
by itself, with a proof: on a line a lasso over kinks at samples, for whitened rows one neuron for the positive part of
the targets and one for the negative part.

Rows go to ``results/duality_gap.csv`` as they come, and what is there is not run again; the optima are computed anew
for ``results/duality_gap_convex.csv``. `plot_duality_gap.py` draws both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common import append, circumstances, quick_asked, recorded, report
from benchmarks.paper import plot_duality_gap
from benchmarks.paper.nonconvex import Case, descend
from convexrelu import TrainingProblem, train

NAME = "duality_gap"
WIDTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 30, 40)
RESTARTS = 32
FIRST_ROUNDINGS = (1.0, 0.1, 0.03, 0.01)


def main() -> None:
    quick = quick_asked(__doc__.splitlines()[0])
    cases = _cases(5) if quick else _cases()
    report(f"{NAME}_convex", [_optimum(case) for case in cases], write=not quick)
    rows = [] if quick else recorded(NAME)
    known = {(row["data"], int(row["m"])) for row in rows}
    for case in cases:
        for m in (1, 2) if quick else WIDTHS:
            if (case.name, m) not in known:
                row = _best(case, m, 2 if quick else RESTARTS)
                print(*row.values(), flush=True)
                if not quick:
                    append(NAME, [row])
                    circumstances(NAME)
    if not quick:
        plot_duality_gap.main()


def _cases(few: int | None = None) -> list[Case]:
    """The three data sets, or the like with `few` samples."""
    rng = np.random.default_rng(0)
    n, m = few or 15, few or 30
    line, targets = rng.standard_normal((n, 1)), rng.standard_normal(n)
    rank_one = np.outer(rng.standard_normal(n), rng.standard_normal(10))
    others = rng.standard_normal(n)
    left, _, right = np.linalg.svd(rng.standard_normal((m, 40)), full_matrices=False)
    return [
        Case("one feature", line, targets, 0.1, True),
        Case("rank one", rank_one, others, 0.1, True),
        Case("whitened", left @ right, rng.standard_normal(m), 1e-3, False),
    ]


def _optimum(case: Case) -> dict[str, Any]:
    """The convex optimum with its bound."""
    problem = TrainingProblem(
        case.X,
        case.y,
        case.alpha,
        hidden_bias="free" if case.has_bias else False,
        fit_intercept=case.has_bias,
    )
    result = train(problem, tol=1e-9)
    certificate = result.certificate
    return {
        "data": case.name,
        "n": problem.n_samples,
        "d": problem.n_features,
        "beta": case.beta,
        "objective": f"{certificate.objective:.14g}",
        "bound": f"{certificate.lower_bound:.14g}",
        "bound is": "proved" if certificate.is_proof else "estimated",
        "by": certificate.method,
        "relative gap": f"{certificate.relative_gap:.1e}",
        "neurons": result.network.width,
    }


def _best(case: Case, m: int, restarts: int) -> dict[str, Any]:
    values = []
    for k in range(restarts):
        first = FIRST_ROUNDINGS[k % len(FIRST_ROUNDINGS)]
        values.append(descend(case, m, np.random.default_rng(k), first))
    best, median = float(np.min(values)), float(np.median(values))
    return {"data": case.name, "m": m, "restarts": restarts, "best": best, "median": median}


if __name__ == "__main__":
    main()
