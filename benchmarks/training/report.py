"""Tables and pictures of the training suite, from `results/training.csv.gz` alone.

    python -m benchmarks.training.report

A solver with a grid of settings is shown in three ways: by the best run of its grid, chosen in hindsight for every pair
and target; by the median run, with the other half slower; and with the cost of tuning, by the best setting (median of
its seeds) times the number of settings: when all of them are run in turns, this is when one is at the target. The
lowest loss known is that of any run of any solver.
"""

import argparse
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

SUITE = Path(__file__).parent
if str(SUITE) not in sys.path:  # benchopt finds the parts of a suite there
    sys.path.insert(0, str(SUITE))

from benchmark_utils import common  # noqa: E402

IMAGES = Path(__file__).parents[2] / "docs" / "images"
OURS = "convexrelu cutting planes"
TARGETS = (1e-2, 1e-3)  # relative, above the lowest loss known
PAIR = ["data", "alpha"]
CHOICES = ("best run of the grid", "median run", "with tuning")
PICTURED = 4
SAME = 1e-6  # relative, below which two losses are one
LONGEST_RATIO = 100


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=common.RESULTS / "training.csv.gz")
    parser.add_argument("--tables", type=Path, default=common.RESULTS)
    parser.add_argument("--images", type=Path, default=IMAGES)
    asked = parser.parse_args()
    curves = load(asked.source)
    runs = summary_of_runs(curves)
    tables = {
        "losses": loss_table(runs),
        "times": time_table(runs),
        "shares": share_table(runs),
        "won_by_peers": peer_table(runs),
        "setup": setup_table(runs),
        **{f"seconds_{target:g}": seconds_table(runs, target) for target in TARGETS},
    }
    for name, table in tables.items():
        table.to_csv(asked.tables / f"training_{name}.csv", index=False, lineterminator="\n")
    draw_profiles(runs, asked.images / "training_profiles.png")
    draw_races(curves, asked.images / "training_races.png")


def load(path):
    """The tidy table, with short names and the lowest loss so far of every run."""
    curves = pd.read_csv(path)
    curves["data"] = curves["data"].map(_short)
    curves["objective"] = curves["objective"].fillna(np.inf)
    curves["lowest"] = curves.groupby([*PAIR, "solver", "parameters"])["objective"].cummin()
    return curves


def summary_of_runs(curves):
    """One row a run: seconds to each target, infinite where it is not met, and what was known in the end."""
    best = curves.groupby(PAIR)["lowest"].transform("min")
    keys = [*PAIR, "solver", "parameters"]
    runs = curves.groupby(keys, sort=False).agg(
        objective=("lowest", "last"),
        lower_bound=("lower_bound", "last"),
        is_proof=("is_proof", "last"),
        searched_bound=("searched_bound", "last"),
        seconds=("seconds", "last"),
        setup_seconds=("setup_seconds", "last"),
    )
    for target in TARGETS:
        reached = curves[curves["lowest"] <= best * (1 + target)]
        runs[target] = reached.groupby(keys)["seconds"].min()
        runs[target] = runs[target].fillna(np.inf)
    runs = runs.reset_index()
    runs["best"] = runs.groupby(PAIR)["objective"].transform("min")
    return runs


def times(runs, target, choice):
    """Seconds of every pair (rows) and solver (columns); nan where a solver was not run."""
    keys = [*PAIR, "solver"]
    if choice == "with tuning":
        settings = runs["parameters"].str.replace(r"seed=\d+ ?", "", regex=True)
        typical = runs.groupby([*keys, settings])[target].median().groupby(keys)
        return (typical.min() * typical.size()).unstack("solver")
    return runs.groupby(keys)[target].agg("median" if choice == "median run" else "min").unstack()


def loss_table(runs):
    """Of every pair: the lowest loss and whose it is, how far the library is above it, and the gap that it reports."""
    rows = []
    for pair, group in runs.groupby(PAIR, sort=False):
        ours, lowest = group[group["solver"] == OURS], group.loc[group["objective"].idxmin()]
        row = {
            "data": pair[0],
            "alpha": f"{pair[1]:g}",
            "lowest loss": f"{lowest['best']:.5g}",
            "by": lowest["solver"],
            "convexrelu above it": f"{ours['objective'].median() / lowest['best'] - 1:.1e}",
            "gap": _gap(ours),
            "gap by another search": _gap(ours, "searched_bound"),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def time_table(runs):
    """Of every pair and target: seconds of the library, the best run of all peers, and the median of that peer."""
    rows = []
    for pair, group in runs.groupby(PAIR, sort=False):
        ours, peers = group[group["solver"] == OURS], group[group["solver"] != OURS]
        row = {"data": pair[0], "alpha": f"{pair[1]:g}"}
        for target in TARGETS:
            peer = peers.groupby("solver")[target].min()
            row[f"to {target:g}: convexrelu"] = _seconds(ours[target].median())
            row[f"to {target:g}: fastest peer"] = _with_name(peer)
            row[f"to {target:g}: its median"] = _seconds(
                peers.loc[peers["solver"] == peer.idxmin(), target].median()
            )
        rows.append(row)
    return pd.DataFrame(rows)


def seconds_table(runs, target):
    """Best and median seconds of every solver on every pair."""
    best, median = (times(runs, target, choice) for choice in CHOICES[:2])
    cells = {
        solver: [
            "" if np.isnan(b) else f"{_seconds(b)} / {_seconds(m)}"
            for b, m in zip(best[solver], median[solver], strict=True)
        ]
        for solver in best
    }
    return pd.DataFrame(cells, index=best.index).reset_index()


def share_table(runs):
    """Of every solver: how many pairs it solves to a target, and on how many it is the fastest to it."""
    rows = {}
    for target in TARGETS:
        for choice in CHOICES:
            seconds = times(runs, target, choice)
            fastest = seconds.min(axis=1)
            for solver in seconds:
                ran, solved = seconds[solver].notna(), np.isfinite(seconds[solver])
                won = solved & (seconds[solver] == fastest)
                row = rows.setdefault(solver, {"solver": solver, "pairs": int(ran.sum())})
                if choice != "with tuning":  # which changes nothing in what is solved
                    row[f"to {target:g}, {choice}"] = f"{solved.sum() / ran.sum():.0%}"
                row[f"fastest to {target:g}, {choice}"] = f"{won.sum() / ran.sum():.0%}"
    for solver, own in runs.groupby("solver"):
        lowest = own.groupby(PAIR)["objective"].min() == own.groupby(PAIR)["best"].min()
        rows[solver]["has the lowest loss"] = f"{lowest.mean():.0%}"
    bounds = runs[runs["solver"] == OURS]
    rows[OURS]["bounds refuted"] = f"{int(_refuted(bounds).sum())} of {len(bounds)}"
    return pd.DataFrame(rows.values()).fillna("")


def peer_table(runs):
    """Pairs on which the best run of some peer is lower than, or before, the median run of the library."""
    rows = []
    for pair, group in runs.groupby(PAIR, sort=False):
        ours, peers = group[group["solver"] == OURS], group[group["solver"] != OURS]
        what = {f"seconds to {target:g}": target for target in TARGETS} | {"loss": "objective"}
        for label, column in what.items():
            mine, theirs = ours[column].median(), peers.loc[peers[column].idxmin()]
            if theirs[column] < mine * (1 - SAME):
                show = _seconds if label != "loss" else "{:.6g}".format
                row = {"data": pair[0], "alpha": f"{pair[1]:g}", "in": label}
                row |= {"peer": theirs["solver"], "its best run": show(theirs[column])}
                rows.append(row | {"settings": theirs["parameters"], "convexrelu": show(mine)})
    columns = ["data", "alpha", "in", "peer", "its best run", "settings", "convexrelu"]
    return pd.DataFrame(rows, columns=columns)


def setup_table(runs):
    """Medians over pairs: seconds in all, and for building and canonicalising where that is known."""
    known = runs[runs["setup_seconds"].notna()].groupby("solver")[["seconds", "setup_seconds"]]
    table = known.median().map(_seconds).reset_index()
    return table.rename(columns={"setup_seconds": "of these setup"})


def profile(seconds, ratios):
    """Dolan and Moré: share of its pairs (rows) that a solver has solved by `ratios` times the fastest time."""
    relative = seconds.div(
        seconds.min(axis=1), axis=0
    )  # not a number where nobody is at the target
    ran = seconds.notna()
    return {s: np.array([(relative[s][ran[s]] <= r).mean() for r in ratios]) for s in seconds}


def draw_profiles(runs, path):
    """Six profiles; solvers that reach no target on any pair are left out."""
    ratios = np.geomspace(1, LONGEST_RATIO, 200)
    solved = runs[np.isfinite(runs[max(TARGETS)])]["solver"].unique()
    styles = _styles(solved)
    figure, axes = plt.subplots(
        2, 3, figsize=(14, 8), sharex=True, sharey=True, layout="constrained"
    )
    for row, target in zip(axes, TARGETS, strict=True):
        for ax, choice in zip(row, CHOICES, strict=True):
            shares = profile(times(runs, target, choice), ratios)
            for solver, style in styles.items():
                ax.step(ratios, shares[solver], where="post", **style)
            ax.set(
                xscale="log", ylim=(-0.02, 1.02), title=f"to {target:g} above the lowest, {choice}"
            )
    figure.supxlabel("time over that of the fastest solver")
    figure.supylabel("share of pairs solved")
    _finish(figure, path)


def draw_races(curves, path):
    """Loss above the lowest known against time, best run of every solver, and the gap that the library reports."""
    pairs = curves[PAIR].drop_duplicates()
    pairs = pairs.iloc[np.linspace(0, len(pairs) - 1, min(PICTURED, len(pairs))).astype(int)]
    rows = -(-len(pairs) // 2)
    figure, axes = plt.subplots(
        rows, 2, figsize=(11, 1 + 3.5 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    styles = _styles(curves["solver"].unique())
    for ax, pair in zip(axes.flat, pairs.to_numpy(), strict=False):
        _race(ax, curves[(curves[PAIR] == pair).all(axis=1)], styles)
        ax.set(xscale="log", yscale="log", xlim=(0.02, None), ylim=(1e-5, 2))
        ax.set_title(f"{pair[0]}, alpha = {pair[1]:g}")
    for ax in axes.flat[len(pairs) :]:
        ax.remove()
    figure.supxlabel("seconds")
    figure.supylabel("relative distance from the lowest loss")
    _finish(figure, path)


def _race(ax, curves, styles):
    best = curves["lowest"].min()
    for solver, lines in curves.groupby("solver", sort=False):
        ends = lines.groupby("parameters")["lowest"].last()
        line = lines[lines["parameters"] == ends.idxmin()]
        mark = "o" if len(line) == 1 else None
        above = np.maximum(line["lowest"] / best - 1, 1e-9)
        ax.plot(line["seconds"], above, marker=mark, drawstyle="steps-post", **styles[solver])
        if solver == OURS:
            gap = (line["lowest"] - line["lower_bound"]) / line["lowest"]
            proved = "proved" if line["is_proof"].iloc[-1] else "estimated"
            label = f"gap that it reports ({proved} in the end)"
            ax.plot(line["seconds"], gap, "k--", drawstyle="steps-post", label=label)


def _finish(figure, path):
    """One legend for all, beside the panels."""
    entries = {}
    for ax in figure.axes:
        entries |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(entries.values(), entries.keys(), loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _styles(solvers):
    """The library in black and thick; peers in colours, and in dots where these begin anew."""
    peers = sorted(solver for solver in solvers if solver != OURS)
    styles = {
        solver: {"label": solver, "color": f"C{k % 10}", "ls": "-" if k < 10 else ":"}
        for k, solver in enumerate(peers)
    }
    return {OURS: {"label": OURS, "color": "black", "lw": 2.5}} | styles


def _refuted(runs):
    """Claims that some run of some solver fell below; a rounding is forgiven."""
    return runs["lower_bound"] > runs["best"] * (1 + 1e-9)


def _gap(ours, bound="lower_bound"):
    """Median of the final relative gaps, and what it is worth."""
    gap = ((ours["objective"] - ours[bound]) / ours["objective"]).median()
    if bound == "searched_bound":
        return f"{gap:.1e} (estimated)"
    if _refuted(ours).any():
        return f"{gap:.1e} (refuted)"
    return f"{gap:.1e} ({'proved' if ours['is_proof'].all() else 'estimated'})"


def _with_name(seconds):
    if not np.isfinite(seconds.min()):
        return "none"
    return f"{_seconds(seconds.min())} ({seconds.idxmin()})"


def _seconds(value):
    return f"{value:.2g}" if np.isfinite(value) else "—"


def _short(name):
    """``uci[set=yacht]`` is yacht; a teacher keeps its shape."""
    found = re.search(r"set=(\w+)", name)
    return found.group(1) if found else re.sub(r",?seed=\d+", "", name).replace("[", " [")


if __name__ == "__main__":
    main()
