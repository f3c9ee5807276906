"""The demonstration: this library, SGD and Adam on one real data set, at the same objective."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from convexrelu._utils.torch_import import torch
from convexrelu._utils.typing import Array
from convexrelu.certification import certify
from convexrelu.displays import ConvergenceDisplay
from convexrelu.estimators.regressor import ConvexReLURegressor
from convexrelu.networks.two_layer import TwoLayerNetwork

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GradientRun", "best_run", "diabetes", "main", "plot", "train_by_gradients"]


# The comparison in the README: the best of three rates for each optimiser.
ALPHA = 0.05
RATES = {"SGD": (0.03, 0.1, 0.3), "Adam": (0.003, 0.01, 0.03)}
WIDTH = 100
STEPS = 3000


@dataclass(frozen=True, eq=False)
class GradientRun:
    """A network trained by a torch optimiser.

    Attributes
    ----------
    name : str
        Optimiser and learning rate.
    network : TwoLayerNetwork
    seconds, objectives : arrays of shape (k,)
        The regularised objective over time.
    """

    name: str
    network: TwoLayerNetwork
    seconds: Array
    objectives: Array


def diabetes() -> tuple[Array, Array]:
    """scikit-learn's diabetes data, 442 × 10, with standardised targets."""
    X, y = load_diabetes(return_X_y=True)
    return X, (y - y.mean()) / y.std()


def train_by_gradients(
    X: Array,
    y: Array,
    alpha: float,
    *,
    optimiser: str,
    rate: float,
    width: int = WIDTH,
    steps: int = STEPS,
    seed: int = 0,
) -> GradientRun:
    """Full-batch SGD (momentum 0.9) or Adam in float64 on ``(1/2n)‖f − y‖² + (alpha/2)(‖W̃‖² + ‖a‖²)``.

    The objective is recorded every twentieth step.
    """
    torch.manual_seed(seed)
    inputs, targets = torch.tensor(X), torch.tensor(y)
    hidden = torch.nn.Linear(X.shape[1], width, dtype=torch.float64)
    output = torch.nn.Linear(width, 1, dtype=torch.float64)
    module = torch.nn.Sequential(hidden, torch.nn.ReLU(), output)
    penalised = [hidden.weight, hidden.bias, output.weight]
    stepper: torch.optim.Optimizer = (
        torch.optim.SGD(module.parameters(), lr=rate, momentum=0.9)
        if optimiser == "SGD"
        else torch.optim.Adam(module.parameters(), lr=rate)
    )
    trace, started = [], time.perf_counter()
    for step in range(steps + 1):
        stepper.zero_grad()
        data_fit = 0.5 * (module(inputs)[:, 0] - targets).square().mean()
        objective = data_fit + 0.5 * alpha * sum(part.square().sum() for part in penalised)
        if step % 20 == 0:
            trace.append((time.perf_counter() - started, objective.item()))
        if step < steps:
            objective.backward()
            stepper.step()
    seconds, objectives = np.array(trace).T
    network = TwoLayerNetwork.from_torch(module)
    return GradientRun(f"{optimiser}, rate {rate:g}", network, seconds, objectives)


def best_run(
    X: Array, y: Array, alpha: float, optimiser: str, *, seed: int = 0
) -> tuple[GradientRun, float]:
    """Best of the rates in `RATES`, and the total seconds for all of them."""
    runs = [
        train_by_gradients(X, y, alpha, optimiser=optimiser, rate=rate, seed=seed)
        for rate in RATES[optimiser]
    ]
    total = float(sum(run.seconds[-1] for run in runs))
    finite = [run for run in runs if np.isfinite(run.objectives[-1])]
    return min(finite, key=lambda run: run.objectives[-1]), total


def main(plot_path: Path = Path("convexrelu-demo.png"), verbose: int = 1) -> None:
    """Run the demonstration and save its plot, if matplotlib is installed."""
    draws = importlib.util.find_spec("matplotlib") is not None
    if not draws:
        print('no plot without matplotlib: pip install "convexrelu[plot]"\n')
    X, y = diabetes()
    print(f"diabetes: {X.shape[0]} samples, {X.shape[1]} features, alpha = {ALPHA}\n")
    model = Pipeline(
        [
            ("scale", StandardScaler()),
            ("network", ConvexReLURegressor(alpha=ALPHA, random_state=0, verbose=verbose)),
        ]
    )
    started = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - started
    network: ConvexReLURegressor = model.named_steps["network"]
    print(f"\n{network.certificate_}\n")

    inputs = model.named_steps["scale"].transform(X)
    runs = {name: best_run(inputs, y, ALPHA, name) for name in RATES}
    _print_table(network, seconds, runs, inputs, y)
    _check_export(network, inputs)
    _one_feature_with_proof(X, y)
    if draws:
        plot(network, runs).savefig(plot_path, dpi=150)
        print(f"plot saved to {plot_path}")


def _print_table(
    model: ConvexReLURegressor,
    seconds: float,
    runs: dict[str, tuple[GradientRun, float]],
    inputs: Array,
    y: Array,
) -> None:
    bound = model.certificate_.lower_bound
    kind = "proved" if model.certificate_.is_proof else "estimated"
    print(
        f"{'method':<22}{'objective':>12}{'above bound':>14}{'width':>7}{'time':>9}   (bound {bound:.6f}, {kind})"
    )
    rows = [("convexrelu", model.certificate_.objective, model.network_.width, seconds)]
    for run, total in runs.values():
        certificate = certify(run.network, inputs, y, alpha=ALPHA, bound="residual", random_state=0)
        rows.append((run.name, certificate.objective, run.network.width, total))
    for name, objective, width, time_taken in rows:
        above = (objective - bound) / objective
        print(f"{name:<22}{objective:12.6f}{above:14.2e}{width:7d}{time_taken:8.1f}s")
    print(
        f"SGD and Adam: best of {len(RATES['SGD'])} rates, {STEPS} full-batch steps each; the time is for all rates.\n"
    )


def _check_export(model: ConvexReLURegressor, inputs: Array) -> None:
    module = model.to_torch()
    with torch.no_grad():
        outputs = module(torch.tensor(inputs))[:, 0].numpy()
    difference = float(np.abs(outputs - model.predict(inputs)).max())
    print(f"exported to torch: {module}")
    print(f"largest difference of outputs: {difference:.1e} (asked: at most 1e-6)\n")
    if difference > 1e-6:
        raise RuntimeError("the torch module's outputs differ from the network's")


def _one_feature_with_proof(X: Array, y: Array) -> None:
    """With one feature and a bias, all activation patterns can be enumerated, so the gap is proved."""
    bmi = StandardScaler().fit_transform(X[:, [2]])
    model = ConvexReLURegressor(alpha=ALPHA, random_state=0, tol=1e-6).fit(bmi, y)
    print(f"body-mass index alone: {model.certificate_}\n")


def plot(model: ConvexReLURegressor, runs: dict[str, tuple[GradientRun, float]]) -> Figure:
    """Objective of every method, and the bound, over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    # The first rounds are far off scale.
    history = [entry for entry in model.history_ if entry.n_blocks > 0]
    ConvergenceDisplay.from_history(history, ax=axes, name="convexrelu")
    for run, _ in runs.values():
        axes.plot(run.seconds[1:], run.objectives[1:], label=run.name)
    best = model.certificate_.objective
    axes.set(
        xscale="log",
        ylim=(0.94 * best, 1.25 * best),
        title=f"Two-layer ReLU network on the diabetes data, weight decay {ALPHA}",
    )
    axes.legend()
    return figure
