"""The figure of `duality_gap.py`, drawn from its two tables only.

python -m benchmarks.paper.plot_duality_gap
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import recorded

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "duality_gap.png"
LEAST = 1e-12  # what is below is rounding


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    optima, rows = recorded("duality_gap_convex"), recorded("duality_gap")
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
    for ax, optimum in zip(axes, optima, strict=True):
        _panel(ax, optimum, [row for row in rows if row["data"] == optimum["data"]])
    axes[0].set_ylabel("relative duality gap")
    axes[0].set_ylim(bottom=LEAST / 2)
    figure.savefig(IMAGE, dpi=120)
    plt.close(figure)


def _panel(ax: Any, optimum: dict[str, str], rows: list[dict[str, str]]) -> None:
    rows = sorted(rows, key=lambda row: int(row["m"]))
    bound, neurons = float(optimum["bound"]), int(optimum["neurons"])
    widths = [int(row["m"]) for row in rows]
    for name, marker in (("best", "o"), ("median", "s")):
        gaps = [max(1 - bound / float(row[name]), LEAST) for row in rows]
        ax.plot(widths, gaps, marker=marker, markersize=4, label=f"{name} of {rows[0]['restarts']}")
    own = max(1 - bound / float(optimum["objective"]), LEAST)
    label = f"convex, bound {optimum['bound is']}"
    ax.plot(widths, np.full(len(widths), own), color="0.3", linestyle="--", label=label)
    ax.axvline(neurons, color="0.3", linestyle=":", label=f"its {neurons} neurons")
    ax.set(xscale="log", yscale="log", xlabel="neurons m")
    ax.minorticks_off()
    ticks = [m for m in (1, 2, 3, 5, 10, 20, 40) if m <= max(widths)]
    ax.set_xticks(ticks, [str(m) for m in ticks])
    ax.set_title(
        f"{optimum['data']}: n = {optimum['n']}, d = {optimum['d']}, β = {optimum['beta']}"
    )
    ax.legend(fontsize="small")


if __name__ == "__main__":
    main()
