"""Mean ranks of methods over several tables, with those joined that do not differ significantly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.stats import rankdata

from convexrelu._utils.typing import Array
from convexrelu.comparison.result import Comparison
from convexrelu.displays.common import AxesDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CriticalDifferenceDisplay"]


class CriticalDifferenceDisplay(AxesDisplay):
    """Critical-difference diagram of Demšar (2006); it is drawn by scikit-posthocs.

    Parameters
    ----------
    names : list of str
        Of the methods.
    scores : array of shape (n_tables, m)
        Mean scores, the larger the better.
    level : float
        Probability of an error that the test of Nemenyi allows.

    Attributes
    ----------
    ranks : array of shape (m,)
        Mean ranks; 1 is the best, and equal scores share theirs.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, names: Sequence[str], scores: Array, *, level: float = 0.05) -> None:
        self.names, self.scores, self.level = list(names), np.asarray(scores, float), level
        if self.scores.ndim != 2 or self.scores.shape[1] != len(self.names):
            raise ValueError(
                f"scores has shape {self.scores.shape}, expected (tables, {len(self.names)})"
            )
        if self.scores.shape[0] < 2:
            raise ValueError("mean ranks need at least two tables")
        self.ranks = rankdata(-self.scores, axis=1).mean(axis=0)

    @classmethod
    def from_comparisons(
        cls, comparisons: Sequence[Comparison], *, level: float = 0.05, ax: Axes | None = None
    ) -> Self:
        """Draw results of :func:`~convexrelu.comparison.compare` for several tables.

        The tables are what is random: folds of one table share samples, and would make differences look more certain
        than they are.

        Parameters
        ----------
        comparisons : list of Comparison
            With equally many methods in the same order: the first has the name of its place.
        level : float
        ax : matplotlib Axes, optional

        Returns
        -------
        CriticalDifferenceDisplay

        Raises
        ------
        ImportError
            Without scikit-posthocs: ``pip install convexrelu[compare]``.
        """
        names = comparisons[0].names
        for one in comparisons:
            if one.names[1:] != names[1:]:
                raise ValueError(f"comparisons have the rivals {names[1:]} and {one.names[1:]}")
        alike = all(one.names[0] == names[0] for one in comparisons)
        first = names[0] if alike else "this estimator"
        scores = np.array([one.scores.mean(axis=1) for one in comparisons])
        return cls([first, *names[1:]], scores, level=level).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw on `ax`, or on a new figure.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        CriticalDifferenceDisplay
        """
        posthocs = _posthocs()
        import pandas

        ax = self._take_axes(ax, figsize=(6.5, 2.2))
        table = pandas.DataFrame(self.scores, columns=self.names)
        differ = posthocs.posthoc_nemenyi_friedman(table)
        ranks = dict(zip(self.names, self.ranks, strict=True))
        posthocs.critical_difference_diagram(
            ranks, differ, alpha=self.level, ax=ax, text_h_margin=0.06
        )
        ax.set_title(f"mean ranks on {len(self.scores)} tables; 1 is the best", fontsize="medium")
        return self


def _posthocs() -> Any:
    try:
        import scikit_posthocs
    except ImportError as error:
        raise ImportError(
            "critical-difference diagrams need scikit-posthocs: pip install convexrelu[compare]"
        ) from error
    return scikit_posthocs
