"""The demo's comparison over several seeds: objective, distance to the bound, time."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from sklearn.preprocessing import StandardScaler

from benchmarks.common import RESULTS, quick_asked, report
from convexrelu import ConvexReLURegressor, demo

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Run all methods for every seed and report medians and spread."""
    quick = quick_asked(main.__doc__)
    X, y = demo.diabetes()
    inputs = StandardScaler().fit_transform(X)
    alpha = 0.3 if quick else demo.ALPHA
    models, seconds, runs = [], [], {name: [] for name in demo.RATES}
    for seed in range(1 if quick else 5):
        started = time.perf_counter()
        models.append(ConvexReLURegressor(alpha=alpha, random_state=seed).fit(inputs, y))
        seconds.append(time.perf_counter() - started)
        for name in runs:
            runs[name].append(demo.best_run(inputs, y, alpha, name, seed=seed))
    certificate = max((m.certificate_ for m in models), key=lambda c: c.lower_bound)
    convex = [m.certificate_.objective for m in models]
    rows = [_row("convexrelu", convex, [m.network_.width for m in models], seconds, certificate)]
    for name, pairs in runs.items():
        objectives = [run.objectives[-1] for run, _ in pairs]
        widths = [run.network.width for run, _ in pairs]
        rows.append(_row(f"{name} (torch)", objectives, widths, [s for _, s in pairs], certificate))
    for row in rows:
        row["time / convexrelu"] = f"{row['time / convexrelu'] / median(seconds):.2f}"
    report("demo", rows, write=not quick)
    if not quick:
        figure = demo.plot(models[0], {name: pairs[0] for name, pairs in runs.items()})
        figure.savefig(ROOT / "docs" / "images" / "demo.png", dpi=110)
        print(markdown_table())


def _row(name, objectives, widths, seconds, certificate):
    bound = certificate.lower_bound
    return {
        "method": name,
        "objective": f"{median(objectives):.6f}",
        "spread": f"{max(objectives) - min(objectives):.1e}",
        "above the bound": f"{(median(objectives) - bound) / median(objectives):.1e}",
        "bound": f"{bound:.6f} ({'proved' if certificate.is_proof else 'estimated'})",
        "width": int(median(widths)),
        "time / convexrelu": median(seconds),
    }


def markdown_table() -> str:
    """The results as the table that the README shows."""
    lines = (RESULTS / "demo.csv").read_text().splitlines()
    cells = ["| " + " | ".join(line.split(",")) + " |" for line in lines]
    return "\n".join([cells[0], "|" + "---|" * len(lines[0].split(",")), *cells[1:]])


if __name__ == "__main__":
    main()
