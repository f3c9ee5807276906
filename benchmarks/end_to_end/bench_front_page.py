"""Ten runs of Adam above a proved optimum of two columns of the diabetes data: the picture of the front page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.common import quick_asked, report, standardised
from convexrelu import ConvexReLURegressor
from convexrelu.demo import GradientRun, diabetes, train_by_gradients

ROOT = Path(__file__).parents[2]
COLUMNS = [2, 8]  # body mass index and a blood value (s5), which predict best
ALPHA = 3e-4
RATES = (0.003, 0.01, 0.03)
STEPS, SEEDS = 5000, 10


def main() -> None:
    """Ten networks trained by Adam beside the convex fit, at the same objective and width."""
    quick = quick_asked(main.__doc__ or "")
    X, y = diabetes()
    X, y = standardised(X[:, COLUMNS], y)
    model = ConvexReLURegressor(ALPHA, minimal=True, random_state=0).fit(X, y)
    certificate = model.certificate_
    assert certificate.is_proof, certificate
    runs = [
        _best_of_adam(X, y, model.network_.width, seed, 100 if quick else STEPS)
        for seed in range(1 if quick else SEEDS)
    ]
    rows = [_row("convexrelu", model.network_.width, certificate.objective, certificate)]
    rows += [_row(run.name, run.network.width, run.objectives.min(), certificate) for run in runs]
    report("front_page", rows, write=not quick)
    if not quick:
        figure = picture(runs, certificate)
        figure.savefig(ROOT / "docs" / "images" / "front_page.png", dpi=150)


def _best_of_adam(X: np.ndarray, y: np.ndarray, width: int, seed: int, steps: int) -> GradientRun:
    """The run that has the lowest objective at any step, of all rates."""
    runs = [
        train_by_gradients(
            X, y, ALPHA, optimiser="Adam", rate=rate, width=width, steps=steps, seed=seed
        )
        for rate in RATES
    ]
    return min(runs, key=lambda run: run.objectives.min())


def _row(method: str, width: int, objective: float, certificate: Any) -> dict[str, object]:
    above = objective / certificate.lower_bound - 1
    return {
        "method": method,
        "width": width,
        "objective": f"{objective:.6f}",
        "above the proved bound": f"{above:.2%}" if above >= 1e-4 else f"{above:.4%}",
    }


def picture(runs: list[GradientRun], certificate: Any) -> Figure:
    """Objectives of the runs against steps, and the bound below them."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    ax = figure.subplots()
    bound = certificate.lower_bound
    ends = [run.objectives.min() / bound - 1 for run in runs]
    span = bound * max(ends)
    colours = [f"C{k}" for k in (0, 1, 3, 4, 5, 6, 7, 8, 9, 2)]
    for run, colour in zip(runs, colours, strict=False):
        best = np.minimum.accumulate(run.objectives)
        ax.plot(np.linspace(0, STEPS, len(best)), best, color=colour, linewidth=1.2)
        ax.plot(STEPS, best[-1], "o", color=colour, markersize=4, clip_on=False)
    low, high = bound - 0.35 * span, bound + 3 * span
    ax.axhline(certificate.objective, color="black", linewidth=2)
    ax.axhspan(low, bound, color="0.9")
    ax.annotate(
        "the convex fit, proved optimal",
        (0.02 * STEPS, certificate.objective),
        (0, 4),
        textcoords="offset points",
        weight="bold",
    )
    middle = (low + bound) / 2
    ax.text(
        STEPS / 2,
        middle,
        "proved: no two-layer network, of any width, is down here",
        ha="center",
        va="center",
    )
    ax.text(
        0.98,
        0.96,
        f"ten runs of Adam, from ten random starts:\n{min(ends):.1%} to {max(ends):.1%} above",
        ha="right",
        va="top",
        transform=ax.transAxes,
    )
    ax.set(
        xlim=(0, STEPS),
        ylim=(low, high),
        xlabel="steps of Adam",
        ylabel="training objective, best so far",
        title="Diabetes data, 442 patients: body mass index and a blood value",
    )
    ax.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
