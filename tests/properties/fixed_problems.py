"""Twenty fixed problems of all kinds: what a change that is to change nothing must leave alone.

    python -m tests.properties.fixed_problems > before.txt

from the root of the repository, once before the change and once after; then compare. One line a problem: objective and
lower bound to the last digit, whether that is a proof, how it ended, width and rounds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from convexrelu import TrainingProblem, train

ALPHA = 0.01


def problems() -> Iterator[tuple[str, TrainingProblem, dict[str, Any]]]:
    """Name, problem and options of training."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    y = np.abs(X[:, 0]) - np.maximum(X[:, 1], 0) + 0.1 * rng.standard_normal(40)
    signs, labels = np.sign(y - np.median(y)), rng.integers(0, 3, 40).astype(float)
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        yield loss, TrainingProblem(X, y, ALPHA, loss=loss), {}
    for loss in ("logistic", "hinge", "squared_hinge"):
        yield loss, TrainingProblem(X, signs, ALPHA, loss=loss), {}
    yield "poisson", TrainingProblem(X, np.abs(y), ALPHA, loss="poisson"), {}
    yield "multinomial", TrainingProblem(X, labels, ALPHA, loss="multinomial"), {}
    yield "two outputs", TrainingProblem(X, np.column_stack([y, X[:, 2] ** 2]), ALPHA), {}
    for activation in ("leaky_relu", "absolute_value", "threshold"):
        yield activation, TrainingProblem(X, y, ALPHA, activation=activation), {}
    sampled = {"patterns": "sampled", "n_patterns": 20}
    yield "gated", TrainingProblem(X, y, ALPHA, activation="gated_relu"), sampled
    plain = TrainingProblem(X, y, ALPHA)
    yield "sampled", plain, sampled
    yield "cvxpy", plain, {"solver": "cvxpy:CLARABEL"}
    yield "search", plain, {"oracle": "search"}
    yield "free biases", TrainingProblem(X, y, ALPHA, hidden_bias="free"), {}
    yield "skip", TrainingProblem(X, y, ALPHA, skip=True, skip_alpha=0.1), {}
    yield "line", TrainingProblem(X[:, :1], y, ALPHA, hidden_bias="free"), {}


def main() -> None:
    warnings.simplefilter("ignore")  # some end with a gap
    for name, problem, options in problems():
        result = train(problem, random_state=0, **options)
        certificate = result.certificate
        print(
            f"{name:15}  {certificate.objective!r:22}  {certificate.lower_bound!r:22}  "
            f"{certificate.is_proof!s:5}  {result.status.name:9}  {result.network.width:3}  {len(result.history):2}",
            flush=True,
        )


if __name__ == "__main__":
    main()
