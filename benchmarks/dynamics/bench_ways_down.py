"""How far other ways of training end above proved optima, and margins of normalised gradient flow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.common import quick_asked, report
from benchmarks.dynamics.problems import Problem, problems
from convexrelu import TwoLayerNetwork, train
from convexrelu.baselines import (
    Descent,
    DynamicalLoss,
    LabelNoise,
    descend,
    follow_normalised_flow,
    maximum_margin,
)
from convexrelu.optimal_set import minimal
from convexrelu.optimal_set.columns import penalties_of

Best = tuple[Descent, float, float]
WIDTH = 50
STEPS = 2000
OF_LINE_SEARCH = 10  # gradients that one of its steps takes: it gets fewer steps
SEED = 0
# The best of three rates counts; the time is the CPU time of its run.
RATES = {
    "sgd": (0.1, 0.3, 1.0),
    "momentum": (0.03, 0.1, 0.3),
    "adam": (0.003, 0.01, 0.03),
    "path_sgd": (0.03, 0.1, 0.3),
    "gradient_only": (0.01,),
}
# Neurons that are one up to this fraction of the spread of the data are merged, and those with less than this fraction
# of the penalty do not count.
SAME, DUST = 1e-3, 1e-3


def main() -> None:
    """Ten problems with proofs, seven ways of training, and margins on three data sets."""
    quick = quick_asked(main.__doc__ or "")
    chosen = problems()
    chosen = [chosen[0], chosen[7]] if quick else chosen
    steps = 100 if quick else STEPS
    rows = [row for problem in chosen for row in _rows(problem, steps)]
    report("ways_down", rows, write=not quick)
    margins = [_margin(one, steps) for one in chosen if one.is_classification]
    report("ways_down_margins", margins, write=not quick)


def _rows(problem: Problem, steps: int) -> list[dict[str, object]]:
    training = problem.training
    started = time.process_time()
    result = train(training, tol=1e-4, random_state=SEED)
    seconds = time.process_time() - started
    certificate = result.certificate
    if not certificate.is_proof:
        raise RuntimeError(f"no proof for {problem.name}: {certificate}")
    bound = certificate.lower_bound
    network = minimal(result.network, training)
    rows = [_row(problem, "convex", "", network, bound, seconds)]
    for name, (run, rate, taken) in _runs(problem, steps):
        rows.append(_row(problem, name, rate, run.network, bound, taken))
    return rows


def _runs(problem: Problem, steps: int) -> list[tuple[str, Best]]:
    """Each way, with the rate that ends lowest."""
    counts = dict.fromkeys(RATES, steps) | {"gradient_only": steps // OF_LINE_SEARCH}
    runs = [(name, _best(problem, name, counts[name])) for name in RATES]
    if problem.is_classification:
        period = max(steps // 20, 2)
        name, schedule = (
            "dynamical loss",
            DynamicalLoss(problem.training.y, amplitude=5.0, period=period),
        )
        return [*runs, (name, _best(problem, "adam", steps, lambda: schedule))]
    noise = 0.2 * float(problem.training.y.std())
    noisy = lambda: LabelNoise(noise, random_state=SEED)  # noqa: E731  new for every rate
    return [*runs, ("label noise", _best(problem, "adam", steps, noisy))]


def _best(
    problem: Problem, optimiser: str, steps: int, schedule: Callable[[], Any] = lambda: None
) -> Best:
    """The run that ends lowest, its rate and its CPU time."""
    found = []
    for rate in RATES[optimiser]:
        started = time.process_time()
        try:
            run = descend(
                problem.training, WIDTH, optimiser, rate=rate, steps=steps, every=steps,
                schedule=schedule(), random_state=SEED,
            )  # fmt: skip
        except ValueError:  # weights that are not finite any more
            continue
        found.append((run, rate, time.process_time() - started))
    finite = [one for one in found if np.isfinite(one[0].objectives[-1])]
    return min(finite, key=lambda one: one[0].objectives[-1])


def _row(
    problem: Problem,
    method: str,
    rate: object,
    network: TwoLayerNetwork,
    bound: float,
    seconds: float,
) -> dict[str, object]:
    training = problem.training
    objective = training.objective(network)
    return {
        "problem": problem.name,
        "n": training.n_samples,
        "d": training.n_features,
        "alpha": training.alpha,
        "method": method,
        "rate": rate,
        "objective": objective,
        "above proved bound": f"{objective / bound - 1:.1e}",
        "CPU seconds": f"{seconds:.2f}",
        "test error": f"{problem.error(network.predict(problem.X_test)):.4f}",
        "neurons": _neurons(problem, network),
    }


def _neurons(problem: Problem, network: TwoLayerNetwork) -> int:
    """Number of different neurons that count."""
    merged = network.merge(SAME, X=problem.training.X)
    sizes = penalties_of(merged, problem.training)
    return int((sizes > DUST * sizes.sum()).sum())


def _margin(problem: Problem, steps: int) -> dict[str, object]:
    X, y = problem.training.X, problem.training.y
    best = maximum_margin(X, y, tol=1e-4, random_state=SEED)
    flow = follow_normalised_flow(
        X, y, WIDTH, steps=5 * steps, rate=0.01, every=steps, random_state=SEED
    )
    return {
        "problem": problem.name,
        "largest margin": best.margin,
        "upper bound": best.upper_bound,
        "proved": best.is_proof,
        "margin of the flow": float(flow.margins[-1]),
        "share of the largest": f"{flow.margins[-1] / best.margin:.3f}",
        "log loss": f"{flow.log_losses[-1]:.3g}",
        "below the bound": bool(flow.margins[-1] <= best.upper_bound),
    }


if __name__ == "__main__":
    main()
