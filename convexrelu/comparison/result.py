"""What a comparison has measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from convexrelu._utils.rooms import room_above
from convexrelu._utils.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Comparison"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scores of several methods on the same outer folds.

    Attributes
    ----------
    names : list of str
        Of the methods; the estimator in question is the first.
    scores, seconds : array of shape (m, n_folds)
        Scores on the samples that were left out, the larger the better, and seconds of fitting, with the choice of
        parameters.
    gaps : array of shape (m, n_folds)
        Relative gaps of certificates; NaN for methods that have none.
    proved : array of shape (m, n_folds)
        Whether their bounds are proved.
    scoring : str
        What the scores are.
    """

    names: list[str]
    scores: Array
    seconds: Array
    gaps: Array
    proved: Any
    scoring: str

    def rows(self) -> list[dict[str, Any]]:
        """One dict a method: mean and spread of scores, mean seconds, largest gap; the best mean first.

        The spread is the standard deviation over folds. These share most of their training samples, so that
        differences between methods are less certain than the spread suggests.
        """
        order = np.argsort(-self.scores.mean(axis=1), kind="stable")
        return [
            {
                "method": self.names[k],
                "mean": float(self.scores[k].mean()),
                "spread": float(self.scores[k].std()),
                "seconds": float(self.seconds[k].mean()),
                "gap": float(self.gaps[k].max()),
                "proved": bool(self.proved[k].all()),
            }
            for k in order
        ]

    def to_pandas(self) -> Any:
        """The rows as a data frame of pandas."""
        import pandas

        return pandas.DataFrame(self.rows()).set_index("method")

    def __str__(self) -> str:
        width = max(map(len, self.names))
        lines = [f"{'':{width}}  {self.scoring:>17}  {'seconds':>8}  largest gap"]
        for row in self.rows():
            gap = "" if np.isnan(row["gap"]) else f"{row['gap']:.1e}"
            gap += " (proved)" if row["proved"] else " (estimated)" if gap else ""
            score = f"{row['mean']:.4g} ± {row['spread']:.2g}"
            line = f"{row['method']:{width}}  {score:>17}  {row['seconds']:8.2f}  {gap}"
            lines.append(line.rstrip())
        return "\n".join(lines)

    def plot(self, ax: Axes | None = None) -> Any:
        """Draw the scores, see :class:`~convexrelu.comparison.ComparisonDisplay`."""
        return room_above("comparison").ComparisonDisplay.from_comparison(self, ax=ax)
