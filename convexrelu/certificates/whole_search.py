"""What counts as the estimate of a loop whose last search was cut short by time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from convexrelu._utils.typing import Array
from convexrelu.oracles.base import OracleReport

__all__ = ["WholeSearch"]


@dataclass(eq=False)
class WholeSearch:
    """The last search that time did not cut short.

    Attributes
    ----------
    last : pair of an array and an OracleReport, or None
        Its dual point and its report, with all that later searches have shown there; None if there was none.

    Examples
    --------
    >>> import numpy as np
    >>> from convexrelu.oracles import SearchOracle
    >>> design, v = np.array([[1.0], [-1.0]]), np.array([1.0, 0.5])
    >>> whole = WholeSearch()
    >>> report = SearchOracle(design, random_state=0)(v)
    >>> whole.or_last(v, report, reached=lambda v: 0.0)[1] is report
    True
    >>> at, lowered = whole.or_last(2 * v, replace(report, finished=False), reached=lambda v: 3.0)
    >>> at is v, lowered.bound
    (True, 3.0)
    """

    last: tuple[Array, OracleReport] | None = None

    def or_last(
        self, v: Array, report: OracleReport, reached: Callable[[Array], float]
    ) -> tuple[Array, OracleReport]:
        """A dual point and a report that count: these, or if time has cut the search short, the last ones that do.

        Parameters
        ----------
        v : array
            Dual point.
        report : OracleReport
            What was found there.
        reached : callable
            A lower bound on the maximum at a dual point, by all that is known now: the estimate is at least that.

        Returns
        -------
        pair of an array and an OracleReport
            Neither finished nor a proof only if no search before was whole.
        """
        if report.is_proof or report.finished or self.last is None:
            if report.finished and not report.is_proof:
                self.last = v, report
            return v, report
        v, known = self.last
        self.last = v, replace(known, bound=max(known.bound, reached(v)))
        return self.last
