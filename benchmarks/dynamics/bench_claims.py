"""Claims of papers in numbers: label noise, stability of interpolants, gradient-only line searches."""

from __future__ import annotations

import numpy as np

from benchmarks.common import quick_asked, report
from benchmarks.dynamics.problems import problems
from convexrelu import TrainingProblem, TwoLayerNetwork, train
from convexrelu.baselines import LabelNoise, descend, implicit_regulariser, label_noise_program
from convexrelu.landscape.stability import interpolating_fit, leave_one_out

STRENGTH = 0.01  # of the regulariser in the convex program
RATES = (0.03, 0.1, 0.3)
BATCH = 10


def main() -> None:
    """Three tables, with three seeds or ten problems each."""
    quick = quick_asked(main.__doc__ or "")
    seeds = range(1 if quick else 3)
    share = 50 if quick else 1
    noise = [_label_noise(seed, share) for seed in seeds]
    report("dynamics_label_noise", noise, write=not quick)
    stable = [_stability(seed, share) for seed in seeds]
    report("dynamics_stability", stable, write=not quick)
    chosen = problems()[: 1 if quick else None]
    searches = [_line_search(problem.name, problem.training, share) for problem in chosen]
    report("dynamics_line_search", searches, write=not quick)


def _label_noise(seed: int, share: int) -> dict[str, object]:
    """From a network that fits eight samples, SGD with noisy targets and without, and the convex program."""
    X = np.random.default_rng(0).standard_normal((8, 1))
    problem = TrainingProblem(X, np.abs(X[:, 0]), 0.01)
    start = descend(problem, 30, "adam", steps=1500 // share, alpha=0.0, random_state=seed).network
    row: dict[str, object] = {"seed": seed, "start": implicit_regulariser(start, problem)}
    for name, scale in (("SGD", 0.0), ("SGD with label noise", 0.5)):
        noise = LabelNoise(scale, random_state=0)
        run = descend(
            problem, 30, "sgd", rate=0.1, steps=5000 // share, every=5000, alpha=0.0, start=start,
            schedule=noise,
        )  # fmt: skip
        row[name] = implicit_regulariser(run.network, problem)
    return row | {"convex program": label_noise_program(problem, STRENGTH).regulariser}


def _stability(seed: int, share: int) -> dict[str, object]:
    """Leave-one-out stability of the interpolant of smallest norm, and of Adam without weight decay."""
    rng = np.random.default_rng(seed)
    X = np.sort(rng.uniform(-1, 1, 10))[:, None]
    y = np.sin(3 * X[:, 0]) + 0.3 * rng.standard_normal(10)

    def adam(X: np.ndarray, y: np.ndarray) -> TwoLayerNetwork:
        problem = TrainingProblem(X, y, 1e-6)
        steps = 2500 // share
        run = descend(
            problem, 100, "adam", rate=0.02, steps=steps, every=steps, alpha=0.0, random_state=seed
        )
        return run.network

    least = leave_one_out(interpolating_fit(random_state=0, hidden_bias="free"), X, y)
    other = leave_one_out(adam, X, y)
    return {
        "seed": seed,
        "smallest norm": least.stability,
        "Adam": other.stability,
        "error of smallest norm": least.error,
        "error of Adam": other.error,
        "Adam is off by": float(np.abs(other.fitted - y).max()),
    }


def _line_search(name: str, problem: TrainingProblem, share: int) -> dict[str, object]:
    """Mini-batches of ten: a gradient-only line search of 200 steps, and the best of three rates of SGD with 2000."""
    bound = train(problem, tol=1e-4, random_state=0).certificate.lower_bound

    def excess(optimiser: str, rate: float | None, steps: int) -> float:
        run = descend(
            problem, 50, optimiser, rate=rate, steps=steps // share, every=steps,
            batch_size=BATCH, random_state=0,
        )  # fmt: skip
        return problem.objective(run.network) / bound - 1

    return {
        "problem": name,
        "SGD above the bound": f"{min(excess('sgd', rate, 2000) for rate in RATES):.1e}",
        "line search above the bound": f"{excess('gradient_only', None, 200):.1e}",
    }


if __name__ == "__main__":
    main()
