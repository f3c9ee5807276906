"""From the gated tangent kernel to the convex optimum, and how well kernels are aligned with targets.

    python -m benchmarks.paper.kernels [--quick]

After Dwaraknath, Ergen & Pilanci, "Fixing the NTK" (NeurIPS 2023): the gated ReLU program on 100 random gates is
multiple kernel learning. Its kernel with equal weights of the gates is the tangent kernel, at the best scale;
reweighting makes the optimum of the program of it. ``results/kernel_bridge.csv`` has the objective after 0, 1, 10,
100 and 1000 reweightings beside that optimum, which comes from the solvers of the library with a gap of 1e-8.

``results/kernel_alignment.csv`` has the centred alignment (Cortes, Mohri & Rostamizadeh, JMLR 2012) of kernels with
``yyᵀ``, on the samples of training and on others: of the tangent kernel of ReLU networks and that of gated ones, of the
reweighted kernel, and of the features of a ReLU network that cutting planes have trained with the same penalty. The
first two have not seen targets.

Data are those of a teacher with three neurons and a tenth of noise, and scikit-learn's diabetes data, standardised;
half of the samples are for training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import quick_asked, real_data, report, teacher
from convexrelu import TrainingProblem, train
from convexrelu.kernels import (
    ReweightedKernel,
    kernel_alignment,
    network_kernel,
    reweighted_kernel,
    tangent_kernel,
)

REWEIGHTINGS = (0, 1, 10, 100, 1000)
N_GATES = 100
ALPHA = 0.01


class Case(NamedTuple):
    """Samples for training and others."""

    name: str
    X: np.ndarray
    y: np.ndarray
    others: np.ndarray
    targets: np.ndarray


def main() -> None:
    quick = quick_asked(__doc__.splitlines()[0])
    bridges, alignments = [], []
    for case in _cases(30 if quick else 100):
        gates = np.random.default_rng(0).standard_normal((N_GATES, case.X.shape[1] + 1))
        problem = TrainingProblem(case.X, case.y, ALPHA, activation="gated_relu")
        n_iter = 10 if quick else REWEIGHTINGS[-1]
        result = reweighted_kernel(problem, gates, n_iter=n_iter, tol=0.0)
        bridges += _bridge(case, problem, result, gates)
        alignments += _alignments(case, problem, result, gates)
    report("kernel_bridge", bridges, write=not quick)
    print()
    report("kernel_alignment", alignments, write=not quick)


def _cases(n: int) -> Iterator[Case]:
    for d in (2, 5, 20):
        X, y, _ = teacher(2 * n, d, 3, 0.1, seed=d)
        yield Case(f"teacher, d={d}", X[:n], y[:n], X[n:], y[n:])
    X, y = real_data("diabetes")
    order = np.random.default_rng(0).permutation(len(y))
    training, rest = order[:n], order[n : 2 * n]
    yield Case("diabetes", X[training], y[training], X[rest], y[rest])


def _bridge(
    case: Case, problem: TrainingProblem, result: ReweightedKernel, gates: np.ndarray
) -> list[dict[str, Any]]:
    optimum = train(problem, patterns=gates, tol=1e-8).certificate.objective
    counts = [k for k in REWEIGHTINGS if k < len(result.objectives)]
    return [
        {
            "data": case.name,
            "n": problem.n_samples,
            "d": problem.n_features,
            "patterns": len(result.patterns),
            "reweightings": k,
            "objective": f"{result.objectives[k]:.9g}",
            "optimum of the program": f"{optimum:.9g}",
            "above": f"{result.objectives[k] / optimum - 1:.1e}",
        }
        for k in counts
    ]


def _alignments(
    case: Case, problem: TrainingProblem, result: ReweightedKernel, gates: np.ndarray
) -> list[dict[str, Any]]:
    first = reweighted_kernel(problem, gates, n_iter=0)
    network = train(
        TrainingProblem(case.X, case.y, ALPHA), tol=1e-2, time_limit=30, random_state=0
    ).network
    kernels = {
        "tangent": tangent_kernel,
        "tangent, gated": first.kernel,
        "reweighted": result.kernel,
        "of the network": lambda X: network_kernel(network, X),
    }
    return [
        {
            "data": case.name,
            "kernel": name,
            "training": round(kernel_alignment(kernel(case.X), np.outer(case.y, case.y)), 3),
            "others": round(
                kernel_alignment(kernel(case.others), np.outer(case.targets, case.targets)), 3
            ),
        }
        for name, kernel in kernels.items()
    ]


if __name__ == "__main__":
    main()
