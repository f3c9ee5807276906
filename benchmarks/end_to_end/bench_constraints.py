"""Training in a class: against one program on all patterns, signs of slopes at a million points, and what it costs."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.common import quick_asked, report, teacher
from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.constrained import train_in_class
from tests.constrained.test_train import instance

LIMITS = np.array([1.0, 0.0, 0.0, 0.0, -1.0])
CLASSES = {
    "monotone in two": {"monotonic_cst": LIMITS},
    "monotone in all": {"monotonic_cst": [1, 1, -1, 1, -1]},
    "positive": {"positive": True},
    "both": {"monotonic_cst": LIMITS, "positive": True},
}


def main() -> None:
    """A hundred small problems, and teachers of 300 samples with five features."""
    quick = quick_asked(main.__doc__)
    agreement(3 if quick else 100, quick)
    costs(quick)


def agreement(n_problems: int, quick: bool) -> None:
    """Largest distances of objectives and lower bounds from the optimum of cvxpy, relative to it."""
    above, below, false, proved = 0.0, 0.0, -np.inf, 0
    for seed in range(n_problems):
        problem, limits, positive, optimum = instance(seed)
        certificate = train_in_class(
            problem, limits, positive=positive, tol=1e-6, effort="prove", random_state=0
        ).certificate
        above = max(above, certificate.objective / optimum - 1)
        below = max(below, 1 - certificate.lower_bound / optimum)
        false = max(false, certificate.lower_bound / optimum - 1)
        proved += certificate.is_proof
    row = {
        "problems": n_problems,
        "proved": proved,
        "objective above": f"{above:.1e}",
        "bound below": f"{below:.1e}",
        "largest bound less optimum": f"{false:.1e}",
    }
    report("constraints_agreement", [row], write=not quick)


def costs(quick: bool) -> None:
    """CPU seconds with and without constraints, for a teacher as it is, a noisy one, and a monotone one."""
    n = 60 if quick else 300
    rows = []
    for name, (X, y) in _targets(n).items():
        for alpha in (1e-2,) if quick else (1e-2, 3e-3):
            problem = TrainingProblem(X, y, alpha)
            free, free_seconds = _timed(lambda problem=problem: train(problem, random_state=0))
            for kind, options in CLASSES.items():
                result, seconds = _timed(
                    lambda problem=problem, options=options: train_in_class(
                        problem, random_state=0, **options
                    )
                )
                wrong = _wrong_slopes(
                    result.network, np.asarray(options.get("monotonic_cst", 0)), n
                )
                rows.append(
                    {
                        "target": name,
                        "alpha": alpha,
                        "class": kind,
                        "CPU (s)": f"{seconds:.2f}",
                        "without (s)": f"{free_seconds:.2f}",
                        "ratio": f"{seconds / free_seconds:.2f}",
                        "rounds": result.n_iter,
                        "rounds without": free.n_iter,
                        "objective": f"{result.certificate.objective:.5f}",
                        "without": f"{free.certificate.objective:.5f}",
                        "gap": f"{result.certificate.relative_gap:.1e}",
                        "proved": result.certificate.is_proof,
                        "wrong slopes": wrong,
                    }
                )
    report("constraints_costs", rows, write=not quick)


def _targets(n: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    X, y, rng = teacher(n, 5, 5, 0.1, 0)
    noisy = teacher(n, 5, 5, 0.7, 0)[1]
    inner, outer = rng.standard_normal((5, 5)), rng.standard_normal(5)
    wanted = np.sign(outer) * LIMITS[:, None]
    inner = np.where(wanted == 0, inner, wanted * np.abs(inner))
    monotone = np.maximum(X @ inner, 0) @ outer
    monotone = monotone / monotone.std() + 0.1 * rng.standard_normal(n)
    return {"teacher": (X, y), "noisy teacher": (X, noisy), "monotone teacher": (X, monotone)}


def _timed(run):
    began = time.process_time()
    return run(), time.process_time() - began


def _wrong_slopes(network: TwoLayerNetwork, limits: np.ndarray, n: int) -> int:
    """Derivatives of the wrong sign at a million points of a box."""
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(10):
        points = rng.uniform(-5, 5, (1000 * min(n, 100), network.n_features))
        active = points @ network.hidden_weights.T + network.hidden_bias > 0
        slopes = (active * network.output_weights[0]) @ network.hidden_weights
        wrong += int((limits * slopes < 0).sum())
    return wrong


if __name__ == "__main__":
    main()
