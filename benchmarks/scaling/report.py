"""Exponents and plots of growth, made from ``results/scaling.csv`` only.

python -m benchmarks.scaling.report
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import RESULTS, recorded, write_table
from benchmarks.scaling.exponents import Growth, growth
from benchmarks.scaling.sizes import SWEEPS, Sweep

IMAGES = Path(__file__).parents[2] / "docs" / "images"
NAMES = {"n": "samples n", "d": "features d", "P": "patterns P", "K": "outputs K"}
STYLES = {(1, "cpu"): "-", (2, "cpu"): "--", (1, "cuda"): ":"}
SETTINGS = {(1, "cpu"): "1 thread", (2, "cpu"): "2 threads", (1, "cuda"): "GPU"}

Rows = list[dict[str, Any]]


class Line:
    """What was measured of one method while one size varied, in one setting."""

    def __init__(self, rows: Rows, sweep: Sweep, name: str, setting: tuple[int, str]) -> None:
        self.sweep, self.name, self.setting = sweep, name, setting
        self.values: list[int] = []
        self.seconds: list[list[float]] = []
        self.memory: list[float] = []
        for size in sweep.along(name):
            found = [row for row in rows if _is_of(row, sweep.method, size, setting)]
            if found and all(int(row["finished"]) for row in found):
                self.values.append(size[name])
                self.seconds.append([float(row["seconds"]) for row in found])
                self.memory.append(float(found[0]["MB"]))

    @property
    def growth(self) -> Growth | None:
        return growth(self.values, self.seconds) if len(self.values) > 1 else None


def main() -> None:
    rows = recorded("scaling")
    write_table("scaling_exponents", exponent_table(rows, SWEEPS))
    for part in dict.fromkeys(sweep.part for sweep in SWEEPS):
        _plot(part, [line for line in _lines(rows, SWEEPS) if line.sweep.part == part])
    print(f"made from {RESULTS / 'scaling.csv'}")


def exponent_table(rows: Rows, sweeps: Sequence[Sweep]) -> Rows:
    """One row a line that has at least two sizes."""
    return [_exponent_row(line) for line in _lines(rows, sweeps) if line.growth is not None]


def _exponent_row(line: Line) -> dict[str, Any]:
    assert line.growth is not None
    exponent, lowest, highest, factor = line.growth
    return {
        "method": line.sweep.method,
        "grows with": line.name,
        "from": line.values[0],
        "to": line.values[-1],
        "at": line.sweep.fixed(line.name),
        "on": SETTINGS[line.setting],
        "exponent of time": f"{exponent:.2f}",
        "of single repeats": f"{lowest:.2f} to {highest:.2f}",
        "worst factor off the line": f"{factor:.2f}",
        "seconds at the largest": f"{median(line.seconds[-1]):.3g}",
        "MB at the largest": f"{line.memory[-1]:.0f}",
    }


def _lines(rows: Rows, sweeps: Sequence[Sweep]) -> Iterator[Line]:
    for sweep in sweeps:
        for name in sweep.values:
            for setting in SETTINGS:
                line = Line(rows, sweep, name, setting)
                if line.values:
                    yield line


def _is_of(row: dict[str, Any], method: str, size: dict[str, int], setting: tuple) -> bool:
    if row["method"] != method or (int(row["threads"]), row["device"]) != setting:
        return False
    return all(str(row[name]) == str(size.get(name, "")) for name in NAMES)


def _plot(part: str, lines: Sequence[Line]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in NAMES if any(line.name == name for line in lines)]
    if not names:
        return
    shape = {"figsize": (1 + 3.6 * len(names), 7), "squeeze": False, "sharey": "row"}
    figure, axes = plt.subplots(2, len(names), layout="constrained", **shape)
    sweeps = list(dict.fromkeys((line.sweep.method, line.sweep.base["d"]) for line in lines))
    for column, name in enumerate(names):
        chosen = [line for line in lines if line.name == name]
        fixed = {line.sweep.fixed(name) for line in chosen}
        for line in chosen:
            colour = f"C{sweeps.index((line.sweep.method, line.sweep.base['d']))}"
            _draw(axes[:, column], line, colour, with_fixed=len(fixed) > 1)
        title = fixed.pop() if len(fixed) == 1 else None
        above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
        axes[0, column].legend(title=title, fontsize="small", frameon=False, **above)
        axes[1, column].set_xlabel(NAMES[name])
        ticks = sorted({value for line in chosen for value in line.values})
        for ax in axes[:, column]:
            ax.minorticks_off()
            ax.set_xticks(ticks, [str(tick) for tick in ticks])
            ax.tick_params(axis="x", rotation=45 if len(ticks) > 5 else 0)
    axes[0, 0].set_ylabel("seconds (median, range of repeats)")
    axes[1, 0].set_ylabel("peak memory, MB (at least 1)")
    used = [setting for setting in SETTINGS if any(line.setting == setting for line in lines)]
    handles = [plt.Line2D([], [], color="0.3", linestyle=STYLES[setting]) for setting in used]
    words = [SETTINGS[setting] for setting in used]
    figure.legend(handles, words, loc="outside lower center", ncols=len(used))
    figure.savefig(IMAGES / f"scaling_{part}.png", dpi=110)
    plt.close(figure)


def _draw(axes: Any, line: Line, colour: str, *, with_fixed: bool) -> None:
    """Seconds above, memory below. The legend names a method once, with its exponent on one thread."""
    style = {"color": colour, "linestyle": STYLES[line.setting], "marker": "o", "markersize": 4}
    medians = [median(runs) for runs in line.seconds]
    ranges = [
        [m - min(runs) for m, runs in zip(medians, line.seconds, strict=True)],
        [max(runs) - m for m, runs in zip(medians, line.seconds, strict=True)],
    ]
    label = None
    if line.setting == (1, "cpu"):
        label = line.sweep.method + (f" ({line.sweep.fixed(line.name)})" if with_fixed else "")
        label += f": {line.name}^{line.growth.exponent:.2f}" if line.growth else ""
    axes[0].errorbar(line.values, medians, yerr=ranges, label=label, capsize=2, **style)
    axes[1].plot(line.values, [max(memory, 1.0) for memory in line.memory], **style)
    for ax in axes:
        ax.set(xscale="log", yscale="log")


if __name__ == "__main__":
    main()
