"""Scores of several methods on the same folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from convexrelu.comparison.result import Comparison
from convexrelu.displays.common import AxesDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ComparisonDisplay"]

_SPREAD = 0.12  # of the points of one method, across its row


class ComparisonDisplay(AxesDisplay):
    """A row for each method: a point for each fold and a bar at the mean; matplotlib is imported when it is drawn.

    Parameters
    ----------
    comparison : Comparison

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    @classmethod
    def from_comparison(cls, comparison: Comparison, *, ax: Axes | None = None) -> Self:
        """Draw a comparison."""
        return cls(comparison).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        ComparisonDisplay
        """
        of = self.comparison
        ax = self._take_axes(ax, figsize=(6, 1.2 + 0.5 * len(of.names)))
        order = np.argsort(of.scores.mean(axis=1), kind="stable")
        heights = np.linspace(-_SPREAD, _SPREAD, of.scores.shape[1])
        for place, k in enumerate(order):
            colour = "C0" if k == 0 else "0.45"
            ax.plot(of.scores[k], place + heights, "o", color=colour, alpha=0.6, markersize=5)
            ax.plot([of.scores[k].mean()] * 2, [place - 0.3, place + 0.3], color=colour, lw=2)
        labels = [f"{of.names[k]}\n{of.seconds[k].mean():.2g} s" for k in order]
        ax.set_yticks(range(len(order)), labels)
        ax.set(xlabel=f"{of.scoring} on the samples left out", ylim=(-0.5, len(order) - 0.5))
        ax.grid(axis="x", alpha=0.3)
        return self
