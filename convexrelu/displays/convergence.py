"""Objective and lower bound over time, or the gap between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from convexrelu._utils.arguments import check_choice
from convexrelu._utils.typing import Array
from convexrelu.displays.common import AxesDisplay
from convexrelu.displays.fitted import innermost
from convexrelu.results.result import Round

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ConvergenceDisplay", "visible_range"]

# Gaps above the median by this factor are outside of the picture, whose margin is this part of its height.
_WIDE, _MARGIN = 3.0, 0.08


class ConvergenceDisplay(AxesDisplay):
    """Objective and lower bound of a fit over time; matplotlib is imported when it is drawn.

    Parameters
    ----------
    seconds, objective, lower_bound : arrays of shape (k,)
        One entry per round.
    is_proof : bool
        Whether the last bound is proved; the label says so.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu import ConvexReLURegressor
    >>> from convexrelu.displays import ConvergenceDisplay
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> model = ConvexReLURegressor(alpha=1e-3, random_state=0).fit(X, np.abs(X[:, 0]))
    >>> display = ConvergenceDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel()
    'time (s)'
    """

    def __init__(
        self, seconds: Array, objective: Array, lower_bound: Array, *, is_proof: bool
    ) -> None:
        self.seconds = seconds
        self.objective = objective
        self.lower_bound = lower_bound
        self.is_proof = is_proof

    @classmethod
    def from_history(cls, history: list[Round], *, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw from a list of rounds, such as ``Result.history``."""
        if not history:
            raise ValueError("history is empty, expected at least one round")
        columns = [(entry.seconds, entry.objective, entry.lower_bound) for entry in history]
        seconds, objective, lower_bound = np.array(columns, dtype=np.float64).T
        display = cls(seconds, objective, lower_bound, is_proof=history[-1].is_proof)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw from a fitted estimator's ``history_``; pipelines, searches and the like may be around it."""
        return cls.from_history(innermost(estimator, "history_").history_, ax=ax, **kwargs)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        kind: str = "bounds",
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        kind : {"bounds", "gap"}
            Objective and lower bound, with limits that show the later rounds: the first bounds are often so low that
            nothing else would be seen. Or the relative gap on a logarithmic axis.
        name : str, optional
            Label of the line of the objective, or of the gap.
        **kwargs
            Passed to the ``ax.plot`` of this line.
        """
        check_choice("kind", kind, ("bounds", "gap"))
        ax = self._take_axes(ax)
        if kind == "gap":
            self._plot_gap(ax, name, kwargs)
        else:
            self._plot_bounds(ax, name, kwargs)
        ax.set(xlabel="time (s)")
        ax.legend()
        return self

    def _plot_gap(self, ax: Axes, name: str | None, kwargs: dict[str, Any]) -> None:
        kind = "proved" if self.is_proof else "estimated"
        style: dict[str, Any] = {"label": name or f"gap ({kind})", "marker": "o", "markersize": 3}
        gaps = self._gaps() / np.where(self.objective == 0, 1.0, np.abs(self.objective))
        smallest = gaps[gaps > 0].min(initial=1.0)
        # A gap of zero has no place on the axis: it is drawn a decade below the others.
        ax.plot(self.seconds, np.where(gaps > 0, gaps, smallest / 10), **style | kwargs)
        ax.set(ylabel="relative gap", yscale="log")

    def _plot_bounds(self, ax: Axes, name: str | None, kwargs: dict[str, Any]) -> None:
        bound_name = "lower bound (proved)" if self.is_proof else "lower bound (estimated)"
        style: dict[str, Any] = {"label": name or "objective", "marker": "o", "markersize": 3}
        line = ax.plot(self.seconds, self.objective, **style | kwargs)[0]
        style = {"linestyle": "--", "marker": ".", "markersize": 3, "color": line.get_color()}
        ax.plot(self.seconds, self.lower_bound, label=bound_name, **style)
        ax.set(ylabel="regularised objective")
        limits = visible_range(self.objective, self.lower_bound)
        if limits is not None and ax.get_autoscaley_on():
            ax.set_ylim(*limits)

    def _gaps(self) -> Array:
        return np.maximum(self.objective - self.lower_bound, 0.0)


def visible_range(objective: Array, lower_bound: Array) -> tuple[float, float] | None:
    """Limits that show the rounds with the smaller gaps; None if all rounds can be seen at once.

    Examples
    --------
    >>> objective, bound = np.array([1.1, 1.0, 1.0]), np.array([0.0, 0.98, 0.99])
    >>> [round(limit, 2) for limit in visible_range(objective, bound)]
    [0.98, 1.0]
    """
    gaps = np.maximum(objective - lower_bound, 0.0)
    shown = gaps <= _WIDE * np.median(gaps)
    shown[-1] = True
    shown &= np.isfinite(lower_bound)
    if shown.all() or not shown.any():
        return None
    low, high = float(lower_bound[shown].min()), float(objective[shown].max())
    margin = _MARGIN * (high - low) or _MARGIN * abs(high) or 1.0
    return low - margin, high + margin
