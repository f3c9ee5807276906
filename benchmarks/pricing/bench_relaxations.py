"""How far the proved relaxations are above ``M(v)``: the closed form, affine rules and the semidefinite one."""

from __future__ import annotations

import os
import time
from itertools import product

import numpy as np
from sklearn.datasets import load_breast_cancer

from benchmarks.common import quick_asked, real_data, report, standardised, teacher
from convexrelu import TrainingProblem, train
from convexrelu.certificates.pricing import certificate_of
from convexrelu.oracles import (
    AffineOracle,
    CellOracle,
    RelaxationOracle,
    SearchOracle,
    SemidefiniteOracle,
)
from convexrelu.patterns import count_patterns

# Real data, standardised, and the penalty.
REAL = [
    ("yacht", 0.05),
    ("yacht", 0.01),
    ("energy", 0.05),
    ("stock", 0.1),
    ("housing", 0.1),
    ("housing", 0.03),
    ("wine", 0.1),
    ("diabetes", 0.1),
    ("breast cancer", 0.05),
]


def main() -> None:
    """Bound over M(v), at random dual points and at those of trained networks.

    M(v) is by cells where these are few, otherwise the best of a deep search: a ratio is then an upper estimate.
    """
    quick = quick_asked(main.__doc__)
    sizes = [(10, 3)] if quick else list(product((10, 20, 30), (3, 5, 8)))
    seeds = range(1 if quick else 5)
    rows = []
    for alpha, (n, rank) in product((None, 1e-2, 1e-3), sizes):
        closed, affine, sharp, seconds = [], [], [], []
        for seed in seeds:
            design, v = _random(n, rank, seed) if alpha is None else _trained(n, rank, seed, alpha)
            maximum = _maximum(design, v)
            closed.append(RelaxationOracle(design)(v).bound / maximum)
            affine.append(AffineOracle(design)(v).bound / maximum)
            oracle = SemidefiniteOracle(design)
            started = time.perf_counter()
            sharp.append(oracle(v).bound / maximum)
            seconds.append(time.perf_counter() - started)
        rows.append(
            {
                "dual point": "random" if alpha is None else f"trained, alpha={alpha:g}",
                "samples": n,
                "rank": rank,
                "M(v) by": "cells" if _few_cells(n, rank) else "search",
                "closed form": f"{np.median(closed):.2f}",
                "worst closed form": f"{max(closed):.2f}",
                "affine": f"{np.median(affine):.3f}",
                "worst affine": f"{max(affine):.3f}",
                "semidefinite": f"{np.median(sharp):.3f}",
                "worst semidefinite": f"{max(sharp):.3f}",
                "seconds": f"{np.median(seconds):.2f}",
            }
        )
    report("relaxations", rows, write=not quick)
    at_hand = "CONVEXRELU_UCI" in os.environ and not quick
    real = REAL if at_hand else [("diabetes", 0.3)]
    report("affine_rules", [_on_real_data(*one) for one in real], write=at_hand)


def _on_real_data(name: str, alpha: float) -> dict[str, object]:
    """Bounds and gaps that are proved at the dual point of a network within 3e-3 of the optimum, by estimate."""
    X, y = _breast_cancer() if name == "breast cancer" else real_data(name)
    problem = TrainingProblem(X, y, alpha).condensed()
    network = train(problem, tol=3e-3, oracle="search", random_state=0).network
    v, objective = problem.dual_point(network.predict(problem.X)), problem.objective(network)
    found = SearchOracle(problem.design, n_starts=512, random_state=0)(v).bound
    row: dict[str, object] = {"data": name, "samples": len(X), "rank": X.shape[1] + 1}
    row["alpha"] = f"{alpha:g}"
    for title, oracle in (("closed form", RelaxationOracle), ("affine", AffineOracle)):
        began = time.process_time()
        bound = oracle(problem.design)(v)
        seconds = time.process_time() - began
        gap = certificate_of(problem, objective, v, bound).relative_gap
        row[title], row[f"gap by {title}"] = f"{bound.bound / found:.3f}", f"{gap:.2g}"
    row["CPU seconds"] = f"{seconds:.1f}"
    return row


def _breast_cancer() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_breast_cancer(return_X_y=True)
    return standardised(X, 2.0 * y - 1)


def _random(n: int, rank: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, rank)), rng.standard_normal(n)


def _trained(n: int, rank: int, seed: int, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Dual point of a network within 1e-3 of the optimum, as far as the search sees."""
    X, y, _ = teacher(n, rank - 1, 5, 0.1, seed)
    problem = TrainingProblem(X, y, alpha)
    network = train(problem, tol=1e-3, oracle="search", random_state=seed).network
    return problem.design, problem.dual_point(network.predict(X))


def _maximum(design: np.ndarray, v: np.ndarray) -> float:
    if _few_cells(*design.shape):
        return CellOracle(design)(v).bound
    deep = SearchOracle(design, n_starts=4096, first_step=0.1, n_polish=1024, random_state=0)
    return deep(v).bound


def _few_cells(n: int, rank: int) -> bool:
    return count_patterns(n, rank) <= 100_000


if __name__ == "__main__":
    main()
