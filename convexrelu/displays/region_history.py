"""Regions near the samples over a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from convexrelu.regions.history import RegionHistory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RegionHistoryDisplay"]


class RegionHistoryDisplay:
    """Distances to the nearest boundary, and regions in balls, over a training run.

    Matplotlib is imported when it is drawn. The line is the median over the samples, and the band goes from the first
    to the third quartile.

    Parameters
    ----------
    history : RegionHistory

    Attributes
    ----------
    axes_ : array of matplotlib Axes
        For distances and, for networks with one hidden layer, for numbers of regions.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from convexrelu import TwoLayerNetwork
    >>> from convexrelu.displays import RegionHistoryDisplay
    >>> from convexrelu.regions import region_history
    >>> run = [TwoLayerNetwork([[1.0], [1.0]], [b, -b], [[1.0, 1.0]], [0.0]) for b in (0.1, 0.5, 2.0)]
    >>> history = region_history(run, [[-0.3], [0.0], [0.3]], 0.25)
    >>> len(RegionHistoryDisplay.from_history(history).axes_)
    2
    """

    figure_: Figure
    axes_: Any

    def __init__(self, history: RegionHistory) -> None:
        self.history = history

    @classmethod
    def from_history(cls, history: RegionHistory, *, axes: Any = None, **kwargs: Any) -> Self:
        """Draw a :class:`~convexrelu.regions.RegionHistory`; options are those of :meth:`plot`."""
        if not isinstance(history, RegionHistory):
            raise ValueError(f"history is a {type(history).__name__}, expected a RegionHistory")
        return cls(history).plot(axes=axes, **kwargs)

    def plot(self, axes: Any = None, **kwargs: Any) -> Self:
        """Draw on `axes`, or on a new figure.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, optional
            One for distances, and another one for numbers of regions where there are any.
        **kwargs
            Passed to the ``ax.plot`` of the medians.
        """
        import matplotlib.pyplot as plt

        rows: list[tuple[str, Any]] = [("distance to boundary", self.history.distances)]
        if self.history.counts is not None:
            rows.append((f"regions within {self.history.radius:g}", self.history.counts))
        if axes is None:
            _, axes = plt.subplots(len(rows), sharex=True, squeeze=False, layout="constrained")
        axes = np.asarray(axes, dtype=object).ravel()
        if len(axes) != len(rows):
            raise ValueError(f"axes has {len(axes)} entries, expected {len(rows)}")
        for ax, (label, values) in zip(axes, rows, strict=True):
            self._draw(ax, label, values, kwargs)
        axes[0].axhline(self.history.radius, color="0.4", ls=":", lw=1, label="radius of the balls")
        axes[-1].set_xlabel("step")
        if self.history.bounds is not None:
            bound = np.median(self.history.bounds.astype(np.float64), axis=1)
            axes[-1].plot(self.history.steps, bound, color="C1", ls="--", label="bound (median)")
        for ax in axes:
            ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
        self.axes_ = axes
        self.figure_ = axes[0].figure
        return self

    def _draw(self, ax: Axes, label: str, values: Any, style: dict[str, Any]) -> None:
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75], axis=1, method="nearest")
        steps = self.history.steps
        defaults: dict[str, Any] = {
            "color": "C0",
            "marker": "o",
            "markersize": 3,
            "label": "median",
        }
        ax.plot(steps, median, **defaults | style)
        ax.fill_between(steps, low, high, color="C0", alpha=0.25, lw=0, label="quartiles")
        ax.set_ylabel(label)
