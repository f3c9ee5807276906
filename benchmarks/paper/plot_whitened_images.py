"""The figure of `whitened_images.py`, drawn from its two tables only.

python -m benchmarks.paper.plot_whitened_images
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.common import RESULTS

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "whitened_images.png"
TITLES = {"squared_error": "squared error, one-hot labels", "hinge": "hinge loss, odd against even"}


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows, curves = (
        pd.read_csv(RESULTS / f"{name}.csv")
        for name in ("whitened_images", "whitened_images_curves")
    )
    figure, axes = plt.subplots(1, len(TITLES), figsize=(11, 4.2), layout="constrained")
    for ax, loss in zip(axes, TITLES, strict=True):
        _panel(ax, rows[rows["loss"] == loss], curves[curves["loss"] == loss])
        ax.set_title(TITLES[loss])
    axes[0].set_ylabel("objective")
    figure.savefig(IMAGE, dpi=120)
    plt.close(figure)


def _panel(ax: Any, rows: pd.DataFrame, curves: pd.DataFrame) -> None:
    optimum, *ends = (row for _, row in rows.iterrows())
    for color, ((rate, runs), end) in enumerate(zip(curves.groupby("rate"), ends, strict=True)):
        label = f"SGD, rate {rate:g}: {end['median above the bound']:.0%} above"
        for _, run in runs.groupby("trial"):
            ax.plot(run["epoch"], run["objective"], f"C{color}", linewidth=0.8, label=label)
            label = "_another trial"
    ax.axhline(
        optimum["bound"],
        color="black",
        linestyle="--",
        label=f"closed form, {optimum['bound is']}: {1000 * optimum['seconds']:.2g} ms",
    )
    ax.set(xscale="symlog", yscale="log", xlabel="epochs")
    ax.set_xlim(left=0)
    ax.legend(fontsize="small")


if __name__ == "__main__":
    main()
