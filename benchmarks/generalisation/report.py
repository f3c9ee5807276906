"""Tables and a figure of test errors, made from ``results/generalisation.csv`` only.

    python -m benchmarks.generalisation.report

A split counts where all methods have been measured on it. Ranks are those of mean errors over the splits of a set
(equal errors share theirs), averaged over sets. Two methods differ by the test of Nemenyi, as in Demšar (2006), where
their mean ranks are further apart than the critical difference; sets are what is random in it. scikit-posthocs has the
test and its diagram, which :class:`convexrelu.comparison.CriticalDifferenceDisplay` draws. Here ranks are drawn
against time, which needs the difference itself, and only SciPy for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata, studentized_range

from benchmarks.common import recorded, write_table
from benchmarks.generalisation.data import CLASSIFICATION
from benchmarks.generalisation.methods import METHODS
from benchmarks.generalisation.run import LARGEST, NAME

IMAGE = Path(__file__).parents[2] / "docs" / "images" / "generalisation.png"
LEVEL = 0.05

# Of each data set, errors and seconds with a row for each split and a column for each method.
Measured = dict[str, tuple[np.ndarray, np.ndarray]]


def main() -> None:
    measured = _measured()
    if not measured:
        raise SystemExit("no split has been measured with all methods yet")
    write_table("generalisation_errors", [_error_row(data, measured) for data in measured])
    write_table("generalisation_methods", method_table(measured))
    _plot(measured)


def _measured() -> Measured:
    rows = [row for row in recorded(NAME) if int(row["largest"]) == LARGEST]
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for row in rows:
        found.setdefault((row["data"], row["split"]), {})[row["method"]] = row
    whole = {key: of for key, of in found.items() if set(METHODS) <= set(of)}
    return {
        data: tuple(
            np.array(
                [
                    [float(of[m][what]) for m in METHODS]
                    for key, of in whole.items()
                    if key[0] == data
                ]
            )
            for what in ("error", "seconds")
        )
        for data in sorted(
            {data for data, _ in whole}, key=lambda name: (name in CLASSIFICATION, name)
        )
    }


def _error_row(data: str, measured: Measured) -> dict[str, Any]:
    errors, _ = measured[data]
    means = errors.mean(axis=0)
    row = {"data": data, "splits": len(errors)}
    for method, mean, spread in zip(METHODS, means, errors.std(axis=0), strict=True):
        best = "*" if mean == means.min() else ""
        row[method] = f"{mean:.3f} ± {spread:.3f}{best}"
    return row


def method_table(measured: Measured) -> list[dict[str, Any]]:
    """One row a method, the best mean rank first."""
    ranks = _ranks(measured)
    means = _mean_errors(measured)
    seconds = np.array([of.sum(axis=0) for _, of in measured.values()])
    n_splits = sum(len(errors) for errors, _ in measured.values())
    methods = list(METHODS)
    return [
        {
            "method": methods[k],
            "mean rank": f"{ranks[:, k].mean():.2f}",
            "best or equal on": int((means[:, k] == means.min(axis=1)).sum()),
            "sets": len(measured),
            "splits": n_splits,
            "seconds in all": f"{seconds[:, k].sum():.0f}",
            "median seconds of a split": f"{_median_seconds(measured)[k]:.3g}",
        }
        for k in ranks.mean(axis=0).argsort(kind="stable")
    ]


def critical_difference(n_methods: int, n_sets: int) -> float:
    """Of mean ranks, by the test of Nemenyi."""
    quantile = studentized_range.ppf(1 - LEVEL, n_methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets)))


def _mean_errors(measured: Measured) -> np.ndarray:
    return np.array([errors.mean(axis=0) for errors, _ in measured.values()])


def _ranks(measured: Measured) -> np.ndarray:
    return rankdata(_mean_errors(measured), axis=1)


def _median_seconds(measured: Measured) -> np.ndarray:
    return np.median(np.vstack([seconds for _, seconds in measured.values()]), axis=0)


def _plot(measured: Measured) -> None:
    """Mean ranks with the critical difference; errors of each set in units of the best."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    height = 1.8 + 0.3 * max(len(METHODS), len(measured))
    figure, axes = plt.subplots(
        1, 2, figsize=(11, height), layout="constrained", width_ratios=(1, 1.3)
    )
    colours = {method: f"C{k}" for k, method in enumerate(METHODS)}
    _plot_ranks(axes[0], measured, colours)
    _plot_errors(axes[1], measured, colours)
    IMAGE.parent.mkdir(exist_ok=True)
    figure.savefig(IMAGE, dpi=110)
    plt.close(figure)


def _plot_ranks(axes: Any, measured: Measured, colours: dict[str, str]) -> None:
    ranks, seconds = _ranks(measured).mean(axis=0), _median_seconds(measured)
    for rank, time, method in zip(ranks, seconds, METHODS, strict=True):
        axes.plot(time, rank, "o", markersize=8, color=colours[method], label=method)
    difference = critical_difference(len(METHODS), len(measured))
    axes.errorbar(
        0.04,
        ranks.mean(),
        yerr=difference / 2,
        color="0.4",
        capsize=4,
        transform=axes.get_yaxis_transform(),
    )
    axes.annotate(
        f"critical difference {difference:.1f}",
        (0.06, ranks.mean()),
        color="0.4",
        rotation=90,
        xycoords=axes.get_yaxis_transform(),
        verticalalignment="center",
    )
    axes.set(
        xscale="log",
        xlabel="median seconds to choose and fit",
        ylabel="mean rank of the test error",
    )
    axes.set_xlim(seconds.min() / 8, seconds.max() * 2)
    axes.invert_yaxis()
    axes.set_title(f"{len(measured)} data sets; up is better", fontsize="medium")


def _plot_errors(axes: Any, measured: Measured, colours: dict[str, str]) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator, ScalarFormatter

    regression = {name: of for name, of in measured.items() if name not in CLASSIFICATION}
    for k, (errors, _) in enumerate(regression.values()):
        means = errors.mean(axis=0)
        for j, (method, colour) in enumerate(colours.items()):
            place = k + 0.06 * (j - (len(colours) - 1) / 2)
            label = method if k == 0 else None
            axes.plot(means[j] / means.min(), place, "o", color=colour, label=label)
    axes.set_yticks(range(len(regression)), list(regression))
    axes.set(xscale="log", xlabel="mean test error / that of the best method (regression sets)")
    # Decades are too far apart for ticks.
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.hlines(
        np.arange(len(regression) - 1) + 0.5,
        0,
        1,
        transform=axes.get_yaxis_transform(),
        color="0.85",
    )
    axes.grid(axis="x", alpha=0.3)
    axes.figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper center", ncols=len(colours)
    )


if __name__ == "__main__":
    main()
