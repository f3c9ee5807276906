"""Runs of vertex descent: how far their losses are above a level, against vertices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from convexrelu._utils.arguments import as_float, is_number, shown
from convexrelu.displays.common import AxesDisplay
from convexrelu.landscape.ticks import plain_log_ticks
from convexrelu.landscape.vertices.result import VertexDescent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["VertexDescentDisplay"]


class VertexDescentDisplay(AxesDisplay):
    """Loss of runs of vertex descent above a common level, on a logarithmic axis; matplotlib is imported to draw.

    Parameters
    ----------
    runs : sequence of VertexDescent
    level : float
        Loss that gaps are measured from, below all losses.
    level_name : str
        What the level is, for the label of the axis; empty for zero.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.landscape import VertexDescentDisplay, vertex_descents
    >>> X = np.random.RandomState(0).standard_normal((30, 2))
    >>> runs = list(vertex_descents(X, np.abs(X[:, 0]) + X[:, 1] ** 2, width=2, n_runs=2, random_state=0))
    >>> VertexDescentDisplay.from_runs(runs).ax_.get_xlabel()
    'vertices'
    """

    def __init__(self, runs: Sequence[VertexDescent], *, level: float, level_name: str) -> None:
        self.runs = runs
        self.level = level
        self.level_name = level_name

    @classmethod
    def from_runs(
        cls,
        runs: Sequence[VertexDescent],
        *,
        level: float = 0.0,
        level_name: str = "",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw runs above a level, such as a proved lower bound; options are those of :meth:`plot`."""
        runs = list(runs)
        if not runs or not all(isinstance(run, VertexDescent) for run in runs):
            raise ValueError(f"runs={shown(runs)} is not a list of VertexDescent, of at least one")
        lowest = min(run.loss for run in runs)
        if not is_number(level) or not as_float(level) < lowest:
            raise ValueError(f"level={shown(level)} is not a number below all losses, {lowest:g}")
        return cls(runs, level=as_float(level), level_name=level_name).plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        **kwargs
            Passed to the ``ax.plot`` of the runs.
        """
        ax = self._take_axes(ax)
        style: dict[str, Any] = {"lw": 1, "alpha": 0.8} | kwargs
        for run in self.runs:
            color = style.get("color", "C0" if run.is_local_minimum else "C1")
            ax.semilogy(run.losses - self.level, **(style | {"color": color}))
            ax.plot(run.n_vertices, run.loss - self.level, "o", ms=4, color=color)
        self._name_ends(ax)
        plain_log_ticks(ax)
        name = "mean absolute error"
        if self.level_name:
            name += f" above {self.level_name}"
        ax.set(xlabel="vertices", ylabel=name)
        return self

    def _name_ends(self, ax: Axes) -> None:
        n_tested = int(np.sum([run.is_local_minimum for run in self.runs]))
        for color, number, name in (
            ("C0", n_tested, "ends in a tested local minimum"),
            ("C1", len(self.runs) - n_tested, "ends without a certificate"),
        ):
            if number:
                ax.plot([], [], "-o", ms=4, color=color, label=f"{name} ({number})")
        ax.legend()
