"""Closed form of whitened images beside five trials of SGD.

    python -m benchmarks.paper.whitened_images [--quick]

After Ergen & Pilanci, "Convex Geometry and Duality of Over-parameterized Neural Networks" (JMLR 2021), where SGD on
whitened images is set beside the formula for the optimum: ``(n, d) = (200, 250)``, 100 neurons without biases,
``beta = 1e-3``, and the objective ``Σ_i ℓ(f(x_i), y_i) + (beta/2) Σ_j (‖w_j‖² + ‖a_j‖²)``, which is ``n`` times that of
the library with ``alpha = beta/n``. Losses are half the squared error to one-hot labels, and the hinge loss for odd
digits against even ones. With ``n_k`` samples of class ``k`` the optimum is ``Σ_k (beta √n_k − beta²/2)`` and
``beta (√n_+ + √n_−)``; `train` finds it, and its proof, without being told that rows are whitened.

Images are drawn from MNIST's test set, reduced to ``d`` principal components and made orthogonal: ``XXᵀ = I``, the
polar factor. Any images with the same labels would give the same rows but for a rotation, so that the optimum and, up
to its random start, SGD depend on the size of each class only. Without MNIST they are scikit-learn's digits, fewer.

SGD in single precision with mini-batches of a quarter of the samples, weight decay, one of a few constant rates, and
the usual first weights of torch. Its rate is that of the objective as it stands, not divided by ``n``. Objectives are
computed by the library in double precision; looking at them is not timed.
"""

from __future__ import annotations

import math
import os
import time
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.linalg import polar
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.preprocessing import label_binarize
from torch import nn

from benchmarks.common import median_seconds, mnist, quick_asked, report, write_table
from benchmarks.paper import plot_whitened_images
from convexrelu import TrainingProblem, TwoLayerNetwork, train

NAME = "whitened_images"
BETA = 1e-3
RATES = {"squared_error": (0.01, 0.03, 0.1), "hinge": (0.003, 0.01, 0.03)}
GROWTH = 1.2  # of epochs, from one look at the objective to the next


class Scale(NamedTuple):
    """Samples, features, neurons, and how long SGD runs."""

    n: int = 200
    d: int = 250
    m: int = 100
    epochs: int = 3000
    trials: int = 5


FULL, WITHOUT_MNIST, QUICK = Scale(), Scale(50, 60), Scale(40, 50, 20, 50, 2)


def main() -> None:
    quick = quick_asked(__doc__.splitlines()[0])
    torch.set_num_threads(1)
    has_mnist = not quick and "CONVEXRELU_MNIST" in os.environ
    scale = QUICK if quick else FULL if has_mnist else WITHOUT_MNIST
    X, labels = whitened_images(*(mnist() if has_mnist else load_digits(return_X_y=True)), scale)
    rows, curves = [], []
    for loss in RATES:
        problem = problem_of(X, labels, loss)
        optimum = closed_form(problem)
        traces = [
            {"loss": loss, "rate": rate, "trial": trial} | point
            for rate in RATES[loss]
            for trial in range(scale.trials)
            for point in descend(problem, scale, rate, trial)
        ]
        curves += traces
        rows += [optimum, *(_summary(optimum, traces, rate, scale.m) for rate in RATES[loss])]
    report(NAME, rows, write=not quick)
    if not quick:
        write_table(f"{NAME}_curves", curves)
        plot_whitened_images.main()


def whitened_images(
    images: np.ndarray, labels: np.ndarray, scale: Scale
) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal rows, and their digits."""
    chosen = np.random.default_rng(0).choice(len(labels), scale.n, replace=False)
    reduced = PCA(scale.d, random_state=0).fit(images).transform(images[chosen])
    return polar(reduced)[0], labels[chosen]


def problem_of(X: np.ndarray, labels: np.ndarray, loss: str) -> TrainingProblem:
    """One-hot labels for the squared error, odd against even digits for the hinge loss."""
    y = np.where(labels % 2, 1.0, -1.0)
    if loss == "squared_error":
        y = label_binarize(labels, classes=np.unique(labels)).astype(float)
    alpha = BETA / len(X)
    return TrainingProblem(X, y, alpha, loss=loss, hidden_bias=False, fit_intercept=False)


def closed_form(problem: TrainingProblem) -> dict[str, Any]:
    """The optimum with its bound, in the units of the paper."""
    seconds, result = median_seconds(partial(train, problem, tol=1e-9), 5)
    n, certificate = problem.n_samples, result.certificate
    objective, bound = n * certificate.objective, n * certificate.lower_bound
    return {
        "loss": problem.loss.name,
        "n": n,
        "d": problem.n_features,
        "method": "closed form",
        "neurons": result.network.width,
        "best": f"{objective:.9g}",
        "median": f"{objective:.9g}",
        "bound": f"{bound:.9g}",
        "bound is": "proved" if certificate.is_proof else "estimated",
        "median above the bound": f"{objective / bound - 1:.1e}",
        "seconds": seconds,
    }


def descend(problem: TrainingProblem, scale: Scale, rate: float, seed: int) -> list[dict[str, Any]]:
    """Epochs, seconds and objectives of one trial of SGD; infinite once it has diverged."""
    torch.manual_seed(seed)
    X, y = (torch.tensor(array, dtype=torch.float32) for array in (problem.X, problem.y))
    y = y.reshape(len(X), -1)
    net = nn.Sequential(
        nn.Linear(scale.d, scale.m, bias=False),
        nn.ReLU(),
        nn.Linear(scale.m, y.shape[1], bias=False),
    )
    stepper = torch.optim.SGD(net.parameters(), lr=rate, weight_decay=BETA)
    fit = _hinge if problem.loss.name == "hinge" else _half_squares
    trace, seconds, next_look = [], 0.0, 0.0
    for epoch in range(scale.epochs + 1):
        if epoch >= next_look or epoch == scale.epochs:
            trace.append({"epoch": epoch, "seconds": seconds, "objective": _judged(net, problem)})
            next_look = epoch * GROWTH
        started = time.perf_counter()
        for batch in torch.randperm(len(X)).chunk(4):
            stepper.zero_grad()
            (len(X) / len(batch) * fit(net(X[batch]), y[batch])).backward()
            stepper.step()
        seconds += time.perf_counter() - started
    return trace


def _judged(net: nn.Module, problem: TrainingProblem) -> float:
    if not all(part.isfinite().all() for part in net.parameters()):
        return math.inf
    return problem.n_samples * problem.objective(TwoLayerNetwork.from_torch(net))


def _half_squares(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return 0.5 * (outputs - targets).square().sum()


def _hinge(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.relu(1 - targets * outputs).sum()


def _summary(
    optimum: dict[str, Any], traces: list[dict[str, Any]], rate: float, m: int
) -> dict[str, Any]:
    """What trials at one rate ended with."""
    last = max(point["epoch"] for point in traces)
    ends = [point for point in traces if (point["rate"], point["epoch"]) == (rate, last)]
    objectives = [point["objective"] for point in ends]
    median = float(np.median(objectives))
    return optimum | {
        "method": f"SGD, rate {rate:g}",
        "neurons": m,
        "best": f"{min(objectives):.5g}",
        "median": f"{median:.5g}",
        "median above the bound": f"{median / float(optimum['bound']) - 1:.2g}",
        "seconds": float(np.median([point["seconds"] for point in ends])),
    }


if __name__ == "__main__":
    main()
