"""Objectives above a lower bound, for several ways of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from convexrelu._utils.arguments import check_choice
from convexrelu._utils.typing import Array
from convexrelu.certificates.certificate import Certificate
from convexrelu.displays.common import AxesDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from convexrelu.baselines.descent import Descent

__all__ = ["WaysDownDisplay"]

# Gaps below this are drawn there, as a logarithm has no zero.
_SMALLEST = 1e-12


class WaysDownDisplay(AxesDisplay):
    """Relative excess of the objective over a lower bound; matplotlib is imported when it is drawn.

    Parameters
    ----------
    curves : dict of str to pair of arrays
        Positions, steps or seconds, and objectives, for each name.
    lower_bound : float
    objective : float or None
        Objective of convex training, drawn as a line.
    is_proof : bool
        Whether the bound is proved.
    against : {"steps", "seconds"}

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(
        self,
        curves: dict[str, tuple[Array, Array]],
        lower_bound: float,
        objective: float | None = None,
        *,
        is_proof: bool,
        against: str = "steps",
    ) -> None:
        check_choice("against", against, ("steps", "seconds"))
        if not lower_bound > 0:
            raise ValueError(f"lower_bound={lower_bound!r} is not a number above 0")
        self.curves = curves
        self.lower_bound = lower_bound
        self.objective = objective
        self.is_proof = is_proof
        self.against = against

    @classmethod
    def from_runs(
        cls,
        runs: Sequence[Descent],
        certificate: Certificate,
        *,
        against: str = "steps",
        ax: Axes | None = None,
    ) -> Self:
        """Draw from results of :func:`~convexrelu.baselines.descend` and the certificate of convex training."""
        check_choice("against", against, ("steps", "seconds"))
        curves = {run.name: (getattr(run, against), run.objectives) for run in runs}
        bound, objective = certificate.lower_bound, certificate.objective
        display = cls(curves, bound, objective, is_proof=certificate.is_proof, against=against)
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on `ax`, or on a new figure."""
        ax = self._take_axes(ax, layout=None)
        for name, (position, objectives) in self.curves.items():
            ax.plot(position, self._excess(objectives), label=name)
        kind = "proved" if self.is_proof else "estimated"
        if self.objective is not None:
            gap = float(self._excess(np.array(self.objective)))
            ax.axhline(gap, linestyle="--", color="black", label=f"convex training ({kind} gap)")
        unit = "steps" if self.against == "steps" else "time (s)"
        ax.set(xlabel=unit, ylabel=f"objective above the {kind} bound, relative", yscale="log")
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        return self

    def _excess(self, objectives: Array) -> Array:
        return np.maximum(objectives / self.lower_bound - 1, _SMALLEST)
