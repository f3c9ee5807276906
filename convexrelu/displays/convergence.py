"""Objective and lower bound over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from convexrelu._utils.typing import Array
from convexrelu.displays.fitted import innermost
from convexrelu.results.result import Round

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ConvergenceDisplay"]


class ConvergenceDisplay:
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

    figure_: Figure
    ax_: Axes

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

    def plot(self, ax: Axes | None = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, optional
            Label of the objective's line.
        **kwargs
            Passed to the objective's ``ax.plot``.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        bound_name = "lower bound (proved)" if self.is_proof else "lower bound (estimated)"
        style: dict[str, Any] = {"label": name or "objective", "marker": "o", "markersize": 3}
        line = ax.plot(self.seconds, self.objective, **style | kwargs)[0]
        ax.plot(
            self.seconds, self.lower_bound, linestyle="--", color=line.get_color(), label=bound_name
        )
        ax.set(xlabel="time (s)", ylabel="regularised objective")
        ax.legend()
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self
